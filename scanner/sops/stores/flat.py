# SPDX-License-Identifier: Apache-2.0
"""Metadata as dotenv and INI write it, `age__list_0__map_enc`, back as a tree (getsops/sops `stores/flatten.go`)."""

import re
from collections.abc import Iterable
from typing import Final

from scanner.model import Span
from scanner.sops.content import ListNode, MapNode, Node, Scalar
from scanner.sops.rules import Problem

_SEPARATOR: Final = re.compile(r"__(map|list)_")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,5}")
_MAX_DEPTH: Final = 32
# Three for each recipient.
_MAX_ENTRIES: Final = 20_000

# A place in the tree while it grows: a leaf, or what is below by key or by index.
_Branch = dict["str | int", "_Branch | Scalar"]
_Names = dict[tuple["str | int", ...], Scalar]


def unflatten(entries: Iterable[tuple[Scalar, Scalar]], problems: list[Problem]) -> MapNode | None:
    """Return flattened keys and values as a map, None where there are none. What does not fit becomes a problem.

    The key of a node spans the whole flat key that brought it first.
    """
    root: _Branch = {}
    names: _Names = {}
    for number, (key, value) in enumerate(entries):
        if number >= _MAX_ENTRIES:
            span = Span(key.span.start, value.span.end)
            problems.append(Problem("sops-metadata", "More metadata than SOPS ever writes", span, "sops"))
            break
        reason = _place(root, names, key, value)
        if reason:
            problems.append(Problem("sops-metadata", reason, Span(key.span.start, value.span.end), f"sops.{key.text}"))
    return _map(root, names, ()) if root else None


def _steps(key: str) -> tuple[str | int, ...] | None:
    """Split a flat key; None for an index that is no number."""
    parts = _SEPARATOR.split(key)
    steps: list[str | int] = [parts[0]]
    for kind, name in zip(parts[1::2], parts[2::2], strict=True):
        if kind == "list" and not _INDEX.fullmatch(name):
            return None
        steps.append(int(name) if kind == "list" else name)
    return tuple(steps)


def _place(root: _Branch, names: _Names, key: Scalar, value: Scalar) -> str:
    """Put a value where its key says; return why that is not possible, or nothing."""
    steps = _steps(key.text)
    if steps is None or len(steps) > _MAX_DEPTH:
        return "A key that SOPS cannot have flattened"
    branch = root
    for depth, step in enumerate(steps):
        if any(isinstance(other, int) != isinstance(step, int) for other in _first(branch)):
            return "The same entry is a list and a map"
        names.setdefault(steps[: depth + 1], key._replace(text=str(step)))
        if depth == len(steps) - 1:
            if step in branch:
                return "The same entry stands twice"
            branch[step] = value
            return ""
        below = branch.setdefault(step, {})
        if isinstance(below, Scalar):
            return "The same entry is a value and has entries of its own"
        branch = below
    return ""


def _first(branch: _Branch) -> Iterable[str | int]:
    """Keys of one branch are of one kind, so that the first one speaks for all."""
    for key in branch:
        yield key
        return


def _node(below: "_Branch | Scalar", names: _Names, path: tuple[str | int, ...]) -> Node:
    if isinstance(below, Scalar):
        return below
    if isinstance(next(iter(below)), str):
        return _map(below, names, path)
    nodes = tuple(_node(below[index], names, (*path, index)) for index in sorted(below, key=int))
    return ListNode(nodes, _around(node.span for node in nodes))


def _map(branch: _Branch, names: _Names, path: tuple[str | int, ...]) -> MapNode:
    entries = tuple((names[(*path, key)], _node(below, names, (*path, key))) for key, below in branch.items())
    return MapNode(entries, _around(span for key, node in entries for span in (key.span, node.span)))


def _around(spans: Iterable[Span]) -> Span:
    starts, ends = zip(*spans, strict=True)
    return Span(min(starts), max(ends))
