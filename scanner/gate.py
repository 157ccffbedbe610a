# SPDX-License-Identifier: Apache-2.0
"""The pipe: a source's content through the detector, what it finds through triage, into one result.

Content is scanned once per blob, without a path. Only for blobs with findings does the source work out
where they stand, and only then do path conditions of rules and the choice between rules apply.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from scanner.detect.decode import transcode
from scanner.detect.engine import Detector, Match, resolve
from scanner.detect.placed import at_path
from scanner.detect.screen import Screening
from scanner.display import decode_path, decode_text, one_line, redact, shorten
from scanner.model import (
    CONFIDENCES,
    Blob,
    Confidence,
    Content,
    Finding,
    Gap,
    LargeBlob,
    Location,
    Place,
    Provenance,
    ScanResult,
    Screen,
    Source,
    Span,
    Stats,
)
from scanner.seal.seal import Seal
from scanner.sighting import Seen, Sighting, from_plain, to_plain
from scanner.triage import Mark, Triage, find_mark, fingerprint
from scanner.workers import MOST_TICKETS, Done, Lost, Tally, Tickets, Workers

if TYPE_CHECKING:
    from scanner.sources.history import HistorySource
    from scanner.verdicts import Ledger

Progress = Callable[[int, int], None]
_PROGRESS_EVERY: Final = 64
_EXCERPT: Final = 160
# zip (and what is made of it: jar, wheel, Office), gzip, bzip2, xz, zstd, 7-Zip, RAR; tar says so further on.
_ARCHIVES: Final = (
    b"PK\3\4",
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
)
# Packed bytes of blobs for which another process pays, and into how many parts they are cut for each process.
_WORTH_SHARING: Final = 4 << 20
_PARTS_EACH: Final = 12
_TAR: Final = b"ustar"
_TAR_AT: Final = 257
_UNKNOWN: Final = Provenance("unreachable")
_CIPHERTEXT: Final = b"ENC[AES256_GCM,"


class ScanOptions(NamedTuple):
    """How to run: everything but what to scan.

    `whole` says that the source covers all there is, `secrets` whether secrets are looked for in it.
    `jobs` is how many processes may read a history, 0 for as many as there are cores.
    """

    target: str
    fail_on: Confidence | Literal["never"]
    allowed_gaps: frozenset[str]
    timeout_seconds: float
    whole: bool
    secrets: bool = True
    jobs: int = 1


class Counts(NamedTuple):
    """How much was read: blobs and their bytes, files on disk, commits."""

    blobs: int
    bytes: int
    files: int
    commits: int


class Outcome(NamedTuple):
    """What a scan saw: findings in a stable order, the marks that speak of each (by fingerprint and path), what was missed.

    `notices` are remarks for people.
    """

    findings: Sequence[Finding]
    marks: Mapping[tuple[str, bytes], Sequence[Mark]]
    gaps: tuple[Gap, ...]
    counts: Counts
    notices: tuple[str, ...]


class _Occurrence(NamedTuple):
    """A sighting at one of its blob's places."""

    sighting: Sighting
    seen: Seen
    provenance: Provenance


def look(
    source: Source,
    detector: Detector,
    options: ScanOptions,
    *,
    progress: Progress | None = None,
    seal: Seal | None = None,
    ledger: "Ledger | None" = None,
) -> Outcome:
    """Scan everything a source yields and return what there is, open or not.

    `seal` is the SOPS half, over the same source or one of its own; without `options.secrets` it is all there is.
    The ledger, if the source has one, learns of the blobs that were read.
    """
    run = _Run(source, detector, options, progress, ledger)
    with detector.expressions.watched():
        if options.secrets:
            run.read(seal if seal is not None and seal.source is source else None)
            run.close()
        if seal is not None and (seal.source is not source or not options.secrets):
            run.read_sealed(seal)
        findings, marks = run.findings()
        if seal is not None:
            _add_sealed(seal, findings, marks)
    findings.sort(key=lambda f: (f.path, f.location, f.rule.id, f.fingerprint))
    counts = Counts(run.blobs, run.bytes, run.files, source.commits)
    return Outcome(findings, marks, _gaps(source, detector, run, seal), counts, tuple(seal.notices()) if seal else ())


def conclude(outcome: Outcome, triage: Triage, options: ScanOptions, ruleset: str, started: float) -> ScanResult:
    """Return the result: which of the findings are open, as of today."""
    marks = outcome.marks
    decided = (f._replace(suppression=triage.decide(f, marks.get((f.fingerprint, f.path), ()))) for f in outcome.findings)
    findings = tuple(decided)
    whole = options.whole and not any(gap.kind == "timeout" for gap in outcome.gaps)
    return ScanResult(
        target=options.target,
        findings=findings,
        gaps=outcome.gaps,
        allowed_gaps=options.allowed_gaps,
        stats=Stats(*outcome.counts, time.monotonic() - started),
        notices=(*outcome.notices, *triage.notices(whole=whole)),
        ruleset=ruleset,
        fail_on=options.fail_on,
    )


def _gaps(source: Source, detector: Detector, run: "_Run", seal: Seal | None) -> tuple[Gap, ...]:
    """Return all gaps, each once: two sources of one repository meet the same."""
    # The same rule or run may have been met in many versions of a file.
    gaps = [*source.gaps, *run.gaps, *sorted(set(detector.gaps))]
    if seal is not None:
        gaps += [gap for gap in (*seal.gaps, *seal.source.gaps) if gap not in gaps]
    return tuple(gaps)


def _add_sealed(seal: Seal, findings: list[Finding], marks: dict[tuple[str, bytes], list[Mark]]) -> None:
    """Add the SOPS findings, but for a value that is reported as a secret at this path already."""
    told: dict[bytes, list[bytes]] = {}
    for finding in findings:
        told.setdefault(finding.path, []).append(finding.secret.reveal())
    for finding, held in seal.findings():
        value = finding.secret.reveal() if finding.rule.id in _BY_CONTENT else b""
        if value and any(value in other or other in value for other in told.get(finding.path, ())):
            continue
        findings.append(finding)
        if held:
            marks[finding.fingerprint, finding.path] = held


# Violations for what stands in a file, not for how a file stands to its rule.
_BY_CONTENT: Final = frozenset({"sops-uncovered", "sops-clear-secret", "sops-private-key"})


class _Run:
    """The state of one pass over a source."""

    def __init__(
        self,
        source: Source,
        detector: Detector,
        options: ScanOptions,
        progress: Progress | None,
        ledger: "Ledger | None",
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._detector = detector
        self._deadline = time.monotonic() + options.timeout_seconds if options.timeout_seconds else 0.0
        self._timeout_seconds = options.timeout_seconds
        self._counts_sealed = not options.secrets
        self._progress = progress
        self._jobs = options.jobs
        self._archives: list[tuple[str | None, Place | None]] = []
        self._seen: list[Seen] = []
        self.gaps: list[Gap] = []
        self.blobs = self.bytes = self.files = 0

    def read(self, seal: Seal | None) -> None:
        """Scan every blob, until the time limit if there is one."""
        history = cast("HistorySource", self._source) if self._source.extent == "history" else None
        jobs = _jobs(history, self._jobs) if history is not None else 1
        parts = history.divide(min(MOST_TICKETS, _PARTS_EACH * jobs)) if history is not None and jobs > 1 else 0
        if history is not None and parts > 1:
            self._read_divided(history, jobs, parts)
        else:
            self._read(self._source.blobs(_Screen(self, self._detector) if seal is None else None), seal)

    def _read_divided(self, history: "HistorySource", jobs: int, parts: int) -> None:
        """Share the reading of the packs with other processes; the rest is read here, before and after."""
        screen = _Screen(self, self._detector)
        tickets = Tickets(parts)
        progress = self._progress
        tally = Tally(jobs, progress) if progress else None
        with Workers(lambda number: self._work(number, history, tickets, screen, tally)) as workers:
            while jobs > 1 and workers.start(jobs - 1):
                jobs -= 1
            self._progress = tally.of(0) if tally else None
            self._read(chain(history.opening(screen), self._parts(history, tickets, screen)))
            for result in workers.results():
                self._take(history, result)
        self._progress = progress
        tickets.close()
        if not self._is_over():
            self._read(history.rest())

    def _parts(self, history: "HistorySource", tickets: Tickets, screen: Screen) -> Iterator[Blob]:
        for number in tickets:
            yield from history.part(number, screen)
            if self._is_over():
                return

    def _work(
        self, number: int, history: "HistorySource", tickets: Tickets, screen: Screen, tally: Tally | None
    ) -> tuple[Any, ...]:
        """Scan parts as long as there are any, in a process of its own; return what was found, as plain values."""
        self._progress = tally.of(number) if tally else None
        with self._detector.expressions.watched():
            self._read(self._parts(history, tickets, screen))
        gaps = [[tuple(gap) for gap in gaps] for gaps in (self.gaps, history.gaps, self._detector.gaps)]
        blobs = [blob for blob, _ in self._archives]
        return to_plain(self._seen, self._detector.ruleset), (self.blobs, self.bytes), blobs, history.left, gaps

    def _take(self, history: "HistorySource", result: Done | Lost) -> None:
        """Add what another process found."""
        if isinstance(result, Lost):
            self.gaps.append(Gap("worker", "a part of the history's content", result.reason))
            return
        seen, (blobs, size), archives, left, gaps = result.value
        self._seen += from_plain(seen, self._detector.ruleset)
        self.blobs += blobs
        self.bytes += size
        self._archives += [(blob, None) for blob in archives]
        history.left += left
        for ours, theirs in zip((self.gaps, history.gaps, self._detector.gaps), gaps, strict=True):
            ours += [gap for plain in theirs if (gap := Gap(*plain)) not in ours]

    def _read(self, blobs: Iterable[Blob | LargeBlob], seal: Seal | None = None) -> None:
        for blob in blobs:
            if isinstance(blob, LargeBlob):
                self._scan_large(blob, seal)
            else:
                self._count(blob.id, len(blob.data))
                self._tell(blob, len(blob.data))
                self._note_archive(blob.data, blob)
                self._scan(blob)
                if seal is not None:
                    seal.check(blob)
            if self._is_over():
                break

    def close(self) -> None:
        """Tell the ledger in what something was found; nothing is known to be clean by a run that gave up anywhere."""
        if self._ledger is not None:
            found = {seen.blob for seen in self._seen} | {blob for blob, _ in self._archives}
            complete = not self.gaps and not self._detector.gaps
            self._ledger.close([blob for blob in found if blob is not None], complete=complete)

    def read_sealed(self, seal: Seal) -> None:
        """Check the files of the state that the SOPS half is about; they are counted where nothing else is scanned."""
        for blob in seal.source.blobs():
            if isinstance(blob, LargeBlob):
                self._check_large(blob, seal)
            else:
                if self._counts_sealed:
                    self._count(blob.id, len(blob.data))
                seal.check(blob)
            if self._is_over():
                break

    def pass_over(self, count: int, size: int) -> bool:
        """Count blobs without anything to look at; False where the time is over."""
        self.blobs += count
        self.bytes += size
        if self._progress:
            self._progress(self.blobs + self.files, self.bytes)
        return not self._is_over()

    def _count(self, object_id: str | None, size: int) -> None:
        if object_id is None:
            self.files += 1
        else:
            self.blobs += 1
        self.bytes += size
        if (self.blobs + self.files) % _PROGRESS_EVERY == 0 and self._progress:
            self._progress(self.blobs + self.files, self.bytes)

    def _is_over(self) -> bool:
        if not self._deadline or time.monotonic() <= self._deadline:
            return False
        gap = Gap("timeout", "everything after what is counted here", f"stopped after {self._timeout_seconds:g} s")
        if gap not in self.gaps:
            self.gaps.append(gap)
        return True

    def _scan(self, blob: Blob) -> None:
        path = blob.place.path if blob.place else None
        matches = self._detector.find(blob.data, path, blob.known)
        if matches and _CIPHERTEXT in blob.data:
            matches = _outside_ciphertext(matches, blob.data)
        if blob.lines is not None:
            matches = list(_renumber(matches, blob.lines))
        if matches:
            self._sight(blob, matches, lambda index: _mark(blob.data, matches[index]))

    def _tell(self, blob: Blob | LargeBlob, size: int) -> None:
        """Tell the ledger of a blob of the history."""
        if self._ledger is not None and blob.id is not None and blob.place is None:
            self._ledger.saw_one(blob.id, size)

    def _scan_large(self, blob: LargeBlob, seal: Seal | None) -> None:
        from scanner.large import look_at_pieces

        self._count(blob.id, 0)
        before = self.bytes
        looked = look_at_pieces(self._detector, self._passing(blob), blob.place.path if blob.place else None)
        if self.bytes - before == blob.pieces.size:
            self._tell(blob, blob.pieces.size)
        if looked.matches:
            self._sight(blob, [match for match, _ in looked.matches], lambda index: looked.matches[index][1])
        if seal is not None:
            seal.check_large(blob, is_encrypted=looked.is_encrypted)

    def _check_large(self, blob: LargeBlob, seal: Seal) -> None:
        from scanner.large import is_encrypted

        if self._counts_sealed:
            self._count(blob.id, blob.pieces.size or 0)
        seal.check_large(blob, is_encrypted=is_encrypted(blob.pieces))

    def _passing(self, blob: LargeBlob) -> Iterator[bytes]:
        """Yield the pieces, counted, until the time is over."""
        head = b""
        for piece in blob.pieces:
            head = head or piece
            self.bytes += len(piece)
            if self._progress:
                self._progress(self.blobs + self.files, self.bytes)
            yield piece
            if self._is_over():
                break
        self._note_archive(head, blob)

    def _note_archive(self, head: bytes, blob: Blob | LargeBlob) -> None:
        if head.startswith(_ARCHIVES) or head.startswith(_TAR, _TAR_AT):
            self._archives.append((blob.id, blob.place))

    def _sight(self, blob: Blob | LargeBlob, matches: Sequence[Match], mark: Callable[[int], Mark | None]) -> None:
        """Keep the matches that are new with this blob; `mark` tells of each, by its number."""
        path = blob.place.path if blob.place else None
        old = {_identity(match) for content in self._source.previous(blob) for match in self._find(content, path)}
        sightings = [
            Sighting(match, identity, mark(index))
            for index, match in enumerate(matches)
            if (identity := _identity(match)) not in old
        ]
        if sightings:
            self._seen.append(Seen(blob.id, blob.place, matches, sightings))

    def _find(self, content: Content, path: bytes | None) -> Iterable[Match]:
        if isinstance(content, bytes):
            return self._detector.find(content, path)
        from scanner.large import look_at_pieces

        return [match for match, _ in look_at_pieces(self._detector, content, path).matches]

    def findings(self) -> tuple[list[Finding], dict[tuple[str, bytes], list[Mark]]]:
        """Return one finding a secret and path, in order of place, with the marks that speak of each."""
        groups: dict[tuple[str, bytes], list[_Occurrence]] = {}
        # How a repository is packed must not decide between equals.
        self._seen.sort(key=lambda seen: seen.blob or "~")
        for seen, place in self._placed():
            for sighting in _at(seen.sightings, place.path):
                occurrence = _Occurrence(sighting, seen, place.provenance)
                groups.setdefault((sighting.fingerprint, place.path), []).append(occurrence)
        findings: list[Finding] = []
        marks: dict[tuple[str, bytes], list[Mark]] = {}
        for (value, path), occurrences in groups.items():
            chosen, considered = _choose(occurrences)
            findings.append(_finding(value, path, chosen, occurrences))
            if chosen.sighting.mark:
                marks[value, path] = list(dict.fromkeys(o.sighting.mark for o in considered if o.sighting.mark))
        return findings, marks

    def _placed(self) -> Iterator[tuple[Seen, Place]]:
        origins = [*((seen.blob, seen.place) for seen in self._seen), *self._archives]
        traced = self._source.trace([blob for blob, place in origins if place is None and blob is not None])
        for seen in self._seen:
            for place in _places(seen.blob, seen.place, traced):
                yield seen, place
        self._report_archives(traced)

    def _report_archives(self, traced: Mapping[str, Sequence[Place]]) -> None:
        """Name what was read as bytes only: whoever reads "clean" must know."""
        versions = Counter(found.path for blob, place in self._archives for found in _places(blob, place, traced))
        for path, count in sorted(versions.items()):
            self.gaps.append(Gap("archive", decode_path(path), "read as it is, its members not looked into", count))


def _jobs(history: "HistorySource", wanted: int) -> int:
    """Return how many processes are to read this history; for a small one a second one does not pay by itself."""
    if wanted:
        return wanted
    from scanner.cores import cores

    return cores() if history.packed_bytes() >= _WORTH_SHARING else 1


class _Screen(Screening):
    """Which content a run need not see: what the detector has no interest in, and no archive."""

    def __init__(self, run: _Run, detector: Detector) -> None:
        super().__init__(detector)
        self.heads = (*self.heads, *((0, magic) for magic in _ARCHIVES), (_TAR_AT, _TAR))
        self.passed = run.pass_over


def _mark(data: bytes, match: Match) -> Mark | None:
    return find_mark(transcode(data)[0] if match.reading else data, *match.span)


def _excerpt(match: Match, matches: Sequence[Match]) -> str:
    """Return a match's line with every value that was found on it redacted."""
    start = match.span.start - match.value.line_span.start
    line = match.value.line.reveal()
    on_line = sorted(
        (other for other in matches if other.reading == match.reading and other.span.start < start + len(line)),
        key=lambda other: other.span,
    )
    on_line = [other for other in on_line if other.span.end > start]
    spans = [Span(other.span.start - start, other.span.end - start) for other in on_line]
    return _redact_line(line, spans, [other.value.secret.reveal() for other in on_line])


def _redact_line(line: bytes, spans: Sequence[Span], secrets: Sequence[bytes]) -> str:
    """Return a line for people, with the values at these spans (in ascending order) redacted."""
    parts, position = [], 0
    for span, secret in zip(spans, secrets, strict=True):
        if span.start >= position:
            parts += [decode_text(line[position : span.start]), redact(secret)]
        position = max(position, span.end)
    parts.append(decode_text(line[position:]))
    return shorten(one_line("".join(parts).strip()), _EXCERPT)


def _places(blob: str | None, place: Place | None, traced: Mapping[str, Sequence[Place]]) -> Sequence[Place]:
    if place is not None:
        return (place,)
    name = (blob or "").encode()
    return traced.get(blob or "") or (Place(b".git/blob/" + name, _UNKNOWN),)


def _identity(match: Match) -> str:
    return fingerprint("secret", match.value.secret.reveal())


def _at(sightings: Sequence[Sighting], path: bytes) -> Iterator[Sighting]:
    """Yield the sightings that count at this path: rules for other paths left out, then overlaps resolved."""
    by_match = {id(sighting.match): sighting for sighting in sightings}
    fit = {id(placed): (placed, by_match[id(match)]) for placed, match in at_path((s.match for s in sightings), path)}
    for placed in resolve([placed for placed, _ in fit.values()]):
        yield fit[id(placed)][1]._replace(match=placed)


def _choose(occurrences: Sequence[_Occurrence]) -> tuple[_Occurrence, Sequence[_Occurrence]]:
    """Return the occurrence to report, and those whose marks speak for all: what is at HEAD, else the last version.

    A mark silences its own line only, so one without a mark is reported before any with one.
    """
    latest = max(o.provenance.order for o in occurrences)
    considered = [o for o in occurrences if o.provenance.at_head] or [o for o in occurrences if o.provenance.order == latest]
    unmarked = [o for o in considered if not o.sighting.mark]
    if unmarked:
        return min(unmarked, key=_rank), considered
    first = considered if considered[0].provenance.at_head else occurrences
    return min((o for o in first if o.sighting.mark), key=_rank), considered


def _rank(occurrence: _Occurrence) -> tuple[int, int, Location]:
    """Surest first, then the earliest version, then the first place in it."""
    sure = CONFIDENCES.index(occurrence.sighting.match.value.confidence)
    return -sure, occurrence.provenance.order, occurrence.sighting.match.location


def _finding(value: str, path: bytes, chosen: _Occurrence, occurrences: Sequence[_Occurrence]) -> Finding:
    match = chosen.sighting.match
    committed = [o.provenance for o in occurrences if o.provenance.commit] or [chosen.provenance]
    return Finding(
        rule=match.value.rule.info(),
        confidence=match.value.confidence,
        reason=match.value.reason,
        path=path,
        location=match.location,
        fingerprint=value,
        secret=match.value.secret,
        redacted=redact(match.value.secret.reveal()),
        excerpt=_excerpt(match, chosen.seen.matches),
        blob=chosen.seen.blob,
        provenance=chosen.provenance,
        first=min(committed, key=lambda provenance: provenance.order),
        occurrences=len({(o.seen.blob, o.sighting.match.span, o.sighting.match.location) for o in occurrences}),
        decoded_from=match.decoded_from,
    )


def _outside_ciphertext(matches: Sequence[Match], data: bytes) -> list[Match]:
    """Return the matches that are not within what SOPS encrypted: random text has everything in it some day."""
    from scanner.sops.ciphertext import ciphertext_spans

    spans = list(ciphertext_spans(data))
    return [m for m in matches if m.reading or not any(s.start <= m.span.start and m.span.end <= s.end for s in spans)]


def _renumber(matches: Iterable[Match], lines: Sequence[int]) -> Iterator[Match]:
    """Yield the matches that touch an added line, with the real file's line numbers."""
    for match in matches:
        here = match.location
        touched = lines[here.start_line - 1 : here.end_line]
        if any(number > 0 for number in touched):
            location = here._replace(start_line=abs(touched[0]), end_line=abs(touched[-1]))
            yield match._replace(location=location)
