# SPDX-License-Identifier: Apache-2.0
"""A pattern as a small tree that can be taken apart, measured and written down for Hyperscan.

The parser of Python's own `re` reads the pattern, so there is no second grammar to keep. What it gives is brought
to four kinds of nodes: groups are no more, classes are sets of bytes, and look-around is gone where it cannot be
had for nothing (it only narrows). A node is a tuple, a sequence a list of them:

    (SET, mask)                      one byte out of 256
    (REPEAT, low, high, nodes)
    (ALT, [nodes, ...])
    (EDGE, text)                     a boundary, or the beginning or end of a line
"""

import functools
import re
import re._constants as c  # type: ignore[import-not-found]
from collections.abc import Sequence
from typing import Any, Final

SET: Final = 0
REPEAT: Final = 1
ALT: Final = 2
EDGE: Final = 3
_BEHIND: Final = 4  # a look-behind, until what follows it is known

Node = tuple[Any, ...]
Nodes = list[Node]

BOUNDARY: Final[Node] = (EDGE, r"\b")
END: Final[Node] = (EDGE, "$")
_ANY: Final = (1 << 256) - 1
NEWLINE: Final = 1 << 10
_EDGES: Final = {
    c.AT_BOUNDARY: BOUNDARY,
    c.AT_BEGINNING: (EDGE, "^"),
    c.AT_BEGINNING_STRING: (EDGE, "^"),
    c.AT_END: END,
    c.AT_END_STRING: END,
}
# For Hyperscan counting is what costs: a repeat over a wider range than this has no upper bound there, and a hit
# that reaches too far is dropped by the confirming expression.
_WIDE: Final = 2
_MANY: Final = 1 << 32


def nodes_of(items: Sequence[tuple[Any, Any]]) -> Nodes:
    """Return a parsed pattern's nodes. Raises `ValueError` for what no rule may use."""
    nodes: Nodes = []
    barred = 0  # what the next byte may not be
    for op, value in items:
        if op is c.ASSERT_NOT and value[0] > 0:
            barred |= _single_bytes(value[1])
            continue
        found = _nodes(op, value)
        if found and barred:
            found[:1] = _without(found[0], barred)
        barred = barred if op is c.ASSERT else 0
        nodes += found
    for at in range(len(nodes) - 1, -1, -1):
        if nodes[at][0] == _BEHIND:
            nodes[at : at + 1] = [BOUNDARY] if nodes[at + 1 :] and not _first(nodes[at + 1]) & ~_WORD else []
    return nodes


def ending(items: Sequence[tuple[Any, Any]]) -> Nodes:
    """Return what a pattern wants to stand behind its matches, where it says so: the end of a line as an edge."""
    for op, value in reversed(items):
        if op is c.ASSERT and value[0] > 0:
            return _ended(nodes_of(value[1]))
        if op not in (c.ASSERT_NOT, c.ASSERT):
            break
    return []


def _nodes(op: Any, value: Any) -> Nodes:
    if op in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY):
        return [(SET, _mask(op, value))]
    if op is c.SUBPATTERN:
        if value[1] or value[2]:
            raise ValueError("flags inside a pattern cannot be used in a rule")
        return nodes_of(value[3])
    if op is c.ATOMIC_GROUP:
        return nodes_of(value)
    if op in (c.MAX_REPEAT, c.MIN_REPEAT, c.POSSESSIVE_REPEAT):
        body = nodes_of(value[2])
        return body if value[:2] == (1, 1) else [(REPEAT, int(value[0]), int(value[1]), body)]
    if op is c.BRANCH:
        return [(ALT, [nodes_of(branch) for branch in value[1]])]
    if op is c.AT:
        return [_EDGES[value]] if value in _EDGES else []
    if op is c.ASSERT_NOT:
        return [(_BEHIND,)] if _single_bytes(value[1]) & _WORD == _WORD else []
    if op is c.ASSERT:
        return []
    raise ValueError(f"{str(op).lower()} cannot be used in a rule")


def _mask(op: Any, value: Any) -> int:
    """Return the bytes that an item stands for, as a number with a bit for each."""
    if op is c.ANY:
        return _ANY & ~NEWLINE
    if op in (c.LITERAL, c.NOT_LITERAL):
        if value > 255:
            raise ValueError("a pattern is written in ASCII")
        bit = 1 << int(value)
        return bit if op is c.LITERAL else _ANY & ~bit
    mask, negated = 0, False
    for kind, item in value:
        if kind is c.NEGATE:
            negated = True
        elif kind is c.LITERAL:
            mask |= _mask(c.LITERAL, item)
        elif kind is c.RANGE:
            mask |= (_mask(c.LITERAL, item[1]) << 1) - (1 << item[0])
        else:
            mask |= _category(item)
    return _ANY & ~mask if negated else mask


@functools.lru_cache(maxsize=8)
def _category(name: Any) -> int:
    text = {
        c.CATEGORY_DIGIT: rb"\d",
        c.CATEGORY_NOT_DIGIT: rb"\D",
        c.CATEGORY_SPACE: rb"\s",
        c.CATEGORY_NOT_SPACE: rb"\S",
        c.CATEGORY_WORD: rb"\w",
        c.CATEGORY_NOT_WORD: rb"\W",
    }[name]
    return sum(1 << found[0] for found in re.findall(text, bytes(range(256))))


_WORD: Final = _category(c.CATEGORY_WORD)


def _single_bytes(items: Sequence[tuple[Any, Any]]) -> int:
    """Return the bytes of which each alone fulfils a look-around."""
    if len(items) != 1:
        return 0
    op, value = items[0]
    if op is c.BRANCH:
        return functools.reduce(int.__or__, (_single_bytes(branch) for branch in value[1]))
    if op is c.SUBPATTERN:
        return _single_bytes(value[3])
    return _mask(op, value) if op in (c.LITERAL, c.NOT_LITERAL, c.IN, c.ANY) else 0


def _without(node: Node, barred: int) -> Nodes:
    """Return a node whose first byte is none of these, where that can be said simply."""
    if node[0] == SET and node[1] & ~barred:
        return [(SET, node[1] & ~barred)]
    if node[0] == REPEAT and node[1] and is_class(node[3]):
        mask = node[3][0][1]
        if mask & barred and mask & ~barred:
            return [(SET, mask & ~barred), *repeat(node[1] - 1, node[2] - 1, node[3])]
    return [node]


def _first(node: Node) -> int:
    """Return the bytes that a node can begin with; all of them where that is not simple."""
    if node[0] == SET:
        return int(node[1])
    if node[0] == ALT and all(node[1]):
        return functools.reduce(int.__or__, (_first(branch[0]) for branch in node[1]))
    return _first(node[3][0]) if node[0] == REPEAT and node[1] and node[3] else _ANY


def _ended(nodes: Nodes) -> Nodes:
    """Return nodes in which the end of a line is an edge, not a byte."""
    return [_choice(_ways_to_end(node)) for node in nodes]


def _ways_to_end(node: Node) -> list[Nodes]:
    if node[0] == SET and node[1] & NEWLINE:
        rest = node[1] & ~NEWLINE
        return [[(SET, rest)], [END]] if rest else [[END]]
    if node[0] != ALT:
        return [[node]]
    ways: list[Nodes] = []
    for branch in node[1]:
        for way in _ways_to_end(branch[0]) if len(branch) == 1 else [_ended(branch)]:
            ways += [] if way in ways else [way]
    return ways


def _choice(ways: list[Nodes]) -> Node:
    return ways[0][0] if len(ways) == len(ways[0]) == 1 else (ALT, ways)


def repeat(low: int, high: int, nodes: Nodes) -> Nodes:
    """Return a repetition in as few nodes as it takes: none, the nodes, or one."""
    if high <= 0 or not nodes:
        return []
    return nodes if low == high == 1 else [(REPEAT, low, high, nodes)]


def is_class(nodes: Nodes) -> bool:
    """Whether the nodes are one class."""
    return len(nodes) == 1 and nodes[0][0] == SET


def span(nodes: Nodes) -> tuple[int, int]:
    """Return the least and greatest length of what the nodes match."""
    low = high = 0
    for node in nodes:
        if node[0] == SET:
            low, high = low + 1, high + 1
        elif node[0] == REPEAT:
            least, most = span(node[3])
            low, high = low + least * node[1], high + most * node[2]
        elif node[0] == ALT:
            spans = [span(branch) for branch in node[1]]
            low, high = low + min(least for least, _ in spans), high + max(most for _, most in spans)
    return low, high


def crosses(nodes: Nodes) -> bool:
    """Whether what the nodes match can have the end of a line in it."""
    for node in nodes:
        if node[0] == SET:
            found = bool(node[1] & NEWLINE)
        elif node[0] == REPEAT:
            found = crosses(node[3])
        elif node[0] == ALT:
            found = any(crosses(branch) for branch in node[1])
        else:
            found = False
        if found:
            return True
    return False


def goes_on(nodes: Nodes, *, first: bool = False, last: bool = False) -> bool:
    """Whether the end of a line can be anywhere but in the very first byte, or in the very last, where these are allowed."""
    for place, node in enumerate(nodes):
        begins = first and place == 0
        ends = last and place == len(nodes) - 1
        if node[0] == REPEAT and node[2] == 1:
            found = goes_on(node[3], first=begins, last=ends)
        elif node[0] == ALT:
            found = any(goes_on(branch, first=begins, last=ends) for branch in node[1])
        else:
            found = crosses([node]) and not (node[0] == SET and (begins or ends))
        if found:
            return True
    return False


def one_line(nodes: Nodes) -> Nodes | None:
    """Return the nodes without what goes over the end of a line, None where every match does."""
    kept: Nodes = []
    for node in nodes:
        if not crosses([node]):
            kept.append(node)
        elif node[0] == SET and node[1] & ~NEWLINE:
            kept.append((SET, node[1] & ~NEWLINE))
        elif node[0] == REPEAT:
            body = one_line(node[3])
            if body is None and node[1]:
                return None
            kept += repeat(node[1], node[2], body) if body else []
        elif node[0] == ALT:
            branches = [branch for branch in map(one_line, node[1]) if branch is not None]
            if not branches:
                return None
            kept.append((ALT, branches))
        else:
            return None
    return kept


def loosen(nodes: Nodes) -> Nodes:
    """Return nodes that match more and compile faster: quotes, blanks and signs next to one another in any order."""
    kept: Nodes = []
    run: Nodes = []
    for node in nodes:
        if _signs(node):
            run.append(node)
        else:
            kept += _loose(run)
            kept.append(_loosened(node))
            run = []
    return kept + _loose(run)


def _loosened(node: Node) -> Node:
    if node[0] == REPEAT:
        return (REPEAT, node[1], node[2], loosen(node[3]))
    return (ALT, [loosen(branch) for branch in node[1]]) if node[0] == ALT else node


def _loose(run: Nodes) -> Nodes:
    if len(run) < 2:
        return run
    signs = functools.reduce(int.__or__, map(_signs, run))
    return [(REPEAT, min(1, span(run)[0]), _MANY, [(SET, signs)])]


def _signs(node: Node) -> int:
    """Return the bytes of a node that has no word in it and no line's end, nothing for another one."""
    if node[0] == SET:
        return 0 if node[1] & (_WORD | NEWLINE) else int(node[1])
    inside = node[3] if node[0] == REPEAT else [each for branch in node[1] for each in branch] if node[0] == ALT else []
    masks = [_signs(each) for each in inside]
    return functools.reduce(int.__or__, masks) if masks and all(masks) else 0


def spell(nodes: Nodes) -> str:
    """Write nodes for Hyperscan."""
    return "".join(map(_spell, nodes))


def _spell(node: Node) -> str:
    if node[0] == SET:
        return _class(node[1])
    if node[0] == REPEAT:
        _, low, high, body = node
        text = _class(body[0][1]) if is_class(body) else f"(?:{spell(body)})"
        return text + _count(low, high)
    if node[0] == ALT:
        return f"(?:{'|'.join(map(spell, node[1]))})"
    return str(node[1])


def _count(low: int, high: int) -> str:
    if high - low > _WIDE:
        return "*" if low == 0 else f"{{{low},}}"
    return "?" if (low, high) == (0, 1) else f"{{{low}}}" if low == high else f"{{{low},{high}}}"


@functools.lru_cache(maxsize=4096)
def _class(mask: int) -> str:
    if mask == _ANY:
        return r"[\x00-\xff]"
    count = mask.bit_count()
    if count == 1:
        return _escape(mask.bit_length() - 1)
    return f"[{_ranges(mask)}]" if count <= 128 else f"[^{_ranges(_ANY & ~mask)}]"


def _ranges(mask: int) -> str:
    text, code = "", 0
    while mask >> code:
        size = 0
        while mask >> code & 1:
            code, size = code + 1, size + 1
        if size > 2:
            text += f"{_escape(code - size)}-{_escape(code - 1)}"
        else:
            text += "".join(_escape(each) for each in range(code - size, code))
        code += 1
    return text


def _escape(code: int) -> str:
    char = chr(code)
    return char if char.isalnum() and code < 128 else f"\\x{code:02x}"
