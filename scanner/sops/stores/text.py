# SPDX-License-Identifier: Apache-2.0
"""A file's text, and where its characters stand in its bytes: parsers count characters, problems count bytes."""

from typing import Final

from scanner.model import Span

_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


# One for each entry of a map or list at least, in any store; as many as values in a file of 128 MB that sops wrote.
_SEPARATORS: Final = (b"\n", b",")
_SAMPLE: Final = 7
_MAX_ENTRIES: Final = 1_000_000


def has_too_many_entries(data: bytes) -> bool:
    """Whether reading this would take minutes and gigabytes."""
    if len(data) <= _MAX_ENTRIES:
        return False
    # To count all of them takes a tenth of the time of parsing.
    sample = data[::_SAMPLE]
    return _SAMPLE * sum(map(sample.count, _SEPARATORS)) > _MAX_ENTRIES / 2 and sum(map(data.count, _SEPARATORS)) > _MAX_ENTRIES


class Text:
    """Decoded content without its byte order mark. `bad_at` is where decoding failed, in bytes, or -1."""

    __slots__ = ("_ascii", "_base", "_byte", "_char", "_codec", "bad_at", "text")

    def __init__(self, data: bytes) -> None:
        mark, self._codec = next((pair for pair in _MARKS if data.startswith(pair[0])), (b"", "utf-8"))
        self._base = len(mark)
        self.bad_at = -1
        try:
            self.text = data[self._base :].decode(self._codec)
        except UnicodeDecodeError as error:
            self.bad_at = self._base + error.start
            self.text = data[self._base : self.bad_at].decode(self._codec)
        self._ascii = self._codec == "utf-8" and self.text.isascii()
        self._char, self._byte = 0, self._base

    @property
    def marked(self) -> bool:
        """Whether the file begins with a byte order mark."""
        return self._base > 0

    @property
    def shift(self) -> int | None:
        """How far bytes are behind characters, where each character is a byte."""
        return self._base if self._ascii else None

    def at(self, index: int) -> int:
        """Return the byte offset of a character. Costs the distance to the last one that was asked for."""
        if self._ascii:
            return self._base + index
        if index >= self._char:
            self._byte += len(self.text[self._char : index].encode(self._codec))
        else:
            self._byte -= len(self.text[index : self._char].encode(self._codec))
        self._char = index
        return self._byte

    def span(self, start: int, end: int) -> Span:
        """Return the bytes of a run of characters."""
        if self._ascii:
            return tuple.__new__(Span, (self._base + start, self._base + end))
        first = self.at(start)
        return Span(first, self.at(end))
