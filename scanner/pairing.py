# SPDX-License-Identifier: Apache-2.0
"""Credentials of two halves: a secret key and the key id beside it, each a finding, each with the other's place.

Both stay findings: the id has a fingerprint that baselines may name, stands in places where the secret does not, and is
worth an alert there. What belongs together is told by the rules (`with`) and by nearness.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from scanner.display import redact
from scanner.model import Location, Related
from scanner.sighting import Sighting

# A key file or a profile has its halves within a few lines; all of a minified file stands in one.
_LINES: Final = 10
_COLUMNS: Final = 400
# So many to either side are compared with a secret, or a file full of keys would take quadratic time.
_NEIGHBOURS: Final = 4

# From the id of a sighting to what belongs to it.
_Halves = dict[int, list[Related]]


class Pairing:
    """What belongs together in blobs at their paths, worked out once for each that somebody asks of."""

    def __init__(self) -> None:
        # The lists are kept alive, as their ids stand for them.
        self._known: dict[int, tuple[Sequence[Sighting], _Halves]] = {}

    def of(self, sighting: Sighting, beside: Sequence[Sighting]) -> Sequence[Related]:
        """Return what belongs to one of the sightings in `beside`, all that count in one blob at one path."""
        known = self._known.get(id(beside))
        if known is None:
            known = self._known[id(beside)] = (beside, _halves(beside))
        return known[1].get(id(sighting), ())


def _halves(beside: Sequence[Sighting]) -> _Halves:
    halves: _Halves = {}
    for secret, identifier in _pairs(beside):
        halves.setdefault(id(secret), []).append(_related("identifier", identifier))
        halves.setdefault(id(identifier), []).append(_related("secret", secret))
    return halves


def _related(role: Literal["identifier", "secret"], sighting: Sighting) -> Related:
    value = sighting.match.value
    rule, redacted = value.rule, redact(value.secret.reveal())
    return Related(role, rule.id, rule.name, sighting.match.location, sighting.fingerprint, redacted, value.reason)


def _pairs(beside: Sequence[Sighting]) -> Iterator[tuple[Sighting, Sighting]]:
    """Yield secrets with their identifiers, nearest first.

    A secret has one, and one identifier has one secret of each kind: in a list of keys, each goes with its own.
    """
    secrets = [sighting for sighting in beside if sighting.match.value.rule.identifiers]
    if not secrets:
        return
    fit: dict[tuple[str, ...], list[Sighting]] = {}
    for names in {secret.match.value.rule.identifiers for secret in secrets}:
        fit[names] = sorted((s for s in beside if s.match.value.rule.id in names), key=_location)
    near = [
        (far, secret.match.location, identifier.match.location, secret, identifier)
        for secret in secrets
        for far, identifier in _near(secret, fit[secret.match.value.rule.identifiers])
    ]
    taken: set[tuple[str, int]] = set()
    for *_, secret, identifier in sorted(near, key=lambda pair: pair[:3]):
        rule = secret.match.value.rule.id
        if (rule, id(secret)) not in taken and (rule, id(identifier)) not in taken:
            taken |= {(rule, id(secret)), (rule, id(identifier))}
            yield secret, identifier


def _near(secret: Sighting, identifiers: Sequence[Sighting]) -> Iterator[tuple[tuple[int, int], Sighting]]:
    """Yield those of the identifiers that stand near a secret, with how far they are away in lines, or else in columns."""
    here = secret.match.location
    at = bisect_left(identifiers, here, key=_location)
    for identifier in identifiers[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]:
        lines, columns = _distance(*sorted((here, identifier.match.location)))
        # Two rules may take the same value for either half.
        if lines <= _LINES and columns <= _COLUMNS and identifier.fingerprint != secret.fingerprint:
            yield (lines, columns), identifier


def _distance(first: Location, second: Location) -> tuple[int, int]:
    lines = max(0, second.start_line - first.end_line)
    return lines, 0 if lines else max(0, second.start_column - first.end_column)


def _location(sighting: Sighting) -> Location:
    return sighting.match.location
