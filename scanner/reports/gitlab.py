# SPDX-License-Identifier: Apache-2.0
"""GitLab's secret detection report (`gl-secret-detection-report.json`), for `artifacts: reports: secret_detection`.

Written for version 15.0.7 of the report's schema: a server refuses a version that it does not know, and this one is known
to all since 16.0. Decisions that a server would notice:

- A vulnerability is recognised by its first identifier, the rule, and by its tracking signature, which is made of the
  secret's fingerprint and the path: it stays the same one when lines move, and two files that share a secret are two.
- What is suppressed is left out: a vulnerability that is gone from the report is "no longer detected" there.
- `raw_source_code_extract` is never written. It is meant for the unredacted line.
- Commit id `0000000` stands for what is in no commit, as in GitLab's own reports of a state without its history.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import Final, TextIO
from urllib.parse import quote
from uuid import UUID

from scanner import __version__
from scanner.display import decode_path, one_line, shorten
from scanner.model import GAP_KINDS, Family, Finding, RuleInfo, ScanResult, Severity
from scanner.reports.descriptors import HOME
from scanner.reports.jsontext import to_json, write_array
from scanner.reports.markup import markdown_text
from scanner.reports.options import ReportOptions
from scanner.reports.places import details
from scanner.reports.weigh import blocks, open_findings

_SCHEMA_VERSION: Final = "15.0.7"
_NO_COMMIT: Final = "0000000"
# The schema's limits.
_MAX_NAME: Final = 255
_MAX_SOLUTION: Final = 7000
# Each gap is a message on the pipeline's page; what is beyond is counted.
_MAX_MESSAGES: Final = 50

_SEVERITY: Final[Mapping[Severity, str]] = {"critical": "Critical", "high": "High", "medium": "Medium", "low": "Low"}
# CWE-798 Use of Hard-coded Credentials; CWE-312 Cleartext Storage of Sensitive Information; CWE-732 Incorrect
# Permission Assignment for Critical Resource.
_CWE: Final[Mapping[Family, int]] = {"secret": 798, "sops": 312, "broker": 732}


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write the report: open findings as vulnerabilities, an incomplete run as a scan that failed, gaps as messages."""
    out.write(f'{{"version": {to_json(_SCHEMA_VERSION)},\n"scan": {{\n')
    tool = to_json({"id": "sealgate", "name": "Sealgate", "url": HOME, "version": __version__, "vendor": {"name": "Sealgate"}})
    out.write(f'"analyzer": {tool},\n"scanner": {tool},\n"type": "secret_detection",\n')
    out.write(f'"start_time": "{_moment(options.finished - result.stats.seconds)}",\n')
    out.write(f'"end_time": "{_moment(options.finished)}",\n')
    out.write(f'"status": "{"success" if result.complete else "failure"}",\n"messages": ')
    write_array(out, _messages(result))
    out.write('},\n"vulnerabilities": ')
    write_array(out, (_vulnerability(finding, result) for finding in open_findings(result)))
    out.write("}\n")


def _moment(seconds: float) -> str:
    """Return a time of the system's clock as the schema wants it: UTC, without a zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(max(0, int(seconds))))


def _messages(result: ScanResult) -> Iterator[dict[str, str]]:
    for gap in result.gaps[:_MAX_MESSAGES]:
        level = "warn" if blocks(gap, result) else "info"
        times = f" ({gap.count} of them)" if gap.count > 1 else ""
        text = f"Not scanned, {gap.kind} ({GAP_KINDS[gap.kind][1]}): {gap.what}: {gap.reason}{times}"
        yield {"level": level, "value": one_line(text)}
    if result.gaps[_MAX_MESSAGES:]:
        yield {"level": "warn", "value": f"{len(result.gaps) - _MAX_MESSAGES} more were not scanned; other reports name them"}
    yield from ({"level": "info", "value": one_line(notice)} for notice in result.notices if notice)


def _vulnerability(finding: Finding, result: ScanResult) -> dict[str, object]:
    rule = finding.rule
    signature = hashlib.sha256(finding.fingerprint.encode() + b"\0" + finding.path).hexdigest()
    record: dict[str, object] = {
        "id": str(UUID(hex=hashlib.sha256(f"{rule.id}\0{signature}".encode()).hexdigest()[:32], version=5)),
        "name": shorten(one_line(rule.name), _MAX_NAME),
        "description": _description(finding),
        "severity": _SEVERITY[rule.severity],
        "solution": shorten(one_line(finding.remedy or rule.help or "Replace the value and revoke the old one."), _MAX_SOLUTION),
        "identifiers": _identifiers(rule),
        "location": _location(finding),
        "tracking": {"type": "source", "items": [_tracked(finding, signature)]},
        "details": _details(finding, result),
    }
    links = [{"url": link} for link in rule.references if link.startswith(("https://", "http://"))]
    if links:
        record["links"] = links
    if finding.confidence == "low":
        record["flags"] = [
            {
                "type": "flagged-as-likely-false-positive",
                "origin": "Sealgate",
                "description": f"Low confidence: {one_line(finding.reason)}",
            }
        ]
    return record


def _description(finding: Finding) -> str:
    """Return GitLab Flavored Markdown."""
    facts = ", ".join(details(finding))
    lines = [f"{finding.rule.name}: {finding.redacted}", f"Why: {finding.reason}", facts]
    return "\n\n".join(markdown_text(line) for line in lines if line)


def _identifiers(rule: RuleInfo) -> list[dict[str, str]]:
    """Return what the finding is, the rule first: GitLab's identity of a vulnerability begins with it."""
    cwe = _CWE[rule.family]
    return [
        {"type": "sealgate_rule_id", "name": f"Sealgate rule {one_line(rule.id)}", "value": one_line(rule.id)},
        {
            "type": "cwe",
            "name": f"CWE-{cwe}",
            "value": str(cwe),
            "url": f"https://cwe.mitre.org/data/definitions/{quote(str(cwe))}.html",
        },
    ]


def _location(finding: Finding) -> dict[str, object]:
    provenance = finding.provenance
    commit = {"sha": provenance.commit or _NO_COMMIT}
    if provenance.author:
        commit["author"] = one_line(provenance.author)
    if provenance.date:
        commit["date"] = one_line(provenance.date)
    return _lines(finding) | {"commit": commit}


def _tracked(finding: Finding, signature: str) -> dict[str, object]:
    # `hash` is the one algorithm that every version of the server knows.
    return _lines(finding) | {"signatures": [{"algorithm": "hash", "value": signature}]}


def _lines(finding: Finding) -> dict[str, object]:
    place = finding.location
    return {"file": decode_path(finding.path) or "-", "start_line": place.start_line, "end_line": place.end_line}


def _details(finding: Finding, result: ScanResult) -> dict[str, dict[str, object]]:
    """Return named fields that the page of a vulnerability shows."""
    found: dict[str, dict[str, object]] = {
        "confidence": {"type": "text", "name": "Confidence", "value": finding.confidence},
        "fails": {"type": "value", "name": "Fails the gate", "value": result.fails(finding)},
        "fingerprint": {"type": "text", "name": "Fingerprint", "value": finding.fingerprint},
    }
    if finding.provenance.at_head is not None:
        found["at_head"] = {"type": "value", "name": "Still at HEAD", "value": finding.provenance.at_head}
    if finding.first.commit:
        found["first"] = {"type": "commit", "name": "First commit", "value": finding.first.commit}
    return found
