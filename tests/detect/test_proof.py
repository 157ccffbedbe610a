# SPDX-License-Identifier: Apache-2.0
"""Offline proofs, on published values and on values made here."""

import base64
import json
import zlib

import pytest
from planted import AWS_KEY_ID, fill, github_token

from scanner.bech32 import residue
from scanner.detect.judge import judge
from scanner.detect.proof import PROOFS
from scanner.detect.proofs.checksums import base62, check_bech32, check_crc32, check_entra
from scanner.detect.proofs.tokens import check_aws_access_key_id, check_jwt
from scanner.detect.rules import Rule

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


def test_a_json_web_token_tells_until_when_it_is_good() -> None:
    assert check_jwt(_jwt({"alg": "HS256"}, {"exp": 1600000000})).reason.endswith("good until 2020-09-13")
    for end in ({}, {"exp": "soon"}, {"exp": 10**30}, {"exp": None}):
        assert check_jwt(_jwt({"alg": "HS256"}, end)).reason.endswith("without an end")


# Examples that Grafana and Microsoft publish in the tests of their own.
GRAFANA = b"gl" + b"sa_yscW25imSKJIuav8zF37RZmnbiDvB05G_" + b"fcaaf58a"
ENTRA = b"zzz8Q" + b"~" + b"z" * 31 + b"blP"
AZURE_FUNCTION = b"d" * 44 + b"AzF" + b"u182vhA=="


@pytest.mark.parametrize(
    ("proof", "value"), [("grafana", GRAFANA), ("entra", ENTRA), ("azure", AZURE_FUNCTION)], ids=["grafana", "entra", "azure"]
)
def test_published_examples_are_proven(proof: str, value: bytes) -> None:
    assert PROOFS[proof](value).outcome == "proven"
    assert PROOFS[proof](value.replace(b"d", b"e", 1).replace(b"zzz8", b"zaz8").replace(b"yscW", b"yscV")).outcome != "proven"


# From the first test vector of BIP 32, and the WIF that the Bitcoin wiki explains: both well known, and worth nothing.
BASE58 = [
    "xprv" + "9s21ZrQH143K3QTDL4LXw2F7HEK3wJUD2nW2nRk4stbPy6cq3jPPqjiChkVvvNKmPGJxWUtg6LnF5kejMRNNU3TGtRBeJgk33yuGBxrMPHi",
    "5Hue" + "CGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
]


@pytest.mark.parametrize("value", BASE58)
def test_base58check_agrees_with_published_keys(value: str) -> None:
    assert PROOFS["base58check"](value.encode()).outcome == "proven"
    assert PROOFS["base58check"](value[:-1].encode() + b"2").outcome == "doubtful"
    assert PROOFS["base58check"](value.encode() + b"0").outcome == "refuted"


GENERATED = [
    ("crc32-base62", "{{crc32:npm_}}"),
    ("gitlab", "{{gitlab:glpat-}}"),
    ("gitlab", "{{gitlab:glrt-t3_}}"),
    ("grafana", "{{grafana:}}"),
    ("entra", "{{entra:}}"),
    ("azure", "{{azure:64:+ASt:Default0}}"),
    ("azure", "{{azure:32:AIoT:Device00}}"),
    ("azure", "{{azure:39:AzSe:PAdmin00}}"),
    ("bech32", "{{age}}"),
    ("bech32", "{{bech32:nsec}}"),
    ("crc16-base32", "{{crc16:9500}}"),
    ("crc16-base32", "{{crc16:90}}"),
    ("base58check", "{{base58check:80}}"),
    ("macaroon", "pypi-{{macaroon:pypi.org}}"),
]


@pytest.mark.parametrize(("proof", "template"), GENERATED)
def test_whatever_the_seed_a_value_is_proven_and_one_with_another_character_is_not(proof: str, template: str) -> None:
    for seed in range(20):
        value = fill(template, seed).encode()
        assert PROOFS[proof](value).outcome == "proven"
        at = len(value) // 2 if proof != "macaroon" else 8
        other = b"Q" if value[at : at + 1] not in b"Qq" else b"P"
        assert PROOFS[proof](value[:at] + other + value[at + 1 :]).outcome != "proven"
        assert PROOFS[proof](value[:-9]).outcome != "proven"


def test_an_azure_key_whose_checksum_nobody_knows_stays_what_it_is() -> None:
    proof = PROOFS["azure"](fill("{{azure:64:+ASt:Unknown9}}").encode())
    assert (proof.outcome, "none of those" in proof.reason) == ("plausible", True)


def test_old_tokens_without_a_checksum_stay_what_they_are() -> None:
    assert PROOFS["gitlab"](fill("glpat-{{base64url:20}}").encode()).outcome == "plausible"
    assert check_entra(fill("{{alnum:3}}7Q~{{alnum:31}}").encode()).outcome == "plausible"


def test_json_within_a_token_is_whole_or_not() -> None:
    content = base64.b64encode(b'{"iat":1.5,"url":"https://sentry.test","org":"acme"}').decode()
    token = fill(f"sntrys_{content}_{{{{base64:43}}}}").encode()
    assert PROOFS["json-base64"](token).outcome == "plausible"
    assert "acme" in PROOFS["json-base64"](token).reason
    assert PROOFS["json-base64"](token[:30] + b"_" + token[-43:]).outcome == "doubtful"


def test_what_a_proof_says_decides_on_the_confidence() -> None:
    rule = Rule("a-rule", "A rule", "high", "high", "x", "help", (), proof="pem")
    whole, locked = fill("{{pem:PRIVATE KEY}}").encode(), fill("{{pem-encrypted:OPENSSH PRIVATE KEY}}").encode()
    assert judge(rule, whole, b"").confidence == "proven"
    assert judge(rule, locked, b"").confidence == "medium"
    assert judge(rule._replace(confidence="low"), locked, b"").confidence == "low"
    assert judge(rule, whole[:300] + whole[-30:], b"").confidence == "low"


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
    assert check_bech32(key).outcome == "proven"
    last = b"Q" if key[-1:] != b"Q" else b"P"
    assert check_bech32(key[:-1] + last).outcome == "doubtful"
    assert [check_bech32(value).outcome for value in (b"", b"AGE-SECRET-KEY-1", b"AGE-SECRET-KEY-1BIO")] == ["doubtful"] * 3


@pytest.mark.parametrize("text", [b"a12uel5l", b"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"])
def test_bech32_agrees_with_the_vectors_of_its_standard(text: bytes) -> None:
    prefix, _, data = text.rpartition(b"1")
    assert residue(prefix, data) == 1


def test_a_right_checksum_is_proven_whatever_the_seed() -> None:
    assert {check_crc32(github_token(seed).encode()).outcome for seed in range(100)} == {"proven"}


@pytest.mark.parametrize("name", sorted(PROOFS))
@pytest.mark.parametrize("value", [b"", b"\0", b"\xff" * 50, b"." * 9, b"=" * 40, b"-----BEGIN KEY-----" + b"\xff" * 90, bytes(range(256))])
def test_no_proof_fails_on_rubbish(name: str, value: bytes) -> None:
    assert PROOFS[name](value).outcome in ("plausible", "weakened", "doubtful", "refuted")
