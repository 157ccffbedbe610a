# SPDX-License-Identifier: Apache-2.0
"""What a run of the benchmark leaves behind: the raw figures, as they stand in the JSON file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).resolve().parent / "results"
HISTORY: Final = "Whole history"
CACHE: Final = "Verdict cache"


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run of one contender; `largest_bytes` is the peak of its largest process.

    A floor's `findings` are the entries that it inflated.
    """

    cpu_seconds: float
    wall_seconds: float
    largest_bytes: int
    exit_code: int
    findings: int


@dataclass(slots=True)
class Series:
    """All runs of one contender, one a round; `together_bytes` is the peak of all its processes at one time.

    `error` says why it dropped out: a tool that fails stays in the table with its reason.
    """

    name: str
    samples: list[Sample] = field(default_factory=list)
    together_bytes: int | None = None
    error: str | None = None


@dataclass(slots=True)
class Benchmark:
    """One table: the contenders on one job. The first of them, in short `base`, is what the others are compared with.

    `floors` and `start` were measured in the same rounds: what any scanner has to do, and what a run takes that has
    nothing to scan.
    """

    title: str
    note: str
    series: list[Series]
    base: str = "Sealgate"
    floors: list[Series] = field(default_factory=list)
    start: Series | None = None


@dataclass(slots=True)
class Cut:
    """A repository as it was after so many percent of its history, and what Sealgate and the floor took there."""

    percent: int
    commits: int
    blobs: int
    blob_bytes: int
    packed_bytes: int
    scan: Series
    floor: Series


@dataclass(slots=True)
class Results:
    """One run of the command: facts on machine, tools and target are pairs of a name and a value."""

    name: str
    machine: dict[str, str]
    tools: dict[str, str]
    target: dict[str, str]
    rounds: int
    benchmarks: list[Benchmark] = field(default_factory=list)
    growth: list[Cut] = field(default_factory=list)

    def series(self) -> Iterator[Series]:
        """Yield everything that was measured."""
        for benchmark in self.benchmarks:
            yield from benchmark.series
            yield from benchmark.floors
            if benchmark.start:
                yield benchmark.start
        for cut in self.growth:
            yield cut.scan
            yield cut.floor


def write_results(results: Results, path: Path) -> None:
    """Write the raw figures; the same run gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load_results(path: Path) -> Results:
    """Read what `write_results` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    raw["benchmarks"] = [_load_benchmark(item) for item in raw["benchmarks"]]
    raw["growth"] = [_load_cut(item) for item in raw.get("growth", ())]
    return Results(**raw)


def _load_benchmark(raw: Mapping[str, Any]) -> Benchmark:
    start = raw.get("start")
    loaded = {
        "series": [_load_series(item) for item in raw["series"]],
        "floors": [_load_series(item) for item in raw.get("floors", ())],
        "start": _load_series(start) if start else None,
    }
    return Benchmark(**{**raw, **loaded})


def _load_cut(raw: Mapping[str, Any]) -> Cut:
    return Cut(**{**raw, "scan": _load_series(raw["scan"]), "floor": _load_series(raw["floor"])})


def _load_series(raw: Mapping[str, Any]) -> Series:
    return Series(**{**raw, "samples": [Sample(**sample) for sample in raw["samples"]]})
