# SPDX-License-Identifier: Apache-2.0
"""The report for people: what it may say when, and that it stays readable."""

import io

import pytest
from sample_result import GENERIC, PAT, finding, make_result, two_halves

from scanner.model import Gap, ScanResult
from scanner.reports import text
from scanner.reports.options import ReportOptions


def render(result: ScanResult, **options: bool) -> list[str]:
    out = io.StringIO()
    text.write(result, out, ReportOptions(**options))  # type: ignore[arg-type]
    return out.getvalue().splitlines()


GAP = Gap("shallow", "3333333333", "its parents are not in this clone", 2)


def test_clean(clean: ScanResult) -> None:
    assert render(clean) == [
        "Scanned 12,345 blobs, 7 files, 321 commits (94.2 MiB) in 1.23 s",
        "clean: no findings",
    ]


def test_never_clean_if_incomplete(clean: ScanResult) -> None:
    written = render(clean._replace(gaps=(GAP,)))
    assert written[-1] == "INCOMPLETE: 2 items asked for and not scanned (shallow)"
    assert not any("clean" in line for line in written if "this clone" not in line)


def test_allowed_gap_is_said_with_clean(clean: ScanResult) -> None:
    written = render(clean._replace(gaps=(GAP,), allowed_gaps=frozenset({"shallow"})))
    assert written[-1] == "clean: no findings in what was scanned, with gaps allowed (shallow)"
    assert (
        "Not scanned (allowed): shallow, 2: history beyond a shallow boundary is not in this clone" in written
    )


def test_only_suppressed_and_incomplete(nasty: ScanResult) -> None:
    suppressed = tuple(found for found in nasty.findings if found.suppression)
    written = render(nasty._replace(findings=suppressed, gaps=(GAP,)))
    assert written[-2:] == [
        "nothing open in what was scanned, 2 suppressed",
        "INCOMPLETE: 2 items asked for and not scanned (shallow)",
    ]


def test_verdict_counts_secrets_not_places() -> None:
    found = (finding(PAT, "pat", b"a", 1), finding(PAT, "pat", b"b", 1))
    assert render(make_result(findings=found, gaps=()))[-1] == "1 secret in 2 places, 1 fails the gate"


def test_verdict_of_findings_under_the_level() -> None:
    found = (finding(GENERIC, "password", b"a", 1, confidence="low"),)
    written = render(make_result(findings=found, gaps=()))
    assert written[-1] == "1 secret in 1 place, none fails the gate (--fail-on medium)"


def test_verdict_in_one_line(nasty: ScanResult, clean: ScanResult) -> None:
    assert text.verdict(clean) == "clean: no findings"
    assert text.verdict(nasty) == (
        "4 secrets in 6 places and 1 SOPS violation in 1 place, 4 fail the gate, 2 suppressed; "
        "INCOMPLETE: 15 items asked for and not scanned (shallow, unreadable)"
    )


def test_most_urgent_first() -> None:
    weak = finding(PAT, "pat", b"a", 1, confidence="low")
    strong = finding(GENERIC, "password", b"b", 1, confidence="proven")
    written = render(make_result(findings=(weak, strong), gaps=()))
    assert [line.split()[0] for line in written if "  (does not" in line or line.startswith("MEDIUM")] == [
        "MEDIUM",
        "CRITICAL",
    ]


def test_quiet(clean: ScanResult, nasty: ScanResult) -> None:
    assert render(clean, quiet=True) == []
    assert render(clean._replace(gaps=(GAP,)), quiet=True)[-1].startswith("INCOMPLETE")
    assert render(nasty, quiet=True)[0].startswith("CRITICAL")


def test_suppressed_are_listed_only_when_verbose(nasty: ScanResult) -> None:
    assert not [line for line in render(nasty) if line.startswith("suppressed")]
    assert [line for line in render(nasty, verbose=True) if line.startswith("suppressed")] == [
        r"suppressed (inline): tests/data.py:5:9  GitLab personal access token  glpa…  a \x1b[1mtest\u2028",
        "suppressed (baseline): tests/more.py:6:9  GitLab personal access token  glpa…",
    ]


def test_help_is_said_once_a_rule() -> None:
    found = tuple(finding(PAT, "pat", b"a", n, fingerprint=f"{n:032}") for n in range(1, 9))
    written = render(make_result(findings=found, gaps=()))
    assert sum(line.startswith("  do:") for line in written) == 1


def test_an_identifier_stands_under_the_heading_of_its_secret() -> None:
    lines = render(two_halves())
    assert [line for line in lines if line.startswith(("CRITICAL", "HIGH"))] == [f"CRITICAL high  {PAT.name}  ghp_…"]
    assert [line.strip() for line in lines if ".ini:" in line or "other:" in line] == [
        "c.ini:3:9", "other:1:9", "c.ini:2:5", "a b.ini:3:9", "a b.ini:2:5",
    ]  # fmt: skip
    assert sum("belongs with Acme [id](x) <b> acme… on line 2 (it belongs to account 7)" in line for line in lines) == 2
    assert lines[-1].startswith("INCOMPLETE")
    assert "1 secret in 5 places, 1 fails the gate" in lines


def test_an_identifier_that_stands_alone_somewhere_has_its_own_heading() -> None:
    result = two_halves()
    alone = result.findings[0]._replace(path=b"alone", related=())
    lines = render(result._replace(findings=(*result.findings, alone)))
    assert "2 secrets in 6 places, 2 fail the gate" in lines


def test_very_many_secrets() -> None:
    found = tuple(finding(PAT, "pat", b"a", n, fingerprint=f"{n:032}") for n in range(1, 5_001))
    written = render(make_result(findings=found, gaps=()))
    assert len(written) < 5_500
    assert "4,950 more, a line each (--verbose shows them in full):" in written
    assert sum("a:" in line and ":9" in line for line in written) == 5_000


def test_very_many_places() -> None:
    found = tuple(finding(PAT, "pat", b"a", n) for n in range(1, 5_001))
    assert "  and 4,990 more places (--verbose shows all)" in render(make_result(findings=found, gaps=()))
    assert len(render(make_result(findings=found, gaps=()), verbose=True)) > 15_000


def test_gaps_are_cut_but_counted(nasty: ScanResult) -> None:
    assert "  and 3 more (--verbose shows all)" in render(nasty)
    assert sum("Permission denied" in line for line in render(nasty, verbose=True)) == 13


def test_colours_are_ours_alone(nasty: ScanResult) -> None:
    written = "\n".join(render(nasty, color=True))
    codes = {part.partition("m")[0] for part in written.split("\x1b[")[1:]}
    assert codes == {"0", "1", "2", "1;31", "1;33"}
    assert "\x1b" not in "\n".join(render(nasty))


@pytest.mark.parametrize("start", ["::", "##vso[", "##["])
def test_no_log_commands(start: str) -> None:
    rule = PAT._replace(name=f"{start}n")
    texts = {"excerpt": f"  {start}x", "reason": f"{start}y", "redacted": f"{start}z"}
    found = (finding(rule, "pat", f"{start}error::x".encode(), 1, **texts),)
    gaps = (Gap("unreadable", f"{start}gap", f"{start}why"),)
    for line in render(make_result(findings=found, gaps=gaps, notices=(f"{start}note",)), verbose=True):
        assert not line.lstrip().startswith("::")
        assert "##[" not in line
        assert "##vso[" not in line
