# SPDX-License-Identifier: Apache-2.0
"""YAML as events of libyaml, and what lies in the gaps between them: comments, and structure that hides nothing.

SOPS expands aliases and merge keys when it writes (`stores/yaml/store.go`), so that a genuine file has no anchors,
aliases, directives or tags, but for two that go-yaml writes: `!!binary`, and `!!merge` for the text `<<`.
"""

import re
from contextlib import suppress
from typing import Any, Final, NamedTuple, cast

from scanner.model import Secret, Span
from scanner.sops.content import Content, Item, Scalar, ValueType
from scanner.sops.rules import Problem
from scanner.sops.stores.builder import Builder, ReadingStopped
from scanner.sops.stores.resolve import HINTS, resolve
from scanner.sops.stores.text import Text

_BREAKS: Final = "\r\n\x85\u2028\u2029"  # what libyaml and go-yaml end a line at
_STRUCTURE: Final = re.compile(r"[ \t\r\n:,?-]*+")
_COMMENT: Final = re.compile(rf"#[^{_BREAKS}]*+")
_UNKNOWN: Final = re.compile(r"[^ \t\r\n:,?#-]++")
_TO_LINE_START: Final = re.compile(rf"(?s:.*)[{_BREAKS}]")
_TO_LAST_INDICATOR: Final = re.compile(r"(?s:.*)[-:,?]")
_SAME_LINE: Final = re.compile(r"[ \t,]*+")
_PROPERTIES: Final = re.compile(rf"(?:[&!]\S*+(?:\s|#[^{_BREAKS}]*+)*+)++")
_SHORT_GAP: Final = 100
# How far down leaves are not worth counting the parts of their paths for `Builder`'s limit.
_USUAL_DEPTH: Final = 16
_USUAL_STYLES: Final = frozenset(("", '"', "'", None))
_BLOCK_STYLES: Final = frozenset("|>")
_BLOCK_HEADER: Final = re.compile(r"[|>][-+0-9]*+[ \t]*+")
_MERGE: Final = "!!merge <<"
_BINARY: Final = re.compile(r"!!binary +(?=[^\s#&!])")
_BINARY_TAG: Final = "tag:yaml.org,2002:binary"


class _Comment(NamedTuple):
    """Where a comment stands, in characters; `column` is -1 for one behind something else in its line."""

    start: int
    end: int
    column: int


def read_yaml(data: bytes) -> Content:
    """Read YAML of any number of documents. The text of `!!binary` is what it decodes to, as `surrogateescape` has it."""
    text = Text(data)
    reader = _Reader(text)
    with suppress(ReadingStopped):
        reader.read()
    content = reader.builder.content("yaml")
    if text.bad_at < 0:
        return content
    problem = Problem("sops-malformed", "Neither UTF-8 nor UTF-16 with its mark", Span(text.bad_at, len(data)))
    return content._replace(problems=(problem, *content.problems))


class _Reader:
    """Walks the events. `end`: what stands before it is accounted for; `value_end`: where the last leaf ends."""

    def __init__(self, text: Text) -> None:
        self.text = text.text
        self.builder = Builder(text)
        self.end = 0
        self.value_end = -1
        self.gaps = {""}  # what was found to be mere structure

    def read(self) -> None:
        """Take all events; what libyaml refuses ends it with a problem."""
        import yaml

        loader = cast("Any", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        handlers = {
            yaml.StreamStartEvent: self._stream,
            yaml.DocumentStartEvent: self._document_start,
            yaml.DocumentEndEvent: self._document_end,
            yaml.MappingStartEvent: self._open_map,
            yaml.MappingEndEvent: self._close,
            yaml.SequenceStartEvent: self._open_list,
            yaml.SequenceEndEvent: self._close,
            yaml.AliasEvent: self._alias,
            yaml.StreamEndEvent: self._stream,
        }
        try:
            next_event = loader(self.text).get_event
            while (event := next_event()) is not None:
                handler = handlers.get(type(event))
                if handler is None:
                    event = self._scalars(event, next_event)
                    handler = handlers[type(event)]
                handler(event)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            at = min(mark.index if mark else getattr(error, "position", 0), len(self.text))
            # libyaml's words are constant; those of PyYAML's own parser quote the text.
            why = (yaml.__with_libyaml__ and getattr(error, "problem", None)) or "syntax, or a character that it forbids"
            self.builder.malformed(f"It is not YAML: {why}", at, len(self.text))

    def _scalars(self, event: Any, next_event: Any) -> Any:
        """Take a run of scalars that stand in one map or list; return the event behind it.

        Nearly all of a file is this, which is why the usual case is spelled out here: a key or a leaf of a map, in a
        usual style, with nothing in front of it but structure that was seen before.
        """
        builder, text, gaps, frame, scalar_event = self.builder, self.text, self.gaps, self.builder.frame, type(event)
        new, add, span, document = tuple.__new__, builder.items.append, builder.text.span, builder.document
        shift = builder.text.shift
        path, keys = frame.path, frame.keys if frame.entries is None and len(frame.path) < _USUAL_DEPTH else None
        while type(event) is scalar_event:
            start, end, value, style = event.start_mark.index, event.end_mark.index, event.value, event.style
            if (
                keys is None
                or style not in _USUAL_STYLES
                or text[self.end : start] not in gaps
                or event.tag is not None
                or event.anchor is not None
            ):
                self._scalar(event)
                event = next_event()
                continue
            kind: ValueType = "str" if style or value[:1] not in HINTS else resolve(value)
            key = frame.key
            if key is None and kind == "str" and value not in keys:
                keys.add(value)
                frame.key = value
            elif key is None or (key == "sops" and not path):
                builder.scalar(value, kind, start, end)
            else:
                frame.key = None
                here = span(start, end) if shift is None else new(Span, (start + shift, end + shift))
                add(new(Item, ("value", (*path, key), new(Scalar, (value, kind, here)), document)))
                self.value_end = end
            self.end = end if end > start else max(end, self.end)
            event = next_event()
        return event

    def _stream(self, event: Any) -> None:
        self._gap(event.start_mark.index)

    def _document_start(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self.builder.begin_document()
        self._gap(start)
        if event.explicit and self.text[start:end] != "---":
            self.builder.hidden("A directive; SOPS writes none", start, end)
        self.end = max(end, self.end)

    def _document_end(self, event: Any) -> None:
        self._gap(event.start_mark.index)
        self.end = max(event.end_mark.index, self.end)

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        if start > self.end:
            self._gap(start)
        value, style = event.value, event.style
        kind: ValueType = "str" if style or value[:1] not in HINTS else resolve(value)
        if event.tag is not None or event.anchor is not None or style in _BLOCK_STYLES:
            value, kind = self._dressed(event, start, end, kind)
        builder = self.builder
        if end > start or builder.stack:  # else an empty document
            builder.scalar(value, kind, start, end)
        self.end = max(self.end, end)
        self.value_end = end

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self._gap(start)
        self.builder.hidden("An alias; SOPS expands them when it writes", start, end)
        self.builder.skip()
        self.end = end

    def _open_map(self, event: Any) -> None:
        self._open(event, mapping=True)

    def _open_list(self, event: Any) -> None:
        self._open(event, mapping=False)

    def _open(self, event: Any, mapping: bool) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        inside = self._gap_before_collection(start)
        if event.anchor is not None or event.tag is not None:
            self._undress(start, len(self.text))
        builder = self.builder
        outer = builder.frame
        frame = builder.open(start, end, mapping)
        if not event.flow_style:
            frame.column = event.start_mark.column
            # A list may begin in the column of its key; a comment there is the outer map's.
            frame.floor = frame.column + (not mapping and outer.keys is not None and outer.column == frame.column)
        for comment in inside:
            self._comment(comment)
        self.end = max(end, self.end)

    def _close(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self._gap(start, self.builder.frame.floor)
        self.builder.close(start, end)
        if end > start:
            self.end = max(end, self.end)

    def _dressed(self, event: Any, start: int, end: int, kind: ValueType) -> tuple[str, ValueType]:
        """Account for tag and anchor and for the header of a block scalar; return value and type under the tag."""
        value = event.value
        if event.tag is not None or event.anchor is not None:
            if self.text[start:end] == _MERGE:
                return value, "str"
            found = _BINARY.match(self.text, start, end)
            if found is not None and event.tag == _BINARY_TAG and event.anchor is None:
                start, value, kind = found.end(), _binary(value), "str"
            else:
                start = self._undress(start, end)
        if event.style in _BLOCK_STYLES:
            header = _BLOCK_HEADER.match(self.text, start, end)
            comment = header and _COMMENT.match(self.text, header.end(), end)
            if comment:
                self._comment(_Comment(*comment.span(), -1))
        return value, kind

    def _undress(self, start: int, stop: int) -> int:
        """Report anchor and tag; return where they end."""
        found = _PROPERTIES.match(self.text, start, stop)
        end = found.end() if found else start
        self.builder.hidden("An anchor or tag; SOPS writes none here, and they stay clear", start, end)
        return end

    # gaps

    def _gap(self, stop: int, floor: int = 0) -> None:
        """Account for what stands before `stop`, but leave comments that begin left of `floor` to the outer block."""
        if self._is_known(stop):
            return
        while (comment := self._next_comment(stop)) is not None:
            if 0 <= comment.column < floor:
                return
            self._comment(comment)
            self.end = comment.end

    def _gap_before_collection(self, stop: int) -> list[_Comment]:
        """Account for what stands before a map or list; return the comments that stand in it already.

        For SOPS that is those on lines of their own behind the `:` or `-` that introduces it.
        """
        if self._is_known(stop):
            return []
        begin, introduced, comments = self.end, self.end, []
        while True:
            comment = self._next_comment(stop)
            found = _TO_LAST_INDICATOR.match(self.text, begin, comment.start if comment else stop)
            introduced = found.end() if found else introduced
            if comment is None:
                break
            comments.append(comment)
            begin = self.end = comment.end
        inside = [comment for comment in comments if comment.column >= 0 and comment.start >= introduced]
        for comment in comments[: len(comments) - len(inside)]:
            self._comment(comment)
        return inside

    def _is_known(self, stop: int) -> bool:
        """Pass a gap that is like one that was seen before. A long one is not even cut out, as many blocks may end there."""
        if stop - self.end >= _SHORT_GAP or self.text[self.end : stop] not in self.gaps:
            return False
        self.end = max(stop, self.end)
        return True

    def _next_comment(self, stop: int) -> _Comment | None:
        """Find the next comment in a gap; everything before it is accounted for then, but its own indentation."""
        text = self.text
        while True:
            begin = self.end
            found = _STRUCTURE.match(text, begin, stop)
            start = found.end() if found else begin
            if start >= stop:
                if stop - begin < _SHORT_GAP:
                    self.gaps.add(text[begin:stop])
                self.end = max(stop, begin)
                return None
            comment = _COMMENT.match(text, start, stop)
            if comment is not None:
                break
            unknown = _UNKNOWN.match(text, start, stop)
            self.end = unknown.end() if unknown else start + 1
            self.builder.hidden("Text that is no part of the YAML around it", start, self.end)
        line = _TO_LINE_START.match(text, begin, start)
        if line is not None:
            begin = self.end = line.end()
        own_line = begin == 0 or text[begin - 1] in _BREAKS
        return _Comment(start, comment.end(), start - begin if own_line else -1)

    def _comment(self, comment: _Comment) -> None:
        """Add a comment, before its leaf where it stands behind one in its line, as SOPS has it in its tree."""
        builder = self.builder
        words = self.text[comment.start + 1 : comment.end].rstrip(" \t")
        if builder.in_metadata:
            span = builder.text.span(comment.start, comment.end)
            reason = "A comment in the metadata; SOPS neither writes nor encrypts any there"
            builder.problems.append(Problem("sops-clear-comment", reason, span, "sops", Secret(words.encode())))
            return
        builder.comment(builder.frame.path, words, comment.start, comment.end)
        items = builder.items
        if comment.column < 0 and self.value_end >= 0 and len(items) > 1 and items[-2].kind == "value":
            found = _SAME_LINE.match(self.text, self.value_end, comment.start)
            if found is not None and found.end() == comment.start:
                items[-2:] = items[-1], items[-2]


def _binary(value: str) -> str:
    """Decode what go-yaml writes for text that is not UTF-8, without losing bytes."""
    import binascii

    try:
        return binascii.a2b_base64(value).decode("utf-8", "surrogateescape")
    except ValueError:
        return value
