# SPDX-License-Identifier: Apache-2.0
"""How much a finding or a gap weighs, so that all reports sort and judge alike."""

from scanner.model import CONFIDENCES, GAP_KINDS, SEVERITIES, Finding, Gap, ScanResult


def weight(finding: Finding, result: ScanResult) -> tuple[bool, int, int]:
    """Return a sort key, greatest first to be read first: fails the gate, then severity, then confidence."""
    return (
        result.fails(finding),
        SEVERITIES.index(finding.rule.severity),
        CONFIDENCES.index(finding.confidence),
    )


def blocks(gap: Gap, result: ScanResult) -> bool:
    """Return whether this gap makes the run incomplete, by its kind and not allowed by name."""
    return GAP_KINDS[gap.kind][0] and gap.kind not in result.allowed_gaps
