# SPDX-License-Identifier: Apache-2.0
"""A finding and a run as plain dictionaries, for `json` and `jsonl`: the keys that scripts rely on.

The keys stand in the documentation of the JSON Lines report. New ones may be added at the end; none of them
may change its name, its type or its meaning.
"""

from collections import Counter

from scanner import __version__
from scanner.display import decode_path
from scanner.model import CONFIDENCES, SEVERITIES, Finding, Gap, Related, ScanResult, Stats
from scanner.reports.weigh import blocks


def finding_record(finding: Finding, result: ScanResult, show_secrets: bool) -> dict[str, object]:
    """Return one finding; the raw value is there, as `secret`, only if `show_secrets` says so."""
    record = _what(finding) | _where(finding) | _why(finding, result)
    if show_secrets:
        # The bytes as text, what is not UTF-8 as \xNN, like paths.
        record["secret"] = finding.secret.reveal().decode("utf-8", "backslashreplace")
    return record


def summary_record(result: ScanResult) -> dict[str, object]:
    """Return the run's closing record: what was scanned, what was not, and how much was found.

    `complete` is true exactly if every entry of `unscanned` is `allowed`.
    """
    return {
        "complete": result.complete,
        "scanned": scanned_record(result.stats),
        "unscanned": [_gap_record(gap, result) for gap in result.gaps],
        "counts": counts_record(result),
        "seconds": round(result.stats.seconds, 3),
        "ruleset": result.ruleset,
        "version": __version__,
    }


def scanned_record(stats: Stats) -> dict[str, int]:
    """Return what was read, in numbers."""
    return {"blobs": stats.blobs, "bytes": stats.bytes, "files": stats.files, "commits": stats.commits}


def counts_record(result: ScanResult) -> dict[str, object]:
    """Return numbers of findings; those by confidence and by severity are of open findings."""
    unsuppressed = [finding for finding in result.findings if finding.suppression is None]
    confidence = Counter(finding.confidence for finding in unsuppressed)
    severity = Counter(finding.rule.severity for finding in unsuppressed)
    return {
        "total": len(result.findings),
        "open": len(unsuppressed),
        "suppressed": len(result.findings) - len(unsuppressed),
        "failing": sum(map(result.fails, result.findings)),
        "by_confidence": {name: confidence[name] for name in reversed(CONFIDENCES)},
        "by_severity": {name: severity[name] for name in reversed(SEVERITIES)},
    }


def _what(finding: Finding) -> dict[str, object]:
    return {
        "rule_id": finding.rule.id,
        "family": finding.rule.family,
        "severity": finding.rule.severity,
        "confidence": finding.confidence,
        "path": decode_path(finding.path),
        **finding.location._asdict(),
        "fingerprint": finding.fingerprint,
        "redacted": finding.redacted,
        "reason": finding.reason,
    }


def _where(finding: Finding) -> dict[str, object]:
    return {
        "blob": finding.blob,
        "commit": finding.provenance.commit,
        "author": finding.provenance.author,
        "date": finding.provenance.date,
        "at_head": finding.provenance.at_head,
        "occurrences": finding.occurrences,
        "decoded_from": list(finding.decoded_from),
        "suppressed_by": finding.suppression and finding.suppression._asdict(),
    }


def _why(finding: Finding, result: ScanResult) -> dict[str, object]:
    return {
        "fails_gate": result.fails(finding),
        "source": finding.provenance.kind,
        "first_commit": finding.first.commit,
        "first_author": finding.first.author,
        "first_date": finding.first.date,
        "excerpt": finding.excerpt,
        "rule_name": finding.rule.name,
        "help": finding.rule.help,
        "remedy": finding.remedy,
        "related": [_related(related) for related in finding.related],
    }


def _related(related: Related) -> dict[str, object]:
    return {
        "role": related.role,
        "rule_id": related.rule_id,
        "rule_name": related.name,
        **related.location._asdict(),
        "fingerprint": related.fingerprint,
        "redacted": related.redacted,
        "reason": related.reason,
    }


def _gap_record(gap: Gap, result: ScanResult) -> dict[str, object]:
    return {
        "kind": gap.kind,
        "what": gap.what,
        "reason": gap.reason,
        "count": gap.count,
        "allowed": not blocks(gap, result),
    }
