# SPDX-License-Identifier: Apache-2.0
"""The order of runs: all contenders in turn, round after round, so that the machine's moods hit all alike."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure import Command, Usage, run, run_sampled
from bench.results import Sample, Series
from bench.tools import Mode, ReportError, Tool

Say = Callable[[str], None]
_ERROR_LENGTH: Final = 120


@dataclass(frozen=True, slots=True)
class Contender:
    """A program to measure: a tool's console script or its native binary.

    `options` come behind the tool's own, `target` is scanned instead of the job's. The folder `emptied` is made anew
    before every run.
    """

    name: str
    tool: Tool
    program: Path
    options: tuple[str, ...] = ()
    target: Path | None = None
    emptied: Path | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What every contender has to do. With `cold`, each run starts with an empty home and cache folder."""

    mode: Mode
    target: Path
    folder: Path
    work: Path
    cold: bool = False


class RunError(Exception):
    """A run that did not do its job."""


def rotated(items: Sequence[Contender], by: int) -> list[Contender]:
    """Return the items, begun at another one each round: nobody always runs after the same neighbour."""
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def run_rounds(job: Job, contenders: Sequence[Contender], rounds: int, say: Say) -> list[Series]:
    """Run a round that does not count, the timed rounds, and a round for memory."""
    series = {contender.name: Series(contender.name) for contender in contenders}
    for number in range(rounds + 2):
        kind = "warm-up" if number == 0 else "memory" if number > rounds else f"round {number} of {rounds}"
        for contender in rotated(contenders, number):
            record = series[contender.name]
            if record.error is None:
                say(f"{job.mode}{' (cold)' if job.cold else ''}, {kind}: {contender.name}")
                _attempt(job, contender, record, kind)
    return list(series.values())


def _attempt(job: Job, contender: Contender, record: Series, kind: str) -> None:
    try:
        if kind == "memory":
            _, record.together_bytes = _once(job, contender, sampled=True)
        else:
            sample, _ = _once(job, contender, sampled=False)
            if kind != "warm-up":
                record.samples.append(sample)
    except (RunError, ReportError, OSError) as error:
        record.error = f"{kind}: {error}"


def _once(job: Job, contender: Contender, *, sampled: bool) -> tuple[Sample, int]:
    home = job.work / "home" / ("empty" if job.cold else contender.tool.package)
    if job.cold:
        shutil.rmtree(home, ignore_errors=True)
    if contender.emptied:
        shutil.rmtree(contender.emptied, ignore_errors=True)
        contender.emptied.mkdir(parents=True)
    home.mkdir(parents=True, exist_ok=True)
    report = job.work / "reports" / contender.tool.report
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    arguments = [*contender.tool.arguments(job.mode, str(report), str(contender.target or job.target)), *contender.options]
    command = Command([str(contender.program), *arguments], environment(home), job.folder, job.work / "errors.txt")
    usage, together = run_sampled(command) if sampled else (run(command), 0)
    return _sample(contender.tool, usage, report, command.errors), together


def _sample(tool: Tool, usage: Usage, report: Path, errors: Path) -> Sample:
    if usage.exit_code not in tool.codes:
        raise RunError(f"exit code {usage.exit_code}: {_last_line(errors)}")
    if not report.exists():
        raise RunError(f"exit code {usage.exit_code} and no report: {_last_line(errors)}")
    written = report.read_bytes()
    cpu, wall = tool.clock(written) if tool.clock else (usage.cpu_seconds, usage.wall_seconds)
    return Sample(cpu, wall, usage.largest_bytes, usage.exit_code, tool.count(written))


def _last_line(errors: Path) -> str:
    """Return what a tool complained about at the end, without the names of this machine's folders."""
    lines = [line for line in errors.read_text(errors="replace").splitlines() if line.strip()] or ["no message"]
    return lines[-1].replace(str(errors.parent), "...").replace("|", "/")[:_ERROR_LENGTH]


def environment(home: Path) -> dict[str, str]:
    """Return a closed environment: the user's settings of git or of a scanner must not make a difference.

    The identity is for kingfisher, which writes a commit to find out what is staged.
    """
    who = {f"GIT_{role}_{what}": f"bench{at}" for role in ("AUTHOR", "COMMITTER") for what, at in _IDENTITY}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        **who,
    }


_IDENTITY: Final = (("NAME", ""), ("EMAIL", "@example.org"))
