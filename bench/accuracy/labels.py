# SPDX-License-Identifier: Apache-2.0
"""What people said about lines of files, and how a scanner's findings compare: the counting of CredData's labels.

A folder of labelled data holds `data/REPOSITORY/.../FILE` and `meta/REPOSITORY.csv`, whose rows call lines of a
file true (T), false (F) or an example (X). A unit is a distinct (file, first line, last line) that is called true;
it is found where a finding is on any of its lines. A wrong finding is on a line called false and on no unit's.
Examples and identifiers (`UUID`) count neither way. Lines without a label are counted apart.
"""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

NEUTRAL_CATEGORIES: Final = frozenset({"UUID"})


class Unit(NamedTuple):
    """Lines of a file that hold a true credential."""

    path: str
    first: int
    last: int

    @property
    def repository(self) -> str:
        """The repository that the file is of."""
        return self.path.partition("/")[0]


class Value(NamedTuple):
    """Where a true value stands: characters of a line, from 0; `end` is None where it runs over the line's end."""

    path: str
    line: int
    start: int
    end: int | None
    category: str


class Place(NamedTuple):
    """A finding, as far as counting goes."""

    path: str
    line: int
    confidence: str = "high"
    rule: str = ""


@dataclass(slots=True)
class Labels:
    """All labels of a folder."""

    repositories: list[str] = field(default_factory=list)
    rows: list[tuple[Unit, str]] = field(default_factory=list)
    units: dict[Unit, set[str]] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    true: dict[str, dict[int, list[Unit]]] = field(default_factory=lambda: defaultdict(dict))
    false: dict[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    neutral: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, row: Mapping[str, str]) -> None:
        """Take in one row of a label file."""
        path = row["FilePath"].removeprefix("data/")
        first, last, category = int(row["LineStart"]), int(row["LineEnd"]), row["Category"]
        label = row["GroundTruth"]
        if (label == "T" and category in NEUTRAL_CATEGORIES) or label == "X":
            self.neutral[path].update(range(first, last + 1))
        elif label == "T":
            unit = Unit(path, first, last)
            self.rows.append((unit, category))
            if unit not in self.units:
                self.units[unit] = set()
                for line in range(first, last + 1):
                    self.true[path].setdefault(line, []).append(unit)
            self.units[unit].add(category)
            if row["ValueStart"] and first == last:
                end = int(float(row["ValueEnd"])) if row["ValueEnd"] else None
                self.values.append(Value(path, first, int(float(row["ValueStart"])), end, category))
        else:
            for line in range(first, last + 1):
                self.false[path].setdefault(line, category)

    def verdict(self, path: str, line: int) -> str:
        """Return T, F, X or nothing: what a finding on this line is worth."""
        if line in self.true.get(path, ()):
            return "T"
        if line in self.neutral.get(path, ()):
            return "X"
        return "F" if line in self.false.get(path, ()) else ""

    def only(self, repositories: Iterable[str]) -> "Labels":
        """Return the labels of these repositories."""
        wanted = set(repositories)

        def here(path: str) -> bool:
            return path.partition("/")[0] in wanted

        return Labels(
            sorted(wanted),
            [row for row in self.rows if here(row[0].path)],
            {unit: names for unit, names in self.units.items() if here(unit.path)},
            [value for value in self.values if here(value.path)],
            {path: lines for path, lines in self.true.items() if here(path)},
            {path: lines for path, lines in self.false.items() if here(path)},
            {path: lines for path, lines in self.neutral.items() if here(path)},
        )


def load_labels(meta: Path) -> Labels:
    """Read a folder of label files, one a repository."""
    labels = Labels()
    for file in sorted(meta.glob("*.csv")):
        labels.repositories.append(file.stem)
        with file.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                labels.add(row)
    return labels


@dataclass(slots=True)
class Score:
    """How findings compare with labels. A place counts once, whatever the number of findings on it."""

    labels: Labels
    found: set[Unit] = field(default_factory=set)
    wrong: dict[tuple[str, int], str] = field(default_factory=dict)
    unlabelled: set[tuple[str, int]] = field(default_factory=set)

    @property
    def precision(self) -> float:
        """Right findings over those on labelled lines."""
        return _ratio(len(self.found), len(self.found) + len(self.wrong))

    @property
    def recall(self) -> float:
        """Units found over all units."""
        return _ratio(len(self.found), len(self.labels.units))

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return _ratio(2 * self.precision * self.recall, self.precision + self.recall)

    @property
    def macro_recall(self) -> float:
        """The mean of the repositories' recalls, of those that have units."""
        cells = grouped(self, lambda unit: unit.repository)
        return _ratio(sum(_ratio(found, total) for found, total in cells.values()), len(cells))


def score(labels: Labels, places: Iterable[Place]) -> Score:
    """Compare findings with labels."""
    result = Score(labels)
    for path, line in {(place.path, place.line) for place in places}:
        units = labels.true.get(path, {}).get(line)
        if units:
            result.found.update(units)
        elif line in labels.neutral.get(path, ()):
            continue
        elif line in labels.false.get(path, ()):
            result.wrong[path, line] = labels.false[path][line]
        else:
            result.unlabelled.add((path, line))
    return result


def grouped(result: Score, name: Callable[[Unit], str]) -> dict[str, tuple[int, int]]:
    """Return how many units of each group were found, and how many there are."""
    total = Counter(name(unit) for unit in result.labels.units)
    found = Counter(name(unit) for unit in result.found)
    return {key: (found[key], count) for key, count in total.items()}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
