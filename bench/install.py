# SPDX-License-Identifier: Apache-2.0
"""Every tool in a virtual environment of its own.

One each, because the package of betterleaks brings a `gitleaks` script too, which would take the place
of the real one. Sealgate is installed from the checkout as a user would, so that what is measured is
its console script and not a development set-up.
"""

import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from bench.tools import Tool

VENVS: Final = Path(__file__).parent / ".venv"


class InstallError(Exception):
    """A package that could not be installed, in one line."""


class Installed:
    """A tool in its environment."""

    def __init__(self, folder: Path, tool: Tool) -> None:
        self._folder = folder
        self._tool = tool

    @property
    def script(self) -> Path:
        """The console script that pip made."""
        return self._folder / "bin" / self._tool.script

    @property
    def binary(self) -> Path | None:
        """The native program inside the package, None where there is none."""
        if self._tool.binary is None:
            return None
        return self.find(self._tool.binary)

    def find(self, pattern: str) -> Path | None:
        """Return a file that was installed."""
        return next(self._folder.glob(f"lib/python*/site-packages/{pattern}"), None)


def install(tool: Tool, checkout: Path, venvs: Path = VENVS) -> Installed:
    """Install the tool, unless the pinned version is there already. Raises `InstallError`."""
    folder = venvs / tool.package
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True, clear=True)
    marker = folder / "installed.txt"
    wanted = tool.requirement
    if wanted is None or not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
        _pip_install(folder, wanted or str(checkout))
        marker.write_text(wanted or "checkout", encoding="utf-8")
    installed = Installed(folder, tool)
    if not installed.script.exists():
        raise InstallError(f"{tool.requirement or 'the checkout'} brought no script {tool.script}")
    return installed


def _pip_install(folder: Path, what: str) -> None:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "rror" in line] or lines or ["pip failed"]
        raise InstallError(errors[-1].strip())


def sealgate_version(installed: Installed, checkout: Path) -> str:
    """Return the version, whether it has its kernel, the commit, and whether the checkout held changes on top of it."""
    version = _output(str(installed.script), "--version").removeprefix("sealgate ")
    version += "" if installed.find("scanner/git/**/*.so") else " without its kernel"
    commit = _output("git", "-C", str(checkout), "rev-parse", "--short=10", "HEAD")
    changed = _output("git", "-C", str(checkout), "status", "--porcelain", "--untracked-files=no", "--", "scanner", "rules")
    return f"{version}, commit {commit}" + (" with changes" if changed else "") if commit else version


def known_options(script: Path) -> frozenset[str]:
    """Return the long options of `sealgate scan`: versions under comparison need not all know the same ones."""
    return frozenset(re.findall(r"--[a-z][a-z-]*", _output(str(script), "scan", "--help")))


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def python_version() -> str:
    """Return the version of the interpreter that the environments are made with."""
    return sys.version.split()[0]
