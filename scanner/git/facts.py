# SPDX-License-Identifier: Apache-2.0
"""What trees and commits say, as numbers: each id, each entry of a tree (its mode, name and id) and each name has one.

`kernel/facts.pyx` is the same, and reads packs; without the kernel `Facts` does it here, from what git reads.
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from scanner.git.kernel.pack import Pack

NONE: Final = 0xFFFFFFFF
# Flags of objects.
KNOWN: Final = 1
IS_TREE: Final = 2
IS_COMMIT: Final = 4
# Kinds of entries. Git knows them by these bits of the mode, whatever the others say.
OTHER_ENTRY: Final = 0
TREE_ENTRY: Final = 1
SUBMODULE_ENTRY: Final = 2
_KIND_BITS: Final = 0o170000
_KINDS: Final = {0o040000: TREE_ENTRY, 0o160000: SUBMODULE_ENTRY}


class Facts:
    """The objects of a repository, by number.

    - of each object: `flags`, and in `places` its number among the trees or the commits;
    - of each entry: `children` (the object), `labels` (mode and name), `kinds`;
    - of each tree: its object in `trees`; the tree that it was made of in `bases`, if any; and, in `changes`, the
      entries that it has not got of that one, in order, from `bounds[2 * tree]` on, and those that it has besides, from
      `bounds[2 * tree + 1]` to `bounds[2 * tree + 2]`;
    - of each commit: its object in `commits`, the object of its tree in `roots`, the committer's time in `times`, and
      the objects of its parents in `parents` from `parent_bounds[commit]` to that of the next.

    What there is not is NONE.
    """

    def __init__(self, id_bytes: int) -> None:
        self.id_bytes = id_bytes
        self.flags, self.kinds = array("B"), array("B")
        self.places, self.trees, self.bases = array("I"), array("I"), array("I")
        self.bounds, self.changes = array("I", [0]), array("I")
        self.children, self.labels = array("I"), array("I")
        self.commits, self.roots, self.times = array("I"), array("I"), array("Q")
        self.parents, self.parent_bounds = array("I"), array("I", [0])
        self._entry = re.compile(rb"([0-7]{1,16}) [^\0]*\0.{%d}" % id_bytes, re.DOTALL)
        self._numbers: dict[bytes, int] = {}
        self._ids: list[bytes] = []
        self._entries: dict[bytes, int] = {}
        self._names: defaultdict[bytes, int] = defaultdict(count().__next__)
        self._labels: list[bytes] = []
        self._lines: list[bytes] = []

    def number(self, name: bytes) -> int:
        """Return the number of an id, which it is given now if it had none."""
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._ids)
            self._ids.append(name)
            self.flags.append(0)
            self.places.append(NONE)
        return number

    def find(self, name: bytes) -> int:
        """Return the number of an id, -1 where it has none."""
        return self._numbers.get(name, -1)

    def id(self, number: int) -> bytes:
        """Return the id with this number."""
        return self._ids[number]

    def label(self, number: int) -> bytes:
        """Return the mode and the name that have this number, with a space in between."""
        return self._labels[number]

    def line(self, number: int) -> bytes:
        """Return the author's line of a commit."""
        return self._lines[number]

    def add(self, name: bytes) -> None:
        """Say that there is an object with this id."""
        self.flags[self.number(name)] |= KNOWN

    def add_pack(self, pack: "Pack") -> None:
        """Say that there are all objects of a pack. Packs come before everything else."""
        for number in range(pack.count):
            self.add(pack.name(number))

    def __contains__(self, name: bytes) -> bool:
        number = self.find(name)
        return number >= 0 and self.flags[number] & KNOWN != 0

    def add_tree(self, name: bytes, data: bytes) -> bool:
        """Take in a tree; False where it is malformed."""
        entries, at = array("I"), 0
        while found := self._entry.match(data, at):
            at = found.end()
            number = self._entries.get(found[0])
            entries.append(self._add_entry(found[0], int(found[1], 8)) if number is None else number)
        tree = self.number(name)
        if not self.flags[tree] & (IS_TREE | IS_COMMIT):
            self.bounds.append(len(self.changes))
            self.changes.extend(entries)
            self.bounds.append(len(self.changes))
            self._place(tree, IS_TREE, self.trees)
            self.bases.append(NONE)
        return at == len(data)

    def settle(self) -> None:
        """Let go of what is needed to take in many trees. More may come, and what was known already counts as new."""
        self._entries.clear()

    def _add_entry(self, entry: bytes, mode: int) -> int:
        number = self._entries[entry] = len(self.children)
        self.children.append(self.number(entry[-self.id_bytes :]))
        label = entry[: -self.id_bytes - 1]
        self.labels.append(self._names[label])
        if len(self._names) > len(self._labels):
            self._labels.append(label)
        self.kinds.append(_KINDS.get(mode & _KIND_BITS, OTHER_ENTRY))
        return number

    def _place(self, number: int, flag: int, kind: "array[int]") -> None:
        self.flags[number] |= flag
        self.places[number] = len(kind)
        kind.append(number)

    def take_commits(self, commits: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Take in those of the commits, pairs of id and content, that can be read at a glance; return the others."""
        return commits

    def keep_commit(self, name: bytes, root: bytes | None, parents: Iterable[bytes], seconds: int, line: bytes) -> None:
        """Take in a commit that somebody else has parsed; `root` is None where it names none."""
        number, tree = self.number(name), NONE if root is None else self.number(root)
        numbers = [self.number(parent) for parent in parents]
        if not self.flags[number] & (IS_TREE | IS_COMMIT):
            self._place(number, IS_COMMIT, self.commits)
            self.roots.append(tree)
            self.times.append(seconds)
            self.parents.extend(numbers)
            self.parent_bounds.append(len(self.parents))
            self._lines.append(line)


def make_facts(id_bytes: int) -> Facts:
    """Return facts of the kernel where there is one."""
    try:
        from scanner.git.kernel.facts import Facts as Compiled
    except ImportError:
        return Facts(id_bytes)
    return Compiled(id_bytes)
