# SPDX-License-Identifier: Apache-2.0
"""One run of the benchmark: what is installed, the job of each mode, and who takes part in it."""

import argparse
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar, Final

from bench.install import Installed, InstallError, install, known_options, sealgate_version
from bench.machine import describe_machine
from bench.results import CACHE, HISTORY, Benchmark, Cut, Results, Series
from bench.rounds import Contender, Job, Say, run_rounds
from bench.target import (
    Target,
    TargetError,
    count,
    describe,
    describe_directory,
    make_cut,
    make_directory,
    make_empty,
    make_staged,
    prepare,
)
from bench.tools import FLOORS, SEALGATE, TOOLS, Mode, Tool

_PERCENTS: Final = (25, 50, 75, 100)
_BINARY_NOTE: Final = "(binary) is the native program inside the package, started without the package's Python wrapper."


class Run:
    """One run of the command: what is installed, what could not be, and what came of it."""

    def __init__(self, options: argparse.Namespace, say: Say) -> None:
        self._options = options
        self._say = say
        self._work: Path = options.work.resolve()
        self._work.mkdir(parents=True, exist_ok=True)
        self._tools = _chosen(options.tools)
        self._installed: dict[str, Installed] = {}
        self._missing: dict[str, Series] = {}
        self._known: frozenset[str] = frozenset()

    def run(self) -> Iterator[Results]:
        """Install, scan, and yield the figures so far after every mode. Raises `TargetError`."""
        target = prepare(self._options.target, self._options.name, self._work)
        results = Results(target.name, describe_machine(), self._install(), describe(target), self._options.runs)
        for mode in self._wanted(target):
            self.MODES[mode](self, target, results)
            yield results

    def _install(self) -> dict[str, str]:
        versions = {}
        for tool in (*self._tools, *FLOORS):
            try:
                if tool.package not in self._installed:
                    self._say(f"installing {tool.requirement or 'this checkout'}")
                    self._installed[tool.package] = install(tool, self._options.checkout)
            except (InstallError, OSError) as error:
                self._missing[tool.name] = Series(tool.name, error=f"not installed: {str(error)[:120]}")
                continue
            name, _, version = (tool.requirement or f"{SEALGATE.name}==").partition("==")
            versions[name] = version or sealgate_version(self._installed[tool.package], self._options.checkout)
        if SEALGATE.package in self._installed:
            self._known = known_options(self._installed[SEALGATE.package].script)
        return versions

    def _wanted(self, target: Target) -> Sequence[str]:
        """Return the modes asked for; `all` are those that fit the target and the Sealgate that was installed."""
        asked = self._options.mode.split(",")
        if "cache" in asked and "--cache" not in self._known:
            raise TargetError("this Sealgate has no --cache")
        if "all" not in asked:
            return [mode for mode in MODES if mode in asked]
        if target.mirror is None:
            return ["directory"]
        return [mode for mode in MODES if mode != "growth" and (mode != "cache" or "--cache" in self._known)]

    def _history(self, target: Target, results: Results) -> None:
        """Compare all tools on a mirror clone, beside the floors and a run that has nothing to scan."""
        job = self._job("history", _mirror(target))
        tools, floors = self._contenders("history", self._tools), self._contenders("history", FLOORS)
        empty = make_empty(self._work / "empty.git")
        starts = [replace(item, name="a scan of an empty repository", target=empty) for item in tools if item.tool is SEALGATE]
        measured = iter(self._rounds(job, [*tools, *floors, *starts]))
        benchmark = Benchmark(HISTORY, f"A mirror clone, JSON report in a file.{self._jobs_note()}", [])
        benchmark.series = _sealgate_first([*islice(measured, len(tools)), *self._not_installed(self._tools)])
        benchmark.floors = [*islice(measured, len(floors)), *self._not_installed(FLOORS)]
        benchmark.start = next(measured, None)
        results.benchmarks.append(benchmark)

    def _staged(self, target: Target, results: Results) -> None:
        """Compare all tools, and the programs inside their packages, on a small change."""
        clone = make_staged(_mirror(target), self._work)
        note = f"Four clean lines added to one file. {_BINARY_NOTE}"
        cold_note = f"{note} Every run has a new, empty home and cache folder, as in a CI job."
        job = replace(self._job("staged", clone), folder=clone)
        contenders = self._contenders("staged", self._tools, binaries=True)
        self._compare(results, Benchmark("Staged change, warm caches", note, []), job, contenders)
        self._compare(results, Benchmark("Staged change, empty caches", cold_note, []), replace(job, cold=True), contenders)

    def _directory(self, target: Target, results: Results) -> None:
        """Compare all tools on plain files."""
        folder = make_directory(target, self._work)
        facts = describe_directory(folder)
        note = f"{facts['files']} files of together {facts['of together']}."
        contenders = self._contenders("directory", self._tools)
        self._compare(results, Benchmark("Directory", note, []), self._job("directory", folder), contenders)

    def _cache(self, target: Target, results: Results) -> None:
        """Compare a scan that fills a verdict cache with one that finds everything in it, and one without a cache."""
        full, fresh = self._work / "cache" / "full", self._work / "cache" / "fresh"
        shutil.rmtree(full, ignore_errors=True)
        full.mkdir(parents=True)
        plain = self._contender("history", SEALGATE)
        contenders = [
            replace(plain, name="First run, empty cache", options=(*plain.options, "--cache", str(fresh)), emptied=fresh),
            # The round that does not count fills its cache.
            replace(plain, name="Second run, nothing new", options=(*plain.options, "--cache", str(full))),
            replace(plain, name="Without a cache"),
        ]
        note = f"Sealgate's whole history scan with `--cache`.{self._jobs_note()}"
        series = self._rounds(self._job("history", _mirror(target)), contenders)
        results.benchmarks.append(Benchmark(CACHE, note, series, base="first run"))

    def _growth(self, target: Target, results: Results) -> None:
        """Let Sealgate scan the repository as it was after a part of its history."""
        mirror = _mirror(target)
        cuts = {percent: make_cut(mirror, percent, self._work) for percent in _PERCENTS}
        scan, floor = self._contender("history", SEALGATE), self._contender("history", FLOORS[0])
        contenders = [
            replace(item, name=f"{item.name}, {percent}%", target=cut) for percent, cut in cuts.items() for item in (scan, floor)
        ]
        measured = iter(self._rounds(self._job("history", mirror), contenders))
        for percent, cut in cuts.items():
            results.growth.append(Cut(percent, *count(cut), scan=next(measured), floor=next(measured)))

    def _compare(self, results: Results, benchmark: Benchmark, job: Job, contenders: Sequence[Contender]) -> None:
        benchmark.series = _sealgate_first([*self._rounds(job, contenders), *self._not_installed(self._tools)])
        results.benchmarks.append(benchmark)

    def _rounds(self, job: Job, contenders: Sequence[Contender]) -> list[Series]:
        return run_rounds(job, contenders, self._options.runs, self._say)

    def _job(self, mode: Mode, target: Path) -> Job:
        return Job(mode, target, self._work, self._work)

    def _contender(self, mode: Mode, tool: Tool) -> Contender:
        for contender in self._contenders(mode, [tool]):
            return contender
        raise TargetError(f"{tool.name}: {self._missing[tool.name].error}")

    def _contenders(self, mode: Mode, tools: Sequence[Tool], *, binaries: bool = False) -> list[Contender]:
        """Return the programs to start: of those tools that were installed and do this."""
        found = []
        for tool in tools:
            installed = self._installed.get(tool.package)
            if installed is None or mode not in tool.commands:
                continue
            jobs = self._jobs() if tool.package == SEALGATE.package and mode == "history" else ()
            found.append(Contender(tool.name, tool, installed.script, jobs))
            if binaries and installed.binary:
                found.append(Contender(f"{tool.name} (binary)", tool, installed.binary))
        return found

    def _not_installed(self, tools: Sequence[Tool]) -> list[Series]:
        return [self._missing[tool.name] for tool in tools if tool.name in self._missing]

    def _jobs(self) -> tuple[str, ...]:
        """Return Sealgate's option for the number of workers; nothing for a version that has no workers."""
        return ("--jobs", str(self._options.jobs)) if "--jobs" in self._known else ()

    def _jobs_note(self) -> str:
        return f" Sealgate with `--jobs {self._options.jobs}`; the others use all cores by themselves." if self._jobs() else ""

    # In the order in which they are measured.
    MODES: ClassVar[Mapping[str, Callable[["Run", Target, Results], None]]] = {
        "history": _history,
        "staged": _staged,
        "directory": _directory,
        "cache": _cache,
        "growth": _growth,
    }


MODES: Final = tuple(Run.MODES)


def _mirror(target: Target) -> Path:
    if target.mirror is None:
        raise TargetError("a directory has no history")
    return target.mirror


def _sealgate_first(series: list[Series]) -> list[Series]:
    """Return what the others are compared with as the first, even where it could not be installed."""
    return sorted(series, key=lambda item: item.name != SEALGATE.name)


def _chosen(names: str) -> list[Tool]:
    """Return the tools named, Sealgate always among them and first: it is what ratios refer to."""
    others = [TOOLS[name] for name in names.split(",") if name and TOOLS[name] is not SEALGATE]
    return [SEALGATE, *others]
