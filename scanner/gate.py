# SPDX-License-Identifier: Apache-2.0
"""The pipe: a source's content through the detector, what it finds through triage, into one result."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from scanner.detect.engine import Detector
from scanner.model import Confidence, Finding, Gap, ScanResult, Source, Stats
from scanner.placing import place
from scanner.reading import Progress, Reading
from scanner.seal.seal import Seal
from scanner.triage import Mark, Triage

if TYPE_CHECKING:
    from scanner.verdicts import Ledger


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
    run = Reading(
        source,
        detector,
        progress,
        ledger,
        timeout_seconds=options.timeout_seconds,
        jobs=options.jobs,
        counts_sealed=not options.secrets,
    )
    with detector.expressions.watched():
        if options.secrets:
            run.read(seal if seal is not None and seal.source is source else None)
            run.close()
        if seal is not None and (seal.source is not source or not options.secrets):
            run.read_sealed(seal)
        findings, marks = place(source, run.seen, run.archives, run.gaps)
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


def _gaps(source: Source, detector: Detector, run: Reading, seal: Seal | None) -> tuple[Gap, ...]:
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
