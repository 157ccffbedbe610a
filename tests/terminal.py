# SPDX-License-Identifier: Apache-2.0
"""A program at a terminal: keys go in, what it shows comes out."""

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

# How long anything may take; what is waited for comes much earlier.
_SECONDS = 120


class Terminal:
    """A program with a pseudo-terminal for standard input, output and error, in a session of its own."""

    def __init__(self, command: Sequence[str], cwd: Path, environ: Mapping[str, str]) -> None:
        self.shown = ""
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], list(command), dict(environ))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def type(self, keys: str) -> None:
        os.write(self._file, keys.encode())

    def wait_for(self, text: str) -> str:
        """Read until the text was shown, and return all that came before it since the last one."""
        end = time.monotonic() + _SECONDS
        while text not in self.shown:
            if not self._read(end):
                raise AssertionError(f"{text!r} was never shown: {self.shown!r}")
        before, _, self.shown = self.shown.partition(text)
        return before

    def end(self) -> int:
        """Read to the end; return the exit code."""
        end = time.monotonic() + _SECONDS
        while self._read(end):
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self, end: float) -> bool:
        ready, _, _ = select.select([self._file], [], [], max(0.0, end - time.monotonic()))
        try:
            data = os.read(self._file, 65536) if ready else b""
        except OSError:
            # Linux says so where the other side has closed.
            data = b""
        self.shown += data.decode("utf-8", "replace")
        return bool(data)
