# SPDX-License-Identifier: Apache-2.0
"""Damaged packs, deltas, indexes and trees for the kernel, for as long as one likes: `fuzz_kernel.py SECONDS [SEED]`.

Run it with a kernel that was compiled with -fsanitize=address, where a read outside of a buffer ends the process.
An outcome is content or `ValueError`; whatever else comes, and a process that dies, is a bug.
"""

import contextlib
import itertools
import random
import sys
import time
from array import array

from packmaker import chain, instructions
from test_packs import a_pack
from test_trees import random_versions

from scanner.git.kernel import ways
from scanner.git.kernel.facts import Facts
from scanner.git.kernel.pack import Copies, Pack
from scanner.git.kernel.reader import Reader
from scanner.git.kernel.trees import read_trees


def _damaged(source: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(source.randint(0, 5)):
        action, at = source.randrange(5), source.randrange(len(out) + 1)
        if action == 0:
            out[at:at] = source.randbytes(source.randint(1, 8))
        elif action == 1:
            del out[at : at + source.randint(1, 9)]
        elif out:
            out[at % len(out)] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
    return bytes(out)


def _pack(source: random.Random, entries: list[bytes]) -> int:
    offsets, content = array("Q"), b"PACK\0\0\0\2\0\0\0\3"
    for made in entries:
        offsets.append(len(content))
        content += _damaged(source, made) if source.random() < 0.5 else made
    count = len(entries)
    if source.random() < 0.3:
        offsets[source.randrange(count)] = source.choice((0, 11, 12, len(content), 1 << 63, source.randrange(len(content))))
    names = b"".join(i.to_bytes(20, "big") for i in range(count)) if source.random() < 0.9 else source.randbytes(20 * count)
    pack = Pack(content + bytes(20), names, offsets, 20, source.choice((10, 1000, 1 << 22)))
    contents: dict[int, bytes] = {}
    for kind in range(8):
        for number in pack.walk(kind):
            assert pack.find(pack.name(number)) >= -1
            base, delta = pack.base(number), Copies()
            with contextlib.suppress(ValueError):
                contents[number] = pack.read(number) if base < 0 else pack.apply(number, contents.get(base, b""), delta)
        _read(source, pack, kind)
    flags = bytearray(count)
    pack.also_in(pack, flags)
    return pack.count


def _read(source: random.Random, pack: Pack, kind: int) -> None:
    """Read a slice of a walk, or a walk out of order, with hits where nothing is and answers of any shape."""
    skip = bytes(source.random() < 0.3 for _ in range(pack.count)) if source.random() < 0.3 else None
    order = pack.walk(kind, skip)
    cuts = pack.cuts(order, source.randint(1, 3))
    at = source.randrange(len(cuts) - 1)
    order = order[cuts[at] : cuts[at + 1]]
    if source.random() < 0.1:
        order = array("i", (source.randrange(pack.count) for _ in range(5)))
    margins = array("I", (source.randint(0, 9) for _ in range(3)))
    limits = margins, margins, bytes(source.randrange(2) for _ in range(3))
    memo = {(1, 0, b""): (), (1, 2, b"l\n"): ()}
    reader = Reader(pack, order, source.randint(0, 30), source.randint(30, 60), limits, ((3, b"l"),), 9, memo, skip)
    while (text := reader.fill()) is not None:
        for _ in range(source.randint(0, 9)):
            reader.anchors(source.randint(0, 4), 0, source.randrange(len(text) + 9), 0, None)
            reader.forms(source.randint(0, 4), 0, source.randrange(len(text) + 9), 0, None)
        while (found := reader.settle()) is not None:
            known = found[1]
            for number, candidate in enumerate(known.candidates):
                if source.random() < 0.7:
                    known.candidates[number] = (*candidate[:2], source.choice(((), (1,), ("hit", 2))))
            if source.random() < 0.1:
                del known.candidates[source.randint(0, 2) :]


def _delta(source: random.Random) -> None:
    base = source.randbytes(source.randint(0, 300)).replace(b"a", b"\n")
    ops: list[bytes | tuple[int, int]] = []
    for _ in range(source.randint(0, 6)):
        at = source.randrange(len(base) + 1)
        ops.append(source.randbytes(5) if source.random() < 0.3 else (at, source.randint(1, max(1, len(base) - at))))
    delta = Copies()
    pack = Pack(b"PACK" + bytes(8) + b"\x30x\x9c\x03\0\0\0\0\1" + bytes(20), bytes(20), array("Q", [12]), 20, 1 << 20)
    with contextlib.suppress(ValueError):
        pack.patch(_damaged(source, instructions(len(base), ops)), base, delta)


def _chain(source: random.Random) -> list[bytes]:
    """Return the entries of versions that change as files do."""
    first = b"".join(b"line %d\n" % i for i in range(source.randint(0, 90)))
    versions, size = [], len(first)
    for _ in range(source.randint(0, 6)):
        cuts = sorted(source.randint(0, size) for _ in range(source.randint(0, 4)))
        ops: list[bytes | tuple[int, int]] = []
        for start, stop in itertools.pairwise([0, *cuts, size]):
            if start < stop and source.random() < 0.8:
                ops.append((start, stop - start))
            if source.random() < 0.3:
                ops.append(source.randbytes(source.randint(1, 9)))
        versions.append(ops)
        size = sum(len(op) if isinstance(op, bytes) else op[1] for op in ops)
    return chain(first, versions)[0]


def _tree(source: random.Random) -> None:
    """Read damaged trees made of each other and damaged commits, and look for things in them."""
    count = source.randint(0, 9)
    first = b"".join(b"%s %02d\0" % (source.choice((b"100644", b"040000", b"160000")), i) + bytes(19) + bytes([i]) for i in range(count))
    entries = chain(first, random_versions(source, len(first)), kind=2)[0]
    offsets, content = array("Q"), b"PACK\0\0\0\2" + len(entries).to_bytes(4, "big")
    for made in entries:
        offsets.append(len(content))
        content += _damaged(source, made) if source.random() < 0.1 else made
    names = b"".join(i.to_bytes(20, "big") for i in range(len(entries)))
    pack = Pack(content + bytes(20), names, offsets, 20, source.choice((100, 1000, 1 << 20)))
    facts, failed = Facts(20), list[bytes]()
    if source.random() < 0.5:
        facts.add_pack(pack)
    for _ in range(source.randint(1, 2)):
        read_trees(pack, facts, failed)
    facts.add_tree(names[-20:], _damaged(source, first))
    head = b"tree %040d\nparent %040d\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n\nx" % (count, source.randrange(99))
    commits = [(bytes(19) + bytes([n]), _damaged(source, head)) for n in range(40, 44)]
    for name, _ in facts.take_commits(commits):
        facts.keep_commit(name, None, [names[:20]], 1, b"")
    _walk(source, facts)


def _walk(source: random.Random, facts: Facts) -> None:
    objects = bytearray(source.random() < 0.3 for _ in range(len(facts.flags)))
    order = ways.by_age(facts)
    reach, links = bytearray(len(order)), ways.links(facts)
    members = ways.spread(order[:1], facts.parent_bounds, links, reach, 1)
    order = ways.arrange(members, facts.parent_bounds, links, reach, order)
    found = ways.climb(facts, ways.wanted_entries(facts, objects, True), source.choice((0, 5, 1000)))
    roots = [*ways.trees_of(facts, order), *((9, tree) for tree in ways.tops(facts))]
    for directory, entry, _ in ways.walk(facts, found, roots, 100, 100).sightings:
        assert directory >= 0
        facts.label(facts.labels[entry])
        facts.id(facts.children[entry])
    ways.unknown(facts)
    ways.dangling(facts)


def main(seconds: float, seed: int) -> None:
    """Feed the kernel until the time is over, and say how often."""
    source, entries = random.Random(seed), a_pack()[0]
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        for _ in range(100):
            with contextlib.suppress(ValueError):
                _pack(source, entries if source.random() < 0.3 else _chain(source))
            _delta(source)
            with contextlib.suppress(ValueError):
                _tree(source)
            count += 3
    print(f"{count:,} executions, seed {seed}")


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
