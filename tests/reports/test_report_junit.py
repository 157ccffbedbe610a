# SPDX-License-Identifier: Apache-2.0
"""JUnit XML: valid by a schema of what all CI systems read, and cases that they can follow through builds."""

import io
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema
from sample_result import PAT, finding, make_result

from scanner.model import Gap, ScanResult
from scanner.reports import junit
from scanner.reports.options import ReportOptions

SCHEMA = xmlschema.XMLSchema(str(Path(__file__).parent.parent / "schemas" / "junit.xsd"))


def read(result: ScanResult) -> ET.Element:
    out = io.StringIO()
    junit.write(result, out, ReportOptions(finished=1_700_000_000))
    root = ET.fromstring(out.getvalue())
    SCHEMA.validate(root)
    for suite in (root, *root):
        cases = list(suite.iter("testcase"))
        outcomes = Counter(case[0].tag for case in cases if len(case))
        counts = (len(cases), outcomes["failure"], outcomes["error"], outcomes["skipped"])
        assert counts == tuple(int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped"))
    return root


def outcomes(root: ET.Element, suite: int) -> list[str]:
    return [case[0].tag if len(case) else "" for case in root[suite]]


def test_every_finding_and_gap(nasty: ScanResult) -> None:
    root = read(nasty)
    assert outcomes(root, 0) == ["error", "error", "skipped", "skipped"]
    assert outcomes(root, 1) == ["skipped", *["failure"] * 5, "skipped", "skipped", "failure"]


def test_clean_has_passed_cases(clean: ScanResult) -> None:
    root = read(clean)
    assert outcomes(root, 0) == outcomes(root, 1) == [""]


def test_nothing_that_does_not_fail_the_gate_fails_the_job(nasty: ScanResult) -> None:
    assert set(outcomes(read(nasty._replace(fail_on="never")), 1)) == {"skipped", ""}


def test_texts_survive_the_parser(nasty: ScanResult) -> None:
    case = read(nasty)[1][1]
    assert case.attrib["file"] == r"src/new\nline ##vso\x5btask.setvariable].py"
    problem = case[0]
    assert problem.attrib == {"type": "critical", "message": "GitHub personal access token (classic): ghp_…"}
    assert problem.text is not None
    assert "first in commit 1111111111 by Bob" in problem.text
    assert "do: Revoke the token" in problem.text


def test_markup_is_text() -> None:
    hostile = b"""]]></failure><x a='"'>&amp;&#1;<![CDATA["""
    root = read(make_result(findings=(finding(PAT, "pat", hostile, 1),), gaps=()))
    assert root[1][0].attrib["file"] == hostile.decode()


@pytest.mark.parametrize("change", [{"excerpt": "other"}, {"occurrences": 7}])
def test_names_stay_when_lines_move(change: dict[str, object]) -> None:
    here = finding(PAT, "pat", b"a.py", 3)
    moved = finding(PAT, "pat", b"a.py", 99, **change)
    first, second, other = read(make_result(findings=(here, moved, here._replace(path=b"b.py")), gaps=()))[1]
    assert (first.attrib["classname"], first.attrib["name"]) == (second.attrib["classname"], second.attrib["name"])
    assert first.attrib["name"] != other.attrib["name"]


def test_many_gaps_are_counted() -> None:
    gaps = tuple(Gap("unreadable", f"file-{number}", "Permission denied") for number in range(50))
    text = read(make_result(gaps=gaps))[0][0][0].text
    assert text is not None
    assert text.endswith("and 30 more")
