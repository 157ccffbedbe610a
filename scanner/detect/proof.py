# SPDX-License-Identifier: Apache-2.0
"""Offline proofs: what a credential's own format says about whether it is real.

A proof looks at the value alone, never at the network. `PROOFS` names them for rule packs.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from scanner.bech32 import is_valid

BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Outcome = Literal["proven", "plausible", "doubtful", "refuted"]


class Proof(NamedTuple):
    """`proven` raises a finding, `plausible` leaves it, `doubtful` makes it low, `refuted` drops it."""

    outcome: Outcome
    reason: str


def base62(number: int, length: int) -> bytes:
    """Return a number in base62 (0-9A-Za-z), padded with zeros on the left."""
    digits = bytearray()
    while number:
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    return bytes(reversed(digits)).rjust(length, b"0")


def check_crc32(value: bytes) -> Proof:
    """GitHub's and npm's tokens: `prefix_`, 30 characters, and their CRC32 in 6 digits of base62.

    Source: https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
    """
    body = value.rpartition(b"_")[2]
    if base62(zlib.crc32(body[:-6]), 6) == body[-6:]:
        return Proof("proven", "the CRC32 in its last six characters is right")
    return Proof("doubtful", "the CRC32 in its last six characters is wrong")


def decode_base64url(value: bytes) -> bytes | None:
    """Return the bytes of unpadded base64url, or None where it is not that."""
    try:
        return binascii.a2b_base64(value.translate(_TO_BASE64) + b"=" * (-len(value) % 4), strict_mode=True)
    except ValueError:
        return None


_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")


def check_jwt(value: bytes) -> Proof:
    """A JSON Web Token: a JOSE header that names its algorithm, claims, and a signature (RFC 7519, 7515)."""
    import json

    parts = value.split(b".")
    decoded = [decode_base64url(part) for part in parts[:2]]
    try:
        header, claims = (json.loads(part or b"") for part in decoded)
    except (ValueError, RecursionError):
        return Proof("refuted", "header or claims are not JSON")
    if not isinstance(header, dict) or not isinstance(claims, dict) or not isinstance(header.get("alg"), str):
        return Proof("refuted", "the header names no algorithm")
    if header["alg"].lower() == "none" or len(parts) < 3 or len(parts[2]) < 20:
        return Proof("doubtful", "it is not signed")
    if claims.get("sub") == "1234567890" or claims.get("name") == "John Doe":
        return Proof("refuted", "it is the example token of the documentation")
    return Proof("plausible", f"header and claims are whole, signed with {header['alg'][:10]}")


def check_pem(value: bytes) -> Proof:
    """A PEM private key: base64 that decodes to a DER sequence of the length it says (RFC 7468, X.690)."""
    head, separator, rest = value.replace(b"\\r", b"").replace(b"\\n", b"\n").partition(b"KEY-----")
    if not separator:
        head, separator, rest = value.partition(b"BLOCK-----")
    body = rest.partition(b"-----END")[0]
    encrypted = b"ENCRYPTED" in head or b"ENCRYPTED" in body[:200]
    if b"Proc-Type" in body or b"\n\n" in body[:400]:
        body = body.partition(b"\n\n")[2] or body
    text = bytes(c for c in body if c in _BASE64_TEXT)
    if len(text) < 32:
        return Proof("refuted", "there is no key between its markers")
    try:
        data = binascii.a2b_base64(text[: len(text) // 4 * 4])
    except ValueError:
        return Proof("doubtful", "what stands between its markers is not base64")
    if encrypted:
        return Proof("plausible", "it is encrypted with a passphrase")
    if data.startswith(b"openssh-key-v1\0"):
        return _check_openssh(data)
    if b"PGP" in head:
        return Proof("plausible", "it has the shape of an OpenPGP message")
    if data[:1] == b"\x30" and _der_length(data) <= len(data) + 3:
        return Proof("proven", f"it is DER of {len(data)} bytes, not encrypted")
    return Proof("doubtful", "what stands between its markers is not a key")


_BASE64_TEXT: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


def _check_openssh(data: bytes) -> Proof:
    """OpenSSH's own format: magic, then the cipher's name (PROTOCOL.key in OpenSSH's source)."""
    length = int.from_bytes(data[15:19], "big")
    cipher = data[19 : 19 + length]
    if cipher == b"none":
        return Proof("proven", "it is an OpenSSH key without a passphrase")
    return Proof("plausible", "it is an OpenSSH key, encrypted with a passphrase")


def _der_length(data: bytes) -> int:
    """Return the length of the first DER element with its header (X.690, 8.1.3)."""
    first = data[1] if len(data) > 1 else 0
    if first < 0x80:
        return first + 2
    count = first & 0x7F
    return int.from_bytes(data[2 : 2 + count], "big") + 2 + count


def check_aws_access_key_id(value: bytes) -> Proof:
    """An AWS access key id: 16 characters of base32 after its prefix, which hold the account's number.

    The account stands in bits 1 to 40 after the prefix, for keys made since 2019; an older key has no
    readable account. Source: AWS documents the prefixes in "IAM identifiers".
    """
    try:
        data = base64.b32decode(value[4:])
    except ValueError:
        return Proof("refuted", "it is not base32")
    account = (int.from_bytes(data[:6], "big") & 0x7FFFFFFFFF80) >> 7
    if account < 10**12 and value[4:5] >= b"Q":
        return Proof("plausible", f"it belongs to AWS account {account:012d}")
    return Proof("plausible", "it has the shape of an AWS access key id")


def check_age(value: bytes) -> Proof:
    """An age secret key: Bech32 with a checksum of 30 bits (BIP 173, the age specification)."""
    if is_valid(value):
        return Proof("proven", "its Bech32 checksum is right")
    return Proof("doubtful", "its Bech32 checksum is wrong")


PROOFS: Final[Mapping[str, Callable[[bytes], Proof]]] = {
    "crc32-base62": check_crc32,
    "jwt": check_jwt,
    "pem": check_pem,
    "aws-access-key-id": check_aws_access_key_id,
    "age": check_age,
}
