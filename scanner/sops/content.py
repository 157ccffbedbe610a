# SPDX-License-Identifier: Apache-2.0
"""What a store's reader makes of a file: a flat stream of items in document order, and the metadata apart.

Nothing is constructed, so that nothing can be lost on the way: a duplicate key is two items, an alias is a
problem, a comment is an item. Every byte of the file is in an item, in the metadata, structure, or a problem.
"""

from typing import Literal, NamedTuple

from scanner.model import Span
from scanner.sops.rules import Problem

Store = Literal["yaml", "json", "dotenv", "ini", "binary"]
ValueType = Literal["str", "int", "float", "bool", "null", "time"]
ItemKind = Literal["value", "comment", "open", "close"]


class Scalar(NamedTuple):
    """One scalar: its text with quotes and escapes resolved, the type SOPS gives it, the bytes it stands in."""

    text: str
    type: ValueType
    span: Span


class Item(NamedTuple):
    """A piece of content. `path` are the map keys from the root; list items share their list's path.

    `value`: a leaf. `comment`: its text without the mark (`#`, `;`), path of the map or list that it stands in.
    `open` and `close` enclose a map or list below the root, for what comments reach; an empty one is both in turn.
    """

    kind: ItemKind
    path: tuple[str, ...]
    scalar: Scalar
    document: int = 0


class MapNode(NamedTuple):
    """A map of the metadata, with duplicates, in order."""

    entries: "tuple[tuple[Scalar, Node], ...]"
    span: Span


class ListNode(NamedTuple):
    """A list of the metadata."""

    entries: "tuple[Node, ...]"
    span: Span


Node = MapNode | ListNode | Scalar


class Content(NamedTuple):
    """A file as its store sees it.

    `metadata` holds the `sops` entry of each document that has one, in order; what the flat stores (dotenv, INI)
    write as `age__list_0__map_enc` is a tree here as well. `documents` counts documents, empty ones too.
    """

    store: Store
    items: tuple[Item, ...]
    metadata: tuple[Node, ...]
    documents: int
    problems: tuple[Problem, ...]
