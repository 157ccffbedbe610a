# SPDX-License-Identifier: Apache-2.0
"""What a run of the benchmark leaves behind: the raw figures, as they stand in the JSON file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Sample:
    """One timed run of one contender; `largest_bytes` is the peak of its largest process."""

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
    """One table: the contenders on one job. The first of them is what the others are compared with."""

    title: str
    note: str
    series: list[Series]


@dataclass(slots=True)
class Results:
    """One run of the command: facts on machine, tools and target are pairs of a name and a value."""

    name: str
    machine: dict[str, str]
    tools: dict[str, str]
    target: dict[str, str]
    rounds: int
    benchmarks: list[Benchmark] = field(default_factory=list)


def write_results(results: Results, path: Path) -> None:
    """Write the raw figures; the same run gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load_results(path: Path) -> Results:
    """Read what `write_results` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    raw["benchmarks"] = [_load_benchmark(item) for item in raw["benchmarks"]]
    return Results(**raw)


def _load_benchmark(raw: Mapping[str, Any]) -> Benchmark:
    series = [Series(**{**item, "samples": [Sample(**s) for s in item["samples"]]}) for item in raw["series"]]
    return Benchmark(raw["title"], raw["note"], series)
