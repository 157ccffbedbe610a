# SPDX-License-Identifier: Apache-2.0
"""Markdown for a job's summary page (`$GITHUB_STEP_SUMMARY`) and for notes on merge requests.

The verdict, what was not scanned, and a table with a row for each secret. GitHub takes 1 MiB of summary a step, GitLab
a million characters a note: over that, both drop all of it. The rows that do not fit are counted instead.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from scanner.display import plural, shorten
from scanner.model import GAP_KINDS, Gap, ScanResult
from scanner.reports.markup import markdown_text
from scanner.reports.options import ReportOptions
from scanner.reports.places import details, position
from scanner.reports.text import verdict
from scanner.reports.weigh import Group, blocks, gaps_by_kind, open_groups

# The rest of the page, and whatever else a step writes to it, needs room too.
_MAX_TABLE: Final = 800_000
_GAPS_OF_A_KIND: Final = 10
_PLACES: Final = 3
_CELL: Final = 300


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - of the protocol
    """Write the page, in ASCII, so that a character is a byte."""
    out.writelines(f"{line}\n" for line in _lines(result))


def _lines(result: ScanResult) -> Iterator[str]:
    mark = {0: "&#9989;", 1: "&#10060;"}.get(result.exit_code, "&#9888;&#65039;")
    yield f"### {mark} Sealgate: {markdown_text(verdict(result))}"
    yield ""
    yield from _gaps(result)
    yield from _table(open_groups(result), result)
    suppressed = sum(finding.suppression is not None for finding in result.findings)
    if suppressed:
        yield f"{plural(suppressed, 'finding')} suppressed by a mark, the allowlist or the baseline."
        yield ""
    stats = result.stats
    amounts = f"{plural(stats.blobs, 'blob')}, {plural(stats.files, 'file')}, {plural(stats.commits, 'commit')}"
    yield f"Scanned {amounts} in {stats.seconds:.1f} s."


def _gaps(result: ScanResult) -> Iterator[str]:
    kinds = list(gaps_by_kind(gap for gap in result.gaps if blocks(gap, result)))
    if not kinds:
        return
    yield "**Not scanned, though it was asked for:**"
    yield ""
    for kind, gaps in kinds:
        yield f"- {GAP_KINDS[kind][1]} ({sum(gap.count for gap in gaps):,})"
        yield from (f"  - {_gap(gap)}" for gap in gaps[:_GAPS_OF_A_KIND])
        if gaps[_GAPS_OF_A_KIND:]:
            yield f"  - and {len(gaps) - _GAPS_OF_A_KIND:,} more"
    yield ""


def _gap(gap: Gap) -> str:
    return markdown_text(shorten(f"{gap.what}: {gap.reason}", _CELL))


def _table(groups: Sequence[Group], result: ScanResult) -> Iterator[str]:
    if not groups:
        return
    yield "| | Severity | Confidence | What | Value | Where | What to do |"
    yield "|---|---|---|---|---|---|---|"
    room = _MAX_TABLE
    for number, group in enumerate(groups):
        row = _row(group, result)
        room -= len(row)
        if room < 0:
            yield ""
            yield f"{len(groups) - number:,} more do not fit here; the other reports have them all."
            break
        yield row
    yield ""


def _row(group: Group, result: ScanResult) -> str:
    head = group.head
    where = "<br>".join(
        f"{_cell(position(place))} ({_cell(', '.join(details(place)))})" for place in group.places[:_PLACES]
    ) + (f"<br>and {plural(len(group.places) - _PLACES, 'more place')}" if group.places[_PLACES:] else "")
    cells = (
        "&#10060;" if result.fails(head) else "",
        head.rule.severity,
        head.confidence,
        _cell(f"{head.rule.name} ({head.rule.id})"),
        _cell(head.redacted),
        where,
        _cell(head.remedy or head.rule.help),
    )
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return markdown_text(shorten(text, _CELL))
