# SPDX-License-Identifier: Apache-2.0
"""Expressions of other scanners mean the same here: Google's RE2, which they are written for, is the judge."""

import random
import re
import string

import pytest
import re2

from scanner.importers.spelling import patterns_of, search_text, tells
from scanner.importers.syntax import NotReadError, parse

EXPRESSIONS = [
    r"(?i)[\w.-]{0,20}?(?:acme)(?:[ \t\w.-]{0,9})[\s'\"]{0,3}(?:=|>|:{1,3}=|=>|,)[\x60'\"\s=]{0,5}([a-z0-9]{8})(?:[\x60'\"\s;]|\\[nr]|\b)",
    r"\b(acme_[[:alnum:]]{3,9})\b",
    r"foo(?i)Bar\Q.x*\E+",
    r"foo(?i:bar(?-i)Baz)x",
    r"a(?:=(x+)|:(y+))",
    r"(?i)k[^a-f]{2}z|Q",
    r"[[:^digit:]]a[[:upper:][:punct:]]",
    r"(?P<one>a|b)(?<two>c)?d",
    r"x{,3}|y{2,}|z{1,2}?",
    r"(?s:a.b)|c.d",
    r"(?U)a+b*?",
    r"[]a-c^-]+\]",
    r"\x41\x{42}\101\.\-\/\"",
    r"\D\W\S[\d\s]",
    r"(?m)^acme$",
    r"()a|(b*)c",
]
WORDS = ["acme", "ACME", "acme_", "foo", "Bar", "bar", "Baz", "BAR.X", ".x**", "=", ":", "a", "b", "c", "d", "x", "yy", "z", "k", "Q", "]", "^", "-", " ", "\n", "\t",
         "'", '"', "AB", "A", ".", "/", "1", "9", "{,3}", "abcd1234", "\\n"]  # fmt: skip


def texts(seed: int) -> list[str]:
    rng = random.Random(seed)
    drawn = ["".join(rng.choices(WORDS, k=rng.randrange(1, 9))) for _ in range(400)]
    # A vertical tab is no blank to RE2, and one to everybody else.
    printable = string.printable.replace("\v", "")
    return drawn + ["".join(rng.choices(printable, k=rng.randrange(1, 12))) for _ in range(200)]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_translated_expression_finds_what_re2_finds(expression: str) -> None:
    theirs = re2.compile(expression)
    ours = re.compile(search_text(parse(expression, "go")).encode("ascii"))
    for text in texts(1):
        assert (theirs.search(text) is None) == (ours.search(text.encode()) is None), text


@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS if "(?m)" not in e])
def test_the_secret_is_the_first_group_with_something_in_it(expression: str) -> None:
    theirs = re2.compile(expression)
    patterns = patterns_of(parse(expression, "go"), None)
    ours = [re.compile(p.text.encode("ascii"), re.IGNORECASE if p.ignore_case else 0) for p in patterns]
    for text in texts(2):
        found = theirs.search(text)
        if found is None:
            assert not any(each.search(text.encode()) for each in ours), text
        else:
            wanted = next((group for group in found.groups() if group), found[0]).encode()
            assert wanted in [m["secret"] for each in ours for m in each.finditer(text.encode())], text


def test_where_case_does_not_matter_the_rule_says_so_and_else_the_classes_do() -> None:
    (blind,) = patterns_of(parse("(?i)acme_[a-f0-9]{4}", "go"), None)
    assert (blind.text, blind.ignore_case) == ("(?P<secret>acme_[0-9a-f]{4})", True)
    (mixed,) = patterns_of(parse("(?i:acme)_[A-F]", "go"), None)
    assert (mixed.text, mixed.ignore_case) == ("(?P<secret>[Aa][Cc][Mm][Ee]_[A-F])", False)


def test_the_group_may_be_named_by_its_number() -> None:
    parsed = parse("(a)(b)", "go")
    assert [patterns_of(parsed, group)[0].text for group in (0, 1, 2)] == ["(?P<secret>(?:a)(?:b))", "(?P<secret>a)(?:b)", "(?:a)(?P<secret>b)"]
    with pytest.raises(NotReadError, match="no group 3"):
        patterns_of(parsed, 3)


def test_free_spacing_is_rusts() -> None:
    (pattern,) = patterns_of(parse("(?xi)\n \\b ( acme_ [a-z 0-9]{3} ) # the key\n \\  \\#", "rust"), None)
    assert pattern.text == r"\b(?P<secret>acme_[0-9a-z]{3}) #"
    with pytest.raises(NotReadError, match="the flag x"):
        parse("(?x)a", "go")


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("(?=a)b", "look-around"),
        ("(?<!a)b", "look-around"),
        ("a**", "a count behind a count"),
        ("a*+", "a count behind a count"),
        ("*a", "nothing to repeat"),
        ("a{3,2}", "a count that ends before it begins"),
        ("(a", "a group that is not closed"),
        ("a)", "without an opening one"),
        ("[a", "a class that is not closed"),
        ("[z-a]", "a range that ends before it begins"),
        ("\\", "a backslash at the end"),
        (r"\G", "the escape"),
        (r"\1", "the escape"),
        ("^*", "a count for a place"),
        ("(" * 200 + "a" + ")" * 200, "too many groups"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(expression: str, complaint: str) -> None:
    with pytest.raises(NotReadError, match=complaint) as caught:
        parse(expression, "go")
    assert "at character" in str(caught.value)


@pytest.mark.parametrize("expression", ["[a-z&&[^b]]", "[[a-c]x]", r"\b{start}a", r"\<a"])
def test_what_only_rust_knows_is_refused(expression: str) -> None:
    with pytest.raises(NotReadError):
        parse(expression, "rust")


def test_comments_stand_for_nothing() -> None:
    (pattern,) = patterns_of(parse("ab(?# note){3}c", "rust"), None)
    assert pattern.text == "(?P<secret>ab{3}c)"
    with pytest.raises(NotReadError, match="a group of a kind"):
        parse("a(?#b)", "go")


def test_where_groups_capture_in_too_many_ways_all_of_it_is_the_value() -> None:
    parsed = parse("tok" + "(?:(a)|(b))" * 5, "go")
    assert [(pattern.group, pattern.text[:13]) for pattern in patterns_of(parsed, None)] == [(0, "(?P<secret>to")]


def test_what_is_not_exact_is_remarked() -> None:
    assert parse(r"\pL[é-ü]", "go").remarks == (
        "of classes of Unicode, all characters beyond ASCII belong to each",
        "in classes, all characters beyond ASCII are alike",
    )
    assert re.search(search_text(parse("né+", "go")).encode(), "nééé".encode())[0] == "nééé".encode()


@pytest.mark.parametrize(
    ("expression", "told"),
    [("(?i)ACME_x", True), ("x|y", False), ("acmex|yacme", True), ("acme|b", False), ("(?:acme)?x", False), ("(?:xacme)+", True), ("ac.me", False)],
)
def test_a_keyword_that_every_match_has_is_known(expression: str, told: bool) -> None:
    assert tells(parse(expression, "go").tree, ["Acme"]) is told
