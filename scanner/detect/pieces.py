# SPDX-License-Identifier: Apache-2.0
"""Content too large to be held: read in pieces that overlap, with the matches of a look at the whole.

What a match hangs on reaches only so far: a candidate on its window, an encoded run on the greatest length of one,
a mark on what stands near the value. So a place is looked at once all that it hangs on has been read, and content is
let go where nothing to come can hang on it. Between the two lie some megabytes, for encoded runs reach furthest.
Offsets, lines and columns are carried from piece to piece.
"""

import codecs
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Final, Generic, NamedTuple, TypeVar

from scanner.detect import kubernetes
from scanner.detect.decode import HEX, PROBE_BYTES, encoding_of, kind_of, reach_of_runs, runs_of
from scanner.detect.engine import Candidate, Detector, Match, find_all, is_hidden, margins
from scanner.lines import Lines, Origin
from scanner.model import Span

# So much is read before it is looked at.
PIECE_BYTES: Final = 8 << 20

# No sign of a structure is longer.
_SIGN_BYTES: Final = 64

_T = TypeVar("_T")
_END: Final = itemgetter(0)


class Around(NamedTuple):
    """The part of the content that is held around a match, in the reading of the match; it begins at `start`."""

    data: bytes
    start: int

    def span(self, match: Match) -> Span:
        """Return where the match stands in `data`."""
        return Span(match.span.start - self.start, match.span.end - self.start)


def find_in_pieces(
    detector: Detector,
    chunks: Iterable[bytes],
    path: bytes | None,
    take: Callable[[Match, Around], _T],
    *,
    context: int = 0,
) -> list[_T]:
    """Return what `take` makes of each match that `Detector.find` has for the chunks joined, in the same order.

    It sees at least `context` bytes before and behind the match, as far as there are any. What is held is a piece of
    `PIECE_BYTES` and what matches reach over.
    """
    detector.begin(path)
    readings: list[_Reading[_T]] = []
    decoder: codecs.IncrementalDecoder | None = None
    for piece, is_last in _gather(chunks, max(PIECE_BYTES, PROBE_BYTES)):
        if not readings:
            readings.append(_Reading(detector, (), take, context))
            if encoding := encoding_of(piece):
                decoder = codecs.getincrementaldecoder(encoding)("replace")
                readings.append(_Reading(detector, (encoding,), take, context))
        readings[0].add(piece, is_last=is_last)
        if decoder is not None:
            readings[1].add(decoder.decode(piece, is_last).encode("utf-8", "replace"), is_last=is_last)
    return [taken for reading in readings for taken in reading.taken()]


class _Reading(Generic[_T]):
    """One way to read the bytes: as they are, or turned into UTF-8, which is what all offsets count then."""

    def __init__(self, detector: Detector, encoding: tuple[str, ...], take: Callable[[Match, Around], _T], context: int) -> None:
        self._detector = detector
        self._encoding = encoding
        self._take = take
        # What a place hangs on, before it and behind it.
        farthest = kubernetes.REACH_BYTES + _SIGN_BYTES
        reaches = [reach_of_runs(), (farthest, farthest), *map(margins, detector.ruleset.reaches)]
        self._before = context + max(before for before, _ in reaches)
        self._behind = context + max(behind for _, behind in reaches)
        self._held = b""
        self._start = 0
        self._origin = Origin()
        # Candidates and ends of forms are known up to here; these are still to be looked at.
        self._known = 0
        self._candidates: list[Candidate] = []
        self._forms: dict[bool, list[Candidate]] = {False: [], True: []}
        self._taken: dict[tuple[Span, int, int], _T] = {}
        self._order: dict[str, int] = {}
        self._fields: set[Span] = set()

    def add(self, piece: bytes, *, is_last: bool) -> None:
        """Take in what follows, and look at what nothing that is still to come can change."""
        self._held += piece
        end = self._start + len(self._held)
        # The byte behind it has a say in whether there is a candidate.
        self._look(end if is_last else end - 1)
        settled = end if is_last else end - self._behind
        if settled > self._start:
            self._settle(settled)
            self._let_go(settled - self._before)

    def taken(self) -> list[_T]:
        """Return what was made of the matches, in their order."""
        rules, fields = self._detector.ruleset, sorted(self._fields)
        return [
            self._taken[span, kind, number]
            for span, kind, number in sorted(self._taken)
            if kind or not is_hidden(rules[number], span, fields)
        ]

    def _look(self, until: int) -> None:
        rules = self._detector.ruleset
        begin = max(self._start, self._known - rules.far - 1)
        text = memoryview(self._held)[begin - self._start :]
        candidates = [(begin + end, index) for end, index in find_all(rules.anchors, text)]
        left_out = self._detector.rules_left_out() if candidates else ()
        self._candidates += [found for found in candidates if self._known < found[0] <= until and found[1] not in left_out]
        for end, number in find_all(rules.forms, text):
            kind = kind_of(number)
            if self._known < begin + end <= until:
                self._forms[kind == HEX].append((begin + end, kind))
        self._known = max(self._known, until)

    def _settle(self, until: int) -> None:
        """Look at the candidates and forms that end here or before."""
        detector, held, start = self._detector, self._held, self._start
        lines = Lines(held, self._origin)
        count = bisect_right(self._candidates, until, key=_END)
        ready = [(end - start, index) for end, index in self._candidates[:count]]
        del self._candidates[:count]
        matches = detector.confirm(held, ready, self._encoding, lines)
        for match in matches:
            self._add(match, 0, self._index(match))
        if signs := [match for match in matches if match.value.rule.structure]:
            self._add_structures(signs, lines)
        for is_hex, forms in self._forms.items():
            ends = [(end - start, kind) for end, kind in forms]
            runs = list(runs_of(held, ends, is_hex=is_hex, until=until - start))
            # A run takes all the forms in it, those too that end further on.
            stop = max([until, *(start + run.end for run in runs)])
            del forms[: bisect_right(forms, stop, key=_END)]
            for match in detector.look_into(held, runs, lines, self._encoding):
                self._add(match, 2, len(self._taken))

    def _add_structures(self, signs: list[Match], lines: Lines) -> None:
        values, spans = self._detector.read_structures(self._held, signs, lines, self._encoding)
        for number, match in enumerate(values):
            # A file within one of them may have several, and they may be found again with another sign.
            first = next(at for at, other in enumerate(values) if other.span == match.span)
            self._add(match, 1, number - first)
        self._fields.update(Span(self._start + span.start, self._start + span.end) for span in spans)

    def _add(self, match: Match, kind: int, number: int) -> None:
        span = Span(self._start + match.span.start, self._start + match.span.end)
        # Two candidates may lead to one match, and be looked at one after the other.
        self._taken[span, kind, number] = self._take(match._replace(span=span), Around(self._held, self._start))

    def _index(self, match: Match) -> int:
        if not self._order:
            rules = self._detector.ruleset
            self._order = {rules[index].id: index for index in range(len(rules))}
        return self._order[match.value.rule.id]

    def _let_go(self, before: int) -> None:
        if before > self._start:
            length, self._origin = Lines(self._held, self._origin).cut(before - self._start)
            self._held = self._held[length:]
            self._start += length


def _gather(chunks: Iterable[bytes], size: int) -> Iterator[tuple[bytes, bool]]:
    """Yield the chunks in pieces of `size` bytes or a little more, and whether each is the last."""
    parts: list[bytes] = []
    length = 0
    for chunk in chunks:
        if length >= size:
            yield b"".join(parts), False
            parts, length = [], 0
        parts.append(chunk)
        length += len(chunk)
    yield b"".join(parts), True
