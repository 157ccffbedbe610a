# SPDX-License-Identifier: Apache-2.0
"""CSV: as RFC 4180 has it, and nothing in it that a spreadsheet would run."""

import csv
import io

import pytest
from sample_result import PAT, finding, make_result

from scanner.model import ScanResult
from scanner.reports import table
from scanner.reports.options import ReportOptions


def text(result: ScanResult) -> str:
    out = io.StringIO(newline="")
    table.write(result, out, ReportOptions(show_secrets=True))
    return out.getvalue()


def rows(result: ScanResult) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text(result), newline=""), strict=True))


def test_form(nasty: ScanResult) -> None:
    written = text(nasty)
    assert written.endswith("\r\n")
    assert written.count("\r") == written.count("\n") == 1 + len(nasty.gaps) + len(nasty.findings)
    widths = {len(row) for row in csv.reader(io.StringIO(written, newline=""), strict=True)}
    assert len(widths) == 1


def test_clean_is_a_header(clean: ScanResult) -> None:
    assert text(clean).startswith("record,rule_id,")
    assert rows(clean) == []


def test_records(nasty: ScanResult) -> None:
    found = rows(nasty)
    assert [row["record"] for row in found] == ["gap"] * 16 + ["finding"] * 9
    assert [row["fails_gate"] for row in found[:16]] == ["true"] * 14 + ["false"] * 2
    assert found[0]["rule_id"] == "shallow"
    assert found[0]["occurrences"] == "2"
    token = found[17]
    assert token["rule_id"] == "github-pat-classic"
    assert token["path"] == r"src/new\nline ##vso[task.setvariable].py"
    assert token["at_head"] == "true"
    assert token["first_commit"] == "1" * 40
    assert [row["suppressed_by"] for row in found[16:]] == ["", "", "", "", "", "", "inline", "baseline", ""]


@pytest.mark.parametrize(
    "path", [b"=HYPERLINK(1)", b"+1", b"-1", b"@SUM(1)", b" =1", "\uff1d1".encode(), b"\t=1", b'="a",1']
)
def test_formulas_are_text(path: bytes) -> None:
    (row,) = rows(make_result(findings=(finding(PAT, "pat", path, 1),), gaps=()))
    assert row["path"].startswith("'")
    assert row["start_line"] == "1"


def test_quotes_and_commas_survive() -> None:
    (row,) = rows(make_result(findings=(finding(PAT, "pat", b'a,"b";c', 1),), gaps=()))
    assert row["path"] == 'a,"b";c'
