# SPDX-License-Identifier: Apache-2.0
"""The detector: the prefilter says where, a rule's own expression says what, the judge says how sure.

Two steps that can be taken apart: `candidates` is one Hyperscan pass that names rules and offsets,
`confirm` turns them into matches by looking at bounded windows only. So a candidate may come from
anywhere (another version of the file that shares the line), and gives the same match as long as its
window has the same bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from scanner.detect.judge import NEAR_BYTES, Verdict
from scanner.detect.prefilter import RuleSet
from scanner.detect.rules import Rule
from scanner.model import CONFIDENCES, Confidence, Gap, Location, Secret, Span

# Look-ahead at the end of a pattern needs something to look at.
_EDGE: Final = 64
# The judge's verdict on a window is kept for the next version of the same lines.
_MEMO_ENTRIES: Final = 50_000
_MEMO_WINDOW: Final = 4096
_LINE_CONTEXT: Final = 240
_TIMEOUT_SECONDS: Final = 1.0

Candidate = tuple[int, int]


class Match(NamedTuple):
    """One judged match, without a path. `span` is the value's; `line` the source line around it, cut.

    `line_span` is the value within `line`. `decoded_from` is outermost first; for a decoded value
    `span`, `location` and `line` are those of the encoded text.
    """

    rule: Rule
    span: Span
    location: Location
    secret: Secret
    confidence: Confidence
    reason: str
    line: bytes
    line_span: Span
    decoded_from: tuple[str, ...] = ()


class _Hit(NamedTuple):
    """A verdict on a window, with the value's place relative to the window's start."""

    start: int
    end: int
    verdict: Verdict


class Detector:
    """Finds secrets in bytes. Holds a memo of verdicts, so one process should use one detector."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self.gaps: list[Gap] = []
        self._patterns: dict[int, Any] = {}
        self._memo: dict[tuple[int, bytes], tuple[_Hit, ...]] = {}

    def find(self, data: bytes) -> list[Match]:
        """Return every match in the data, in order of place; decoded content included."""
        from scanner.detect.decode import transcode

        data, encoding = transcode(data)
        candidates = self.candidates(data)
        if not candidates:
            return []
        return self.confirm(data, candidates, encoding)

    def candidates(self, data: bytes) -> list[Candidate]:
        """Return (end offset, rule index) wherever a rule's anchor ends."""
        found: list[Candidate] = []
        add = found.append

        def on_match(rule: int, _start: int, end: int, _flags: int, _context: object) -> None:
            add((end, rule))

        self.ruleset.database.scan(data, match_event_handler=on_match)
        return found

    def confirm(self, data: bytes, candidates: Iterable[Candidate], decoded_from: tuple[str, ...] = ()) -> list[Match]:
        """Return the matches at these candidates, judged, in order of place, each once."""
        hits: dict[tuple[int, int, int], Verdict] = {}
        for end, index in candidates:
            for start, stop, verdict in self._windows(data, index, end):
                if verdict.confidence is not None:
                    hits[start, stop, index] = verdict
        if not hits:
            return []
        lines = _Lines(data)
        return [
            self._match(data, lines, index, start, stop, verdict, decoded_from)
            for (start, stop, index), verdict in sorted(hits.items())
        ]

    def _windows(self, data: bytes, index: int, end: int) -> Iterator[_Hit]:
        reach = self.ruleset.reaches[index]
        first = max(0, end - reach.longest)
        last = min(len(data), end - reach.shortest + reach.match + _EDGE)
        begin = max(0, first - NEAR_BYTES)
        window = data[begin : last + NEAR_BYTES]
        key = (index, window) if len(window) <= _MEMO_WINDOW else None
        hits = self._memo.get(key) if key else None
        if hits is None:
            hits = tuple(self._confirm(index, window, first - begin, end - reach.shortest - begin, last - begin))
            if key:
                if len(self._memo) >= _MEMO_ENTRIES:
                    self._memo.clear()
                self._memo[key] = hits
        for start, stop, verdict in hits:
            yield _Hit(start + begin, stop + begin, verdict)

    def _confirm(self, index: int, window: bytes, first: int, latest: int, last: int) -> Iterator[_Hit]:
        """Yield the leftmost match that starts between `first` and `latest` and ends by `last`."""
        from scanner.detect.judge import judge

        rule = self.ruleset.rules[index]
        try:
            found = self._pattern(index).search(window, first, last, timeout=_TIMEOUT_SECONDS)
        except TimeoutError:
            self.gaps.append(Gap("rule", rule.id, f"no answer within {_TIMEOUT_SECONDS:g} s on one window"))
            return
        if found is None or found.start() > latest:
            return
        start, end = found.span("secret")
        if end > start:
            around = window[max(0, start - NEAR_BYTES) : end + NEAR_BYTES]
            yield _Hit(start, end, judge(rule, window[start:end], around))

    def _pattern(self, index: int) -> Any:
        pattern = self._patterns.get(index)
        if pattern is None:
            import regex  # not needed for a clean change

            rule = self.ruleset.rules[index]
            flags = regex.VERSION0 | regex.MULTILINE | (regex.IGNORECASE if rule.ignore_case else 0)
            pattern = self._patterns[index] = regex.compile(rule.pattern.encode(), flags)
        return pattern

    def _match(
        self,
        data: bytes,
        lines: "_Lines",
        index: int,
        start: int,
        end: int,
        verdict: Verdict,
        decoded_from: tuple[str, ...],
    ) -> Match:
        left = max(data.rfind(b"\n", max(0, start - _LINE_CONTEXT), start) + 1, start - _LINE_CONTEXT, 0)
        stop = min(end, start + _LINE_CONTEXT)
        right = data.find(b"\n", stop, stop + _LINE_CONTEXT)
        line = data[left : right if right >= 0 else stop + _LINE_CONTEXT]
        confidence = verdict.confidence or "low"
        location = lines.locate(start, end)
        span = Span(start - left, stop - left)
        rule = self.ruleset.rules[index]
        return Match(
            rule, Span(start, end), location, Secret(data[start:end]), confidence, verdict.reason, line, span, decoded_from
        )


class _Lines:
    """Offsets to lines and columns. Offsets come in ascending order mostly, so counting goes on from the last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0
        self._line = 1

    def locate(self, start: int, end: int) -> Location:
        return Location(*self._position(start), *self._position(end))

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


def resolve(matches: Sequence[Match]) -> list[Match]:
    """Return the matches without those that another one over the same value explains better.

    The surer verdict wins, then the surer rule (a provider's before the generic one), then the longer value.
    """
    kept: list[Match] = []
    for match in sorted(matches, key=_worth, reverse=True):
        if not any(match.span.start < other.span.end and other.span.start < match.span.end for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: (match.span, match.rule.id))


def _worth(match: Match) -> tuple[int, bool, int, int]:
    generic = match.rule.id.startswith("generic-")
    return CONFIDENCES.index(match.confidence), not generic, match.span.end - match.span.start, -match.span.start


