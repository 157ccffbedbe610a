# SPDX-License-Identifier: Apache-2.0
"""JUnit XML, as Jenkins, GitLab, Azure and CircleCI read it: a test case for each secret and path.

A CI system shows each failed case by its class and name, and follows it through builds by both. So the class is the rule,
and the name has the path and the fingerprint but no line: a case keeps its age when lines move. What is open and does not
fail the gate is `skipped`, like what is suppressed, as a failed case would fail the job. What was not scanned is an
`error` of the suite `coverage`. A clean run has a passed case: some systems take a report without any for a mistake.
"""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple, TextIO

from scanner.display import decode_path, log_safe, plural
from scanner.model import GAP_KINDS, Finding, Gap, ScanResult
from scanner.reports.markup import markup_text
from scanner.reports.options import ReportOptions
from scanner.reports.places import details, position
from scanner.reports.weigh import blocks, gaps_by_kind

_GAPS_OF_A_KIND: Final = 20


class _Case(NamedTuple):
    """A test case; `outcome` is the name of its element, nothing for one that passed."""

    classname: str
    name: str
    outcome: str = ""
    type: str = ""
    message: str = ""
    lines: tuple[str, ...] = ()
    file: str = ""
    line: int = 0


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write two suites: what was scanned, and what was found."""
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(max(0, int(options.finished - result.stats.seconds))))
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    # Made again and again, to be counted and to be written: held at once they would be as large as the report.
    out.write(f"<testsuites{_attributes(name='sealgate', **_counts(chain(_coverage(result), _findings(result))))}>\n")
    for name, cases, seconds in (("coverage", _coverage, 0.0), ("findings", _findings, result.stats.seconds)):
        counts = _counts(cases(result))
        out.write(f"<testsuite{_attributes(name=f'sealgate {name}', **counts, time=f'{seconds:.3f}', timestamp=when)}>\n")
        out.writelines(map(_case, cases(result)))
        out.write("</testsuite>\n")
    out.write("</testsuites>\n")


def _counts(cases: Iterable[_Case]) -> dict[str, object]:
    total = failures = errors = skipped = 0
    for case in cases:
        total += 1
        failures += case.outcome == "failure"
        errors += case.outcome == "error"
        skipped += case.outcome == "skipped"
    return {"tests": total, "failures": failures, "errors": errors, "skipped": skipped}


def _coverage(result: ScanResult) -> Iterator[_Case]:
    if result.complete:
        yield _Case("sealgate.coverage", "everything that was asked for was scanned")
    for kind, gaps in gaps_by_kind(result.gaps):
        failing = blocks(gaps[0], result)
        message = f"{GAP_KINDS[kind][1]}: {sum(gap.count for gap in gaps):,}"
        outcome = "error" if failing else "skipped"
        yield _Case("sealgate.coverage", f"not scanned: {kind}", outcome, kind, message, tuple(_gap_lines(gaps)))


def _gap_lines(gaps: list[Gap]) -> Iterator[str]:
    for gap in gaps[:_GAPS_OF_A_KIND]:
        yield f"{gap.what}: {gap.reason}" + (f" ({gap.count:,} of them)" if gap.count > 1 else "")
    if gaps[_GAPS_OF_A_KIND:]:
        yield f"and {len(gaps) - _GAPS_OF_A_KIND:,} more"


def _findings(result: ScanResult) -> Iterator[_Case]:
    if not any(map(result.fails, result.findings)):
        yield _Case("sealgate.gate", "no finding fails the gate")
    for finding in result.findings:
        yield _finding(finding, result)


def _finding(finding: Finding, result: ScanResult) -> _Case:
    rule = finding.rule
    path = decode_path(finding.path) or "-"
    what = f"{rule.name}: {finding.redacted}"
    if finding.suppression is not None:
        kind, reason = finding.suppression
        outcome, message = "skipped", f"suppressed ({kind}): {reason or 'no reason given'}"
    elif result.fails(finding):
        outcome, message = "failure", what
    else:
        outcome, message = "skipped", f"does not fail the gate: {what}"
    lines = (
        f"where: {position(finding)}",
        f"line: {finding.excerpt}" if finding.excerpt else "",
        f"since: {', '.join(details(finding))}",
        f"why: {finding.reason} (severity {rule.severity}, confidence {finding.confidence})",
        f"do: {finding.remedy or rule.help}",
        f"fingerprint: {finding.fingerprint} ({plural(finding.occurrences, 'occurrence')})",
    )
    name = f"{path} {finding.fingerprint[:12]}"
    return _Case(f"sealgate.{rule.id}", name, outcome, rule.severity, message, lines, path, finding.location.start_line)


def _case(case: _Case) -> str:
    place = {"file": case.file, "line": case.line} if case.file else {}
    start = f"<testcase{_attributes(classname=case.classname, name=case.name, **place, time='0')}"
    if not case.outcome:
        return f"{start}/>\n"
    # The `type` of a skipped case is unknown to strict readers.
    kind = {} if case.outcome == "skipped" else {"type": case.type}
    text = "\n".join(markup_text(log_safe(line)) for line in case.lines if line)
    return f"{start}><{case.outcome}{_attributes(**kind, message=case.message)}>{text}</{case.outcome}></testcase>\n"


def _attributes(**values: object) -> str:
    return "".join(f' {name}="{markup_text(log_safe(str(value)))}"' for name, value in values.items())
