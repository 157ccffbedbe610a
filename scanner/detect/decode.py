# SPDX-License-Identifier: Apache-2.0
"""Content that is written in another encoding than its rules are.

UTF-16 and UTF-32, with and without a byte order mark, are turned into UTF-8 as a whole: lines and
columns are counted in characters, so they are the same in both. Runs of base64, base64url and hex are
decoded where `encoded.py` has told what to look for.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
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
SHORT_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
# So much of content tells its encoding.
PROBE_BYTES: Final = 1024


def transcode(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the data in UTF-8, and the name of the encoding it was in where that was another one."""
    encoding = encoding_of(data)
    return (data.decode(encoding, "replace").encode("utf-8", "replace"), (encoding,)) if encoding else (data, ())


def encoding_of(data: bytes) -> str:
    """Return the encoding that content is in, by its beginning; nothing for UTF-8 and all that is like ASCII."""
    head = data[:PROBE_BYTES]
    # Hardly any content has a zero byte early, or begins as a mark does: this look is all that most of it costs.
    return _encoding(head) if 0 in head or head[:2] in SHORT_MARKS else ""


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
    """An encoded run: where it stands, its alphabet, and where its digits may begin.

    An alignment is the number of digits at its beginning that belong to something else, as a path before them.
    """

    start: int
    end: int
    is_hex: bool
    alignments: tuple[int, ...]


_BASE64: Final = re.compile(rb"[0-9A-Za-z+/_-]+")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")
# Wrapped base64: whole lines of digits. `re` reads forward only, so the lines above are read turned round.
_LINE: Final = re.compile(rb"[ \t]*[0-9A-Za-z+/_-]{16,}={0,2}[ \t]*\r?\Z")
_LINES_BELOW: Final = re.compile(rb"(?:[ \t]*\r?\n[ \t]*[0-9A-Za-z+/_-]{4,}(?==?=?[ \t]*(?:\r?\n|\Z)))+")
_LINES_ABOVE: Final = re.compile(rb"(?:[ \t]*\n\r?[ \t]*[0-9A-Za-z+/_-]{16,}(?=[ \t]*(?:\n|\Z)))+")
_FIRST_PIECE: Final = 1 << 12
_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
# Of text hardly anything is outside of these; of what is not text most is.
_TEXT: Final = bytes([9, 10, 13, *range(32, 127)])


def reach_of_runs() -> tuple[int, int]:
    """Return how many bytes before and behind a form decide on the run around it."""
    return 3 * _MAX_RUN_BYTES + _FIRST_PIECE, 2 * _MAX_RUN_BYTES


def kind_of(number: int) -> int:
    """Return the kind of the form with this id."""
    return number % KINDS


def find_runs(data: bytes, hits: Iterable[tuple[int, int]]) -> Iterator[Run]:
    """Yield the runs around these ends of forms (offset and id, ascending), each once with all its alignments."""
    hits = [(end, kind_of(number)) for end, number in hits]
    yield from runs_of(data, [hit for hit in hits if hit[1] != HEX], is_hex=False)
    yield from runs_of(data, [hit for hit in hits if hit[1] == HEX], is_hex=True)


def runs_of(data: bytes, hits: Sequence[tuple[int, int]], *, is_hex: bool, until: int | None = None) -> Iterator[Run]:
    """Yield the runs of one alphabet, those only that have a form which ends at `until` or before."""
    index = 0
    while index < len(hits) and (until is None or hits[index][0] <= until):
        if is_hex:
            start, stop = _extent(data, hits[index][0], _HEX)
        else:
            start, stop = _whole_lines(data, *_extent(data, hits[index][0], _BASE64))
        alignments, counted, digits = set(), start, 0
        while index < len(hits) and hits[index][0] <= stop:
            end, kind = hits[index]
            digits += len(b"".join(data[counted:end].split()))
            alignments.add(digits % 2 if is_hex else (digits - kind) % 4)
            counted = end
            index += 1
        yield Run(start, stop, is_hex, tuple(sorted(alignments)))


def decode(text: bytes, alignment: int, *, is_hex: bool) -> bytes:
    """Return what a run's text says from this alignment on; nothing where that is no text itself."""
    digits = b"".join(text.split())[alignment:]
    if is_hex:
        decoded = binascii.unhexlify(digits[: len(digits) // 2 * 2])
    else:
        digits = digits.translate(_URL_ALPHABET, b"=")
        decoded = binascii.a2b_base64(digits[: len(digits) // 4 * 4] + _tail(digits))
    return decoded if _is_text(decoded) else b""


def encoding_name(text: bytes, *, is_hex: bool) -> str:
    """Return what a run's encoding is called."""
    if is_hex:
        return "hex"
    return "base64url" if b"-" in text or b"_" in text else "base64"


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
    """Return the run with the lines before and after it, where it is text wrapped into lines of base64 alone.

    A line that is endless has nothing wrapped in it.
    """
    begin = data.rfind(b"\n", max(0, start - _MAX_RUN_BYTES), start) + 1
    finish = data.find(b"\n", stop, stop + _MAX_RUN_BYTES)
    finish = finish if finish >= 0 else len(data)
    if (not begin and start > _MAX_RUN_BYTES) or finish > stop + _MAX_RUN_BYTES or not _LINE.match(data[begin:finish]):
        return start, stop
    size = _FIRST_PIECE
    while True:
        piece = data[max(0, start - size) : start][::-1]
        above = _LINES_ABOVE.match(piece)
        if above is None or above.end() < size // 2 or size >= _MAX_RUN_BYTES:
            break
        size *= 4
    stop = start + len(data[start:stop].rstrip(b"="))
    below = _LINES_BELOW.match(data, stop, stop + _MAX_RUN_BYTES)
    return start - (above.end() if above else 0), below.end() if below else stop


def _is_text(data: bytes) -> bool:
    """Whether content is mostly printable ASCII, or UTF-16 of such."""
    return len(data) >= 8 and len(data.translate(None, _TEXT)) <= max(2, len(data) // 8) + data.count(0)
