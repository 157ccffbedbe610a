# SPDX-License-Identifier: Apache-2.0
"""Lines and columns are counted alike in whatever order they are asked for, and wherever content is cut."""

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner import lines as module
from scanner.lines import Lines, Origin

PARTS = ["a", "word ", "\n", "\r\n", "é", "€", "😀", "\ufeff"]
BROKEN = [b"\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xe0\x80", b"\xf0\n"]
contents = st.lists(st.sampled_from([*(part.encode() for part in PARTS), *BROKEN]), max_size=40).map(b"".join)


@pytest.fixture(autouse=True, scope="module")
def _short_steps() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_STEP", 7)
        yield


def expected(data: bytes, offset: int) -> tuple[int, int]:
    """Count from the beginning."""
    begin = data.rfind(b"\n", 0, offset) + 1
    text = data[begin:offset].decode("utf-8", "replace")
    return data.count(b"\n", 0, offset) + 1, len(text) + 1 - (begin == 0 and text.startswith("\ufeff"))


@example(b"a\xed\xa0\x80", [(0, 3)])
@given(contents, st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)), max_size=8))
def test_any_order(data: bytes, spans: list[tuple[int, int]]) -> None:
    lines = Lines(data)
    for first, length in spans:
        start = min(first, len(data))
        end = min(start + length, len(data))
        assert lines.locate(start, end) == (*expected(data, start), *expected(data, end))


@given(contents, st.lists(st.integers(0, 100), max_size=4), st.data())
def test_in_parts(data: bytes, cuts: list[int], draw: st.DataObject) -> None:
    at, origin = 0, Origin()
    for cut in sorted(min(cut, len(data)) for cut in cuts):
        if cut >= at:
            step, origin = Lines(data[at:], origin).cut(cut - at)
            at += step
            assert cut - 3 <= at <= cut
        start = draw.draw(st.integers(at, len(data)))
        end = draw.draw(st.integers(start, len(data)))
        assert Lines(data[at:], origin).locate(start - at, end - at) == (*expected(data, start), *expected(data, end))
