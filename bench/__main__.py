# SPDX-License-Identifier: Apache-2.0
"""Compare Sealgate with other secret scanners: python -m bench TARGET.

TARGET is a git repository, a bundle file or a directory. Everything needed is installed below bench/.venv,
work files go below bench/work, and raw figures to bench/results/NAME.json. See docs/performance.md.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench.install import Installed, InstallError, install, sealgate_version
from bench.machine import describe_machine
from bench.results import RESULTS, Benchmark, Results, Series, write_results
from bench.rounds import Contender, Job, run_rounds
from bench.table import render
from bench.target import Target, TargetError, describe, describe_directory, make_directory, make_staged, prepare
from bench.tools import SEALGATE, TOOLS, Mode, Tool

_HERE: Final = Path(__file__).resolve().parent
_MODES: Final[tuple[Mode, ...]] = ("history", "staged", "directory")
_BINARY_NOTE: Final = "(binary) is the native program inside the package, started without the package's Python wrapper."


class Run:
    """One run of the command: what is installed, what could not be, and what came of it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._work: Path = options.work.resolve()
        self._work.mkdir(parents=True, exist_ok=True)
        self._missing: list[Series] = []
        self._installed: list[tuple[Tool, Installed]] = []

    def run(self) -> Results:
        """Install, scan, and return the figures. Raises `TargetError`."""
        options = self._options
        target = prepare(options.target, options.name, self._work)
        tools = self._install()
        results = Results(target.name, describe_machine(), tools, describe(target), options.runs)
        for mode in _wanted(options.mode, target):
            results.benchmarks += getattr(self, f"_{mode}")(target)
        return results

    def _install(self) -> dict[str, str]:
        versions = {}
        for tool in _chosen(self._options.tools):
            _say(f"installing {tool.requirement or 'this checkout'}")
            try:
                installed = install(tool, self._options.checkout)
            except (InstallError, OSError) as error:
                self._missing.append(Series(tool.name, error=f"not installed: {str(error)[:120]}"))
                continue
            self._installed.append((tool, installed))
            name, _, version = (tool.requirement or f"{tool.name}==").partition("==")
            versions[name] = version or sealgate_version(installed, self._options.checkout)
        return versions

    def _history(self, target: Target) -> Iterable[Benchmark]:
        if target.mirror is None:
            raise TargetError("a directory has no history")
        job = Job("history", target.mirror, self._work, self._work)
        yield self._benchmark("Whole history", "A mirror clone, JSON report in a file.", job, binaries=False)

    def _staged(self, target: Target) -> Iterable[Benchmark]:
        if target.mirror is None:
            raise TargetError("nothing is staged in a directory")
        clone = make_staged(target.mirror, self._work)
        change = f"Four clean lines added to one file. {_BINARY_NOTE}"
        warm, cold = (Job("staged", clone, clone, self._work, cold=cold) for cold in (False, True))
        yield self._benchmark("Staged change, warm caches", change, warm, binaries=True)
        note = f"{change} Every run has a new, empty home and cache folder, as in a CI job."
        yield self._benchmark("Staged change, empty caches", note, cold, binaries=True)

    def _directory(self, target: Target) -> Iterable[Benchmark]:
        folder = make_directory(target, self._work)
        facts = describe_directory(folder)
        job = Job("directory", folder, self._work, self._work)
        note = f"{facts['files']} files of together {facts['of together']}."
        yield self._benchmark("Directory", note, job, binaries=False)

    def _benchmark(self, title: str, note: str, job: Job, *, binaries: bool) -> Benchmark:
        contenders = []
        for tool, installed in self._installed:
            contenders.append(Contender(tool.name, tool, installed.script))
            if binaries and installed.binary:
                contenders.append(Contender(f"{tool.name} (binary)", tool, installed.binary))
        series = [*run_rounds(job, contenders, self._options.runs, _say), *self._missing]
        # What the others are compared with leads the table, even where it could not be installed.
        series.sort(key=lambda item: item.name != SEALGATE.name)
        return Benchmark(title, note, series)


def _wanted(mode: str, target: Target) -> Sequence[Mode]:
    if mode == "all":
        return _MODES if target.mirror else ("directory",)
    return [known for known in _MODES if known == mode]


def _chosen(names: str) -> list[Tool]:
    """Return the tools named, Sealgate always among them and first: it is what ratios refer to."""
    others = [TOOLS[name] for name in names.split(",") if name and TOOLS[name] is not SEALGATE]
    return [SEALGATE, *others]


def _tools(text: str) -> str:
    unknown = [name for name in text.split(",") if name not in TOOLS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown tool {unknown[0]!r} (known: {', '.join(TOOLS)})")
    return text


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number of 1 or more is needed")
    return int(text)


def _raw_path(output: Path | None, name: str) -> Path:
    return output.with_suffix(".json") if output else RESULTS / f"{name}.json"


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path, help="a repository, a bundle or a directory")
    parser.add_argument("--mode", choices=(*_MODES, "all"), default="all", help="what to scan (default: all that fit the target)")
    parser.add_argument("--runs", type=_rounds, default=5, help="timed runs of each tool (default: 5)")
    parser.add_argument("--tools", type=_tools, default=",".join(TOOLS), help=f"of {','.join(TOOLS)} (default: all)")
    parser.add_argument("--name", help="name of the target in the results (default: its file name)")
    parser.add_argument("--output", type=Path, help="write the tables here too, and the raw figures beside them as .json")
    parser.add_argument("--work", type=Path, default=_HERE / "work", help="work files (default: bench/work)")
    parser.add_argument("--checkout", type=Path, default=_HERE.parent, help="the Sealgate to install (default: this checkout)")
    return parser


def main() -> int:
    """Run the command line."""
    options = _parser().parse_args()
    try:
        results = Run(options).run()
    except TargetError as error:
        _say(str(error))
        return 2
    text = render(results)
    write_results(results, _raw_path(options.output, results.name))
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    print(text, end="")
    failed = [series for benchmark in results.benchmarks for series in benchmark.series if series.error]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
