# SPDX-License-Identifier: Apache-2.0
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pipeline import ROOT, Shell, executable

if TYPE_CHECKING:
    from lab import Lab


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
def lab() -> "Iterator[Lab]":
    """OpenBao, an issuer, and PostgreSQL on demand (`lab.postgres`, which skips where it is not installed)."""
    from lab import running_lab

    yield from running_lab()
