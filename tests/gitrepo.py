# SPDX-License-Identifier: Apache-2.0
"""Repositories for tests, made by git itself, alike on every machine."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_EPOCH = 1_700_000_000


class GitRepo:
    """A repository in a temporary directory; every commit is a minute after the one before."""

    def __init__(self, path: Path, *init: str, source: "str | Path | None" = None) -> None:
        self.path = path
        self._minutes = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        if source is not None:
            self._run("clone", "-q", *init, str(source), str(path), cwd=path.parent)
        elif not path.exists():
            self._run("init", "-q", "-b", "main", *init, str(path), cwd=path.parent)

    def git(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> str:
        """Run git in the repository and return its output."""
        return self._run(*arguments, cwd=self.path, stdin=stdin, env=env, check=check)

    def write(self, path: str | bytes, data: str | bytes = b"") -> Path:
        """Write a file into the working tree, with its directories."""
        full = Path(os.fsdecode(os.path.join(os.fsencode(self.path), os.fsencode(path))))
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_bytes(data.encode() if isinstance(data, str) else data)
        return full

    def commit(self, message: str = "change", *options: str, files: Mapping[str, str | bytes] | None = None) -> str:
        """Write the files, add everything, commit it even if nothing changed, and return the commit's id."""
        for path, data in (files or {}).items():
            self.write(path, data)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *options)
        return self.id("HEAD")

    def id(self, revision: str) -> str:
        """Return the id of the object that a revision names."""
        return self.git("rev-parse", "--verify", revision).strip()

    def loose(self, object_id: str) -> Path:
        """Return the file of a loose object."""
        git_dir = Path(self.git("rev-parse", "--absolute-git-dir").strip())
        return git_dir / "objects" / object_id[:2] / object_id[2:]

    def _run(
        self,
        *arguments: str,
        cwd: Path,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> str:
        self._minutes += 1
        date = f"{_EPOCH + 60 * self._minutes} +0100"
        environ = scrubbed_environ()
        environ |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, **(env or {})}
        result = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=cwd,
            env=environ,
            input=stdin or b"",
            capture_output=True,
            check=False,
        )
        if check and result.returncode:
            raise AssertionError(f"git {' '.join(arguments)}: {result.stderr.decode(errors='replace')}")
        return result.stdout.decode("utf-8", "surrogateescape")


GIT_SETTINGS = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Charles",
    "GIT_COMMITTER_EMAIL": "charles@example.org",
    "LC_ALL": "C",
}


def scrubbed_environ() -> dict[str, str]:
    """Return this process's environment without what would make git behave in its own way."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SEALGATE_"))}
    return environ | GIT_SETTINGS
