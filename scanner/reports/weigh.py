# SPDX-License-Identifier: Apache-2.0
"""How much a finding or a gap weighs, so that all reports sort, group and judge alike."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scanner.model import CONFIDENCES, GAP_KINDS, SEVERITIES, Finding, Gap, ScanResult


class Group(NamedTuple):
    """All places of one secret; `head` is the weightiest finding and speaks for the others."""

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
    """Return the open findings by secret, the weightiest secret first and places at HEAD first in it."""
    by_secret: dict[str, list[Finding]] = {}
    for finding in open_findings(result):
        by_secret.setdefault(finding.fingerprint, []).append(finding)
    groups = [
        Group(
            max(places, key=lambda place: weight(place, result)),
            sorted(places, key=lambda place: place.provenance.at_head is False),
        )
        for places in by_secret.values()
    ]
    groups.sort(key=lambda group: weight(group.head, result), reverse=True)
    return groups


def blocks(gap: Gap, result: ScanResult) -> bool:
    """Return whether this gap makes the run incomplete, by its kind and not allowed by name."""
    return GAP_KINDS[gap.kind][0] and gap.kind not in result.allowed_gaps


def gaps_by_kind(gaps: Iterable[Gap]) -> Iterator[tuple[str, list[Gap]]]:
    """Yield each kind that occurs with its gaps, in the order of the table of kinds."""
    found: dict[str, list[Gap]] = {}
    for gap in gaps:
        found.setdefault(gap.kind, []).append(gap)
    return ((kind, found[kind]) for kind in GAP_KINDS if kind in found)
