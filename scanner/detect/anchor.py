# SPDX-License-Identifier: Apache-2.0
"""The prefilter's half of a pattern: its beginning, cut where going on no longer pays.

Hyperscan compiles a hundred whole patterns in a second and a hundred beginnings in hundredths of one; a first run in
a CI job has no cache, so compile time is start-up time. A beginning is a necessary condition: every match of the
pattern starts with a match of it, or with one of its other beginnings.

What a hit hangs on is what has to be looked at where content changed. So a beginning stays within its line. Matches
that go on in the next line have beginnings of their own, which end with the first line, or soon after.
"""

import functools
import re
import re._constants as c  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from scanner.detect.nodes import (
    ALT,
    END,
    NEWLINE,
    REPEAT,
    SET,
    Node,
    Nodes,
    crosses,
    ending,
    goes_on,
    is_class,
    loosen,
    nodes_of,
    one_line,
    repeat,
    span,
    spell,
)

# A literal of this many characters is rare enough to look for.
LITERAL: Final = 3
# A class of at most this many characters counts as one in a literal run.
FEW: Final = 8
# Characters kept after the literal: each divides the false hits by the size of its class, and costs time to compile.
# A prefix as `access_` or the name of a key stands everywhere, until a value follows.
TAIL: Final = 8
# Of an ending of several lengths so much is kept where nothing can close it.
ENDING: Final = 8
# A hit hangs on at most so many bytes before it.
FAR: Final = 480
# By its last line a match is foreseen where that has so many bytes at least, of which so many are kept behind a literal.
RARE: Final = 24
LAST_TAIL: Final = 24
# A repeated group of at most this many characters in all is kept whole; after a larger one nothing is added.
SMALL: Final = 256
# What is looked for without a literal has so many characters at least.
SLOW: Final = 8
# What closes a value is kept up to this length.
CLOSING: Final = 16


class Anchor(NamedTuple):
    """What Hyperscan looks for: an expression, and the least and greatest length of its matches.

    A hit that ends at `end` belongs to a match of the whole pattern that starts between
    `end - longest` and `end - shortest`. It hangs on bytes of the line that it ends in, or on `near` bytes before its
    end, and on one behind.
    """

    expression: str
    shortest: int
    longest: int
    near: int


class Width(NamedTuple):
    """The least and greatest length, in bytes, of a whole pattern's matches."""

    shortest: int
    longest: int


@functools.lru_cache(maxsize=8192)
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


@functools.lru_cache(maxsize=8192)
def anchor(pattern: str, *, slow: bool = False) -> Anchor:
    """Cut a pattern to its anchor.

    Raises `ValueError` where the pattern has no literal of `LITERAL` characters to be found by; a slow one needs none, and
    is looked for whole where its matches are neither shorter than `SLOW` nor longer than `FAR`.
    """
    parsed = parse(pattern)
    nodes, skipped = _skip_optional(nodes_of(parsed) + ending(parsed))
    ways = _ways(nodes)
    near = 0
    if ways is None:
        # What goes over the end of a line stands before the first literal.
        cut = _Cut()
        cut.whole(nodes, slow=slow)
        ways = [_Way(cut.nodes, rare=cut.rare)]
        near = span(cut.nodes)[1] if crosses(cut.nodes) else 0
    texts = [spell(loosen(way.nodes) if way.rare else way.nodes) for way in ways]
    text = texts[0] if len(texts) == 1 else f"(?:{'|'.join(dict.fromkeys(texts))})"
    spans = [way.span() for way in ways]
    return Anchor(text, min(least for least, _ in spans), max(most for _, most in spans) + skipped, near)


def stays_in_line(pattern: str) -> bool:
    """Whether whatever a pattern matches and looks at is within one line, with the ends of the lines at both sides.

    So the end of the line before may be the first byte of a match, where nothing is looked at that stands before it.
    """
    items = parse(pattern)
    return not goes_on(nodes_of(items), first=not _looks_behind(items)) and not _looks_further(items)


def _assertions(items: Any) -> Iterator[tuple[bool, Any]]:
    """Yield all look-around, within each other too: whether it looks behind, and at what."""
    for op, value in items:
        if op in (c.ASSERT, c.ASSERT_NOT):
            yield value[0] < 0, value[1]
            yield from _assertions(value[1])
        elif op is c.SUBPATTERN:
            yield from _assertions(value[3])
        elif op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
            yield from _assertions(value[2])
        elif op is c.BRANCH:
            for branch in value[1]:
                yield from _assertions(branch)
        elif op is c.ATOMIC_GROUP:
            yield from _assertions(value)


def _looks_behind(items: Any) -> bool:
    return any(behind for behind, _ in _assertions(items))


def _looks_further(items: Any) -> bool:
    """Whether any look-around sees more than the end of a line."""
    return any(goes_on(nodes_of(seen), first=behind, last=not behind) for behind, seen in _assertions(items))


def _skip_optional(nodes: Nodes) -> tuple[Nodes, int]:
    """Drop an optional beginning and return its greatest length: it does not change where a hit ends."""
    skipped = 0
    while nodes and nodes[0][0] == REPEAT and nodes[0][1] == 0:
        skipped += span(nodes[:1])[1]
        nodes = nodes[1:]
    return nodes, skipped


class _Way(NamedTuple):
    """Nodes by which some of a pattern's matches are foreseen, and how many bytes of a match stand before them.

    `rare` says that they end in so much of a value that what stands before it need not be told exactly.
    """

    nodes: Nodes
    before: tuple[int, int] = (0, 0)
    rare: bool = False

    def span(self) -> tuple[int, int]:
        (low, high), (least, most) = self.before, span(self.nodes)
        return low + least, high + most


def _ways(nodes: Nodes) -> list[_Way] | None:
    """Return what together foresees every match, None where a way would have no literal."""
    cut = _Cut()
    places: list[int] = []
    calm: Nodes | None = []
    for place, node in enumerate(nodes):
        calm = one_line([node])
        before = len(cut.nodes)
        cut.sequence(calm or [])
        if crosses([node]) and (calm is None or len(cut.nodes) > before):
            places.append(place)
        if calm is None or cut.done:
            break
    ways = [_Way(cut.finish(), rare=cut.rare)] if calm is not None else []
    if places:
        last = _last_lines(nodes)
        # What follows a gap that may have a line's end in it follows one without as well.
        gap = any(crosses([node]) and (node[0] == SET or (node[0] == REPEAT and is_class(node[3]))) for node in nodes)
        ways = last if last and gap else ways + (last or _first_lines(nodes[: places[-1] + 1]))
    return ways if all(_has_literal(way.nodes) for way in ways) else None


def _has_literal(nodes: Nodes) -> bool:
    cut = _Cut()
    cut.sequence(nodes)
    return cut.anchored


def _first_lines(nodes: Nodes) -> list[_Way]:
    """Return ways to the matches that go over the end of a line, by what of them stands in their first one."""
    return [_Way([*part, END]) for part in _lines(nodes, last=False)]


def _last_lines(nodes: Nodes) -> list[_Way]:
    """Return ways to these matches by what of them stands in their last line, none where that is not rare enough."""
    ways = []
    for place, node in enumerate(nodes):
        low, high = span(nodes[:place])[0], span(nodes[: place + 1])[1]
        for part in _lines([node, *nodes[place + 1 :]], last=True, first=True):
            inside, _ = _skip_optional(part)
            cut = _Cut(LAST_TAIL)
            cut.sequence(inside)
            way = _Way(cut.finish(), (low, high), cut.rare)
            least, most = way.span()
            if least - low < RARE or most > FAR:
                return []
            ways.append(way)
    return ways


def _lines(nodes: Nodes, *, last: bool, first: bool = False) -> Iterator[Nodes]:
    """Yield the first or the last lines of what the nodes match, one for each place of a line's end next to it."""
    for place, node in enumerate(nodes[:1] if first else nodes):
        around = one_line(nodes[place + 1 :] if last else nodes[:place])
        if around is not None:
            for part in _lines_within(node, last=last):
                yield [*part, *around] if last else [*around, *part]


def _lines_within(node: Node, *, last: bool) -> Iterator[Nodes]:
    if node[0] == SET:
        if node[1] & NEWLINE:
            yield []
    elif node[0] == ALT:
        for branch in node[1]:
            yield from _lines(branch, last=last)
    elif node[0] == REPEAT:
        around = repeat(0, node[2] - 1, one_line(node[3]) or [])
        for part in _lines(node[3], last=last):
            yield [*part, *around] if last else [*around, *part]


def _tail(run: int) -> int:
    """Return how much of a value is kept behind a prefix of this length; a short one stands in many words."""
    return LAST_TAIL if run == LITERAL else max(16 - run, LITERAL + 1)


class _Cut:
    """Takes a pattern node by node until the anchor is long enough; `done` says that it is."""

    def __init__(self, tail: int = TAIL, longest: int = 0) -> None:
        self.nodes: Nodes = []
        self.longest = longest
        self.run = 0  # length of the literal run that ends here
        self.anchored = False
        self.tail = self.most = tail  # characters still wanted after the literal
        self.value = -1  # where a value stands that waits for what closes it
        self.done = False
        self.rare = False

    def whole(self, nodes: Nodes, *, slow: bool) -> None:
        self.sequence(nodes)
        if not self.anchored:
            shortest, longest = span(nodes)
            if not slow:
                raise ValueError(f"no literal of at least {LITERAL} characters in every match")
            if shortest < SLOW or longest > FAR:
                raise ValueError(f"no literal in every match, and a match is not of {SLOW} to {FAR} bytes")
        self.finish()

    def sequence(self, nodes: Nodes) -> None:
        for node in nodes:
            if self.done:
                return
            if self.value >= 0:
                self._close(node)
            elif node[0] == SET:
                self._set(node)
            elif node[0] == REPEAT:
                self._repeat(node)
            elif node[0] == ALT:
                self._branch(node[1])
            else:
                self._add(node)

    def finish(self) -> Nodes:
        """Return the anchor's nodes; a value that nothing closes has one length, or each further byte would be a hit."""
        if self.value >= 0 and not self.done:
            _, low, _, body = self.nodes[self.value]
            self.nodes[self.value :] = [(REPEAT, low, low, body)]
            self.done = True
        return self.nodes

    def _add(self, node: Node) -> None:
        self.nodes.append(node)
        self.longest += span([node])[1]

    def _set(self, node: Node) -> None:
        """Add a class; one of few characters goes on with a literal run, as in `xox[bp]-`."""
        few = node[1].bit_count() <= FEW
        # The rest of a literal run costs nothing: the longer, the rarer.
        if self.anchored and not (few and self.run) and self._spent(1):
            return
        self._add(node)
        self.run = self.run + 1 if few else 0
        if self.run >= LITERAL and not self.anchored:
            self.anchored, self.tail = True, self.most

    def _spent(self, count: int) -> bool:
        """Take from the tail; true where nothing is left of it, which is the end."""
        self.done = self.tail <= 0
        self.tail -= count
        return self.done

    def _repeat(self, node: Node) -> None:
        _, low, high, body = node
        simple = is_class(body)
        if self.anchored:
            if self.tail <= 0:
                self.done = True
                return
            if simple and low >= LITERAL and high > low:
                self._value(low, high, body)
                return
            if simple and low >= self.tail:
                low = min(low, _tail(self.run)) if self.run >= LITERAL else self.tail
                self._add((REPEAT, low, low, body))
                self.done, self.rare = True, low >= ENDING
                return
            size = span([node])[1]
            if self.longest + size > FAR or (size > SMALL and not simple):
                # Costly to carry on with, and the literals are found already.
                self.done = True
                return
        self.run = 0
        self._add(node)
        if self.anchored and (low == 0 or high - low > TAIL):
            # Behind a gap it begins anew.
            self.tail = self.most
        elif self.anchored:
            self.tail -= low
            self.done = self.tail <= 0
        elif low and len(body) >= LITERAL and all(each[0] == SET and each[1].bit_count() == 1 for each in body):
            self.anchored = True

    def _value(self, low: int, high: int, body: Nodes) -> None:
        if self.longest + high + CLOSING <= FAR:
            self.value = len(self.nodes)
            self._add((REPEAT, min(low, self.most), high, body))
        else:
            low = min(low, ENDING)
            self._add((REPEAT, low, low, body))
            self.done = True

    def _close(self, node: Node) -> None:
        """Add what stands behind a value."""
        if node[0] == REPEAT and node[1] and is_class(node[3]):
            node = node[3][0]
        if span([node])[1] > CLOSING:
            self.finish()
            return
        self._add(node)
        self.done = node[0] != REPEAT

    def _branch(self, branches: list[Nodes]) -> None:
        cuts = []
        for branch in branches:
            cut = _Cut(self.most, self.longest)
            cut.anchored, cut.tail, cut.run = self.anchored, self.tail, self.run
            cut.sequence(branch)
            cut.finish()
            cuts.append(cut)
        self._add((ALT, [cut.nodes for cut in cuts]))
        self.run = min(cut.run for cut in cuts)
        self.anchored = all(cut.anchored for cut in cuts)
        self.tail = max(cut.tail for cut in cuts)
        # An alternative that was cut cannot be followed by what follows the whole of it.
        self.done = any(cut.done for cut in cuts)
        self.rare = all(cut.rare for cut in cuts)
