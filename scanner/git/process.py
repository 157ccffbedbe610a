# SPDX-License-Identifier: Apache-2.0
"""One child process whose output is read as a stream: how it is started, ended and cleaned up.

`subprocess` brings `selectors`, `threading`, `locale` and `signal` with it, 4 ms that every commit
would wait for, and its pipes can deadlock. Here standard input and the error output are unnamed files
rather than pipes, so that neither side ever waits for the other, however much there is to say.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import BinaryIO, Final, Self

from scanner.display import one_line, shorten

_SIGPIPE: Final = 13
_SIGTERM: Final = 15
_BUFFER_BYTES: Final = 1 << 16
_MESSAGE_BYTES: Final = 1 << 16


class Process:
    """A running program: read `stdout`, then `wait`; leaving the `with` block ends it in any case."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], stdin: bytes | None = None) -> None:
        self.returncode: int | None = None
        self._error_file = unnamed_file(b"")
        try:
            read_end, write_end = os.pipe()
            try:
                self._pid = _spawn(arguments, environ, stdin, write_end, self._error_file)
            except BaseException:
                os.close(read_end)
                raise
            finally:
                os.close(write_end)
        except BaseException:
            os.close(self._error_file)
            raise
        self.stdout: BinaryIO = open(read_end, "rb", buffering=_BUFFER_BYTES)  # noqa: SIM115
        self._errors = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.returncode is None:
            os.kill(self._pid, _SIGTERM)
            self.wait()

    def wait(self) -> int:
        """Return the exit status once the program has ended; negative for a signal."""
        if self.returncode is None:
            self.stdout.close()
            _, status = os.waitpid(self._pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
            self._errors = _read_start(self._error_file)
            os.close(self._error_file)
        return self.returncode

    def error_lines(self) -> list[str]:
        """Return what the ended program wrote to its error output, safe to show."""
        text = self._errors.decode("utf-8", "replace")
        return [shorten(one_line(line.strip()), 200) for line in text.splitlines() if line.strip()]

    def complaint(self) -> str:
        """Return the one line that says best why the program failed."""
        lines = self.error_lines()
        fatal = [line for line in lines if line.startswith("fatal: ")]
        chosen = (fatal or lines or [f"exit status {self.returncode}"])[0]
        return chosen.removeprefix("fatal: ").removeprefix("error: ")


def unnamed_file(content: bytes) -> int:
    """Return a descriptor at the start of a file without a name that holds `content`."""
    descriptor = _open_unnamed()
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _open_unnamed() -> int:
    if sys.platform == "linux":
        try:
            return os.memfd_create("sealgate")
        except OSError:  # an old kernel or a sandbox that forbids it
            pass
    import tempfile

    descriptor, name = tempfile.mkstemp(prefix="sealgate-")
    os.unlink(name)
    return descriptor


def _read_start(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _MESSAGE_BYTES)


def _spawn(arguments: Sequence[str], environ: Mapping[str, str], stdin: bytes | None, stdout: int, stderr: int) -> int:
    source = os.open(os.devnull, os.O_RDONLY) if stdin is None else unnamed_file(stdin)
    try:
        return os.posix_spawn(
            arguments[0],
            list(arguments),
            environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_DUP2, stderr, 2),
            ],
            # Python ignores SIGPIPE and children inherit that; git must die of it as in any pipe.
            setsigdef=[_SIGPIPE],
        )
    finally:
        os.close(source)
