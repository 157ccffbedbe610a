# SPDX-License-Identifier: Apache-2.0
"""Secrets masked in a stream, wherever its chunks are cut, without holding back what cannot be a secret.

Hyperscan looks for the first bytes of every spelling, at memory speed; Python sees only what it found. What
is masked is every byte that belongs to an occurrence of any spelling: occurrences that overlap become one
mark. (A replacement of the longest one first would leave the rest of the other.)

Only the end of the stream so far that is the beginning of a spelling is held back, and a line that was
written whole is out at once. At a terminal, where somebody may wait for the end of a prompt, `release` shows
such an end when the stream pauses, if it is shorter than the shortest secret there is; the stream remembers
it, and the rest is still masked. So a program that prints a secret letter by letter, with pauses, shows three
letters of it at a terminal, and none in a log.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Final

from scanner.broker.spellings import MIN_LENGTH, parts, spellings
from scanner.model import Secret

MARK: Final = b"***"
# How much of a spelling Hyperscan looks for. The longer, the fewer false alarms, and the more ends are tried.
_ANCHOR: Final = 16

_Span = tuple[int, int]


def maskable(secret: Secret, min_length: int = MIN_LENGTH) -> bool:
    """Tell whether a value is long enough to be masked without wrecking the output."""
    return bool(parts(secret.reveal(), min_length))


class Mask:
    """All spellings of these secrets, compiled once for any number of streams; values too short are left out."""

    def __init__(self, secrets: Iterable[Secret], min_length: int = MIN_LENGTH) -> None:
        self.min_length = min_length
        found = {spelling for secret in secrets for spelling in spellings(secret.reveal(), min_length)}
        by_anchor: dict[bytes, list[bytes]] = {}
        for spelling in sorted(found, key=len, reverse=True):
            by_anchor.setdefault(spelling[:_ANCHOR], []).append(spelling)
        self._anchors = list(by_anchor)
        self._spellings = list(by_anchor.values())
        self._beginnings = frozenset(anchor[:end] for anchor in by_anchor for end in range(1, len(anchor)))
        self._database = _compile(self._anchors) if self._anchors else None

    def __repr__(self) -> str:
        return f"<mask, {len(self._anchors)} anchors>"

    def find(self, data: bytes | memoryview) -> tuple[list[_Span], int]:
        """Return the spans to mask, in order and apart, and where what may yet become an occurrence begins."""
        if self._database is None:
            return [], len(data)
        hits: list[tuple[int, int]] = []
        self._database.scan(data, match_event_handler=lambda index, _, end, *_rest: hits.append((index, end)))
        pending = self._unfinished(data)
        spans: list[_Span] = []
        for index, end in hits:
            start = end - len(self._anchors[index])
            rest = data[start : start + len(self._spellings[index][0])]
            for spelling in self._spellings[index]:
                if len(spelling) > len(rest):
                    if spelling.startswith(bytes(rest)):
                        pending = min(pending, start)
                elif rest[: len(spelling)] == spelling:
                    spans.append((start, start + len(spelling)))
                    break
        return _merge(spans), pending

    def _unfinished(self, data: bytes | memoryview) -> int:
        """Return where the longest end of the data begins that is the beginning of an anchor, at most."""
        tail = bytes(data[-_ANCHOR + 1 :])
        for start in range(len(tail)):
            if tail[start:] in self._beginnings:
                return len(data) - len(tail) + start
        return len(data)


class Redactor:
    """One stream: what goes in comes out, each occurrence of a secret as `***`.

    The output does not depend on how the input was cut into chunks.
    """

    def __init__(self, mask: Mask | Iterable[Secret], min_length: int = MIN_LENGTH) -> None:
        self._mask = mask if isinstance(mask, Mask) else Mask(mask, min_length)
        self._held = b""
        # Of what is held: how much is out already, and how far the last mark that is out reaches.
        self._out = 0
        self._masked = 0

    @property
    def pending(self) -> bool:
        """Whether `release` would show something."""
        return self._out < min(len(self._held), self._mask.min_length - 1)

    @property
    def held(self) -> bytes:
        """What is held back, and what `look` wants to see again before the next bytes."""
        return self._held

    def feed(self, chunk: bytes | memoryview) -> bytes | memoryview:
        """Return what may be shown now; with nothing to mask or hold back that is the very chunk."""
        return self.look(self._held + bytes(chunk) if self._held else chunk)

    def look(self, data: bytes | memoryview) -> bytes | memoryview:
        """Do as `feed`, for whoever has put the next bytes behind what was held: nothing is copied then.

        Of a view, what comes back is the beginning of this view, or bytes where something had to be changed.
        """
        spans, pending = self._mask.find(data)
        if spans or self._out or self._masked:
            return self._show(data, spans, pending)
        if pending == len(data):
            self._held = b""
            return data
        self._held = bytes(data[pending:])
        return data[:pending]

    def release(self) -> bytes:
        """Return the held bytes that may be shown although they may begin a secret: fewer than any secret has."""
        end = max(self._out, min(len(self._held), self._mask.min_length - 1))
        shown, self._out = self._held[self._out : end], end
        return shown

    def flush(self) -> bytes:
        """Return what is still held; the stream is over."""
        spans, _ = self._mask.find(self._held)
        return self._show(self._held, spans, len(self._held))

    def _show(self, data: bytes | memoryview, spans: list[_Span], pending: int) -> bytes:
        shown = []
        for start, end in spans:
            if start < self._masked:
                self._masked = max(self._masked, end)
                self._out = max(self._out, self._masked)
            elif start < pending:
                shown += [data[self._out : start], MARK]
                self._out = self._masked = end
        if self._out < pending:
            shown.append(data[self._out : pending])
            self._out = pending
        self._held = bytes(data[pending:])
        self._out -= pending
        self._masked = max(0, self._masked - pending)
        return b"".join(shown)


def _compile(anchors: list[bytes]) -> Any:
    import hyperscan

    # Not through the interface for literals: in the binding these end at the first zero byte.
    expressions = [b"".join(b"\\x%02x" % byte for byte in anchor) for anchor in anchors]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    count = len(anchors)
    database.compile(expressions=expressions, ids=list(range(count)), elements=count, flags=[0] * count)
    database.scratch = hyperscan.Scratch(database)
    return database


def _merge(spans: list[_Span]) -> list[_Span]:
    """Return the spans in order, those that overlap as one."""
    merged: list[_Span] = []
    for start, end in sorted(spans, key=itemgetter(0)):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
