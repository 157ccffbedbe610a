# SPDX-License-Identifier: Apache-2.0
"""Expressions that other scanners search for in paths, as globs that match the very same paths.

A glob knows a character, a class, `*` within a folder and `**` across folders. An expression of these, and of
alternatives and short counts of them, has an equal in a few globs; another one has none, and nothing near it is made up.
"""

import itertools
from collections.abc import Container, Iterable, Iterator
from typing import Final

from scanner.importers.syntax import ALL, NEWLINE, Bytes, Choice, Edge, Group, NotReadError, Parsed, Repeat, Sequence, Tree

# More globs than this for one expression help nobody.
_MOST: Final = 48
_MOST_REPEATED: Final = 8
_ANYTHING: Final = "**"
_SLASH: Final = 1 << ord("/")
_ANY: Final = (ALL, ALL & ~NEWLINE)
_ANY_BUT_SLASH: Final = (ALL & ~_SLASH, ALL & ~NEWLINE & ~_SLASH)
_BEGIN, _END = "\0begin", "\0end"


def globs_of(parsed: Parsed) -> tuple[str, ...]:
    """Return globs that match a path if and only if the expression is found in it. Raises `NotReadError`."""
    ways = list(itertools.islice(_ways(parsed.tree), _MOST + 1))
    globs = {glob: None for way in ways for glob in _globs(way)}
    if len(ways) > _MOST or len(globs) > _MOST:
        raise NotReadError(f"it would take more than {_MOST} globs")
    return tuple(dict.fromkeys(_anywhere(glob, globs) for glob in globs))


def _anywhere(glob: str, globs: Container[str]) -> str:
    """Return the glob for the top and for every folder below, where there is one for each."""
    below = "**/?*/"
    if below + glob.removeprefix("/") in globs:
        return "**/" + glob.removeprefix("/")
    name = glob.removeprefix(below)
    return "**/" + name if name != glob and (name in globs or "/" + name in globs) else glob


def _ways(tree: Tree) -> Iterator[list[str]]:
    """Yield what the tree matches as lists of parts of globs; the beginning and the end of the path are parts too."""
    if isinstance(tree, Bytes):
        yield from ([part] for part in _of_class(tree.mask))
    elif isinstance(tree, Edge):
        if tree.kind not in ("^", "$", r"\A", r"\Z"):
            raise NotReadError("globs know no boundaries of words")
        yield [_BEGIN if tree.kind in ("^", r"\A") else _END]
    elif isinstance(tree, Choice):
        for branch in tree.branches:
            yield from _ways(branch)
    elif isinstance(tree, Group):
        yield from _ways(tree.part)
    elif isinstance(tree, Sequence):
        for parts in itertools.product(*(_limited(_ways(part)) for part in tree.parts)):
            yield [each for part in parts for each in part]
    else:
        yield from _repeated(tree)


def _repeated(tree: Repeat) -> Iterator[list[str]]:
    part = tree.part.part if isinstance(tree.part, Group) else tree.part
    if tree.high is None and isinstance(part, Bytes):
        star = _ANYTHING if part.mask in _ANY else "*" if part.mask in _ANY_BUT_SLASH else ""
        if star:
            yield from ([*way, star] for way in _times(part, tree.low))
            return
    if tree.high is None or tree.high > _MOST_REPEATED:
        raise NotReadError("globs cannot count")
    for count in range(tree.low, tree.high + 1):
        yield from _times(tree.part, count)


def _times(part: Tree, count: int) -> Iterator[list[str]]:
    if count > _MOST_REPEATED:
        raise NotReadError("globs cannot count")
    for ways in itertools.product(_limited(_ways(part)), repeat=count):
        yield [each for way in ways for each in way]


def _limited(ways: Iterable[list[str]]) -> list[list[str]]:
    found = list(itertools.islice(ways, _MOST + 1))
    if len(found) > _MOST:
        raise NotReadError(f"it would take more than {_MOST} globs")
    return found


def _of_class(mask: int) -> list[str]:
    """Return globs for one character: a slash is none of a class of theirs, so it is one of its own."""
    slash = ["/"] if mask & _SLASH else []
    if mask in (*_ANY, *_ANY_BUT_SLASH):
        return ["?", *slash]
    mask &= ~_SLASH
    if not mask:
        return slash
    if mask >> 128:
        return [_negated(mask), *slash]
    members = "".join(chr(code) for code in range(128) if mask >> code & 1)
    if len(members) == 1:
        return [f"[{members}]" if members in "*?[" else members, *slash]
    if any(member in "]!-^" for member in members):
        # What means something in a class stands for itself outside.
        return [*(f"[{m}]" if m in "*?[" else m for m in members), *slash]
    return [f"[{_ranges(members)}]", *slash]


def _negated(mask: int) -> str:
    """Return a glob for all characters but a few; one of those beyond ASCII is none of the few."""
    members = "".join(chr(code) for code in range(128) if not mask >> code & 1 and chr(code) != "/")
    if mask >> 128 != ALL >> 128 or any(member in "]!-^" for member in members):
        raise NotReadError("globs know no such class")
    return f"[!{_ranges(members)}]"


def _ranges(members: str) -> str:
    text = ""
    for _, run in itertools.groupby(enumerate(members), lambda item: ord(item[1]) - item[0]):
        letters = [letter for _, letter in run]
        text += f"{letters[0]}-{letters[-1]}" if len(letters) > 2 else "".join(letters)
    return text


def _globs(way: list[str]) -> Iterator[str]:
    """Yield globs for one way: none where it can match no path."""
    begins, ends = way[:1] == [_BEGIN], way[-1:] == [_END]
    middle = [part for part in way if part not in (_BEGIN, _END)]
    if len(middle) + begins + ends < len(way):
        return
    parts = [*([] if begins else [_ANYTHING]), *middle, *([] if ends else [_ANYTHING])]
    for text in _joined([part for part, group in itertools.groupby(parts) for _ in _one_star(part, group)]):
        if "//" not in text and not text.startswith("/") and not text.endswith("/"):
            yield _written(text)


def _one_star(part: str, group: Iterator[str]) -> list[str]:
    return [part] if part == _ANYTHING else list(group)


def _joined(parts: list[str]) -> list[str]:
    """Return the parts as texts: before a slash `**` would stand for nothing as well, and take the slash with it."""
    texts = [""]
    for place, part in enumerate(parts):
        options = [part]
        if part == _ANYTHING and parts[place + 1 : place + 2] == ["/"]:
            # No path has an empty part: a slash has a name before it.
            options = ["**/?*"] if place == 0 else ["*", "*/**/?*"]
        texts = [text + option for text in texts for option in options]
        if len(texts) > _MOST:
            raise NotReadError(f"it would take more than {_MOST} globs")
    return texts


def _written(text: str) -> str:
    """Return the shortest glob for what a whole path looks like."""
    if text.startswith("**") and "/" not in text and _ANYTHING not in text[2:]:
        # Nothing but the end of a name.
        return "*" + text[2:] if text[2:] else "/**"
    if text.endswith("/**") and len(text) > len("/**"):
        text = text.removesuffix("**")
    return text if "/" in text else "/" + text
