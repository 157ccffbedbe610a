# SPDX-License-Identifier: Apache-2.0
"""SARIF, read by Microsoft's own checker with the rules of the standard and those of GitHub's code scanning."""

import io
from pathlib import Path

import pytest
from multitool import findings_of, needed
from sample_result import OLD, PAT, finding, make_result, two_halves

from scanner.model import ScanResult
from scanner.reports import sarif
from scanner.reports.options import ReportOptions

pytestmark = needed


def check(result: ScanResult, folder: Path, **options: bool) -> list[str]:
    out = io.StringIO()
    sarif.write(result, out, ReportOptions(**options))  # type: ignore[arg-type]
    (folder / "log.sarif").write_text(out.getvalue(), encoding="ascii")
    return [f"{found.get('level', 'warning')} {found['ruleId']} {found['message'].get('text') or found['message']}" for found in findings_of(folder / "log.sarif")]


@pytest.mark.parametrize("options", [{}, {"include_suppressed": True}])
def test_no_error_and_no_warning(nasty: ScanResult, tmp_path: Path, options: dict[str, bool]) -> None:
    assert check(nasty, tmp_path, **options) == []


def test_clean(clean: ScanResult, tmp_path: Path) -> None:
    assert check(clean, tmp_path) == []


def test_credentials_of_two_halves(tmp_path: Path) -> None:
    assert check(two_halves(), tmp_path) == []


def test_many(tmp_path: Path) -> None:
    many = tuple(finding(PAT, "pat", b"f%d" % n, 1, fingerprint=f"{n:032x}", provenance=OLD) for n in range(5_100))
    assert check(make_result(findings=many), tmp_path) == []


def test_the_checker_would_find_a_mistake(nasty: ScanResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "_physical_location", lambda *_: {"artifactLocation": {"uri": "/absolute"}})
    assert check(nasty, tmp_path)
