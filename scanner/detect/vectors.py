# SPDX-License-Identifier: Apache-2.0
"""Rule vectors: templates filled with values that look live only while a test runs, and the check of them.

The format is described in `docs/rules.md`. A value depends on the rule's id, the vector's position
and the generator's position, so a failing vector fails again.
"""

import random
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from scanner.detect.engine import Detector, resolve
from scanner.detect.placed import at_path
from scanner.detect.rules import Rule, Vector
from scanner.detect.samples import ALPHABETS, GENERATORS, draw
from scanner.errors import ConfigError
from scanner.model import CONFIDENCES

OPEN, CLOSE = "«", "»"
_GENERATOR: Final = re.compile(r"\{\{(.+?)\}\}(?!\})")
_INNER: Final = re.compile(r"\{([^{}]+)\}")


class Expanded(NamedTuple):
    """A vector ready to scan: `secret` is what must be captured, None where nothing must be found."""

    data: bytes
    path: bytes
    secret: bytes | None


class Failure(NamedTuple):
    """A vector that did not behave: `message` never holds the generated value."""

    vector: Vector
    message: str


def expand(vector: Vector) -> Expanded:
    """Fill a vector's generators. Raises `ConfigError` for an unknown one or for missing marks."""
    rng = random.Random(f"{vector.rule_id}/{vector.positive}/{vector.number}")  # noqa: S311  must repeat
    text = _GENERATOR.sub(lambda match: _generate(match[1], rng, vector), vector.text)
    secret: bytes | None = None
    if vector.positive:
        if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
            raise ConfigError(f"{_name(vector)}: needs exactly one {OPEN}…{CLOSE}", "mark what must be captured")
        secret = text[text.index(OPEN) + 1 : text.index(CLOSE)].encode()
        text = text.replace(OPEN, "").replace(CLOSE, "")
    return Expanded(text.encode(), vector.path.encode(), secret)


def check_vectors(detector: Detector, vectors: Iterable[Vector]) -> Iterator[Failure]:
    """Yield every vector that the detector does not answer as its rule promises."""
    ruleset = detector.ruleset
    rules = {rule.id: rule for rule in map(ruleset.__getitem__, range(len(ruleset)))}
    for vector in vectors:
        message = _check(detector, rules[vector.rule_id], expand(vector), positive=vector.positive)
        if message:
            yield Failure(vector, message)


def _check(detector: Detector, rule: Rule, case: Expanded, *, positive: bool) -> str:
    matches = [match for match, _ in at_path(detector.find(case.data), case.path)]
    own = [match for match in matches if match.value.rule.id == rule.id]
    if not positive:
        return f"must stay silent, but is found ({own[0].value.reason})" if own else ""
    if len(own) != 1:
        return f"must be found once, but is found {len(own)} times" if own else "is not found"
    if own[0].value.secret.reveal() != case.secret:
        return "is found, but the captured value is not what the marks enclose"
    if own[0] not in resolve(matches):
        winner = next(m for m in resolve(matches) if m.span.start < own[0].span.end and m.span.end > own[0].span.start)
        return f"is found, but rule {winner.value.rule.id} wins over it"
    level = "low" if rule.confidence == "low" else "medium"
    if CONFIDENCES.index(own[0].value.confidence) < CONFIDENCES.index(level):
        return f"is found only at {own[0].value.confidence} confidence ({own[0].value.reason})"
    return ""


def _name(vector: Vector) -> str:
    return f"rule {vector.rule_id}: {'positive' if vector.positive else 'negative'} vector {vector.number}"


def _generate(call: str, rng: random.Random, vector: Vector) -> str:
    name, _, argument = call.partition(":")
    if name in ALPHABETS and argument.isdigit():
        return draw(ALPHABETS[name], int(argument), rng)
    if name in GENERATORS:
        if name == "base64of":
            argument = _INNER.sub(lambda match: _generate(match[1], rng, vector), argument)
        return GENERATORS[name](argument, rng)
    raise ConfigError(f"{_name(vector)}: unknown generator {name!r}", "see 'Vectors' in docs/rules.md")
