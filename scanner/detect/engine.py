# SPDX-License-Identifier: Apache-2.0
"""The detector: the prefilter says where, a rule's own expression says what, the judge says how sure.

Two steps that can be taken apart: `candidates` is one Hyperscan pass that names rules and offsets,
`confirm` turns them into matches by looking at bounded windows only. So a candidate may come from
anywhere (another version of the file that shares the line), and gives the same match as long as its
window has the same bytes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from scanner.detect.decode import MAX_DEPTH, Run, decode, encoding_name, find_runs, transcode
from scanner.detect.expression import Expression, Expressions
from scanner.detect.prefilter import Reach, RuleSet
from scanner.detect.rules import Rule
from scanner.lines import Lines
from scanner.model import CONFIDENCES, Confidence, Gap, Known, Location, Secret, Span

# What the judge sees before and after a value.
NEAR_BYTES: Final = 200
# Look-around at the edges of a pattern needs something to look at.
_EDGE: Final = 64
_MEMO_ENTRIES: Final = 50_000
_MEMO_WINDOW: Final = 4096
_MEMO_RUN: Final = 16384
# So much of an encoded run is kept for people to see, for each value in it.
_SHOWN_BYTES: Final = 1024

Candidate = tuple[int, int]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Judgement(NamedTuple):
    """A value that a rule takes for a secret, without its place: shared by all places with the same surroundings.

    `line` is the source line around the value, cut to `NEAR_BYTES` either side, and no less a secret;
    `line_span` is the value within it.
    """

    rule: Rule
    secret: Secret
    confidence: Confidence
    reason: str
    line: Secret
    line_span: Span


class Match(NamedTuple):
    """A judged value at its place in a blob; for a decoded value the place of the encoded text.

    `decoded_from` names the encodings, outermost first.
    """

    value: Judgement
    span: Span
    location: Location
    decoded_from: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        """How the bytes were read that `span` counts: as they are, or in the encoding named here."""
        return self.decoded_from[0] if self.decoded_from and self.decoded_from[0].startswith("utf-") else ""


class Hit(NamedTuple):
    """A judgement on a value at these offsets: in a window, or from the end of the candidate that led to it."""

    start: int
    end: int
    value: Judgement


def margins(reach: Reach) -> tuple[int, int]:
    """Return how many bytes before a candidate's end and behind it decide about what it leads to."""
    return reach.longest + NEAR_BYTES, reach.match - reach.shortest + _EDGE + NEAR_BYTES


class Detector:
    """Finds secrets in bytes. Keeps judgements for reuse, so one process should use one detector."""

    def __init__(self, ruleset: RuleSet) -> None:
        self.ruleset = ruleset
        self.gaps: list[Gap] = []
        self.expressions = Expressions()
        # By rule: how far a candidate's window goes to either side, and the rule's reach.
        self._windows = [(*margins(reach), reach) for reach in ruleset.reaches]
        self._left_out: frozenset[int] | None = frozenset()
        self._path: bytes | None = None
        self._searches: dict[int, Expression] = {}
        # What was worked out for one version of a file serves the next ones. What a candidate leads to: by rule, how far
        # into the bytes that decide about it the candidate ends, and these.
        self.memo: dict[tuple[int, int, bytes], tuple[Hit, ...]] = {}
        self._judgements: dict[tuple[int, bytes, bytes, bytes, Span], Judgement | None] = {}
        self._runs: dict[tuple[bytes, int, bool, int, frozenset[int]], list[Match]] = {}

    def find(self, data: bytes, path: bytes | None = None, known: Known | None = None) -> list[Match]:
        """Return every match in the data, in order of place; decoded content included.

        Where the path is known, rules for other paths are left out from the start. Where candidates are known, they
        are not looked for; the matches are the same.
        """
        self.begin(path)
        return self._find(data, 0, known)

    def begin(self, path: bytes | None) -> None:
        """Take note of the path of what is looked at next."""
        # What it says of rules is told at the first candidate, which most content never has.
        self._path, self._left_out = path, frozenset() if path is None else None

    def spans(self, data: bytes, path: bytes) -> list[Span]:
        """Return where secrets stand in a file, of those that are worth a look (medium and above)."""
        from scanner.detect.placed import at_path

        found = (match for match, _ in at_path(self.find(data, path), path))
        return [match.span for match in found if match.value.confidence != "low" and not match.reading]

    def _find(self, data: bytes, depth: int, known: Known | None = None) -> list[Match]:
        matches = self._read(data, depth, (), known)
        first, last = self.ruleset.whole_sizes
        if not depth and first <= len(data) <= last:
            matches = sorted([*matches, *self._find_whole(data)], key=_by_span)
        decoded, encoding = transcode(data)
        # The bytes as they are count too: two of them at the beginning must not hide the rest.
        return [*matches, *self._read(decoded, depth, encoding)] if encoding else matches

    def _find_whole(self, data: bytes) -> Iterator[Match]:
        """Yield what the whole of the data is, apart from white space at its ends."""
        start, stop = len(data) - len(data.lstrip()), len(data.rstrip())
        left_out = self.rules_left_out()
        for index in self.ruleset.whole:
            for hit in self._search(index, data, start, start, stop) if index not in left_out else ():
                if (hit.start, hit.end) == (start, stop):
                    yield Match(hit.value, Span(start, stop), Lines(data).locate(start, stop))

    def _read(self, data: bytes, depth: int, encoding: tuple[str, ...], known: Known | None = None) -> list[Match]:
        candidates: list[Any] = self.candidates(data) if known is None else known.candidates
        runs = find_all(self.ruleset.forms, data) if known is None else known.forms
        if candidates and (left_out := self.rules_left_out()):
            candidates = [found for found in candidates if found[1] not in left_out]
        matches = self.confirm(data, candidates, encoding) if candidates else []
        if signs := [match for match in matches if match.value.rule.structure]:
            values, spans = self.read_structures(data, signs, Lines(data), encoding, depth)
            beside = (match for match in matches if not is_hidden(match.value.rule, match.span, spans))
            matches = sorted([*beside, *values], key=_by_span)
        if not runs:
            return matches
        return sorted([*matches, *self.look_into(data, find_runs(data, runs), Lines(data), encoding, depth)], key=_by_span)

    def read_structures(
        self, data: bytes, signs: Sequence[Match], lines: Lines, outer: tuple[str, ...], depth: int = 0
    ) -> tuple[list[Match], list[Span]]:
        """Return the values that structures hold whose signs these are, and the places of all that they hold."""
        from scanner.detect.kubernetes import judge_field, read_fields, run_of

        found: list[Match] = []
        fields = read_fields(data, [match.span for match in signs])
        for field in fields:
            verdict = judge_field(field)
            encoding = (*outer, "base64") if field.is_encoded else outer
            if verdict.confidence is not None:
                line, span = _line(data, field.span.start, min(field.span.end, field.span.start + _SHOWN_BYTES))
                rule, secret = signs[0].value.rule, Secret(field.value)
                value = Judgement(rule, secret, verdict.confidence, verdict.reason, Secret(line), span)
                found.append(Match(value, field.span, lines.locate(*field.span), encoding))
            elif field.is_encoded and b"\n" in field.value:
                found += self.look_into(data, [run_of(field)], lines, outer, depth)
        return found, [field.span for field in fields]

    def look_into(
        self, data: bytes, runs: Iterable[Run], lines: Lines, outer: tuple[str, ...], depth: int = 0
    ) -> Iterator[Match]:
        """Yield the matches within encoded runs, each at the place of its run."""
        for run in runs:
            text = data[run.start : run.end]
            span = Span(run.start, run.end)
            name = encoding_name(text, is_hex=run.is_hex)
            for alignment in run.alignments:
                for match in self._inside(text, alignment, depth, is_hex=run.is_hex):
                    line, line_span = _line(data, span.start, min(span.end, span.start + _SHOWN_BYTES))
                    value = match.value._replace(line=Secret(line), line_span=line_span)
                    yield Match(value, span, lines.locate(*span), (*outer, name, *match.decoded_from))

    def _inside(self, text: bytes, alignment: int, depth: int, *, is_hex: bool) -> list[Match]:
        """Return the matches within an encoded run; the runs of another version are known."""
        key = (text, alignment, is_hex, depth, self.rules_left_out())
        known = self._runs.get(key)
        if known is None:
            decoded = decode(text, alignment, is_hex=is_hex)
            if decoded and depth == MAX_DEPTH:
                self.gaps.append(Gap("budget", "encoded content", f"more than {MAX_DEPTH} encodings within each other"))
                return []
            known = _weighed(self._find(decoded, depth + 1)) if decoded else []
            if len(text) <= _MEMO_RUN:
                _remember(self._runs, key, known)
        return known

    def rules_left_out(self) -> frozenset[int]:
        """Return the rules that are for other paths than that of what is looked at."""
        if self._left_out is None:
            self._left_out = self.ruleset.left_out(self._path or b"")
        return self._left_out

    def candidates(self, data: bytes) -> list[Candidate]:
        """Return (end offset, rule index) wherever a rule's anchor ends."""
        return find_all(self.ruleset.anchors, data)

    def confirm(
        self, data: bytes, candidates: Iterable[Any], decoded_from: tuple[str, ...] = (), lines: Lines | None = None
    ) -> list[Match]:
        """Return the matches at these candidates, in order of place, each once; `lines` are those of the data.

        What is found out about a candidate becomes its third part, where the candidates are a list.
        """
        found: dict[tuple[int, int, int], Judgement] = {}
        notes = candidates if isinstance(candidates, list) else None
        for number, candidate in enumerate(candidates):
            if len(candidate) == 3:
                end, index, hits = candidate
            else:
                end, index = candidate
                hits = self._confirm(data, end, index)
                if notes is not None:
                    notes[number] = (end, index, hits)
            for start, stop, value in hits:
                found[end + start, end + stop, index] = value
        if not found:
            return []
        lines = lines or Lines(data)
        return [
            Match(value, Span(start, end), lines.locate(start, end), decoded_from)
            for (start, end, _), value in sorted(found.items(), key=_by_place)
        ]

    def _confirm(self, data: bytes, end: int, index: int) -> tuple[Hit, ...]:
        """Return what a candidate leads to."""
        left, right, reach = self._windows[index]
        begin, stop = max(0, end - left), end + right
        if reach.alone:
            begin = max(begin, data.rfind(b"\n", begin, end))
            stop = data.find(b"\n", end, stop) + 1 or stop
        window = data[begin:stop]
        # The same line stands in many versions, and in many files.
        key = (index, end - begin, window)
        known = self.memo.get(key)
        if known is None:
            end -= begin
            first = max(0, end - reach.longest)
            known = self._search(index, window, first, end - reach.shortest, end + right - NEAR_BYTES)
            if known:
                hits = known if self._is_near(index, window, first, end) else ()
                known = tuple(Hit(start - end, stop - end, value) for start, stop, value in hits)
            if len(window) <= _MEMO_WINDOW:
                _remember(self.memo, key, known)
        return known

    def _is_near(self, index: int, window: bytes, first: int, end: int) -> bool:
        """Whether the anchor that ends here begins no further away than the rule allows.

        Hyperscan counts wide repeats no further than it must, so some candidates hang on bytes that stand anywhere
        before them. Such a one could tell matches that a version with the same bytes here, and others there, has not.
        """
        begin = max(0, first - 1)
        return (end - begin, index) in find_all(self.ruleset.anchors, window[begin : end + 1])

    def _search(self, index: int, window: bytes, first: int, latest: int, last: int) -> tuple[Hit, ...]:
        """Judge the matches that start between `first` and `latest` and end by `last`."""
        try:
            return self.expressions.limited(self._hits, index, window, first, latest, last)
        except TimeoutError:
            reason = "gave up on a piece of content made to be slow to search"
            self.gaps.append(Gap("rule", self.ruleset[index].id, reason))
            return ()

    def _hits(self, index: int, window: bytes, first: int, latest: int, last: int) -> tuple[Hit, ...]:
        matches = self._expression(index)(window, first, latest, last)
        weighs = self.ruleset[index].weigh
        places = [(*match.span("secret"), match.start("key") if weighs else -1) for match in matches]
        judged = ((start, end, self._judge(index, window, start, end, key)) for start, end, key in places)
        return tuple(Hit(start, end, value) for start, end, value in judged if value is not None)

    def _judge(self, index: int, data: bytes, start: int, end: int, key: int = -1) -> Judgement | None:
        """Return the judgement on a value, the same object wherever rule, value and line are the same.

        The line is those from the name of the value on, where that stands in one before.
        """
        rule = self.ruleset[index]
        secret = data[start:end]
        line, span = _line(data, start, end, start if key < 0 else key)
        # What stands near it matters to few rules; for the others a value is judged once.
        around = data[max(0, start - NEAR_BYTES) : end + NEAR_BYTES] if rule.near else line if rule.weigh else b""
        known = (index, secret, around, line, span)
        try:
            return self._judgements[known]
        except KeyError:
            from scanner.detect.judge import Verdict, judge  # not needed for a clean change

        verdict = judge(rule, secret, around, span.start) if not rule.structure else Verdict(rule.confidence, "")
        value = None
        if verdict.confidence is not None and secret:
            value = Judgement(rule, Secret(secret), verdict.confidence, verdict.reason, Secret(line), span)
        _remember(self._judgements, known, value)
        return value

    def _expression(self, index: int) -> Expression:
        expression = self._searches.get(index)
        if expression is None:
            rule = self.ruleset[index]
            expression = self.expressions.compile(rule.pattern, ignore_case=rule.ignore_case)
            self._searches[index] = expression
        return expression


def _remember(memo: dict[_K, _V], key: _K, value: _V) -> None:
    if len(memo) >= _MEMO_ENTRIES:
        memo.clear()
    memo[key] = value


def find_all(database: Any, data: bytes | memoryview) -> list[Candidate]:
    """Return (end offset, expression id) of everything that the database finds."""
    found: list[Candidate] = []
    if database is None:
        return found
    add = found.append

    def on_match(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
        add((end, index))

    database.scan(data, match_event_handler=on_match)
    return found


def _line(data: bytes, start: int, end: int, begin: int | None = None) -> tuple[bytes, Span]:
    """Return the line around a value, cut to `NEAR_BYTES` either side, and the value's span in it.

    With `begin`, which is before the value, all lines from that place on.
    """
    left = max(0, start - NEAR_BYTES)
    left = max(left, data.rfind(b"\n", left, start if begin is None else max(left, begin)) + 1)
    right = end + NEAR_BYTES
    stop = data.find(b"\n", min(end, start + NEAR_BYTES), right)
    return data[left : stop if stop >= 0 else right], Span(start - left, end - left)


def _weighed(matches: Sequence[Match]) -> list[Match]:
    """Return what was found in decoded text as what it is worth there: of its syntax nothing is known."""
    if not any(match.value.rule.weigh for match in matches):
        return list(matches)
    from scanner.detect.placed import weighed

    return [placed for match in matches if (placed := weighed(match, b"")) is not None]


_start: Final = itemgetter(0)


def _by_span(match: Match) -> Span:
    return match.span


def _by_place(item: tuple[tuple[int, int, int], Judgement]) -> tuple[int, int, int]:
    return item[0]


def resolve(matches: Sequence[Match]) -> list[Match]:
    """Return the matches without those that another one over the same value explains better.

    The generic rules do not speak where a rule with a proof does: a token whose checksum is wrong is doubtful,
    however it is assigned. Then the surer verdict wins, then a provider's rule, then the longer value.
    """
    kept: list[Match] = []
    for cluster in _clusters(matches):
        if len(cluster) > 1:
            proofs = [match for match in cluster if match.value.rule.proof or match.value.rule.structure]
            kept += _best([match for match in cluster if not (_is_generic(match.value.rule) and _overlaps(match, proofs))])
        else:
            kept += cluster
    return sorted(kept, key=lambda match: (match.span, match.value.rule.id))


def _clusters(matches: Sequence[Match]) -> Iterator[list[Match]]:
    """Yield groups of matches that overlap, each with another one of its group."""
    cluster: list[Match] = []
    end = -1
    reading = ""
    for match in sorted(matches, key=lambda match: (match.reading, match.span)):
        if cluster and (match.span.start >= end or match.reading != reading):
            yield cluster
            cluster = []
            end = -1
        cluster.append(match)
        end = max(end, match.span.end)
        reading = match.reading
    if cluster:
        yield cluster


def _best(cluster: Sequence[Match]) -> list[Match]:
    kept: list[Match] = []
    for match in sorted(cluster, key=_worth, reverse=True):
        if not _overlaps(match, kept):
            kept.append(match)
    return kept


def _overlaps(match: Match, others: Sequence[Match]) -> bool:
    start, end = match.span
    return any(start < other.span.end and other.span.start < end for other in others)


def is_hidden(rule: Rule, span: Span, fields: Sequence[Span]) -> bool:
    """Whether a match counts for nothing beside what structures hold, at these places in order.

    Their signs do, and the generic rules, which would take what is encoded for the value.
    """
    if rule.structure or not _is_generic(rule):
        return bool(rule.structure)
    nearest = bisect_right(fields, span.start, key=_start) - 1
    return nearest >= 0 and span.end <= fields[nearest].end


def _is_generic(rule: Rule) -> bool:
    return rule.id.startswith("generic-")


def _worth(match: Match) -> tuple[int, bool, bool, int, int]:
    start, end = match.span
    sure = CONFIDENCES.index(match.value.confidence)
    generic = _is_generic(match.value.rule)
    # However sure that it is a secret, a rule that knows whose it is tells more.
    return min(sure, _MEDIUM) if generic else sure, not generic, not match.value.rule.structure, end - start, -start


_MEDIUM: Final = CONFIDENCES.index("medium")
