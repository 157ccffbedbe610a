# SPDX-License-Identifier: Apache-2.0
"""Where bytes of a file stand as people count: lines and columns."""

import codecs
from typing import Final, NamedTuple

from scanner.model import Location

_MARK: Final = "\ufeff"
# A character takes no more bytes; so many are decoded at once, as a line may be endless.
_LONGEST: Final = 4
_STEP: Final = 1 << 20


class Origin(NamedTuple):
    """Where a part of content begins: the line and column of its first byte, which no character goes across."""

    line: int = 1
    column: int = 1
    is_first: bool = True


_BEGINNING: Final = Origin()


class Lines:
    """Offsets to lines and columns; offsets come in ascending order mostly, so counting goes on from the last.

    `data` may be a part of content that begins at `origin`; offsets count from the beginning of the part.
    """

    def __init__(self, data: bytes, origin: Origin = _BEGINNING) -> None:
        self._data = data
        self._origin = origin
        # The last character boundary that was counted up to.
        self._at = 0
        self._line, self._column, _ = origin

    def locate(self, start: int, end: int) -> Location:
        """Return the location of a span of at least one byte."""
        line, column = self._position(start)
        value = self._data[start:end]
        if value.isascii() and b"\n" not in value:
            return Location(line, column, line, column + len(value))
        counted = self._at, self._line, self._column
        stop = self._position(end)
        # The next span may begin before the end of this one.
        self._at, self._line, self._column = counted
        return Location(line, column, *stop)

    def cut(self, offset: int) -> tuple[int, Origin]:
        """Return the last boundary of characters up to here, and the origin of what begins with it."""
        self._position(offset)
        return self._at, Origin(self._line, self._column, self._origin.is_first and self._at == 0)

    def _position(self, offset: int) -> tuple[int, int]:
        data, at = self._data, self._at
        if offset < at:
            self._line -= data.count(b"\n", offset, at)
            at = data.rfind(b"\n", 0, offset) + 1
            self._column = 1 if at else self._origin.column
        newline = data.rfind(b"\n", at, offset)
        if newline >= 0:
            self._line += data.count(b"\n", at, newline + 1)
            at, self._column = newline + 1, 1
        while True:
            text, length = codecs.utf_8_decode(data[at : min(offset, at + _STEP)], "replace", False)
            # A byte order mark is not a character of the first line.
            self._column += len(text) - (at == 0 and self._origin.is_first and text.startswith(_MARK))
            at += length
            if offset - at < _LONGEST:
                break
        self._at = at
        # What is cut off counts as it would at the end.
        return self._line, self._column + len(data[at:offset].decode("utf-8", "replace"))
