# SPDX-License-Identifier: Apache-2.0
"""Matches at a path: only there the path conditions of rules hold, and the file's syntax says what a value is."""

from collections.abc import Iterable, Iterator

from scanner.detect.engine import Match
from scanner.paths import glob_matches


def at_path(matches: Iterable[Match], path: bytes) -> Iterator[tuple[Match, Match]]:
    """Yield the matches that count at this path, each with itself as it was: a weighed one has another confidence."""
    for match in matches:
        rule = match.value.rule
        if rule.paths and not glob_matches(rule.paths, path):
            continue
        placed = weighed(match, path) if rule.weigh else match
        if placed is not None:
            yield placed, match


def weighed(match: Match, path: bytes) -> Match | None:
    """Return a match as what it is worth at this path, None for no secret; without a path in a syntax not known."""
    # What was decoded has been weighed where it was found: its own syntax is not its file's.
    if not match.value.rule.weigh or (match.decoded_from and not match.reading):
        return match
    from scanner.detect.weigh import weigh

    value = match.value
    verdict = weigh(value.line.reveal(), *value.line_span, path)
    if verdict.confidence is None:
        return None
    if verdict == (value.confidence, value.reason):
        return match
    return match._replace(value=value._replace(confidence=verdict.confidence, reason=verdict.reason))
