# SPDX-License-Identifier: Apache-2.0
"""What there is to weigh in labelled data: every value that a weighing rule's pattern finds, with its label."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from bench.accuracy.labels import Labels, Place
from scanner.detect.context import read_context
from scanner.detect.engine import Detector, Match
from scanner.detect.features import content_features, place_features, standing
from scanner.detect.placed import at_path
from scanner.detect.prefilter import compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, read_packs
from scanner.detect.syntax import folders_of, kind_of
from scanner.detect.weigh import denial, denial_here


class Candidate(NamedTuple):
    """A value to weigh: `label` is T, F, X or nothing, `features` what holds for it; `own` says that it is the labelled value.

    `denied` says that its syntax rules it out, whatever it weighs.
    """

    path: str
    line: int
    label: str
    own: bool
    features: frozenset[str]
    denied: bool

    @property
    def repository(self) -> str:
        """The repository that the file is of."""
        return self.path.partition("/")[0]


def collect(data: Path, labels: Labels) -> tuple[list[Candidate], list[Place]]:
    """Scan a folder; return the values to weigh, and the places that rules find which do not weigh."""
    rules = load_rules(read_packs([builtin_directory()]))
    weighing = {rule.id for rule in rules if rule.weigh}
    # Without the judge's weighing every match is reported.
    detector = Detector(compile_ruleset([rule._replace(weigh=False) for rule in rules]))
    values = defaultdict(list)
    for value in labels.values:
        values[value.path, value.line].append((value.start, value.end))
    candidates: dict[tuple[str, int, int], Candidate] = {}
    places = []
    with detector.expressions.watched():
        for file in sorted(data.rglob("*")):
            if not file.is_file():
                continue
            path = file.relative_to(data).as_posix()
            for match, _ in at_path(detector.find(file.read_bytes(), os.fsencode(path)), os.fsencode(path)):
                line = match.location.start_line
                if match.value.rule.id not in weighing or match.decoded_from:
                    places.append(Place(path, line, match.value.confidence, match.value.rule.id))
                else:
                    candidates[path, *match.span] = _candidate(match, path, labels, values[path, line])
    return list(candidates.values()), places


def _candidate(match: Match, path: str, labels: Labels, values: Iterable[tuple[int, int | None]]) -> Candidate:
    where = match.location
    label = labels.verdict(path, where.start_line)
    first, last = where.start_column - 1, where.end_column - 1
    known = list(values)
    own = label != "T" or not known or any(start < last and (end is None or first < end) for start, end in known)
    context = read_context(match.value.line.reveal(), *match.value.line_span)
    kind = kind_of(os.fsencode(path))
    denied = bool(denial(context) or denial_here(context, kind))
    told = (*content_features(context), *place_features(standing(context), kind, folders_of(os.fsencode(path))))
    return Candidate(path, where.start_line, label, own, frozenset(told), denied)
