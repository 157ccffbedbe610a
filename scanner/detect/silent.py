# SPDX-License-Identifier: Apache-2.0
"""Why a line is silent: the rules whose patterns match on it, and what the judge says against what they match."""

from collections.abc import Iterator
from typing import NamedTuple

from scanner.detect.engine import NEAR_BYTES
from scanner.detect.expression import Expressions
from scanner.detect.judge import Verdict, judge
from scanner.detect.prefilter import RuleSet
from scanner.detect.rules import Rule
from scanner.detect.weigh import weigh


class NearMiss(NamedTuple):
    """A rule that matches and does not report, and the judge's reason."""

    rule_id: str
    reason: str


def near_misses(ruleset: RuleSet, expressions: Expressions, line: bytes, path: bytes) -> Iterator[NearMiss]:
    """Yield the rules whose pattern matches on this line of a file and whose judge said no, with the reason.

    The expressions are watched by whoever calls.
    """
    for rule in map(ruleset.__getitem__, range(len(ruleset))):
        try:
            yield from expressions.limited(_of_rule, rule, expressions, line, path)
        except TimeoutError:
            yield NearMiss(rule.id, "it gave up on this line")


def _of_rule(rule: Rule, expressions: Expressions, line: bytes, path: bytes) -> list[NearMiss]:
    search = expressions.compile(rule.pattern, ignore_case=rule.ignore_case)
    misses = []
    for match in search(line, 0, len(line), len(line)):
        start, end = match.span("secret")
        first = max(0, start - NEAR_BYTES)
        near = line[first : end + NEAR_BYTES]
        verdict = judge(rule, line[start:end], near, start - first)
        if rule.weigh and verdict.confidence is not None:
            verdict = Verdict(*weigh(near, start - first, end - first, path))
        if verdict.confidence is None:
            misses.append(NearMiss(rule.id, verdict.reason))
    return misses
