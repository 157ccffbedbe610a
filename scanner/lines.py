# SPDX-License-Identifier: Apache-2.0
"""Where bytes of a file stand as people count: lines and columns."""

from scanner.model import Location


class Lines:
    """Offsets to lines and columns; offsets come in ascending order mostly, so counting goes on from the last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0
        self._line = 1

    def locate(self, start: int, end: int) -> Location:
        """Return the location of a span of at least one byte."""
        line, column = self._position(start)
        value = self._data[start:end]
        if value.isascii() and b"\n" not in value:
            return Location(line, column, line, column + len(value))
        return Location(line, column, *self._position(end))

    def _position(self, offset: int) -> tuple[int, int]:
        if offset < self._offset:
            self._line -= self._data.count(b"\n", offset, self._offset)
        else:
            self._line += self._data.count(b"\n", self._offset, offset)
        self._offset = offset
        begin = self._data.rfind(b"\n", 0, offset) + 1
        text = self._data[begin:offset].decode("utf-8", "replace")
        # A byte order mark is not a character of the first line.
        return self._line, len(text) + 1 - (begin == 0 and text.startswith("\ufeff"))
