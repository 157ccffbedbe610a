# SPDX-License-Identifier: Apache-2.0
"""SARIF 2.1.0 (OASIS Standard with Errata 01), in the shape that GitHub code scanning ingests.

Written as a stream, a result a line: object models for SARIF build the whole log in memory first.

Decisions that a platform would notice:

- Suppressed findings are left out unless asked for (`include_suppressed`). GitHub does not read
  `suppressions`: with them in the file, everything that was accepted here would be an open alert there,
  whereas a result that is gone closes its alert. The other reports list them all.
- `partialFingerprints` has Sealgate's own fingerprint only. `primaryLocationLineHash` is left to GitHub's
  upload action, which computes it from the checkout and warns of any value that differs from its own.
- Paths are relative and without `uriBaseId`, which GitHub resolves against the repository's root. The raw
  secret is never in this report, whatever was asked: it is made to be uploaded to where many may read it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TextIO
from urllib.parse import quote_from_bytes

from scanner import __version__
from scanner.display import log_safe, shorten
from scanner.errors import EXIT_CODES
from scanner.model import CONFIDENCES, GAP_KINDS, Confidence, Finding, Gap, RuleInfo, ScanResult, Severity
from scanner.reports.jsontext import to_json, write_array
from scanner.reports.options import ReportOptions
from scanner.reports.records import counts_record, scanned_record
from scanner.reports.weigh import blocks, weight

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

# GitHub, "SARIF support for code scanning", limits: over 25,000 results in a run the file is rejected whole.
_MAX_RESULTS: Final = 25_000
# The same page: shortDescription and fullDescription are cut at 1,024 characters, a rule's name at 255.
_MAX_DESCRIPTION: Final = 1024
_MAX_NAME: Final = 255

# The same page, `security-severity`: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_SECURITY_SEVERITY: Final[Mapping[Severity, str]] = {
    "critical": "9.5",
    "high": "8.0",
    "medium": "5.5",
    "low": "2.0",
}
_PROBLEM_SEVERITY: Final[Mapping[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "recommendation",
}
_RULE_LEVEL: Final[Mapping[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
}
_PRECISION: Final[Mapping[Confidence, str]] = {
    "proven": "very-high",
    "high": "high",
    "medium": "medium",
    "low": "low",
}
# CWE-798 Use of Hard-coded Credentials; CWE-312 Cleartext Storage of Sensitive Information; CWE-732 Incorrect
# Permission Assignment for Critical Resource.
_TAGS: Final = {
    "secret": ["security", "secret", "external/cwe/cwe-798"],
    "sops": ["security", "sops", "external/cwe/cwe-312"],
    "broker": ["security", "broker", "external/cwe/cwe-732"],
}

# A notification of ours, besides the kinds of gap: results beyond the limit.
_TRUNCATED: Final = "results-limit"


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write the log: one run, its results in the order of the scan."""
    findings, left_out = _chosen(result, options)
    rules = _rules(findings)
    index = {rule.id: number for number, (rule, _) in enumerate(rules)}
    out.write(f'{{"$schema": {to_json(_SCHEMA)},\n"version": "2.1.0",\n"runs": [{{\n')
    out.write('"tool": {"driver": {"name": "Sealgate", ')
    out.write(f'"version": {to_json(__version__)}, "semanticVersion": {to_json(__version__)},\n"rules": ')
    write_array(out, (_rule(rule, confidence) for rule, confidence in rules))
    out.write(',\n"notifications": ')
    write_array(out, _notification_kinds(result, left_out))
    out.write("}},\n")
    _write_invocation(result, left_out, out)
    # The category of the analysis, and after the slash the run, which GitHub does not need.
    out.write(f'"automationDetails": {to_json({"id": options.category + "/"})},\n')
    out.write(f'"columnKind": "unicodeCodePoints",\n"properties": {to_json(_run_properties(result))},\n')
    out.write('"results": ')
    write_array(out, (_result(finding, index, result) for finding in findings))
    out.write("\n}]}\n")


def _chosen(result: ScanResult, options: ReportOptions) -> tuple[Sequence[Finding], int]:
    """Return the findings to report and the number of those beyond the limit, the least weighty."""
    findings = [f for f in result.findings if f.suppression is None or options.include_suppressed]
    if len(findings) <= _MAX_RESULTS:
        return findings, 0
    findings.sort(key=lambda finding: weight(finding, result), reverse=True)
    return findings[:_MAX_RESULTS], len(findings) - _MAX_RESULTS


def _rules(findings: Iterable[Finding]) -> list[tuple[RuleInfo, Confidence]]:
    """Return the rules that have results, by id, each with the best confidence it reached.

    Not all of the run's rules: hundreds that found nothing would be uploaded with every report.
    """
    rules: dict[str, RuleInfo] = {}
    best: dict[str, int] = {}
    for finding in findings:
        rules.setdefault(finding.rule.id, finding.rule)
        rank = CONFIDENCES.index(finding.confidence)
        best[finding.rule.id] = max(rank, best.get(finding.rule.id, 0))
    return [(rules[rule_id], CONFIDENCES[best[rule_id]]) for rule_id in sorted(rules)]


def _rule(rule: RuleInfo, confidence: Confidence) -> dict[str, object]:
    links = [reference for reference in rule.references if reference.startswith(("https://", "http://"))]
    descriptor: dict[str, object] = {
        "id": rule.id,
        **_name(rule.id, rule.name),
        "shortDescription": {"text": shorten(_sentence(rule.name), _MAX_DESCRIPTION)},
        "fullDescription": {"text": shorten(_sentence(rule.help or rule.name), _MAX_DESCRIPTION)},
        "help": _help(rule, links),
        "defaultConfiguration": {"level": _RULE_LEVEL[rule.severity]},
        "properties": {
            "precision": _PRECISION[confidence],
            "problem.severity": _PROBLEM_SEVERITY[rule.severity],
            "security-severity": _SECURITY_SEVERITY[rule.severity],
            "tags": _TAGS[rule.family],
        },
    }
    if links:
        descriptor["helpUri"] = links[0]
    return descriptor


def _name(descriptor_id: str, words: str) -> dict[str, str]:
    """Return the name as one identifier (3.49.7), or none where it would be the id again."""
    letters = "".join(c if c.isalnum() and c.isascii() else " " for c in words)
    name = "".join(word[0].upper() + word[1:] for word in letters.split())[:_MAX_NAME]
    return {"name": name} if name and name.lower() != descriptor_id.lower() else {}


def _help(rule: RuleInfo, links: Sequence[str]) -> dict[str, str]:
    text = _sentence(rule.help or rule.name)
    plain = "\n".join([text, *links])
    markdown = "\n".join([f"**{rule.name}**\n", text, *(f"\n- <{link}>" for link in links)])
    return {"text": plain, "markdown": markdown}


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _notification_kinds(result: ScanResult, left_out: int) -> Iterator[dict[str, object]]:
    for kind in sorted({gap.kind for gap in result.gaps}):
        yield _notification_kind(kind, f"Not scanned: {GAP_KINDS[kind][1]}.")
    if left_out:
        yield _notification_kind(_TRUNCATED, "More results than readers of SARIF take.")


def _notification_kind(kind: str, text: str) -> dict[str, object]:
    # All that a rule must have: GitHub's checks treat both kinds of descriptor alike (GH2012).
    message = {"text": text}
    return {
        "id": kind,
        **_name(kind, f"Not scanned {kind}"),
        "shortDescription": message,
        "fullDescription": message,
        "help": message,
    }


def _write_invocation(result: ScanResult, left_out: int, out: TextIO) -> None:
    code = result.exit_code
    out.write('"invocations": [{')
    out.write(f'"executionSuccessful": {to_json(result.complete)}, "exitCode": {code}, ')
    out.write(f'"exitCodeDescription": {to_json(EXIT_CODES[code])},\n"toolExecutionNotifications": ')
    write_array(out, _notifications(result, left_out))
    out.write("}],\n")


def _notifications(result: ScanResult, left_out: int) -> Iterator[dict[str, object]]:
    for gap in result.gaps:
        yield _notification(gap.kind, "error" if blocks(gap, result) else "warning", _gap_text(gap))
    if left_out:
        text = (
            f"{left_out} of the least severe results are not in this report; the jsonl report has them all."
        )
        yield _notification(_TRUNCATED, "warning", text)


def _notification(kind: str, level: str, text: str) -> dict[str, object]:
    return {"descriptor": {"id": kind}, "level": level, "message": {"text": text}}


def _gap_text(gap: Gap) -> str:
    times = f" ({gap.count} of them)" if gap.count > 1 else ""
    return _plain(f"Not scanned: '{gap.what}': {gap.reason}{times}.")


def _run_properties(result: ScanResult) -> dict[str, object]:
    return {
        "ruleset": result.ruleset,
        "seconds": round(result.stats.seconds, 3),
        "scanned": scanned_record(result.stats),
        "counts": counts_record(result),
    }


def _result(finding: Finding, index: Mapping[str, int], result: ScanResult) -> dict[str, object]:
    record: dict[str, object] = {
        "ruleId": finding.rule.id,
        "ruleIndex": index[finding.rule.id],
        "level": _level(finding, result),
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": _physical_location(finding)}],
        "partialFingerprints": {"sealgate/v1": finding.fingerprint},
        "properties": _properties(finding),
    }
    if finding.suppression is not None:
        record["suppressions"] = [_suppression(finding.suppression.kind, finding.suppression.reason)]
    return record


def _level(finding: Finding, result: ScanResult) -> str:
    """Return `error` for what fails the gate, so that a platform's verdict and ours agree."""
    if result.fails(finding):
        return "error"
    return "note" if finding.suppression is not None or finding.confidence == "low" else "warning"


def _message(finding: Finding) -> str:
    parts = [f"{finding.rule.name}: '{finding.redacted}'"]
    if finding.provenance.commit:
        parts.append(f" in commit {finding.provenance.commit}")
    if finding.provenance.at_head is False:
        parts.append(", no longer at HEAD but still in the history")
    return _plain(f"{''.join(parts)}. {_sentence(finding.reason)}")


def _plain(text: str) -> str:
    """Return the text for a message: one line, and no brackets, which would make a link of it (3.11.6)."""
    text = log_safe(text)
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _physical_location(finding: Finding) -> dict[str, object]:
    place = finding.location
    return {
        "artifactLocation": {"uri": _uri(finding.path)},
        "region": {
            "startLine": place.start_line,
            "startColumn": place.start_column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        },
    }


def _uri(path: bytes) -> str:
    """Return a path as a relative reference (RFC 3986), each byte that is not plain in percent-encoding.

    A colon is encoded too: in a first segment it would make a scheme of what stands before it. Content
    without a name gets `-`, as an empty reference would mean the report itself.
    """
    return quote_from_bytes(path) or "-"


def _properties(finding: Finding) -> dict[str, object]:
    provenance, first = finding.provenance, finding.first
    return {
        "severity": finding.rule.severity,
        "confidence": finding.confidence,
        "reason": finding.reason,
        "redacted": finding.redacted,
        "excerpt": finding.excerpt,
        "source": provenance.kind,
        "blob": finding.blob,
        "commit": provenance.commit,
        "author": provenance.author,
        "date": provenance.date,
        "atHead": provenance.at_head,
        "occurrences": finding.occurrences,
        "firstCommit": first.commit,
        "firstAuthor": first.author,
        "firstDate": first.date,
        "decodedFrom": list(finding.decoded_from),
    }


def _suppression(kind: str, reason: str) -> dict[str, str]:
    return {
        "kind": "inSource" if kind == "inline" else "external",
        "status": "accepted",
        "justification": reason or kind,
    }
