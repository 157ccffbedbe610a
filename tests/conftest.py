# SPDX-License-Identifier: Apache-2.0
"""Fixtures that all tests share."""

import contextlib
import importlib.metadata
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from gitrepo import GitRepo

import scanner.git.kernel

# Tests see the checkout, in which nothing is compiled; the kernel is the installed package's.
with contextlib.suppress(importlib.metadata.PackageNotFoundError):
    scanner.git.kernel.__path__.append(str(importlib.metadata.distribution("sealgate").locate_file("scanner/git/kernel")))


@pytest.fixture
def git_repo(tmp_path: Path) -> Callable[..., GitRepo]:
    """Return a function that makes a repository: `git_repo(name, *init_options, source=...)`."""

    def make(name: str = "repo", *init: str, source: "str | Path | None" = None) -> GitRepo:
        return GitRepo(tmp_path / name, *init, source=source)

    return make


@pytest.fixture
def environ() -> dict[str, str]:
    """Return an environment as a caller would pass it in: nothing of git's in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SEALGATE_"))}
