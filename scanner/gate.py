# SPDX-License-Identifier: Apache-2.0
"""The pipe: a source's content through the detector, what it finds through triage, into one result.

Content is scanned once per blob, without a path. Only for blobs with findings does the source work out
where they stand, and only then do path conditions of rules and the choice between rules apply.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from scanner.detect.engine import Detector, Match, resolve
from scanner.display import decode_text, one_line, shorten
from scanner.model import (
    CONFIDENCES,
    Blob,
    Confidence,
    Finding,
    Gap,
    Location,
    Place,
    Provenance,
    ScanResult,
    Source,
    Span,
    Stats,
)
from scanner.paths import glob_matches
from scanner.triage import Mark, Triage, find_mark, fingerprint, has_marks

Progress = Callable[[int, int], None]
_PROGRESS_EVERY: Final = 64
_EXCERPT: Final = 160
_UNKNOWN: Final = Provenance("unreachable")


class ScanOptions(NamedTuple):
    """How to run: everything but what to scan. `whole` says that the source covers all there is."""

    target: str
    fail_on: Confidence | Literal["never"]
    allowed_gaps: frozenset[str]
    timeout_seconds: float
    whole: bool


class _Sighting(NamedTuple):
    """A match at an offset of one blob, slim: `match` is shared by all versions that carry the same line."""

    match: Match
    fingerprint: str
    location: Location
    span: Span
    excerpt: str
    mark: Mark | None


class _Occurrence(NamedTuple):
    """A sighting at one of its blob's places."""

    sighting: _Sighting
    blob: str | None
    provenance: Provenance


def scan(
    source: Source, detector: Detector, triage: Triage, options: ScanOptions, progress: Progress | None = None
) -> ScanResult:
    """Scan everything a source yields and return findings, gaps and counts."""
    started = time.monotonic()
    run = _Run(source, detector, options.timeout_seconds, progress)
    run.read()
    findings, marks = run.findings()
    decided = tuple(f._replace(suppression=triage.decide(f, marks[f.fingerprint, f.path])) for f in findings)
    gaps = (*source.gaps, *run.gaps, *detector.gaps)
    whole = options.whole and not any(gap.kind == "timeout" for gap in gaps)
    return ScanResult(
        target=options.target,
        findings=decided,
        gaps=gaps,
        allowed_gaps=options.allowed_gaps,
        stats=Stats(run.blobs, run.bytes, run.files, source.commits, time.monotonic() - started),
        notices=tuple(triage.notices(whole=whole)),
        ruleset=detector.ruleset.digest,
        rules=tuple(rule.info() for rule in detector.ruleset.rules),
        fail_on=options.fail_on,
    )


class _Run:
    """The state of one pass over a source."""

    def __init__(self, source: Source, detector: Detector, timeout_seconds: float, progress: Progress | None) -> None:
        self._source = source
        self._detector = detector
        self._deadline = time.monotonic() + timeout_seconds if timeout_seconds else 0.0
        self._timeout_seconds = timeout_seconds
        self._progress = progress
        self._shared: dict[tuple[str, bytes, str], Match] = {}
        self._excerpts: dict[str, str] = {}
        self._seen: dict[tuple[str | None, Place | None], list[_Sighting]] = {}
        self.gaps: list[Gap] = []
        self.blobs = self.bytes = self.files = 0

    def read(self) -> None:
        """Scan every blob, until the time limit if there is one."""
        for blob in self._source.blobs():
            if blob.id is None:
                self.files += 1
            else:
                self.blobs += 1
            self.bytes += len(blob.data)
            self._scan(blob)
            if (self.blobs + self.files) % _PROGRESS_EVERY == 0 and self._progress:
                self._progress(self.blobs + self.files, self.bytes)
            if self._deadline and time.monotonic() > self._deadline:
                reason = f"stopped after {self._timeout_seconds:g} s"
                self.gaps.append(Gap("timeout", "everything after what is counted here", reason))
                break

    def _scan(self, blob: Blob) -> None:
        matches = self._detector.find(blob.data)
        if blob.lines is not None:
            matches = list(_renumber(matches, blob.lines))
        if not matches:
            return
        values = [fingerprint("secret", match.secret.reveal()) for match in matches]
        old = {
            fingerprint("secret", match.secret.reveal())
            for data in self._source.previous(blob)
            for match in self._detector.find(data)
        }
        marked = has_marks(blob.data)
        sightings = []
        for match, value in zip(matches, values, strict=True):
            if value not in old:
                mark = find_mark(blob.data, *match.span) if marked and not match.decoded_from else None
                excerpt = self._excerpt(match, matches)
                shared = self._shared.setdefault((match.rule.id, match.secret.reveal(), match.reason), match)
                sightings.append(_Sighting(shared, value, match.location, match.span, excerpt, mark))
        if sightings:
            self._seen[blob.id, blob.place] = sightings

    def _excerpt(self, match: Match, matches: Sequence[Match]) -> str:
        """Return the match's line with every value found on it redacted."""
        origin = match.span.start - match.line_span.start
        parts, position = [], 0
        for other in sorted(matches, key=lambda m: m.span):
            start, end = other.span.start - origin, other.span.end - origin
            if start >= position and start < len(match.line) and end > 0:
                parts += [decode_text(match.line[position:start]), redact(other.secret.reveal())]
                position = max(position, end)
            elif start < position < end:
                position = end
        parts.append(decode_text(match.line[position:]) if position < len(match.line) else "")
        text = shorten(one_line("".join(parts).strip()), _EXCERPT)
        return self._excerpts.setdefault(text, text)

    def findings(self) -> tuple[list[Finding], dict[tuple[str, bytes], list[Mark]]]:
        """Return one finding a secret and path, in order of place, with the marks that speak of each."""
        groups: dict[tuple[str, bytes], list[_Occurrence]] = {}
        for blob, place, sightings in self._placed():
            for sighting in _at(sightings, place.path):
                occurrence = _Occurrence(sighting, blob, place.provenance)
                groups.setdefault((sighting.fingerprint, place.path), []).append(occurrence)
        findings, marks = [], {}
        for (value, path), occurrences in groups.items():
            at_head = [o for o in occurrences if o.provenance.at_head]
            chosen = min(at_head or occurrences, key=_rank)
            findings.append(_finding(value, path, chosen, occurrences))
            marks[value, path] = [o.sighting.mark for o in (at_head or occurrences) if o.sighting.mark]
        findings.sort(key=lambda f: (f.path, f.location, f.rule.id, f.fingerprint))
        return findings, marks

    def _placed(self) -> Iterator[tuple[str | None, Place, list[_Sighting]]]:
        traced: Mapping[str, Sequence[Place]] = {}
        wanted = [blob for blob, place in self._seen if place is None and blob is not None]
        traced = self._source.trace(wanted)
        for (blob, place), sightings in self._seen.items():
            if place is not None:
                yield blob, place, sightings
            else:
                for found in traced.get(blob or "", ()) or (Place(b".git/blob/" + (blob or "").encode(), _UNKNOWN),):
                    yield blob, found, sightings


def _at(sightings: Sequence[_Sighting], path: bytes) -> Iterator[_Sighting]:
    """Yield the sightings that count at this path: rules for other paths left out, then overlaps resolved."""
    fit = [s for s in sightings if not s.match.rule.paths or glob_matches(s.match.rule.paths, path)]
    by_place = {(s.span, s.match.rule.id): s for s in fit}
    for match in resolve([s.match._replace(span=s.span) for s in fit]):
        yield by_place[match.span, match.rule.id]


def _rank(occurrence: _Occurrence) -> tuple[int, int, Location]:
    """Surest first, then the earliest version, then the first place in it."""
    sure = CONFIDENCES.index(occurrence.sighting.match.confidence)
    return -sure, occurrence.provenance.order, occurrence.sighting.location


def _finding(value: str, path: bytes, chosen: _Occurrence, occurrences: Sequence[_Occurrence]) -> Finding:
    sighting = chosen.sighting
    committed = [o.provenance for o in occurrences if o.provenance.commit] or [chosen.provenance]
    return Finding(
        rule=sighting.match.rule.info(),
        confidence=sighting.match.confidence,
        reason=sighting.match.reason,
        path=path,
        location=sighting.location,
        fingerprint=value,
        secret=sighting.match.secret,
        redacted=redact(sighting.match.secret.reveal()),
        excerpt=sighting.excerpt,
        blob=chosen.blob,
        provenance=chosen.provenance,
        first=min(committed, key=lambda provenance: provenance.order),
        occurrences=len({(o.blob, o.sighting.span) for o in occurrences}),
        decoded_from=sighting.match.decoded_from,
    )


def _renumber(matches: Iterable[Match], lines: Sequence[int]) -> Iterator[Match]:
    """Yield the matches that touch an added line, with the real file's line numbers."""
    for match in matches:
        here = match.location
        touched = lines[here.start_line - 1 : here.end_line]
        if any(number > 0 for number in touched):
            location = here._replace(start_line=abs(touched[0]), end_line=abs(touched[-1]))
            yield match._replace(location=location)


def redact(secret: bytes) -> str:
    """Return what may be shown of a secret: a fifth of it at most, and four characters at most."""
    text = decode_text(secret)
    shown = min(4, len(text) // 5)
    return one_line(text[:shown]) + "*" * min(12, len(text) - shown)
