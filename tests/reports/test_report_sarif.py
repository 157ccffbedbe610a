# SPDX-License-Identifier: Apache-2.0
"""SARIF: valid by the official schema, and as GitHub code scanning wants it."""

import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from sample_result import PAT, finding, make_result

from scanner.model import ScanResult
from scanner.reports import sarif
from scanner.reports.options import ReportOptions

SCHEMA = json.loads((Path(__file__).parent.parent / "schemas" / "sarif-2.1.0.json").read_text())

# RFC 3986, appendix A: path-noscheme, with pchar; no query, no fragment.
RELATIVE_REFERENCE = re.compile(
    r"(?:[A-Za-z0-9._~!$&'()*+,;=@-]|%[0-9A-F]{2})+(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2})*)*"
)


def run(result: ScanResult, **options: Any) -> dict[str, Any]:
    out = io.StringIO()
    sarif.write(result, out, ReportOptions(**options))
    log = json.loads(out.getvalue())
    jsonschema.Draft7Validator(SCHEMA).validate(log)
    (only,) = log["runs"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("options", [{}, {"include_suppressed": True}, {"show_secrets": True}])
def test_valid(nasty: ScanResult, clean: ScanResult, options: dict[str, bool]) -> None:
    assert run(nasty, **options)["results"]
    assert run(clean, **options)["results"] == []


def test_rules_are_those_with_results(nasty: ScanResult) -> None:
    only = run(nasty)
    ids = [rule["id"] for rule in only["tool"]["driver"]["rules"]]
    assert ids == ["generic-assignment", "github-pat-classic", "private-key", "sops-plaintext-leaf"]
    assert all(ids[result["ruleIndex"]] == result["ruleId"] for result in only["results"])


def test_rule_as_github_wants_it(nasty: ScanResult) -> None:
    rule = run(nasty)["tool"]["driver"]["rules"][1]
    assert rule["properties"]["security-severity"] == "9.5"
    assert rule["properties"]["precision"] == "very-high"
    assert "security" in rule["properties"]["tags"]
    assert rule["help"]["text"]
    assert rule["help"]["markdown"]
    assert rule["helpUri"] == PAT.references[0]
    assert rule["name"] == "GitHubPersonalAccessTokenClassic"


def test_no_empty_strings_and_limits() -> None:
    long = PAT._replace(name="n" * 2_000, help="", references=())
    only = run(make_result(findings=(finding(long, "pat", b"a", 1),)))
    rule = only["tool"]["driver"]["rules"][0]
    assert len(rule["name"]) == 255
    assert 0 < len(rule["shortDescription"]["text"]) <= 1024
    assert 0 < len(rule["fullDescription"]["text"]) <= 1024
    assert rule["help"]["text"]


def test_no_name_that_is_the_id() -> None:
    rule = PAT._replace(id="jwt", name="JWT")
    only = run(make_result(findings=(finding(rule, "pat", b"a", 1),)))
    assert "name" not in only["tool"]["driver"]["rules"][0]


def test_locations(nasty: ScanResult) -> None:
    open_findings = [found for found in nasty.findings if not found.suppression]
    for found, result in zip(open_findings, run(nasty)["results"], strict=True):
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert RELATIVE_REFERENCE.fullmatch(uri)
        assert unquote_to_bytes(uri) == (found.path or b"-")
        assert location["physicalLocation"]["region"] == {
            "startLine": found.location.start_line,
            "startColumn": found.location.start_column,
            "endLine": found.location.end_line,
            "endColumn": found.location.end_column,
        }


def test_fingerprints_are_ours_only(nasty: ScanResult) -> None:
    assert all(list(result["partialFingerprints"]) == ["sealgate/v1"] for result in run(nasty)["results"])


def test_messages_make_no_links(nasty: ScanResult) -> None:
    text = run(nasty)["results"][0]["message"]["text"]
    assert r"pass\[word\](x)" in text
    assert not re.search(r"(?<!\\)\[", text)


def test_level_is_the_gates_verdict(nasty: ScanResult) -> None:
    levels = [result["level"] for result in run(nasty)["results"]]
    assert levels == ["note", *["error"] * 6]
    levels = [result["level"] for result in run(nasty._replace(fail_on="never"))["results"]]
    assert levels == ["note", *["warning"] * 6]


def test_suppressed_only_on_request(nasty: ScanResult) -> None:
    assert not [result for result in run(nasty)["results"] if "suppressions" in result]
    found = [result["suppressions"][0] for result in run(nasty, include_suppressed=True)["results"][6:8]]
    assert [suppression["kind"] for suppression in found] == ["inSource", "external"]
    assert all(suppression["justification"] for suppression in found)


def test_gaps_are_notifications(nasty: ScanResult) -> None:
    only = run(nasty)
    (invocation,) = only["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["exitCode"] == 1
    notes = invocation["toolExecutionNotifications"]
    assert len(notes) == len(nasty.gaps)
    assert {note["descriptor"]["id"]: note["level"] for note in notes} == {
        "shallow": "error",
        "unreadable": "error",
        "oversize": "warning",
        "submodule": "warning",
    }


def test_category(clean: ScanResult) -> None:
    assert run(clean)["automationDetails"]["id"] == "sealgate/"
    assert run(clean, category="sops")["automationDetails"]["id"] == "sops/"


def test_results_beyond_githubs_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "_MAX_RESULTS", 2)
    weak = finding(PAT, "pat", b"weak", 1, confidence="low")
    strong = finding(PAT, "pat", b"strong", 1, confidence="proven")
    only = run(make_result(findings=(weak, strong, strong), gaps=()))
    assert len(only["results"]) == 2
    assert all(result["properties"]["confidence"] == "proven" for result in only["results"])
    (note,) = only["invocations"][0]["toolExecutionNotifications"]
    assert note["descriptor"]["id"] == "results-limit"
    assert note["message"]["text"].startswith("1 of the least severe")


def test_results_are_streamed() -> None:
    class Counting(io.StringIO):
        largest = 0

        def write(self, text: str) -> int:
            self.largest = max(self.largest, len(text))
            return super().write(text)

    out = Counting()
    found = finding(PAT, "pat", b"a", 1)
    sarif.write(make_result(findings=(found,) * 25_000, gaps=()), out, ReportOptions())
    assert out.largest < 5_000
    assert len(json.loads(out.getvalue())["runs"][0]["results"]) == 25_000
