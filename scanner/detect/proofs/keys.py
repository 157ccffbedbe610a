# SPDX-License-Identifier: Apache-2.0
"""Private keys in PEM and in the formats within it: DER, OpenSSH's own, OpenPGP's."""

import binascii
import re
from collections.abc import Sequence
from typing import Final

from scanner.detect.proofs.outcome import Proof

# How programs write a text of several lines: each in quotes and joined, or behind the mark of a comment.
_JOINED: Final = re.compile(rb"""["'][ \t]*[+.&,\\]?[ \t]*(?:\r?\n)[ \t]*[+.&]?[ \t]*[rbuf]?["']""")
# Two slashes alone are digits of base64.
_COMMENT: Final = re.compile(rb"(?m)^[ \t]*(?://[ \t]|(?:[#*>|;]|--)[ \t]?)")
_BASE64_LINES: Final = re.compile(rb"[0-9A-Za-z+/\s]*=?\s?=?\s*")
_NO_BASE64: Final = bytes(c for c in range(256) if c not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_LEAST_TEXT: Final = 32
_BLOCK_BYTES: Final = 8
_OPENSSH: Final = b"openssh-key-v1\0"
_ENCRYPTED: Final = Proof("weakened", "it is encrypted with a passphrase")


def check_pem(value: bytes) -> Proof:
    """A PEM private key: what is between its markers decodes to a key that is whole (RFC 7468, RFC 9580, PROTOCOL.key)."""
    head, body, checksum = _taken_apart(value)
    whole = _BASE64_LINES.fullmatch(body) is not None
    text = body.translate(None, _NO_BASE64)
    if len(text) < _LEAST_TEXT:
        return Proof("refuted", "there is no key between its markers")
    data = binascii.a2b_base64(text[: len(text) // 4 * 4] + _tail(text))
    if b"PGP" in head:
        proof = _check_openpgp(data, checksum)
    elif data.startswith(_OPENSSH):
        proof = _check_openssh(data)
    else:
        proof = _check_der(data, encrypted=b"ENCRYPTED" in head)
    # In what a program puts together, something else than the key may be to blame.
    if proof.outcome == "doubtful" and not whole and data[:1] == b"\x30":
        return Proof("plausible", f"{proof.reason}, as far as that can be told of a text put together")
    return proof


def _taken_apart(value: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the marker with the headers, the base64 between the markers, and the checksum below it where there is one."""
    value = value.replace(b"\\r", b"").replace(b"\\n", b"\n").replace(b"\\/", b"/").replace(b"\r", b"")
    begin = value.find(b"-----", 5) + 5
    head, body = value[:begin] if begin >= 5 else b"", value[begin:].partition(b"-----END")[0]
    body = _COMMENT.sub(b"", _JOINED.sub(b"\n", body))
    # Headers as of RFC 1421 and of OpenPGP's armour end with an empty line.
    headers, empty, rest = body.partition(b"\n\n")
    if b": " in headers and (empty or b"Proc-Type" in headers):
        lines = body.split(b"\n")
        head += b"\n".join(line for line in lines if b":" in line)
        body = rest if empty else b"\n".join(line for line in lines if b":" not in line)
    text, mark, checksum = body.rstrip().rpartition(b"\n=")
    return (head, text, checksum.strip()) if mark else (head, body, b"")


def _tail(text: bytes) -> bytes:
    """Return the last incomplete group, padded; a single digit says nothing."""
    tail = text[len(text) // 4 * 4 :]
    return tail + b"=" * (4 - len(tail)) if len(tail) > 1 else b""


def _check_der(data: bytes, *, encrypted: bool) -> Proof:
    """PKCS#1, SEC 1 and PKCS#8: a sequence whose first number is a version, and a key within (RFC 8017, 5915, 5958)."""
    if encrypted:
        # PKCS#8 says how; elsewhere all of it is ciphertext, in whole blocks.
        fits = _der_parts(data) or len(data) % _BLOCK_BYTES == 0
        return _ENCRYPTED if fits else Proof("doubtful", "it says that it is encrypted, and is cut off or made up")
    if data[:1] != b"\x30":
        return Proof("doubtful", "what stands between its markers is not a key")
    parts = _der_parts(data)
    if not parts:
        return Proof("doubtful", "the key is cut off or made up")
    parts = _der_parts_of(parts[0][1])
    size = f"it is DER of {len(data)} bytes, not encrypted"
    if len(parts) >= 9 and all(tag == _INTEGER for tag, _ in parts[:9]):
        _, modulus, _, _, first, second = (int.from_bytes(content, "big") for _, content in parts[:6])
        if modulus == first * second:
            return Proof("proven", f"{size}; its modulus of {modulus.bit_length()} bits is the product of its primes")
        return Proof("doubtful", "its modulus is not the product of its primes")
    if [tag for tag, _ in parts[:2]] == [_INTEGER, _OCTETS] and 16 <= len(parts[1][1]) <= 80:
        return Proof("proven", f"{size}; it holds a number of {8 * len(parts[1][1])} bits")
    if [tag for tag, _ in parts[:3]] == [_INTEGER, _SEQUENCE, _OCTETS]:
        return _within(parts[2][1], size)
    if len(parts) >= 5 and all(tag == _INTEGER for tag, _ in parts):
        return Proof("proven", f"{size}; its {len(parts)} numbers are whole")
    return Proof("weakened", "it has the outside of a key, and not its parts")


def _within(content: bytes, size: str) -> Proof:
    """Check the key inside PKCS#8: a structure of its own, or a number."""
    if content[:1] == b"\x30":
        return _check_der(content, encrypted=False)
    inner = _der_parts(content)
    if len(inner) == 1 and inner[0][0] in (_INTEGER, _OCTETS):
        return Proof("proven", f"{size}; it holds a number of {8 * len(inner[0][1])} bits")
    return Proof("weakened", "it has the outside of a key, and no key within")


_INTEGER, _OCTETS, _SEQUENCE = 2, 4, 0x30


def _der_parts_of(content: bytes) -> Sequence[tuple[int, bytes]]:
    return _der_parts(content, whole=True)


def _der_parts(data: bytes, *, whole: bool = False) -> Sequence[tuple[int, bytes]]:
    """Return tag and content of the elements that follow one another (X.690, 8.1); none where one is cut off.

    The first alone unless the `whole` is asked for: a few bytes behind a key are nobody's business.
    """
    parts = []
    at = 0
    while at + 2 <= len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            return []
        parts.append((tag, data[at : at + length]))
        at += length
        if not whole:
            break
    return parts


def _check_openssh(data: bytes) -> Proof:
    """OpenSSH's own format: cipher, key derivation, public keys, and the private part, in which a number stands twice."""
    strings, at = [], len(_OPENSSH)
    for number in range(5):
        if number == 3:
            at += 4  # how many keys there are
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at + length > len(data):
            return Proof("weakened", "the OpenSSH key is cut off or made up")
        strings.append(data[at : at + length])
        at += length
    if strings[0] != b"none":
        return Proof("weakened", "it is an OpenSSH key, encrypted with a passphrase")
    if strings[4][:4] == strings[4][4:8]:
        return Proof("proven", "it is an OpenSSH key without a passphrase, and its check numbers agree")
    return Proof("weakened", "the check numbers in the OpenSSH key do not agree")


# Public numbers before the private ones, by algorithm; an elliptic curve is named by as many bytes as the one before says.
_PUBLIC_NUMBERS: Final = {1: 2, 2: 2, 3: 2, 16: 3, 17: 4, 18: 1, 19: 1, 22: 1}
_CURVES: Final = (18, 19, 22)
_SECRET_KEY_TAG: Final = 5


def _check_openpgp(data: bytes, checksum: bytes) -> Proof:
    """OpenPGP: a secret key packet, and the CRC24 of its armour where that is there (RFC 4880, 5.5.3 and 6.1)."""
    tag = data[0] & 0x3F if data[0] & 0x40 else data[0] >> 2 & 0xF
    if not data[0] & 0x80 or tag != _SECRET_KEY_TAG:
        return Proof("weakened", "what stands between its markers does not begin with a secret key")
    if checksum and binascii.b2a_base64(crc24(data).to_bytes(3, "big")).rstrip() != checksum:
        return Proof("weakened", "the CRC24 below it is wrong")
    usage = _openpgp_usage(data)
    if usage:
        return Proof("weakened", "it is an OpenPGP key, encrypted with a passphrase")
    if usage is None or not checksum:
        return Proof("plausible", "it has the shape of an OpenPGP key")
    return Proof("proven", "it is an OpenPGP key without a passphrase, and the CRC24 below it is right")


def _openpgp_usage(data: bytes) -> int | None:
    """Return the byte that says how the private numbers are encrypted, 0 for not at all; None where it cannot be read."""
    new = 2 if data[1] < 192 else 3 if data[1] < 224 else 6
    at = new if data[0] & 0x40 else 1 + (1, 2, 4, 0)[data[0] & 3]
    version, algorithm = data[at : at + 1], data[at + 5 : at + 6]
    if version == b"\x04" and algorithm:
        at += 6
        if algorithm[0] in _CURVES:
            at += 1 + int.from_bytes(data[at : at + 1], "big")
        for _ in range(_PUBLIC_NUMBERS.get(algorithm[0], 0)):
            at += 2 + (int.from_bytes(data[at : at + 2], "big") + 7) // 8
        if algorithm[0] == _CURVES[0]:
            at += 1 + int.from_bytes(data[at : at + 1], "big")
        if algorithm[0] in _PUBLIC_NUMBERS and at < len(data):
            return data[at]
    return None


def crc24(data: bytes) -> int:
    """Return the checksum of OpenPGP's armour (RFC 4880, 6.1)."""
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc
