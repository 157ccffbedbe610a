# SPDX-License-Identifier: Apache-2.0
"""How much a finding or a gap weighs, so that all reports sort, group and judge alike."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from scanner.model import CONFIDENCES, GAP_KINDS, SEVERITIES, Finding, Gap, ScanResult


class Group(NamedTuple):
    """All places of one secret, those of its key id among them; `head` is its weightiest finding and speaks for them."""

    head: Finding
    places: list[Finding]


def weight(finding: Finding, result: ScanResult) -> tuple[bool, int, int]:
    """Return a sort key, greatest first to be read first: fails the gate, then severity, then confidence."""
    return (
        result.fails(finding),
        SEVERITIES.index(finding.rule.severity),
        CONFIDENCES.index(finding.confidence),
    )


def weightiest(findings: Iterable[Finding], result: ScanResult) -> list[Finding]:
    """Return the findings, those first that must be seen where not all can be; else in their order."""
    return sorted(findings, key=lambda finding: weight(finding, result), reverse=True)


def open_findings(result: ScanResult) -> Iterator[Finding]:
    """Yield what is not suppressed, in the order of the scan."""
    return (finding for finding in result.findings if finding.suppression is None)


def open_groups(result: ScanResult) -> list[Group]:
    """Return the open findings by secret, the weightiest secret first and places at HEAD first in it.

    An identifier is told of with its secret, if it has one wherever it stands, and that is at least as sure to fail.
    """
    by_secret: dict[str, list[Finding]] = {}
    for finding in open_findings(result):
        by_secret.setdefault(finding.fingerprint, []).append(finding)
    heads = {value: max(places, key=lambda place: weight(place, result)) for value, places in by_secret.items()}
    places = {value: list(found) for value, found in by_secret.items()}
    spots = {(finding.fingerprint, finding.path) for found in by_secret.values() for finding in found}
    for value, found in by_secret.items():
        owner = _owner(found, spots)
        if owner in places and result.fails(heads[owner]) >= result.fails(heads[value]):
            places[owner] += places.pop(value)
    groups = [
        Group(heads[value], sorted(found, key=lambda place: place.provenance.at_head is False))
        for value, found in places.items()
    ]
    groups.sort(key=lambda group: weight(group.head, result), reverse=True)
    return groups


def _owner(places: Sequence[Finding], spots: Collection[tuple[str, bytes]]) -> str:
    """Return the secret that is identified at all of these places and open at their paths; nothing if there is none."""
    halves = [{half.fingerprint for half in place.related if half.role == "secret"} for place in places]
    common = set.intersection(*halves)
    return min((value for value in common if all((value, place.path) in spots for place in places)), default="")


def blocks(gap: Gap, result: ScanResult) -> bool:
    """Return whether this gap makes the run incomplete, by its kind and not allowed by name."""
    return GAP_KINDS[gap.kind][0] and gap.kind not in result.allowed_gaps


def gaps_by_kind(gaps: Iterable[Gap]) -> Iterator[tuple[str, list[Gap]]]:
    """Yield each kind that occurs with its gaps, in the order of the table of kinds."""
    found: dict[str, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.kind, []).append(gap)
    return ((kind, found[kind]) for kind in GAP_KINDS if kind in found)
