# SPDX-License-Identifier: Apache-2.0
"""Scores as Markdown tables."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bench.accuracy.labels import Labels, Place, Score, Unit, grouped, score

LEVELS: Final = ("proven", "high", "medium", "low")
_ROWS: Final = 24


def overview(scores: Mapping[str, Score]) -> list[str]:
    """Return a table with a line a scanner or variant."""
    head = ("", "precision", "recall", "F1", "macro recall", "found", "missed", "wrong", "without a label")
    return _table(head, [(name, *_figures(result)) for name, result in scores.items()])


def by_confidence(labels: Labels, places: Sequence[Place]) -> list[str]:
    """Return a table of each level by itself, and of it with all above it."""
    rows = []
    for number, level in enumerate(LEVELS):
        alone = score(labels, (place for place in places if place.confidence == level))
        above = score(labels, (place for place in places if place.confidence in LEVELS[: number + 1]))
        counts = map(str, (len(alone.found), len(alone.wrong), len(alone.unlabelled)))
        rows.append((level, *counts, *map(_number, (alone.precision, above.precision, above.recall, above.f1))))
    return _table(("confidence", "found", "wrong", "without a label", "precision", "and above: precision", "recall", "F1"), rows)


def by_category(result: Score) -> list[str]:
    """Return a table by the labels' categories, the most frequent first; a line may be in several."""
    total = Counter(category for _, category in result.labels.rows)
    found = Counter(category for unit, category in result.labels.rows if unit in result.found)
    return _split("category", {name: (found[name], count) for name, count in total.items()}, Counter(result.wrong.values()))


def by_file_type(result: Score) -> list[str]:
    """Return a table by file name extension."""
    wrong = Counter(_extension(path) for path, _ in result.wrong)
    return _split("file type", grouped(result, lambda unit: _extension(unit.path)), wrong)


def by_rule(labels: Labels, places: Iterable[Place]) -> list[str]:
    """Return a table by rule; a place that two rules name counts for both."""
    rules: dict[str, list[Place]] = {}
    for place in places:
        rules.setdefault(place.rule, []).append(place)
    scores = {rule: score(labels, found) for rule, found in rules.items()}
    order = sorted(scores.items(), key=lambda item: -len(item[1].found) - len(item[1].wrong))
    rows = [(rule, *map(str, (len(s.found), len(s.wrong), len(s.unlabelled)))) for rule, s in order[: 2 * _ROWS]]
    return _table(("rule", "found", "wrong", "without a label"), rows)


def _split(title: str, cells: Mapping[str, tuple[int, int]], wrong: Counter[str]) -> list[str]:
    order = sorted(cells, key=lambda name: (-cells[name][1] - wrong[name], name))[:_ROWS]
    rows = [(name, str(cells[name][1]), str(cells[name][0]), _number(_recall(*cells[name])), str(wrong[name])) for name in order]
    others = [cells[name] for name in cells if name not in order]
    found, total = sum(found for found, _ in others), sum(total for _, total in others)
    rest = sum(wrong.values()) - sum(wrong[name] for name in order)
    rows.append(("all others", str(total), str(found), _number(_recall(found, total)), str(rest)))
    return _table((title, "true", "found", "recall", "wrong"), rows)


def _recall(found: int, total: int) -> float:
    return found / total if total else 0.0


def _extension(path: str) -> str:
    return os.path.splitext(path)[1].lstrip(".").lower() or "none"


def _figures(result: Score) -> tuple[str, ...]:
    ratios = map(_number, (result.precision, result.recall, result.f1, result.macro_recall))
    missed = len(result.labels.units) - len(result.found)
    return (*ratios, *map(str, (len(result.found), missed, len(result.wrong), len(result.unlabelled))))


def _number(value: float) -> str:
    return f"{value:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (head, rule, *rows)]


def missed(result: Score) -> list[Unit]:
    """Return the units that were not found, in order."""
    return sorted(set(result.labels.units) - result.found)
