# SPDX-License-Identifier: Apache-2.0
"""SARIF 2.1.0 (OASIS Standard with Errata 01), in the shape that GitHub code scanning ingests.

Written as a stream, a result a line: object models for SARIF build the whole log in memory first.

Decisions that a platform would notice:

- Suppressed findings are left out unless asked for (`include_suppressed`). GitHub does not read
  `suppressions`: with them in the file, everything that was accepted here would be an open alert there,
  whereas a result that is gone closes its alert. The other reports list them all.
- GitHub recognises an alert by its rule and `primaryLocationLineHash`. For a line at HEAD that is the value which its
  upload action computes too (`scanner.linehash`). What is left in the history alone gets a value of ours, of secret and
  path: it has no line in the checkout. Where the line is not known (uncommitted files) it is left to the action.
- Such a finding of the history is shown on the first line of its file: what stands on its old line today is innocent,
  or nothing at all. Message, related location and properties say where it really was.
- Over GitHub's limits of number and size the file would be rejected whole. So the least weighty results are left out,
  and a notification says how many.
- Paths are relative and without `uriBaseId`, which GitHub resolves against the repository's root. The raw
  secret is never in this report, whatever was asked: it is made to be uploaded to where many may read it.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, TextIO
from urllib.parse import quote_from_bytes

from scanner import __version__
from scanner.display import log_safe
from scanner.errors import EXIT_CODES
from scanner.model import GAP_KINDS, Finding, Gap, Location, Related, ScanResult
from scanner.reports.descriptors import HOME, identifier, rule_descriptor, sentence, used_rules
from scanner.reports.jsontext import to_json, write_array
from scanner.reports.options import ReportOptions
from scanner.reports.places import is_file, is_gone, position
from scanner.reports.records import counts_record, scanned_record
from scanner.reports.weigh import blocks, weightiest

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

# GitHub, "SARIF support for code scanning", limits: over 25,000 results in a run the file is rejected whole.
_MAX_RESULTS: Final = 25_000
# The same page: it keeps the 5,000 most severe of them; a file may have 10 MB after gzip, less what is not results.
_SHOWN_RESULTS: Final = 5_000
_MAX_GZIP_BYTES: Final = 9_500_000
# So few cannot be too large, whatever is in them: a result is of some kilobytes.
_SURELY_FIT: Final = 1_000
# Of a thousand that GitHub takes for a result: enough to go looking.
_RELATED: Final = 10
# The ids of other halves begin behind those of other places.
_HALVES: Final = _RELATED + 2
# Where an alert is shown that has no line; a region of no characters would be an insertion point.
_TOP: Final = Location(1, 1, 1, 2)

# A notification of ours, besides the kinds of gap: results beyond the limit.
_TRUNCATED: Final = "results-limit"


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write the log: one run, its results in the order of the scan, or the weightiest first if not all fit."""
    findings = [f for f in result.findings if f.suppression is None or options.include_suppressed]
    view = _View(result, findings)
    total = len(findings)
    findings = _fitting(findings, view)
    rules = used_rules(findings)
    view.index.clear()
    view.index.update({rule.id: number for number, (rule, _) in enumerate(rules)})
    limit = _limit_text(total, len(findings))
    out.write(f'{{"$schema": {to_json(_SCHEMA)},\n"version": "2.1.0",\n"runs": [{{\n')
    out.write(f'"tool": {{"driver": {{"name": "Sealgate", "informationUri": {to_json(HOME)}, ')
    out.write(f'"version": {to_json(__version__)}, "semanticVersion": {to_json(__version__)},\n"rules": ')
    write_array(out, (rule_descriptor(rule, confidence) for rule, confidence in rules))
    out.write(',\n"notifications": ')
    write_array(out, _notification_kinds(result, limit))
    out.write("}},\n")
    _write_invocation(result, limit, out)
    # The category of the analysis, and after the slash the run, which GitHub does not need.
    out.write(f'"automationDetails": {to_json({"id": options.category + "/"})},\n')
    out.write(f'"columnKind": "unicodeCodePoints",\n"properties": {to_json(_run_properties(result))},\n')
    out.write('"results": ')
    write_array(out, (_result(finding, view) for finding in findings))
    out.write("\n}]}\n")


class _View:
    """What a result is written from besides its finding: the verdicts, the rules' numbers, the secret's other places."""

    def __init__(self, result: ScanResult, findings: Iterable[Finding]) -> None:
        self.result = result
        self.index: dict[str, int] = {}
        self._places: dict[str, list[Finding]] = {}
        for number, finding in enumerate(findings):
            self.index.setdefault(finding.rule.id, number)
            self._places.setdefault(finding.fingerprint, []).append(finding)

    def others(self, finding: Finding) -> list[Finding]:
        """Return where else this secret stands, a few places of it, each found before any that was not looked at."""
        places = self._places[finding.fingerprint][: _RELATED + 1]
        return [place for place in places if place is not finding][:_RELATED]


def _fitting(findings: list[Finding], view: _View) -> list[Finding]:
    """Return the findings, without the least weighty where they are more than a reader takes, by number or by size."""
    if len(findings) <= _SURELY_FIT:
        return findings
    ordered = weightiest(findings, view.result)[:_MAX_RESULTS]
    # What they come to is known once they are compressed, so that is done, and thrown away.
    gzip = zlib.compressobj()
    size = 0
    for number, finding in enumerate(ordered):
        size += len(gzip.compress(to_json(_result(finding, view)).encode("ascii")))
        if size > _MAX_GZIP_BYTES:
            return ordered[:number]
    return findings if len(ordered) == len(findings) else ordered


def _limit_text(total: int, written: int) -> str:
    """Return what to say of results that a reader will not see, nothing if it takes them all."""
    if written < total:
        return f"{total - written} of the least severe results are not in this report; the jsonl report has them all."
    if written > _SHOWN_RESULTS:
        return f"GitHub keeps the {_SHOWN_RESULTS} most severe of these {written} results; the jsonl report has them all."
    return ""


def _notification_kinds(result: ScanResult, limit: str) -> Iterator[dict[str, object]]:
    for kind in sorted({gap.kind for gap in result.gaps}):
        yield _notification_kind(kind, f"Not scanned: {GAP_KINDS[kind][1]}.")
    if limit:
        yield _notification_kind(_TRUNCATED, "More results than readers of SARIF take.")


def _notification_kind(kind: str, text: str) -> dict[str, object]:
    # All that a rule must have: GitHub's checks treat both kinds of descriptor alike (GH2012).
    message = {"text": text}
    return {
        "id": kind,
        **identifier(kind, f"Not scanned {kind}"),
        "shortDescription": message,
        "fullDescription": message,
        "help": message,
    }


def _write_invocation(result: ScanResult, limit: str, out: TextIO) -> None:
    code = result.exit_code
    out.write('"invocations": [{')
    out.write(f'"executionSuccessful": {to_json(result.complete)}, "exitCode": {code}, ')
    out.write(f'"exitCodeDescription": {to_json(EXIT_CODES[code])},\n"toolExecutionNotifications": ')
    write_array(out, _notifications(result, limit))
    out.write("}],\n")


def _notifications(result: ScanResult, limit: str) -> Iterator[dict[str, object]]:
    for gap in result.gaps:
        yield _notification(gap.kind, "error" if blocks(gap, result) else "warning", _gap_text(gap))
    if limit:
        yield _notification(_TRUNCATED, "warning", limit)


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


def _result(finding: Finding, view: _View) -> dict[str, object]:
    record: dict[str, object] = {
        "ruleId": finding.rule.id,
        "ruleIndex": view.index[finding.rule.id],
        "level": _level(finding, view.result),
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": _physical_location(finding, _shown_at(finding))}],
        "partialFingerprints": _fingerprints(finding),
        "properties": _properties(finding),
    }
    if related := list(_related(finding, view)):
        record["relatedLocations"] = related
    if finding.suppression is not None:
        record["suppressions"] = [_suppression(finding.suppression.kind, finding.suppression.reason)]
    return record


def _shown_at(finding: Finding) -> Location:
    """Return the lines to show an alert on: those of the finding, or the first of a file that has changed since."""
    return _TOP if is_gone(finding) and is_file(finding) else finding.location


def _fingerprints(finding: Finding) -> dict[str, str]:
    found = {"sealgate/v1": finding.fingerprint}
    if finding.line_hash:
        found["primaryLocationLineHash"] = finding.line_hash
    elif is_gone(finding):
        own = hashlib.sha256(finding.fingerprint.encode() + b"\0" + finding.path).hexdigest()
        found["primaryLocationLineHash"] = f"{own[:16]}:1"
    return found


def _related(finding: Finding, view: _View) -> Iterator[dict[str, object]]:
    if is_gone(finding) and is_file(finding):
        where = f"where it stood in commit {finding.provenance.commit}" if finding.provenance.commit else "where it stood"
        yield _related_location(1, finding, where)
    for number, other in enumerate(view.others(finding), 2):
        yield _related_location(number, other, "the same secret" + (", in the history" if is_gone(other) else ""))
    for number, half in enumerate(finding.related, _HALVES):
        at = finding._replace(location=half.location)
        yield _related_location(number, at, _plain(f"{half.name} '{half.redacted}', which belongs with it"))


def _related_location(number: int, finding: Finding, text: str) -> dict[str, object]:
    return {"id": number, "physicalLocation": _physical_location(finding, finding.location), "message": {"text": text}}


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
    if is_gone(finding) and is_file(finding):
        parts.append(f" ({position(finding)})")
    text = _plain(f"{''.join(parts)}. {sentence(finding.reason)}")
    # GitHub shows a related location where the message has a link to it.
    return text + "".join(_half(half, number) for number, half in enumerate(finding.related, _HALVES))


def _half(half: Related, number: int) -> str:
    return _plain(f" It belongs with {half.name} '{half.redacted}' on ") + f"[line {half.location.start_line}]({number})."


def _plain(text: str) -> str:
    """Return the text for a message: one line, and no brackets, which would make a link of it (3.11.6)."""
    text = log_safe(text)
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _physical_location(finding: Finding, place: Location) -> dict[str, object]:
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
