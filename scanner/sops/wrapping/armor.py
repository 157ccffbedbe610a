# SPDX-License-Identifier: Apache-2.0
"""Text armor and base64, read as strictly as the writers write it, so that nothing finds room between the lines.

age's armor is PEM without headers and with lines of 64 columns (C2SP age.md, "ASCII armor"); OpenPGP's is RFC 4880
section 6 and RFC 9580 section 6.2.
"""

import binascii
import functools
import re
from typing import Final, NamedTuple

# What SOPS wraps is 32 bytes; a post-quantum stanza of age and the largest RSA key stay far below this.
_MAX_CHARACTERS: Final = 16_384
_AGE_COLUMNS: Final = 64
# RFC 4880 allows 76 columns; gpg and go-crypto write 64.
_PGP_COLUMNS: Final = 76
_PGP_CHECKSUM: Final = re.compile(r"=[A-Za-z0-9+/]{4}")
_CRC24_START: Final = 0xB704CE
_CRC24_GENERATOR: Final = 0x864CFB
# Chance in 100 random bytes: (95/256)^20 · 100, below 1 in 4,000,000.
_READABLE: Final = re.compile(rb"[\x20-\x7e]{20}")


class MalformedError(Exception):
    """A wrapped key is not what its kind prescribes; the message is a sentence that quotes nothing of it."""


class PgpArmor(NamedTuple):
    """What stood in OpenPGP armor, and the armor headers (`Version: …`) in front of it."""

    data: bytes
    headers: tuple[str, ...]


def decode_base64(text: str) -> bytes:
    """Return what canonical base64 with padding stands for; spare bits must be zero, nothing else may be in it."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise MalformedError("it is not base64") from None
    if binascii.b2a_base64(data, newline=False) != text.encode():
        raise MalformedError("its base64 has bits set that no encoder sets")
    return data


def decode_unpadded(text: str) -> bytes:
    """The same for base64 without padding, as age uses it inside its header."""
    if text.endswith("="):
        raise MalformedError("its base64 is padded where age pads nothing")
    return decode_base64(text + "=" * (-len(text) % 4))


def is_readable(data: bytes) -> bool:
    """Whether there is text in what should be indistinguishable from random bytes."""
    return _READABLE.search(data) is not None


def read_age_armor(text: str) -> bytes:
    """Return the age file in this armor; lines may end in LF or CRLF, and only line ends may follow the last one."""
    lines = _lines(text, "AGE ENCRYPTED FILE")
    if any(len(line) != _AGE_COLUMNS for line in lines[:-1]) or not 0 < len(lines[-1]) <= _AGE_COLUMNS:
        raise MalformedError("its armor is not in lines of 64 columns")
    return decode_base64("".join(lines))


def read_pgp_armor(text: str) -> PgpArmor:
    """Return the OpenPGP message in this armor; a checksum may be absent (RFC 9580) and must be right."""
    lines = _lines(text, "PGP MESSAGE")
    if "" not in lines:
        raise MalformedError("its armor has no empty line in front of the data")
    blank = lines.index("")
    headers, lines = lines[:blank], lines[blank + 1 :]
    checksum = lines.pop() if lines and _PGP_CHECKSUM.fullmatch(lines[-1]) else ""
    width = len(lines[0]) if lines else 0
    if not 0 < width <= _PGP_COLUMNS or any(len(line) != width for line in lines[:-1]) or not 0 < len(lines[-1]) <= width:
        raise MalformedError("its armor is not in lines of one width")
    data = decode_base64("".join(lines))
    if checksum and decode_base64(checksum[1:]) != crc24(data).to_bytes(3, "big"):
        raise MalformedError("its armor's checksum is wrong")
    return PgpArmor(data, tuple(headers))


def crc24(data: bytes) -> int:
    """Return the checksum of OpenPGP armor (RFC 4880 section 6.1)."""
    table = _crc24_table()
    crc = _CRC24_START
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ table[crc >> 16 ^ byte]
    return crc


@functools.cache
def _crc24_table() -> tuple[int, ...]:
    table = []
    for index in range(256):
        crc = index << 16
        for _ in range(8):
            crc = crc << 1 ^ (_CRC24_GENERATOR if crc & 0x800000 else 0)
        table.append(crc & 0xFFFFFF)
    return tuple(table)


def _lines(text: str, label: str) -> list[str]:
    """Return the lines between the first and the last, at least one."""
    if not text.strip():
        raise MalformedError("it is empty")
    if len(text) > _MAX_CHARACTERS:
        raise MalformedError("it is far longer than a wrapped data key")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines[0] != f"-----BEGIN {label}-----" or lines[-1] != f"-----END {label}-----":
        raise MalformedError(f"it is not the armor of one {label.lower().replace('pgp', 'PGP')} and nothing else")
    if len(lines) < 3:
        raise MalformedError("its armor is empty")
    return lines[1:-1]
