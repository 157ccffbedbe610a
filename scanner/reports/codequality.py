# SPDX-License-Identifier: Apache-2.0
"""GitLab Code Quality: what merge requests show on every tier, where the security report needs a licence.

An array of issues in Code Climate's form, of which GitLab reads `description`, `check_name`, `fingerprint`, `severity`
and `location`. It takes issues of one fingerprint for one, and stops at the first that lacks something.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final, TextIO

from scanner.display import decode_path, one_line
from scanner.model import GAP_KINDS, Finding, ScanResult, Severity
from scanner.reports.jsontext import write_array
from scanner.reports.options import ReportOptions
from scanner.reports.places import details
from scanner.reports.weigh import blocks, gaps_by_kind, open_findings

_SEVERITY: Final[Mapping[Severity, str]] = {"critical": "blocker", "high": "critical", "medium": "major", "low": "minor"}


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - of the protocol
    """Write the open findings, and an issue for each kind of content that was asked for and not scanned."""
    write_array(out, _issues(result))
    out.write("\n")


def _issues(result: ScanResult) -> Iterator[dict[str, object]]:
    for kind, gaps in gaps_by_kind(gap for gap in result.gaps if blocks(gap, result)):
        count = sum(gap.count for gap in gaps)
        text = f"The scan is incomplete: {GAP_KINDS[kind][1]} ({count}). First: {gaps[0].what}: {gaps[0].reason}"
        yield _issue("sealgate-incomplete", "blocker", text, kind.encode(), (".", 1))
    for finding in open_findings(result):
        identity = f"{finding.rule.id}\0{finding.fingerprint}\0".encode() + finding.path
        place = (decode_path(finding.path) or "-", finding.location.start_line)
        yield _issue(finding.rule.id, _severity(finding), _description(finding), identity, place)


def _issue(check: str, severity: str, text: str, identity: bytes, place: tuple[str, int]) -> dict[str, object]:
    return {
        "type": "issue",
        "check_name": one_line(check),
        "description": one_line(text),
        "categories": ["Security"],
        "severity": severity,
        "fingerprint": hashlib.sha256(identity).hexdigest(),
        "location": {"path": place[0], "lines": {"begin": place[1]}},
    }


def _severity(finding: Finding) -> str:
    """Return the rule's severity, or `info` for what is likely a false alarm."""
    return "info" if finding.confidence == "low" else _SEVERITY[finding.rule.severity]


def _description(finding: Finding) -> str:
    facts = ", ".join(details(finding))
    return f"{finding.rule.name}: {finding.redacted} ({'; '.join(filter(None, (finding.reason, facts)))})"
