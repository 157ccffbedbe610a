# SPDX-License-Identifier: Apache-2.0
"""JSON Lines for machines: one object a finding, and the summary as the last line.

A reader that meets no `summary` has half a report: the last line is also the mark that it is whole.
"""

from typing import TextIO

from scanner.model import ScanResult
from scanner.reports.jsontext import to_json
from scanner.reports.options import ReportOptions
from scanner.reports.records import finding_record, summary_record


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write every finding, suppressed ones included, then `{"summary": …}`."""
    out.writelines(to_json(finding_record(finding, result, options.show_secrets)) + "\n" for finding in result.findings)
    out.write(to_json({"summary": summary_record(result)}) + "\n")
