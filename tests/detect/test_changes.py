# SPDX-License-Identifier: Apache-2.0
"""Of a change only what is new is looked at, and the matches are those of a look at everything."""

import base64
import functools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packmaker import Op, chain, entry, pack_of
from planted import github_token

from scanner.detect.engine import Detector
from scanner.detect.prefilter import RuleSet, compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.screen import Screening
from scanner.detect.vectors import expand

reader = pytest.importorskip("scanner.git.kernel.reader", reason="the kernel is not compiled here")


@functools.cache
def _ruleset() -> RuleSet:
    return compile_ruleset(load_rules(read_packs([builtin_directory()])))


@functools.cache
def _detectors() -> tuple[Detector, Detector]:
    """Two, so that neither answers out of what the other one remembers."""
    return Detector(_ruleset()), Detector(_ruleset())


@functools.cache
def _pieces() -> tuple[bytes, ...]:
    """What rules look for, whole and broken, in the clear and encoded."""
    vectors = [expand(vector).data for vector in load_vectors(read_packs([builtin_directory()])) if vector.positive]
    pieces = [vector for vector in vectors if len(vector) < 2000]
    pieces += [vector[: len(vector) // 2] for vector in pieces[::3]] + [vector[len(vector) // 2 :] for vector in pieces[1::3]]
    pieces += [base64.b64encode(vector) for vector in pieces[::5]] + [vector[:200].hex().encode() for vector in pieces[::9]]
    plain = [b"\n", b"\r\n", b" ", b"\n\n\n\n", b"\t", b"  key: ", b'"', b"a line of text\n" * 5, b"x" * 300, b"x.y_" * 90, b"\0"]
    over_lines = [b'secret_access_key",\n\n  "value": "', b"authorization:\n        - Basic ", b"machine x\nlogin y\npassword "]
    return (*pieces, *(plain + over_lines) * 12)


def _reader(pack: Any, order: Any = None, skip: bytes | None = None, *, learns: bool = True) -> Any:
    screen = Screening(_detectors()[0])
    order = pack.walk(3, skip) if order is None else order
    memo = screen.memo if learns else None
    return reader.Reader(pack, order, screen.near, screen.far, screen.margins, screen.heads, screen.probe, memo, skip)


def _looked_at(here: Any, look: Callable[[bytes, Any], Any]) -> tuple[dict[bytes, bytes], dict[bytes, Any]]:
    """Read to the end; return all contents by name, and what a look at those gave that have something to look at."""
    contents, found = {}, {}
    while (text := here.fill()) is not None:
        Screening(_detectors()[0]).search(text, here.anchors, here.forms)
        contents.update(here.contents())
        while (given := here.settle()) is not None:
            name, version = given
            found[name] = look(version.data, version)
    assert not here.failed
    return contents, found


def _check(first: bytes, versions: Sequence[Sequence[Op]], cut: int = 0, skipped: Collection[int] = ()) -> None:
    """Assert that changes lead to what a look at the whole leads to; candidates that reach too far do not count."""
    entries, expected = chain(first, versions)
    pack = pack_of(entries)
    changed, whole = _detectors()
    names = [pack.name(number) for number in range(len(entries))]
    skip = bytes(number in skipped for number in range(len(entries)))
    order = pack.walk(3, skip)
    for part in (order[:cut], order[cut:]):
        contents, found = _looked_at(_reader(pack, part, skip), lambda data, known: changed.find(data, None, known))
        assert contents == {names[number]: expected[number] for number in part if number not in skipped}
        for name, data in contents.items():
            assert found.get(name, []) == whole.find(data)
    # Nobody finds out about candidates, so all of them come back.
    contents, seen = _looked_at(_reader(pack, learns=False), lambda _, known: (known.candidates, known.forms))
    for name, data in contents.items():
        candidates, forms = seen.get(name, ([], []))
        assert forms == sorted(set(_all(whole.ruleset.forms, data)))
        assert _near(whole, data, candidates) == _near(whole, data, whole.candidates(data))


def _all(database: object, data: bytes) -> list[tuple[int, int]]:
    from scanner.detect.engine import find_all

    return find_all(database, data)


def _near(detector: Detector, data: bytes, candidates: list[tuple[int, int]]) -> set[tuple[int, int]]:
    reaches = detector.ruleset.reaches
    return {
        (end, index)
        for end, index, *_ in candidates
        if detector._is_near(index, data, max(0, end - reaches[index].longest), end)
    }


@st.composite
def _chains(draw):
    """A first version, and what makes each further one of the one before."""
    size = len(_pieces()) - 1
    piece = st.integers(0, size).map(lambda number: _pieces()[number])
    first = b"".join(draw(st.lists(piece, max_size=30)))
    versions, length = [], len(first)
    for _ in range(draw(st.integers(1, 4))):
        ops: list[Op] = []
        cuts = sorted(draw(st.lists(st.integers(0, length), max_size=6)))
        for start, stop in zip([0, *cuts], [*cuts, length], strict=True):
            if start < stop and draw(st.integers(0, 9)) > 1:
                ops.append((start, stop - start))
            if draw(st.booleans()):
                ops.append(draw(st.one_of(piece, st.binary(max_size=20))))
        if draw(st.integers(0, 4)) == 0:
            ops = draw(st.permutations(ops))
        ops = [op for op in ops if op]
        versions.append(ops)
        length = sum(len(op) if isinstance(op, bytes) else op[1] for op in ops)
    return first, versions


@settings(deadline=None, max_examples=150)
@given(_chains(), st.integers(0, 5), st.sets(st.integers(0, 4), max_size=2))
def test_a_chain_of_changes(chain, cut: int, skipped: set[int]) -> None:
    _check(*chain, cut, skipped)


TOKEN = github_token().encode()
SPLIT = b'aws_secret-+-_access_key",\n\n\n  "value": "' + b"a1B2" * 10 + b'"\n'
LINES = b"".join(b"line %d of a file\n" % i for i in range(400))


@pytest.mark.parametrize(
    ("base", "ops"),
    [
        (LINES, [(0, 3000), b"t = " + TOKEN + b"\n", (3000, len(LINES) - 3000)]),
        (LINES + TOKEN + b"\n", [b"new\n", (0, len(LINES) + 41)]),
        # A seam within the value, and one that makes it a longer word.
        (LINES + TOKEN[:20] + b" " + TOKEN[20:] + LINES, [(0, len(LINES) + 20), (len(LINES) + 21, len(LINES) + 20)]),
        (LINES + TOKEN + b"\n" + LINES, [(0, len(LINES) + 40), b"x", (len(LINES) + 40, len(LINES) + 1)]),
        (LINES + TOKEN, [(0, len(LINES) + 40), b"x"]),
        (LINES + TOKEN + b"x", [(0, len(LINES) + 40)]),
        (b"x" + TOKEN + LINES, [(1, 40 + len(LINES))]),
        # What a key's name says, several lines before.
        (LINES + SPLIT.replace(b"-+-", b""), [(0, len(LINES) + 10), b"-+-", (len(LINES) + 10, 70)]),
        (LINES + SPLIT, [(0, len(LINES) + 10), (len(LINES) + 13, 70)]),
        (LINES, [b"\xef\xbb\xbf", (0, len(LINES))]),
        (LINES, []),
        (b"", [b"t = " + TOKEN]),
        # The same part twice, and in another order.
        (TOKEN + b"\n" + LINES, [(0, 41), (41, 4000), (0, 41), (4041, 1000), (0, 40)]),
    ],
)
def test_where_it_could_go_wrong(base: bytes, ops: list[Op]) -> None:
    _check(base, [ops])


def test_little_is_looked_at() -> None:
    entries, _ = chain(LINES, [[(0, 3000), b"new\n", (3000, len(LINES) - 3000)]])
    text = _reader(pack_of(entries)).fill()
    assert len(text) - len(LINES) < 2 * _ruleset().near + 100


def test_nothing_is_seen_across_two_contents() -> None:
    key = b"aws_secret_access_key = " + b"a1B2" * 10
    entries = [entry(3, part) for whole in (TOKEN, key, base64.b64encode(TOKEN)) for part in (whole[:20], whole[20:])]
    _, found = _looked_at(_reader(pack_of(entries)), lambda data, known: _detectors()[0].find(data, None, known))
    assert not any(found.values())


def test_what_is_known_to_lead_nowhere_is_not_told_again() -> None:
    base = LINES + b"password = example\n" + LINES
    entries, _ = chain(base, [[b"new\n", (0, len(base))], [(0, len(base) + 4), b"more\n"]])
    seen = []

    def look(data: bytes, known: Any) -> None:
        seen.append(data)
        assert _detectors()[0].find(data, None, known) == []

    _detectors()[0].memo.clear()
    _looked_at(_reader(pack_of(entries), learns=False), look)
    assert len(seen) == 1
    # Nor are the same bytes in another content.
    _looked_at(_reader(pack_of([entry(3, b"other\n" + base)])), look)
    assert len(seen) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_other_encodings_are_read_whole(encoding: str) -> None:
    text = LINES.decode()
    base, data = text.encode(encoding), (text + f"t = {TOKEN.decode()}\n").encode(encoding)
    ops: list[Op] = [(0, len(base)), data[len(base) :]]
    _check(base, [ops])
    assert [match.value.rule.id for match in _detectors()[1].find(data)] == ["github-pat-classic"]
