# SPDX-License-Identifier: Apache-2.0
"""The prefilter's half of a pattern: its beginning, cut shortly after the first literals.

Hyperscan compiles a hundred whole patterns in a second and a hundred beginnings in hundredths of
one; a first run in a CI job has no cache, so compile time is start-up time. A beginning is a
necessary condition: every match of the pattern starts with a match of it. Look-around and anchors
are dropped (all of them only narrow), repeats are capped, groups lose their names.

The pattern is read with the parser of Python's own `re`, so there is no second grammar to keep.
"""

import functools
import re
import re._constants as c  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

# A literal of this many characters is rare enough to look for.
LITERAL: Final = 3
# A class of at most this many characters counts as one in a literal run.
FEW: Final = 8
# Characters kept after the literal: each divides the false hits by the size of its class, and costs time to compile.
# A prefix such as `ghp_` hardly stands anywhere by itself; the name of a key stands everywhere, until a value follows.
TAIL: Final = 4
LONG_TAIL: Final = 12
# Of an ending of several lengths so much is kept.
ENDING: Final = 8
# A counted repeat over more than this range becomes an uncounted one: for Hyperscan counting is what costs, and a hit
# that reaches too far is dropped by the confirming expression.
WIDE: Final = 4
EXACT: Final = 1 << 40
# A repeated group of at most this many characters in all is kept whole; after a larger one nothing is added.
SMALL: Final = 200


class Anchor(NamedTuple):
    """What Hyperscan looks for: an expression, and the least and greatest length of its matches.

    `lines` says whether a match may have the end of a line in it.
    A hit that ends at `end` belongs to a match of the whole pattern that starts between
    `end - longest` and `end - shortest`.
    """

    expression: str
    shortest: int
    longest: int
    lines: bool


class Width(NamedTuple):
    """The least and greatest length, in bytes, of a whole pattern's matches."""

    shortest: int
    longest: int


@functools.lru_cache(maxsize=1024)
def parse(pattern: str) -> Any:
    """Return a pattern as `re` parses it; each is looked at from several sides."""
    return parser.parse(pattern)


def check_look_behind(items: Any) -> None:
    """Raise `re.error` for a look-behind that is not of one length, which `re` would only notice when it compiles."""
    for op, value in items:
        if op in (c.ASSERT, c.ASSERT_NOT):
            if value[0] < 0 and len(set(value[1].getwidth())) > 1:
                raise re.error("look-behind requires fixed-width pattern")
            check_look_behind(value[1])
        elif op is c.SUBPATTERN:
            check_look_behind(value[3])
        elif op is c.BRANCH:
            for branch in value[1]:
                check_look_behind(branch)
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            check_look_behind(value[2])


def width(pattern: str) -> Width:
    """Return the length bounds of a pattern's matches; unbounded ones are enormous."""
    low, high = parse(pattern).getwidth()
    return Width(int(low), int(high))


@functools.lru_cache(maxsize=1024)
def anchor(pattern: str) -> Anchor:
    """Cut a pattern to its anchor.

    Raises `ValueError` where the pattern has no literal of `LITERAL` characters to be found by.
    """
    items, skipped = _skip_optional(list(parse(pattern)))
    cut = _Cut()
    cut.sequence(items)
    if not cut.anchored:
        raise ValueError(f"no literal of at least {LITERAL} characters in every match")
    exact = parser.parse("".join(cut.parts))
    low, high = exact.getwidth()
    return Anchor("".join(_one(op, value, WIDE) for op, value in exact), int(low), int(high) + skipped, _has_newline(exact))


def _has_newline(items: Sequence[tuple[Any, Any]]) -> bool:
    """Whether any part of these items can match the end of a line."""
    for op, value in items:
        if op is c.LITERAL:
            found = value == 10
        elif op in (c.NOT_LITERAL, c.IN, c.ANY):
            found = re.match(_class(op, value), "\n", re.ASCII) is not None
        elif op is c.SUBPATTERN:
            found = _has_newline(value[3])
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            found = _has_newline(value[2])
        elif op is c.BRANCH:
            found = any(_has_newline(branch) for branch in value[1])
        else:
            found = op is c.ATOMIC_GROUP and _has_newline(value)
        if found:
            return True
    return False


def stays_in_line(pattern: str) -> bool:
    """Whether whatever a pattern matches and looks at is within one line, with the ends of the lines at both sides."""
    items = parse(pattern)
    return not _has_newline(items) and not _looks_further(items)


def _looks_further(items: Sequence[tuple[Any, Any]]) -> bool:
    """Whether any look-around sees more than the next byte, and the end of a line may be in it."""
    for op, value in items:
        if op in (c.ASSERT, c.ASSERT_NOT):
            far = value[1].getwidth()[1] > 1
            found = (far and _has_newline(value[1])) or _looks_further(value[1])
        elif op is c.SUBPATTERN:
            found = _looks_further(value[3])
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            found = _looks_further(value[2])
        elif op is c.BRANCH:
            found = any(_looks_further(branch) for branch in value[1])
        elif op is c.ATOMIC_GROUP:
            found = _looks_further(value)
        else:
            found = op is c.GROUPREF_EXISTS or (op is c.AT and value in (c.AT_BEGINNING_STRING, c.AT_END_STRING))
        if found:
            return True
    return False


def _skip_optional(items: list[tuple[Any, Any]]) -> tuple[list[tuple[Any, Any]], int]:
    """Drop an optional beginning and return its greatest length: it does not change where a hit ends."""
    skipped = 0
    while items:
        op, value = items[0]
        if op is c.SUBPATTERN:
            items[:1] = list(value[3])
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT) and value[0] == 0:
            skipped += _longest(items[:1])
            del items[0]
        else:
            break
    return items, skipped


class _Cut:
    """Emits a pattern item by item until the anchor is long enough; `done` says that it is."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.run = 0  # length of the literal run that ends here
        self.anchored = False
        self.tail = TAIL  # characters still wanted after the literal
        self.done = False

    def sequence(self, items: Sequence[tuple[Any, Any]]) -> None:
        for op, value in items:
            if self.done:
                return
            self._item(op, value)

    def _item(self, op: Any, value: Any) -> None:
        if op is c.LITERAL:
            self._literal(value)
        elif op in (c.NOT_LITERAL, c.IN, c.ANY):
            self._single(_class(op, value), literal=op is c.IN and _choices(value) <= FEW)
        elif op is c.SUBPATTERN:
            self.sequence(list(value[3]))
        elif op is c.ATOMIC_GROUP:
            self.sequence(list(value))
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            self._repeat(*value)
        elif op is c.BRANCH:
            self._branch(value[1])
        elif op is c.AT:
            if value is c.AT_BOUNDARY:
                self.parts.append(r"\b")
        elif op in (c.ASSERT, c.ASSERT_NOT):
            pass  # narrows only
        else:
            raise ValueError(f"{str(op).lower()} cannot be used in a rule")

    def _literal(self, code: int) -> None:
        # The rest of a literal run costs nothing: the longer, the rarer.
        if self.anchored and not self.run:
            self._spend(1)
        self.parts.append(_escape(code))
        self._grow()

    def _single(self, expression: str, *, literal: bool) -> None:
        """Emit a class; one of few characters goes on with a literal run, as in `xox[bp]-`."""
        if self.anchored and not (literal and self.run):
            self._spend(1)
        self.parts.append(expression)
        if literal:
            self._grow()
        else:
            self.run = 0

    def _grow(self) -> None:
        """Note one more character of a literal run; a run of the shortest length is a word of many texts."""
        self.run += 1
        if self.run >= LITERAL and not (self.anchored and self.tail < TAIL):
            self.anchored = True
            self.tail = LONG_TAIL if self.run == LITERAL else TAIL

    def _spend(self, count: int) -> None:
        self.tail -= count
        self.done = self.tail <= 0

    def _repeat(self, low: int, high: int, body: Any) -> None:
        items = list(body)
        simple = len(items) == 1 and items[0][0] in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY)
        if self.anchored:
            if simple and low >= self.tail:
                self.parts.append(_one(*items[0]) + _count(self.tail, self.tail))
                self.done = True
                return
            if simple and low >= LITERAL and high > low:
                low = min(low, ENDING)
                self.parts.append(_one(*items[0]) + _count(low, low))
                self.done = True
                return
            if not simple and _longest(items) * high > SMALL:
                # Costly to carry on with, and the literals are found already.
                self.done = True
                return
        if low == high == 1:
            self.sequence(items)
            return
        self.run = 0
        self.parts.append(_whole(items) + _count(low, high))
        if self.anchored and low == 0:
            self.tail = max(self.tail, LONG_TAIL)
        if self.anchored:
            self._spend(low)
        elif low and len(items) >= LITERAL and all(op is c.LITERAL for op, _ in items):
            self.anchored = True

    def _branch(self, branches: Sequence[Any]) -> None:
        cuts = []
        for branch in branches:
            cut = _Cut()
            cut.anchored, cut.tail = self.anchored, self.tail
            cut.run = self.run
            cut.sequence(list(branch))
            cuts.append(cut)
        self.parts.append("(?:" + "|".join("".join(cut.parts) for cut in cuts) + ")")
        self.run = min(cut.run for cut in cuts)
        self.anchored = all(cut.anchored for cut in cuts)
        self.tail = max(cut.tail for cut in cuts)
        # An alternative that was cut cannot be followed by what follows the whole of it.
        self.done = any(cut.done for cut in cuts)


def _choices(members: Sequence[tuple[Any, Any]]) -> int:
    """Return how many characters a class stands for; a negated or named class for very many."""
    count = 0
    for kind, item in members:
        count += 1 if kind is c.LITERAL else item[1] - item[0] + 1 if kind is c.RANGE else 256
    return count


def _longest(items: Sequence[tuple[Any, Any]]) -> int:
    return int(parser.parse("".join(_one(op, value) for op, value in items)).getwidth()[1])


def _whole(items: Sequence[tuple[Any, Any]], wide: int = EXACT) -> str:
    """Return items unabridged, as one unit that a count can follow."""
    if len(items) == 1 and items[0][0] in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY):
        return _one(*items[0], wide)
    return "(?:" + "".join(_one(op, value, wide) for op, value in items) + ")"


def _one(op: Any, value: Any, wide: int = EXACT) -> str:
    """Return an item unabridged, but for repeats over a wider range than `wide`, which lose their upper bound."""
    if op is c.LITERAL:
        return _escape(value)
    if op in (c.NOT_LITERAL, c.IN, c.ANY):
        return _class(op, value)
    if op is c.SUBPATTERN:
        return _whole(list(value[3]), wide)
    if op is c.ATOMIC_GROUP:
        return _whole(list(value), wide)
    if op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        low, high, body = value
        unbounded = high is not c.MAXREPEAT and high - low > wide
        return _whole(list(body), wide) + _count(low, c.MAXREPEAT if unbounded else high)
    if op is c.BRANCH:
        return "(?:" + "|".join("".join(_one(op_, value_, wide) for op_, value_ in branch) for branch in value[1]) + ")"
    if op is c.AT:
        return r"\b" if value is c.AT_BOUNDARY else ""
    if op in (c.ASSERT, c.ASSERT_NOT):
        return ""
    raise ValueError(f"{str(op).lower()} cannot be used in a rule")


def _count(low: int, high: int) -> str:
    if high is c.MAXREPEAT:
        return "*" if low == 0 else f"{{{low},}}"
    return f"{{{low}}}" if low == high else f"{{{low},{high}}}"


def _escape(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() and code < 128 else f"\\x{code:02x}"


_CATEGORIES: Final = {
    c.CATEGORY_DIGIT: r"\d",
    c.CATEGORY_NOT_DIGIT: r"\D",
    c.CATEGORY_SPACE: r"\s",
    c.CATEGORY_NOT_SPACE: r"\S",
    c.CATEGORY_WORD: r"\w",
    c.CATEGORY_NOT_WORD: r"\W",
}


def _class(op: Any, value: Any) -> str:
    if op is c.ANY:
        return r"[^\n]"
    if op is c.NOT_LITERAL:
        return f"[^{_escape(value)}]"
    parts = []
    for kind, item in value:
        if kind is c.NEGATE:
            parts.append("^")
        elif kind is c.LITERAL:
            parts.append(_escape(item))
        elif kind is c.RANGE:
            parts.append(f"{_escape(item[0])}-{_escape(item[1])}")
        elif kind is c.CATEGORY:
            parts.append(_CATEGORIES[item])
    return "[" + "".join(parts) + "]"
