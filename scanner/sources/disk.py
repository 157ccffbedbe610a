# SPDX-License-Identifier: Apache-2.0
"""One file or stream, small ones as a whole and large ones in pieces.

Disk content is hostile: no link is followed, nothing but a regular file is ever opened, as a pipe would block, and a
file may grow or be replaced while it is read.
"""

import os
import stat
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

from scanner.display import decode_path, human_size
from scanner.model import LARGE_BYTES, Content, Gap

_OPEN_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_CHUNK_BYTES: Final = 1 << 20


def read_file(path: bytes, name: bytes, max_bytes: int, gaps: list[Gap]) -> bytes | None:
    """Return what git would store for this file or link; None, and a gap called `name`, where it cannot."""
    content = _read_path(path, name, max_bytes, gaps)
    if isinstance(content, int):
        gaps.append(_oversize(name, content))
        return None
    return content


def read_content(path: bytes, name: bytes, max_bytes: int, gaps: list[Gap]) -> Content | None:
    """Return what `read_file` does; of a large file in pieces, which are read when they are asked for."""
    content = _read_path(path, name, min(max_bytes, LARGE_BYTES), gaps)
    if not isinstance(content, int):
        return content
    if content <= max_bytes:
        return LargeFile(path, name, content, max_bytes, gaps)
    gaps.append(_oversize(name, content))
    return None


def _read_path(path: bytes, name: bytes, max_bytes: int, gaps: list[Gap]) -> bytes | int | None:
    """Return content, or only its size where that is over the limit; None and a gap where it cannot be read."""
    try:
        if not _is_regular(path):
            return _read_special(path, name, gaps)
        descriptor = _open_regular(path)
        try:
            size = os.fstat(descriptor).st_size
            if size > max_bytes:
                return size
            data = _read_descriptor(descriptor, size, max_bytes)
            return data if len(data) <= max_bytes else len(data)
        finally:
            os.close(descriptor)
    except OSError as error:
        gaps.append(unreadable(name, error))
        return None


class LargeFile:
    """A file in pieces, opened anew each time that it is read; where it grows, `max_bytes` still hold."""

    def __init__(self, path: bytes, name: bytes, size: int, max_bytes: int, gaps: list[Gap]) -> None:
        self.size: int | None = size
        self._path = path
        self._name = name
        self._max_bytes = max_bytes
        self._gaps = gaps

    def __iter__(self) -> Iterator[bytes]:
        try:
            descriptor = _open_regular(self._path)
            try:
                left = self._max_bytes
                while chunk := os.read(descriptor, _CHUNK_BYTES):
                    left -= len(chunk)
                    if left < 0:
                        self._gaps.append(_oversize(self._name, self._max_bytes - left))
                        return
                    yield chunk
            finally:
                os.close(descriptor)
        except OSError as error:
            self._gaps.append(unreadable(self._name, error))


def _open_regular(path: bytes) -> int:
    """Open a file. Raises `OSError` for anything that is not regular."""
    descriptor = os.open(path, _OPEN_FLAGS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError("it was replaced while it was read")


def read_stream(stream: BinaryIO, name: bytes, max_bytes: int, gaps: list[Gap]) -> Content | None:
    """Return a stream's content, of a long one in pieces; None, and a gap, where it is over a limit below that."""
    chunks: deque[bytes] = deque()
    limit = min(max_bytes, LARGE_BYTES)
    left = limit + 1
    while left and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        chunks.append(chunk)
        left -= len(chunk)
    if left:
        return b"".join(chunks)
    if limit == max_bytes:
        reason = f"more than {human_size(max_bytes)}, the size limit (--max-blob)"
        gaps.append(Gap("oversize", decode_path(name), reason))
        return None
    return _LargeStream(chunks, stream, name, max_bytes, gaps)


class _LargeStream:
    """A stream in pieces, to be read once; `chunks` were read already."""

    size: int | None = None

    def __init__(self, chunks: deque[bytes], stream: BinaryIO, name: bytes, max_bytes: int, gaps: list[Gap]) -> None:
        self._chunks = chunks
        self._stream = stream
        self._name = name
        self._left = max_bytes
        self._gaps = gaps

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._next():
            if len(chunk) > self._left:
                what = decode_path(self._name)
                self._gaps.append(Gap("oversize", what, "what is over the size limit (--max-blob) was not read"))
                yield chunk[: self._left]
                return
            self._left -= len(chunk)
            yield chunk

    def _next(self) -> bytes:
        if self._chunks:
            return self._chunks.popleft()
        return self._stream.read(min(_CHUNK_BYTES, self._left + 1))


def _is_regular(path: bytes) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)


def _read_special(path: bytes, name: bytes, gaps: list[Gap]) -> bytes | None:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if not stat.S_ISDIR(mode):
        gaps.append(Gap("special", decode_path(name), "not a regular file"))
    return None


def _read_descriptor(descriptor: int, expected: int, max_bytes: int) -> bytes:
    """Return the content up to one byte more than the limit; a file may grow while it is read."""
    data = os.read(descriptor, expected + 1)
    if len(data) == expected:
        return data
    chunks = [data]
    size = len(data)
    while size <= max_bytes and (chunk := os.read(descriptor, _CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _oversize(name: bytes, size: int) -> Gap:
    return Gap("oversize", decode_path(name), f"{human_size(size)} is over the size limit (--max-blob)")


def unreadable(name: bytes, error: OSError) -> Gap:
    """Return the gap for a file or folder that cannot be read."""
    vanished = isinstance(error, FileNotFoundError)
    reason = "it vanished while it was scanned" if vanished else (error.strerror or str(error))
    return Gap("unreadable", decode_path(name), reason)
