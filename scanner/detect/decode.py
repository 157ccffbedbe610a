# SPDX-License-Identifier: Apache-2.0
"""Content that is written in another encoding than its rules are.

UTF-16 and UTF-32, with and without a byte order mark, are turned into UTF-8 as a whole: lines and
columns are counted in characters, so they are the same in both. Runs of base64, base64url and hex are
decoded where `encoded.py` has told what to look for.
"""

import binascii
import re
from typing import Final, NamedTuple

# Kinds of encoded runs: 0 to 3 is base64, the number of its digits modulo 4 up to where a form ends.
HEX: Final = 4
KINDS: Final = 5
# Base64 within base64 within base64 is how people hide things; further than this nobody goes by accident.
MAX_DEPTH: Final = 4
_MAX_RUN_BYTES: Final = 1 << 20

_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SHORT_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_PROBE_BYTES: Final = 1024


def transcode(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the data in UTF-8, and the name of the encoding it was in where that was another one."""
    head = data[:_PROBE_BYTES]
    # Hardly any content has a zero byte early, or begins as a mark does: this look is all that most of it costs.
    if 0 not in head and head[:2] not in _SHORT_MARKS:
        return data, ()
    encoding = _encoding(head)
    if not encoding:
        return data, ()
    return data.decode(encoding, "replace").encode("utf-8", "replace"), (encoding,)


def _encoding(head: bytes) -> str:
    """Return the encoding that a byte order mark names, or that zero bytes at every other place suggest."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    if len(head) < 8:
        return ""
    if _zeros(head, 1, 4) and _zeros(head, 2, 4) and _zeros(head, 3, 4) and not _zeros(head, 0, 4):
        return "utf-32-le"
    if _zeros(head, 0, 4) and _zeros(head, 1, 4) and _zeros(head, 2, 4) and not _zeros(head, 3, 4):
        return "utf-32-be"
    even, odd = head[0::2], head[1::2]
    if _zeros(head, 1, 2) and even.count(0) < len(even) * 0.1:
        return "utf-16-le"
    if _zeros(head, 0, 2) and odd.count(0) < len(odd) * 0.1:
        return "utf-16-be"
    return ""


def _zeros(head: bytes, first: int, step: int) -> bool:
    """Whether hardly anything but zero stands at every `step`th place."""
    places = head[first::step]
    return places.count(0) > len(places) * 0.8


class Run(NamedTuple):
    """An encoded run: where it stands, the name of its encoding, and what it says, nothing where it is no text."""

    start: int
    end: int
    encoding: str
    data: bytes


_BASE64: Final = re.compile(rb"[0-9A-Za-z+/_-]+")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")
_LINE: Final = re.compile(rb"[ \t]*([0-9A-Za-z+/_-]{16,}={0,2})[ \t]*\r?\Z")
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
# Of text hardly anything is outside of these; of what is not text most is.
_TEXT: Final = bytes([9, 10, 13, *range(32, 127)])


def decode_run(data: bytes, end: int, kind: int) -> Run:
    """Decode the run within which a form of this kind ends at `end`."""
    start, stop = _extent(data, end, _HEX if kind == HEX else _BASE64)
    if kind == HEX:
        start += (end - start) % 2
        text = binascii.unhexlify(data[start : stop - (stop - start) % 2])
        return Run(start, stop, "hex", text if _is_text(text) else b"")
    start, stop = _whole_lines(data, start, stop)
    joined = b"".join(data[start:stop].split())
    before = len(b"".join(data[start:end].split()))
    skipped = (before - kind) % 4
    digits = joined[skipped:].translate(_URL_ALPHABET, b"=")
    text = binascii.a2b_base64(digits[: len(digits) // 4 * 4] + _tail(digits))
    name = "base64url" if b"-" in joined or b"_" in joined else "base64"
    return Run(start, stop, name, text if _is_text(text) else b"")


def _tail(digits: bytes) -> bytes:
    """Return the last incomplete group, padded; a single digit says nothing."""
    tail = digits[len(digits) // 4 * 4 :]
    return tail + b"=" * (4 - len(tail)) if len(tail) > 1 else b""


def _extent(data: bytes, end: int, alphabet: re.Pattern[bytes]) -> tuple[int, int]:
    """Return the run of the alphabet around the byte before `end`."""
    start, step = end, 256
    while step <= _MAX_RUN_BYTES:
        # `re` reads forward only, so what lies before is turned round, in growing pieces.
        piece = data[max(0, start - step) : start][::-1]
        found = alphabet.match(piece)
        length = found.end() if found else 0
        start -= length
        if length < step:
            break
        step *= 4
    after = alphabet.match(data, end, end + _MAX_RUN_BYTES)
    return start, after.end() if after else end


def _whole_lines(data: bytes, start: int, stop: int) -> tuple[int, int]:
    """Return the run with the lines before and after it, where it is text wrapped into lines of base64 alone."""
    begin = data.rfind(b"\n", 0, start) + 1
    finish = data.find(b"\n", stop)
    finish = finish if finish >= 0 else len(data)
    if not _LINE.match(data[begin:finish]):
        return start, stop
    while begin > 1 and start - begin < _MAX_RUN_BYTES:
        above = data.rfind(b"\n", 0, begin - 1) + 1
        found = _LINE.match(data[above : begin - 1])
        if not found or b"=" in found[1]:
            break
        begin, start = above, above + found.start(1)
    while finish < len(data) and finish - start < _MAX_RUN_BYTES:
        below = data.find(b"\n", finish + 1)
        below = below if below >= 0 else len(data)
        found = _LINE.match(data[finish + 1 : below])
        if not found:
            break
        stop, finish = finish + 1 + found.end(1), below
    return start, stop


def _is_text(data: bytes) -> bool:
    """Whether content is mostly printable ASCII, or UTF-16 of such."""
    return len(data) >= 8 and len(data.translate(None, _TEXT)) <= max(2, len(data) // 8) + data.count(0)
