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


def spread(values: Sequence[float]) -> Spread:
    """Return median, minimum and maximum. Raises `ValueError` where there are no values."""
    if not values:
        raise ValueError("no values")
    return Spread(median(values), min(values), max(values))


def ratio(series: Series, base: Series, figure: Figure) -> float | None:
    """Return the median over the rounds of series / base; None where no round has both or the base is nothing."""
    pairs = [(figure(mine), figure(other)) for mine, other in zip(series.samples, base.samples, strict=False)]
    quotients = [mine / other for mine, other in pairs if other]
    return median(quotients) if quotients else None


def memory_ratio(series: Series, base: Series) -> float | None:
    """Return how the peaks of all processes together compare; None where one is not known."""
    if not series.together_bytes or not base.together_bytes:
        return None
    return series.together_bytes / base.together_bytes
