# SPDX-License-Identifier: Apache-2.0
"""Searches that end whatever the content, and give the same matches whichever engine does them."""

import re
import signal
import threading
from typing import Any

from scanner.detect.engine import Detector
from scanner.detect.expression import Expression, Expressions
from scanner.detect.prefilter import compile_ruleset
from scanner.detect.rules import Rule, builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand

RULE = Rule("slow-token", "Slow", "high", "high", "slow_(?P<secret>(?:[a-z]{1,30}){1,30}[0-9])", "Help.", ())
SLOW = b"slow_" + b"a" * 40 + b"!"
FAST = b"slow_abc7"


def _found(expression: Expression, data: bytes) -> list[Any]:
    return [(found.span(), found.span("secret")) for found in expression(data, 0, len(data), len(data))]


def _find_all(detector: Detector) -> list[tuple[str, int]]:
    """Search slow content, then ask whether the detector still works."""
    detector.find(SLOW)
    found = detector.find(FAST)
    return [(match.value.rule.id, match.span.start) for match in found]


def test_a_search_made_to_be_slow_is_interrupted_and_becomes_a_gap() -> None:
    detector = Detector(compile_ruleset([RULE]))
    with detector.expressions.watched():
        found = _find_all(detector)
    assert found == [("slow-token", 5)]
    assert [(gap.kind, gap.what) for gap in detector.gaps] == [("rule", "slow-token")]


def test_without_an_alarm_a_search_made_to_be_slow_becomes_a_gap_too() -> None:
    detector = Detector(compile_ruleset([RULE]))
    assert _find_all(detector) == [("slow-token", 5)]
    assert [(gap.kind, gap.what) for gap in detector.gaps] == [("rule", "slow-token")]


def test_outside_the_main_thread_a_search_made_to_be_slow_becomes_a_gap_too() -> None:
    detector = Detector(compile_ruleset([RULE]))
    answers = []

    def work() -> None:
        with detector.expressions.watched():
            answers.append((detector.expressions.interruptible, _find_all(detector)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [(False, [("slow-token", 5)])]
    assert [(gap.kind, gap.what) for gap in detector.gaps] == [("rule", "slow-token")]


def test_what_the_judge_searches_for_is_interrupted_too() -> None:
    rule = Rule("slow-judge", "Slow", "high", "high", "slow_(?P<secret>[a-z]{6,30})!", "Help.", ())
    detector = Detector(compile_ruleset([rule._replace(near="\\A(?:[a-z_]{1,30}){1,30}[0-9]")]))
    with detector.expressions.watched():
        detector.find(b"slow_" + b"abqdefkhijz" * 2 + b"!")  # four seconds and more of backtracking
    assert [gap.kind for gap in detector.gaps] == ["rule"]


def test_watching_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    expressions = Expressions()
    with expressions.watched():
        assert expressions.interruptible
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    assert not expressions.interruptible
    assert (signal.getitimer(signal.ITIMER_REAL), signal.getsignal(signal.SIGALRM)) == ((0.0, 0.0), before)


def test_both_engines_find_the_same_on_every_vector() -> None:
    packs = read_packs([builtin_directory()])
    rules = {rule.id: rule for rule in load_rules(packs)}
    alarmed, other = Expressions(), Expressions()
    different, count = [], 0
    compiled: dict[str, tuple[Expression, Expression]] = {}
    with alarmed.watched():
        for vector in load_vectors(packs):
            rule = rules[vector.rule_id]
            if rule.id not in compiled:
                compiled[rule.id] = (
                    alarmed.compile(rule.pattern, ignore_case=rule.ignore_case),
                    other.compile(rule.pattern, ignore_case=rule.ignore_case),
                )
            data = b"\n" + expand(vector).data
            first, second = (_found(expression, data) for expression in compiled[rule.id])
            count += len(first)
            if first != second:
                different.append(rule.id)
    assert different == []
    assert count >= len(rules)


def test_both_engines_try_few_starts_one_by_one_alike() -> None:
    alarmed, other = Expressions(), Expressions()
    pattern = "(?P<secret>ab[0-9]{2,4})(?=[^0-9])"
    with alarmed.watched():
        searches = alarmed.compile(pattern, ignore_case=True), other.compile(pattern, ignore_case=True)
        data = b"ab12 AB345ab6789 aab12"
        for first, latest in ((0, 3), (0, 20), (1, 10), (5, 5), (6, 8), (0, 60)):
            spans = [[m.span("secret") for m in search(data, first, latest, len(data))] for search in searches]
            assert spans[0] == spans[1]
            assert spans[0] == [s for s in ((0, 4), (5, 10), (10, 16)) if first <= s[0] <= latest]


def test_a_search_from_one_beginning_to_the_next_finds_what_a_search_finds() -> None:
    pattern = "(?P<key>(?:secret|token|(?:api|auth)[_-]?key)[a-z_]{0,9})[ =]{1,3}(?P<secret>[a-z0-9]{3,9})"
    data = (b"api_key = ab1 xx token_secret=abc authkey=zz9 TOKEN  q12 " + b"filler " * 20 + b"Secret=end apikeytoken=a1b2 ") * 3
    alarmed = Expressions()
    with alarmed.watched():
        search = alarmed.compile(pattern, ignore_case=True)
        for first, latest in ((0, len(data)), (3, 300), (17, 200), (60, 400)):
            expected = [m.span() for m in re.compile(pattern.encode(), re.IGNORECASE).finditer(data, first) if m.start() <= latest]
            assert [m.span() for m in search(data, first, latest, len(data))] == expected
            assert expected
