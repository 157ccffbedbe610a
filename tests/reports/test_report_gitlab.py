# SPDX-License-Identifier: Apache-2.0
"""GitLab's secret detection report: what a server checks before it takes one, and what makes an identity there.

The schema itself is GitLab's and not in this repository. `SEALGATE_GITLAB_SCHEMA` names a copy of
`secret-detection-report-format.json`; with it, reports are checked against that as well.
"""

import io
import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from sample_result import PAT, finding, make_result

from scanner.model import Gap, ScanResult
from scanner.reports import gitlab
from scanner.reports.options import ReportOptions

TEXT = {"type": "string", "minLength": 1}
MOMENT = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"}
LINK = {"type": "string", "pattern": "^https?://.+"}
LINES = {"file": TEXT, "start_line": {"type": "integer", "minimum": 1}, "end_line": {"type": "integer", "minimum": 1}}


def struct(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the form of an object that has these keys and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": False,
    }


def listed(items: dict[str, Any], **limits: int) -> dict[str, Any]:
    return {"type": "array", "items": items, **limits}


TOOL = struct({"id": TEXT, "name": TEXT, "version": TEXT, "vendor": struct({"name": TEXT})}, {"url": LINK})
FIELD = {"type": "object", "required": ["type", "name", "value"], "properties": {"type": {"enum": ["text", "value", "commit"]}, "name": TEXT}}
VULNERABILITY = struct(
    {
        "id": TEXT,
        "name": TEXT | {"maxLength": 255},
        "description": TEXT | {"maxLength": 1_048_576},
        "severity": {"enum": ["Info", "Unknown", "Low", "Medium", "High", "Critical"]},
        "solution": TEXT | {"maxLength": 7000},
        "identifiers": listed(struct({"type": TEXT, "name": TEXT, "value": TEXT}, {"url": LINK}), minItems=1, maxItems=20),
        "location": struct(LINES | {"commit": struct({"sha": TEXT}, {"author": TEXT, "date": TEXT})}),
        "tracking": struct(
            {
                "type": {"const": "source"},
                "items": listed(
                    struct(LINES | {"signatures": listed(struct({"algorithm": {"const": "hash"}, "value": TEXT}), minItems=1)}),
                    minItems=1,
                ),
            }
        ),
        "details": {"type": "object", "additionalProperties": FIELD},
    },
    {
        "links": listed(struct({"url": LINK}), minItems=1),
        "flags": listed(struct({"type": {"const": "flagged-as-likely-false-positive"}, "origin": TEXT, "description": TEXT})),
    },
)
FORM = struct(
    {
        "version": {"const": "15.0.7"},
        "scan": struct(
            {
                "analyzer": TOOL,
                "scanner": TOOL,
                "type": {"const": "secret_detection"},
                "start_time": MOMENT,
                "end_time": MOMENT,
                "status": {"enum": ["success", "failure"]},
                "messages": listed(struct({"level": {"enum": ["info", "warn", "fatal"]}, "value": TEXT})),
            }
        ),
        "vulnerabilities": listed(VULNERABILITY),
    }
)


def report(result: ScanResult) -> dict[str, Any]:
    out = io.StringIO()
    gitlab.write(result, out, ReportOptions(finished=1_700_000_000.5))
    written: dict[str, Any] = json.loads(out.getvalue())
    jsonschema.Draft7Validator(FORM).validate(written)
    return written


def test_form(nasty: ScanResult, clean: ScanResult) -> None:
    assert len(report(nasty)["vulnerabilities"]) == 7
    assert report(clean)["vulnerabilities"] == []


@pytest.mark.skipif("SEALGATE_GITLAB_SCHEMA" not in os.environ, reason="SEALGATE_GITLAB_SCHEMA names no copy of GitLab's schema")
def test_gitlabs_own_schema(nasty: ScanResult, clean: ScanResult) -> None:
    schema = json.loads(Path(os.environ["SEALGATE_GITLAB_SCHEMA"]).read_text())
    for result in (nasty, clean):
        jsonschema.Draft7Validator(schema).validate(report(result))


def test_times_are_utc_and_the_scan_lies_between(clean: ScanResult) -> None:
    scan = report(clean._replace(stats=clean.stats._replace(seconds=90.0)))["scan"]
    assert scan["end_time"] == "2023-11-14T22:13:20"
    assert scan["start_time"] == "2023-11-14T22:11:50"


def test_an_incomplete_scan_is_a_failure_that_says_what_was_missed(nasty: ScanResult, clean: ScanResult) -> None:
    scan = report(nasty)["scan"]
    assert scan["status"] == "failure"
    levels = [message["level"] for message in scan["messages"]]
    assert levels == ["warn"] * 14 + ["info"] * 3
    assert "its parents are not in this clone (2 of them)" in scan["messages"][0]["value"]
    assert report(clean)["scan"]["status"] == "success"
    allowed = nasty._replace(allowed_gaps=frozenset({"shallow", "unreadable", "oversize"}))
    assert report(allowed)["scan"]["status"] == "success"


def test_messages_have_a_limit_and_are_counted() -> None:
    gaps = tuple(Gap("unreadable", f"file-{number}", "Permission denied") for number in range(60))
    messages = report(make_result(gaps=gaps, notices=()))["scan"]["messages"]
    assert len(messages) == 51
    assert messages[-1]["value"].startswith("10 more were not scanned")


def test_identity_outlives_moved_lines_and_tells_paths_and_secrets_apart() -> None:
    here = finding(PAT, "pat", b"a.py", 3)
    others = (
        here._replace(location=here.location._replace(start_line=90, end_line=90)),
        here._replace(path=b"b.py"),
        here._replace(fingerprint="0" * 32),
    )
    first, moved, elsewhere, another = report(make_result(findings=(here, *others)))["vulnerabilities"]
    signatures = [item["tracking"]["items"][0]["signatures"] for item in (first, moved, elsewhere, another)]
    assert signatures[0] == signatures[1]
    assert signatures[0] not in signatures[2:]
    assert signatures[2] != signatures[3]
    assert first["id"] == moved["id"] != elsewhere["id"]
    assert UUID(first["id"]).version == 5


def test_place_and_commit(nasty: ScanResult) -> None:
    found = report(nasty)["vulnerabilities"]
    assert found[1]["location"] == {
        "file": "src/new\nline ##vso[task.setvariable].py",
        "start_line": 1,
        "end_line": 1,
        "commit": {"sha": "2" * 40, "author": "Ann Example <ann@example.com>", "date": "2024-05-06T07:08:09Z"},
    }
    assert found[1]["details"]["first"]["value"] == "1" * 40
    # Not committed, and without a name.
    assert found[3]["location"]["commit"] == {"sha": "0000000"}
    assert found[6]["location"]["file"] == "-"


def test_suppressed_findings_are_gone_and_doubtful_ones_flagged(nasty: ScanResult) -> None:
    found = report(nasty)["vulnerabilities"]
    assert not [item for item in found if item["location"]["file"].startswith("tests/")]
    assert [bool(item.get("flags")) for item in found] == [True, *[False] * 6]


def test_descriptions_hold_no_markup(nasty: ScanResult) -> None:
    text = report(nasty)["vulnerabilities"][0]["description"]
    assert not set(text) & set("<>[]()`*_@!|$~")


def test_long_texts_are_cut() -> None:
    long = PAT._replace(name="n" * 2_000, help="h" * 20_000)
    (only,) = report(make_result(findings=(finding(long, "pat", b"a", 1),)))["vulnerabilities"]
    assert len(only["name"]) == 255
    assert len(only["solution"]) == 7000
