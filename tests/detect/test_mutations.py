# SPDX-License-Identifier: Apache-2.0
"""Rules that are broken in a mechanical way: their vectors must notice.

The patterns are mutated as text and searched with `re` alone, so that a thousand rules take seconds. Rules that weigh are
left out: with them the judge decides, not the length of a value.
"""

import re
from collections.abc import Callable

import pytest

from scanner.detect.judge import placeholder
from scanner.detect.rules import Rule, Vector, builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand

_PACKS = read_packs([builtin_directory()])
_RULES = [rule for rule in load_rules(_PACKS) if not rule.weigh]
_VECTORS: dict[str, list[Vector]] = {}
for _vector in load_vectors(_PACKS):
    _VECTORS.setdefault(_vector.rule_id, []).append(_vector)
_QUANTIFIER = re.compile(r"\{(\d+)(?:,(\d+))?\}")
_LOOKAROUND = re.compile(r"\(\?<?[=!](?:[^()\\]|\\.)*\)")
_GROUP = "(?P<secret>"


def _secret(pattern: str) -> tuple[int, int]:
    """Return where the text of the group `secret` begins and ends."""
    begin = place = pattern.index(_GROUP) + len(_GROUP)
    depth, in_class = 1, False
    while depth:
        match pattern[place]:
            case "\\":
                place += 1
            case "[" if not in_class:
                in_class = True
                place += 1  # what stands first in a class does not close it
            case "]":
                in_class = False
            case "(" if not in_class:
                depth += 1
            case ")" if not in_class:
                depth -= 1
        place += 1
    return begin, place - 1


def _lengths(pattern: str) -> list[tuple[int, int]]:
    """Return the lengths, least and greatest, that the value's parts may have."""
    value = _LOOKAROUND.sub("", pattern[slice(*_secret(pattern))])
    return [(int(match[1]), int(match[2] or match[1])) for match in _QUANTIFIER.finditer(value)]


def _mutated(pattern: str, change: Callable[[int, int], str]) -> str:
    """Change every length of three and more in the value, but not in what it looks ahead for."""
    begin, end = _secret(pattern)

    def replaced(match: re.Match[str]) -> str:
        low, high = int(match[1]), int(match[2] or match[1])
        return change(low, high) if low >= 3 else match[0]

    value, parts, place = pattern[begin:end], [], 0
    for seen in _LOOKAROUND.finditer(value):
        parts += [_QUANTIFIER.sub(replaced, value[place : seen.start()]), seen[0]]
        place = seen.end()
    return "".join([pattern[:begin], *parts, _QUANTIFIER.sub(replaced, value[place:]), pattern[end:]])


def _found(rule: Rule, pattern: str, data: bytes) -> list[bytes]:
    flags = re.MULTILINE | (re.IGNORECASE if rule.ignore_case else 0)
    return [match["secret"] for match in re.finditer(pattern.encode(), data, flags)]


def _survivors(change: Callable[[int, int], str]) -> list[str]:
    """Return the positive vectors that rules still find when their lengths are changed so."""
    found = []
    for rule in _RULES:
        mutant = _mutated(rule.pattern, change)
        if mutant != rule.pattern:
            for vector in _VECTORS[rule.id]:
                case = expand(vector)
                if vector.positive and case.secret in _found(rule, mutant, case.data):
                    found.append(f"{rule.id} {vector.number}")
    return found


@pytest.mark.parametrize("change", [lambda _, high: f"{{{high + 1}}}", lambda low, _: f"{{{low - 1}}}"], ids=["longer", "shorter"])
def test_a_rule_for_another_length_no_longer_finds_its_vectors(change: Callable[[int, int], str]) -> None:
    assert _survivors(change) == []


def test_a_rule_for_any_length_finds_what_it_must_not() -> None:
    """Where the length says much, some negative vector is a near miss: a value of another length."""
    far_off = []
    for rule in _RULES:
        if any(high > 3 * max(low, 1) for low, high in _lengths(rule.pattern)):
            continue
        loose = _mutated(rule.pattern, lambda _, high: f"{{1,{high + 60}}}")
        negative = [expand(vector).data for vector in _VECTORS[rule.id] if not vector.positive]
        if not any(not placeholder(value) for data in negative for value in _found(rule, loose, data)):
            far_off.append(rule.id)
    assert far_off == []


def test_a_rule_for_any_neighbourhood_finds_what_it_must_not() -> None:
    """Where a rule wants something near a value, a negative vector has the value alone."""
    blind = []
    for rule in _RULES:
        negative = [expand(vector).data for vector in _VECTORS[rule.id] if not vector.positive]
        alone = (value for data in negative for value in _found(rule, rule.pattern, data) if not placeholder(value))
        if rule.near and not any(alone):
            blind.append(rule.id)
    assert blind == []
