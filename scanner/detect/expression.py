# SPDX-License-Identifier: Apache-2.0
"""Rule expressions that cannot hang: every search ends within a time limit, whatever the content.

Content comes from whoever opens a pull request, and a rule pack from whoever wrote it, so a search may meet
input made to make it backtrack for years. Where signals are to be had (the main thread on POSIX) a ticking
alarm interrupts Python's own `re`, which looks for signals as it works; elsewhere the `regex` package does the
search with a timeout of its own. It is the second choice because importing it and compiling a first pattern
takes a good part of a pre-commit run, and its searches take longer.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

# A search is interrupted at the second tick that finds it at work.
TICK_SECONDS: Final = 1.0

# In the large windows of the longest patterns the few places where a match can start are tried one by one: a search
# would go on to the end of the window.
_FEW_STARTS: Final = 48
_LARGE_WINDOW: Final = 1024

# A search for a long list of names goes from one place where any of them stands to the next: to try all of them at every
# place would take a hundred times as long.
_LITERAL: Final = 3

# From content and offsets (first and latest start, last end) to the matches within them, not overlapping.
Expression = Callable[[bytes, int, int, int], Sequence[Any]]


class Expressions:
    """Compiles rule patterns and watches over their searches while `watched`."""

    def __init__(self) -> None:
        self.interruptible = False
        self._serial = 0
        self._seen = -1

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let searches inside the block be interrupted by an alarm where this thread can have one."""
        try:
            import signal

            before = signal.signal(signal.SIGALRM, self._tick)
        except (AttributeError, ValueError):  # no such signal here, or not the main thread
            yield
            return
        signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
        self.interruptible = True
        try:
            yield
        finally:
            self.interruptible = False
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _tick(self, _signal: int, _frame: object) -> None:
        if self._serial & 1 and self._serial == self._seen:
            raise TimeoutError
        self._seen = self._serial

    def compile(self, pattern: str, *, ignore_case: bool) -> Expression:
        """Return the search for a pattern; what it yields has `span` and `start` of `re.Match`.

        Run it within `limited`: a search that takes too long raises `TimeoutError`.
        """
        if not self.interruptible:
            return _with_regex(pattern, ignore_case=ignore_case)
        compiled = re.compile(pattern.encode(), re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
        beginnings: list[bytes] | None = None

        def search(data: bytes, first: int, latest: int, last: int) -> Sequence[Any]:
            nonlocal beginnings
            if latest - first <= _FEW_STARTS:
                return _matches(compiled, data, first, latest, last)
            if beginnings is None:
                beginnings = _beginnings(pattern, ignore_case=ignore_case)
            if not beginnings:
                return _matches(compiled, data, first, latest, last)
            text = data.lower() if ignore_case else data
            return list(_from(compiled, data, _places(text, beginnings, first, latest), last))

        return search

    def limited(self, function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Call a function that searches; `TimeoutError` where it does so for too long."""
        self._serial += 1  # odd: at work
        try:
            return function(*args, **kwargs)
        finally:
            self._serial += 1


def _with_regex(pattern: str, *, ignore_case: bool) -> Expression:
    import regex

    flags = regex.VERSION0 | regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
    compiled = regex.compile(pattern.encode(), flags)

    def search(data: bytes, first: int, latest: int, last: int) -> Sequence[Any]:
        return _matches(compiled, data, first, latest, last, timeout=2 * TICK_SECONDS)

    return search


def _matches(compiled: Any, data: bytes, first: int, latest: int, last: int, **options: float) -> Sequence[Any]:
    """Return what both engines find alike: the leftmost match, and on from its end."""
    matches: list[Any] = []
    if last - first < _LARGE_WINDOW or latest - first > _FEW_STARTS:
        # Most candidates lead nowhere, and a search costs less than an iterator.
        found = compiled.search(data, first, last, **options)
        if found is None or found.start() > latest:
            return matches
        for found in compiled.finditer(data, first, last, **options):
            if found.start() > latest:
                break
            matches.append(found)
        return matches
    start = first
    while start <= latest:
        found = compiled.match(data, start, last, **options)
        if found is not None:
            matches.append(found)
        start = max(start + 1, found.end() if found is not None else 0)
    return matches


def _beginnings(pattern: str, *, ignore_case: bool) -> list[bytes]:
    """Return the few texts that every match begins with one of, in lower case where case is ignored."""
    from scanner.detect.encoded import beginnings

    texts = {text.lower() if ignore_case else text for text in beginnings(pattern, _LITERAL)}
    # A text that begins with another one adds no place.
    return sorted(text for text in texts if not any(text != other and text.startswith(other) for other in texts))


def _places(text: bytes, beginnings: Sequence[bytes], first: int, latest: int) -> list[int]:
    """Return where one of these texts stands, between the first and the latest place."""
    places = []
    for literal in beginnings:
        end = latest + len(literal)
        place = text.find(literal, first, end)
        while place >= 0:
            places.append(place)
            place = text.find(literal, place + 1, end)
    return sorted(places)


def _from(compiled: Any, data: bytes, places: Iterable[int], last: int) -> Iterator[Any]:
    """Yield the matches that begin at these places, not overlapping."""
    end = 0
    for place in places:
        if place < end:
            continue
        found = compiled.match(data, place, last)
        if found is not None:
            yield found
            end = found.end()
