# SPDX-License-Identifier: Apache-2.0
"""Packs made by hand, sound ones and others: see gitformat-pack(5)."""

import hashlib
import struct
import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

# A copy (offset, size) or bytes that are inserted.
Op = tuple[int, int] | bytes
_MOST_INSERTED = 127
_MOST_COPIED = 0xFFFF


def varint(value: int) -> bytes:
    """Return a size as deltas write it."""
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def instructions(base_size: int, ops: Iterable[Op]) -> bytes:
    """Return a delta of these copies and insertions."""
    body, size = bytearray(), 0
    for op in ops:
        if isinstance(op, bytes):
            for at in range(0, len(op), _MOST_INSERTED):
                part = op[at : at + _MOST_INSERTED]
                body += bytes([len(part)]) + part
            size += len(op)
        else:
            for offset in range(op[0], op[0] + op[1], _MOST_COPIED):
                length = min(_MOST_COPIED, op[0] + op[1] - offset)
                coded = struct.pack("<I", offset), struct.pack("<I", length)[:3]
                flags = 0x80 | sum(1 << i for i in range(4) if coded[0][i]) | sum(0x10 << i for i in range(3) if coded[1][i])
                body += bytes([flags]) + bytes(b for part in coded for b in part if b)
            size += op[1]
    return varint(base_size) + varint(size) + bytes(body)


def result(base: bytes, ops: Iterable[Op]) -> bytes:
    """Return what these copies and insertions make of a base."""
    return b"".join(op if isinstance(op, bytes) else base[op[0] : op[0] + op[1]] for op in ops)


def entry(kind: int, data: bytes, *, size: int | None = None, before: bytes = b"") -> bytes:
    """Return an entry; `before` stands before the compressed data, `size` is what it says its size is."""
    size = len(data) if size is None else size
    head = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        head[-1] |= 0x80
        head.append(size & 0x7F)
        size >>= 7
    return bytes(head) + before + zlib.compress(data)


def back(distance: int) -> bytes:
    """Return how far before a delta its base stands, as an offset delta says it."""
    out = [distance & 0x7F]
    distance >>= 7
    while distance:
        distance -= 1
        out.insert(0, 0x80 | distance & 0x7F)
        distance >>= 7
    return bytes(out)


def chain(first: bytes, versions: Sequence[Sequence[Op]], kind: int = 3) -> tuple[list[bytes], list[bytes]]:
    """Return the entries of a first version and of those made of each other, and their contents."""
    entries, contents = [entry(kind, first)], [first]
    for ops in versions:
        entries.append(entry(6, instructions(len(contents[-1]), ops), before=back(len(entries[-1]))))
        contents.append(result(contents[-1], ops))
    return entries, contents


def pack_of(
    entries: Sequence[bytes],
    names: Sequence[bytes] | None = None,
    limit: int = 1 << 22,
    offsets: Sequence[int] | None = None,
) -> Any:
    """Return the kernel's view of a pack; names are numbers, in order, unless told."""
    from scanner.git.kernel.pack import Pack

    content, places = b"PACK" + struct.pack(">II", 2, len(entries)), []
    for made in entries:
        places.append(len(content))
        content += made
    content += hashlib.sha1(content).digest()
    names = names or [i.to_bytes(20, "big") for i in range(len(entries))]
    return Pack(content, b"".join(names), array("Q", offsets or places), 20, limit)
