# SPDX-License-Identifier: Apache-2.0
"""Secrets inside base64 and hex: found whatever stands around them, at the place of the encoded text."""

import base64
import binascii
import functools
import textwrap
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import github_token, stripe_key

from scanner.detect.encoded import forms
from scanner.detect.engine import Detector, Match
from scanner.detect.prefilter import compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand
from scanner.model import CONFIDENCES

TOKEN = github_token().encode()


@functools.cache
def _detector() -> Detector:
    return Detector(compile_ruleset(load_rules(read_packs([builtin_directory()]))))


def _found(data: bytes) -> list[Match]:
    return [match for match in _detector().find(data) if match.value.rule.id == "github-pat-classic"]


def _described(data: bytes) -> list[tuple[bytes, tuple[str, ...]]]:
    return [(match.value.secret.reveal(), match.decoded_from) for match in _found(data)]


_PLAIN = st.text("abc XYZ019=:,./", max_size=40).map(str.encode)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(_PLAIN, _PLAIN, st.sampled_from([b"", b"data: ", b'{"a": "', b"\n"]), st.booleans())
def test_a_token_in_base64_is_found_whatever_stands_around_it(before: bytes, after: bytes, outside: bytes, padded: bool) -> None:
    encoded = base64.b64encode(before + b" " + TOKEN + b" " + after)
    data = outside + (encoded if padded else encoded.rstrip(b"=")) + b'"\n'
    assert _described(data) == [(TOKEN, ("base64",))]
    [match] = _found(data)
    assert data[match.span.start : match.span.end] in (encoded, encoded.rstrip(b"="))
    assert match.location.start_column == len(outside.split(b"\n")[-1]) + 1


@pytest.mark.parametrize(
    "encode",
    [
        bytes.hex,
        lambda data: data.hex().upper(),
    ],
    ids=["lower", "upper"],
)
@pytest.mark.parametrize("before", [b"", b"x", b"key="])
def test_a_token_in_hex_is_found(encode: Callable[[bytes], str], before: bytes) -> None:
    data = b"data: " + encode(before + b" " + TOKEN + b" end of it").encode() + b"\n"
    assert _described(data) == [(TOKEN, ("hex",))]


def test_the_alphabet_for_addresses_is_read_too() -> None:
    data = base64.urlsafe_b64encode(b"\xc3\xbf\xc3\xbe\xc3\xbf? " + TOKEN + b" ~~~???>>>")
    assert b"-" in data or b"_" in data
    assert _described(data) == [(TOKEN, ("base64url",))]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n    "])
def test_base64_that_is_wrapped_into_lines_is_read_as_one(end: bytes) -> None:
    text = b"some text before it, long enough for several lines " * 3 + TOKEN + b" and some after it" * 9
    lines = [line.encode() for line in textwrap.wrap(base64.b64encode(text).decode(), 64)]
    data = b"data: |" + end + end.join(lines) + b"\n"
    assert _described(data) == [(TOKEN, ("base64",))]
    [match] = _found(data)
    assert match.location.start_line == 2
    assert match.location.end_line == 1 + len(lines)


def test_encodings_within_encodings_are_named_outermost_first() -> None:
    inner = base64.b64encode(b"token=" + TOKEN + b" ")
    assert _described(b"x: " + base64.b64encode(b"again: " + inner + b" ")) == [(TOKEN, ("base64", "base64"))]
    assert _described(b"x: " + base64.b64encode(b"as hex: " + (b" " + TOKEN).hex().encode())) == [(TOKEN, ("base64", "hex"))]


def test_text_of_another_encoding_within_base64_is_found() -> None:
    data = base64.b64encode(("$env:TOKEN = '" + TOKEN.decode() + "'; run it now").encode("utf-16-le"))
    assert _described(b"powershell -enc " + data) == [(TOKEN, ("base64", "utf-16-le"))]


def test_the_shown_line_is_the_encoded_one() -> None:
    data = b"first\nsecret: " + base64.b64encode(b"x=" + TOKEN) + b"\nlast\n"
    [match] = _found(data)
    assert match.value.line.reveal() == data.split(b"\n")[1]


def test_two_tokens_in_one_run_are_both_found_at_its_place() -> None:
    other = github_token(1).encode()
    data = base64.b64encode(TOKEN + b" " + other)
    assert sorted(_described(data)) == sorted([(TOKEN, ("base64",)), (other, ("base64",))])
    assert len({match.span for match in _found(data)}) == 1


def test_encoded_rubbish_is_no_error() -> None:
    head = base64.b64encode(b"xx" + TOKEN)[:20]
    for data in (head, head * 5000, head + b"=" * 50, head + b"!" + head, TOKEN[:6].hex().encode() * 3000, head[:-1] + b"\xff"):
        assert [match.decoded_from for match in _detector().find(data) if not match.decoded_from] == []


def test_more_encodings_than_anybody_needs_are_a_gap() -> None:
    detector = Detector(_detector().ruleset)
    data = b"x " + TOKEN
    for _ in range(6):
        data = b"some text " + base64.b64encode(data)
    detector.find(data)
    assert {gap.kind for gap in detector.gaps} <= {"budget"}
    assert len(detector.gaps) <= 1


def test_a_rule_with_a_plain_beginning_is_found_in_base64() -> None:
    """The share of positive vectors that are still found in base64: what is not is named."""
    packs = read_packs([builtin_directory()])
    rules = {rule.id: rule for rule in load_rules(packs)}
    tried, lost = 0, []
    for vector in load_vectors(packs):
        rule = rules[vector.rule_id]
        case = expand(vector)
        if case.secret is None or rule.proof != "crc32-base62":
            continue
        tried += 1
        found = _detector().find(b"data: " + base64.b64encode(b"first line\n" + case.data + b"\nlast line\n") + b"\n")
        sure = [m for m in found if m.value.rule == rule and CONFIDENCES.index(m.value.confidence) >= 1]
        if case.secret not in [m.value.secret.reveal() for m in sure]:
            lost.append(vector.rule_id)
    assert tried > 10
    assert lost == []


def test_a_key_in_a_cluster_manifest_is_found() -> None:
    manifest = "apiVersion: v1\nkind: Secret\ndata:\n  stripe: " + base64.b64encode(stripe_key().encode()).decode() + "\n"
    [match] = [m for m in _detector().find(manifest.encode()) if m.value.rule.id == "stripe-secret-key"]
    assert (match.location.start_line, match.location.start_column, match.decoded_from) == (4, 11, ("base64",))


def test_base64_of_what_is_no_secret_gives_nothing() -> None:
    for text in (b"just some text about nothing at all", b"ghp_ is the prefix of these, and nothing more of it"):
        assert _detector().find(b"data: " + base64.b64encode(text)) == []
    assert _detector().find(binascii.hexlify(b"ghp_ and nothing more of it here")) == []


def test_a_form_that_holds_another_one_is_left_out() -> None:
    short, both = forms([("toke", False)]), forms([("toke(?:n_of)?=", False), ("toke", False)])
    assert both == short


def test_a_rule_shows_by_a_word_that_is_looked_for_anyway() -> None:
    generic = ("(?:secret|token)=(?P<secret>[0-9a-f]{32})", True)
    provider = ("acme[a-z_]{0,20}token=(?P<secret>[0-9a-f]{32})", True)
    assert forms([generic, provider]) == forms([generic])
    assert forms([provider]) == forms([("acme", True)])
    assert len(forms([generic, ("acme[a-z_]{0,20}keys=", True)])) > len(forms([generic]))
