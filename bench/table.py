# SPDX-License-Identifier: Apache-2.0
"""Results as Markdown. What the tables leave out is in the JSON file beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bench.results import Benchmark, Cut, Results, Series
from bench.stats import cpu, memory_ratio, ratio, spread, wall

_MEGA: Final = 1e6


def render(results: Results, heading: str = "##") -> str:
    """Return the whole page: machine, tools, target, then a table a benchmark."""
    parts = [f"{heading} {results.name}", "", *_facts("Machine", results.machine), *_facts("Tools", results.tools)]
    parts += [*_facts("Target", results.target), f"- Rounds: {results.rounds}, after one that does not count"]
    for benchmark in results.benchmarks:
        parts += ["", f"{heading}# {benchmark.title}", "", benchmark.note, "", *_table(benchmark)]
        if benchmark.floors:
            parts += ["", _FLOOR_NOTE, "", *_floors(benchmark)]
    if results.growth:
        parts += ["", f"{heading}# Growth", "", _GROWTH_NOTE, "", *_growth(results.growth)]
    return "\n".join(parts) + "\n"


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table: the first column is text, the others are figures."""
    for row in (columns, ["---", *["---:"] * (len(columns) - 1)], *rows):
        yield "| " + " | ".join(row) + " |"


def _facts(title: str, facts: Mapping[str, str]) -> list[str]:
    return [f"- {title}: " + "; ".join(f"{name} {value}" for name, value in facts.items())]


def _table(benchmark: Benchmark) -> Iterator[str]:
    versus = f"× {benchmark.base}"
    columns = [
        "Tool",
        "CPU s",
        versus,
        "Wall s",
        versus,
        "Largest process MB",
        "All processes MB",
        versus,
        "Findings",
        "Exit code",
    ]
    base = benchmark.series[0]
    return markdown(columns, [_row(series, base, len(columns)) for series in benchmark.series])


def _row(series: Series, base: Series, width: int) -> Sequence[str]:
    if failed := _failed(series, width):
        return failed
    return [
        series.name,
        seconds([sample.cpu_seconds for sample in series.samples]),
        times(ratio(series, base, cpu)),
        seconds([sample.wall_seconds for sample in series.samples]),
        times(ratio(series, base, wall)),
        f"{max(sample.largest_bytes for sample in series.samples) / _MEGA:.0f}",
        _megabytes(series.together_bytes),
        times(memory_ratio(series, base)),
        _distinct([sample.findings for sample in series.samples]),
        _distinct([sample.exit_code for sample in series.samples]),
    ]


_FLOOR_NOTE: Final = "What has to be done anyway, measured in the same rounds:"


def _floors(benchmark: Benchmark) -> Iterator[str]:
    """Set Sealgate beside each floor, as a whole and less what a run takes that scans nothing."""
    columns = ["Floor", "CPU s", "Sealgate takes", "less its start", "Wall s"]
    sealgate, start = benchmark.series[0], benchmark.start
    rows = [_floor_row(series, sealgate, start, len(columns)) for series in benchmark.floors]
    if start:
        rows.append(_floor_row(start, sealgate, None, len(columns)))
    return markdown(columns, rows)


def _floor_row(floor: Series, sealgate: Series, start: Series | None, width: int) -> Sequence[str]:
    if failed := _failed(floor, width):
        return failed
    return [
        floor.name,
        seconds([sample.cpu_seconds for sample in floor.samples]),
        _fold(ratio(sealgate, floor, cpu)),
        _fold(ratio(sealgate, floor, cpu, less=start)) if start else "",
        seconds([sample.wall_seconds for sample in floor.samples]),
    ]


_GROWTH_NOTE: Final = (
    "Sealgate on the repository as it was after a part of its commits. If time grows with packed bytes alone, the "
    "seconds for each of them stay the same."
)


def _growth(cuts: Sequence[Cut]) -> Iterator[str]:
    columns = [
        "History",
        "Commits",
        "Blobs",
        "of together MB",
        "Packed MB",
        "CPU s",
        "CPU ms / packed MB",
        "CPU ÷ floor",
        "Wall s",
        "All processes MB",
    ]
    return markdown(columns, [_cut_row(cut, len(columns)) for cut in cuts])


def _cut_row(cut: Cut, width: int) -> Sequence[str]:
    if failed := _failed(cut.scan, width):
        return failed
    used = [sample.cpu_seconds for sample in cut.scan.samples]
    return [
        f"{cut.percent}%",
        f"{cut.commits:,}",
        f"{cut.blobs:,}",
        f"{cut.blob_bytes / _MEGA:.1f}",
        f"{cut.packed_bytes / _MEGA:.1f}",
        seconds(used),
        f"{spread(used).median * 1000 / (cut.packed_bytes / _MEGA):.1f}" if cut.packed_bytes else "",
        times(ratio(cut.scan, cut.floor, cpu)),
        seconds([sample.wall_seconds for sample in cut.scan.samples]),
        _megabytes(cut.scan.together_bytes),
    ]


def _failed(series: Series, width: int) -> Sequence[str]:
    """Return the row of one that has no figures, nothing for the others."""
    if series.error is None and series.samples:
        return ()
    return [series.name, f"failed: {series.error or 'no runs'}", *[""] * (width - 2)]


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / _MEGA:.0f}"


def _fold(value: float | None) -> str:
    return times(value) and f"{times(value)} times"


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
