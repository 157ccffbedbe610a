# SPDX-License-Identifier: Apache-2.0
"""From a problem in a file to a finding at a place."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.display import decode_path, one_line, redact
from scanner.model import Finding, Place, Secret
from scanner.triage import Mark, find_mark, fingerprint

if TYPE_CHECKING:
    from scanner.lines import Lines
    from scanner.sops.rules import Problem

_NOTHING: Final = Secret(b"")


class Sighting(NamedTuple):
    """A problem at a place, with what the file's content was needed for."""

    finding: Finding
    mark: Mark | None


def sight(problem: "Problem", data: bytes, lines: "Lines", blob_id: str | None, place: Place) -> Sighting:
    """Return the finding for a problem of a file with this content, `blob_id` and place."""
    import shlex  # only where there is something to mend

    from scanner.sops.rules import RULES

    start, end = problem.span
    identity = b"\0".join((problem.rule.encode(), place.path, problem.key.encode("utf-8", "surrogatepass")))
    value = problem.value or _NOTHING
    shown = redact(value.reveal())
    finding = Finding(
        rule=RULES[problem.rule],
        confidence=problem.confidence,
        reason=one_line(problem.reason),
        path=place.path,
        location=lines.locate(start, max(end, start + 1)),
        fingerprint=fingerprint("sops", identity),
        secret=value,
        redacted=shown,
        # Not the line itself: in a file in clear text its other values are as secret as this one.
        excerpt=one_line(f"{problem.key}: {shown}" if shown and problem.key else problem.key or shown),
        blob=blob_id,
        provenance=place.provenance,
        first=place.provenance,
        remedy=problem.remedy.replace("{file}", shlex.quote(decode_path(place.path))),
    )
    return Sighting(finding, find_mark(data, start, end))


def merge(group: Sequence[Sighting]) -> tuple[Finding, list[Mark]]:
    """Return the finding for one problem: what is at HEAD speaks for it, and a mark on every place silences it."""
    chosen = min(group, key=_rank)
    marks = list(dict.fromkeys(sighting.mark for sighting in group if sighting.mark))
    held = marks if all(sighting.mark for sighting in group) else []
    return chosen.finding._replace(occurrences=len(group)), held


def _rank(sighting: Sighting) -> tuple[bool, int, object]:
    finding = sighting.finding
    return not finding.provenance.at_head, -finding.provenance.order, finding.location
