# SPDX-License-Identifier: Apache-2.0
"""`ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`: the only thing that SOPS writes for a value.

The grammar is that of getsops/sops `aes/cipher.go`, narrowed to what its encryption can produce: a nonce of 32
bytes, a tag of 16, data that is never empty. SOPS itself ignores what stands behind the bracket; here nothing may.
"""

import math
import re
from array import array
from binascii import a2b_base64
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from scanner.model import Span

_MARKER: Final = b"ENC[AES256_GCM,"
_OPENING: Final = _MARKER + b"data:"
# Possessive: 20 MB of a binary file took 0.9 GB for the ways back, and three seconds.
_DIGITS: Final = r"[A-Za-z0-9+/]"
# The last character before the padding has bits to spare, which no encoder sets.
_REST: Final = (
    r",iv:([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=),"
    r"tag:([A-Za-z0-9+/]{21}[AQgw]==),"
    r"type:(str|int|float|bool|time|comment)\]"
)
_FORM: Final = f"{re.escape(_OPENING.decode())}({_DIGITS}++={{0,2}}){_REST}"
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


# Of content in pieces: so far back anybody may still ask for spans, and asks about a place once so much behind it has
# passed; ciphertext that is longer is kept to the end.
_KEPT_BYTES: Final = 32 << 20
_LONG_BYTES: Final = 1 << 20
# What follows the data takes no more.
_REST_BYTES: Final = 128
# Digits that may begin another ciphertext; and one has to stay, so that there is seen to be one.
_LETTERS: Final = len("ENC")
# SOPS writes its metadata at the end of a file.
_METADATA_BYTES: Final = 1 << 16


class CiphertextWatch:
    """The spans of `ciphertext_spans` for content that passes by in pieces, one ciphertext over many of them even."""

    def __init__(self) -> None:
        self._at = 0
        self._rest = b""
        self._end = b""
        # Where a ciphertext begins whose data has not ended yet.
        self._open = -1
        self._any = False
        self._starts, self._ends = array("Q"), array("Q")
        self._long: list[Span] = []
        self._match_digits = re.compile(f"{_DIGITS}*+".encode()).match
        self._match_rest = re.compile(f"{_DIGITS}++={{0,2}}{_REST}".encode()).match

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the pieces on, each once it was looked at."""
        for piece in pieces:
            self._look(self._rest + piece)
            self._end = (self._end + piece[-_METADATA_BYTES:])[-_METADATA_BYTES:]
            old = bisect_left(self._ends, max(0, self._at - _KEPT_BYTES))
            del self._starts[:old], self._ends[:old]
            yield piece
        self._look(self._rest, is_last=True)

    def covers(self, span: Span) -> bool:
        """Whether a span that passed by lately is within a ciphertext that has ended already."""
        index = bisect_right(self._starts, span.start) - 1
        return index >= 0 and span.end <= self._ends[index]

    def covers_at_last(self, span: Span) -> bool:
        """Whether a span is within a ciphertext that may have ended only after anybody asked."""
        return any(long.start <= span.start and span.end <= long.end for long in self._long)

    @property
    def is_encrypted(self) -> bool:
        """Whether content that has passed looks like a file that SOPS encrypted."""
        return self._any and b"sops" in self._end

    def _look(self, text: bytes, *, is_last: bool = False) -> None:
        """Look at what follows; `_at` is where the text begins."""
        position = 0
        while True:
            if self._open < 0:
                head = text.find(_OPENING, position)
                if head < 0:
                    self._keep(text, max(position, len(text) - len(_OPENING)))
                    return
                self._open = self._at + head
                position = head + len(_OPENING)
            digits = self._match_digits(text, position)
            end = digits.end() if digits else position
            if found := self._match_rest(text, position):
                self._add(Span(self._open, self._at + found.end()))
            elif len(text) - end < _REST_BYTES and not is_last:
                self._keep(text, max(position, end - _LETTERS))
                return
            self._open = -1
            position = max(position, end - _LETTERS)

    def _keep(self, text: bytes, position: int) -> None:
        self._rest = text[position:]
        self._at += position

    def _add(self, span: Span) -> None:
        self._any = True
        self._starts.append(span.start)
        self._ends.append(span.end)
        if span.end - span.start > _LONG_BYTES:
            self._long.append(span)
