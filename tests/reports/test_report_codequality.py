# SPDX-License-Identifier: Apache-2.0
"""Code Quality: what GitLab reads of an issue, and that none is lost or taken for another."""

import io
import json
from typing import Any

import pytest
from sample_result import PAT, finding, make_result

from scanner.model import ScanResult
from scanner.reports import codequality
from scanner.reports.options import ReportOptions


def issues(result: ScanResult) -> list[dict[str, Any]]:
    out = io.StringIO()
    codequality.write(result, out, ReportOptions())
    written: list[dict[str, Any]] = json.loads(out.getvalue())
    return written


def test_what_gitlab_requires(nasty: ScanResult) -> None:
    found = issues(nasty)
    for issue in found:
        assert issue["type"] == "issue"
        assert issue["description"]
        assert issue["check_name"]
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert len(issue["fingerprint"]) == 64
        assert issue["location"]["path"]
        assert issue["location"]["lines"]["begin"] >= 1
    # One fingerprint would be one issue there.
    assert len({issue["fingerprint"] for issue in found}) == len(found) == 2 + 7


def test_clean(clean: ScanResult) -> None:
    assert issues(clean) == []


def test_severities(nasty: ScanResult) -> None:
    assert [issue["severity"] for issue in issues(nasty)] == [
        *["blocker"] * 2,
        *("info", "blocker", "blocker", "critical", "critical", "critical", "major"),
    ]


def test_an_incomplete_scan_is_an_issue(nasty: ScanResult) -> None:
    first = issues(nasty)[0]
    assert first["check_name"] == "sealgate-incomplete"
    assert "history beyond a shallow boundary" in first["description"]
    assert [issue["check_name"] for issue in issues(nasty._replace(findings=(), gaps=nasty.gaps[-1:]))] == []


@pytest.mark.parametrize(("change", "same"), [({"path": b"b"}, False), ({"fingerprint": "0" * 32}, False), ({"excerpt": "x"}, True)])
def test_identity(change: dict[str, Any], same: bool) -> None:
    here = finding(PAT, "pat", b"a", 1)
    first, second = issues(make_result(findings=(here, here._replace(**change)), gaps=()))
    assert (first["fingerprint"] == second["fingerprint"]) == same
