# SPDX-License-Identifier: Apache-2.0
"""SARIF: valid by the official schema, and as GitHub code scanning wants it."""

import gzip
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import jsonschema
import pytest
from sample_result import OLD, PAT, finding, make_result, two_halves

from scanner.model import Location, ScanResult
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
        if found.path.startswith(b"::error"):
            # Gone from HEAD: on the first line, and where it was is related.
            assert location["physicalLocation"]["region"]["endLine"] == 1
            (location,) = [related for related in result["relatedLocations"] if related["id"] == 1]
            assert location["physicalLocation"]["artifactLocation"]["uri"] == uri
        assert location["physicalLocation"]["region"] == {
            "startLine": found.location.start_line,
            "startColumn": found.location.start_column,
            "endLine": found.location.end_line,
            "endColumn": found.location.end_column,
        }


def line_hash(result: dict[str, Any]) -> str | None:
    value = result["partialFingerprints"].get("primaryLocationLineHash")
    assert value is None or re.fullmatch(r"[0-9a-f]{1,16}:[1-9][0-9]*", value)
    return value


def test_what_githubs_action_can_compute_is_left_to_it(nasty: ScanResult) -> None:
    results = run(nasty)["results"]
    assert [bool(line_hash(result)) for result in results] == [False, False, True, False, True, False, True]
    assert all(result["partialFingerprints"]["sealgate/v1"] for result in results)


def test_a_known_line_hash_is_given() -> None:
    found = finding(PAT, "pat", b"a", 1, line_hash="1f:2")
    assert line_hash(run(make_result(findings=(found,)))["results"][0]) == "1f:2"


def test_history_alone_has_a_value_of_secret_and_path() -> None:
    gone = finding(PAT, "pat", b"a.py", 41, provenance=OLD, first=OLD)
    others = (
        gone._replace(location=Location(7, 1, 7, 9), excerpt="other"),
        gone._replace(path=b"b.py"),
        gone._replace(fingerprint="0" * 32),
    )
    results = run(make_result(findings=(gone, *others)))["results"]
    first, moved, elsewhere, another = map(line_hash, results)
    assert first == moved
    assert len({first, elsewhere, another}) == 3
    assert "(a.py:41:9)" in results[0]["message"]["text"]
    assert "1" * 40 in results[0]["message"]["text"]
    assert results[0]["properties"]["commit"] == "1" * 40
    assert results[0]["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 41


def test_the_secrets_other_places_are_related() -> None:
    places = tuple(finding(PAT, "pat", b"f%d" % n, 1) for n in range(30))
    alone = finding(PAT, "pat", b"alone", 1, fingerprint="0" * 32)
    results = run(make_result(findings=(*places, alone)))["results"]
    assert all(len(result["relatedLocations"]) == 10 for result in results[:-1])
    assert "relatedLocations" not in results[-1]
    for number, result in enumerate(results[:-1]):
        uris = [related["physicalLocation"]["artifactLocation"]["uri"] for related in result["relatedLocations"]]
        assert f"f{number}" not in uris
        assert len({related["id"] for related in result["relatedLocations"]}) == 10


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
    monkeypatch.setattr(sarif, "_SURELY_FIT", 0)
    monkeypatch.setattr(sarif, "_MAX_RESULTS", 2)
    weak = finding(PAT, "pat", b"weak", 1, confidence="low")
    strong = finding(PAT, "pat", b"strong", 1, confidence="proven")
    only = run(make_result(findings=(weak, strong, strong), gaps=()))
    assert len(only["results"]) == 2
    assert all(result["properties"]["confidence"] == "proven" for result in only["results"])
    (note,) = only["invocations"][0]["toolExecutionNotifications"]
    assert note["descriptor"]["id"] == "results-limit"
    assert note["message"]["text"].startswith("1 of the least severe")


def test_results_beyond_githubs_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif, "_MAX_GZIP_BYTES", 200_000)
    # Random text, which does not get smaller.
    many = tuple(
        finding(PAT, "pat", hashlib.sha256(b"%d" % n).hexdigest().encode() * 3, 1, confidence="proven" if n % 2 else "low", fingerprint=f"{n:032x}")
        for n in range(5_000)
    )
    out = io.StringIO()
    sarif.write(make_result(findings=many, gaps=()), out, ReportOptions())
    size = len(gzip.compress(out.getvalue().encode(), 6))
    # The compressor holds some back, and what is not results comes on top.
    assert 180_000 < size < 260_000
    only = json.loads(out.getvalue())["runs"][0]
    (note,) = only["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"].startswith(f"{5_000 - len(only['results'])} of the least severe")
    # The weighty half came first.
    assert all(result["properties"]["confidence"] == "proven" for result in only["results"][: min(2_500, len(only["results"]))])


def test_more_than_github_shows_is_said() -> None:
    many = tuple(finding(PAT, "pat", b"f%d" % n, 1, fingerprint=f"{n:032x}") for n in range(5_001))
    out = io.StringIO()
    sarif.write(make_result(findings=many, gaps=()), out, ReportOptions())
    only = json.loads(out.getvalue())["runs"][0]
    assert len(only["results"]) == 5_001
    assert "keeps the 5000 most severe" in only["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"]


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


def test_the_other_half_is_a_related_location_that_the_message_links_to() -> None:
    result = run(two_halves())["results"][1]
    *others, half = result["relatedLocations"]
    assert len(others) == 3
    assert len({each["id"] for each in result["relatedLocations"]}) == 4
    assert half["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b.ini"},
        "region": {"startLine": 2, "startColumn": 5, "endLine": 2, "endColumn": 25},
    }
    assert half["message"]["text"].startswith("Acme \\[id\\](x) <b> 'acme…'")
    assert result["message"]["text"].endswith(f"It belongs with Acme \\[id\\](x) <b> 'acme…' on [line 2]({half['id']}).")
