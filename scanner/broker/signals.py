# SPDX-License-Identifier: Apache-2.0
"""Signals to the broker: what each does before the command runs, while it runs, and while its credentials are ended.

Before: the request under way is finished, so that no answer with a token in it gets lost, and then the job stops.
While it runs: the signal is the command's; one that tells it to end starts a clock, at whose end it is killed.
Afterwards: nothing interrupts the end, which has a deadline of its own.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

_ENDING: Final = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT")
_OTHERS: Final = ("SIGUSR1", "SIGUSR2", "SIGWINCH")
# The terminal itself sends these to the whole foreground group, the command among them.
_OF_TERMINAL: Final = ("SIGINT", "SIGQUIT", "SIGWINCH")
# Those after which a program is expected to be gone soon; SIGINT may be its business.
_FATAL: Final = ("SIGTERM", "SIGHUP", "SIGQUIT")
_LAST_REQUEST_SECONDS: Final = 3.0
_AFTER_KILL_SECONDS: Final = 2.0


class Stopped(KeyboardInterrupt):
    """A signal ends the job before the command has run, or when nothing else gets through."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by signal {number}")
        self.number = number


class Signals:
    """Takes the signals from `with` to its end; `kill_after_seconds` is what a command has after it was told to end.

    `received` is the first signal that would end the job, 0 for none; `killed` says that it took more. `wakeup` is a
    file descriptor that becomes readable with every signal, SIGCHLD included.
    """

    def __init__(self, kill_after_seconds: float = 10.0) -> None:
        self.received = 0
        self._kill_after = kill_after_seconds
        self._send: Callable[[int], None] | None = None
        self._with_terminal = False
        self.killed = False
        self._closing = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.wakeup, self._wake = os.pipe()
        for end in (self.wakeup, self._wake):
            os.set_blocking(end, False)
        self._old_wakeup = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        for name in (*_ENDING, *_OTHERS):
            # What was ignored by whoever started us stays so, as after nohup.
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._alarm)
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _where: TracebackType | None) -> None:
        self.close()
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self.wakeup)
        os.close(self._wake)

    def check(self) -> None:
        """Raise `Stopped` where a signal wants the job to end and no command runs that could be told."""
        if self.received and not self._send and not self._closing:
            raise Stopped(self.received)

    def sleep(self, seconds: float) -> None:
        """Sleep, but for a signal that ends the job: raise `Stopped` then."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.check()
            select.select([self.wakeup], [], [], left)
            self.drain()
        self.check()

    def drain(self) -> None:
        """Empty `wakeup`."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.wakeup, 4096):
                pass

    def forward(self, send: Callable[[int], None], *, with_terminal: bool) -> None:
        """From now on the signals are the command's, also one that came too late to stop its start.

        `with_terminal` says that what a terminal's keys send reaches the command by itself.
        """
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._send, self._with_terminal = send, with_terminal
        if self.received:
            self._pass_on(self.received)

    def close(self) -> None:
        """From now on nothing interrupts."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        self._send, self._closing = None, True

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        ending = signal.Signals(number).name in _ENDING
        again, self.received = self.received, self.received or (number if ending else 0)
        if self._send:
            self._pass_on(number)
        elif ending and not self._closing:
            if again:
                raise Stopped(self.received)
            signal.setitimer(signal.ITIMER_REAL, _LAST_REQUEST_SECONDS)

    def _pass_on(self, number: int) -> None:
        name = signal.Signals(number).name
        if self._send and not (self._with_terminal and name in _OF_TERMINAL):
            self._send(number)
        if name in _FATAL and not signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, self._kill_after)

    def _alarm(self, _number: int, _frame: FrameType | None) -> None:
        if self._closing:
            return
        if not self._send or self.killed:
            raise Stopped(self.received)
        self.killed = True
        self._send(signal.SIGKILL)
        # Whoever reads our output may have stopped: then we stand in a write that does not end.
        signal.setitimer(signal.ITIMER_REAL, _AFTER_KILL_SECONDS)
