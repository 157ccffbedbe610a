# SPDX-License-Identifier: Apache-2.0
"""Packs, deltas, trees, commits and indexes that are nearly in order, for `fuzz_kernel.py`.

Speed is all here: what is damaged is never compressed again but stored (RFC 1951, 3.2.4), and what stays is made once.
"""

import ctypes
import itertools
import random
import struct
import zlib
from array import array
from collections.abc import Sequence
from typing import NamedTuple

from packmaker import Op, back, instructions, result, varint

_ODD = bytes((0, 1, 0x0A, 0x20, 0x7F, 0x80, 0x90, 0xFF))
_ROOM = 1 << 20
_MOST_COPIED = 1 << 16


class Piece(NamedTuple):
    """An entry to be: its kind, its data or delta, that as it is packed, and the number of its base, -1 for none."""

    kind: int
    data: bytes
    packed: bytes
    base: int


class Arena:
    """One place for all packs of a repository. They end where the place for the trailer begins, which nobody may read."""

    def __init__(self, id_bytes: int) -> None:
        self.id_bytes = id_bytes
        self._room = bytearray(_ROOM + id_bytes)
        poison = getattr(ctypes.CDLL(None), "__asan_poison_memory_region", None)
        if poison is not None:
            at = ctypes.addressof(ctypes.c_char.from_buffer(self._room)) + _ROOM
            poison(ctypes.c_void_p(at), ctypes.c_size_t(id_bytes))

    def place(self, content: bytes | bytearray) -> memoryview:
        """Return a pack with this content, and a trailer that ends the process if anybody reads it."""
        start = _ROOM - len(content)
        self._room[start:_ROOM] = content
        return memoryview(self._room)[start:]


def damage(source: random.Random, data: bytes) -> bytes:
    """Return the bytes with one to four of them, or runs of them, changed, added, doubled or gone, or cut short."""
    out = bytearray(data)
    for _ in range(1 + (source.getrandbits(2) & source.getrandbits(2))):
        dice = source.getrandbits(40)
        action, size, at = dice & 7, dice >> 3 & 7, (dice >> 8) % (len(out) + 1)
        if action == 0:
            out[at:at] = source.randbytes(size + 1)
        elif action == 1:
            del out[at : at + size + 1]
        elif action == 2:
            out[at:at] = out[at : at + 4 * size]
        elif action == 3 and size < 4:
            del out[at:]
        elif out:
            at %= len(out)
            out[at] = _ODD[size] if action < 6 else out[at] ^ 1 << size
    return bytes(out)


def stored(data: bytes) -> bytes:
    """Return zlib's format of some bytes, fewer than 64 KiB, without compressing them."""
    return b"\x78\1\1" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data + struct.pack(">I", zlib.adler32(data))


def head(kind: int, size: int) -> bytes:
    """Return an entry's kind and size."""
    if size < 16:
        return bytes((kind << 4 | size,))
    return bytes((kind << 4 | size & 15 | 0x80,)) + varint(size >> 4)


def assemble(
    source: random.Random, pieces: Sequence[Piece], arena: Arena
) -> "tuple[memoryview, bytes, array[int]]":
    """Return a pack of these pieces, its ids and offsets: one piece is damaged, or what the index says of it, or nothing."""
    count, way = len(pieces), source.getrandbits(4)
    victim = source.randrange(count)
    width = arena.id_bytes
    content, offsets = bytearray(b"PACK\0\0\0\2" + struct.pack(">I", count)), array("Q")
    for number, piece in enumerate(pieces):
        start, packed, size = len(content), piece.packed, len(piece.data)
        before, kind = b"", piece.kind
        offsets.append(start)
        if piece.base >= 0:
            by_name = source.getrandbits(2) == 0
            kind = 7 if by_name else 6
            before = piece.base.to_bytes(width, "big") if by_name else back(start - offsets[piece.base])
        if number == victim:
            if way < 5:
                hurt = damage(source, piece.data)
                packed, size = stored(hurt), len(hurt)
            elif way < 8:
                packed = damage(source, packed)
            elif way == 8:
                size = source.choice((0, size + 1, max(0, size - 1), 1 << 24, 1 << 40, 1 << 62, source.getrandbits(12)))
            elif way == 9:
                kind = source.getrandbits(3)
            elif way == 10:
                before = back(source.choice((0, 1, start, start - 12, start + 1, 1 << 50, source.getrandbits(9))))
            elif way == 11:
                before = source.choice((number, number + 1, count, 0)).to_bytes(width, "big")
            elif way == 12:
                content += damage(source, head(kind, size) + before) + packed
                continue
        content += head(kind, size) + before + packed
    names = b"".join(number.to_bytes(width, "big") for number in range(count))
    if way == 13:
        names = source.randbytes(width * count)
    elif way == 14:
        offsets[victim] = source.choice((0, 11, 12, len(content), 1 << 63, source.randrange(len(content))))
    return arena.place(content), names, offsets


def pieces_of(source: random.Random, kind: int, contents: "Sequence[tuple[bytes, int, Sequence[Op]]]") -> list[Piece]:
    """Return pieces of contents: each is given, or made of the one with a number by these copies and insertions."""
    made = []
    for content, base, ops in contents:
        data = content if base < 0 else instructions(len(contents[base][0]), ops)
        packed = stored(data) if source.getrandbits(1) else zlib.compress(data, source.randrange(1, 10))
        made.append(Piece(kind, data, packed, base))
    return made


def some_ops(source: random.Random, size: int, cuts: Sequence[int]) -> list[Op]:
    """Return a change of a content of this size: most of it is copied, cut at some of these places."""
    ops: list[Op] = []
    at = 0
    for stop in [*sorted(source.sample(cuts, min(len(cuts), source.getrandbits(2)))), size]:
        dice = source.getrandbits(4)
        if at < stop and dice > 2:
            ops.append((at, min(stop - at, _MOST_COPIED)))
        if dice & 1:
            ops.append(source.randbytes(1 + source.getrandbits(3)))
        at = stop
    return ops


def some_versions(source: random.Random) -> list[Piece]:
    """Return the pieces of a file's versions, and now and then of another object."""
    first = b"".join(b"line %d\n" % number for number in range(source.getrandbits(6)))
    contents: list[tuple[bytes, int, Sequence[Op]]] = [(first, -1, ())]
    for _ in range(source.getrandbits(3) or 40):
        base = source.randrange(len(contents)) if source.getrandbits(1) else len(contents) - 1
        content = contents[base][0]
        ops = some_ops(source, len(content), range(1, max(2, len(content))))
        contents.append((result(content, ops), base, ops))
    pieces = pieces_of(source, 3, contents)
    if source.getrandbits(2) == 0:
        pieces.append(Piece(source.randrange(1, 5), b"other", stored(b"other"), -1))
    return pieces


def some_trees(source: random.Random, id_bytes: int) -> list[Piece]:
    """Return the pieces of trees that are made of each other, mostly of whole entries."""
    count = 1 + source.getrandbits(3) if source.getrandbits(4) else 99
    entries = [
        b"%s %02d\0" % (source.choice((b"100644", b"40000", b"160000")), number) + (number % count).to_bytes(id_bytes, "big")
        for number in range(count + 4)
    ]
    contents: list[tuple[bytes, int, Sequence[Op]]] = [(b"".join(entries[:count]), -1, ())]
    for _ in range(source.getrandbits(3)):
        base = len(contents) - 1 if source.getrandbits(1) else source.randrange(len(contents))
        content = contents[base][0]
        # Where whole entries begin, as a rule.
        cuts = range(0, len(content), 1 if len(content) < 300 and source.getrandbits(2) == 0 else len(entries[0]))
        ops: list[Op] = []
        gone = source.choice((1, 1, 5))
        for start, stop in itertools.pairwise([*cuts, len(content)]):
            dice = source.getrandbits(3)
            if dice > gone and start < stop:
                ops.append((start, stop - start))
            elif dice == 0:
                ops.append(source.choice(entries))
        contents.append((result(content, ops), base, ops))
    return pieces_of(source, 2, contents)


def some_commits(source: random.Random, id_bytes: int) -> list[bytes]:
    """Return commits of each other and of the first trees, most of them as git writes them."""
    commits, digits = [], 2 * id_bytes
    for number in range(8):
        parents = b"".join(b"parent %0*x\n" % (digits, source.randrange(40, 50)) for _ in range(source.getrandbits(2)))
        seconds = source.choice((0, 1, 1_700_000_000, 10**18, 10**21))
        zone = source.choice((b"+0000", b"-1130"))
        more = source.choice((b"", b"encoding x\n", b"gpgsig a\n b\n", b"parent x\n"))
        text = b"tree %0*x\n%sauthor A <a> 1 +0000\ncommitter B <b@c> %d %s\n%s\nmessage\n"
        commits.append(text % (digits, number, parents, seconds, zone, more))
    return commits


def some_index(source: random.Random, id_bytes: int) -> tuple[bytes, bytes]:
    """Return an index of either version, and the pack that belongs to it."""
    count, trailer = source.randrange(4), source.randbytes(id_bytes)
    names = sorted(source.randbytes(id_bytes) for _ in range(count))
    content, offsets = bytearray(b"PACK\0\0\0\2" + struct.pack(">I", count)), []
    for _ in range(count):
        offsets.append(len(content))
        content += head(3, 4) + stored(b"data")
    fanout = struct.pack(">256I", *(sum(name[0] <= first for name in names) for first in range(256)))
    if source.getrandbits(1):
        index = fanout + b"".join(struct.pack(">I", at) + name for at, name in zip(offsets, names, strict=True))
    else:
        large = [at for at in offsets if source.getrandbits(1)]
        short = [1 << 31 | large.index(at) if at in large else at for at in offsets]
        table = struct.pack(f">{count}I{count}I", *[0] * count, *short) + struct.pack(f">{len(large)}Q", *large)
        index = b"\xfftOc\0\0\0\2" + fanout + b"".join(names) + table
    return index + trailer + bytes(id_bytes), bytes(content) + trailer
