# SPDX-License-Identifier: Apache-2.0
"""Content read in pieces has the matches of content read whole, at the same places, whatever a seam goes through."""

import functools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import github_token, private_key

from scanner import triage
from scanner.detect import decode, kubernetes, pieces
from scanner.detect.anchor import width
from scanner.detect.engine import Detector, Match
from scanner.detect.pieces import Around, find_in_pieces
from scanner.detect.prefilter import compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand
from scanner.triage import Mark, find_mark

Seen = tuple[Match, Mark | None]
SMALL = 1024


@functools.cache
def _detectors() -> tuple[Detector, Detector]:
    """Two, so that neither answers out of what the other one remembers."""
    ruleset = compile_ruleset(load_rules(read_packs([builtin_directory()])))
    return Detector(ruleset), Detector(ruleset)


@functools.cache
def _short_detectors() -> tuple[Detector, Detector]:
    """Without the rules that reach far, so that seams can stand close together."""
    rules = [rule for rule in load_rules(read_packs([builtin_directory()])) if width(rule.pattern).longest < 1500]
    ruleset = compile_ruleset(rules)
    return Detector(ruleset), Detector(ruleset)


@pytest.fixture(autouse=True)
def _short_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoded runs reach over megabytes, marks over 64 KiB: here neither."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", SMALL)
    monkeypatch.setattr(decode, "_MAX_RUN_BYTES", 1024)
    monkeypatch.setattr(decode, "_FIRST_PIECE", 256)
    monkeypatch.setattr(kubernetes, "REACH_BYTES", 600)
    monkeypatch.setattr(triage, "MARK_BYTES", 300)


def _whole(data: bytes, path: bytes | None, detector: Detector) -> list[Seen]:
    matches = detector.find(data, path)
    decoded = decode.transcode(data)[0]
    return [(match, find_mark(decoded if match.reading else data, *match.span)) for match in matches]


def _pieces(chunks: list[bytes], path: bytes | None, detector: Detector) -> list[Seen]:
    def take(match: Match, around: Around) -> Seen:
        return match, find_mark(around.data, *around.span(match))

    return find_in_pieces(detector, chunks, path, take, context=2 * triage.MARK_BYTES + 2)


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def _check(data: bytes, chunk: int = 700, path: bytes | None = None) -> list[Seen]:
    for one, other in (_short_detectors(), _detectors()):
        found = _pieces(_cut(data, chunk), path, one)
        assert found == _whole(data, path, other)
    return found


@functools.cache
def _vectors() -> tuple[bytes, ...]:
    return tuple(expand(vector).data for vector in load_vectors(read_packs([builtin_directory()])))


@functools.cache
def _parts() -> tuple[bytes, ...]:
    """What rules look for, whole and broken, in the clear and encoded, with marks."""
    import base64

    parts = [vector for vector in _vectors() if len(vector) < 2500]
    parts += [part[: len(part) // 2] for part in parts[::3]] + [part[len(part) // 2 :] for part in parts[1::3]]
    parts += [base64.b64encode(part) for part in parts[::5]] + [base64.encodebytes(part) for part in parts[::7]]
    parts += [part[:200].hex().encode() for part in parts[::9]] + [
        base64.b64encode(base64.b64encode(part)) for part in parts[::40]
    ]
    parts += [part + b" # sealgate:allow" for part in parts[::10]]
    plain = [b"\n", b"\r\n", b" ", b"\n\n\n\n", b"\t", b"  key: ", b'"', b"a line of text\n" * 5, b"x" * 300, b"x.y_" * 90, b"\0"]
    plain += ["é€😀".encode() * 20, b"\xef\xbb\xbf", b"# pragma: allowlist nextline secret\n", b"QUJD" * 40]
    return (*parts, *plain * 12)


def _random_parts(max_size: int) -> st.SearchStrategy[bytes]:
    """Content of many parts, long enough for seams; made of a few numbers, as examples are limited in size."""
    return st.builds(_assemble, st.integers(0, 1 << 32), st.integers(0, max_size))


def _assemble(seed: int, count: int) -> bytes:
    dice = random.Random(seed)
    return b"".join(dice.choices(_parts(), k=count))


@settings(deadline=None, max_examples=150)
@given(_random_parts(400), st.integers(1, 3000), st.sampled_from([None, b"a.py", b".npmrc", b"main.tf"]))
def test_random_content(data: bytes, chunk: int, path: bytes | None) -> None:
    _check(data, chunk, path)


@settings(deadline=None, max_examples=60)
@given(
    _random_parts(150),
    st.integers(1, 3000),
    st.sampled_from(["utf-16", "utf-16-be", "utf-32", "utf-32-le"]),
    st.binary(max_size=3),
)
def test_random_content_in_another_encoding(data: bytes, chunk: int, encoding: str, tail: bytes) -> None:
    _check(data.decode("utf-8", "replace").encode(encoding, "replace") + tail, chunk)


@pytest.mark.parametrize("seed", range(6))
def test_all_vectors_with_seams_anywhere(seed: int) -> None:
    dice = random.Random(seed)
    vectors = list(_vectors())
    dice.shuffle(vectors)
    data = b"".join(vector + dice.choice([b"\n", b" ", b"\r\n"]) + b"-" * dice.randrange(60) for vector in vectors)
    assert len(_check(data, dice.randrange(1, 2000))) > 500


# More than all reaches together.
FAR = 30_000
LINE = b"SELECT name, price FROM orders WHERE id = 12;\n"


def _far(unit: bytes) -> bytes:
    return unit * (FAR // len(unit))


TOKEN = github_token().encode()


@pytest.mark.parametrize("chunk", [1024, 1031])
@pytest.mark.parametrize(
    ("before", "behind"),
    [
        (_far(LINE), _far(LINE)),
        (_far(b"x, "), _far(b"x, ")),
        (_far(b"\n"), b""),
        (_far(b"\r\n"), b"\r\n"),
        (_far("é, ".encode()), _far("€ ".encode())),
        ("😀 ".encode() * 6_000 + b"\n" + "😀 ".encode() * 6_000, b""),
        (_far(b"\xff "), b""),
        (b"\xef\xbb\xbf" + _far(b"x "), b" sealgate:allow" + _far(b" x")),
        (_far(b"x ") + "\ufeff".encode() * 10_000, b""),
        (_far(LINE), b" # sealgate:allow reason=example\n" + _far(LINE)),
        (_far(LINE), b" " * 250 + b"# sealgate:allow"),
        (_far(LINE), b" " * 290 + b"# sealgate:allow"),
        (_far(LINE) + b"# pragma: allowlist nextline secret\n" + b" " * 250, b"\n"),
        (_far(LINE) + b"# pragma: allowlist nextline secret\n" + b" " * 10_000, b"\n"),
        (_far(LINE) + b"# sealgate:allow" + b" " * 250, b"\n"),
    ],
)
def test_far_from_the_beginning(before: bytes, behind: bytes, chunk: int) -> None:
    for shift in range(0, 3000, 97):
        (seen,) = [
            seen for seen in _check(before + b"-" * shift + b" t = " + TOKEN + b" " + behind, chunk) if not seen[0].decoded_from
        ]
        assert seen[0].value.secret.reveal() == TOKEN


@pytest.mark.parametrize("marked", [True, False])
def test_a_mark_as_far_away_as_a_mark_may_be(marked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triage, "MARK_BYTES", 6000)
    gap = b" " * (5980 if marked else 6000)
    for shift in range(0, 1100, 97):
        for text in (b" t = " + TOKEN + gap + b"sealgate:allow", b"# sealgate:allow" + gap + b" t = " + TOKEN + b" "):
            seen = _check(_far(LINE) + b"-" * shift + b"\n" + text + b"\n" + _far(LINE), SMALL)
            assert [mark is not None for _, mark in seen] == [marked]


def test_beginnings_that_reach_far_over_every_seam() -> None:
    ruleset = _short_detectors()[0].ruleset
    long = {ruleset[index].id for index, reach in enumerate(ruleset.reaches) if reach.longest > 200}
    vectors = [v for v in load_vectors(read_packs([builtin_directory()])) if v.positive and v.rule_id in long]
    assert len(vectors) > 3
    for vector in vectors:
        for shift in range(0, 1024, 61):
            data = _far(LINE)[: 15_000 + shift] + b"\n" + expand(vector).data + b"\n" + _far(LINE)[:8000]
            assert _pieces(_cut(data, SMALL), None, _short_detectors()[1]) == _whole(data, None, _short_detectors()[0])


def test_a_key_of_many_lines_at_every_seam() -> None:
    key = private_key().encode()
    for shift in range(0, 2 * SMALL, 97):
        matches = _check(_far(LINE) + b"-" * shift + b"\n" + key + b"\n" + _far(LINE), SMALL)
        assert [match.value.rule.id for match, _ in matches] == ["private-key-pem"]


def _base64_lines(text: bytes, width: int) -> bytes:
    import base64

    digits = base64.b64encode(text)
    return b"\n".join(digits[at : at + width] for at in range(0, len(digits), width)) + b"\n"


@pytest.mark.parametrize("width", [64, 76, 3000, 1 << 20])
def test_encoded_runs_longer_than_their_limit(width: int) -> None:
    text = b"".join(b"line %d\n" % n + (b"t = %s\n" % github_token(n).encode() if n % 40 == 7 else b"") for n in range(4000))
    data = _far(LINE) + _base64_lines(text, width) + _far(LINE) + text.hex().encode() + b"\n" + _far(LINE)
    matches = _check(data, SMALL)
    assert {match.decoded_from for match, _ in matches} == {("base64",), ("hex",)}


def test_lines_that_are_too_long_for_wrapped_base64() -> None:
    digits = _base64_lines(b"t = " + TOKEN + b"\n" + b"some more of the text\n" * 20, 64)
    for gap in (4000, 4095, 4096, 4097, 5000, 9000):
        _check(_far(LINE) + b" " * gap + digits.rstrip() + b" " * gap + b"\n" + _far(LINE))


@pytest.mark.parametrize("data", [b"", b"x", TOKEN, b"t = " + TOKEN + b"\n", ("t = " + TOKEN.decode()).encode("utf-16")])
def test_small_content(data: bytes) -> None:
    for chunk in (1, 7, 1 << 20):
        _check(data, chunk)


def test_what_is_held_is_bounded() -> None:
    sizes = []

    def take(match: Match, around: Around) -> None:
        sizes.append(len(around.data))

    chunks = [LINE * 20 + b"t = " + github_token(n).encode() + b"\n" for n in range(3000)]
    find_in_pieces(_short_detectors()[1], chunks, None, take)
    assert len(sizes) == 3000
    assert max(sizes) < 12_000 < sum(map(len, chunks)) // 200
