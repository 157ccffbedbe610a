# SPDX-License-Identifier: Apache-2.0
"""How much a finding or a gap weighs, so that all reports sort, group and judge alike."""

from collections.abc import Iterable, Iterator
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
    groups = {
        value: Group(max(places, key=lambda place: weight(place, result)), _by_state(places))
        for value, places in by_secret.items()
    }
    _join(groups, result)
    return sorted(groups.values(), key=lambda group: weight(group.head, result), reverse=True)


def _by_state(places: Iterable[Finding]) -> list[Finding]:
    return sorted(places, key=lambda place: place.provenance.at_head is False)


def _join(groups: dict[str, Group], result: ScanResult) -> None:
    """Give the places of identifiers to the groups of their secrets."""
    identifiers = {value: group for value, group in groups.items() if all(map(_secrets, group.places))}
    for value, (head, places) in identifiers.items():
        common = set.intersection(*map(_secrets, places))
        for owner in sorted(common & groups.keys()):
            paths = {place.path for place in groups[owner].places}
            if paths.issuperset(place.path for place in places) and result.fails(groups[owner].head) >= result.fails(head):
                groups[owner] = groups[owner]._replace(places=_by_state(groups[owner].places + groups.pop(value).places))
                break


def _secrets(place: Finding) -> set[str]:
    """Return the secrets that a finding identifies."""
    return {half.fingerprint for half in place.related if half.role == "secret"}


def blocks(gap: Gap, result: ScanResult) -> bool:
    """Return whether this gap makes the run incomplete, by its kind and not allowed by name."""
    return GAP_KINDS[gap.kind][0] and gap.kind not in result.allowed_gaps


def gaps_by_kind(gaps: Iterable[Gap]) -> Iterator[tuple[str, list[Gap]]]:
    """Yield each kind that occurs with its gaps, in the order of the table of kinds."""
    found: dict[str, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.kind, []).append(gap)
    return ((kind, found[kind]) for kind in GAP_KINDS if kind in found)
