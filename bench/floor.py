# SPDX-License-Identifier: Apache-2.0
"""The floor of every scan of a history: how long inflating each blob entry of the packs once takes.

    python -I floor.py zlib|libdeflate REPORT REPOSITORY

One thread inflates every entry from the mapped pack into memory of its own, a delta's instructions as well as a whole
blob, and throws it away: no delta is applied, nothing is looked at. Where the entries are, git says before the clock
starts; the report holds the seconds of the loop alone. The program is run by itself, so it imports nothing of `bench`.
"""

import json
import mmap
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

_DELTA_TO_OFFSET: Final = 6
_DELTA_TO_ID: Final = 7

Inflate = Callable[[memoryview, int], bytes | bytearray]


class Entry(NamedTuple):
    """The compressed bytes of a pack entry, and how many they are once inflated."""

    start: int
    end: int
    size: int


def blob_entries(index: Path, pack: mmap.mmap, blobs: frozenset[bytes], id_bytes: int) -> Iterator[Entry]:
    """Yield the entries of the pack that are blobs, in the order of the pack (gitformat-pack(5))."""
    rows = [line.split() for line in _git("show-index", f"--object-format=sha{1 if id_bytes == 20 else 256}", stdin=index)]
    places = sorted((int(row[0]), row[1]) for row in rows)
    ends = [*(offset for offset, _ in places[1:]), len(pack) - id_bytes]
    for (offset, name), end in zip(places, ends, strict=True):
        if name in blobs:
            yield _entry(pack, offset, end, id_bytes)


def _entry(pack: mmap.mmap, at: int, end: int, id_bytes: int) -> Entry:
    byte = pack[at]
    kind, size, shift = byte >> 4 & 7, byte & 15, 4
    while byte & 0x80:
        at += 1
        byte = pack[at]
        size |= (byte & 0x7F) << shift
        shift += 7
    at += 1
    if kind == _DELTA_TO_ID:
        at += id_bytes
    elif kind == _DELTA_TO_OFFSET:
        while pack[at] & 0x80:
            at += 1
        at += 1
    return Entry(at, end, size)


def inflate_all(packs: list[tuple[memoryview, list[Entry]]], inflate: Inflate) -> dict[str, float]:
    """Inflate every entry and return what that took. Raises `ValueError` where one has another size than it says."""
    wanted = sum(entry.size for _, entries in packs for entry in entries)
    wall, cpu = time.perf_counter(), time.process_time()
    total = 0
    for view, entries in packs:
        for start, end, size in entries:
            total += len(inflate(view[start:end], size))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if total != wanted:
        raise ValueError(f"{wanted} bytes should have come out, {total} did")
    entries_count = sum(len(entries) for _, entries in packs)
    return {"cpu_seconds": cpu, "wall_seconds": wall, "entries": entries_count, "bytes": total}


def measure(repository: Path, inflate: Inflate) -> dict[str, float]:
    """Inflate the blobs in the packs of a bare repository."""
    where = f"--git-dir={repository}"
    [form] = _git(where, "rev-parse", "--show-object-format")
    id_bytes = 20 if form == b"sha1" else 32
    check = "--batch-check=%(objectname) %(objecttype)"
    listed = _git(where, "cat-file", "--batch-all-objects", "--unordered", check)
    blobs = frozenset(line.partition(b" ")[0] for line in listed if line.endswith(b" blob"))
    packs = []
    for index in sorted(repository.glob("objects/pack/*.idx")):
        with index.with_suffix(".pack").open("rb") as stream:
            pack = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        packs.append((memoryview(pack), list(blob_entries(index, pack, blobs, id_bytes))))
    return inflate_all(packs, inflate)


def with_zlib(data: memoryview, size: int) -> bytes:
    """Inflate by the library that git itself uses; a buffer of the right size spares it from growing."""
    return zlib.decompress(data, zlib.MAX_WBITS, size)


def with_libdeflate() -> Inflate:
    """Return the same by the fastest decompressor that there is for whole buffers."""
    from deflate import zlib_decompress

    inflate: Inflate = zlib_decompress
    return inflate


def _git(*arguments: str, stdin: Path | None = None) -> list[bytes]:
    data = stdin.read_bytes() if stdin else b""
    return subprocess.run(["git", *arguments], input=data, capture_output=True, check=True).stdout.splitlines()


def main() -> int:
    """Run the command line."""
    library, report, repository = sys.argv[1:]
    taken = measure(Path(repository), with_zlib if library == "zlib" else with_libdeflate())
    Path(report).write_text(json.dumps(taken), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
