# SPDX-License-Identifier: Apache-2.0
"""`sealgate explain`: why a finding is believed and what silences it, why a line is silent, where a secret could live."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, sealgate

RULES = "creation_rules:\n- path_regex: ^secrets/\n  pgp: " + "0123456789ABCDEF" * 2 + "01234567\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/app.ini").write_text(f'aws_access_key_id = {AWS_KEY_ID}\npassword = "changeme"\nx = 1\n')
    return tmp_path


def test_a_line_with_a_finding_has_reason_ways_to_silence_and_places_to_move_to(folder: Path) -> None:
    outcome = sealgate("explain", "conf/app.ini:1", cwd=folder)
    assert outcome.code == 0
    assert "conf/app.ini:1  aws-access-key-id  high high  AKIA" in outcome.out
    assert "why:     the format is unmistakable" in outcome.out
    assert "sealgate:allow rule=aws-access-key-id" in outcome.out
    assert f"bao kv put -mount=secret {folder.name}/app aws_access_key_id=-" in outcome.out
    assert f"--secret 'secret/{folder.name}/app#aws_access_key_id=AWS_ACCESS_KEY_ID'" in outcome.out
    assert AWS_KEY_ID not in outcome.out + outcome.err


def test_the_creation_rule_that_would_encrypt_is_named(folder: Path) -> None:
    assert "give .sops.yaml a rule" in sealgate("explain", "conf/app.ini:1", cwd=folder).out
    (folder / ".sops.yaml").write_text(RULES)
    assert "creation rule 1 of .sops.yaml (^secrets/)" in sealgate("explain", "conf/app.ini:1", cwd=folder).out


def test_a_silent_line_says_which_rule_was_near_and_why_not(folder: Path) -> None:
    outcome = sealgate("explain", "conf/app.ini:2", cwd=folder)
    assert "matches, and is not reported: it is a placeholder" in outcome.out
    outcome = sealgate("explain", "conf/app.ini:3", cwd=folder)
    assert (outcome.code, outcome.out) == (0, "conf/app.ini:3: no rule has anything to say of this line\n")


def test_a_finding_of_history_by_its_fingerprint(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.ini": f"aws_access_key_id = {AWS_KEY_ID}\n"})
    repo.commit(files={"a.ini": "gone\n"})
    (finding,) = sealgate("scan", "--report", "jsonl", cwd=repo.path).findings
    outcome = sealgate("explain", finding["fingerprint"][:10], cwd=repo.path)
    assert "a.ini:1  aws-access-key-id" in outcome.out
    assert "no finding of this repository" in sealgate("explain", "0" * 8, cwd=repo.path).out


def test_what_silences_a_finding_is_said(folder: Path) -> None:
    (folder / "conf/app.ini").write_text(f'aws_access_key_id = {AWS_KEY_ID} # sealgate:allow reason="a test"\n')
    assert "silent:  inline: a test" in sealgate("explain", "conf/app.ini:1", cwd=folder).out


@pytest.mark.parametrize("what", ["conf/app.ini:9", "conf/app.ini:0", "nowhere.ini:1", "abc"])
def test_what_cannot_be_explained_is_an_error(folder: Path, what: str) -> None:
    outcome = sealgate("explain", what, cwd=folder)
    assert (outcome.code, outcome.out) == (2, "")
