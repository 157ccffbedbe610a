# SPDX-License-Identifier: Apache-2.0
"""What the tests of integrations share: secrets made at run time, and programs run as a pipeline runs them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from gitrepo import GIT_SETTINGS

import scanner

ROOT = Path(scanner.__file__).parent.parent
# Joined here, so that neither this repository's own gate nor another's push protection sees a key.
KEY = "AKIA" + "QYLPMN5HFIQR7XYA"
OTHER_KEY = "AKIA" + "QYLPMN5HBVTWZ3KD"

# What a pipeline, a hook or the person at this machine may have set.
_AMBIENT = ("CI", "GIT", "PRE_COMMIT", "RUNNER_", "SEALGATE_", "INPUT_")


class Result(NamedTuple):
    """How a program ended, and all that it said."""

    code: int
    output: str


class Shell:
    """Runs programs in an environment in which nothing of the machine's or another test's matters."""

    def __init__(self, home: Path, cache: Path) -> None:
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(_AMBIENT)} | {
            **GIT_SETTINGS,
            "HOME": str(home),
            "PRE_COMMIT_HOME": str(home / "pre-commit"),
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(cache),
        }

    def run(
        self,
        command: Sequence[str | bytes | Path],
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Result:
        """Run a program to its end."""
        done = subprocess.run(
            command, cwd=cwd, env=self.environ | (env or {}), input=stdin, capture_output=True, check=False, timeout=300
        )
        return Result(done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace"))

    def sealgate(self, *arguments: str | bytes, cwd: Path, env: Mapping[str, str] | None = None, stdin: bytes = b"") -> Result:
        """Run Sealgate; what it says never holds a key."""
        result = self.run([sys.executable, "-m", "scanner", *arguments], cwd, env, stdin)
        assert KEY not in result.output
        return result


def executable(path: Path, text: str) -> None:
    """Write a program, such as a git hook."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.chmod(path, 0o755)


def skip_without_index(shell: Shell, tmp_path: Path) -> None:
    """Skip where pip cannot fetch what a build needs; any later failure is one of ours."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", tmp_path / "probe", "hatchling"]
    if shell.run(command, tmp_path).code:
        pytest.skip("pip cannot fetch hatchling here, so Sealgate cannot be installed")


def copy_tree(target: Path) -> None:
    """Copy what git tracks or would add here, changes that are not committed included."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if listing.returncode:
        pytest.skip("not run from a git checkout")
    for name in listing.stdout.decode().split("\0")[:-1]:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
