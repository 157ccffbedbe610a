# SPDX-License-Identifier: Apache-2.0
"""Why a line is silent: the rules whose patterns match in it, and what is said against what they match."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from scanner.detect.engine import NEAR_BYTES
from scanner.detect.expression import Expressions
from scanner.detect.judge import judge
from scanner.detect.rules import Rule
from scanner.detect.weigh import weigh
from scanner.paths import glob_matches


class NearMiss(NamedTuple):
    """A rule that matches, and what speaks against what it matches; empty where nothing does."""

    rule_id: str
    reason: str


def near_misses(rules: Iterable[Rule], expressions: Expressions, line: bytes, path: bytes) -> Iterator[NearMiss]:
    """Yield each match of a rule in this line of a file, with the judge's reason against it or that of the rule's paths.

    Use it within the expressions' `watched`.
    """
    for rule in rules:
        try:
            yield from expressions.limited(_of_rule, rule, expressions, line, path)
        except TimeoutError:
            yield NearMiss(rule.id, "it gives up on this line")


def _of_rule(rule: Rule, expressions: Expressions, line: bytes, path: bytes) -> list[NearMiss]:
    if rule.whole and not glob_matches(rule.paths, path):
        return []  # of a line somewhere it says nothing
    search = expressions.compile(rule.pattern, ignore_case=rule.ignore_case)
    matches = search(line, 0, len(line), len(line))
    return [NearMiss(rule.id, _reason(rule, line, match.span("secret"), path)) for match in matches]


def _reason(rule: Rule, line: bytes, span: tuple[int, int], path: bytes) -> str:
    """Return why a match is no finding, by the steps that a scan takes."""
    start, end = span
    first = max(0, start - NEAR_BYTES)
    near = line[first : end + NEAR_BYTES]
    verdict = judge(rule, line[start:end], near, start - first)
    if verdict.confidence is None:
        return verdict.reason
    if rule.weigh:
        weighed = weigh(near, start - first, end - first, path)
        if weighed.confidence is None:
            return weighed.reason
    if rule.whole:
        return "it is for a file with nothing else in it"
    return f"it is for {', '.join(rule.paths)}" if rule.paths and not glob_matches(rule.paths, path) else ""
