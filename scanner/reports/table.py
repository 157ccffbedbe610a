# SPDX-License-Identifier: Apache-2.0
"""CSV (RFC 4180) for spreadsheets: a row for each finding, suppressed ones included, and for each gap.

A spreadsheet runs what begins like a formula, and paths, authors and lines come from whoever commits: such cells begin
with an apostrophe, which makes text of them.
"""

import csv
from collections.abc import Iterator, Mapping
from typing import Final, TextIO

from scanner.display import one_line, replace_surrogates
from scanner.model import Finding, Gap, ScanResult
from scanner.reports.options import ReportOptions
from scanner.reports.records import finding_record
from scanner.reports.weigh import blocks

# Columns are only ever added at the end. `record` tells findings from gaps.
_COLUMNS: Final = (  # noqa: SIM905 - thirty quoted words read worse
    "record rule_id rule_name family severity confidence fails_gate suppressed_by suppression_reason path start_line "
    "start_column end_line end_column redacted reason excerpt source commit author date at_head first_commit first_author "
    "first_date occurrences decoded_from fingerprint blob help remedy"
).split()
# What spreadsheets take for the beginning of a formula, full-width forms included.
_FORMULA: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - of the protocol
    """Write the header and the rows, each ended by CR and LF."""
    rows = csv.DictWriter(out, _COLUMNS, restval="", lineterminator="\r\n")
    rows.writeheader()
    rows.writerows(_rows(result))


def _rows(result: ScanResult) -> Iterator[dict[str, str]]:
    for gap in result.gaps:
        yield _row(_gap(gap, result))
    for finding in result.findings:
        yield _row(_finding(finding, result))


def _row(record: Mapping[str, object]) -> dict[str, str]:
    return {column: _cell(record[column]) for column in _COLUMNS if record.get(column) is not None}


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = one_line(replace_surrogates(str(value)))
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _finding(finding: Finding, result: ScanResult) -> dict[str, object]:
    record = finding_record(finding, result, show_secrets=False)
    kind, reason = finding.suppression or (None, None)
    return record | {
        "record": "finding",
        "suppressed_by": kind,
        "suppression_reason": reason,
        "decoded_from": " > ".join(finding.decoded_from),
    }


def _gap(gap: Gap, result: ScanResult) -> dict[str, object]:
    return {
        "record": "gap",
        "rule_id": gap.kind,
        "path": gap.what,
        "reason": gap.reason,
        "occurrences": gap.count,
        "fails_gate": blocks(gap, result),
    }
