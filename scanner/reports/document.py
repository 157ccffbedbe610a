# SPDX-License-Identifier: Apache-2.0
"""The `json` report: what JSON Lines says, in one document with `findings` and `summary`."""

from typing import TextIO

from scanner.model import ScanResult
from scanner.reports.jsontext import to_json, write_array
from scanner.reports.options import ReportOptions
from scanner.reports.records import finding_record, summary_record


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write `{"findings": […], "summary": {…}}`, suppressed findings included."""
    out.write('{"findings": ')
    write_array(out, (finding_record(finding, result, options.show_secrets) for finding in result.findings))
    out.write(',\n"summary": ' + to_json(summary_record(result)) + "}\n")
