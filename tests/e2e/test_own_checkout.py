# SPDX-License-Identifier: Apache-2.0
"""The gate runs on itself: this repository, its history and its working tree, without a baseline."""

import os
import subprocess
from pathlib import Path

import pytest
from planted import ROOT, clean_environ, sealgate


def _git(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = clean_environ() | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-c", "safe.directory=*", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of this checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is not a checkout")
    if _git("-C", str(ROOT), "rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        pytest.skip("this checkout is shallow: its history is not here to be scanned")
    done = _git("clone", "-q", "--no-local", str(ROOT), str(tmp_path / "clone"))
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "clone"


def test_the_working_tree_of_this_repository_is_clean_without_a_baseline(clone: Path) -> None:
    outcome = sealgate("scan", "--worktree", "--report", "jsonl", cwd=clone)
    assert [(f["path"], f["start_line"], f["rule_id"], f["confidence"]) for f in outcome.findings if f["fails_gate"]] == []
    assert (outcome.code, (clone / ".sealgate-baseline.jsonl").exists()) == (0, False)


def test_the_history_of_this_repository_is_clean_without_a_baseline(clone: Path) -> None:
    outcome = sealgate("scan", "--report", "jsonl", cwd=clone)
    open_ = [(f["path"], f["start_line"], f["rule_id"], f["first_commit"][:10]) for f in outcome.findings if f["fails_gate"]]
    assert (outcome.code, open_) == (0, [])
    assert outcome.summary["complete"]
