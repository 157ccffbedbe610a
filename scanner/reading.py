# SPDX-License-Identifier: Apache-2.0
"""What a source yields, read through the detector: by one process or by several, whole or in pieces, counted.

Content is scanned once per blob, without a path; where it stands is asked only of what has something in it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from scanner.detect.decode import transcode
from scanner.detect.engine import Detector, Match
from scanner.detect.screen import Screening
from scanner.model import Blob, Content, Gap, LargeBlob, Place, Screen, Source
from scanner.seal.seal import Seal
from scanner.sighting import Seen, Sighting, from_plain, to_plain
from scanner.triage import Mark, find_mark, fingerprint
from scanner.workers import MOST_TICKETS, Done, Lost, Tally, Tickets, Workers

if TYPE_CHECKING:
    from scanner.sources.history import HistorySource
    from scanner.verdicts import Ledger

Progress = Callable[[int, int], None]
_PROGRESS_EVERY: Final = 64
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
_CIPHERTEXT: Final = b"ENC[AES256_GCM,"


class Reading:
    """The state of one pass over a source. `seen` and `archives` are what there is to be placed."""

    def __init__(
        self,
        source: Source,
        detector: Detector,
        progress: Progress | None = None,
        ledger: "Ledger | None" = None,
        *,
        timeout_seconds: float = 0.0,
        jobs: int = 1,
        counts_sealed: bool = False,
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._detector = detector
        self._deadline = time.monotonic() + timeout_seconds if timeout_seconds else 0.0
        self._timeout_seconds = timeout_seconds
        self._counts_sealed = counts_sealed
        self._progress = progress
        self._jobs = jobs
        self.archives: list[tuple[str | None, Place | None]] = []
        self.seen: list[Seen] = []
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
        blobs = [blob for blob, _ in self.archives]
        return to_plain(self.seen, self._detector.ruleset), (self.blobs, self.bytes), blobs, history.left, gaps

    def _take(self, history: "HistorySource", result: Done | Lost) -> None:
        """Add what another process found."""
        if isinstance(result, Lost):
            self.gaps.append(Gap("worker", "a part of the history's content", result.reason))
            return
        seen, (blobs, size), archives, left, gaps = result.value
        self.seen += from_plain(seen, self._detector.ruleset)
        self.blobs += blobs
        self.bytes += size
        self.archives += [(blob, None) for blob in archives]
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
            found = {seen.blob for seen in self.seen} | {blob for blob, _ in self.archives}
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
        if matches and _may_be_ciphertext(matches, blob.data):
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
            self.archives.append((blob.id, blob.place))

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
            self.seen.append(Seen(blob.id, blob.place, matches, sightings))

    def _find(self, content: Content, path: bytes | None) -> Iterable[Match]:
        if isinstance(content, bytes):
            return self._detector.find(content, path)
        from scanner.large import look_at_pieces

        return [match for match, _ in look_at_pieces(self._detector, content, path).matches]

def _jobs(history: "HistorySource", wanted: int) -> int:
    """Return how many processes are to read this history; for a small one a second one does not pay by itself."""
    if wanted:
        return wanted
    from scanner.cores import cores

    return cores() if history.packed_bytes() >= _WORTH_SHARING else 1


class _Screen(Screening):
    """Which content a run need not see: what the detector has no interest in, and no archive."""

    def __init__(self, run: Reading, detector: Detector) -> None:
        super().__init__(detector)
        self.heads = (*self.heads, *((0, magic) for magic in _ARCHIVES), (_TAR_AT, _TAR))
        self.passed = run.pass_over


def _mark(data: bytes, match: Match) -> Mark | None:
    return find_mark(transcode(data)[0] if match.reading else data, *match.span)


def _identity(match: Match) -> str:
    return fingerprint("secret", match.value.secret.reveal())


def _may_be_ciphertext(matches: Iterable[Match], data: bytes) -> bool:
    """Whether ciphertext begins before a value on its line: lines are far less to look at than all of the file."""
    seen = 0
    for start in (match.span.start for match in matches if not match.reading):
        begin = max(data.rfind(b"\n", seen, start) + 1, seen - len(_CIPHERTEXT), 0)
        if data.find(_CIPHERTEXT, begin, start + len(_CIPHERTEXT)) >= 0:
            return True
        seen = start
    return False


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
