# SPDX-License-Identifier: Apache-2.0
"""`ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`: the only thing that SOPS writes for a value.

The grammar is that of getsops/sops `aes/cipher.go`, narrowed to what its encryption can produce: a nonce of 32
bytes, a tag of 16, data that is never empty. SOPS itself ignores what stands behind the bracket; here nothing may.
"""

import math
import re
from binascii import a2b_base64
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from scanner.model import Span

_MARKER: Final = b"ENC[AES256_GCM,"
# Possessive: 20 MB of a binary file took 0.9 GB for the ways back, and three seconds.
_FORM: Final = (
    # The last character before the padding has bits to spare, which no encoder sets.
    r"ENC\[AES256_GCM,data:([A-Za-z0-9+/]++={0,2}),iv:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=),"
    r"tag:([A-Za-z0-9+/]{21}[AQgw]==),"
    r"type:(str|int|float|bool|time|comment)\]"
)
# Its groups are data, iv, tag (base64) and type; the length of data is for the caller to check.
match_form: Final = re.compile(_FORM).fullmatch
# Chance that so many random bytes are all printable: (95/256)^12, below 1 in 100,000.
READABLE_BYTES: Final = 12
_PRINTABLE: Final = math.log(256 / 95)
# What secrets are made of, each with what a byte of it tells: the fewer there are, the fewer bytes are no chance.
_ALPHABETS: Final = tuple(
    (re.compile(pattern).fullmatch, math.log(256 / size))
    for pattern, size in (
        (rb"[0-9]+", 10),
        (rb"[a-z]+", 26),
        (rb"[a-z0-9]+", 36),
        (rb"[A-Za-z0-9]+", 62),
        (rb"[\t\n\r -~]+", 98),
    )
)
_MANY_ALPHABETS: Final = math.log(len(_ALPHABETS))
# Text in UTF-8 with any letters, and in UTF-16 with those of ASCII; random bytes of this length never are.
_UTF8_BYTES: Final = 18
_UTF16_BYTES: Final = 6
# How many bytes sops writes for a type: a 64-bit number, RFC 3339 with all that it can have.
_LENGTHS: Final = {"bool": range(4, 6), "int": range(1, 21), "time": range(20, 36)}
# Random bytes with no more different ones among them come once in a million million.
_FEW_OF_NONCE: Final = 15
_FEW_OF_TAG: Final = 7


class Ciphertext(NamedTuple):
    """A well-formed value; `data`, `iv` and `tag` in bytes."""

    data: bytes
    iv: bytes
    tag: bytes
    type: str


def parse_ciphertext(text: str) -> Ciphertext | None:
    """Return the parts of a text that is a ciphertext from beginning to end, else None."""
    found = match_form(text)
    if found is None:
        return None
    data, iv, tag, type_ = found.groups()
    if len(data) % 4:
        return None
    return Ciphertext(a2b_base64(data), a2b_base64(iv), a2b_base64(tag), type_)


def doubt(value: Ciphertext, values: int = 1) -> str:
    """Return why SOPS cannot have written this well-formed value, or nothing.

    `values` is how many the file has: each may be readable by chance, so the more there are, the more it takes.
    """
    data, iv, tag, type_ = value
    if len(data) not in _LENGTHS.get(type_, (len(data),)):
        return f"no {type_} has this length"
    if len(set(iv)) <= _FEW_OF_NONCE or len(set(tag)) <= _FEW_OF_TAG:
        return "its nonce or tag repeats few bytes"
    if iv.isascii() or _is_text(tag, values) or len({(after - before) % 256 for before, after in pairwise(iv)}) == 1:
        return "its nonce or tag is not random"
    if _is_text(data, values):
        return "its data is readable text in base64"
    return ""


def _is_text(data: bytes, values: int) -> bool:
    if data in (b"True", b"False"):
        return True
    chance = math.log(max(1, values))
    # The usual case by itself, so that it takes no more than READABLE_BYTES.
    if all(0x20 <= byte < 0x7F for byte in data) and len(data) >= READABLE_BYTES + math.ceil(chance):
        return True
    enough = READABLE_BYTES * _PRINTABLE + _MANY_ALPHABETS + chance
    if any(len(data) * weight >= enough and matches(data) for matches, weight in _ALPHABETS):
        return True
    if len(data) >= _UTF16_BYTES + math.ceil(chance / 5) and not any(data[1::2]) and all(data[::2]):
        return True
    try:
        return len(data) >= _UTF8_BYTES + math.ceil(chance) and data.decode().replace("\n", "").isprintable()
    except UnicodeDecodeError:
        return False


def ciphertext_spans(data: bytes) -> Iterator[Span]:
    """Yield where well-formed ciphertext stands in a file, whatever the file is."""
    if _MARKER in data:
        for found in re.compile(_FORM.encode()).finditer(data):
            yield Span(*found.span())
