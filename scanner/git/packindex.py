# SPDX-License-Identifier: Apache-2.0
"""What the index of a pack tells: the ids of its objects, in order, and where each of them begins.

Format: gitformat-pack(5), "Original (version 1) pack-*.idx files" and "Version 2 pack-*.idx files".
"""

import contextlib
import mmap
import sys
from array import array
from typing import Final

_V2: Final = b"\xfftOc"
_FANOUT_BYTES: Final = 256 * 4
_LARGE_OFFSET: Final = 1 << 31
_Bytes = bytes | mmap.mmap


def map_pack(path: str) -> tuple[mmap.mmap, mmap.mmap]:
    """Return the index with this path, and its pack, mapped."""
    return _map(path), _map(path.removesuffix(".idx") + ".pack")


def parse_index(index: _Bytes, pack: _Bytes, id_bytes: int) -> "tuple[bytes, array[int]]":
    """Return the ids, one after the other, and the offsets. Raises `ValueError` where this is not the pack's index."""
    count = _check(index, pack, id_bytes)
    return (_version_2 if _is_version_2(index) else _version_1)(index, count, id_bytes)


def digest_ids(path: str, id_bytes: int) -> bytes:
    """Return a digest of the ids that a pack's index tells. Raises `ValueError` where the two do not fit."""
    import hashlib

    index, pack = map_pack(path)
    count = _check(index, pack, id_bytes)
    if not _is_version_2(index):
        return hashlib.sha256(_version_1(index, count, id_bytes)[0]).digest()
    begin = 8 + _FANOUT_BYTES
    with memoryview(index) as whole:
        return hashlib.sha256(whole[begin : begin + count * id_bytes]).digest()


def release(mapped: mmap.mmap) -> None:
    """Give back the memory that what was read of a mapped file takes; whoever reads it again has it again."""
    if hasattr(mmap, "MADV_DONTNEED"):
        with contextlib.suppress(OSError):  # pages that are locked
            mapped.madvise(mmap.MADV_DONTNEED)


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _check(index: _Bytes, pack: _Bytes, id_bytes: int) -> int:
    """Return how many objects index and pack agree on. Raises `ValueError` where they do not fit."""
    count = _count(index, 8 if _is_version_2(index) else 0)
    version = int.from_bytes(pack[4:8], "big")
    if pack[:4] != b"PACK" or version not in (2, 3) or int.from_bytes(pack[8:12], "big") != count:
        raise ValueError("not a pack, or not one with so many objects")
    if pack[-id_bytes:] != index[-2 * id_bytes : -id_bytes]:
        raise ValueError("an index of another pack")
    return count


def _is_version_2(index: _Bytes) -> bool:
    if index[:4] != _V2:
        return False
    if index[4:8] != b"\0\0\0\2":
        raise ValueError("an index of an unknown version")
    return True


def _version_2(index: _Bytes, count: int, id_bytes: int) -> "tuple[bytes, array[int]]":
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


def _version_1(index: _Bytes, count: int, id_bytes: int) -> "tuple[bytes, array[int]]":
    size = 4 + id_bytes
    if len(index) != _FANOUT_BYTES + count * size + 2 * id_bytes:
        raise ValueError("an index of another length")
    table = index[_FANOUT_BYTES : _FANOUT_BYTES + count * size]
    entries = [table[at : at + size] for at in range(0, len(table), size)]
    return b"".join(entry[4:] for entry in entries), array("Q", (int.from_bytes(entry[:4], "big") for entry in entries))


def _count(index: _Bytes, at: int) -> int:
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
