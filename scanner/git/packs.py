# SPDX-License-Identifier: Apache-2.0
"""Packs read as git wrote them: every object once, bases before the deltas that are made of them.

Format: gitformat-pack(5), "pack-*.pack files have the following format". What git keeps elsewhere (loose objects), what
does not fit the format and what is large is left to `git cat-file`: `others` names it before, `read` as it goes. Where
anything about the packs themselves is odd, `open_packs` returns None, and git reads everything. The kernel that does
the work is optional; see `kernel/`.
"""

import mmap
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.git.facts import IS_TREE, Facts
from scanner.git.folders import loose_ids, object_folders, pack_indexes
from scanner.git.packindex import map_pack, parse_index, release
from scanner.git.repo import Repository
from scanner.model import Known, Ledger, Screen

if TYPE_CHECKING:
    from scanner.git.kernel.pack import Pack
    from scanner.git.kernel.patch import Copies
    from scanner.git.kernel.reader import Reader

# Larger objects, and what is made of them, git reads: they are few, and what is held while deltas are applied is
# at most so much for each halving of their number.
LARGE: Final = 4 * 1024 * 1024
_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_UNKNOWN: Final = 0
_Found = Generator[tuple[str, bytes, Known], None, bool]


class Packs:
    """The packs of a repository. `others` are the ids of those objects that git has to read."""

    def __init__(self, packs: "list[Pack]", loose: set[bytes]) -> None:
        self._packs = packs
        # For each pack: which blobs need not be read, and a place for the sizes of the others.
        self._kept: list[tuple[bytearray, memoryview[int]]] = []
        odd = {name for pack in packs for name in pack.ids(_UNKNOWN)}
        # What a pack has in order is not odd.
        self.others = [name.hex() for name in sorted(loose | odd) if not any(_has(pack, name) for pack in packs)]

    def number(self, facts: Facts) -> None:
        """Number the objects that there are in the packs; none may have a number before."""
        for pack in self._packs:
            facts.add_pack(pack)

    def read_trees(self, facts: Facts, failed: list[str]) -> None:
        """Read all trees in the packs; those that have to be left to git are `failed`."""
        from scanner.git.kernel.trees import read_trees

        bad: list[bytes] = []
        for pack in self._packs:
            read_trees(pack, facts, bad)
        # Of several copies one will do.
        failed += [name.hex() for name in dict.fromkeys(bad) if not facts.flags[facts.number(name)] & IS_TREE]

    def ids(self, kind: str) -> list[str]:
        """Return the ids of all objects of this kind in the packs."""
        return [name.hex() for name in dict.fromkeys(name for pack in self._packs for name in pack.ids(_KINDS[kind]))]

    def search(
        self, kind: str, screen: Screen, failed: list[str], take: "Callable[[Reader], bool]"
    ) -> "Iterator[tuple[str, bytes, Known]]":
        """Yield id, content and what is known of the objects of this kind that have something to look at.

        `take` is handed the reader after each text: it has all contents, and the number of those that were not yielded.
        Where it says False the reading ends. The objects that have to be left to git are `failed`.
        """
        bad: list[bytes] = []
        for number, pack in enumerate(self._packs):
            again = {entry: name for name in bad if (entry := _find(pack, name, _KINDS[kind])) >= 0}
            skip, marks = self._flags(number, kind, again)
            # Of several copies one will do.
            bad = [name for name in bad if name not in again.values()]
            if not (yield from Part(pack, pack.walk(_KINDS[kind], skip), skip, marks).search(screen, bad, take)):
                return
        failed += [name.hex() for name in dict.fromkeys(bad)]

    def packed(self, kind: str) -> int:
        """Return how many bytes the objects of this kind that are to be read take in the packs."""
        return sum(pack.packed(_KINDS[kind], self._flags(number, kind)[0]) for number, pack in enumerate(self._packs))

    def parts(self, kind: str, count: int) -> "list[Part]":
        """Cut the reading of a kind's objects into about so many parts, of about the same number of packed bytes."""
        parts = []
        total = self.packed(kind) or 1
        for number, pack in enumerate(self._packs):
            skip, marks = self._flags(number, kind)
            walk = pack.walk(_KINDS[kind], skip)
            cuts = pack.cuts(walk, max(1, count * pack.packed(_KINDS[kind], skip) // total))
            parts += [Part(pack, walk[start:stop], skip, marks) for start, stop in pairwise(cuts)]
        return parts

    def keep(self, ledger: Ledger) -> tuple[int, int]:
        """Leave out blobs that the ledger knows; return how many these are, and their bytes. `tell` it of the others then."""
        from scanner.git.kernel.known import flag

        count = size = 0
        for number, pack in enumerate(self._packs):
            skip = self._elsewhere(number) or bytearray(pack.count)
            found = flag(pack, _KINDS["blob"], ledger.ids, ledger.sizes, skip)
            count, size = count + found[0], size + found[1]
            # Shared with the processes that read parts of the packs.
            self._kept.append((skip, memoryview(mmap.mmap(-1, 4 * pack.count)).cast("I")))
        return count, size

    def tell(self, ledger: Ledger) -> None:
        """Tell the ledger of all blobs that were read."""
        from scanner.git.kernel.known import collect

        for pack, (_, marks) in zip(self._packs, self._kept, strict=True):
            ledger.saw(*collect(pack, marks))

    def _flags(self, number: int, kind: str, again: Iterable[int] = ()) -> "tuple[bytearray | None, memoryview[int] | None]":
        """Return flags for what need not be read in a pack, but for what shall be read again, and where sizes are noted."""
        skip, marks = self._kept[number] if self._kept and kind == "blob" else (self._elsewhere(number), None)
        if skip is not None and again:
            skip = bytearray(skip)
            for entry in again:
                skip[entry] = 0
        return skip, marks

    def _elsewhere(self, number: int) -> bytearray | None:
        """Return flags for what packs before this one have too."""
        if not number:
            return None
        flags = bytearray(self._packs[number].count)
        for before in self._packs[:number]:
            self._packs[number].also_in(before, flags)
        return flags

    def read(self, kind: str, failed: list[str]) -> "Iterator[tuple[str, bytes, Copies]]":
        """Yield id, content and change of all objects of this kind; those that have to be left to git are `failed`."""
        seen: set[bytes] | None = set() if len(self._packs) > 1 else None
        bad: dict[bytes, None] = {}
        for pack in self._packs:
            yield from _read_pack(pack, _KINDS[kind], seen, bad)
        # Of several copies one will do.
        failed += [name.hex() for name in bad if seen is None or name not in seen]


class Part(NamedTuple):
    """Objects of a pack that follow each other on a walk; those that `skip` flags need not be read.

    Where there are `marks`, the sizes of the others are noted there by their numbers, and one is added.
    """

    pack: "Pack"
    walk: "array[int]"
    skip: bytearray | None
    marks: "memoryview[int] | None"

    def search(self, screen: Screen, failed: list[bytes], take: "Callable[[Reader], bool]") -> "_Found":
        """As `Packs.search`; returns whether the reading went to the end, and `failed` are ids as they are in packs."""
        from scanner.git.kernel.reader import Reader

        hangs_on = screen.near, screen.far, screen.margins, screen.heads, screen.probe, screen.memo
        reader = Reader(self.pack, self.walk, *hangs_on, self.skip, self.marks, screen.sizes)
        while (text := reader.fill()) is not None:
            screen.search(text, reader.anchors, reader.forms)
            while (found := reader.settle()) is not None:
                yield found[0].hex(), found[1].data, found[1]
            if not take(reader):
                return False
        failed += reader.failed
        return True


def _has(pack: "Pack", name: bytes) -> bool:
    number = pack.find(name)
    return number >= 0 and pack.kind(number) != _UNKNOWN


def _find(pack: "Pack", name: bytes, kind: int) -> int:
    """Return the number of the entry of this kind with this id, or -1."""
    number = pack.find(name)
    return number if number >= 0 and pack.kind(number) == kind else -1


def _read_pack(
    pack: "Pack", kind: int, seen: set[bytes] | None, bad: dict[bytes, None]
) -> "Iterator[tuple[str, bytes, Copies]]":
    from scanner.git.kernel.patch import Copies

    held: dict[int, tuple[bytes, Copies]] = {}
    for number in pack.walk(kind):
        base = pack.base(number)
        name = pack.name(number)
        try:
            if base < 0:
                change = Copies(None)
                data = pack.read(number)
            else:
                source, before = held.pop(base) if pack.is_last(number) else held[base]
                change = Copies(before.notes)
                data = pack.apply(number, source, change)
        except (KeyError, ValueError, MemoryError):
            # A base that failed, an object that is large or damaged: git knows, or knows another copy.
            bad[name] = None
            continue
        if pack.is_base(number):
            held[number] = data, change
        if seen is not None:
            if name in seen:
                continue
            seen.add(name)
        yield name.hex(), data, change


def open_packs(repo: Repository, max_bytes: int) -> Packs | None:
    """Return the repository's packs; None where git has to do all the reading. `max_bytes` is the largest object."""
    try:
        from scanner.git.kernel.pack import Pack
    except ImportError:
        return None
    folder = repo.object_folder()
    if folder is None:
        return None
    try:
        packs, loose = [], set[bytes]()
        for objects in object_folders(folder):
            loose |= loose_ids(objects, repo.id_bytes)
            packs += [_open_pack(Pack, index, repo.id_bytes, min(max_bytes, LARGE)) for index in sorted(pack_indexes(objects))]
    except (OSError, ValueError, MemoryError):
        return None
    return Packs([pack for pack in packs if pack is not None], loose) if packs else None


def _open_pack(make: "type[Pack]", path: str, id_bytes: int, limit: int) -> "Pack | None":
    """Open a pack by its index; None for one without objects. Raises `ValueError` where the two do not fit."""
    index, content = map_pack(path)
    names, offsets = parse_index(index, content, id_bytes)
    return make(content, names, offsets, id_bytes, limit, partial(release, content)) if offsets else None
