# SPDX-License-Identifier: Apache-2.0
"""The command: started so that it ends with the broker, its output redacted, its end handed on as it was.

Its standard output and error are pipes, not a terminal: programs then write without colours and in larger pieces,
and the order between the two streams is not kept to the letter. Its input is ours. Where there is no controlling terminal,
as in CI, it leads a process group of its own, and signals go to all of it; at a terminal it shares ours, so that the
keys for interrupt and stop do what they always do.
"""

import contextlib
import errno
import math
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from scanner.broker.redact import Mask, Redactor
from scanner.broker.signals import Signals, Stopped
from scanner.broker.wire import PIPE_BYTES, Wire
from scanner.display import one_line
from scanner.errors import SealgateError

CANNOT_RUN: Final = 126
NOT_FOUND: Final = 127
# A pause after which a stream counts as idle, and a prompt's last letters are shown.
_IDLE_SECONDS: Final = 0.05
# How long we read what processes write that the command has left behind.
_LINGER_SECONDS: Final = 2.0
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4


class CommandError(SealgateError):
    """The command could not be run; the exit codes are env(1)'s."""

    def __init__(self, message: str, hint: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


def harden() -> None:
    """Keep other processes of this user from reading our memory, and the kernel from writing it to disk (Linux)."""
    if prctl := _prctl():
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def find_program(command: str, path: str | None) -> None:
    """Raise `CommandError` for a command that is not there or is not to be executed."""
    folders = [""] if os.path.dirname(command) else (path or os.defpath).split(os.pathsep)
    there = [file for file in (os.path.join(folder, command) for folder in folders) if os.path.exists(file)]
    if not command or not there:
        raise _not_found(command)
    if not any(os.path.isfile(file) and os.access(file, os.X_OK) for file in there):
        raise _cannot_run(command, "it is no executable file")


def run_child(
    command: Sequence[str],
    environment: Mapping[bytes, bytes],
    mask: Callable[[], Mask],
    signals: Signals,
    *,
    started: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _: None,
) -> int:
    """Run a command to its end and return its exit code, 128+n where signal n ended it. Raises `CommandError`.

    `mask` is made, and `started` called, while the command already begins. `say` gets remarks for people.
    """
    signals.check()
    with_terminal = _has_terminal()
    process = _start(command, environment, own_group=not with_terminal)
    streams = (_Stream(process.stdout, 1, "standard output"), _Stream(process.stderr, 2, "standard error"))
    try:
        signals.forward(lambda number: _send(process, number, to_group=not with_terminal), with_terminal=with_terminal)
        started()
        made = mask()
        for stream in streams:
            stream.redactor = Redactor(made)
        if not _pump(process, streams, signals):
            say("the command has left processes behind that still write: their output is cut off")
        for stream in streams:
            stream.finish()
    except Stopped:
        say("nobody reads the command's output: it is cut off")
    finally:
        signals.close()
        if process.poll() is None:
            _send(process, signal.SIGKILL, to_group=not with_terminal)
            process.wait()
        for stream in streams:
            stream.close()
    if signals.killed:
        say("the command did not end in time after its signal and was killed")
    for complaint in filter(None, (stream.complaint for stream in streams)):
        say(complaint)
    return 128 - process.returncode if process.returncode < 0 else process.returncode


def _start(command: Sequence[str], environment: Mapping[bytes, bytes], *, own_group: bool) -> "subprocess.Popen[bytes]":
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    prctl, parent = _prctl(), os.getpid()

    def end_with_parent() -> None:
        """Runs in the child before the command: SIGTERM when the broker dies, and no start where it has died already."""
        if prctl:
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    try:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pipesize=PIPE_BYTES,
            process_group=0 if own_group else None,
            preexec_fn=end_with_parent,  # noqa: PLW1509  no other thread runs yet
        )
    except FileNotFoundError:
        raise _not_found(command[0]) from None
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise _cannot_run(command[0], "its arguments and environment are too large; take large secrets as files") from None
        raise _cannot_run(command[0], error.strerror or "the system refuses it") from None


def _not_found(command: str) -> CommandError:
    return CommandError(f"there is no command {one_line(command)!r}", "check its name and PATH", NOT_FOUND)


def _cannot_run(command: str, why: str) -> CommandError:
    hint = "check the file, its permissions and its first line"
    return CommandError(f"{one_line(command)} cannot be run: {why}", hint, CANNOT_RUN)


def _prctl() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    return getattr(ctypes.CDLL(None), "prctl", None)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _send(process: "subprocess.Popen[bytes]", number: int, *, to_group: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if to_group:
            os.killpg(process.pid, number)
        elif process.returncode is None:
            os.kill(process.pid, number)


class _Stream:
    """One of the command's outputs on its way to ours."""

    def __init__(self, pipe: Any, target: int, name: str) -> None:
        self.pipe = pipe
        self.redactor = Redactor(())
        self.complaint = ""
        self._wire = Wire(pipe.fileno(), target)
        self._terminal = os.isatty(target)
        self._name = name
        self._read_at = 0.0

    def carry(self, now: float) -> bool:
        """Read once, write what may be shown; return False at the end, and where nobody takes it any more."""
        self._read_at = now
        return self._guard(lambda: self._wire.carry(self.redactor))

    @property
    def waiting(self) -> bool:
        """Whether somebody may be waiting for the last letters of a prompt. In a log they have time."""
        return self._terminal and self.redactor.pending

    def pause(self, now: float) -> None:
        """Show these letters where the stream is idle."""
        if self.waiting and now - self._read_at >= _IDLE_SECONDS:
            self._guard(lambda: self._wire.write(self.redactor.release()))

    def finish(self) -> None:
        """Show what is left, and close: who still writes gets SIGPIPE, as if there were no broker between."""
        if not self.pipe.closed:
            self._guard(lambda: self._wire.write(self.redactor.flush()))
            self.close()

    def close(self) -> None:
        """Close the pipe."""
        self._wire.close()
        self.pipe.close()

    def _guard(self, act: Callable[[], bool | None]) -> bool:
        try:
            return act() is not False
        except OSError as error:
            if error.errno != errno.EPIPE:
                self.complaint = f"{self._name} cannot be written: {error.strerror}"
            return False


def _pump(process: "subprocess.Popen[bytes]", streams: Sequence[_Stream], signals: Signals) -> bool:
    """Carry the output until the process and both streams have ended; return False where the streams do not."""
    last = math.inf
    with selectors.DefaultSelector() as selector:
        selector.register(signals.wakeup, selectors.EVENT_READ)
        running = process.poll() is None
        for stream in streams:
            selector.register(stream.pipe, selectors.EVENT_READ, stream)
        while len(selector.get_map()) > 1 or running:
            waiting = any(stream.waiting for stream in streams)
            wait = min(last - time.monotonic(), _IDLE_SECONDS if waiting else math.inf)
            ready = selector.select(None if wait == math.inf else max(wait, 0))
            now = time.monotonic()
            for key, _ in ready:
                if key.data is None:
                    signals.drain()
                    running = process.poll() is None
                elif not key.data.carry(now):
                    selector.unregister(key.fileobj)
                    key.data.finish()
            for stream in streams:
                stream.pause(now)
            if now >= last:
                return False
            if not running and last == math.inf:
                last = now + _LINGER_SECONDS
    return True

