# SPDX-License-Identifier: Apache-2.0
"""One run of one command: what it cost, as the kernel accounts for it.

CPU seconds come from wait4(2): user and system time of the process and of every descendant that was
waited for. Its `ru_maxrss` is the peak of the largest single process only, and Linux carries the
launching process's own size over exec(2) into it, so it never reads below this benchmark's (about
20 MB). What all processes take together is sampled from `smaps_rollup`, in a run that is not timed.
"""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SAMPLE_SECONDS: Final = 0.005
_BORROWING_SAMPLES: Final = 4


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: the program by its full path, the folder to start it in, where its error output goes."""

    arguments: Sequence[str]
    environ: Mapping[str, str]
    folder: Path
    errors: Path


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took."""

    cpu_seconds: float
    wall_seconds: float
    largest_bytes: int
    exit_code: int


def run(command: Command) -> Usage:
    """Run the command to its end, with nothing else going on here."""
    started = time.perf_counter()
    pid = _spawn(command)
    return _wait(pid, started)


def run_sampled(command: Command) -> tuple[Usage, int]:
    """Run the command while its memory is sampled; return the peak of all its processes together, in bytes."""
    started = time.perf_counter()
    pid = _spawn(command)
    sampler = _Sampler(pid)
    sampler.start()
    try:
        usage = _wait(pid, started)
    finally:
        sampler.stop()
    return usage, sampler.peak_bytes


def _spawn(command: Command) -> int:
    log = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    # posix_spawn cannot change the folder itself, and a wrapper that could would be measured too.
    with contextlib.chdir(command.folder):
        return os.posix_spawn(
            command.arguments[0],
            list(command.arguments),
            command.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, str(command.errors), log, 0o600),
            ],
            setpgroup=0,
        )


def _wait(pid: int, started: float) -> Usage:
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    wall = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    return Usage(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, code)


class _Sampler(threading.Thread):
    """Adds up the proportional set sizes of a process and its descendants, again and again."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._pid = pid
        self._done = threading.Event()
        self._seen: Counter[int] = Counter()

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            total = sum(pss_bytes(pid) for pid, parent in family(self._pid) if self._counts(pid, parent))
            self.peak_bytes = max(self.peak_bytes, total)

    def stop(self) -> None:
        self._done.set()
        self.join()

    def _counts(self, pid: int, parent: int | None) -> bool:
        """Whether the process has memory of its own.

        Between vfork(2) and exec(2) a child borrows its parent's, which would be counted twice. It looks like its
        parent then; what goes on to do so is a worker that was forked.
        """
        self._seen[pid] += 1
        if parent is None or self._seen[pid] > _BORROWING_SAMPLES:
            return True
        return _read(f"/proc/{pid}/cmdline") != _read(f"/proc/{parent}/cmdline")


def family(pid: int, parent: int | None = None) -> Iterator[tuple[int, int | None]]:
    """Yield a process and its living descendants, each with its parent."""
    yield pid, parent
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:  # it has ended
        return
    for task in tasks:
        for child in _read(f"/proc/{pid}/task/{task}/children").split():
            yield from family(int(child), pid)


def pss_bytes(pid: int) -> int:
    """Return a process's memory, each page shared by n processes counted as 1/n; 0 once it has ended."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
