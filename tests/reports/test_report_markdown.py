# SPDX-License-Identifier: Apache-2.0
"""Markdown: read by a real parser, where nothing of a repository's becomes markup, and within the platforms' limits."""

import io
import re

import pytest
from markdown_it import MarkdownIt
from sample_result import PAT, finding, make_result

from scanner.model import ScanResult
from scanner.reports import markdown
from scanner.reports.options import ReportOptions

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def text(result: ScanResult) -> str:
    out = io.StringIO()
    markdown.write(result, out, ReportOptions(show_secrets=True))
    return out.getvalue()


def rows(result: ScanResult) -> list[list[str]]:
    html = PARSER.render(text(result))
    body = html.partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.findall("<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in body.split("</tr>")[:-1]]


def test_a_row_for_each_secret(nasty: ScanResult) -> None:
    found = rows(nasty)
    assert [row[1:3] for row in found] == [
        ["critical", "proven"],
        ["high", "high"],
        ["high", "high"],
        ["medium", "medium"],
        ["medium", "low"],
    ]
    assert [bool(row[0]) for row in found] == [True, True, True, True, False]


def test_gaps_stand_above_the_table(nasty: ScanResult) -> None:
    written = text(nasty)
    assert written.index("Not scanned") < written.index("| Severity |")
    assert "and 3 more" in written


def test_clean(clean: ScanResult) -> None:
    assert "clean&#58; no findings" in text(clean)
    assert rows(clean) == []


@pytest.mark.parametrize(
    "path",
    [
        b"[a](javascript:alert(1))",
        b"![x](https://example.com/x.png)",
        b"<img src=x onerror=alert(1)>",
        b"<script>alert(1)</script>",
        b"a|b|c|d",
        b"`code` **bold** ~~gone~~ @everyone #1 !2 $3",
        b"\\| \\[x\\]",
        b"a\n| b |",
        b"https://example.com www.example.com a@example.com",
        b"&lt;script&gt; &#60;b&#62;",
    ],
)
def test_text_stays_text(path: bytes) -> None:
    hostile = finding(PAT._replace(name=path.decode().replace("\n", " ")), "pat", path, 1)
    (row,) = rows(make_result(findings=(hostile,), gaps=()))
    assert len(row) == 7
    assert not re.search(r"<(?!br>)", "".join(row))
    # Nothing is left of what a platform's own extensions look for.
    assert not set(text(make_result(findings=(hostile,), gaps=())).splitlines()[-4]) & set("@`*[]()<>~") - set("()<>")


def test_many_rows_fit_a_step_summary() -> None:
    many = tuple(finding(PAT, "pat", b"folder/%05d" % n, 1, fingerprint=f"{n:032}") for n in range(25_000))
    written = text(make_result(findings=many, gaps=()))
    assert 500_000 < len(written) < 1_000_000
    left_out = re.search(r"([\d,]+) more do not fit here", written)
    assert left_out
    assert int(left_out[1].replace(",", "")) + written.count("| critical |") == 25_000


def test_many_places_are_counted() -> None:
    places = tuple(finding(PAT, "pat", b"f%d" % n, 1) for n in range(9))
    (row,) = rows(make_result(findings=places, gaps=()))
    assert row[5].endswith("and 6 more places")
