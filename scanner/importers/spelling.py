# SPDX-License-Identifier: Apache-2.0
"""Trees of other scanners' expressions, written as rules and settings have them: Python's `re`, for bytes, in ASCII."""

import itertools
from collections.abc import Iterator
from collections.abc import Sequence as Many
from typing import Final, NamedTuple

from scanner.importers.syntax import (
    ALL,
    DIGITS,
    NEWLINE,
    SPACE,
    WORD,
    Bytes,
    Choice,
    Edge,
    Group,
    NotReadError,
    Parsed,
    Repeat,
    Sequence,
    Tree,
    fold,
    mask_of,
)

# A pattern that can capture in more ways than this is not taken apart.
_MOST_WAYS: Final = 12
_NAMED: Final = {ALL: r"[\s\S]", ALL & ~NEWLINE: ".", DIGITS: r"\d", WORD: r"\w", SPACE: r"\s",
                 ALL & ~DIGITS: r"\D", ALL & ~WORD: r"\W", ALL & ~SPACE: r"\S"}  # fmt: skip
_CONTROLS: Final = {9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r"}
_SPECIAL: Final = frozenset(b".^$*+?{}[]\\|()")
_SPECIAL_IN_CLASS: Final = frozenset(b"]\\[^-&~|")
_UPPER: Final = mask_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Pattern(NamedTuple):
    """A rule's pattern and whether case is ignored; `group` is the number of the group that is the secret, 0 for all."""

    text: str
    ignore_case: bool
    group: int


def patterns_of(parsed: Parsed, group: int | None) -> list[Pattern]:
    """Return what together finds what the expression finds, with the group `secret` around the value.

    `group` is a number, 0 for the whole match, or None for the first group that has something in it; for all of the match
    where there are too many ways to that. Raises `NotReadError` for a group that is not there.
    """
    if group is not None:
        if group > parsed.groups:
            raise NotReadError(f"it has no group {group}")
        return [_pattern(parsed, parsed.tree, group)]
    ways = list(itertools.islice(_ways(parsed.tree), _MOST_WAYS + 1))
    if len(ways) > _MOST_WAYS:
        return [_pattern(parsed, parsed.tree, 0)]
    chosen = [_first_group(way) for way in ways]
    if len(set(chosen)) == 1:
        return [_pattern(parsed, parsed.tree, chosen[0])]
    return [_pattern(parsed, way, number) for way, number in zip(ways, chosen, strict=True)]


def search_text(parsed: Parsed) -> str:
    """Return the expression for a setting in which it is searched for in a value or a line, as UTF-8 bytes."""
    if parsed.folded and _case_blind(parsed.tree):
        return f"(?i:{_spell(parsed.tree, 0, blind=True, lines=False)})"
    return _spell(parsed.tree, 0, blind=False, lines=False)


def _pattern(parsed: Parsed, tree: Tree, group: int) -> Pattern:
    blind = parsed.folded and _case_blind(tree)
    text = _spell(tree, group, blind=blind, lines=True)
    return Pattern(text if group else f"(?P<secret>{text})", blind, group)


def _case_blind(tree: Tree) -> bool:
    """Whether every letter stands in both its cases."""
    return all(fold(mask) == mask for mask in _masks(tree))


def _masks(tree: Tree) -> Iterator[int]:
    if isinstance(tree, Bytes):
        yield tree.mask
    for part in _parts(tree):
        yield from _masks(part)


def _parts(tree: Tree) -> tuple[Tree, ...]:
    if isinstance(tree, Sequence):
        return tree.parts
    if isinstance(tree, Choice):
        return tree.branches
    return (tree.part,) if isinstance(tree, Repeat | Group) else ()


def groups_in(tree: Tree) -> list[Group]:
    """Return all groups, in the order of their numbers."""
    found = [tree] if isinstance(tree, Group) else []
    return found + [group for part in _parts(tree) for group in groups_in(part)]


def shortest(tree: Tree) -> int:
    """Return the least length of a match in bytes."""
    if isinstance(tree, Bytes):
        return 1
    if isinstance(tree, Repeat):
        return tree.low * shortest(tree.part)
    lengths = [shortest(part) for part in _parts(tree)]
    return min(lengths) if isinstance(tree, Choice) else sum(lengths)


def _first_group(tree: Tree) -> int:
    """Return the number of the first group that cannot be empty, else the first that need not be, 0 where there is none."""
    groups = [group for group in groups_in(tree) if any(True for _ in _masks(group))]
    filled = [group.number for group in groups if shortest(group)]
    return next(iter(filled or [group.number for group in groups]), 0)


def _ways(tree: Tree) -> Iterator[Tree]:
    """Yield trees that together match the same, in each of which every group takes part in every match."""
    if not groups_in(tree):
        yield tree
    elif isinstance(tree, Choice):
        plain = tuple(branch for branch in tree.branches if not groups_in(branch))
        for branch in tree.branches:
            yield from () if branch in plain else _ways(branch)
        if plain:
            yield plain[0] if len(plain) == 1 else Choice(plain)
    elif isinstance(tree, Sequence):
        for parts in itertools.product(*(list(itertools.islice(_ways(part), _MOST_WAYS + 1)) for part in tree.parts)):
            yield Sequence(parts)
    elif isinstance(tree, Group):
        part = tree.part
        if isinstance(part, Repeat) and part.low == 0 and not groups_in(part):
            yield from (Group(tree.number, tree.name, part._replace(low=1)), Sequence(()))
        else:
            yield from (Group(tree.number, tree.name, way) for way in _ways(part))
    elif isinstance(tree, Repeat):
        for way in _ways(tree.part):
            yield Repeat(way, max(1, tree.low), tree.high, tree.lazy)
        if tree.low == 0:
            yield Sequence(())


def tells(tree: Tree, words: Many[str]) -> bool:
    """Whether one of these words, in whatever case, stands in every match, as far as can be seen."""
    return any(word.lower() in run for word in words if word for run in _runs(tree)) or any(
        all(tells(branch, words) for branch in choice.branches) for choice in _choices(tree)
    )


def _runs(tree: Tree) -> list[str]:
    """Return runs of letters that stand in every match, in lower case; a NUL where something else may be."""
    return _flat(tree).split("\0")


def _flat(tree: Tree) -> str:
    if isinstance(tree, Bytes):
        code = tree.mask.bit_length() - 1
        single = tree.mask.bit_count() == 1 or (tree.mask.bit_count() == 2 and fold(1 << code) == tree.mask)
        return chr(code).lower() if single and code < 128 else "\0"
    if isinstance(tree, Sequence):
        return "".join(map(_flat, tree.parts))
    if isinstance(tree, Group):
        return _flat(tree.part)
    if isinstance(tree, Repeat):
        return f"\0{_flat(tree.part)}\0" if tree.low else "\0"
    return "" if isinstance(tree, Edge) else "\0"


def _choices(tree: Tree) -> Iterator[Choice]:
    """Yield the choices that every match goes through."""
    if isinstance(tree, Choice):
        yield tree
    elif not isinstance(tree, Repeat) or tree.low:
        for part in _parts(tree):
            yield from _choices(part)


def _spell(tree: Tree, group: int, *, blind: bool, lines: bool) -> str:
    if isinstance(tree, Bytes):
        return _class(tree.mask, blind=blind)
    if isinstance(tree, Edge):
        return {r"\A": "^", r"\Z": "$"}.get(tree.kind, tree.kind) if lines else _text_edge(tree.kind)
    if isinstance(tree, Sequence):
        return "".join(_wrapped(part, group, blind=blind, lines=lines) for part in tree.parts)
    if isinstance(tree, Choice):
        return "|".join(_spell(branch, group, blind=blind, lines=lines) for branch in tree.branches)
    if isinstance(tree, Group):
        inside = _spell(tree.part, group, blind=blind, lines=lines)
        return f"(?P<secret>{inside})" if tree.number == group else f"(?:{inside})"
    part = _spell(tree.part, group, blind=blind, lines=lines)
    atom = part if isinstance(tree.part, Bytes | Group) else f"(?:{part})"
    return atom + _count(tree) + ("?" if tree.lazy and tree.low != tree.high else "")


def _text_edge(kind: str) -> str:
    return f"(?m:{kind})" if kind in "^$" else kind


def _wrapped(part: Tree, group: int, *, blind: bool, lines: bool) -> str:
    text = _spell(part, group, blind=blind, lines=lines)
    return f"(?:{text})" if isinstance(part, Choice) else text


def _count(repeat: Repeat) -> str:
    low, high = repeat.low, repeat.high
    simple = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((low, high))
    if simple:
        return simple
    return f"{{{low}}}" if low == high else f"{{{low},{'' if high is None else high}}}"


def _class(mask: int, *, blind: bool) -> str:
    """Write a class; where case is ignored, the letters in it are there in both cases, and are written in one."""
    if mask in _NAMED:
        return _NAMED[mask]
    if not mask:
        return r"[^\s\S]"
    left_out = _UPPER if blind else 0
    if (mask & ~left_out).bit_count() == 1:
        return _escape((mask & ~left_out).bit_length() - 1, _SPECIAL)
    return f"[{_members(mask, left_out)}]" if mask.bit_count() <= 128 else f"[^{_members(ALL & ~mask, left_out)}]"


def _members(mask: int, left_out: int) -> str:
    text = ""
    for name, shorthand in ((WORD, r"\w"), (SPACE, r"\s")):
        if mask & name == name:
            text, mask = text + shorthand, mask & ~name
    mask &= ~left_out
    code = 0
    while mask >> code:
        size = 0
        while mask >> code & 1:
            code, size = code + 1, size + 1
        first, last = _escape(code - size, _SPECIAL_IN_CLASS), _escape(max(code - 1, 0), _SPECIAL_IN_CLASS)
        if size > 2:
            text += f"{first}-{last}"
        else:
            text += "".join(_escape(each, _SPECIAL_IN_CLASS) for each in range(code - size, code))
        code += 1
    return text


def _escape(code: int, special: frozenset[int]) -> str:
    if code in _CONTROLS:
        return _CONTROLS[code]
    if code < 32 or code > 126:
        return f"\\x{code:02x}"
    return ("\\" if code in special else "") + chr(code)
