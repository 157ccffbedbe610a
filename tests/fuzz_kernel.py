# SPDX-License-Identifier: Apache-2.0
"""Damaged packs, deltas, indexes, trees and commits for the kernel: `fuzz_kernel.py SECONDS [SEED]`.

An execution is one damaged input, read by one part of the kernel to its end. It has to end in content, or in the
`ValueError` that leaves the object to git; whatever else comes, and a process that dies, is a bug. What is accepted is
compared with what plain Python makes of the same bytes.

Run it with a kernel that was compiled with `CFLAGS=-fsanitize=address LDFLAGS=-fsanitize=address`, where a read outside
of a buffer ends the process: `LD_PRELOAD` the compiler's `libasan.so`, with `PYTHONMALLOC=malloc`, so that every object of
Python's is guarded, and `ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=8:malloc_context_size=2`. A line is printed
for each batch before it is run; `fuzz_kernel.py 0 SEED` repeats a batch by its seed.
"""

import itertools
import random
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable

from damage import (
    Arena,
    Piece,
    assemble,
    damage,
    some_commits,
    some_index,
    some_ops,
    some_trees,
    some_versions,
    stored,
)
from packmaker import instructions

from scanner.git import facts as plain
from scanner.git.headers import parse_commit, person_line
from scanner.git.kernel import ancestry, known, ways
from scanner.git.kernel.facts import Facts
from scanner.git.kernel.pack import Pack
from scanner.git.kernel.patch import Copies
from scanner.git.kernel.reader import Reader
from scanner.git.kernel.trees import read_trees
from scanner.git.packindex import parse_index

_BATCH = 20_000
_SEEDS = 24
# One of so many results is compared with plain Python's, which takes far longer than the kernel.
_COMPARED = 8
_LIMITS = (10, 300, 1 << 22, 1 << 22, 1 << 22)
_MOST_PACKED = 1 << 20
_READ = "read"


class Batch:
    """What one batch damages, made once: seeds of each kind."""

    def __init__(self, source: random.Random, id_bytes: int) -> None:
        self.source, self.arena, self.id_bytes = source, Arena(id_bytes), id_bytes
        self.versions = [some_versions(source) for _ in range(_SEEDS)]
        self.trees = [some_trees(source, id_bytes) for _ in range(_SEEDS)]
        self.commits = [commit for _ in range(_SEEDS) for commit in some_commits(source, id_bytes)]
        self.indexes = [some_index(source, id_bytes) for _ in range(_SEEDS)]
        bases = [source.randbytes(source.getrandbits(source.choice((4, 8, 12)))) for _ in range(_SEEDS)]
        self.deltas = [(base, instructions(len(base), some_ops(source, len(base), range(len(base))))) for base in bases * 2]
        self.facts, self.uses = Facts(id_bytes), 0
        self.whole = self.pack_of(b"\x30" + stored(b""))

    def pack_of(self, entry: bytes) -> Pack:
        """Return a pack of one entry."""
        content = self.arena.place(b"PACK" + bytes(8) + entry)
        return Pack(content, bytes(self.id_bytes), array("Q", [12]), self.id_bytes, 1 << 20)

    def shared_facts(self) -> Facts:
        """Return facts that several executions fill."""
        self.uses += 1
        if self.uses % 500 == 0:
            self.facts = Facts(self.id_bytes)
        return self.facts

    def is_compared(self) -> bool:
        """Whether this result is to be compared with plain Python's."""
        return self.source.randrange(_COMPARED) == 0


def _delta(batch: Batch) -> str:
    """Apply a damaged delta."""
    base, delta = batch.source.choice(batch.deltas)
    delta, copies = damage(batch.source, delta), Copies()
    made = batch.whole.patch(delta, base, copies)
    if batch.is_compared():
        assert made == _patched(delta, base)
        done = 0
        for at, start, size in copies.copies():
            assert at >= done
            assert made[at : at + size] == base[start : start + size]
            done = at + size
    return _READ


def _patched(delta: bytes, base: bytes) -> bytes:
    """Return what a delta makes of a base, by gitformat-pack(5) ("Deltified representation")."""
    sizes, at, out = [], 0, bytearray()
    for _ in range(2):
        value = shift = 0
        while True:
            value |= (delta[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not delta[at - 1] & 0x80:
                break
        sizes.append(value)
    while at < len(delta):
        op, numbers = delta[at], [0] * 7
        at += 1
        if op & 0x80:
            for bit in range(7):
                if op & 1 << bit:
                    numbers[bit] = delta[at]
                    at += 1
            start = int.from_bytes(bytes(numbers[:4]), "little")
            out += base[start : start + (int.from_bytes(bytes(numbers[4:]), "little") or 0x10000)]
        else:
            out += delta[at : at + op]
            at += op
    assert sizes == [len(base), len(out)]
    return bytes(out)


def _opened(batch: Batch, pieces: list[Piece]) -> Pack:
    return Pack(*assemble(batch.source, pieces, batch.arena), batch.id_bytes, batch.source.choice(_LIMITS))


def _pack(batch: Batch) -> str:
    """Read all of a pack in which something is damaged, object by object."""
    source = batch.source
    pack = _opened(batch, source.choice(batch.versions if source.getrandbits(2) else batch.trees))
    contents: dict[int, bytes] = {}
    outcome = _READ
    for kind in range(8):
        for number in pack.walk(kind):
            assert pack.find(pack.name(number)) >= -1
            base = pack.base(number)
            assert base < 0 or pack.is_base(base) or not pack.is_last(number)
            try:
                contents[number] = pack.read(number) if base < 0 else pack.apply(number, contents.get(base, b""), Copies())
            except ValueError as error:
                outcome = str(error)
        assert pack.packed(kind) < len(pack.ids(kind)) * _MOST_PACKED + 1
    pack.also_in(pack, bytearray(pack.count))
    return outcome if pack.ids(0) == [] else "an entry of no kind"


def _stream(batch: Batch) -> str:
    """Inflate damaged data."""
    piece = batch.source.choice(batch.source.choice(batch.versions))
    size = min(len(piece.data), 2047) if batch.source.getrandbits(2) else batch.source.getrandbits(7)
    made = batch.pack_of(bytes((0xB0 | size & 15, size >> 4)) + damage(batch.source, piece.packed)).read(0)
    assert len(made) == size
    return _READ


def _index(batch: Batch) -> str:
    """Open a pack by an index, either of which may be damaged."""
    source, width = batch.source, batch.id_bytes
    index, content = source.choice(batch.indexes)
    dice = source.getrandbits(3)
    head = 4 * 256 + 8 * (index[:4] == b"\xfftOc")
    if dice < 5:  # between the fan-out table and the pack's last bytes, where something else is mostly not in order
        index = index[:head] + damage(source, index[head : -2 * width]) + index[-2 * width :]
    elif dice < 6:
        index = damage(source, index)
    else:
        content = damage(source, content)
    names, offsets = parse_index(index, content, width)
    # The last of a pack's bytes is for nobody but `parse_index`.
    pack = Pack(batch.arena.place(content[:-width]), names, offsets, width, 1 << 20)
    for number in pack.walk(3):
        pack.read(number)
    return _READ


def _hits(source: random.Random, reader: Reader, size: int) -> None:
    """Tell the reader of candidates, some of them where nothing is."""
    for _ in range(source.getrandbits(3)):
        (reader.anchors if source.getrandbits(1) else reader.forms)(source.randrange(5), 0, source.randrange(size + 9), 0, None)


def _reader(batch: Batch) -> str:
    """Read a slice of a walk, or a walk out of order, as texts, with hits where nothing is and answers of any shape."""
    source = batch.source
    pack = _opened(batch, source.choice(batch.versions))
    skip = bytes(source.getrandbits(2) == 0 for _ in range(pack.count)) if source.getrandbits(2) == 0 else None
    order = pack.walk(3, skip)
    cuts = pack.cuts(order, 1 + source.getrandbits(1))
    at = source.randrange(len(cuts) - 1)
    order = order[cuts[at] : cuts[at + 1]]
    if source.getrandbits(4) == 0:
        order = array("i", (source.randrange(pack.count) for _ in range(5)))
    near = source.getrandbits(4)
    margins = array("I", (source.getrandbits(4) for _ in range(3)))
    limits = margins, margins, bytes(source.getrandbits(1) for _ in range(3))
    memo = {(1, 0, b""): (), (1, 2, b"l\n"): (), (0, 1, b"e"): ("hit", 1)}
    marks = array("I", bytes(4 * pack.count)) if source.getrandbits(1) else None
    heads = (3, b"l"), (source.getrandbits(8), b"odd")
    reader = Reader(pack, order, near, near + source.getrandbits(4), limits, heads, 9, memo, skip, marks)
    while (text := reader.fill()) is not None:
        reader.contents()
        _hits(source, reader, len(text))
        while (found := reader.settle()) is not None:
            candidates = found[1].candidates
            for number, candidate in enumerate(candidates):
                if source.getrandbits(1):
                    candidates[number] = (*candidate[:2], source.choice(((), (1,), ("hit", 2))))
            if source.getrandbits(4) == 0:
                del candidates[source.getrandbits(1) :]
    if marks is not None:
        known.collect(pack, marks)
    return f"{_READ}, but for some" if reader.failed else _READ


def _known(batch: Batch) -> str:
    """Flag, collect and merge objects that are known, by lists of ids that may be out of order or too short."""
    source, width = batch.source, batch.id_bytes
    pack = _opened(batch, source.choice(batch.versions))
    ids = b"".join(source.getrandbits(3).to_bytes(width, "big") for _ in range(source.getrandbits(3)))
    if source.getrandbits(2) == 0:
        ids = damage(source, ids)
    sizes = array("I", (source.getrandbits(5) for _ in range(len(ids) // width)))
    flags = bytearray(pack.count + (source.getrandbits(4) == 0))
    known.flag(pack, 3, ids, sizes, flags)
    found = known.collect(pack, array("I", [source.getrandbits(2) for _ in range(pack.count)]))
    merged = known.merge(width, *found, ids, sizes)
    assert len(merged[0]) == width * len(merged[1])
    return _READ


def _tree(batch: Batch) -> str:
    """Take in a damaged tree that stands by itself."""
    source, known_facts = batch.source, batch.shared_facts()
    data = damage(source, source.choice(batch.trees)[0].data)
    name = source.randbytes(batch.id_bytes)
    whole = known_facts.add_tree(name, data)
    assert known_facts.id(known_facts.find(name)) == name
    if batch.is_compared():
        slow = plain.Facts(batch.id_bytes)
        assert slow.add_tree(name, data) == whole
        assert _said(slow, 0) == _said(known_facts, len(known_facts.trees) - 1)
    return _READ if whole else "a malformed tree"


def _said(facts: plain.Facts, tree: int) -> list[tuple[bytes, bytes, int]]:
    """Return what a tree that is made of no other has."""
    added = facts.changes[facts.bounds[2 * tree + 1] : facts.bounds[2 * tree + 2]]
    return [_entry(facts, entry) for entry in added]


def _entry(facts: plain.Facts, entry: int) -> tuple[bytes, bytes, int]:
    return facts.label(facts.labels[entry]), facts.id(facts.children[entry]), facts.kinds[entry]


def _compare_trees(pack: Pack, facts: Facts) -> None:
    """Assert that what was taken in of a pack's trees is what plain Python makes of their contents."""
    slow, contents, entries = plain.Facts(facts.id_bytes), dict[int, bytes](), list[Counter[int]]()
    for number in pack.walk(2):
        tree = facts.find(pack.name(number))
        if tree < 0 or not facts.flags[tree] & plain.IS_TREE:
            continue
        base = pack.base(number)
        try:
            contents[number] = pack.read(number) if base < 0 else pack.apply(number, contents[base])
        except (KeyError, ValueError) as error:
            raise AssertionError("a tree was taken in that cannot be read") from error
        assert slow.add_tree(pack.name(number), contents[number])
    for tree, base in enumerate(facts.bases):
        start, middle, stop = facts.bounds[2 * tree : 2 * tree + 3]
        before = Counter[int]() if base == plain.NONE else entries[base] - Counter(facts.changes[start:middle])
        entries.append(before + Counter(facts.changes[middle:stop]))
        said = Counter({_entry(facts, entry): times for entry, times in entries[tree].items()})
        place = slow.places[slow.find(facts.id(facts.trees[tree]))]
        assert said == Counter(_said(slow, place))


def _trees(batch: Batch) -> str:
    """Take in the trees of a pack, and look for things in them and in damaged commits of them."""
    source = batch.source
    pack = _opened(batch, source.choice(batch.trees))
    facts, failed = Facts(batch.id_bytes), list[bytes]()
    packs = [pack]
    if source.getrandbits(3) == 0:
        # The same objects again, and others of the same names, where the first ones stood: a file can change while it is read.
        packs += [pack, _opened(batch, source.choice(batch.trees))]
    if source.getrandbits(1):
        for each in packs:
            facts.add_pack(each)
    for each in packs:
        read_trees(each, facts, failed)
    if len(packs) == 1 and batch.is_compared():
        _compare_trees(pack, facts)
    if source.getrandbits(1):
        facts.settle()
    if source.getrandbits(2) == 0:
        _walk(batch, facts)
    return f"{_READ}, but for some" if failed else _READ


def _walk(batch: Batch, facts: Facts) -> None:
    source = batch.source
    commits = [(number.to_bytes(batch.id_bytes, "big"), source.choice(batch.commits)) for number in range(40, 44)]
    for name, _ in facts.take_commits(commits):
        facts.keep_commit(name, None, [bytes(batch.id_bytes)], 1, b"")
    objects = bytearray(source.getrandbits(2) == 0 for _ in range(len(facts.flags)))
    order = ancestry.by_age(facts)
    reach, links = bytearray(len(order)), ancestry.links(facts)
    members = ancestry.spread(order[:1], facts.parent_bounds, links, reach, 1)
    order = ancestry.arrange(members, facts.parent_bounds, links, reach, order)
    found = ways.climb(facts, ways.wanted_entries(facts, objects, True), source.choice((0, 5, 1000)))
    roots = [*ancestry.trees_of(facts, order), *((9, tree) for tree in ways.tops(facts))]
    for directory, entry, _ in ways.walk(facts, found, roots, 100, 100).sightings:
        assert directory >= 0
        facts.label(facts.labels[entry])
        facts.id(facts.children[entry])
    ways.unknown(facts)
    ancestry.dangling(facts)


def _commit(batch: Batch) -> str:
    """Take in a damaged commit."""
    source, facts = batch.source, batch.shared_facts()
    name, data = source.randbytes(batch.id_bytes), source.choice(batch.commits)
    start = source.choice((0, 48, data.index(b"author")))
    data = data[:start] + damage(source, data[start:])
    if facts.take_commits([(name, data)]):
        return "a commit that Python parses"
    if batch.is_compared():
        parsed, last = parse_commit(data), len(facts.commits) - 1
        parents = facts.parents[facts.parent_bounds[last] : facts.parent_bounds[last + 1]]
        assert facts.id(facts.commits[last]) == name
        assert facts.id(facts.roots[last]).hex() == parsed.tree
        assert [facts.id(parent).hex() for parent in parents] == list(parsed.parents)
        assert facts.times[last] == parsed.committed
        assert facts.line(last) == person_line(data)
    return _READ


# How often each is run; those that cost little, or whose bytes lead to most, come more often.
_PARTS: tuple[tuple[Callable[[Batch], str], int], ...] = (
    (_delta, 5), (_pack, 4), (_stream, 2), (_index, 1), (_reader, 3), (_known, 1), (_tree, 3), (_trees, 3), (_commit, 3),
)  # fmt: skip
Counts = Counter[tuple[str, str]]


def run_batch(seed: int, size: int = _BATCH) -> Counts:
    """Run so many executions, with ids of SHA-1 or of SHA-256; return how many of each part ended how."""
    batch, counts = Batch(random.Random(seed), 32 if seed % 4 == 3 else 20), Counts()
    order = itertools.cycle([part for part, times in _PARTS for _ in range(times)])
    for part in itertools.islice(order, size):
        try:
            outcome = part(batch)
        except ValueError as error:
            outcome = str(error)
        counts[part.__name__.lstrip("_"), outcome] += 1
    return counts


def main(seconds: float, seed: int) -> None:
    """Run batches until the time is over, and say what came of them."""
    counts, deadline = Counts(), time.monotonic() + seconds
    for number in itertools.count(seed):
        print(f"seed {number}, {counts.total():,} executions before", flush=True)
        counts += run_batch(number)
        if time.monotonic() >= deadline:
            break
    for (part, outcome), count in sorted(counts.items()):
        print(f"{count:>12,}  {part}: {outcome}")
    print(f"{counts.total():>12,}  executions")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
