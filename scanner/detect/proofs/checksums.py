# SPDX-License-Identifier: Apache-2.0
"""Checksums within tokens and keys, as their makers publish them."""

import base64
import binascii
import hashlib
import zlib
from typing import Final

from scanner.bech32 import is_valid
from scanner.detect.proofs.outcome import Proof, decode_base64, in_base

BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58: Final = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE36: Final = b"0123456789abcdefghijklmnopqrstuvwxyz"


def base62(number: int, length: int) -> bytes:
    """Return a number in base62 (0-9A-Za-z), padded with zeros on the left."""
    return in_base(number, BASE62, length)


def base36(number: int, length: int) -> bytes:
    """Return a number in base36 (0-9a-z), padded with zeros on the left."""
    return in_base(number, _BASE36, length)


def check_crc32(value: bytes) -> Proof:
    """GitHub's and npm's tokens: `prefix_`, 30 characters, and their CRC32 in 6 digits of base62.

    Source: https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
    """
    body = value.rpartition(b"_")[2]
    if base62(zlib.crc32(body[:-6]), 6) == body[-6:]:
        return Proof("proven", "the CRC32 in its last six characters is right")
    return Proof("doubtful", "the CRC32 in its last six characters is wrong")


def check_gitlab(value: bytes) -> Proof:
    """GitLab's routable tokens: at the end the CRC32 of all before it, in 7 digits of base36.

    Between dots stand who it belongs to with 16 random bytes in base64url, a version (not in the first of them), and
    the length of the former in base36. A token without dots says nothing of itself.
    Source: lib/authn/token_field/generator/routable_token.rb in GitLab.
    """
    if b"." not in value:
        return Proof("plausible", "it has the form of GitLab's tokens, which has no checksum")
    if base36(zlib.crc32(value[:-7]), 7) != value[-7:]:
        return Proof("doubtful", "the CRC32 in its last seven characters is wrong")
    return Proof("proven", "the CRC32 in its last seven characters is right")


def check_grafana(value: bytes) -> Proof:
    """Grafana's service account tokens: after the last underscore the CRC32 of all before it, little-endian, in hex.

    Source: pkg/components/satokengen in Grafana.
    """
    body, _, checksum = value.rpartition(b"_")
    if zlib.crc32(body).to_bytes(4, "little").hex().encode() == checksum:
        return Proof("proven", "the CRC32 in its last eight digits is right")
    return Proof("doubtful", "the CRC32 in its last eight digits is wrong")


def check_bech32(value: bytes) -> Proof:
    """Bech32, as in age's and Nostr's secret keys: a checksum of 30 bits (BIP 173)."""
    if is_valid(value):
        return Proof("proven", "its Bech32 checksum is right")
    return Proof("doubtful", "its Bech32 checksum is wrong")


def check_base58(value: bytes) -> Proof:
    """Base58Check, as in Bitcoin's private keys (WIF, BIP 38) and extended keys (BIP 32): SHA-256 twice, 4 bytes of it."""
    number = 0
    try:
        for digit in value:
            number = number * 58 + BASE58.index(digit)
    except ValueError:
        return Proof("refuted", "it is not base58")
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(data) > 4 and hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()[:4] == data[-4:]:
        return Proof("proven", "its Base58Check checksum is right")
    return Proof("doubtful", "its Base58Check checksum is wrong")


def check_crc16(value: bytes) -> Proof:
    """NATS's and Stellar's seeds: base32 of a kind, a key and their CRC16 (XModem), little-endian.

    Sources: https://github.com/nats-io/nkeys, Stellar's SEP 23.
    """
    try:
        data = base64.b32decode(value + b"=" * (-len(value) % 8))
    except ValueError:
        return Proof("refuted", "it is not base32")
    if len(data) > 2 and binascii.crc_hqx(data[:-2], 0).to_bytes(2, "little") == data[-2:]:
        return Proof("proven", "the CRC16 at its end is right")
    return Proof("doubtful", "the CRC16 at its end is wrong")


# The seeds of the checksums in Azure's identifiable keys, by the four characters that say whose key it is.
# Source: https://github.com/microsoft/security-utilities, as all of what follows.
_MESSAGING: Final = ("Send0000", "Listen00", "Manage00", "System00", "Unknown0")
_AZURE_SEEDS: Final = {
    b"+ASt": ("Default0",),
    b"+ABa": ("AbAcct00",),
    b"+AMC": ("Classic0",),
    b"ACDb": ("MastRO00", "MastRW00", "SystRO00", "SystRW00", "SysAll00", "Resour00", "Encryp00"),
    b"APIM": ("Tenant00", "IoTHub00", "Gatewy00", "GitKey00"),
    b"+ASb": _MESSAGING,
    b"+AEh": _MESSAGING,
    b"+ARm": _MESSAGING,
    b"AIoT": ("IoTHub00", "DpsKey00", "Device00"),
    b"AzCa": ("Access00",),
    b"AzSe": ("Query000", "PAdmin00"),
    b"+ACR": ("ACRDflt0",),
    b"AzFu": ("Functi00", "System00", "Master00"),
}
_ENTRA: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890.-_~"


def check_azure(value: bytes) -> Proof:
    """Azure's identifiable keys: a service's signature, then the Marvin32 of all before it."""
    value = value.replace(b"%3D", b"=").replace(b"%3d", b"=")
    bare = value.rstrip(b"=")
    seeds = _AZURE_SEEDS.get(bare[-10:-6], ())
    data = decode_base64(value) or b""
    for seed in seeds:
        checksum = marvin32(data[:-4], seed)
        if checksum == data[-4:] or (seed == "Access00" and _is_redis(data, value)):
            return Proof("proven", "the checksum at its end is right")
    # A service may have kinds of keys that nobody has told the seed of.
    return Proof("plausible", "it bears the signature of its service; its checksum is none of those that are known")


def _is_redis(data: bytes, value: bytes) -> bool:
    """Whether it is a key of Azure's cache: letters stand for what base64 has besides, and count with a checksum of zeros."""
    for old in (data, data[:-4] + bytes(4)):
        text = base64.b64encode(data[:-4] + marvin32(old, "Access00"))
        if text.replace(b"+", b"P").replace(b"/", b"F") == value:
            return True
    return False


def check_entra(value: bytes) -> Proof:
    """Entra's client secrets: `8Q~` after three characters, and at the end three of a Marvin32; those with `7Q~` have none."""
    if value[3:6] != b"8Q~":
        return Proof("plausible", "it has the form of Entra's older secrets, which has no checksum")
    if entra_checksum(value[:-3]) == value[-3:]:
        return Proof("proven", "the checksum at its end is right")
    return Proof("doubtful", "the checksum at its end is wrong")


def entra_checksum(body: bytes) -> bytes:
    """Return the three characters that end a client secret of Entra's."""
    return in_base(int.from_bytes(marvin32(body, "AadPwd00"), "little"), _ENTRA, 6)[:3]


def marvin32(data: bytes, seed: str) -> bytes:
    """Return the Marvin checksum of the data, 4 bytes, for a seed of eight characters."""
    high, low = (int.from_bytes(seed[at : at + 4].encode(), "big") for at in (0, 4))
    padded = data + b"\x80" + bytes(-(len(data) + 1) % 4)
    for at in range(0, len(padded), 4):
        low = low + int.from_bytes(padded[at : at + 4], "little") & _WORD
        low, high = _block(low, high)
    low, high = _block(low, high)
    return (low ^ high).to_bytes(4, "little")


_WORD: Final = 0xFFFFFFFF


def _block(low: int, high: int) -> tuple[int, int]:
    high ^= low
    low = _rotated(low, 20) + high & _WORD
    high = _rotated(high, 9) ^ low
    low = _rotated(low, 27) + high & _WORD
    return low, _rotated(high, 19)


def _rotated(word: int, bits: int) -> int:
    return (word << bits | word >> (32 - bits)) & _WORD
