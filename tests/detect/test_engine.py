# SPDX-License-Identifier: Apache-2.0
"""Where a value stands, to the byte and to the character; what is found once, twice, or by another rule."""

import functools
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import AWS_KEY_ID, fill, github_token, private_key, stripe_key

from scanner.detect.engine import Detector, Judgement, Match, resolve
from scanner.detect.prefilter import RuleSet, compile_ruleset
from scanner.detect.rules import Rule, builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand
from scanner.model import Location, Secret, Span

# Rules that a content with anything else in it says nothing to.
WHOLE = {rule.id for rule in load_rules(read_packs([builtin_directory()])) if rule.whole}
TOKEN = github_token().encode()
OTHER = github_token(1).encode()


@functools.cache
def _ruleset() -> RuleSet:
    return compile_ruleset(load_rules(read_packs([builtin_directory()])))


@functools.cache
def _shared() -> Detector:
    return Detector(_ruleset())


def _find(data: bytes, rule: str = "github-pat-classic") -> list[Match]:
    return [match for match in _shared().find(data) if match.value.rule.id == rule]


def _one(data: bytes, rule: str = "github-pat-classic") -> Match:
    [match] = _find(data, rule)
    return match


@pytest.mark.parametrize(
    ("before", "after", "line", "column"),
    [
        (b"", b"", 1, 1),
        (b"", b"\n", 1, 1),
        (b"x = ", b"", 1, 5),
        (b"\n", b"", 2, 1),
        (b"a\r\nb\r\n\t", b"\r\n", 3, 2),
        (b"\t\t", b"\t\n", 1, 3),
        ("ü€😀 ".encode(), b"\n", 1, 5),
        ("é".encode() * 300 + b" ", b"\n", 1, 302),
        (b"\xff\xfe\xfd ", b"\n", 1, 5),
        (b"\xe2\x82 ", b"\n", 1, 3),
        (b"\xef\xbb\xbf", b"\n", 1, 1),
        (b"\xef\xbb\xbf\n", b"\n", 2, 1),
        (b"x\n" * 5000, b"\n", 5001, 1),
        (b"x " * 5000, b" x" * 5000, 1, 10_001),
        (b"\r", b"\r", 1, 2),
        ("\u2028\x0b\x0c\x85".encode(), b"", 1, 5),
        (b"\0\0\0", b"\0", 1, 4),
    ],
)
def test_a_value_is_located_to_the_character(before: bytes, after: bytes, line: int, column: int) -> None:
    match = _one(before + TOKEN + after)
    assert match.location == Location(line, column, line, column + len(TOKEN))
    assert match.span == Span(len(before), len(before) + len(TOKEN))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_value_of_several_lines_ends_on_its_last_one(end: bytes) -> None:
    key = private_key().encode().replace(b"\n", end)
    match = _one(b"key: |" + end + key + end, "private-key-pem")
    lines = key.split(end)
    assert match.location == Location(2, 1, 1 + len(lines), len(lines[-1]) + 1)
    assert match.value.secret.reveal() == key


def test_a_value_of_several_lines_may_begin_after_wide_characters() -> None:
    match = _one('ключ = "'.encode() + private_key().encode() + b'"\n', "private-key-pem")
    assert (match.location.start_line, match.location.start_column) == (1, 9)


def test_neighbouring_values_of_one_rule_are_both_found() -> None:
    for glue in (b" ", b",", b'","', b"\n", b"\n\n\n", b" " * 500):
        data = TOKEN + glue + OTHER
        assert [m.value.secret.reveal() for m in _find(data)] == [TOKEN, OTHER]


def test_many_values_in_a_row_are_all_found() -> None:
    tokens = [github_token(seed).encode() for seed in range(200)]
    assert [m.value.secret.reveal() for m in _find(b" ".join(tokens))] == tokens


def test_the_same_value_twice_on_a_line_is_found_at_both_places() -> None:
    data = b"a=" + TOKEN + b" b=" + TOKEN
    width = len(TOKEN)
    assert [m.location.start_column for m in _find(data)] == [3, 3 + width + 3]


def test_long_values_next_to_each_other_are_both_found() -> None:
    keys = [private_key(seed).encode() for seed in range(3)]
    assert [m.value.secret.reveal() for m in _find(b"\n".join(keys), "private-key-pem")] == keys


def test_a_value_on_an_endless_line_is_found() -> None:
    match = _one(b"x" * 3_000_000 + b" " + TOKEN + b" " + b"y" * 3_000_000)
    assert match.location.start_column == 3_000_002


def test_nothing_is_found_in_nothing() -> None:
    assert [_shared().find(data) for data in (b"", b"\n", b"\0" * 5000, bytes(range(256)) * 20)] == [[]] * 4


def test_matches_come_in_order_of_place() -> None:
    data = "\n".join([stripe_key(), github_token(), AWS_KEY_ID, stripe_key(1), private_key(), github_token(2)])
    spans = [match.span for match in _shared().find(data.encode())]
    assert spans == sorted(spans)
    assert len(spans) >= 6


def test_a_match_does_not_show_its_value_when_printed() -> None:
    text = repr(_one(b"token = " + TOKEN))
    assert TOKEN.decode() not in text


def _all_vectors() -> list[bytes]:
    return [expand(vector).data for vector in load_vectors(read_packs([builtin_directory()]))]


def test_what_was_judged_before_gives_the_same_matches_as_a_fresh_look() -> None:
    used = Detector(_ruleset())
    texts = _all_vectors()
    first = [used.find(text) for text in texts]
    shuffled = list(enumerate(texts))
    random.Random(1).shuffle(shuffled)
    again = {index: used.find(text) for index, text in shuffled}
    assert [again[index] for index in range(len(texts))] == first
    assert [Detector(_ruleset()).find(text) for text in texts[::20]] == first[::20]


def test_surroundings_far_away_change_no_judgement() -> None:
    rng = random.Random(2)
    different = []
    for vector in load_vectors(read_packs([builtin_directory()])):
        case = expand(vector)
        if case.secret is None or vector.rule_id in WHOLE:
            continue
        noise = bytes(rng.choices(b"\n ,;:-", k=400))
        plain = [m for m in _shared().find(b"\n" + case.data + b"\n") if m.value.rule.id == vector.rule_id]
        moved = [m for m in _shared().find(noise + b"\n" + case.data + b"\n" + noise) if m.value.rule.id == vector.rule_id]
        if [(m.value.secret, m.span.start + 400) for m in plain] != [(m.value.secret, m.span.start) for m in moved]:
            different.append(vector.rule_id)
    assert different == []


def test_every_match_of_an_expression_over_the_whole_text_is_found() -> None:
    """The windows must lose nothing that a search of the whole content finds."""
    texts = _all_vectors()
    random.Random(3).shuffle(texts)
    # A Kubernetes Secret ends with its document, or it would have a say in what follows.
    data = b"\n---\n".join(texts)
    found = {(m.value.rule.id, m.span) for m in _shared().find(data)}
    ruleset = _ruleset()
    lost = []
    for rule in (ruleset[index] for index in range(len(ruleset))):
        compiled = re.compile(rule.pattern.encode(), re.MULTILINE | (re.IGNORECASE if rule.ignore_case else 0))
        for match in compiled.finditer(data):
            alone = [m for m in _shared().find(data[max(0, match.start() - 300) : match.end() + 300]) if m.value.rule == rule]
            secret = match["secret"]
            if any(m.value.secret.reveal() == secret for m in alone) and (rule.id, Span(*match.span("secret"))) not in found:
                lost.append(rule.id)
    assert lost == []


_WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\ufeff", exclude_categories=("Cs",)), max_size=40
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(_WORDS, max_size=6), _WORDS, st.sampled_from(["\n", "\r\n"]), st.integers(0, 3))
def test_line_and_column_point_at_the_value_in_any_text(before: list[str], prefix: str, end: str, seed: int) -> None:
    token = github_token(seed)
    text = end.join([*before, f"{prefix} {token} tail", "last"])
    match = _one(text.encode())
    line = text.split("\n")[match.location.start_line - 1]
    assert line[match.location.start_column - 1 : match.location.end_column - 1] == token


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=200), st.binary(max_size=50))
def test_line_and_column_point_at_the_value_in_any_bytes(before: bytes, after: bytes) -> None:
    data = b"x" + before.replace(b"\0", b"") + b" " + TOKEN + b" " + after.replace(b"\0", b"")
    match = _one(data)
    line = data.split(b"\n")[match.location.start_line - 1].decode("utf-8", "replace")
    assert line[match.location.start_column - 1 : match.location.end_column - 1] == TOKEN.decode()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_value_in_another_encoding_is_found_where_it_stands(encoding: str, mark: str) -> None:
    text = f"{mark}name = x\r\nkey ü = {github_token()}\r\n"
    match = _one(text.encode(encoding))
    assert match.location == Location(2, 9, 2, 9 + len(TOKEN))
    assert (match.decoded_from, match.value.secret.reveal()) == ((encoding,), TOKEN)


def test_a_value_on_the_first_line_after_a_byte_order_mark_stands_in_column_one() -> None:
    assert _one(("\ufeff" + github_token()).encode("utf-16-le")).location.start_column == 1


def test_a_byte_order_mark_counts_where_no_zero_byte_is_near() -> None:
    text = "\ufeff" + "漢字" * 400 + "\nkey = " + github_token() + "\n"
    assert _one(text.encode("utf-16-le")).location.start_line == 2


def test_half_a_character_at_the_end_of_other_encodings_is_no_obstacle() -> None:
    assert _one(("\ufeff" + github_token() + "\n").encode("utf-16-le") + b"x").location.start_line == 1


def _rule(name: str, proof: str = "") -> Rule:
    return Rule(name, "Name", "high", "medium", "x", "Help.", (), proof=proof)


def _match(rule: Rule, start: int, end: int, confidence: str = "medium") -> Match:
    value = Judgement(rule, Secret(b"x" * (end - start)), confidence, "", b"", Span(0, 0))  # type: ignore[arg-type]
    return Match(value, Span(start, end), Location(1, start + 1, 1, end + 1))


VENDOR, RIVAL, GENERIC, PROOF = _rule("vendor-key"), _rule("rival-key"), _rule("generic-secret"), _rule("proof-key", "jwt")


@pytest.mark.parametrize(
    ("matches", "kept"),
    [
        ([_match(GENERIC, 0, 40), _match(VENDOR, 4, 40)], ["vendor-key"]),
        ([_match(VENDOR, 0, 20), _match(RIVAL, 0, 30)], ["rival-key"]),
        ([_match(VENDOR, 0, 30, "low"), _match(RIVAL, 5, 20, "high")], ["rival-key"]),
        ([_match(GENERIC, 0, 40, "high"), _match(VENDOR, 0, 40)], ["vendor-key"]),
        ([_match(GENERIC, 0, 40), _match(VENDOR, 0, 40, "low")], ["generic-secret"]),
        ([_match(GENERIC, 0, 40, "high"), _match(PROOF, 0, 40, "low")], ["proof-key"]),
        ([_match(VENDOR, 0, 10), _match(RIVAL, 10, 20)], ["vendor-key", "rival-key"]),
        ([_match(GENERIC, 0, 10), _match(GENERIC, 8, 20), _match(VENDOR, 15, 30)], ["generic-secret", "vendor-key"]),
        ([], []),
    ],
)
def test_of_values_that_overlap_the_better_explanation_is_kept(matches: list[Match], kept: list[str]) -> None:
    assert [match.value.rule.id for match in resolve(matches)] == kept
    assert [match.value.rule.id for match in resolve(matches[::-1])] == kept


def test_a_token_with_a_wrong_checksum_is_not_raised_by_its_assignment() -> None:
    wrong = "ghp_" + fill("{{alnum:36}}")
    matches = resolve(_shared().find(f'token = "{wrong}"\n'.encode()))
    assert [(m.value.rule.id, m.value.confidence) for m in matches] == [("github-pat-classic", "low")]


@pytest.mark.parametrize(("before", "after"), [("", ""), ("", "\n"), ("\n", "\r\n"), ("  ", " \n")])
def test_a_content_that_is_a_key_and_nothing_else_is_found(before: str, after: str) -> None:
    key = random.Random(7).randbytes(16).hex()
    [match] = _shared().find((before + key + after).encode(), b"config/master.key")
    assert (match.value.rule.id, match.value.secret.reveal()) == ("rails-master-key-file", key.encode())
    assert match.span == (len(before), len(before) + len(key))
    assert match.location.start_column == (1 if before == "\n" else len(before) + 1)


@pytest.mark.parametrize("around", ["{}{}", "x{}", "{}\nand more", "{} # of 2026", "\n" * 40 + "{}"])
def test_a_content_with_anything_else_in_it_is_no_key(around: str) -> None:
    key = random.Random(7).randbytes(16).hex()
    found = _shared().find(around.replace("{}", key).encode(), b"config/master.key")
    assert [match.value.rule.id for match in found if match.value.rule.whole] == []


def test_a_whole_content_counts_at_its_path_only() -> None:
    assert _shared().find(random.Random(7).randbytes(16).hex().encode(), b"revision.txt") == []


def test_whole_rules_alone_are_a_rule_set() -> None:
    rules = [rule for rule in load_rules(read_packs([builtin_directory()])) if rule.whole]
    assert len(Detector(compile_ruleset(rules)).find(b"A" * 8 + b"QWERTZUIOPLK", b".erlang.cookie")) == 1
