# SPDX-License-Identifier: Apache-2.0
"""Worker processes: forked, so that they share what was loaded before, and gone when this process is.

A worker calls a function, sends what it returns through a pipe and ends. Whatever happens to it is told, never
passed over: a worker that was killed or that failed gives a `Lost`. None outlives the process that started it, not
even where that is killed: each holds one end of a pipe whose closing is a signal to it, so nothing has to be asked for
while it computes.

`multiprocessing` would bring 20 ms of imports with it, and processes of its own that may stay behind.
"""

import contextlib
import marshal
import os
import sys
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, NamedTuple, NoReturn, Self

MOST_TICKETS: Final = 256
_LENGTH_BYTES: Final = 8
_DONE: Final = 0
_FAILED: Final = 1
_SIGINT: Final = 2
_SIGKILL: Final = 9


class Done(NamedTuple):
    """What a worker's function returned."""

    value: Any


class Lost(NamedTuple):
    """A worker did not do its part; `reason` is for people and quotes nothing that it read."""

    reason: str


class Tickets:
    """The numbers below `count`, at most `MOST_TICKETS`, each of them for one process only: whoever is free takes the next.

    It has to be there before the workers are, and is theirs without being sent.
    """

    def __init__(self, count: int) -> None:
        self._end, filled = os.pipe()
        # A pipe holds that many, and a reader of a byte has it for itself.
        os.write(filled, bytes(range(count)))
        os.close(filled)

    def __iter__(self) -> Iterator[int]:
        while ticket := os.read(self._end, 1):
            yield ticket[0]

    def close(self) -> None:
        """Give back what the tickets take in this process."""
        os.close(self._end)


class Tally:
    """Two counts of each process, added up for whoever looks on; the first process, number 0, tells it."""

    def __init__(self, processes: int, tell: Callable[[int, int], None]) -> None:
        import mmap

        self._counts = memoryview(mmap.mmap(-1, 16 * processes)).cast("Q")
        self._tell = tell

    def of(self, process: int) -> Callable[[int, int], None]:
        """Return what takes the counts of a process, as they are by now."""
        counts = self._counts

        def take(first: int, second: int) -> None:
            counts[2 * process], counts[2 * process + 1] = first, second
            if process == 0:
                self._tell(sum(counts[::2]), sum(counts[1::2]))

        return take


class _Worker(NamedTuple):
    pid: int
    results: int
    lifeline: int


class Workers:
    """Starts workers and collects what they return; leaving the `with` block ends those that are left at once.

    `work` is called with each share in a process of its own. It returns what `marshal` can write: numbers, texts,
    bytes, and tuples, lists and dictionaries of them. What it needs beside its share it has from before the fork.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self._work = work
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        import signal

        for worker in self._workers:
            # A process keeps its number until it was waited for, so nobody else is meant.
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)
        while self._workers:
            self._end(self._workers[0])

    def start(self, share: Any) -> bool:
        """Start a worker; False where there can be none (any more), so that the share is the caller's."""
        if not can_fork():
            return False
        import signal

        try:
            pipes = (*os.pipe(), *os.pipe())
        except OSError:
            return False
        # No signal may come between the fork and the note of it, nor to a worker that has our handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            parent = os.getpid()
            try:
                pid = os.fork()
            except OSError:  # no more processes, no more memory
                for end in pipes:
                    os.close(end)
                return False
            results, output, lifeline, held = pipes
            if pid == 0:
                for end in (results, held, *(end for worker in self._workers for end in worker[1:])):
                    os.close(end)
                _run(self._work, share, output, lambda: _prepare(lifeline, parent, before))
            self._workers.append(_Worker(pid, results, held))
            os.close(output)
            os.close(lifeline)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return True

    def results(self) -> list[Done | Lost]:
        """Wait for all workers and return what became of each, in the order in which they were started.

        Raises `KeyboardInterrupt` where one was interrupted: that is meant for all of us, and code that swallows it
        (a module of Cython's that is being imported does) may have kept it from this process.
        """
        found = []
        while self._workers:
            worker = self._workers[0]
            # One after the other: a worker with more than a pipe takes waits for nobody but us.
            with open(worker.results, "rb", buffering=0, closefd=False) as stream:
                data = stream.read()
            status = self._end(worker)
            if status == -_SIGINT:
                raise KeyboardInterrupt
            found.append(_result(data, status))
        return found

    def _end(self, worker: _Worker) -> int | None:
        """Wait for the worker's end and return its exit status, negative for a signal; None where nobody knows."""
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(worker.pid, 0)[1])
        except ChildProcessError:  # whoever started us wants no word of children that ended
            status = None
        self._workers.remove(worker)
        os.close(worker.results)
        os.close(worker.lifeline)
        return status


def can_fork() -> bool:
    """Whether a worker can be had here: a fork copies one thread, and the others' locks as they are."""
    if not hasattr(os, "fork"):
        return False
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        import _thread

        return _thread._count() == 0  # noqa: SLF001  `threading` would have to be imported to count none


def _result(data: bytes, status: int | None) -> Done | Lost:
    message = data[_LENGTH_BYTES:]
    if len(data) >= _LENGTH_BYTES and len(message) == int.from_bytes(data[:_LENGTH_BYTES], "little"):
        kind, value = marshal.loads(message)  # noqa: S302  written by ourselves
        return Done(value) if kind == _DONE else Lost(value)
    if status is None:
        return Lost("a worker process ended before it was done")
    if status < 0:
        hint = ", as happens where memory runs out" if -status == _SIGKILL else ""
        return Lost(f"a worker process was ended by {_signal_name(-status)}{hint}")
    return Lost(f"a worker process ended with status {status} before it was done")


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _prepare(lifeline: int, parent: int, mask: set[Any]) -> None:
    """Let signals do to this process what they do to any, and the end of the parent end it."""
    import fcntl
    import signal

    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    # Python ignores it; a worker whose result nobody waits for has nothing more to do.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    else:
        signal.signal(signal.SIGIO, _leave)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    if os.getppid() != parent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    # The terminal and the buffers are the parent's.
    sys.stdin = sys.stdout = sys.stderr = None


def _leave(_signal: int, _frame: object) -> NoReturn:
    os._exit(1)


def _run(work: Callable[[Any], Any], share: Any, output: int, prepare: Callable[[], None]) -> NoReturn:
    """Work, send the result, end; nothing of the parent's is flushed, closed or removed on the way."""
    status = 1
    try:
        message = _outcome(work, share, prepare)
        view = memoryview(len(message).to_bytes(_LENGTH_BYTES, "little") + message)
        while view:
            view = view[os.write(output, view) :]
        status = 0
    finally:
        os._exit(status)


def _outcome(work: Callable[[Any], Any], share: Any, prepare: Callable[[], None]) -> bytes:
    try:
        prepare()
        return marshal.dumps((_DONE, work(share)))
    except BaseException as error:  # noqa: BLE001  told to the parent, whatever it is
        return marshal.dumps((_FAILED, f"a worker process failed: {_describe(error)}"))


def _describe(error: BaseException) -> str:
    """Return type and place only: an exception's text may quote what was scanned."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    where = f" at {os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}" if at is not None else ""
    return type(error).__name__ + where
