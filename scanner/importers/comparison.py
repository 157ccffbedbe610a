# SPDX-License-Identifier: Apache-2.0
"""Another scanner's findings beside ours: each is kept, improved or lost, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from scanner.detect.engine import Detector
from scanner.detect.silent import near_misses
from scanner.display import decode_path
from scanner.importers.places import Found, Places
from scanner.importers.plan import Accepted
from scanner.model import Finding, ScanResult
from scanner.triage import fingerprint

Outcome = Literal["kept", "improved", "lost"]


class Compared(NamedTuple):
    """What becomes of one finding of the other scanner."""

    theirs: Accepted
    outcome: Outcome
    why: str


def compare(
    theirs: Iterable[Accepted], result: ScanResult, places: Places, detector: Detector, ids: Mapping[str, list[str]]
) -> Iterator[Compared]:
    """Yield what becomes of each finding in a scan by the new settings; `ids` are our rules by their names for them.

    Use it within the expressions' `watched`.
    """
    by_print: dict[str, list[Finding]] = {}
    for finding in result.findings:
        by_print.setdefault(finding.fingerprint, []).append(finding)
    for each in theirs:
        found = places.find(each)
        ours = [f for match in found.matches for f in by_print.get(fingerprint("secret", match.value.secret.reveal()), ())]
        same_path = [finding for finding in ours if decode_path(finding.path) == each.path]
        ours = same_path or ours
        failing = [finding for finding in ours if result.fails(finding)]
        if failing:
            yield Compared(each, *_reported(each, failing[0], ids.get(each.rule, [])))
        else:
            yield Compared(each, "lost", _why_lost(each, ours, found, detector))


def _why_lost(theirs: Accepted, ours: Sequence[Finding], found: Found, detector: Detector) -> str:
    if ours:
        finding = ours[0]
        if finding.suppression is not None:
            return f"silenced: {finding.suppression.kind}: {finding.suppression.reason}"
        return f"reported by {finding.rule.id}, but {finding.confidence} does not fail the gate: {finding.reason}"
    if found.data is None:
        return "there is no such file or commit here"
    if found.matches:
        return f"{found.matches[0].value.rule.id} finds it at this place, but it is in nothing that was scanned"
    return _silence(theirs, found.data, detector)


def _reported(theirs: Accepted, finding: Finding, carried: list[str]) -> tuple[Outcome, str]:
    rule = finding.rule.id
    if finding.confidence == "proven":
        return "improved", f"{rule}: proven, {finding.reason}"
    if rule not in carried and theirs.rule.startswith("generic") and not rule.startswith("generic"):
        return "improved", f"{rule}: it is known whose it is"
    if theirs.secret and finding.secret.reveal() != theirs.secret.encode("utf-8", "surrogateescape"):
        return "kept", f"{rule}, which captures another part of it"
    return "kept", rule


def _silence(theirs: Accepted, data: bytes, detector: Detector) -> str:
    ruleset, path = detector.ruleset, theirs.path.encode("utf-8", "surrogateescape")
    rules = [ruleset[index] for index in range(len(ruleset))]
    for line in data.split(b"\n")[max(0, theirs.line - 1) : max(1, theirs.end_line)]:
        for miss in near_misses(rules, detector.expressions, line, path):
            return f"{miss.rule_id} matches, and does not report it: {miss.reason or 'another finding has this value'}"
    return "no rule of Sealgate's matches there"
