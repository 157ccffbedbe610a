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
    assert (outcome.code, outcome.out.startswith("conf/app.ini:3  none of ")) == (0, True)
    assert "no known format, and no value under a name that tells of a secret" in outcome.out


def test_a_rule_that_is_disabled_or_for_other_paths_says_so(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        "rules:\n- {id: mine-only, name: Mine, severity: low, confidence: low, pattern: 'z = (?P<secret>[0-9]+)', help: Do.,"
        " references: ['https://example.org/'], paths: ['*.toml'], positive: ['z = 1'], negative: ['y = 1']}\n"
    )
    (folder / "z.ini").write_text("z = 4815162342\n")
    outcome = sealgate("explain", "z.ini:1", "--rules", "mine.yaml", cwd=folder)
    assert "mine-only matches, and is not reported: it is for *.toml" in outcome.out
    (folder / "conf/.sealgate.yaml").write_text("disable: [aws-access-key-id]\n")
    outcome = sealgate("explain", "app.ini:1", cwd=folder / "conf")
    assert "app.ini:1  aws-access-key-id matches, and is not reported: the settings disable it" in outcome.out


def test_below_the_root_of_a_repository_its_settings_and_paths_hold(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    settings = "fail_on: proven\nallow:\n- {path: old/**, reason: known}\n"
    leak = f"aws_access_key_id = {AWS_KEY_ID}\n"
    repo.commit(files={".sealgate.yaml": settings, "deep/er/a.ini": leak, "old/a.ini": leak})
    outcome = sealgate("explain", "a.ini:1", cwd=repo.path / "deep/er")
    assert "deep/er/a.ini:1  aws-access-key-id" in outcome.out
    assert "gate:    does not fail: confidence high, --fail-on proven" in outcome.out
    assert "silent:  allowlist: known" in sealgate("explain", "../../old/a.ini:1", cwd=repo.path / "deep/er").out


def test_a_file_that_git_ignores_is_explained_and_called_so(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={".gitignore": "*.local\n", "b.ini": "x = 1\n"})
    repo.write("a.local", f"aws_access_key_id = {AWS_KEY_ID}\n")
    outcome = sealgate("explain", "a.local:1", cwd=repo.path)
    assert "aws-access-key-id  high" in outcome.out
    assert "git ignores a.local: scans of the repository leave it out" in outcome.out
    assert "git ignores" not in sealgate("explain", "b.ini:1", cwd=repo.path).out


def test_what_sops_must_have_encrypted_is_explained_too(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={".sops.yaml": RULES, "secrets/app.yaml": "password: correct-horse-battery\n"})
    outcome = sealgate("explain", "secrets/app.yaml:1", cwd=repo.path)
    assert "  sops-" in outcome.out
    assert "do:      " in outcome.out


def test_what_is_not_read_is_not_called_silent(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.ini": "x = 1\n" * 500})
    outcome = sealgate("explain", "a.ini:1", cwd=repo.path, env={"SEALGATE_MAX_BLOB": "1k"})
    assert outcome.code == 3
    assert "not looked at: a.ini (oversize" in outcome.out


def test_a_finding_of_history_by_its_fingerprint(git_repo: Callable[..., GitRepo]) -> None:
    repo = git_repo()
    repo.commit(files={"a.ini": f"aws_access_key_id = {AWS_KEY_ID}\n"})
    repo.commit(files={"a.ini": "gone\n"})
    (finding,) = sealgate("scan", "--report", "jsonl", cwd=repo.path).findings
    outcome = sealgate("explain", finding["fingerprint"][:10], cwd=repo.path)
    assert "a.ini:1  aws-access-key-id" in outcome.out
    assert "where:   commit " in outcome.out
    assert "gone from HEAD, still in the history" in outcome.out
    assert "gate:    fails: confidence high, --fail-on medium" in outcome.out
    assert "no finding of this repository" in sealgate("explain", "0" * 8, cwd=repo.path).out


def test_what_silences_a_finding_is_said(folder: Path) -> None:
    (folder / "conf/app.ini").write_text(f'aws_access_key_id = {AWS_KEY_ID} # sealgate:allow reason="a test"\n')
    assert "silent:  inline: a test" in sealgate("explain", "conf/app.ini:1", cwd=folder).out


@pytest.mark.parametrize("what", ["conf/app.ini:9", "conf/app.ini:0", "nowhere.ini:1", "abc"])
def test_what_cannot_be_explained_is_an_error(folder: Path, what: str) -> None:
    outcome = sealgate("explain", what, cwd=folder)
    assert (outcome.code, outcome.out) == (2, "")


def test_a_key_in_a_file_with_more_in_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text("of production:\n" + "0123456789abcdef"[::-1] * 2 + "\n")
    outcome = sealgate("explain", "master.key:2", cwd=tmp_path)
    assert "rails-master-key-file matches, and is not reported: it is for a file with nothing else in it" in outcome.out
