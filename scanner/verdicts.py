# SPDX-License-Identifier: Apache-2.0
"""Which blobs were read whole before and held nothing, so that a later run need not read them again.

A verdict belongs to content and to the rules, the settings and the program that gave it. An object's id is its content's
digest, all the rest is in the digest under which the verdicts are kept. Only what is clean is told: where something was
found it is looked for again, so nothing secret is kept here and nothing can be made up. Of each object the size is known,
to be counted as if it had been read.
"""

import os
import struct
import sys
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from scanner import __version__
from scanner.cachedir import MAX_FILE_BYTES, CacheFolder

# Larger objects are few, and read again.
MAX_OBJECT_BYTES: Final = (1 << 32) - 1
# As many as a file of the cache can hold, with room for its head.
_MAX_FILLING: Final = MAX_FILE_BYTES - 1024
# So many times fewer are looked up one by one rather than compared with all others.
_FEW: Final = 16
_KIND: Final = "verdicts"
_HEAD: Final = struct.Struct("<4sBxxxQ")
_MAGIC: Final = b"SGV1"
_SIZE_BYTES: Final = 4
# What decides on a verdict beside rules and settings: all code between an object and what is reported of it.
_CODE: Final = ("", "detect", "detect/proofs", "git", "git/kernel", "seal", "sources", "sops")
_CODE_SUFFIXES: Final = (".py", ".so", ".pyd")


class Verdicts:
    """Clean objects: their raw ids in ascending order, one after the other, and their sizes."""

    __slots__ = ("id_bytes", "ids", "sizes")

    def __init__(self, id_bytes: int, ids: bytes = b"", sizes: "array[int] | None" = None) -> None:
        self.id_bytes = id_bytes
        self.ids = ids
        self.sizes = array("I") if sizes is None else sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def size(self, name: bytes) -> int | None:
        """Return the size of a clean object; None for any other."""
        at = self.place(name)
        return self.sizes[at] if self.ids[at * self.id_bytes : (at + 1) * self.id_bytes] == name else None

    def place(self, name: bytes) -> int:
        """Return how many ids are less than this one."""
        ids, width = self.ids, self.id_bytes
        low, high = 0, len(self.sizes)
        while low < high:
            middle = (low + high) // 2
            if ids[middle * width : (middle + 1) * width] < name:
                low = middle + 1
            else:
                high = middle
        return low

    def items(self) -> Iterator[tuple[bytes, int]]:
        """Yield id and size of all, in the order of the ids."""
        width = self.id_bytes
        return zip((self.ids[at : at + width] for at in range(0, len(self.ids), width)), self.sizes, strict=True)

    def first(self, count: int) -> "Verdicts":
        """Return the first so many, which are as good as any others."""
        return Verdicts(self.id_bytes, self.ids[: count * self.id_bytes], self.sizes[:count]) if count < len(self) else self

    def joined(self, other: "Verdicts") -> "Verdicts":
        """Return the verdicts of both."""
        few, many = (self, other) if len(self) < len(other) else (other, self)
        if len(few) * _FEW > len(many):
            return _merged(many, few)
        ids, sizes = [], array("I")
        done = 0
        for name, size in few.items():
            at = many.place(name)
            if many.ids[at * self.id_bytes : (at + 1) * self.id_bytes] != name:
                ids += [many.ids[done * self.id_bytes : at * self.id_bytes], name]
                sizes += many.sizes[done:at]
                sizes.append(size)
                done = at
        ids.append(many.ids[done * self.id_bytes :])
        return Verdicts(self.id_bytes, b"".join(ids), sizes + many.sizes[done:])

    def without(self, names: Collection[bytes]) -> "Verdicts":
        """Return the verdicts on all other objects."""
        ids, sizes = [], array("I")
        done = 0
        for name in sorted(names):
            at = self.place(name)
            if self.ids[at * self.id_bytes : (at + 1) * self.id_bytes] == name:
                ids.append(self.ids[done * self.id_bytes : at * self.id_bytes])
                sizes += self.sizes[done:at]
                done = at + 1
        ids.append(self.ids[done * self.id_bytes :])
        return Verdicts(self.id_bytes, b"".join(ids), sizes + self.sizes[done:])


def _merged(one: Verdicts, other: Verdicts) -> Verdicts:
    try:
        from scanner.git.kernel.known import merge
    except ImportError:
        return make_verdicts(one.id_bytes, {**dict(other.items()), **dict(one.items())})
    return Verdicts(one.id_bytes, *merge(one.id_bytes, one.ids, one.sizes, other.ids, other.sizes))


class Ledger:
    """What a run knows of blobs from earlier ones, and what it learns of others: `fresh` are those clean ones."""

    def __init__(self, known: Verdicts) -> None:
        self.known = known
        self.fresh = Verdicts(known.id_bytes)
        self.ids, self.sizes = known.ids, known.sizes
        self._read = Verdicts(known.id_bytes)
        self._single: dict[bytes, int] = {}

    def size(self, name: bytes) -> int | None:
        """Return the size of a blob that is known to be clean; None for any other."""
        return self.known.size(name)

    def saw(self, ids: bytes, sizes: "array[int]") -> None:
        """Take note of blobs that were read, whatever was in them: in ascending order, as in `Verdicts`."""
        self._read = self._read.joined(Verdicts(self.known.id_bytes, ids, sizes))

    def saw_one(self, object_id: str, size: int) -> None:
        """Take note of one blob that was read."""
        self._single[bytes.fromhex(object_id)] = size

    def close(self, found: Collection[str], *, complete: bool) -> None:
        """Take note of the blobs in which something was found, and whether every blob was looked at to the end."""
        read = self._read.joined(make_verdicts(self.known.id_bytes, self._single))
        self.fresh = read.without({bytes.fromhex(object_id) for object_id in found}) if complete else self.fresh


def make_verdicts(id_bytes: int, sizes: Mapping[bytes, int]) -> Verdicts:
    """Return verdicts on these objects, given with their sizes; those too large for one are left out."""
    names = sorted(name for name, size in sizes.items() if len(name) == id_bytes and size <= MAX_OBJECT_BYTES)
    return Verdicts(id_bytes, b"".join(names), array("I", map(sizes.__getitem__, names)))


def load_verdicts(folder: CacheFolder, digest: str, id_bytes: int) -> Verdicts:
    """Return the verdicts that were given under this digest, as far as the folder is believed."""
    content = folder.read(_KIND, _digest(digest, id_bytes)) or b""
    if len(content) < _HEAD.size:
        return Verdicts(id_bytes)
    magic, width, count = _HEAD.unpack_from(content)
    at = _HEAD.size + count * id_bytes
    if magic != _MAGIC or width != id_bytes or len(content) != at + count * _SIZE_BYTES:
        return Verdicts(id_bytes)
    return Verdicts(id_bytes, content[_HEAD.size : at], _little(array("I", content[at:])))


def add_verdicts(folder: CacheFolder, digest: str, used: Verdicts, fresh: Verdicts) -> None:
    """Keep fresh verdicts beside those that are kept; of too many, those of this run alone: `used` and `fresh`."""
    if not len(fresh):
        return
    # Another run may have added some in the meantime.
    kept = load_verdicts(folder, digest, fresh.id_bytes).joined(fresh)
    most = _MAX_FILLING // (fresh.id_bytes + _SIZE_BYTES)
    if len(kept) > most:
        kept = used.joined(fresh)
    folder.write(_KIND, _digest(digest, fresh.id_bytes), _dump(kept.first(most)))


def _dump(verdicts: Verdicts) -> bytes:
    return _HEAD.pack(_MAGIC, verdicts.id_bytes, len(verdicts)) + verdicts.ids + _little(verdicts.sizes).tobytes()


def _little(numbers: "array[int]") -> "array[int]":
    """Turn numbers of this machine's order into little-endian ones, or back."""
    if sys.byteorder == "little":
        return numbers
    turned = array("I", numbers)
    turned.byteswap()
    return turned


def _digest(digest: str, id_bytes: int) -> str:
    return f"{digest} {id_bytes}"


def engine_digest(parts: Iterable[str]) -> str:
    """Return a digest of these parts and of the program itself: of what was installed, not only of its version."""
    import hashlib

    made_of = hashlib.sha256(f"{__version__} {sys.version} {sys.platform}".encode())
    for part in (*_code(), *(text.encode("utf-8", "surrogateescape") for text in parts)):
        made_of.update(b"%d:" % len(part))
        made_of.update(part)
    return made_of.hexdigest()


def _code() -> Iterator[bytes]:
    """Yield names and contents of the program's files; a version may stand for several of them while it is developed."""
    top = os.path.dirname(os.path.abspath(__file__))
    for part in _CODE:
        folder = os.path.join(top, part)
        try:
            names = sorted(name for name in os.listdir(folder) if name.endswith(_CODE_SUFFIXES))
        except OSError:  # imported from an archive
            continue
        for name in names:
            yield f"{part}/{name}".encode()
            with open(os.path.join(folder, name), "rb") as stream:
                yield stream.read()
