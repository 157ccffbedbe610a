# SPDX-License-Identifier: Apache-2.0
"""Trees of a pack: what is kept of them is what they say, however they are made of each other."""

import random
from array import array
from collections import Counter

import pytest
from packmaker import back, chain, entry, instructions, result

from scanner.git import facts
from scanner.git.kernel import ways

compiled = pytest.importorskip("scanner.git.kernel.facts", reason="the kernel is not compiled here")
Pack = pytest.importorskip("scanner.git.kernel.pack").Pack
read_trees = pytest.importorskip("scanner.git.kernel.trees").read_trees

LIMIT = 1 << 20


def a_tree(*names):
    return b"".join(b"%s\0%s" % (name, name[-1:] * 20) for name in names)


def a_pack(entries, limit=LIMIT):
    content, places = b"PACK\0\0\0\2" + len(entries).to_bytes(4, "big"), array("Q")
    for made in entries:
        places.append(len(content))
        content += made
    names = b"".join(number.to_bytes(20, "big") for number in range(len(entries)))
    return Pack(content + bytes(20), names, places, 20, limit)


def said(known):
    """What each tree has, as it can be read from what is kept: how often each mode, name and id is there, by the tree's."""
    found = []
    for tree, base in enumerate(known.bases):
        start, middle, stop = known.bounds[2 * tree : 2 * tree + 3]
        gone = list(known.changes[start:middle])
        assert gone == sorted(gone)
        entries = Counter() if base == facts.NONE else found[base] - Counter(gone)
        found.append(entries + Counter(known.changes[middle:stop]))
    return {
        known.id(known.trees[tree]): {
            (known.label(known.labels[e]), known.id(known.children[e]), known.kinds[e]): times for e, times in entries.items()
        }
        for tree, entries in enumerate(found)
    }


def expected(contents):
    plain = facts.Facts(20)
    whole = [plain.add_tree(number.to_bytes(20, "big"), data) for number, data in enumerate(contents)]
    return said(plain), whole


def check(entries, contents, *more):
    pack, known, failed = a_pack(entries), compiled.Facts(20), []
    known.add_pack(pack)
    read_trees(pack, known, failed)
    for other in more:
        read_trees(other, known, failed)
    wanted, whole = expected(contents)
    found = said(known)
    assert {name: found.get(name) for name in wanted if name not in failed} == {
        name: entries for name, entries in wanted.items() if name not in failed
    }
    # Whatever is malformed, and what is made of that, git is asked for.
    assert {number.to_bytes(20, "big") for number, good in enumerate(whole) if not good} <= set(failed)
    return failed


BASE = a_tree(b"100644 a", b"40000 b", b"160000 c", b"100644 d")  # 29, 28, 29, 29 bytes


@pytest.mark.parametrize(
    "ops",
    [
        [(0, 115)],
        [(0, 29), (57, 58)],
        [(57, 29), (0, 57)],
        [(0, 9), b"1" * 20, (29, 86)],
        [(0, 9), b"1" * 10, (19, 96)],
        [(0, 9), (9, 20), (29, 86)],
        [(0, 29), (0, 29), (29, 86)],
        [(0, 115), a_tree(b"100755 new")],
        [a_tree(b"100755 new"), (0, 115)],
        [(0, 7), b"new name", (8, 107)],
        [(0, 36), (64, 51)],
        [BASE],
        [(at, 1) for at in range(115)],
        [BASE[at : at + 1] for at in range(115)],
        [(0, 57), b"100644 x\0" + b"\0" * 20, (57, 58)],
        [],
    ],
)
def test_a_delta(ops):
    assert check(*chain(BASE, [ops, [(0, len(result(BASE, ops)))]] if ops else [ops], kind=2)) == []


@pytest.mark.parametrize("ops", [[(0, 20)], [(0, 29), b"100644 x\0"], [b"x"], [b" "], [b"8 a\0" + bytes(20)]])
def test_a_malformed_tree_and_what_is_made_of_it_are_gits(ops):
    assert check(*chain(BASE, [ops, [(0, 1)]], kind=2)) == [(1).to_bytes(20, "big"), (2).to_bytes(20, "big")]


def test_a_delta_of_another_base_or_size_is_gits():
    root = entry(2, BASE)
    for delta in (instructions(1, [(0, 1)]), instructions(115, [(0, 115)])[:-1], instructions(115, [])[:1] + b"\7", b"", b"\x73\1\0"):
        pack, known, failed = a_pack([root, entry(6, delta, before=back(len(root)))]), compiled.Facts(20), []
        known.add_pack(pack)
        read_trees(pack, known, failed)
        assert failed == [(1).to_bytes(20, "big")]


def test_a_large_tree_is_gits():
    pack, known, failed = a_pack([entry(2, BASE)], limit=100), compiled.Facts(20), []
    read_trees(pack, known, failed)
    assert failed == [bytes(20)]


def test_a_name_that_goes_on_is_gits():
    long = a_tree(b"100644 " + b"n" * 70_000)
    assert check(*chain(BASE, [[(0, 115), long[:100], long[100:40_000], long[40_000:]]], kind=2)) == [(1).to_bytes(20, "big")]
    assert check([entry(2, long)], [long]) == []


def test_two_packs_with_the_same_tree():
    entries, contents = chain(BASE, [[(0, 57)], [(0, 29)]], kind=2)
    one, other = a_pack(entries[:2]), a_pack(entries)
    known, failed = compiled.Facts(20), []
    known.add_pack(one)
    known.add_pack(other)
    assert list(known.flags) == [1, 1, 0, 0, 1]
    read_trees(one, known, failed)
    read_trees(other, known, failed)
    assert (said(known), failed) == (expected(contents)[0], [])
    assert [known.find(n.to_bytes(20, "big")) for n in range(4)] == [0, 1, 4, -1]


def random_versions(source, size):
    """Return how versions of a tree whose entries take 30 bytes each are made of each other, cut anywhere."""
    versions = []
    for _ in range(source.randint(1, 8)):
        ops, at = [], 0
        while at < size:
            stop = source.randint(at + 1, size)
            ops.append((at, stop - at))
            # What is left out or told twice is as long as whole entries, so what is cut in two fits together again.
            at = min(stop + 30 * source.choice((-1 if stop >= 30 else 0, 0, 0, 1, 2)), size - (size - stop) % 30)
            if at % 30 == 0 and source.random() < 0.5:
                ops.append(a_tree(b"100644 %02d" % source.randrange(99)))
            if len(ops) > 20:
                break
        ops += [(at, size - at)] if at < size else []
        versions.append(ops)
        size = sum(len(op) if isinstance(op, bytes) else op[1] for op in ops)
    return versions


@pytest.mark.parametrize("seed", range(60))
def test_random_trees(seed):
    source = random.Random(seed)
    modes = b"100644", b"040000", b"160000"
    first = a_tree(*(b"%s %02d" % (source.choice(modes), i) for i in range(source.randint(1, 40))))
    entries, contents = chain(first, random_versions(source, len(first)), kind=2)
    assert check(entries, contents) == []
    known = compiled.Facts(20)
    read_trees(a_pack(entries), known, [])
    have = said(known)
    for number in range(len(known.children)):
        wanted = bytearray(len(known.children))
        wanted[number] = 1
        what = known.label(known.labels[number]), known.id(known.children[number]), known.kinds[number]
        bounds = ways.climb(known, wanted, 10_000).bounds
        found = {known.id(known.trees[tree]) for tree in range(len(known.trees)) if bounds[tree] < bounds[tree + 1]}
        assert found == {tree for tree, its in have.items() if what in its}


def test_ids_are_numbers_in_order_and_back():
    known = compiled.Facts(32)
    names = [bytes([n % 256, n // 256]) * 16 for n in range(5000)]
    assert [known.number(name) for name in names] == list(range(5000))
    assert [known.number(name) for name in names] == list(range(5000))
    assert [known.id(number) for number in range(5000)] == names
    assert known.find(b"x" * 32) == known.find(b"short") == -1
    assert names[3] not in known
    known.add(names[3])
    assert names[3] in known
    with pytest.raises(ValueError, match="another length"):
        known.number(b"short")
    with pytest.raises(IndexError):
        known.id(5000)
    with pytest.raises(ValueError, match="comes too late"):
        known.add_pack(a_pack([entry(2, BASE)]))
