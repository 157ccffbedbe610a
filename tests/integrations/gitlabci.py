# SPDX-License-Identifier: Apache-2.0
"""Pipelines of GitLab's, run by gitlab-ci-local (npm) in its shell executor, in repositories made by tests."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from gitrepo import GitRepo
from pipeline import KEY, Result, Shell, executable

_TOOL = "gitlab-ci-local@4.70.0"
_NPM_SECONDS = 300


def installed(folder: Path) -> Path:
    """Return gitlab-ci-local's program: the one on PATH, else one that npm installs into the folder for all processes."""
    found = shutil.which("gitlab-ci-local")
    if found:
        return Path(found)
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("gitlab-ci-local is not on PATH, and without npm cannot be had")
    folder.mkdir(exist_ok=True)
    program = folder / "node_modules/.bin/gitlab-ci-local"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            (folder / "package.json").write_text("{}")
            command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", _TOOL]
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=_NPM_SECONDS)
            except subprocess.TimeoutExpired:
                pytest.skip(f"npm does not get {_TOOL} within {_NPM_SECONDS} s")
            if done.returncode:
                pytest.skip(f"npm cannot install {_TOOL} here")
    return program


class Runner:
    """Runs the pipeline of a repository; jobs find this checkout's `sealgate` on PATH."""

    def __init__(self, repo: GitRepo, shell: Shell, tool: Path, program: Path) -> None:
        self.repo = repo
        self._shell = shell
        self._tool = tool
        self.program = program
        # It asks for them, and says so where there are none.
        repo.git("config", "user.name", "Ada")
        repo.git("config", "user.email", "ada@example.org")
        repo.git("remote", "add", "origin", "git@gitlab.example.org:group/project.git")
        if shutil.which("rsync") is None:
            # It copies the project for jobs in containers; the shell executor runs in the project itself.
            executable(program / "rsync", '#!/bin/sh\nfor last; do :; done\nmkdir -p "$last"\n')

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment that jobs start from."""
        return {**self._shell.environ, "PATH": f"{self.program}{os.pathsep}{os.environ['PATH']}"}

    def run(self, *arguments: str, **variables: str) -> Result:
        """Run the pipeline, or the jobs named."""
        words = [word for name, value in variables.items() for word in ("--variable", f"{name}={value}")]
        command = [self._tool, "--force-shell-executor", "--no-color", *words, *arguments]
        result = self._shell.run(command, self.repo.path, {"PATH": self.environ["PATH"]})
        assert KEY not in result.output
        return result

    def preview(self) -> dict[str, Any]:
        """Return the pipeline as GitLab would have it: inputs filled in, includes and `extends` merged."""
        text = self.run("--preview").output.partition("---\n")[2]
        document: dict[str, Any] = yaml.safe_load(text.partition("\nparsing and downloads")[0])
        return document

    def is_on_default_branch(self) -> None:
        """Let the clone know that what HEAD is at now is the default branch, main."""
        self.repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
        self.repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
