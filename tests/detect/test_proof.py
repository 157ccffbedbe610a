# SPDX-License-Identifier: Apache-2.0
"""Offline proofs, on published values and on values made here."""

import base64
import json
import zlib

import pytest
from planted import AWS_KEY_ID, fill, github_token, private_key

from scanner.bech32 import residue
from scanner.detect.proof import (
    PROOFS,
    base62,
    check_age,
    check_aws_access_key_id,
    check_crc32,
    check_jwt,
    check_pem,
)

# GitHub's own example of its format.
PUBLISHED = b"gh" + b"p_" + b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ" + b"0mLq17"


def test_the_published_token_is_proven() -> None:
    assert check_crc32(PUBLISHED).outcome == "proven"


@pytest.mark.parametrize("position", [4, 20, 33, 34, 39])
def test_one_changed_character_of_a_token_makes_it_doubtful(position: int) -> None:
    changed = bytearray(PUBLISHED)
    changed[position] = ord("A") if changed[position] != ord("A") else ord("B")
    assert check_crc32(bytes(changed)).outcome == "doubtful"


def test_a_checksum_of_few_digits_is_padded_with_zeros() -> None:
    body = next(text for text in (b"%030d" % n for n in range(10**6)) if zlib.crc32(text) < 62**4)
    padded = base62(zlib.crc32(body), 6)
    assert padded.startswith(b"00")
    assert check_crc32(b"npm_" + body + padded).outcome == "proven"


@pytest.mark.parametrize(("number", "text"), [(0, b"000000"), (61, b"00000z"), (62, b"000010"), (2**32 - 1, b"4gfFC3")])
def test_base62_counts_digits_then_capitals_then_small_letters(number: int, text: bytes) -> None:
    assert base62(number, 6) == text


def _jwt(header: object, claims: object, signature: str = "c2lnbmF0dXJlLW9mLXNvbWUtbGVuZ3Ro") -> bytes:
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims))
    return b".".join([*parts, signature.encode()])


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (_jwt({"alg": "HS256"}, {"sub": "me"}), "plausible"),
        (_jwt({"alg": "none"}, {"sub": "me"}), "doubtful"),
        (_jwt({"alg": "None"}, {"sub": "me"}, ""), "doubtful"),
        (_jwt({"alg": "HS256"}, {"sub": "me"}, "short"), "doubtful"),
        (_jwt({"alg": "HS256"}, {"sub": "1234567890"}), "refuted"),
        (_jwt({"alg": "HS256"}, {"name": "John Doe"}), "refuted"),
        (_jwt({"typ": "JWT"}, {"sub": "me"}), "refuted"),
        (_jwt({"alg": 5}, {"sub": "me"}), "refuted"),
        (_jwt(["alg"], {"sub": "me"}), "refuted"),
        (_jwt({"alg": "HS256"}, "claims"), "refuted"),
        (b"eyJhbGciOiJI.eyJzdWI.c2lnbmF0dXJlLW9mLXNvbWUtbGVuZ3Ro", "refuted"),
        (b"a.b.c", "refuted"),
        (b"no dots", "refuted"),
        (b"", "refuted"),
        (_jwt({"alg": "HS256"}, {"sub": "me"}).replace(b".", b".\xff", 1), "refuted"),
    ],
)
def test_a_json_web_token_is_weighed_by_what_it_holds(value: bytes, outcome: str) -> None:
    assert check_jwt(value).outcome == outcome


def test_claims_nested_beyond_measure_are_refuted() -> None:
    deep = base64.urlsafe_b64encode(b"[" * 100_000).rstrip(b"=")
    assert check_jwt(base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=") + b"." + deep + b".c2ln").outcome == "refuted"


def test_claims_with_an_endless_number_are_weighed_without_an_error() -> None:
    claims = base64.urlsafe_b64encode(b'{"exp": ' + b"9" * 5000 + b"}").rstrip(b"=")
    assert check_jwt(base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=") + b"." + claims + b".c2ln").outcome in ("refuted", "doubtful")


def _pem(label: str, data: bytes, headers: str = "") -> bytes:
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *([headers] if headers else []), *lines, f"-----END {label}-----"]).encode()


DER = b"\x30\x82\x01\x2c" + bytes(range(1, 251)) + b"x" * 50
OPENSSH = b"openssh-key-v1\0"


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (private_key().encode(), "proven"),
        (_pem("EC PRIVATE KEY", b"\x30\x77" + b"k" * 119), "proven"),
        (_pem("PRIVATE KEY", DER), "proven"),
        (_pem("PRIVATE KEY", DER).replace(b"\n", b"\r\n"), "proven"),
        (_pem("PRIVATE KEY", DER).replace(b"\n", b"\\n"), "proven"),
        (_pem("PRIVATE KEY", DER).replace(b"\n", b"\n    "), "proven"),
        (_pem("PRIVATE KEY", b"\x30\x82\x4f\xff" + b"k" * 200), "doubtful"),
        (_pem("PRIVATE KEY", b"not a sequence at all, but long enough to be one"), "doubtful"),
        (_pem("ENCRYPTED PRIVATE KEY", DER), "plausible"),
        (_pem("RSA PRIVATE KEY", DER, "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n"), "plausible"),
        (_pem("OPENSSH PRIVATE KEY", OPENSSH + b"\0\0\0\x04none" + b"k" * 99), "proven"),
        (_pem("OPENSSH PRIVATE KEY", OPENSSH + b"\0\0\0\x0aaes256-ctr" + b"k" * 99), "plausible"),
        (_pem("OPENSSH PRIVATE KEY", OPENSSH + b"\xff\xff\xff\xff" + b"k" * 99), "plausible"),
        (_pem("PGP PRIVATE KEY BLOCK", b"\x95\x01" + b"k" * 99), "plausible"),
        (b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "refuted"),
        (b"-----BEGIN PRIVATE KEY-----", "refuted"),
        (b"", "refuted"),
    ],
)
def test_a_private_key_is_weighed_by_its_structure(value: bytes, outcome: str) -> None:
    assert check_pem(value).outcome == outcome


def test_a_key_tells_whether_a_passphrase_protects_it() -> None:
    assert "not encrypted" in check_pem(_pem("PRIVATE KEY", DER)).reason
    assert "without a passphrase" in check_pem(_pem("OPENSSH PRIVATE KEY", OPENSSH + b"\0\0\0\x04none" + b"k" * 99)).reason
    assert "encrypted with a passphrase" in check_pem(_pem("ENCRYPTED PRIVATE KEY", DER)).reason


def test_an_aws_key_id_tells_its_account() -> None:
    account = 123456789012
    data = (((1 << 47) | account << 7).to_bytes(6, "big")) + b"\0" * 4
    value = b"AKIA" + base64.b32encode(data)
    proof = check_aws_access_key_id(value)
    assert (proof.outcome, f"{account:012d}" in proof.reason) == ("plausible", True)


def test_an_old_aws_key_id_has_no_account_to_tell() -> None:
    proof = check_aws_access_key_id(b"AKIA" + b"I" + AWS_KEY_ID[5:].encode())
    assert (proof.outcome, "account" in proof.reason) == ("plausible", False)


def test_what_is_not_base32_is_no_aws_key_id() -> None:
    assert check_aws_access_key_id(b"AKIA" + b"0189" * 4).outcome == "refuted"


def test_an_age_key_is_proven_by_its_checksum() -> None:
    key = fill("{{age}}").encode()
    assert check_age(key).outcome == "proven"
    last = b"Q" if key[-1:] != b"Q" else b"P"
    assert check_age(key[:-1] + last).outcome == "doubtful"
    assert [check_age(value).outcome for value in (b"", b"AGE-SECRET-KEY-1", b"AGE-SECRET-KEY-1BIO")] == ["doubtful"] * 3


@pytest.mark.parametrize("text", [b"a12uel5l", b"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"])
def test_bech32_agrees_with_the_vectors_of_its_standard(text: bytes) -> None:
    prefix, _, data = text.rpartition(b"1")
    assert residue(prefix, data) == 1


def test_a_right_checksum_is_proven_whatever_the_seed() -> None:
    assert {check_crc32(github_token(seed).encode()).outcome for seed in range(100)} == {"proven"}


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("value", [b"", b"\0", b"\xff" * 50, b"." * 9, b"=" * 40, b"-----BEGIN KEY-----" + b"\xff" * 90, bytes(range(256))])
def test_no_proof_fails_on_rubbish(name: str, value: bytes) -> None:
    assert PROOFS[name](value).outcome in ("plausible", "doubtful", "refuted")
