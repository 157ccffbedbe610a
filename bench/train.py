# SPDX-License-Identifier: Apache-2.0
"""Train the weights of scanner/detect/weights.py on labelled data: python -m bench.train DATA.

A logistic model over the features of `scanner/detect/features.py`, found by stochastic gradient descent with steps that
adapt (AdaGrad) and a penalty on large weights; the same data gives the same weights. True values count twice, as they
stand in the data and in their word-like variant, and the variant counts more: see docs/accuracy.md for why. A feature
that fewer than three repositories show has no weight, and a repository with much to weigh counts by the root of it.

What is printed and decides about the levels is measured on repositories left out: five times a fifth of them.
"""

import argparse
import hashlib
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.accuracy.candidates import Candidate, collect
from bench.accuracy.labels import Labels, Place, Score, load_labels, score
from bench.accuracy.tables import overview
from bench.accuracy.wordlike import write_variant

PAGE: Final = Path(__file__).resolve().parents[1] / "scanner" / "detect" / "weights.py"
_WORK: Final = Path(__file__).resolve().parent / "scratch" / "train"
FOLDS: Final = 5
_EPOCHS: Final = 40
_STEP: Final = 0.3
# The penalty: as if each weight had been seen once more, at nothing, with this force.
_PENALTY: Final = 2.0
_REPOSITORIES: Final = 3
_OFTEN: Final = 30
# How much a value counts: true as it stands, true in words, without a label.
_PLAIN, _WORDS, _UNLABELLED = 0.3, 1.0, 0.6

Weights = Mapping[str, float]


class Example(NamedTuple):
    """A value, whether it is a secret, and how much it counts."""

    candidate: Candidate
    secret: bool
    force: float


def fold_of(repository: str) -> int:
    """Return which fifth a repository is of."""
    return int(hashlib.sha256(f"fold {repository}".encode()).hexdigest(), 16) % FOLDS


def examples(plain: Iterable[Candidate], words: Iterable[Candidate]) -> list[Example]:
    """Return what to learn from: values that their syntax rules out and examples (X) teach nothing."""
    found = []
    for candidate in plain:
        if candidate.denied or candidate.label == "X" or not candidate.own:
            continue
        force = {"T": _PLAIN, "F": 1.0}.get(candidate.label, _UNLABELLED)
        found.append(Example(candidate, candidate.label == "T", force))
    found += [Example(c, secret=True, force=_WORDS) for c in words if c.label == "T" and c.own and not c.denied]
    often = Counter(example.candidate.repository for example in found)
    return [e._replace(force=e.force * min(1.0, math.sqrt(_OFTEN / often[e.candidate.repository]))) for e in found]


def train(taught: Sequence[Example]) -> dict[str, float]:
    """Return the weights; `bias` counts for every value."""
    seen: dict[str, set[str]] = defaultdict(set)
    for example in taught:
        for name in example.candidate.features:
            seen[name].add(example.candidate.repository)
    known = {name for name, repositories in seen.items() if len(repositories) >= _REPOSITORIES}
    rows = [([name for name in sorted(e.candidate.features) if name in known], e.secret, e.force) for e in taught]
    times = Counter(name for names, _, _ in rows for name in names)
    weights = dict.fromkeys(sorted(known), 0.0)
    squares = dict.fromkeys(weights, 1.0)
    bias = 0.0
    bias_square = 1.0
    rng = random.Random(0)
    for _ in range(_EPOCHS):
        rng.shuffle(rows)
        for names, secret, count in rows:
            total = bias + sum(weights[name] for name in names)
            slope = count * (1 / (1 + math.exp(-max(-30.0, min(30.0, total)))) - secret)
            bias_square += slope * slope
            bias -= _STEP * slope / math.sqrt(bias_square)
            for name in names:
                pull = slope + _PENALTY * weights[name] / times[name]
                squares[name] += pull * pull
                weights[name] -= _STEP * pull / math.sqrt(squares[name])
    return {"bias": bias, **weights}


def weight_of(candidate: Candidate, weights: Weights) -> float:
    """Return a value's sum of weights."""
    return weights["bias"] + sum(weights.get(name, 0.0) for name in candidate.features)


def left_out(plain: Sequence[Candidate], words: Sequence[Candidate]) -> dict[int, Weights]:
    """Return for each fifth of the repositories the weights that the other four give."""
    taught = examples(plain, words)
    return {number: train([e for e in taught if fold_of(e.candidate.repository) != number]) for number in range(FOLDS)}


def places_at(candidates: Iterable[Candidate], folds: Mapping[int, Weights], least: float) -> list[Place]:
    """Return the places of values that weigh this much by the weights of those who have not seen them."""
    return [
        Place(c.path, c.line) for c in candidates if not c.denied and weight_of(c, folds[fold_of(c.repository)]) >= least
    ]


def choose_levels(labels: Labels, plain: Sequence[Candidate], words: Sequence[Candidate], others: Sequence[Place],
                  folds: Mapping[int, Weights]) -> tuple[float, float, float]:  # fmt: skip
    """Return from which sums on a value is high, medium and low, by what repositories left out show."""
    weighed = [[(c, weight_of(c, folds[fold_of(c.repository)])) for c in cs if not c.denied] for cs in (plain, words)]

    def at(number: int, least: float) -> Score:
        return score(labels, [*others, *(Place(c.path, c.line) for c, total in weighed[number] if total >= least)])

    steps = [number / 10 for number in range(-15, 40)]
    medium = max((s for s in steps if s < 1.5), key=lambda s: at(0, s).f1 + at(1, s).f1 - max(0.0, 0.9 - at(1, s).precision) * 5)
    sure = (s for s in steps if s > medium and min(score(labels, (Place(c.path, c.line) for c, t in w if t >= s)).precision
                                                 for w in weighed) >= 0.955)  # fmt: skip
    return next(sure, 3.0), medium, medium - 1.0


def write_weights(weights: Weights, levels: tuple[float, float, float], page: Path = PAGE) -> None:
    """Rewrite the module: what changes nothing is left out. The bias goes into the levels."""
    head, _, _ = page.read_text(encoding="utf-8").partition("HIGH: Final")
    bias = weights["bias"]
    names = ("HIGH", "MEDIUM", "LOW")
    lines = [f"{name}: Final = {level - bias:.2f}" for name, level in zip(names, levels, strict=True)]
    lines += ["", "WEIGHTS: Final[Mapping[str, float]] = {"]
    told = {name: round(value, 2) for name, value in weights.items() if name != "bias" and abs(value) >= 0.03}
    lines += [f"    {_quoted(name)}: {value}," for name, value in sorted(told.items())]
    page.write_text(head + "\n".join([*lines, "}", ""]), encoding="utf-8")


def _quoted(name: str) -> str:
    text = name.replace("\\", "\\\\")
    return f"'{text}'" if '"' in text else f'"{text}"'


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.train", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="a folder with data/ and meta/")
    parser.add_argument("--work", type=Path, default=_WORK, help="work files (default: bench/scratch/train)")
    parser.add_argument("--dry-run", action="store_true", help="only measure")
    options = parser.parse_args()
    labels = load_labels(options.data / "meta")
    options.work.mkdir(parents=True, exist_ok=True)
    write_variant(options.data / "data", labels, options.work / "wordlike")
    plain, others = collect(options.data / "data", labels)
    words, _ = collect(options.work / "wordlike", labels)
    others = [place for place in others if place.confidence != "low"]
    folds = left_out(plain, words)
    levels = choose_levels(labels, plain, words, others, folds)
    weights = train(examples(plain, words))
    every = dict.fromkeys(range(FOLDS), weights)
    scores = {}
    for name, least in (("high", levels[0]), ("medium", levels[1])):
        for kind, candidates in (("", plain), (", word-like", words)):
            for seen, by in (("left out", folds), ("trained on", every)):
                scores[f"{name} and above, {seen}{kind}"] = score(labels, [*others, *places_at(candidates, by, least)])
    print("\n".join(overview(scores)))
    print("levels", levels, "weights", len(weights), file=sys.stderr)
    if not options.dry_run:
        write_weights(weights, levels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
