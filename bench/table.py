# SPDX-License-Identifier: Apache-2.0
"""Results as Markdown. What the tables leave out is in the JSON file beside them."""

from collections.abc import Mapping, Sequence
from typing import Final

from bench.results import Benchmark, Results, Sample, Series
from bench.stats import memory_ratio, ratio, spread

_COLUMNS: Final = (
    "Tool",
    "CPU s",
    "× Sealgate",
    "Wall s",
    "× Sealgate",
    "Largest process MB",
    "All processes MB",
    "× Sealgate",
    "Findings",
    "Exit code",
)
_MEGA: Final = 1e6


def render(results: Results, heading: str = "##") -> str:
    """Return the whole page: machine, tools, target, then a table a benchmark."""
    parts = [f"{heading} {results.name}", "", *_facts("Machine", results.machine), *_facts("Tools", results.tools)]
    parts += [*_facts("Target", results.target), f"- Rounds: {results.rounds}, after one that does not count"]
    for benchmark in results.benchmarks:
        parts += ["", f"{heading}# {benchmark.title}", "", benchmark.note, "", *_table(benchmark)]
    return "\n".join(parts) + "\n"


def _facts(title: str, facts: Mapping[str, str]) -> list[str]:
    return [f"- {title}: " + "; ".join(f"{name} {value}" for name, value in facts.items())]


def _table(benchmark: Benchmark) -> list[str]:
    base = benchmark.series[0]
    rows = [_row(series, base) for series in benchmark.series]
    rule = ["---", *["---:"] * (len(_COLUMNS) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (_COLUMNS, rule, *rows)]


def _row(series: Series, base: Series) -> Sequence[str]:
    if series.error is not None or not series.samples:
        return [series.name, f"failed: {series.error or 'no runs'}", *[""] * (len(_COLUMNS) - 2)]
    together = "" if series.together_bytes is None else f"{series.together_bytes / _MEGA:.0f}"
    return [
        series.name,
        seconds([sample.cpu_seconds for sample in series.samples]),
        times(ratio(series, base, _cpu)),
        seconds([sample.wall_seconds for sample in series.samples]),
        times(ratio(series, base, _wall)),
        f"{max(sample.largest_bytes for sample in series.samples) / _MEGA:.0f}",
        together,
        times(memory_ratio(series, base)),
        _distinct([sample.findings for sample in series.samples]),
        _distinct([sample.exit_code for sample in series.samples]),
    ]


def _cpu(sample: Sample) -> float:
    return sample.cpu_seconds


def _wall(sample: Sample) -> float:
    return sample.wall_seconds


def seconds(values: Sequence[float]) -> str:
    """Return median and range, with milliseconds where seconds would say nothing."""
    middle, low, high = spread(values)
    digits = 3 if middle < 1 else 2
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def times(value: float | None) -> str:
    """Return a ratio, empty where there is none."""
    return "" if value is None else f"{value:.2f}"


def _distinct(values: Sequence[int]) -> str:
    """Return the one value, or all that occurred: a count that changes from run to run must be seen."""
    return ", ".join(str(value) for value in sorted(set(values)))
