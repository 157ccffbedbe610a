# SPDX-License-Identifier: Apache-2.0
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitlabci import installed
from lab import Lab, running_lab
from pipeline import ROOT, Shell, executable


@pytest.fixture
def shell(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Return a shell with a home of its own; compiled rules are shared by the tests of one process."""
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home, tmp_path_factory.getbasetemp() / "cache")


@pytest.fixture
def sealgate_program(tmp_path: Path) -> Path:
    """Return a folder for PATH with a `sealgate` in it that runs this checkout."""
    folder = tmp_path / "program"
    folder.mkdir()
    # Like the installed program it imports nothing from the folder that it is called in.
    script = f'#!/bin/sh\nPYTHONPATH="{ROOT}" PYTHONSAFEPATH=1 exec "{sys.executable}" -m scanner "$@"\n'
    executable(folder / "sealgate", script)
    return folder


@pytest.fixture(scope="session")
def gitlab_ci_local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return gitlab-ci-local's program, the same for all test processes; skips where it cannot be had."""
    base = tmp_path_factory.getbasetemp()
    return installed((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "gitlab-ci-local")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """OpenBao, an issuer, and PostgreSQL on demand (`lab.postgres`, which skips where it is not installed)."""
    yield from running_lab()
