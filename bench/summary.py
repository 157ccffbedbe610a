# SPDX-License-Identifier: Apache-2.0
"""All repositories at a glance: Sealgate's history scan against the best other of each kind, and against the floor."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from bench.results import HISTORY, Benchmark, Results, Series
from bench.stats import cpu, memory_ratio, ratio, wall
from bench.table import markdown, seconds, times
from bench.tools import SEALGATE

_COLUMNS: Final = ("Repository", "Commits", "Packed", "CPU s", "CPU", "Wall", "Memory", "CPU ÷ floor", "less start")


def summarize(results: Sequence[Results]) -> Iterator[str]:
    """Yield a table with a row for every repository whose history was scanned."""
    rows = [
        _row(result, benchmark)
        for result in results
        for benchmark in result.benchmarks
        if benchmark.title == HISTORY and benchmark.series[0].samples
    ]
    return markdown(_COLUMNS, rows)


def _row(result: Results, benchmark: Benchmark) -> Sequence[str]:
    sealgate, *rest = benchmark.series
    others = [series for series in rest if not series.name.startswith(SEALGATE.name) and series.error is None]
    floor = next((series for series in benchmark.floors if series.samples), Series("none"))
    start = benchmark.start
    return [
        result.name,
        result.target["commits"],
        result.target["packed"],
        seconds([sample.cpu_seconds for sample in sealgate.samples]),
        _best(others, lambda other: ratio(other, sealgate, cpu)),
        _best(others, lambda other: ratio(other, sealgate, wall)),
        _best(others, lambda other: memory_ratio(other, sealgate)),
        times(ratio(sealgate, floor, cpu)),
        times(ratio(sealgate, floor, cpu, less=start)) if start else "",
    ]


def _best(others: Sequence[Series], measure: Callable[[Series], float | None]) -> str:
    """Return the lowest ratio of all others, and whose it is."""
    found = [(value, other.name) for other in others if (value := measure(other)) is not None]
    return "{:.2f} {}".format(*min(found)) if found else ""
