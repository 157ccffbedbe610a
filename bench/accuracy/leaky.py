# SPDX-License-Identifier: Apache-2.0
"""leaky-repo: a repository of typical leaked files, whose own list says which of them hold a secret."""

import csv
import subprocess
from collections.abc import Iterable
from pathlib import Path

from bench.accuracy.labels import Place


def check_out(repository: Path, folder: Path) -> Path:
    """Write the files of a repository's (or bundle's) HEAD below a folder that is not there yet."""
    subprocess.run(["git", "clone", "--quiet", str(repository), str(folder)], check=True)
    return folder


def listed(folder: Path) -> dict[str, int]:
    """Return the files with lines of risk, and how many such lines each has."""
    text = (folder / ".leaky-meta" / "secrets.csv").read_text(encoding="utf-8")
    rows = csv.reader(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {name: int(risk) for name, risk, _ in rows if int(risk)}


def summary(files: dict[str, int], places: Iterable[Place]) -> tuple[list[str], int]:
    """Return the listed files without a finding, and how many lines have one in those with it."""
    lines: dict[str, set[int]] = {}
    for place in places:
        lines.setdefault(place.path, set()).add(place.line)
    found = sum(min(len(lines.get(name, ())), risk) for name, risk in files.items())
    return [name for name in files if name not in lines], found
