# SPDX-License-Identifier: Apache-2.0
"""From a parser's events to items and metadata nodes: paths, duplicate keys, and the `sops` entry set apart.

YAML and JSON share it. Positions that come in count characters. Nothing recurses, and what a hostile file can make
of deep nesting is bounded: by depth, and by the number of path components that all items hold together.
"""

from typing import Final

from scanner.model import Span
from scanner.sops.content import Content, Item, ItemKind, ListNode, MapNode, Node, Scalar, Store, ValueType
from scanner.sops.rules import Problem
from scanner.sops.stores.text import Text

# Ends what is said of a document that was read and is none.
MAPS_ONLY: Final = "SOPS encrypts maps only"
_MAX_DEPTH: Final = 5_000
# `sops.key_groups[].kms[].context.x` is the deepest that SOPS writes; those who walk the metadata may recurse.
_MAX_METADATA_DEPTH: Final = 32
_MAX_PATH_PARTS: Final = 10_000_000


class ReadingStopped(Exception):  # noqa: N818 # not an error: the problem is recorded already
    """Raised to leave a file whose rest cannot be read."""


class Frame:
    """An open map or list. `keys` is None in a list, `key` None where a map expects one; `entries` are nodes of metadata.

    `column` and `floor` are the reader's: in which column a block stands, and how far left a comment in it may begin.
    """

    __slots__ = ("column", "entries", "floor", "is_key", "key", "key_scalar", "keys", "path", "start")

    def __init__(self, path: tuple[str, ...], mapping: bool, start: int) -> None:
        self.path = path
        self.keys: set[str] | None = set() if mapping else None
        self.key: str | None = None
        self.key_scalar: Scalar | None = None
        self.entries: list[tuple[Scalar | None, Node]] | None = None
        self.start = start
        self.column = self.floor = 0
        self.is_key = False


class Builder:
    """Takes events in document order; `content` is what came of them."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.items: list[Item] = []
        self.problems: list[Problem] = []
        self.metadata: list[Node] = []
        self.document = -1
        self.frame = Frame((), mapping=False, start=0)
        self.stack: list[Frame] = []
        self._parts = 0

    def content(self, store: Store) -> Content:
        """Return everything that was read."""
        return Content(store, tuple(self.items), tuple(self.metadata), self.document + 1, tuple(self.problems))

    def problem(self, rule: str, reason: str, start: int, end: int, key: str = "") -> None:
        """Record a violation."""
        self.problems.append(Problem(rule, reason, self.text.span(start, end), key))

    def malformed(self, reason: str, start: int, end: int) -> None:
        """Record that the text cannot be read as what it should be."""
        self.problem("sops-malformed", reason, start, end)

    def hidden(self, reason: str, start: int, end: int, key: str = "") -> None:
        """Record text in a place where SOPS writes none."""
        self.problem("sops-hidden-text", reason, start, end, key)

    def begin_document(self) -> None:
        """Begin the next document: whatever was open is not any more."""
        self.document += 1
        self.stack.clear()
        self.frame = Frame((), mapping=False, start=0)

    @property
    def in_metadata(self) -> bool:
        """Whether the next value belongs to the metadata."""
        frame = self.frame
        return frame.entries is not None or (frame.key == "sops" and len(self.stack) == 1)

    @property
    def expects_key(self) -> bool:
        """Whether the next event is a key of a map."""
        return self.frame.keys is not None and self.frame.key is None

    def scalar(self, value: str, kind: ValueType, start: int, end: int) -> None:
        """Take a key or a leaf, whichever is due."""
        frame = self.frame
        keys = frame.keys
        if keys is not None:
            key = frame.key
            if key is None:
                self._key(frame, keys, value, kind, self.text.span(start, end))
                return
            if frame.entries is None and not (key == "sops" and len(self.stack) == 1):
                frame.key = None
                self._item("value", (*frame.path, key), Scalar(value, kind, self.text.span(start, end)))
                return
        elif frame.entries is None:
            if not self.stack:
                self.malformed(f"The document is a single value; {MAPS_ONLY}", start, end)
            self._item("value", frame.path, Scalar(value, kind, self.text.span(start, end)))
            return
        self._node(frame, Scalar(value, kind, self.text.span(start, end)))

    def open(self, start: int, end: int, mapping: bool) -> Frame:
        """Enter a map or list; return its frame."""
        outer = self.frame
        if len(self.stack) >= _MAX_DEPTH:
            self.malformed("Nested deeper than any reader of it goes", start, end)
            raise ReadingStopped
        is_key = self.expects_key
        in_metadata = not is_key and self.in_metadata
        path = outer.path if outer.key is None else (*outer.path, outer.key)
        frame = Frame(path, mapping, start)
        frame.is_key = is_key
        if is_key:
            self.hidden("A key that is a map or list; SOPS writes no such keys", start, end, ".".join(path))
        if in_metadata:
            frame.entries = []
            if len(path) > _MAX_METADATA_DEPTH or len(self.stack) > _MAX_METADATA_DEPTH:
                self.malformed("Metadata nested deeper than SOPS writes any", start, end)
                raise ReadingStopped
        elif self.stack:
            self._item("open", path, Scalar("", "null", self.text.span(start, end)))
        elif not mapping:
            self.malformed(f"The document is a list; {MAPS_ONLY}", start, end)
        self.stack.append(outer)
        self.frame = frame
        return frame

    def close(self, start: int, end: int) -> None:
        """Leave the map or list that is open."""
        frame = self.frame
        outer = self.frame = self.stack.pop()
        if frame.entries is None:
            if self.stack:
                self._item("close", frame.path, Scalar("", "null", self.text.span(start, end)))
            outer.key = "" if frame.is_key else None
            return
        span = self.text.span(frame.start, end)
        if frame.keys is None:
            self._node(outer, ListNode(tuple(node for _, node in frame.entries), span))
        else:
            entries = tuple((key, node) for key, node in frame.entries if key is not None)
            self._node(outer, MapNode(entries, span))

    def skip(self) -> None:
        """Take a value or key that has no text of its own (an alias; its problem is recorded)."""
        self.frame.key = "" if self.expects_key else None

    def comment(self, path: tuple[str, ...], text: str, start: int, end: int) -> None:
        """Add a comment."""
        self.items.append(Item("comment", path, Scalar(text, "str", self.text.span(start, end)), max(self.document, 0)))

    def _item(self, kind: ItemKind, path: tuple[str, ...], scalar: Scalar) -> None:
        self._parts += len(path)
        if self._parts > _MAX_PATH_PARTS:
            self.problems.append(Problem("sops-malformed", "Nested too deeply for so many values", scalar.span))
            raise ReadingStopped
        self.items.append(Item(kind, path, scalar, self.document))

    def _key(self, frame: Frame, keys: set[str], key: str, kind: ValueType, span: Span) -> None:
        if key in keys:
            reason = "The key stands twice in one map; readers keep one of the two"
            self.problems.append(Problem("sops-hidden-text", reason, span, ".".join((*frame.path, key))))
        keys.add(key)
        if kind != "str":
            self.problems.append(Problem("sops-malformed", "A key that is not a string; SOPS cannot have written it", span))
        frame.key = key
        if frame.entries is not None:
            frame.key_scalar = Scalar(key, kind, span)

    def _node(self, frame: Frame, node: Node) -> None:
        """Put a piece of metadata where it belongs: into the node that is open, or down as the whole."""
        frame.key = None
        if frame.entries is None:
            self.metadata.append(node)
        else:
            frame.entries.append((frame.key_scalar, node))
