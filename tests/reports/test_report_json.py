# SPDX-License-Identifier: Apache-2.0
"""The JSON reports: the keys that other people's scripts rely on."""

import io
import json

import pytest
from sample_result import RAW

from scanner.model import ScanResult
from scanner.reports import document, jsonl
from scanner.reports.jsontext import to_json
from scanner.reports.options import ReportOptions

# From the documented format; a key that leaves this list breaks consumers.
KEYS = (
    "rule_id family severity confidence path start_line start_column end_line end_column fingerprint redacted "
    "reason blob commit author date at_head occurrences decoded_from suppressed_by"
).split()
SUMMARY_KEYS = ["complete", "scanned", "unscanned", "counts", "seconds", "ruleset", "version"]


def lines(result: ScanResult, **options: bool) -> list[dict[str, object]]:
    out = io.StringIO()
    jsonl.write(result, out, ReportOptions(**options))  # type: ignore[arg-type]
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_documented_keys(nasty: ScanResult) -> None:
    *findings, last = lines(nasty)
    assert len(findings) == len(nasty.findings)
    assert all(list(found)[: len(KEYS)] == KEYS for found in findings)
    assert list(last) == ["summary"]
    assert list(last["summary"]) == SUMMARY_KEYS  # type: ignore[call-overload]


def test_document_says_what_lines_say(nasty: ScanResult) -> None:
    out = io.StringIO()
    document.write(nasty, out, ReportOptions())
    *findings, last = lines(nasty)
    assert json.loads(out.getvalue()) == {"findings": findings, **last}


def test_complete_is_all_allowed(nasty: ScanResult) -> None:
    for allowed in (frozenset[str](), frozenset({"shallow", "unreadable", "oversize"})):
        summary = lines(nasty._replace(allowed_gaps=allowed))[-1]["summary"]
        assert summary["complete"] == all(gap["allowed"] for gap in summary["unscanned"])  # type: ignore[index]


def test_counts(nasty: ScanResult) -> None:
    assert lines(nasty)[-1]["summary"]["counts"] == {  # type: ignore[index]
        "total": 9,
        "open": 7,
        "suppressed": 2,
        "failing": 6,
        "by_confidence": {"proven": 1, "high": 3, "medium": 2, "low": 1},
        "by_severity": {"critical": 2, "high": 3, "medium": 2, "low": 0},
    }


def test_paths_and_suppressions(nasty: ScanResult) -> None:
    found = lines(nasty)
    assert found[1]["path"] == "src/new\nline ##vso[task.setvariable].py"
    assert found[2]["path"] == r"::error::caf\xe9/\xff.txt"
    assert found[6]["suppressed_by"] == {"kind": "inline", "reason": "a \x1b[1mtest\u2028"}
    assert found[7]["suppressed_by"] == {"kind": "baseline", "reason": ""}
    assert found[0]["suppressed_by"] is None


def test_secret_on_request(nasty: ScanResult) -> None:
    assert "secret" not in lines(nasty)[0]
    assert lines(nasty, show_secrets=True)[3]["secret"] == RAW["key"].decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("\U0001f511", "\U0001f511"), ("\udce9", r"\udce9"), ("a\\udce9", "a\\udce9")],
)
def test_no_lone_surrogate_in_json(text: str, expected: str) -> None:
    written = to_json({"key": [text, 1, None]})
    assert written.isascii()
    # A strict parser works on what can be UTF-8; Python's own takes lone surrogates, so encode what it read.
    value = json.loads(written)["key"][0]
    assert value.encode("utf-8").decode("utf-8") == expected
