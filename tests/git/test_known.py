# SPDX-License-Identifier: Apache-2.0
"""What is known of a pack's entries from elsewhere, against sets and dictionaries."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packmaker import entry, pack_of

from scanner.verdicts import make_verdicts

known = pytest.importorskip("scanner.git.kernel.known", reason="the kernel is not compiled here")

NUMBERS = st.sets(st.integers(0, 40), max_size=30)
BLOB, COMMIT = 3, 1


def name(number):
    return number.to_bytes(20, "big")


def listed(numbers):
    return make_verdicts(20, {name(number): 100 + number for number in numbers})


def a_pack(numbers, commits=frozenset()):
    """Return numbers in the order of a pack's entries, which is not that of their ids, and the pack."""
    order = sorted(numbers, key=lambda number: (number * 17 % 41, number))
    entries = [entry(COMMIT if number in commits else BLOB, b"x" * number) for number in order]
    offsets = {number: 12 + sum(map(len, entries[:place])) for place, number in enumerate(order)}
    ids = sorted(numbers)
    return order, pack_of(entries, [name(number) for number in ids], offsets=[offsets[number] for number in ids])


@given(NUMBERS.filter(bool), NUMBERS, NUMBERS, NUMBERS)
def test_known_blobs_are_flagged_and_counted_once(here, elsewhere, commits, flagged):
    order, pack = a_pack(here, commits)
    flags = bytearray(number in flagged for number in order)
    verdicts = listed(elsewhere)
    count, size = known.flag(pack, BLOB, verdicts.ids, verdicts.sizes, flags)
    fresh = (here & elsewhere) - commits - flagged
    assert (count, size) == (len(fresh), sum(100 + number for number in fresh))
    assert flags == bytearray(number in fresh or number in flagged for number in order)


@given(NUMBERS.filter(bool), NUMBERS)
def test_what_was_read_is_collected_in_order(here, read):
    order, pack = a_pack(here)
    marks = array("I", (100 + number + 1 if number in read else 0 for number in order))
    found, sizes = known.collect(pack, marks)
    expected = listed(here & read)
    assert (found, sizes) == (expected.ids, expected.sizes)


@given(NUMBERS, NUMBERS)
def test_two_lists_become_one(one, other):
    first, second, both = listed(one), listed(other), listed(one | other)
    assert known.merge(20, first.ids, first.sizes, second.ids, second.sizes) == (both.ids, both.sizes)


@given(st.binary(max_size=200), st.binary(max_size=200), st.lists(st.integers(0, 2**32 - 1), max_size=10))
def test_lists_that_do_not_fit_are_refused_and_others_are_harmless(ids, more, sizes):
    numbers = array("I", sizes)
    _, pack = a_pack({1, 2, 3})
    if len(ids) == 20 * len(sizes):
        known.flag(pack, BLOB, ids, numbers, bytearray(3))
    else:
        with pytest.raises(ValueError, match="without sizes"):
            known.flag(pack, BLOB, ids, numbers, bytearray(3))
        with pytest.raises(ValueError, match="without sizes"):
            known.merge(20, ids, numbers, more, numbers)
    # In no order, and with repetitions.
    cut, rest = ids[: len(ids) // 20 * 20], more[: len(more) // 20 * 20]
    found, _ = known.merge(20, cut, array("I", bytes(len(cut) // 5)), rest, array("I", bytes(len(rest) // 5)))
    given_ids = {text[at : at + 20] for text in (cut, rest) for at in range(0, len(text), 20)}
    assert {found[at : at + 20] for at in range(0, len(found), 20)} == given_ids


def test_flags_and_marks_of_another_pack_are_refused():
    _, pack = a_pack({1, 2, 3})
    for length in (0, 2, 4):
        with pytest.raises(ValueError, match="another pack"):
            known.flag(pack, BLOB, b"", array("I"), bytearray(length))
        with pytest.raises(ValueError, match="another pack"):
            known.collect(pack, array("I", bytes(4 * length)))
    with pytest.raises((TypeError, ValueError)):
        known.collect(pack, array("H", bytes(6)))
