# SPDX-License-Identifier: Apache-2.0
"""Packs read as git wrote them: every object once, bases before the deltas that are made of them.

Formats: gitformat-pack(5), "pack-*.pack files have the following format" and the two of "pack-*.idx files". What git
keeps elsewhere (loose objects), what does not fit the format and what is large is left to `git cat-file`: `others`
names it before, `read` as it goes. Where anything about the packs themselves is odd, `open_packs` returns None, and
git reads everything. The kernel that does the work is optional; see `kernel/`.
"""

import mmap
import os
import sys
from array import array
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.git.facts import IS_TREE, Facts
from scanner.git.repo import Repository
from scanner.model import Known, Ledger, Screen

if TYPE_CHECKING:
    from scanner.git.kernel.pack import Copies, Pack
    from scanner.git.kernel.reader import Reader

# Larger objects, and what is made of them, git reads: they are few, and what is held while deltas are applied is
# at most so much for each halving of their number.
LARGE: Final = 4 * 1024 * 1024
_KINDS: Final = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_UNKNOWN: Final = 0
_V2: Final = b"\xfftOc"
_FANOUT_BYTES: Final = 256 * 4
_LARGE_OFFSET: Final = 1 << 31
_MAX_ALTERNATES: Final = 50
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
    from scanner.git.kernel.pack import Copies

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


def object_folders(folder: str) -> list[str]:
    """Return the folder and all its alternates (gitrepository-layout(5), objects/info/alternates)."""
    folders = [os.path.realpath(folder)]
    for here in folders:
        try:
            with open(os.path.join(here, "info", "alternates"), "rb") as stream:
                lines = stream.read().split(b"\n")
        except FileNotFoundError:
            continue
        for line in lines:
            if line.startswith(b'"'):
                raise ValueError("a quoted path")
            if line and not line.startswith(b"#"):
                named = os.path.realpath(os.path.join(here, os.fsdecode(line)))
                if named not in folders:
                    folders.append(named)
        if len(folders) > _MAX_ALTERNATES:
            raise ValueError("too many alternates")
    return folders


def loose_ids(folder: str, id_bytes: int) -> set[bytes]:
    """Return the ids of the objects that stand in files of their own."""
    found = set()
    for part in os.listdir(folder):
        if len(part) == 2 and not part.strip("0123456789abcdef"):
            for rest in os.listdir(os.path.join(folder, part)):
                if len(rest) == 2 * id_bytes - 2 and not rest.strip("0123456789abcdef"):
                    found.add(bytes.fromhex(part + rest))
    return found


def pack_indexes(folder: str) -> Iterator[str]:
    """Yield the paths of the packs' indexes."""
    try:
        names = os.listdir(os.path.join(folder, "pack"))
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(".idx"):
            yield os.path.join(folder, "pack", name)


def _open_pack(make: "type[Pack]", path: str, id_bytes: int, limit: int) -> "Pack | None":
    """Open a pack by its index; None for one without objects. Raises `ValueError` where the two do not fit."""
    index, content, count = _map_pack(path, id_bytes)
    names, offsets = (_version_2 if index[:4] == _V2 else _version_1)(index, id_bytes)
    return make(content, names, offsets, id_bytes, limit) if count else None


def digest_ids(path: str, id_bytes: int) -> bytes:
    """Return a digest of the ids that a pack's index tells. Raises `ValueError` where the two do not fit."""
    import hashlib

    index, _, count = _map_pack(path, id_bytes)
    if index[:4] != _V2:
        return hashlib.sha256(_version_1(index, id_bytes)[0]).digest()
    if index[4:8] != b"\0\0\0\2":
        raise ValueError("an index of an unknown version")
    begin = 8 + _FANOUT_BYTES
    with memoryview(index) as whole:
        return hashlib.sha256(whole[begin : begin + count * id_bytes]).digest()


def _map_pack(path: str, id_bytes: int) -> tuple[mmap.mmap, mmap.mmap, int]:
    """Return a pack's index, the pack, and the number of objects. Raises `ValueError` where the two do not fit."""
    index, content = _map(path), _map(path.removesuffix(".idx") + ".pack")
    count = _count(index, 8 if index[:4] == _V2 else 0)
    version = int.from_bytes(content[4:8], "big")
    if content[:4] != b"PACK" or version not in (2, 3) or int.from_bytes(content[8:12], "big") != count:
        raise ValueError("not a pack, or not one with so many objects")
    if content[-id_bytes:] != index[-2 * id_bytes : -id_bytes]:
        raise ValueError("an index of another pack")
    return index, content, count


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _version_2(index: mmap.mmap, id_bytes: int) -> "tuple[bytes, array[int]]":
    if index[4:8] != b"\0\0\0\2":
        raise ValueError("an index of an unknown version")
    count = _count(index, 8)
    names_end = 8 + _FANOUT_BYTES + count * id_bytes
    offsets_at = names_end + 4 * count  # after a CRC of each entry
    large_at = offsets_at + 4 * count
    large_bytes = len(index) - 2 * id_bytes - large_at
    if large_bytes < 0 or large_bytes % 8:
        raise ValueError("an index of another length")
    offsets = array("Q", _numbers("I", index[offsets_at:large_at]))
    if large_bytes:
        large = _numbers("Q", index[large_at : large_at + large_bytes])
        for number, offset in enumerate(offsets):
            if offset >= _LARGE_OFFSET:
                if offset - _LARGE_OFFSET >= len(large):
                    raise ValueError("an offset that is not in the index")
                offsets[number] = large[offset - _LARGE_OFFSET]
    return index[8 + _FANOUT_BYTES : names_end], offsets


def _version_1(index: mmap.mmap, id_bytes: int) -> "tuple[bytes, array[int]]":
    count = _count(index, 0)
    size = 4 + id_bytes
    if len(index) != _FANOUT_BYTES + count * size + 2 * id_bytes:
        raise ValueError("an index of another length")
    table = index[_FANOUT_BYTES : _FANOUT_BYTES + count * size]
    entries = [table[at : at + size] for at in range(0, len(table), size)]
    return b"".join(entry[4:] for entry in entries), array("Q", (int.from_bytes(entry[:4], "big") for entry in entries))


def _count(index: mmap.mmap, at: int) -> int:
    """Return the number of objects, which the last number of the fan-out table tells."""
    fanout = _numbers("I", index[at : at + _FANOUT_BYTES])
    if len(fanout) != 256 or any(fanout[i] > fanout[i + 1] for i in range(255)):
        raise ValueError("a fan-out table out of order")
    return fanout[-1]


def _numbers(typecode: str, data: bytes) -> "array[int]":
    """Return big-endian numbers."""
    numbers = array(typecode, data)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers
