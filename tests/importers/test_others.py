# SPDX-License-Identifier: Apache-2.0
"""`sealgate import` of detect-secrets, trufflehog, kingfisher and noseyparker, and `--config` with their files."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from foreign import RULES, TRUFFLEHOG, baseline, draw
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, sealgate


def settings(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((folder / ".sealgate.yaml").read_text())
    return found


def rules(folder: Path, tool: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((folder / f".sealgate-rules/{tool}.yaml").read_text())["rules"]
    return found


def test_a_baseline_of_detect_secrets(tmp_path: Path) -> None:
    (tmp_path / ".secrets.baseline").write_text(baseline())
    (tmp_path / "words.txt").write_text("abracadabra\nx\n")
    lines = f"key = {AWS_KEY_ID}\nother = {OTHER_AWS_KEY_ID}\n"
    for name in ("a.ini", "b.ini"):
        (tmp_path / name).write_text(lines)
    (tmp_path / "c.ini").write_text(f"key = {OTHER_AWS_KEY_ID} noscan\n")
    outcome = sealgate("import", "detect-secrets", cwd=tmp_path)
    assert outcome.code == 3
    assert outcome.out.endswith("0 rules, 6 exceptions, 1 accepted finding; 5 not carried over\n")
    for text in (
        ".secrets.baseline: plugin SoftlayerDetector: the plugin: Sealgate has no rule for what it finds",
        ".secrets.baseline: plugin Ours: the plugin: it is a program",
        ".secrets.baseline: filter py::no: the filter: it is a program",
        ".secrets.baseline: filter should_exclude_file: path 2: a group of a kind that is not known",
        ".secrets.baseline: gone.ini:1: the accepted finding: there is no such file",
        ".secrets.baseline: a.ini:2: the accepted finding: Sealgate does not find this value there",
        ".secrets.baseline: plugin Base64HighEntropyString: limit: a value is weighed",
    ):
        assert text in outcome.out
    allow = settings(tmp_path)["allow"]
    assert [[entry.get(key) for key in ("rule", "path", "line", "value")] for entry in allow] == [
        [["generic-*"], None, ["(?i:nothing)"], None],
        [None, None, None, ["(?i:abracadabra)"]],
        [None, ["/b?ini", "b/ini"], None, None],
        [None, None, ["noscan"], None],
        [None, None, None, [r"\Afake"]],
        [None, [".secrets.baseline"], None, None],
    ]
    found = sealgate("scan", "--report", "jsonl", cwd=tmp_path).findings
    assert [(f["path"], f["start_line"]) for f in found if f["suppressed_by"] is None] == [("a.ini", 2)]
    assert "audited there as no secret" in (tmp_path / ".sealgate-baseline.jsonl").read_text()


def test_what_old_releases_of_detect_secrets_wrote(tmp_path: Path) -> None:
    old = {"filters_used": [], "plugins_used": [], "results": {}, "exclude": {"files": "^b/|^c/", "lines": "noscan"}, "word_list": {"file": None}}
    (tmp_path / "old.json").write_text(baseline(**old))
    assert sealgate("import", "detect-secrets", "--from", "old.json", cwd=tmp_path).code == 0
    assert [entry.get("path") or entry.get("line") for entry in settings(tmp_path)["allow"]] == [["b/", "c/"], ["noscan"], ["old.json"]]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"plugins_used": 5}', '{"plugins_used": [], "results": {"a": [{}]}}'])  # fmt: skip
def test_what_is_no_baseline_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / ".secrets.baseline").write_text(text)
    failed = sealgate("import", "detect-secrets", cwd=tmp_path)
    assert (failed.code, failed.err.startswith("sealgate: .secrets.baseline: ")) == (2, True)


def test_custom_detectors_of_trufflehog(tmp_path: Path) -> None:
    (tmp_path / "hog.yaml").write_text(TRUFFLEHOG)
    (tmp_path / "excluded.txt").write_text("# paths\n^vendor/\n\\w+x\n")
    body = draw("hog", 17)
    values = {name: f"acme_{start}{body}" for name, start in (("good", "A1b"), ("lower", "a1b"), ("q", "q1B"))} | {"digits": "acme_ABC" + "abcdefghijklmnopq"}
    (tmp_path / "a.txt").write_text("".join(f"{name} zone-1234 {value}\n{'.' * 300}\n" for name, value in values.items()))
    (tmp_path / "far.txt").write_text(f"zone-1234\n{'.' * 300}\n{values['good'][::-1]} {values['good'][:-1]}z\n")
    outcome = sealgate("import", "trufflehog", "--from", "hog.yaml", "--exclude-paths", "excluded.txt", "--include-paths", "in.txt", cwd=tmp_path)
    assert outcome.code == 3
    for text in (
        "hog.yaml:3: detector AcmeDetector: regex zone: must match within 200 bytes",
        "hog.yaml:3: detector AcmeDetector: verify: a scan makes no call",
        "hog.yaml:3: detector AcmeDetector: validations of zone: the primary expression alone",
        "hog.yaml:17: detector looking: the rule: a group of a kind",
        "hog.yaml:20: the detector: it has no mapping",
        "hog.yaml: sources: ",
        "excluded.txt:3: path 1: no glob matches the same paths",
        "in.txt: the paths that are included",
    ):
        assert text in outcome.out, text
    (rule,) = rules(tmp_path, "trufflehog")
    assert (rule["id"], rule["allow"]) == ("acme-detector", ["[^0-9]*", "(?-i:[^A-Z]*)"])
    found = sealgate("scan", "--report", "jsonl", cwd=tmp_path).findings
    # The value of "q" begins as what is left out does.
    assert [(f["rule_id"], f["path"], f["start_line"]) for f in found if f["suppressed_by"] is None] == [("acme-detector", "a.txt", 1)]


@pytest.mark.parametrize("tool", ["kingfisher", "noseyparker"])
def test_rule_files(tool: str, tmp_path: Path) -> None:
    key = "acme_" + draw("np", 20)
    (tmp_path / "theirs/sub").mkdir(parents=True)
    (tmp_path / "theirs/sub/own.yml").write_text(RULES.replace("EXAMPLE", key))
    outcome = sealgate("import", tool, "--from", "theirs", cwd=tmp_path)
    assert outcome.code == 3
    where = "theirs/sub/own.yml:3: rule np.acme.1"
    for text in (
        f"{where}: examples 2: the rule as it is here does not find it",
        f"{where}: negative_examples 2: the rule as it is here finds it",
        f"{where}: categories: rules of Sealgate have none",
        f"{where}: pattern_requirements.unheard_of: it is not known",
        "own.yml:17: rule helper: the rule: it reports nothing by itself",
        "own.yml:24: rule classes: the rule: a class made of classes",
    ):
        assert text in outcome.out, text
    assert f"{where}: examples 1" not in outcome.out
    assert [(rule["id"], rule["confidence"], rule["pattern"]) for rule in rules(tmp_path, tool)] == [
        ("np-acme-1", "high", r"\b(?P<secret>acme_[0-9a-z]{20})\b"),
        ("kingfisher-named-2", "medium", r"zeta_(?:\d{4})_(?P<secret>[0-9a-f]{16})"),
    ]
    few = "acme_" + draw("few", 19, "abcdefghijklmnopqrstuvwxyz") + "7"
    (tmp_path / "a.txt").write_text(f"x {key}\nx {few}\nx zeta_1234_{draw('z', 16, '0123456789abcdef')}\n")
    (tmp_path / "theirs/sub/own.yml").unlink()
    found = sealgate("scan", "--report", "jsonl", cwd=tmp_path).findings
    assert [(f["rule_id"], f["start_line"]) for f in found] == [("np-acme-1", 1), ("kingfisher-named-2", 3)]


def test_their_files_are_read_as_a_configuration(tmp_path: Path) -> None:
    key = "acme_A1b" + draw("hog", 17)
    (tmp_path / "a.txt").write_text(f"zone-1234 {key}\nkey = {AWS_KEY_ID} noscan\n")
    (tmp_path / "hog.yaml").write_text(TRUFFLEHOG)
    (tmp_path / "np.yml").write_text(RULES.replace("EXAMPLE", "x"))
    (tmp_path / "ds.baseline").write_text(baseline())

    def found(config: str, *more: str) -> Any:
        return sealgate("scan", "a.txt", "--config", config, "--report", "jsonl", *more, cwd=tmp_path)

    assert [f["rule_id"] for f in found("hog.yaml").findings] == ["acme-detector", "aws-access-key-id"]
    assert "rule classes" in found("np.yml").summary["unscanned"][0]["what"]
    assert [bool(f["suppressed_by"]) for f in found("ds.baseline").findings if f["rule_id"].startswith("aws")] == [True]
    text = sealgate("scan", "a.txt", "--config", "ds.baseline", cwd=tmp_path).out
    assert "what it accepts is not read: take it over by 'sealgate import detect-secrets'" in text


def test_a_folder_that_is_not_there_and_files_that_are_none(tmp_path: Path) -> None:
    assert "there is no directory nowhere" in sealgate("import", "gitleaks", "nowhere", cwd=tmp_path).err
    assert "nothing to take over was named" in sealgate("import", "trufflehog", cwd=tmp_path).err
    (tmp_path / "x.yml").write_text("a: 1\n")
    assert "not a configuration of trufflehog" in sealgate("import", "trufflehog", "--from", "x.yml", cwd=tmp_path).err
    assert "not a rule file of kingfisher" in sealgate("import", "kingfisher", "--from", "x.yml", cwd=tmp_path).err
    assert "cannot read y.yml" in sealgate("import", "kingfisher", "--from", "y.yml", cwd=tmp_path).err
