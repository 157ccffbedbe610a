# SPDX-License-Identifier: Apache-2.0
"""Private keys by their structure: real ones of every kind, and what only looks like one."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from planted import fill, private_key

from scanner.detect.proofs.keys import check_pem, crc24

KEYS = {
    "rsa": rsa.generate_private_key(65537, 1024),
    "dsa": dsa.generate_private_key(1024),
    "p-256": ec.generate_private_key(ec.SECP256R1()),
    "p-521": ec.generate_private_key(ec.SECP521R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "x25519": x25519.X25519PrivateKey.generate(),
}
FORMATS = {"pkcs8": PrivateFormat.PKCS8, "traditional": PrivateFormat.TraditionalOpenSSL, "openssh": PrivateFormat.OpenSSH}
PAIRS = [
    (kind, form)
    for kind in KEYS
    for form in FORMATS
    if not (form == "traditional" and "25519" in kind) and not (form == "openssh" and kind in ("x25519", "dsa"))
]


def _real(kind: str, form: str, passphrase: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return KEYS[kind].private_bytes(Encoding.PEM, FORMATS[form], encryption).strip()


@pytest.mark.parametrize(("kind", "form"), PAIRS)
def test_a_real_key_is_proven_and_says_that_nothing_protects_it(kind: str, form: str) -> None:
    proof = check_pem(_real(kind, form))
    assert proof.outcome == "proven"
    assert "not encrypted" in proof.reason or "without a passphrase" in proof.reason


@pytest.mark.parametrize(("kind", "form"), [pair for pair in PAIRS if pair[1] != "openssh"])
def test_an_encrypted_key_is_worth_less(kind: str, form: str) -> None:
    proof = check_pem(_real(kind, form, b"a passphrase"))
    assert (proof.outcome, "encrypted with a passphrase" in proof.reason) == ("weakened", True)


def test_an_encrypted_key_of_openssh_is_worth_less() -> None:
    proof = check_pem(fill("{{pem-encrypted:OPENSSH PRIVATE KEY}}").encode())
    assert (proof.outcome, "encrypted with a passphrase" in proof.reason) == ("weakened", True)


@pytest.mark.parametrize(
    "joined",
    [b"\r\n", b"\\n", b"\\r\\n", b"\n    ", b'\\n" +\n  "', b'\\n"\n"', b'\\n",\n  "', b"\n// ", b"\n# ", b"\n > "],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_key_is_whole_however_a_program_writes_its_lines(kind: str, joined: bytes) -> None:
    assert check_pem(_real(kind, "pkcs8").replace(b"\n", joined)).outcome == "proven"


@pytest.mark.parametrize("kind", ["rsa", "p-256", "ed25519"])
@pytest.mark.parametrize("form", ["pkcs8", "openssh"])
def test_a_key_that_is_cut_off_is_not_proven(kind: str, form: str) -> None:
    lines = _real(kind, form).split(b"\n")
    cut = b"\n".join([lines[0], lines[1][:40], lines[-1]])
    assert check_pem(cut).outcome in ("doubtful", "weakened")


def test_a_key_with_another_digit_is_not_proven() -> None:
    lines = _real("rsa", "traditional").split(b"\n")
    lines[3] = (b"B" if lines[3][:1] != b"B" else b"C") + lines[3][1:]
    proof = check_pem(b"\n".join(lines))
    assert (proof.outcome, proof.reason) == ("doubtful", "its modulus is not the product of its primes")


def test_slashes_that_begin_a_line_of_a_key_begin_no_comment() -> None:
    keys = (private_key(seed).encode() for seed in range(5000))
    assert check_pem(next(key for key in keys if b"\n//" in key)).outcome == "proven"


def _pem(label: str, data: bytes, headers: str = "") -> bytes:
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *([headers] if headers else []), *lines, f"-----END {label}-----"]).encode()


OUTSIDE = b"\x30\x82\x01\x2c" + bytes(range(1, 251)) + b"x" * 50
OPENSSH = b"openssh-key-v1\0"
# A version 4 key of RSA's with numbers of 16 and 8 bits; then how its private numbers are encrypted.
OPENPGP = b"\x04\x60\x00\x00\x00\x01" + b"\x00\x10\x9f\x9f" + b"\x00\x08\x9f"


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (private_key().encode(), "proven"),
        (fill("{{pem:EC PRIVATE KEY}}").encode(), "proven"),
        (_pem("PRIVATE KEY", OUTSIDE), "weakened"),
        (_pem("PRIVATE KEY", b"\x30\x82\x4f\xff" + b"k" * 200), "doubtful"),
        (_pem("PRIVATE KEY", b"not a sequence at all, but long enough to be one"), "doubtful"),
        (_pem("ENCRYPTED PRIVATE KEY", OUTSIDE), "weakened"),
        (_pem("ENCRYPTED PRIVATE KEY", OUTSIDE[:101]), "doubtful"),
        (_pem("RSA PRIVATE KEY", OUTSIDE, "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n"), "weakened"),
        (_pem("OPENSSH PRIVATE KEY", OPENSSH + b"\0\0\0\x04none" + b"k" * 99), "weakened"),
        (_pem("OPENSSH PRIVATE KEY", OPENSSH + b"\xff\xff\xff\xff" + b"k" * 99), "weakened"),
        (_pem("PGP PRIVATE KEY BLOCK", b"\x95\x01" + b"k" * 99), "plausible"),
        (_pem("PGP PRIVATE KEY BLOCK", b"\x99\x01" + b"k" * 99), "weakened"),
        (_pem("PGP PRIVATE KEY BLOCK", b"\x95\x01\x00" + OPENPGP + b"\xfe" + b"k" * 60), "weakened"),
        (_pem("PGP PRIVATE KEY BLOCK", b"\xc5\x60" + OPENPGP + b"\x00" + b"k" * 60), "plausible"),
        (_pem("PGP PRIVATE KEY BLOCK", b"\xc5\x60" + OPENPGP + b"\x00" + b"k" * 60).replace(b"\n-----E", b"\n=AAAA\n-----E"), "weakened"),
        (b"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "refuted"),
        (b"-----BEGIN PRIVATE KEY-----", "refuted"),
        (b"", "refuted"),
    ],
)
def test_a_private_key_is_weighed_by_its_structure(value: bytes, outcome: str) -> None:
    assert check_pem(value).outcome == outcome


def test_the_armour_of_openpgp_proves_a_key_by_its_checksum() -> None:
    assert crc24(b"123456789") == 0x21CF02  # what everybody's catalogue of checksums has for it
    data = b"\xc5\x60" + OPENPGP + b"\x00" + b"k" * 60
    end = b"\n=" + base64.b64encode(crc24(data).to_bytes(3, "big")) + b"\n-----E"
    assert check_pem(_pem("PGP PRIVATE KEY BLOCK", data).replace(b"\n-----E", end)).outcome == "proven"
