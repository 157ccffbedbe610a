# SPDX-License-Identifier: Apache-2.0
"""What is found in one blob, before anybody knows where the blob stands; and as plain values, for a pipe.

Values of secrets go through a pipe between the processes of one run and nowhere else: a `Secret` by itself refuses
to be written.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from scanner.detect.engine import Judgement, Match
from scanner.detect.prefilter import RuleSet
from scanner.model import Location, Place, Secret, Span
from scanner.triage import Mark


class Sighting(NamedTuple):
    """A match in one blob, with what only the blob's content could tell."""

    match: Match
    fingerprint: str
    mark: Mark | None


class Seen(NamedTuple):
    """What was found in one blob: all matches, in order, and those of them that count."""

    blob: str | None
    place: Place | None
    matches: Sequence[Match]
    sightings: Sequence[Sighting]


def to_plain(seen: Sequence[Seen], ruleset: RuleSet) -> tuple[Any, ...]:
    """Return what was found in blobs without a place as tuples, texts, bytes and numbers."""
    values: dict[int, int] = {}
    judgements = []
    blobs = []
    for blob, _, matches, sightings in seen:
        for match in matches:
            # Versions of a file share them.
            if id(match.value) not in values:
                values[id(match.value)] = len(values)
                judgements.append(_plain_judgement(match.value, ruleset.index(match.value.rule)))
        found = [(values[id(m.value)], tuple(m.span), tuple(m.location), m.decoded_from) for m in matches]
        numbers = {id(match): number for number, match in enumerate(matches)}
        counting = [(numbers[id(s.match)], s.fingerprint, tuple(s.mark) if s.mark else None) for s in sightings]
        blobs.append((blob, found, counting))
    return judgements, blobs


def from_plain(plain: tuple[Any, ...], ruleset: RuleSet) -> list[Seen]:
    """Return what `to_plain` was given."""
    judgements = [
        Judgement(ruleset[rule], Secret(secret), confidence, reason, Secret(line), Span(*span))
        for rule, secret, confidence, reason, line, span in plain[0]
    ]
    seen = []
    for blob, found, counting in plain[1]:
        matches = [Match(judgements[n], Span(*span), Location(*location), names) for n, span, location, names in found]
        sightings = [Sighting(matches[n], value, Mark(*mark) if mark else None) for n, value, mark in counting]
        seen.append(Seen(blob, None, matches, sightings))
    return seen


def _plain_judgement(value: Judgement, rule: int) -> tuple[Any, ...]:
    return rule, value.secret.reveal(), value.confidence, value.reason, value.line.reveal(), tuple(value.line_span)
