# SPDX-License-Identifier: Apache-2.0
"""Workflow commands of GitHub Actions (`::error file=…::…`): annotations on the lines of a change and in the log.

GitHub shows ten annotations of each kind a step and drops the others without a word. So the weightiest come first, and
a notice counts the rest. What fails the gate is an `error`, what else is open a `warning`.
"""

from collections.abc import Iterator
from typing import Final, TextIO

from scanner.display import decode_path, log_safe, one_line, plural, shorten
from scanner.model import GAP_KINDS, Finding, ScanResult
from scanner.reports.options import ReportOptions
from scanner.reports.places import details, is_gone, position
from scanner.reports.text import verdict
from scanner.reports.weigh import blocks, gaps_by_kind, open_findings, weightiest

# GitHub, "Workflow commands": limits of annotations in a step; a message is cut at 64 KiB.
_OF_A_KIND: Final = 10
_MAX_MESSAGE: Final = 4000
_MAX_TITLE: Final = 200


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - of the protocol
    """Write the commands, a line each, and the verdict as a line that is no command."""
    out.writelines(f"{line}\n" for line in _lines(result))


def _lines(result: ScanResult) -> Iterator[str]:
    room = _OF_A_KIND
    if not result.complete:
        # First, or it might be the one that is dropped.
        yield _command("error", _incomplete(result), {"title": "Sealgate: the scan is incomplete"})
        room -= 1
    findings = weightiest(open_findings(result), result)
    failing = [finding for finding in findings if result.fails(finding)]
    others = findings[len(failing) :]
    yield from (_annotation("error", finding) for finding in failing[:room])
    yield from (_annotation("warning", finding) for finding in others[:_OF_A_KIND])
    left_out = len(failing[room:]) + len(others[_OF_A_KIND:])
    if left_out:
        text = f"{plural(left_out, 'finding')} more than GitHub shows for a step: see the log or another report"
        yield _command("notice", text, {"title": "Sealgate"})
    yield f"Sealgate: {log_safe(verdict(result))}"


def _incomplete(result: ScanResult) -> str:
    kinds = gaps_by_kind(gap for gap in result.gaps if blocks(gap, result))
    return "\n".join(
        f"{GAP_KINDS[kind][1]} ({sum(gap.count for gap in gaps):,}), first: {one_line(f'{gaps[0].what}: {gaps[0].reason}')}"
        for kind, gaps in kinds
    )


def _annotation(level: str, finding: Finding) -> str:
    rule, place = finding.rule, finding.location
    lines = [
        f"{rule.name}: {finding.redacted} ({finding.reason})",
        ", ".join(details(finding)),
        f"{finding.remedy or rule.help}",
        f"rule {rule.id}, fingerprint {finding.fingerprint}",
    ]
    properties: dict[str, str] = {}
    if is_gone(finding):
        # On a file of today it would accuse an innocent line.
        lines.insert(0, position(finding))
    else:
        properties = {"file": decode_path(finding.path), "line": str(place.start_line), "endLine": str(place.end_line)}
        # Columns are for one line only; with more, GitHub refuses the annotation.
        if place.start_line == place.end_line:
            properties |= {"col": str(place.start_column), "endColumn": str(place.end_column)}
    properties["title"] = shorten(f"{rule.name} ({rule.severity}, {finding.confidence})", _MAX_TITLE)
    return _command(level, "\n".join(log_safe(line) for line in lines if line), properties)


def _command(name: str, message: str, properties: dict[str, str]) -> str:
    """Return a command, escaped as GitHub's toolkit does it: a value ends at a comma or colon, a message at its line."""
    pairs = ",".join(
        f"{key}={_data(one_line(value)).replace(':', '%3A').replace(',', '%2C')}" for key, value in properties.items()
    )
    return f"::{name} {pairs}::{_data(shorten(message, _MAX_MESSAGE))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
