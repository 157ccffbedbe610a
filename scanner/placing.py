# SPDX-License-Identifier: Apache-2.0
"""From what was seen in blobs to findings: where it stands, which version speaks for a secret, what is shown of it.

Only here are paths known, so only here do path conditions of rules and the choice between rules apply.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from scanner.detect.engine import Match, resolve
from scanner.detect.placed import at_path
from scanner.display import decode_path, decode_text, one_line, redact, shorten
from scanner.model import CONFIDENCES, Finding, Gap, Location, Place, Provenance, Related, Source, Span
from scanner.pairing import Pairing
from scanner.sighting import Seen, Sighting
from scanner.triage import Mark

_EXCERPT: Final = 160
# Of secrets that one key id stands beside; each of them names the id.
_MOST_RELATED: Final = 10
_UNKNOWN: Final = Provenance("unreachable")
# A blob without a place of its own is traced by its id.
Origin = tuple[str | None, Place | None]


class _Occurrence(NamedTuple):
    """A sighting at one of its blob's places; `beside` are all that count there, itself among them."""

    sighting: Sighting
    seen: Seen
    provenance: Provenance
    beside: Sequence[Sighting]


class Findings(NamedTuple):
    """Findings, one a secret and path, and the marks that speak of each, by fingerprint and path."""

    found: list[Finding]
    marks: dict[tuple[str, bytes], list[Mark]]


def place(source: Source, seen: Sequence[Seen], archives: Sequence[Origin], gaps: list[Gap]) -> Findings:
    """Return the findings, in order of place; archives become gaps at their paths. The source traces once, for all."""
    origins = [*((here.blob, here.place) for here in seen), *archives]
    traced = source.trace([blob for blob, known in origins if known is None and blob is not None])
    groups: dict[tuple[str, bytes], list[_Occurrence]] = {}
    # How a repository is packed must not decide between equals.
    for here in sorted(seen, key=lambda here: here.blob or "~"):
        for spot in _places(here.blob, here.place, traced):
            beside = list(_at(here.sightings, spot.path))
            for sighting in beside:
                occurrence = _Occurrence(sighting, here, spot.provenance, beside)
                groups.setdefault((sighting.fingerprint, spot.path), []).append(occurrence)
    result = Findings([], {})
    lines, pairing = _Lines(), Pairing()
    for (value, path), occurrences in groups.items():
        chosen, considered = _choose(occurrences)
        excerpt = lines.excerpt(chosen.sighting.match, chosen.seen)
        finding = _finding(value, path, chosen, occurrences, excerpt)
        result.found.append(finding._replace(related=_related(chosen, occurrences, pairing)))
        if chosen.sighting.mark:
            result.marks[value, path] = list(dict.fromkeys(o.sighting.mark for o in considered if o.sighting.mark))
    _report_archives(archives, traced, gaps)
    return result


def _report_archives(archives: Sequence[Origin], traced: Mapping[str, Sequence[Place]], gaps: list[Gap]) -> None:
    """Name what was read as bytes only: whoever reads "clean" must know."""
    versions = Counter(found.path for blob, known in archives for found in _places(blob, known, traced))
    for path, count in sorted(versions.items()):
        gaps.append(Gap("archive", decode_path(path), "read as it is, its members not looked into", count))


class _Lines:
    """The lines that findings show. A blob's matches are put in order once, however many findings it has."""

    def __init__(self) -> None:
        self._ordered: dict[tuple[int, str], tuple[list[Match], list[int]]] = {}

    def excerpt(self, match: Match, seen: Seen) -> str:
        """Return a match's line with every value that was found on it redacted."""
        start = match.span.start - match.value.line_span.start
        line = match.value.line.reveal()
        ordered, reach = self._in_order(seen, match.reading)
        # Behind the first place that anything up to there reaches beyond, nothing is too early.
        first = bisect_left(reach, start + 1)
        stop = bisect_left(ordered, start + len(line), first, key=_start)
        on_line = [other for other in ordered[first:stop] if other.span.end > start]
        spans = [Span(other.span.start - start, other.span.end - start) for other in on_line]
        return _redact_line(line, spans, [other.value.secret.reveal() for other in on_line])

    def _in_order(self, seen: Seen, reading: str) -> tuple[list[Match], list[int]]:
        """Return the matches of one reading by their spans, and for each how far it and those before it reach."""
        known = self._ordered.get((id(seen), reading))
        if known is None:
            ordered = sorted((match for match in seen.matches if match.reading == reading), key=_span)
            reach = list(accumulate((match.span.end for match in ordered), max))
            known = self._ordered[id(seen), reading] = (ordered, reach)
        return known


def _start(match: Match) -> int:
    return match.span.start


def _span(match: Match) -> Span:
    return match.span


def _redact_line(line: bytes, spans: Sequence[Span], secrets: Sequence[bytes]) -> str:
    """Return a line for people, with the values at these spans (in ascending order) redacted."""
    parts, position = [], 0
    for span, secret in zip(spans, secrets, strict=True):
        if span.start >= position:
            parts += [decode_text(line[position : span.start]), redact(secret)]
        position = max(position, span.end)
    parts.append(decode_text(line[position:]))
    return shorten(one_line("".join(parts).strip()), _EXCERPT)


def _places(blob: str | None, place: Place | None, traced: Mapping[str, Sequence[Place]]) -> Sequence[Place]:
    if place is not None:
        return (place,)
    name = (blob or "").encode()
    return traced.get(blob or "") or (Place(b".git/blob/" + name, _UNKNOWN),)


def _at(sightings: Sequence[Sighting], path: bytes) -> Iterator[Sighting]:
    """Yield the sightings that count at this path: rules for other paths left out, then overlaps resolved."""
    by_match = {id(sighting.match): sighting for sighting in sightings}
    fit = {id(placed): (placed, by_match[id(match)]) for placed, match in at_path((s.match for s in sightings), path)}
    for placed in resolve([placed for placed, _ in fit.values()]):
        yield fit[id(placed)][1]._replace(match=placed)


def _choose(occurrences: Sequence[_Occurrence]) -> tuple[_Occurrence, Sequence[_Occurrence]]:
    """Return the occurrence to report, and those whose marks speak for all: what is at HEAD, else the last version.

    A mark silences its own line only, so one without a mark is reported before any with one.
    """
    latest = max(o.provenance.order for o in occurrences)
    considered = [o for o in occurrences if o.provenance.at_head] or [o for o in occurrences if o.provenance.order == latest]
    unmarked = [o for o in considered if not o.sighting.mark]
    if unmarked:
        return min(unmarked, key=_rank), considered
    first = considered if considered[0].provenance.at_head else occurrences
    return min((o for o in first if o.sighting.mark), key=_rank), considered


def _rank(occurrence: _Occurrence) -> tuple[int, int, Location]:
    """Surest first, then the earliest version, then the first place in it."""
    sure = CONFIDENCES.index(occurrence.sighting.match.value.confidence)
    return -sure, occurrence.provenance.order, occurrence.sighting.match.location


def _related(chosen: _Occurrence, occurrences: Sequence[_Occurrence], pairing: Pairing) -> tuple[Related, ...]:
    """Return what belongs to a secret in the version that is reported, at whichever place of it there."""
    found = list(pairing.of(chosen.sighting, chosen.beside))
    for other in occurrences:
        if other.beside is chosen.beside:
            found += pairing.of(other.sighting, other.beside)
    # The same key id may stand beside the secret key twice.
    halves: dict[str, Related] = {}
    for related in found:
        halves.setdefault(related.fingerprint, related)
    return tuple(halves.values())[:_MOST_RELATED]


def _finding(
    value: str, path: bytes, chosen: _Occurrence, occurrences: Sequence[_Occurrence], excerpt: str
) -> Finding:
    match = chosen.sighting.match
    committed = [o.provenance for o in occurrences if o.provenance.commit] or [chosen.provenance]
    return Finding(
        rule=match.value.rule.info(),
        confidence=match.value.confidence,
        reason=match.value.reason,
        path=path,
        location=match.location,
        fingerprint=value,
        secret=match.value.secret,
        redacted=redact(match.value.secret.reveal()),
        excerpt=excerpt,
        blob=chosen.seen.blob,
        provenance=chosen.provenance,
        first=min(committed, key=lambda provenance: provenance.order),
        occurrences=len({(o.seen.blob, o.sighting.match.span, o.sighting.match.location) for o in occurrences}),
        decoded_from=match.decoded_from,
        line=match.value.line,
    )
