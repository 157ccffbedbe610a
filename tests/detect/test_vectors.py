# SPDX-License-Identifier: Apache-2.0
"""The vectors of all shipped rules, and that they would notice a rule that no longer works."""

import functools
from collections import Counter

import pytest

from scanner.detect.engine import Detector
from scanner.detect.placed import at_path
from scanner.detect.prefilter import compile_ruleset
from scanner.detect.rules import Rule, Vector, builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import check_vectors, expand
from scanner.errors import ConfigError

_PACKS = read_packs([builtin_directory()])
RULES = load_rules(_PACKS)
VECTORS = load_vectors(_PACKS)
DEAD = "(?P<secret>\\x01never\\x02matches\\x03)"


@functools.cache
def _detector() -> Detector:
    return Detector(compile_ruleset(RULES))


def test_every_shipped_rule_does_what_its_vectors_promise() -> None:
    assert [f"{f.vector.rule_id} {f.vector.positive} {f.vector.number}: {f.message}" for f in check_vectors(_detector(), VECTORS)] == []


def test_every_shipped_rule_has_a_positive_and_a_negative_vector() -> None:
    counts = Counter((vector.rule_id, vector.positive) for vector in VECTORS)
    assert [rule.id for rule in RULES if not counts[rule.id, True] or not counts[rule.id, False]] == []


def test_every_positive_vector_fails_where_its_rule_cannot_match() -> None:
    """Whatever a rule's vectors leave to another rule of the pack would pass with the rule itself dead."""
    dead = Detector(compile_ruleset([rule._replace(pattern=DEAD) for rule in RULES]))
    positive = [vector for vector in VECTORS if vector.positive]
    failed = {failure.vector for failure in check_vectors(dead, positive)}
    assert [vector for vector in positive if vector not in failed] == []


def test_no_vector_holds_what_a_rule_finds_before_it_is_filled_in() -> None:
    """The rule packs themselves must pass the gate."""
    found = [
        (vector.rule_id, match.value.rule.id)
        for vector in VECTORS
        for match, _ in at_path(_detector().find(vector.text.encode()), vector.path.encode())
        if vector.positive and not match.value.rule.paths and match.value.confidence != "low"
    ]
    assert found == []


RULE = Rule("test-token", "Test", "high", "medium", r"\b(?P<secret>tst_[0-9a-z]{8})\b", "Help.", ())


def _messages(*texts: str, positive: bool = True, rule: Rule = RULE, others: tuple[Rule, ...] = ()) -> list[str]:
    vectors = [Vector(rule.id, positive, index, text, "") for index, text in enumerate(texts, 1)]
    return [failure.message for failure in check_vectors(Detector(compile_ruleset([rule, *others])), vectors)]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("«tst_{{base36:8}}»", []),
        ("«tst_{{base36:7}}»", ["is not found"]),
        ("«tst_{{base36:8}}» tst_{{base36:8}}", ["must be found once, but is found 2 times"]),
        ("x«tst_{{base36:8}}»", ["is not found"]),
        ("«x tst_{{base36:8}}»", ["is found, but the captured value is not what the marks enclose"]),
    ],
)
def test_a_positive_vector_fails_in_words(text: str, messages: list[str]) -> None:
    assert _messages(text) == messages


def test_a_negative_vector_that_is_found_fails_with_the_reason() -> None:
    assert _messages("tst_{{base36:8}}", "tst_", positive=False) == ["must stay silent, but is found (format and context fit)"]


def test_a_vector_fails_where_another_rule_wins() -> None:
    rival = RULE._replace(id="rival-token", confidence="high")
    assert _messages("«tst_{{base36:8}}»", others=(rival,)) == ["is found, but rule rival-token wins over it"]


def test_a_vector_fails_where_the_value_is_doubtful() -> None:
    rule = RULE._replace(proof="crc32-base62")
    [message] = _messages("«tst_{{base36:8}}»", rule=rule)
    assert message.startswith("is found only at low confidence (")


def test_a_rule_of_low_confidence_may_find_at_low_confidence() -> None:
    assert _messages("«tst_{{base36:8}}»", rule=RULE._replace(confidence="low")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tst_", "needs exactly one «…»"),
        ("«a» «b»", "needs exactly one «…»"),
        ("«{{nothing:5}}»", "unknown generator 'nothing'"),
        ("«{{alnum:five}}»", "unknown generator 'alnum'"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"rule test-token: positive vector 2: {message}"):
        expand(Vector("test-token", True, 2, text, ""))


def test_a_template_gives_the_same_value_each_time_and_another_one_elsewhere() -> None:
    vector = Vector("test-token", True, 0, "«{{alnum:30}}»", "")
    values = [expand(v).secret for v in (vector, vector, vector._replace(number=1), vector._replace(rule_id="other"))]
    assert (values[0] == values[1], len(set(values))) == (True, 3)


def test_a_failure_never_holds_the_value() -> None:
    vector = Vector("test-token", True, 0, "«x tst_{{base36:8}}»", "")
    secret = expand(vector).secret or b""
    [failure] = check_vectors(Detector(compile_ruleset([RULE])), [vector])
    assert secret.decode() not in repr(failure)
