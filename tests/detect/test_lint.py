# SPDX-License-Identifier: Apache-2.0
"""Complaints about valid rules, each of them provoked; the shipped rules give none."""

from typing import Any

import pytest

from scanner.detect.lint import lint
from scanner.detect.rules import Rule, Vector, builtin_directory, load_rules, load_vectors, read_packs

RULE = Rule(
    "test-token", "Test token", "high", "medium", r"\b(?P<secret>tst_[0-9a-z]{8})\b", "Revoke it at once, and look for its use.", ("https://example.org",)
)  # fmt: skip
VECTORS = [Vector(RULE.id, True, 0, "x", ""), Vector(RULE.id, False, 0, "x", "")]


def test_the_shipped_rules_give_no_complaint() -> None:
    packs = read_packs([builtin_directory()])
    assert list(lint(load_rules(packs), load_vectors(packs))) == []


def test_a_good_rule_gives_no_complaint() -> None:
    assert list(lint([RULE], VECTORS)) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pattern": "(?P<secret>[a-z]{20})"}, "no literal of at least 3 characters in every match"),
        ({"pattern": "tst_(?P<secret>[a-z]+)"}, "the pattern is not bounded: a match may be longer than 20,000 bytes"),
        ({"pattern": "tst_(?P<secret>[a-z]{1,20001})"}, "the pattern is not bounded: a match may be longer than 20,000 bytes"),
        ({"pattern": "(?P<secret>tst_(?P<user>[a-z]{8}))"}, "capturing groups but 'secret' and 'key' are written (?:...)"),
        ({"pattern": "(?P<secret>tst_([a-z]{8}))"}, "capturing groups but 'secret' and 'key' are written (?:...)"),
        ({"pattern": "(?P<secret>(?:" + "|".join(f"word{n:04}" for n in range(400)) + "))"}, "the pattern's beginning is too large for the prefilter"),
        ({"pattern": r"\s{20,60}tst_(?P<secret>[0-9a-z]{8})"}, "what stands before the first literal may begin 72 bytes before, in another line"),
        ({"pattern": r"[a-z]{20,600}tst_(?P<secret>[0-9a-z]{8})"}, "what stands before the first literal is too long: a match may begin 612 bytes before the prefilter knows of it"),
        ({"proof": "crc23"}, "there is no proof 'crc23': one of crc32-base62, "),
        ({"name": "test token"}, "the name begins with a capital and has no full stop"),
        ({"name": "Test token."}, "the name begins with a capital and has no full stop"),
        ({"help": "Revoke."}, "the help says in whole sentences what to do on a leak"),
        ({"help": "revoke it at once, and look for its use"}, "the help says in whole sentences what to do on a leak"),
        ({"references": ("http://example.org",)}, "not an https reference: http://example.org"),
        ({"identifiers": ("no-such",)}, "it is used with 'no-such', and there is no such rule"),
        ({"identifiers": ("test-token",)}, "test-token identifies nothing: it has identifiers of its own"),
        ({"entropy": 9.0}, "entropy is in bits per character, 0 to 6"),
        ({"entropy": float("nan")}, "entropy is in bits per character, 0 to 6"),
    ],
)  # fmt: skip
def test_each_complaint_names_its_rule(change: dict[str, Any], complaint: str) -> None:
    complaints = list(lint([RULE._replace(**change)], VECTORS))
    assert [text for text in complaints if text.startswith(f"rule test-token: {complaint}")] != []


def test_a_rule_that_looks_everywhere_is_a_complaint() -> None:
    complaints = list(lint([RULE._replace(pattern=r"import (?P<secret>[a-z]{2,20})"), RULE._replace(id="other")], []))
    assert [text.split(":")[2] for text in complaints if "candidates" in text] == [" ask for more behind the first literal"]
    assert complaints[-1].startswith("rule test-token: ")


def test_names_that_their_owners_write_in_lower_case_are_no_complaint() -> None:
    assert list(lint([RULE._replace(name="npm access token")], VECTORS)) == []


@pytest.mark.parametrize("kept", [0, 1])
def test_a_rule_needs_vectors_of_both_kinds(kept: int) -> None:
    assert list(lint([RULE], [VECTORS[kept]])) == ["rule test-token: needs a positive and a negative vector"]
