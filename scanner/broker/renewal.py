# SPDX-License-Identifier: Apache-2.0
"""Tokens and leases renewed while the command runs, each when two thirds of its time are over.

In a thread of its own, so that neither a server that hangs stops the command's output nor a reader who
has stopped reading lets the credentials die. What the server grants counts, not what was asked for.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from scanner.broker.closing import moment
from scanner.errors import DeniedError, SealgateError

_WHEN: Final = 2 / 3
_SHORTEST_WAIT_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 10.0


class Renewable:
    """Something to renew for `seconds` at a time; `until` is when it ends (seconds since 1970); `renew` says what was granted."""

    def __init__(self, what: str, seconds: int, until: float, renew: Callable[[int], int]) -> None:
        self.what = what
        self.seconds = seconds
        self.until = until
        self.renew = renew
        self.failing = False
        self.due = time.time() + max((until - time.time()) * _WHEN, 0)


class Renewal:
    """Renews from `start` to `stop`; `say` gets what people should know, without anything secret."""

    def __init__(self, items: Sequence[Renewable], say: Callable[[str], None]) -> None:
        self._items = list(items)
        self._say = say
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)

    def start(self) -> None:
        """Begin; does nothing where there is nothing to renew."""
        if self._items:
            self._thread.start()

    def stop(self, seconds: float = 6.0) -> None:
        """Stop, and wait for a renewal that is under way, but not for ever."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while self._items:
            item = min(self._items, key=lambda one: one.due)
            if self._stopped.wait(max(item.due - time.time(), 0)):
                return
            try:
                goes_on = self._renew(item)
            except Exception as error:  # noqa: BLE001  a thread's traceback would quote what it works with
                self._say(f"a bug in the renewal of {item.what}: {type(error).__name__}")
                goes_on = False
            if not goes_on:
                self._items.remove(item)

    def _renew(self, item: Renewable) -> bool:
        """Renew once; return False where it is the last time."""
        before = item.until
        try:
            granted = item.renew(item.seconds)
        except DeniedError:
            self._say(f"{item.what} is not renewed any more: it ends at {moment(before)} at the latest")
            return False
        except SealgateError as error:
            return self._failed(item, error)
        item.failing = False
        item.until = time.time() + granted
        if item.until < before + _SHORTEST_WAIT_SECONDS:
            self._say(f"{item.what} has reached the longest time that the server allows: it ends at {moment(item.until)}")
            return False
        item.due = time.time() + max(granted * _WHEN, _SHORTEST_WAIT_SECONDS)
        return True

    def _failed(self, item: Renewable, error: SealgateError) -> bool:
        left = item.until - time.time()
        if left <= 0:
            self._say(f"{item.what} has ended: it could not be renewed in time")
            return False
        if not item.failing:
            self._say(f"{item.what} could not be renewed and is tried again until {moment(item.until)}: {error.message}")
        item.failing = True
        item.due = time.time() + min(max(left / 4, _SHORTEST_WAIT_SECONDS), _RETRY_SECONDS)
        return True
