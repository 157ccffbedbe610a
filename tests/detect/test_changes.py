# SPDX-License-Identifier: Apache-2.0
"""Of a change only what is new is looked at, and the matches are those of a look at everything."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import github_token

from scanner.detect.engine import Detector
from scanner.detect.prefilter import RuleSet, compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import expand

pack = pytest.importorskip("scanner.git.kernel.pack", reason="the kernel is not compiled here")
delta = pytest.importorskip("scanner.git.kernel.delta")

# (offset, size) is copied, bytes are inserted.
Op = tuple[int, int] | bytes


@functools.cache
def _ruleset() -> RuleSet:
    return compile_ruleset(load_rules(read_packs([builtin_directory()])))


@functools.cache
def _detectors() -> tuple[Detector, Detector]:
    """Two, so that neither answers out of what the other one remembers."""
    return Detector(_ruleset()), Detector(_ruleset())


@functools.cache
def _pack():
    from array import array

    content = b"PACK" + bytes(4) + b"\0\0\0\1" + b"\x30x\x9c\x03\0\0\0\0\1" + bytes(20)
    return pack.Pack(content, bytes(20), array("Q", [12]), 20, 1 << 22)


@functools.cache
def _pieces() -> tuple[bytes, ...]:
    """What rules look for, whole and broken, in the clear and encoded."""
    import base64

    vectors = [expand(vector).data for vector in load_vectors(read_packs([builtin_directory()])) if vector.positive]
    pieces = [vector for vector in vectors if len(vector) < 2000]
    pieces += [vector[: len(vector) // 2] for vector in pieces[::3]] + [vector[len(vector) // 2 :] for vector in pieces[1::3]]
    pieces += [base64.b64encode(vector) for vector in pieces[::5]] + [vector[:200].hex().encode() for vector in pieces[::9]]
    plain = [b"\n", b"\r\n", b" ", b"\n\n\n\n", b"\t", b"  key: ", b'"', b"a line of text\n" * 5, b"x" * 300, b"x.y_" * 90, b"\0"]
    over_lines = [b'secret_access_key",\n\n  "value": "', b"authorization:\n        - Basic ", b"machine x\nlogin y\npassword "]
    return (*pieces, *(plain + over_lines) * 12)


def _apply(base: bytes, ops: list[Op], delta: object) -> bytes:
    body, size = bytearray(), 0
    for op in ops:
        if isinstance(op, bytes):
            for at in range(0, len(op), 127):
                body += bytes([len(op[at : at + 127])]) + op[at : at + 127]
            size += len(op)
        else:
            body += bytes([0xFF]) + op[0].to_bytes(4, "little") + op[1].to_bytes(3, "little")
            size += op[1]
    head = b"".join(_varint(number) for number in (len(base), size))
    return _pack().patch(head + bytes(body), base, delta)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _check(base: bytes, change: object, data: bytes) -> None:
    """Assert that a change leads to what a look at the whole leads to; candidates that reach too far do not count."""
    changed, whole = _detectors()
    found = changed.find(data, None, change)
    assert found == whole.find(data)
    candidates, forms = change.notes
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
@given(_chains())
def test_a_chain_of_changes(chain) -> None:
    data, versions = chain
    change = delta.Delta(None)
    _check(b"", change, data)
    for ops in versions:
        base, change = data, delta.Delta(change.notes)
        data = _apply(base, ops, change)
        _check(base, change, data)


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
    first = delta.Delta(None)
    _detectors()[0].find(base, None, first)
    change = delta.Delta(first.notes)
    _check(base, change, _apply(base, ops, change))


def test_little_is_looked_at() -> None:
    first = delta.Delta(None)
    _detectors()[0].find(LINES, None, first)
    change = delta.Delta(first.notes)
    data = _apply(LINES, [(0, 3000), b"new\n", (3000, len(LINES) - 3000)], change)
    ruleset = _ruleset()
    assert len(change.gather(data, ruleset.near, ruleset.far)) < 2 * ruleset.near + 100


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_other_encodings_are_read_whole(encoding: str) -> None:
    text = LINES.decode()
    base, data = text.encode(encoding), (text + f"t = {TOKEN.decode()}\n").encode(encoding)
    first = delta.Delta(None)
    _detectors()[0].find(base, None, first)
    change = delta.Delta(first.notes)
    assert _apply(base, [(0, len(base)), data[len(base) :]], change) == data
    _check(base, change, data)
    assert [match.value.rule.id for match in _detectors()[0].find(data, None, change)] == ["github-pat-classic"]
