# cython: language_level=3, boundscheck=True, wraparound=False, initializedcheck=False, annotation_typing=False
# SPDX-License-Identifier: Apache-2.0
"""Walks through what trees say: `ways.pxd` makes this fast where it is compiled, and it runs as it is too.

Everything is an array of numbers, as `scanner/git/facts.py` describes them.
"""

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from scanner.git.facts import Facts

NONE = 0xFFFFFFFF
_KNOWN = 1
_IS_TREE = 2
_TREE_ENTRY = 1
_SUBMODULE_ENTRY = 2
_CHUNK = 1 << 13


class Ways(NamedTuple):
    """Of each tree those entries that are wanted or lead there: `entries` from `bounds[tree]` to that of the next one."""

    bounds: "array[int]"
    entries: "array[int]"
    wanted: bytearray


class Found(NamedTuple):
    """Wanted entries where they stand: the directory's number, the entry's, and the rank of the root.

    A directory is named by `parents` and `labels`; the first one is the root.
    """

    sightings: list[tuple[int, int, int]]
    parents: list[int]
    labels: list[int]


def numbers(count: int, value: int) -> "array[int]":
    """Return an array of so many equal numbers."""
    return array("I", [value]) * count


def unknown(facts: "Facts") -> list[int]:
    """Return the objects that trees name as files or directories and that are not there."""
    children, kinds, flags = facts.children, facts.kinds, facts.flags
    found = set()
    for entry in range(len(children)):
        if kinds[entry] != _SUBMODULE_ENTRY and not flags[children[entry]] & _KNOWN:
            found.add(children[entry])
    return list(found)


def wanted_entries(facts: "Facts", wanted: bytearray, submodules: bool) -> bytearray:
    """Return which entries name a wanted object, and which name a submodule where these are wanted."""
    children, kinds, flags = facts.children, facts.kinds, wanted
    found = bytearray(len(children))
    for entry in range(len(children)):
        if submodules if kinds[entry] == _SUBMODULE_ENTRY else flags[children[entry]]:
            found[entry] = 1
    return found


def tops(facts: "Facts") -> list[int]:
    """Return the trees that no other tree and no commit names."""
    children, kinds, places, trees, roots = facts.children, facts.kinds, facts.places, facts.trees, facts.roots
    below = numbers(len(facts.flags), 0)
    for entry in range(len(children)):
        if kinds[entry] == _TREE_ENTRY:
            below[children[entry]] = 1
    for commit in range(len(roots)):
        if roots[commit] != NONE:
            below[roots[commit]] = 1
    return [places[trees[tree]] for tree in range(len(trees)) if not below[trees[tree]]]


def climb(facts: "Facts", wanted: bytearray, limit: int) -> Ways:
    """Return the ways to these entries, in no more than so many steps.

    From an entry to all trees that have it: those to which it was added, and what was made of these as long as it was
    not taken away. Then the same for the entries by which these trees are named. A tree may have an entry several times,
    though git makes none such.
    """
    trees, bounds, changes = facts.trees, facts.bounds, facts.changes
    added_in, added = _index_added(facts)
    heirs, next_heirs = _heirs(facts.bases)
    naming, next_naming = _naming(facts)
    count, used, full = len(trees), 0, 0
    all_counts = numbers(count + 1, 0)
    marks, counts = numbers(count, NONE), all_counts
    waiting, carried = numbers(count + 1, 0), numbers(count + 1, 0)
    chunks = [numbers(2 * _CHUNK, 0)]
    steps = chunks[0]
    flags = wanted
    todo = [number for number in range(len(wanted)) if wanted[number]]
    while todo and full < limit:
        entry = todo.pop()
        # A tree comes after the one that it was made of, so with what it has from there.
        for start in range(added_in[entry], added_in[entry + 1]):
            waiting[0] = added[start]
            carried[0] = 0
            left = 1
            while left:
                left -= 1
                tree = waiting[left]
                if marks[tree] == entry:
                    continue
                marks[tree] = entry
                times = carried[left] + _count(added, added_in[entry], added_in[entry + 1], tree)
                if used == _CHUNK:
                    full += used
                    used = 0
                    chunks.append(numbers(2 * _CHUNK, 0))
                    steps = chunks[len(chunks) - 1]
                steps[2 * used] = tree
                steps[2 * used + 1] = entry
                used += 1
                counts[tree] += 1
                if counts[tree] == 1:
                    name = naming[trees[tree]]
                    while name != NONE:
                        if not flags[name]:
                            todo.append(name)
                        name = next_naming[name]
                heir = heirs[tree]
                while heir != NONE:
                    gone = _count(changes, bounds[2 * heir], bounds[2 * heir + 1], entry)
                    if gone < times:
                        waiting[left] = heir
                        carried[left] = times - gone
                        left += 1
                    heir = next_heirs[heir]
    return Ways(*_sorted_steps(chunks, used, all_counts), wanted)


def _count(items: "array[int]", low: int, high: int, wanted: int) -> int:
    """Return how often a number is in this part of an array, which ascends."""
    stop = high
    while low < high:
        middle = (low + high) >> 1
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    if low == stop or items[low] != wanted:
        return 0
    start, high = low, stop
    while low < high:
        middle = (low + high) >> 1
        if items[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return low - start


def _index_added(facts: "Facts") -> "tuple[array[int], array[int]]":
    """Return to which trees each entry was added."""
    bounds, changes = facts.bounds, facts.changes
    count = len(facts.trees)
    all_starts = numbers(len(facts.children) + 1, 0)
    starts = all_starts
    for tree in range(count):
        for at in range(bounds[2 * tree + 1], bounds[2 * tree + 2]):
            starts[changes[at]] += 1
    total = 0
    for entry in range(len(all_starts)):
        total += starts[entry]
        starts[entry] = total
    # From behind, so that each start ends up where its trees begin.
    all_found = numbers(total, 0)
    found = all_found
    for step in range(count):
        tree = count - 1 - step
        for at in range(bounds[2 * tree + 1], bounds[2 * tree + 2]):
            starts[changes[at]] -= 1
            found[starts[changes[at]]] = tree
    return all_starts, all_found


def _heirs(bases: "array[int]") -> "tuple[array[int], array[int]]":
    """Return the first tree that was made of each, and for each the next one that was made of the same."""
    all_first, all_following = numbers(len(bases), NONE), numbers(len(bases), NONE)
    first, following = all_first, all_following
    for tree in range(len(bases)):
        base = bases[tree]
        if base != NONE:
            following[tree] = first[base]
            first[base] = tree
    return all_first, all_following


def _naming(facts: "Facts") -> "tuple[array[int], array[int]]":
    """Return the first entry that names each object as a directory, and for each the next one that names the same."""
    children, kinds, flags = facts.children, facts.kinds, facts.flags
    all_first, all_following = numbers(len(flags), NONE), numbers(len(children), NONE)
    first, following = all_first, all_following
    for entry in range(len(children)):
        child = children[entry]
        if kinds[entry] == _TREE_ENTRY and flags[child] & _IS_TREE:
            following[entry] = first[child]
            first[child] = entry
    return all_first, all_following


def _sorted_steps(chunks: "list[array[int]]", last: int, counts: "array[int]") -> "tuple[array[int], array[int]]":
    """Put the steps in the order of the trees."""
    bounds = counts
    total = 0
    for tree in range(len(counts)):
        total += bounds[tree]
        bounds[tree] = total
    all_entries = numbers(total, 0)
    entries = all_entries
    for number in range(len(chunks)):
        steps = chunks[number]
        for at in range(last if number == len(chunks) - 1 else _CHUNK):
            tree = steps[2 * at]
            bounds[tree] -= 1
            entries[bounds[tree]] = steps[2 * at + 1]
    return counts, all_entries


def walk(facts: "Facts", ways: Ways, roots: Iterable[tuple[int, int]], limit: int, longest: int) -> Found:
    """Return the wanted entries where they stand, each with the first root (rank and tree) that leads there.

    Each tree is entered once for each directory at which it stands; but of those that stand at several, no more than
    `limit` times in all, and none at a path longer than `longest`.
    """
    bounds, entries, flags = ways.bounds, ways.entries, ways.wanted
    children, labels, places = facts.children, facts.labels, facts.places
    entered, told = numbers(len(bounds), NONE), numbers(len(children), NONE)
    # Where an entry was last met, and the directory that it is there.
    met, met_as = numbers(len(children), NONE), numbers(len(children), NONE)
    again: set[tuple[int, int]] = set()
    told_again: set[tuple[int, int]] = set()
    found = Found([], [0], [NONE])
    lengths = [0]
    directories: dict[tuple[int, int], int] = {}
    path: list[tuple[int, int, int]] = []
    for rank, root in roots:
        tree, here, at = root, 0, bounds[root]
        if at == bounds[tree + 1] or not _enters(entered, again, tree, here, limit):
            continue
        while True:
            if at == bounds[tree + 1]:
                if not path:
                    break
                tree, here, at = path.pop()
                continue
            entry = entries[at]
            at += 1
            if flags[entry]:
                # The next versions of the directory mostly have it too.
                if told[entry] != here and _enters(told, told_again, entry, here, limit):
                    found.sightings.append((here, entry, rank))
                continue
            if met[entry] != here:
                key = (here, labels[entry])
                if key not in directories:
                    if lengths[here] >= longest:
                        continue
                    directories[key] = len(lengths)
                    found.parents.append(here)
                    found.labels.append(labels[entry])
                    lengths.append(lengths[here] + len(facts.label(labels[entry]).partition(b" ")[2]) + 1)
                met[entry], met_as[entry] = here, directories[key]
            below = met_as[entry]
            child = places[children[entry]]
            if entered[child] != below and _enters(entered, again, child, below, limit):
                path.append((tree, here, at))
                tree, here, at = child, below, bounds[child]
    return found


def _enters(first: "array[int]", again: set[tuple[int, int]], what: int, directory: int, limit: int) -> bool:
    """Note that something was met in a directory; return whether that is new."""
    if first[what] == NONE:
        first[what] = directory
        return True
    if first[what] == directory or (what, directory) in again or len(again) >= limit:
        return False
    again.add((what, directory))
    return True
