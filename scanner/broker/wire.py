# SPDX-License-Identifier: Apache-2.0
"""From the command's pipe to our output: read, looked at, written; in bulk without a copy of what stays as it is.

Where both ends are pipes and much is coming, Linux hands the pages themselves on: tee(2) keeps a second hold of
what we read to look at it, and splice(2) passes that hold to the output. Only what has to be masked is written
anew. Little at a time is written the usual way: each piece that is spliced takes a whole slot of the reader's pipe.
"""

import contextlib
import os
import select
import stat
import sys
from collections.abc import Callable
from typing import Any, Final

from scanner.broker.redact import Redactor

PIPE_BYTES: Final = 256 * 1024
_HELD_BYTES: Final = 64 * 1024
_BULK_BYTES: Final = 48 * 1024
_SPLICE_F_NONBLOCK: Final = 2
# fcntl(2), on Linux.
_F_SETPIPE_SZ: Final = 1031
_F_GETPIPE_SZ: Final = 1032

class Wire:
    """Carries a pipe to a file descriptor, through a redactor."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        # What the redactor holds back goes right before what is read next, so that it sees both in one piece.
        self._buffer = memoryview(bytearray(_HELD_BYTES + PIPE_BYTES))
        self._bulk = False
        self._tee = _tee() if _is_pipe(target) else None
        self._kept: tuple[int, int] | None = None

    def carry(self, redactor: Redactor) -> bool:
        """Read once and write what may be shown; return False at the end. Raises `OSError` where it cannot be written."""
        if self._bulk and self._tee:
            return self._carry_bulk(redactor, self._tee)
        size = os.readv(self._source, [self._buffer[_HELD_BYTES:]])
        self._bulk = size >= _BULK_BYTES
        if size:
            self.write(self._look(redactor, size))
        return size > 0

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it, whether the target blocks or not."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._target, left) :]
            except BlockingIOError:
                select.select([], [self._target], [])

    def close(self) -> None:
        """Close what belongs to the wire itself."""
        for end in self._kept or ():
            os.close(end)
        self._kept = None

    def _look(self, redactor: Redactor, size: int) -> bytes | memoryview:
        """Show the redactor what was read, behind what it held."""
        held = redactor.held
        first = _HELD_BYTES - len(held)
        if first < 0:
            return redactor.feed(bytes(self._buffer[_HELD_BYTES : _HELD_BYTES + size]))
        self._buffer[first:_HELD_BYTES] = held
        return redactor.look(self._buffer[first : _HELD_BYTES + size])

    def _carry_bulk(self, redactor: Redactor, tee: Callable[..., int]) -> bool:
        if self._kept is None:
            self._kept = os.pipe()
            for pipe in (self._kept[1], self._target):
                _widen(pipe)
        take, keep = self._kept
        size = tee(self._source, keep, PIPE_BYTES, _SPLICE_F_NONBLOCK)
        if size <= 0:
            self._bulk = False
            return True
        got = 0
        while got < size:
            got += os.readv(self._source, [self._buffer[_HELD_BYTES + got : _HELD_BYTES + size]])
        before = len(redactor.held)
        shown = self._look(redactor, size)
        self._bulk = size >= _BULK_BYTES
        passed = 0
        if isinstance(shown, memoryview) and self._bulk and len(shown) > before:
            self.write(shown[:before])
            passed = self._pass_on(take, len(shown) - before)
            shown = shown[before + passed :]
        self.write(shown)
        _drop(take, size - passed)
        return True

    def _pass_on(self, take: int, size: int) -> int:
        """Splice pages to the target and return how many bytes of them it took."""
        passed = 0
        while passed < size:
            try:
                passed += os.splice(take, self._target, size - passed)
            except BlockingIOError:
                select.select([], [self._target], [])
            except BrokenPipeError:
                raise
            except OSError:  # a kernel that cannot
                self._tee = None
                break
        return passed


def _tee() -> Callable[..., int] | None:
    """Return tee(2), which Python's `os` has not, where it and splice(2) are."""
    if not sys.platform.startswith("linux") or not hasattr(os, "splice"):
        return None
    import ctypes

    tee: Any = getattr(ctypes.CDLL(None), "tee", None)
    if tee is not None:
        tee.restype = ctypes.c_ssize_t
        tee.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint)
    return tee  # type: ignore[no-any-return]  # a function of C's


def _is_pipe(target: int) -> bool:
    try:
        return stat.S_ISFIFO(os.fstat(target).st_mode)
    except OSError:
        return False


def _widen(pipe: int) -> None:
    import fcntl

    with contextlib.suppress(OSError):
        if fcntl.fcntl(pipe, _F_GETPIPE_SZ) < PIPE_BYTES:
            fcntl.fcntl(pipe, _F_SETPIPE_SZ, PIPE_BYTES)


def _drop(take: int, size: int) -> None:
    while size:
        size -= len(os.read(take, size))
