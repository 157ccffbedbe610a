# SPDX-License-Identifier: Apache-2.0
"""Medians, and ratios that noise cannot turn: each round's runs stand side by side and are divided first."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from bench.results import Sample, Series

Figure = Callable[[Sample], float]


class Spread(NamedTuple):
    """The middle and the ends of several figures."""

    median: float
    low: float
    high: float


def cpu(sample: Sample) -> float:
    """Return the CPU seconds."""
    return sample.cpu_seconds


def wall(sample: Sample) -> float:
    """Return the seconds from start to end."""
    return sample.wall_seconds


def spread(values: Sequence[float]) -> Spread:
    """Return median, minimum and maximum. Raises `ValueError` where there are no values."""
    if not values:
        raise ValueError("no values")
    return Spread(median(values), min(values), max(values))


def ratio(series: Series, base: Series, figure: Figure, less: Series | None = None) -> float | None:
    """Return the median over the rounds of series / base; None where no round has both or the base is nothing.

    With `less` it is (series - less) / base.
    """
    mine, others = ([figure(sample) for sample in item.samples] for item in (series, base))
    if less is not None:
        mine = [value - figure(sample) for value, sample in zip(mine, less.samples, strict=False)]
    quotients = [value / other for value, other in zip(mine, others, strict=False) if other]
    return median(quotients) if quotients else None


def memory_ratio(series: Series, base: Series) -> float | None:
    """Return how the peaks of all processes together compare; None where one is not known."""
    if not series.together_bytes or not base.together_bytes:
        return None
    return series.together_bytes / base.together_bytes
