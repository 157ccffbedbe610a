# SPDX-License-Identifier: Apache-2.0
"""Credentials of two halves: which key id belongs to which secret key, whoever reads them, and what reports say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, Outcome, fill, sealgate

from scanner.cachedir import KEY_VARIABLE

Make = Callable[..., GitRepo]

SECRETS = [fill("{{base64:40}}", seed) for seed in range(2)]
IDS = [AWS_KEY_ID, OTHER_AWS_KEY_ID]
ID_LINES = [f"aws_access_key_id = {value}\n" for value in IDS]
SECRET_LINES = [f"aws_secret_access_key = {value}\n" for value in SECRETS]


def _scan(target: Path, *options: "str | Path", **environ: str) -> Outcome:
    return sealgate("scan", target, "--report", "jsonl", *options, env=environ)


def _pairs(outcome: Outcome) -> list[tuple[str, int, str, list[tuple[str, int]]]]:
    """Return path, line and half of each finding, with role and line of what belongs to it."""
    return [
        (f["path"], f["start_line"], f["rule_id"].split("-")[1], [(r["role"], r["start_line"]) for r in f["related"]])
        for f in outcome.findings
    ]


def _in_file(tmp_path: Path, text: str) -> list[tuple[int, str, list[tuple[str, int]]]]:
    (tmp_path / "credentials").write_text(text)
    return [pair[1:] for pair in _pairs(_scan(tmp_path))]


def test_each_half_names_the_other(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(ID_LINES[0] + SECRET_LINES[0])
    identifier, secret = _scan(tmp_path).findings
    [half] = secret["related"]
    assert half == {
        "role": "identifier",
        **{key: identifier[key] for key in half if key != "role"},
    }
    assert list(half) == "role rule_id rule_name start_line start_column end_line end_column fingerprint redacted reason".split()
    assert "AWS account" in half["reason"]
    assert [(r["role"], r["fingerprint"]) for r in identifier["related"]] == [("secret", secret["fingerprint"])]


def test_alone_nothing_belongs_to_it(tmp_path: Path) -> None:
    assert _in_file(tmp_path, ID_LINES[0]) == [(1, "access", [])]
    assert _in_file(tmp_path, SECRET_LINES[0]) == [(1, "secret", [])]


@pytest.mark.parametrize("order", ["isis", "issi", "siis", "sisi"])
def test_in_a_list_of_keys_each_goes_with_its_own(tmp_path: Path, order: str) -> None:
    lines = {"i": iter(ID_LINES), "s": iter(SECRET_LINES)}
    found = _in_file(tmp_path, "".join(next(lines[kind]) for kind in order))
    assert [[line for _, line in related] for *_, related in found] == [[2], [1], [4], [3]]


@pytest.mark.parametrize(("between", "together"), [(9, True), (10, False)])
def test_nearness_is_ten_lines(tmp_path: Path, between: int, together: bool) -> None:
    found = _in_file(tmp_path, ID_LINES[0] + "\n" * between + SECRET_LINES[0])
    assert [bool(related) for *_, related in found] == [together, together]


@pytest.mark.parametrize(("between", "together"), [(300, True), (420, False)])
def test_in_one_line_nearness_is_columns(tmp_path: Path, between: int, together: bool) -> None:
    pad = json.dumps("padding " * (between // 8))
    found = _in_file(tmp_path, f'{{"accessKeyId": "{IDS[0]}", "pad": {pad}, "awsSecretAccessKey": "{SECRETS[0]}"}}\n')
    assert [(kind, bool(related)) for _, kind, related in found] == [("access", together), ("secret", together)]


def test_a_neighbour_further_on_counts_where_the_first_place_has_none(tmp_path: Path) -> None:
    found = _in_file(tmp_path, ID_LINES[0] + "\n" * 50 + ID_LINES[0] + SECRET_LINES[0])
    assert found == [(1, "access", [("secret", 53)]), (53, "secret", [("identifier", 52)])]


def test_a_file_full_of_keys(tmp_path: Path) -> None:
    """Every secret has its id, however many there are."""
    ids = ["AKIA" + "QYLPMN5H" + fill("{{base32:8}}", seed) for seed in range(300)]
    text = "".join(f"{ID_LINES[0].replace(IDS[0], name)}aws_secret_access_key = {fill('{{base64:40}}', seed)}\n" for seed, name in enumerate(ids))
    found = [related for line, kind, related in _in_file(tmp_path, text) if kind == "secret"]
    assert len(found) > 250
    assert all(len(related) == 1 for related in found)


def _history(repo: GitRepo) -> GitRepo:
    repo.commit(files={"a.ini": ID_LINES[0], "b.ini": SECRET_LINES[0] + "\n" * 30 + ID_LINES[0]})
    repo.commit(files={"a.ini": ID_LINES[0] + SECRET_LINES[0]})
    repo.commit(files={"a.ini": "\n" * 3 + ID_LINES[0] + SECRET_LINES[0], "c.ini": ID_LINES[1] + SECRET_LINES[1]})
    repo.commit(files={"c.ini": "nothing\n"})
    return repo


EXPECTED = [
    ("a.ini", 4, "access", [("secret", 5)]),
    ("a.ini", 5, "secret", [("identifier", 4)]),
    ("b.ini", 1, "secret", []),
    ("b.ini", 32, "access", []),
    ("c.ini", 1, "access", [("secret", 2)]),
    ("c.ini", 2, "secret", [("identifier", 1)]),
]


def test_in_the_version_that_is_reported(git_repo: Make) -> None:
    repo = _history(git_repo())
    assert _pairs(_scan(repo.path)) == EXPECTED


def test_whoever_reads_the_history(git_repo: Make) -> None:
    pytest.importorskip("scanner.git.kernel.pack", reason="the kernel is not compiled here")
    repo = _history(git_repo())
    repo.git("repack", "-adq", "--depth=50", "--window=50")
    reports = [
        _scan(repo.path, "--engine", engine, "--jobs", jobs).findings
        for engine, jobs in (("reference", "1"), ("pack", "1"), ("pack", "2"))
    ]
    assert reports[0] == reports[1] == reports[2]
    assert _pairs(_scan(repo.path, "--engine", "pack", "--jobs", "2")) == EXPECTED


def test_an_outcome_from_the_cache_has_it_too(git_repo: Make, tmp_path: Path) -> None:
    repo = _history(git_repo())
    runs = [_scan(repo.path, "--cache", tmp_path / "cache", "--verbose", **{KEY_VARIABLE: "a key that nobody guesses"}) for _ in range(2)]
    assert "nothing has changed since an earlier scan" in runs[1].err
    assert runs[0].findings == runs[1].findings
    assert _pairs(runs[1]) == EXPECTED


def test_what_is_staged(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.ini": "[default]\n" + ID_LINES[0]})
    repo.write("a.ini", "[default]\n" + ID_LINES[0] + SECRET_LINES[0])
    repo.git("add", "-A")
    # The id is not new with this change, so no finding of it is there to belong to.
    assert _pairs(sealgate("scan", "--staged", "--report", "jsonl", cwd=repo.path)) == [("a.ini", 3, "secret", [])]


def test_a_baseline_of_one_half_silences_that_half_alone(git_repo: Make, tmp_path: Path) -> None:
    repo = git_repo()
    repo.commit(files={"a.ini": ID_LINES[0] + SECRET_LINES[0]})
    identifier, secret = _scan(repo.path).findings
    for half, other in ((identifier, secret), (secret, identifier)):
        config = tmp_path / "config.yaml"
        config.write_text(f"allow: [{{fingerprint: {half['fingerprint']}, reason: known}}]\n")
        outcome = _scan(repo.path, "--config", config)
        assert outcome.code == 1
        assert [f["fingerprint"] for f in outcome.findings if f["suppressed_by"] is None] == [other["fingerprint"]]
        assert "unused" not in outcome.err
        text = sealgate("scan", repo.path, "--config", config).out
        assert f"id:  {other['fingerprint']}" in text


def test_one_heading_with_both_places(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(ID_LINES[0] + SECRET_LINES[0])
    text = sealgate("scan", tmp_path).out
    assert "1 secret in 2 places, 1 fails the gate" in text
    assert text.index("AWS secret access key") < text.index("credentials:2:") < text.index("credentials:1:")
    assert "on line 1 (it belongs to AWS account " in text
    assert "HIGH" not in text


def test_an_id_that_fails_alone_has_its_own_heading(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(ID_LINES[0] + SECRET_LINES[0])
    assert "2 secrets in 2 places, 1 fails the gate" in sealgate("scan", tmp_path, "--fail-on", "high").out


def test_an_id_that_stands_alone_elsewhere_has_its_own_heading(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(ID_LINES[0] + SECRET_LINES[0])
    (tmp_path / "notes").write_text(ID_LINES[0])
    assert "2 secrets in 3 places, 2 fail the gate" in sealgate("scan", tmp_path).out


def test_rules_of_ones_own_say_what_goes_together(tmp_path: Path) -> None:
    rule: dict[str, Any] = {
        "severity": "high", "confidence": "high", "help": "Revoke it in the settings of Acme.",
        "references": ["https://example.org"], "positive": [], "negative": [],
    }  # fmt: skip
    rules = [
        {"id": "acme-id", "name": "Acme id", "pattern": "(?P<secret>acmeid_[0-9a-z]{12})", **rule},
        {"id": "acme-secret", "name": "Acme secret", "pattern": "(?P<secret>acmesec_[0-9a-z]{12})", "with": ["acme-id"], **rule},
    ]
    (tmp_path / "acme.yaml").write_text(json.dumps({"rules": rules}))
    (tmp_path / "app").mkdir()
    (tmp_path / "app/a.txt").write_text("acmeid_" + "q7w2e9r4t6y1\n" + "acmesec_" + "k3j8h5g2f7d4\n")
    found = _scan(tmp_path / "app", "--rules", tmp_path / "acme.yaml")
    assert [(f["rule_id"], [r["rule_id"] for r in f["related"]]) for f in found.findings] == [
        ("acme-id", ["acme-secret"]),
        ("acme-secret", ["acme-id"]),
    ]
