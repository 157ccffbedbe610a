# SPDX-License-Identifier: Apache-2.0
"""Findings as places: one scanner run over a folder, and where its report says that something stands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.accuracy.labels import Place
from bench.install import VENVS, InstallError, install
from bench.tools import TOOLS, Tool

Report = Callable[[bytes], Iterator[tuple[str, int, str, str]]]


class ScanError(Exception):
    """A scanner that could not be installed, failed, or wrote a report that cannot be read."""


def scan_with_sealgate(folder: Path, report: Path) -> list[Place]:
    """Run this checkout's Sealgate over a folder."""
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "scanner", "scan", "--worktree", "--quiet", "--report", f"jsonl={report}", str(folder)]
    checkout = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(command, cwd=report.parent, env={**os.environ, "PYTHONPATH": checkout}, check=False)
    if done.returncode not in (0, 1, 3):
        raise ScanError(f"exit code {done.returncode}")
    return _places(_sealgate(report.read_bytes()), folder)


def scan_with(name: str, folder: Path, work: Path) -> list[Place]:
    """Install one of the other scanners and run it over a folder, with its own defaults. Raises `ScanError`."""
    tool: Tool = TOOLS[name]
    report = work / "reports" / tool.report
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    try:
        script = install(tool, Path(), VENVS).script
    except (InstallError, OSError) as error:
        raise ScanError(f"not installed: {error}") from None
    done = subprocess.run([str(script), *tool.arguments("directory", str(report), str(folder))], capture_output=True, check=False)
    if done.returncode not in tool.codes:
        raise ScanError(f"exit code {done.returncode}")
    try:
        return _places(_READERS[name](report.read_bytes()), folder)
    except (OSError, ValueError, KeyError) as error:
        raise ScanError(f"no report that can be read: {type(error).__name__}") from None


def _places(found: Iterator[tuple[str, int, str, str]], folder: Path) -> list[Place]:
    return [Place(os.path.relpath(folder / path, folder), line, confidence, rule) for path, line, confidence, rule in found]


def _sealgate(report: bytes) -> Iterator[tuple[str, int, str, str]]:
    for item in _lines(report):
        if "rule_id" in item:
            yield item["path"], item["start_line"], item["confidence"], item["rule_id"]


def _gitleaks(report: bytes) -> Iterator[tuple[str, int, str, str]]:
    for item in json.loads(report):
        yield item["File"], item["StartLine"], "high", item["RuleID"]


def _betterleaks(report: bytes) -> Iterator[tuple[str, int, str, str]]:
    for item in json.loads(report)["findings"]:
        where = item["location"]
        yield item.get("attributes", {}).get("path") or where["path"], where["start_line"], "high", item["rule_id"]


def _kingfisher(report: bytes) -> Iterator[tuple[str, int, str, str]]:
    for item in _lines(report):
        if "finding" in item:
            yield item["finding"]["path"], item["finding"]["line"], "high", item["rule"]["id"]


def _lines(report: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in report.splitlines() if line.strip())


_READERS: Final[Mapping[str, Report]] = {
    "gitleaks": _gitleaks,
    "betterleaks": _betterleaks,
    "kingfisher": _kingfisher,
}
OTHERS: Final = tuple(_READERS)
