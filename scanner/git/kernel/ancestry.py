# cython: language_level=3, boundscheck=True, wraparound=False, initializedcheck=False, annotation_typing=False
# SPDX-License-Identifier: Apache-2.0
"""Walks through what commits say of their parents and trees, and their order: compiled with `ancestry.pxd`, as it is else.

Everything is an array of numbers, as `scanner/git/facts.py` describes them.
"""

import heapq
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from scanner.git.kernel.ways import numbers

if TYPE_CHECKING:
    from scanner.git.facts import Facts

NONE = 0xFFFFFFFF
_KNOWN = 1
_IS_TREE = 2
_IS_COMMIT = 4


def links(facts: "Facts") -> "array[int]":
    """Return the parents of the commits by their numbers among the commits, NONE for those that are not there."""
    parents, flags, places = facts.parents, facts.flags, facts.places
    all_found = numbers(len(facts.parents), NONE)
    found = all_found
    for at in range(len(all_found)):
        if flags[parents[at]] & _IS_COMMIT:
            found[at] = places[parents[at]]
    return all_found


def dangling(facts: "Facts") -> list[tuple[int, int]]:
    """Return the objects that commits name and that are not there, each with the commit: its trees, then its parents."""
    roots, parents, bounds, flags = facts.roots, facts.parents, facts.parent_bounds, facts.flags
    found = []
    for commit in range(len(roots)):
        if roots[commit] != NONE and not flags[roots[commit]] & _KNOWN:
            found.append((commit, roots[commit]))
        for at in range(bounds[commit], bounds[commit + 1]):
            if not flags[parents[at]] & _KNOWN:
                found.append((commit, parents[at]))  # noqa: PERF401 - no generator
    return found


def trees_of(facts: "Facts", commits: Iterable[int]) -> list[tuple[int, int]]:
    """Return the trees of commits, as far as they are there, each with its commit's place in this order."""
    roots, places, flags = facts.roots, facts.places, facts.flags
    found = []
    for rank, commit in enumerate(commits):
        root = roots[commit]
        if root != NONE and flags[root] & _IS_TREE:
            found.append((rank, places[root]))
    return found


def by_age(facts: "Facts") -> list[int]:
    """Return the commits by committer's date, equal ones by id."""
    times, commits = facts.times, facts.commits
    order = sorted(range(len(facts.commits)), key=facts.times.__getitem__)
    start = 0
    for at in range(1, len(order) + 1):
        one, other = order[start], order[at] if at < len(order) else order[start]
        if at == len(order) or times[one] != times[other]:
            if at - start > 1:
                equals = sorted([(facts.id(commits[i]), i) for i in order[start:at]])
                order[start:at] = [i for _, i in equals]
            start = at
    return order


def spread(starts: Iterable[int], bounds: "array[int]", links: "array[int]", reach: bytearray, level: int) -> list[int]:
    """Mark the starts and all that they are linked to, as far as they have no level yet; return what was marked."""
    marks = reach
    found = []
    for start in starts:
        if marks[start] == 0:
            marks[start] = level
            found.append(start)
    done = 0
    while done < len(found):
        here = found[done]
        done += 1
        for at in range(bounds[here], bounds[here + 1]):
            link = links[at]
            if link != NONE and marks[link] == 0:
                marks[link] = level
                found.append(link)
    return found


def arrange(
    members: list[int], bounds: "array[int]", links: "array[int]", reach: bytearray, ages: list[int]
) -> list[int]:
    """Return commits of one level so that each one comes after its parents, and else by age: `ages` are all, in order."""
    levels, count = reach, len(ages)
    waiting, first, places = numbers(count, 0), numbers(count, NONE), numbers(count, 0)
    following, children = numbers(len(links), NONE), numbers(len(links), NONE)
    ready = []
    for i in range(count):
        places[ages[i]] = i
    for member in members:
        for i in range(bounds[member], bounds[member + 1]):
            link = links[i]
            if link != NONE and levels[link] == levels[member]:
                waiting[member] += 1
                children[i] = member
                following[i] = first[link]
                first[link] = i
        if not waiting[member]:
            ready.append(places[member])
    heapq.heapify(ready)
    order = []
    while ready:
        member = ages[heapq.heappop(ready)]
        order.append(member)
        at = first[member]
        while at != NONE:
            child = children[at]
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, places[child])
            at = following[at]
    return order
