# SPDX-License-Identifier: Apache-2.0
"""The anchor of a pattern: whatever the pattern matches, the prefilter must have seen coming."""

import functools
import re
from collections.abc import Iterator

import hyperscan
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.detect.anchor import TAIL, Anchor, anchor, width
from scanner.detect.rules import Rule, builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand

_PACKS = read_packs([builtin_directory()])
RULES = {rule.id: rule for rule in load_rules(_PACKS)}
VECTORS = [vector for vector in load_vectors(_PACKS) if vector.positive]


@functools.lru_cache(maxsize=8)
def _database(expression: str, *, ignore_case: bool) -> hyperscan.Database:
    database = hyperscan.Database()
    flags = hyperscan.HS_FLAG_MULTILINE | (hyperscan.HS_FLAG_CASELESS if ignore_case else 0)
    database.compile(expressions=[expression.encode()], ids=[0], elements=1, flags=[flags])
    return database


def _ends(cut: Anchor, data: bytes, *, ignore_case: bool = False) -> list[int]:
    """Return where Hyperscan sees the anchor end."""
    found: list[int] = []
    _database(cut.expression, ignore_case=ignore_case).scan(data, match_event_handler=lambda _id, _start, end, _flags, _context: found.append(end))
    return found


def _foreseen(cut: Anchor, ends: list[int], start: int) -> bool:
    return any(end - cut.longest <= start <= end - cut.shortest for end in ends)


def _positives() -> Iterator[tuple[Rule, bytes]]:
    for vector in VECTORS:
        if not RULES[vector.rule_id].whole:  # these have no anchor
            yield RULES[vector.rule_id], expand(vector).data


def test_every_match_of_a_shipped_rule_is_foreseen_by_its_anchor() -> None:
    missed = []
    for rule, data in _positives():
        cut = anchor(rule.pattern)
        compiled = re.compile(rule.pattern.encode(), re.MULTILINE | (re.IGNORECASE if rule.ignore_case else 0))
        for before in (b"", b"x", b"\n" * 300, b"\xff\xfe "):
            text = before + data
            ends = _ends(cut, text, ignore_case=rule.ignore_case)
            missed += [rule.id for found in compiled.finditer(text) if not _foreseen(cut, ends, found.start())]
    assert missed == []


def test_no_shipped_rule_matches_more_than_its_width() -> None:
    wider = []
    for rule, data in _positives():
        bounds = width(rule.pattern)
        compiled = re.compile(rule.pattern.encode(), re.MULTILINE | (re.IGNORECASE if rule.ignore_case else 0))
        lengths = [found.end() - found.start() for found in compiled.finditer(data)]
        wider += [rule.id for length in lengths if not bounds.shortest <= length <= bounds.longest]
    assert wider == []


Piece = tuple[str, str]


def _group(children: st.SearchStrategy[list[Piece]]) -> st.SearchStrategy[Piece]:
    sequence = children.map(lambda pieces: ("".join(p for p, _ in pieces), "".join(s for _, s in pieces)))
    choice = st.tuples(sequence, sequence, st.booleans()).map(
        lambda t: (f"(?:{t[0][0]}|{t[1][0]})", t[0][1] if t[2] else t[1][1])
    )
    repeat = st.tuples(sequence, st.integers(0, 3), st.integers(1, 6), st.booleans()).flatmap(
        lambda t: st.integers(t[1], t[1] + t[2]).map(
            lambda n: (f"(?:{t[0][0]}){{{t[1]},{t[1] + t[2]}}}" + ("?" if t[3] else ""), t[0][1] * n)
        )
    )
    optional = st.tuples(sequence, st.booleans()).map(lambda t: (f"(?:{t[0][0]})?", t[0][1] if t[1] else ""))
    named = sequence.map(lambda t: (f"({t[0]})", t[1]))
    atomic = sequence.map(lambda t: (f"(?=[a-z0-9._-]{{0,9}}){t[0]}(?<![A-Z])", t[1]))
    return st.one_of(choice, repeat, optional, named, atomic)


_LITERAL = st.text("abcxyz019_", min_size=1, max_size=5).map(lambda text: (re.escape(text), text))
_CLASS = st.sampled_from([("[a-f]", "c"), ("[0-9]", "7"), ("[ab]", "b"), (r"\d", "4"), (r"\w", "q"), ("[^A-Z]", "-"), (".", "k")])
_COUNTED = st.tuples(_CLASS, st.integers(0, 20), st.integers(1, 12)).flatmap(
    lambda t: st.integers(t[1], t[1] + t[2]).map(lambda n: (f"{t[0][0]}{{{t[1]},{t[1] + t[2]}}}", t[0][1] * n))
)
_PIECES = st.recursive(
    st.one_of(_LITERAL, _CLASS, _COUNTED), lambda children: _group(st.lists(children, min_size=1, max_size=3)), max_leaves=8
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(_PIECES, min_size=1, max_size=5), st.binary(max_size=30), st.binary(max_size=10))
def test_every_match_of_any_pattern_is_foreseen_by_its_anchor(pieces: list[Piece], before: bytes, after: bytes) -> None:
    pattern, sample = "".join(p for p, _ in pieces), "".join(s for _, s in pieces)
    try:
        cut = anchor(pattern, slow=True)
    except ValueError:
        return
    data = before + sample.encode() + after
    found = re.compile(pattern.encode()).match(data, len(before))
    assert found is not None
    assert _foreseen(cut, _ends(cut, data), len(before))


@pytest.mark.parametrize(
    ("pattern", "data", "start"),
    [
        (r"(?<![a-z])tok_(?=[0-9])[0-9]{4}(?![0-9])", b" tok_1234 ", 1),
        (r"(?:ab|abcd)_key=[a-z]{5}", b"abcd_key=hello", 0),
        (r"(?:gh[pousr]|github)_[a-z]{6}", b"ghu_abcdef", 0),
        (r"(?:prefix_)?live_[a-z]{4}", b"prefix_live_abcd", 0),
        (r"(?:prefix_)?live_[a-z]{4}", b"live_abcd", 0),
        (r"[0-9a-f]{32}-us[0-9]{1,2}key", b"0123456789abcdef0123456789abcdef-us12key", 0),
        (r"(?:ab){2,4}[0-9]{3}end", b"abababab123end", 0),
        (r"a{0,300}secret=[a-z]{4,90}", b"a" * 300 + b"secret=abcd", 0),
        (r"(?>foo|foobar)_[0-9]{3}", b"foo_123", 0),
        (r"x++yzw[0-9]{2}", b"xxxyzw12", 0),
        (r"^\s{0,4}machine\s{1,9}host", b"  machine  host", 0),
        (r"(?:(?:a|b)c|d)ef[gh]ij", b"defhij", 0),
        (r"abcd|wxyz", b"wxyz", 0),
        (r"(?:abc|xyz){1,3}qrs", b"xyzabcqrs", 0),
        (r"[^\n]{0,3}password", b"...password", 0),
    ],
)
def test_a_match_is_foreseen_whatever_stands_before_its_literal(pattern: str, data: bytes, start: int) -> None:
    cut = anchor(pattern)
    assert re.compile(pattern.encode()).match(data, start) is not None
    assert _foreseen(cut, _ends(cut, data), start)


def test_a_literal_of_three_characters_is_found_with_the_length_of_its_beginning() -> None:
    assert anchor("abc[0-9]{4}") == Anchor("abc[0-9]{4}", 7, 7, near=0)


def test_look_around_and_group_names_are_no_part_of_an_anchor() -> None:
    assert anchor("(?<!x)(?P<secret>abcd)(?!y)") == anchor("abcd")


def test_an_anchor_ends_shortly_after_its_literal() -> None:
    assert anchor("client_secret_[a-z]{400}").longest <= len("client_secret_") + TAIL


def test_an_optional_beginning_counts_for_the_reach_and_not_for_the_expression() -> None:
    assert anchor("(?:[a-z]{1,20}-)?token=[0-9]") == Anchor("token\\x3d[0-9]", 7, 7 + 21, near=0)


def test_a_class_of_few_characters_goes_on_with_a_literal() -> None:
    assert anchor("xo[xy]-[0-9]{2}").expression == "xo[xy]\\x2d[0-9]{2}"


@pytest.mark.parametrize(
    ("pattern", "silent"),
    [
        # What closes a value, a look-ahead too, and at the end of a line as of the content.
        (r"password=['\"](?P<secret>[^'\"\n]{6,100})['\"]", b"password='abcdefgh"),
        (r"https://[^\s:/]{0,100}:(?P<secret>[^\s/@]{3,200})@", b"https://host:8080/path"),
        (r"password=(?P<secret>[a-z.]{6,100})(?=[ \t]{0,8}(?:[\r\n#]|\Z))", b"password=module.params["),
        # Look-around that costs nothing.
        (r"(?<![0-9A-Za-z_.])sl\.[a-z]{20}", b"ssl.abcdefghijklmnopqrst"),
        (r"password=(?![{$])(?P<secret>[^\s]{6,100})(?=\s)", b"password={secret} "),
        (r"^[ \t]{0,8}password=[a-z]{9}", b"x password=abcdefghi"),
        (r"sk-[0-9A-Za-z]{48}", b"sk-abcdefghijklmnopqrst"),
    ],
)
def test_what_is_no_match_for_a_simple_reason_is_no_hit(pattern: str, silent: bytes) -> None:
    assert _ends(anchor(pattern), silent) == []


OVER_LINES = [
    (r"plaid[a-z_]{0,9}secret[\"']?,?\s{0,20}[\"']?value[\"']?[ \t]{0,4}[:=][ \t\"]{0,4}(?P<secret>[0-9a-f]{30})", b'plaid_secret",\n\n  "value": "' + b"0" * 30, b"value: " + b"0" * 20),
    (r"github[\w\s:]{0,40}?secret: (?P<secret>[0-9a-f]{40})", b"github:\n  a: b\n  client_secret: " + b"0" * 40, b"secret: abcdefghijkl"),
    (r"machine[ \t]{1,8}[^\s]{1,120}\s{1,16}login[ \t]{1,8}(?P<secret>[!-~]{3,20})", b"machine host\n  login abc", b"the machine itself is"),
    (r"<password>\s{0,8}(?P<secret>[^<\s]{6,300})\s{0,8}</password>", b"<password>\n abcdef\n</password>", b"<password> is"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "data", "silent"), OVER_LINES)
def test_a_match_over_several_lines_is_foreseen_by_one_of_them(pattern: str, data: bytes, silent: bytes) -> None:
    cut = anchor(pattern)
    assert cut.near == 0
    for text in (data, data.replace(b"\n", b" ")):
        assert re.compile(pattern.encode()).match(text) is not None
        assert _foreseen(cut, _ends(cut, text), 0)
    assert _ends(cut, silent) == []
    # One line after the other gives the same hits.
    joined, at = set(), 0
    for line in data.splitlines(keepends=True):
        joined |= {at + end for end in _ends(cut, line)}
        at += len(line)
    assert joined == set(_ends(cut, data))


def test_no_shipped_rule_is_looked_for_over_the_end_of_a_line() -> None:
    assert [rule.id for rule in RULES.values() if not rule.whole and anchor(rule.pattern).near] == []


@pytest.mark.parametrize("place", range(1, 4))
def test_what_stands_in_another_line_than_the_first_literal_is_looked_for_over_the_line(place: int) -> None:
    cut = anchor(r"x\s{1,3}token=[a-z]{4}")
    assert cut.near == cut.longest == 14
    data = b"x" + b" \n "[:place] + b"token=abcd"
    assert _foreseen(cut, _ends(cut, data), 0)


@pytest.mark.parametrize(
    "pattern",
    [
        "[a-z]{20}",
        "ab[0-9]{4}",
        "(?:abc)?[0-9]{4}",
        "abcd|[0-9]{9}",
        "(?:a[a-z]b[a-z]){9}",
        "(?=abcdef)[a-z]{9}",
        "",
        "(?:abc){0,3}",
    ],
)
def test_a_pattern_without_a_literal_in_every_match_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no literal of at least 3 characters in every match"):
        anchor(pattern)


@pytest.mark.parametrize(
    ("pattern", "slow"),
    [("[a-z]{20}", True), (r"\b[0-9]{8,480}\b", True), ("[0-9a-f]{7}", False), ("[0-9]{8,481}", False), ("[a-z]+", False), ("", False)],
)
def test_a_slow_pattern_needs_no_literal_but_a_length(pattern: str, slow: bool) -> None:
    if slow:
        assert anchor(pattern, slow=True).shortest >= 8
    else:
        with pytest.raises(ValueError, match="a match is not of 8 to 480 bytes"):
            anchor(pattern, slow=True)


@pytest.mark.parametrize("pattern", [r"(?P<q>[ab])token(?P=q)", r"(a)token(?(1)b|c)", "(?i:a)token"])
def test_a_pattern_that_looks_back_at_its_groups_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="cannot be used in a rule"):
        anchor(pattern)


def test_a_case_blind_rule_is_foreseen_in_capitals() -> None:
    assert _foreseen(anchor("api_key=[a-z]{4}"), _ends(anchor("api_key=[a-z]{4}"), b"API_Key=ABCD", ignore_case=True), 0)
