# SPDX-License-Identifier: Apache-2.0
"""The leaves of YAML, JSON, and templates of them.

They come from parser events, never from constructed documents: duplicate keys are two leaves, an alias is never
expanded, and a YAML file that breaks off is read document by document. Templates are read with each of their actions
as one opaque value.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple, cast

# libyaml takes time in proportion to the depth for every token; what is deeper than this is read as flow or as lines.
_MAX_DEPTH: Final = 200
# Keys beyond this depth are left out of a leaf's path, so that paths cannot grow with the square of a file.
_MAX_PATH: Final = 32
_DOCUMENTS: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_FLOW: Final = re.compile(
    r"\"(?>(?:[^\"\\]|\\.)*)(?:\"|\Z)|'(?>[^']*)(?:'|\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)|[{}\[\]:,]|[^\s{}\[\],:\"']+", re.DOTALL
)
_FLOW_START: Final = re.compile(r"(?>(?:\s+|//[^\n]*\n|/\*.*?\*/)*)[{\[]", re.DOTALL)
_ACTIONS: Final = {"{{": "}}", "{%": "%}", "<%": "%>"}
_ACTION: Final = re.compile(r"\{\{|\{%|<%")
# How far the ends of an action's line are looked for.
_MARGIN: Final = 256
_OPAQUE: Final = "\ue000"


class Leaf(NamedTuple):
    """A scalar: keys from its document's root (list items share their list's), text, offsets in the file's text.

    `map` and `owner` number the map that it stands in and the one whose `data` or `stringData` it belongs to (-1: none).
    """

    path: tuple[str, ...]
    text: str
    start: int
    end: int
    map: int
    owner: int
    tag: str

    @property
    def key(self) -> str:
        """The last key."""
        return self.path[-1] if self.path else ""


class Tree(NamedTuple):
    """The leaves in order, and how maps belong together.

    `parents` has each map's enclosing one, `merged` those that a merge key makes one with it, `lent` those that have a
    map as their data by an alias.
    """

    leaves: list[Leaf]
    parents: dict[int, int]
    merged: dict[int, list[int]]
    lent: dict[int, list[int]]
    parsed: bool


def read_tree(text: str) -> Tree:
    """Return the leaves of YAML, JSON or a template of them; of what does not parse, those that can be told."""
    plain = _without_actions(text) if _ACTION.search(text) else text
    reader = _Reader(text)
    if reader.feed(_yaml_events(plain)):
        return reader.tree(parsed=True)
    reader = _Reader(text)
    if _FLOW_START.match(plain):
        reader.feed(_flow_events(plain))
        return reader.tree(parsed=False)
    marks = [0, *(found.start() for found in _DOCUMENTS.finditer(plain)), len(plain)]
    parsed = True
    for start, end in pairwise(marks):
        parsed &= reader.feed(_yaml_events(plain[start:end]), start)
    return reader.tree(parsed=parsed)


def _without_actions(text: str) -> str:
    """Return the text with a template's actions replaced, character by character: blanks where they fill their lines."""
    pieces: list[str] = []
    position = 0
    closed = dict.fromkeys(_ACTIONS.values(), True)
    for found in _ACTION.finditer(text):
        closing = _ACTIONS[found[0]]
        if found.start() < position or not closed[closing]:
            continue
        end = text.find(closing, found.end())
        if end < 0:
            closed[closing] = False
            continue
        end += 2
        before = text[max(position, found.start() - _MARGIN) : found.start()].rpartition("\n")[2]
        alone = not (before + text[end : end + _MARGIN].partition("\n")[0]).strip(" \t\r-")
        filler = " " if alone else _OPAQUE
        pieces += (text[position : found.start()], re.sub(r"[^\n]", filler, text[found.start() : end]))
        position = end
    return "".join((*pieces, text[position:]))


# (kind, text, start, end, tag or anchor): kinds are those of parser events, in one letter.
_Event = tuple[str, str, int, int, str, str]


def _yaml_events(text: str) -> Iterator[_Event | None]:
    """Yield events, at last None where the text is no YAML or too deep."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    try:
        for event in cast("Iterator[Any]", yaml.parse(text, Loader=loader)):
            start, end = event.start_mark.index, event.end_mark.index
            if isinstance(event, yaml.ScalarEvent):
                yield "=", event.value, start, end, event.tag or "", event.anchor or ""
            elif isinstance(event, yaml.AliasEvent):
                yield "*", event.anchor or "", start, end, "", ""
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    yield None
                    return
                yield "{" if isinstance(event, yaml.MappingStartEvent) else "[", "", start, end, "", event.anchor or ""
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
                yield "}", "", start, end, "", ""
            elif isinstance(event, yaml.DocumentStartEvent):
                yield "-", "", start, end, "", ""
    except (yaml.YAMLError, ValueError, RecursionError):
        yield None


def _flow_events(text: str) -> Iterator[_Event | None]:
    """Yield the events of JSON that a YAML parser does not take, whatever else is wrong with it."""
    for found in _FLOW.finditer(text):
        word = found[0]
        if word in ("{", "["):
            yield word, "", *found.span(), "", ""
        elif word in ("}", "]"):
            yield "}", "", *found.span(), "", ""
        elif word not in (":", ",") and not word.startswith(("//", "/*")):
            yield "=", _unquoted(word), *found.span(), "", ""


def _unquoted(word: str) -> str:
    if word[0] not in "\"'" or len(word) < 2:
        return word
    if "\\" not in word:
        return word[1:-1]
    import json

    try:
        return str(json.loads(word, strict=False))
    except ValueError:
        return word[1:-1]


class _Frame:
    """A map or list that is being read."""

    __slots__ = ("is_map", "key", "number", "owner", "path")

    def __init__(self, number: int, path: tuple[str, ...], owner: int, *, is_map: bool) -> None:
        self.number, self.path, self.owner, self.is_map = number, path, owner, is_map
        self.key: str | None = None


class _Reader:
    """Makes leaves of events."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._leaves: list[Leaf] = []
        self._parents: dict[int, int] = {}
        self._merged: dict[int, list[int]] = {}
        self._lent: dict[int, list[int]] = {}
        self._count = 0
        self._stack: list[_Frame] = []
        self._scalars: dict[str, tuple[str, int, int]] = {}
        self._maps: dict[str, int] = {}

    def tree(self, *, parsed: bool) -> Tree:
        return Tree(self._leaves, self._parents, self._merged, self._lent, parsed)

    def feed(self, events: Iterator[_Event | None], base: int = 0) -> bool:
        """Take events whose offsets count from `base`; return whether they came to their end."""
        self._stack.clear()
        for event in events:
            if event is None:
                return False
            self._take(event, base)
        return True

    def _take(self, event: _Event, base: int) -> None:
        kind, text, start, end, tag, anchor = event
        if kind == "-":
            self._stack.clear()
            self._scalars.clear()
            self._maps.clear()
        elif kind in "{[":
            self._open(is_map=kind == "{", anchor=anchor)
        elif kind == "}":
            if self._stack:
                self._stack.pop()
            self._done()
        elif kind == "=":
            if anchor:
                self._scalars[anchor] = (text, start, end)
            self._scalar(text, base + start, base + end, tag)
        elif text in self._maps:
            self._join(self._maps[text])
            self._done()
        else:
            known = self._scalars.get(text)
            self._scalar(known[0] if known else "", base + start, base + end, "*")

    def _done(self) -> None:
        if self._stack and self._stack[-1].is_map:
            self._stack[-1].key = None

    def _here(self) -> tuple[tuple[str, ...], int, int]:
        """Return path, number of the map, and owner of what comes next."""
        if not self._stack:
            return (), -1, -1
        top = self._stack[-1]
        path, owner = top.path, top.owner
        if top.is_map and top.key is not None:
            if len(path) < _MAX_PATH:
                path = (*path, top.key)
            if top.key.lower() in ("data", "stringdata"):
                owner = top.number
        return path, top.number, owner

    def _open(self, *, is_map: bool, anchor: str) -> None:
        path, number, owner = self._here()
        if self._stack and self._stack[-1].is_map and self._stack[-1].key is None:
            self._stack[-1].key = ""  # a collection as a key
        self._count += 1
        if is_map or number < 0:
            self._parents[self._count] = number
            number = self._count
        if anchor:
            self._maps[anchor] = number
        self._stack.append(_Frame(number, path, owner, is_map=is_map))

    def _scalar(self, text: str, start: int, end: int, tag: str) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and top.is_map and top.key is None:
            top.key = text
            return
        path, number, owner = self._here()
        if _OPAQUE in text or _ACTION.search(text):
            text = self._text[start:end].strip().strip("\"'")
        self._leaves.append(Leaf(path, text, start, end, number, owner, tag))
        self._done()

    def _join(self, number: int) -> None:
        """Note what an alias of a map stands for."""
        if not self._stack:
            return
        top = self._stack[-1]
        if top.key == "<<":
            self._merged.setdefault(top.number, []).append(number)
            self._merged.setdefault(number, []).append(top.number)
        elif (top.key or "").lower() in ("data", "stringdata"):
            self._lent.setdefault(number, []).append(top.number)
