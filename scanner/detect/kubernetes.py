# SPDX-License-Identifier: Apache-2.0
"""Kubernetes Secrets within content: every value under `data` and `stringData` of a map whose `kind` is Secret.

In YAML of several documents, in Lists, in templates of Helm's and what they give, and in JSON. Read by lines and by
brackets, not by a parser: a template is no YAML, and places must be exact. Source: the Kubernetes API, Secret v1.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from scanner.detect.context import read_context
from scanner.detect.decode import Run
from scanner.detect.judge import Verdict, placeholder
from scanner.detect.likeness import surprise, words_of
from scanner.detect.names import family_of
from scanner.detect.weigh import denial, weigh_at
from scanner.model import Span

# The API takes no larger Secret, so nothing of one stands further away than this.
REACH_BYTES: Final = 1 << 20


class Field(NamedTuple):
    """A value of a Secret: its name, where it stands, and what is below `data`, in base64, decoded."""

    name: bytes
    span: Span
    value: bytes
    is_encoded: bool


_Found = tuple[bytes, int, int, bool]


def read_fields(data: bytes, markers: Iterable[Span]) -> list[Field]:
    """Return the values of the Secrets whose `kind` stands at these places, each once, in order of place.

    What is read around each hangs on nothing further away than `REACH_BYTES`, and no map has a second `kind`: so one
    reading does not go over what another one reads, and the time grows with the content.
    """
    found: dict[Span, Field] = {}
    for marker in markers:
        low, high = max(0, marker.start - REACH_BYTES), min(len(data), marker.end + REACH_BYTES)
        for name, start, stop, is_encoded in _around(data, marker.start, low, high):
            field = _field(name, data[start:stop], Span(start, stop), is_encoded=is_encoded)
            if field is not None:
                found[field.span] = field
    return [found[span] for span in sorted(found)]


def _around(data: bytes, at: int, low: int, high: int) -> Iterable[_Found]:
    """Return what the Secret holds whose kind is named here."""
    quoted = _JSON_KIND.search(data, max(low, at - _KIND_BYTES), at + _KIND_BYTES)
    if quoted:
        start = _json_start(data, quoted.start(), low)
        return _in_json(data, start, high) if start >= 0 else ()
    line = next(_lines(data, data.rfind(b"\n", low, at) + 1 or low, high), None)
    return _in_yaml(data, line, low, high) if line is not None and line.key == b"kind" else ()


_JSON_KIND: Final = re.compile(rb'"kind"\s{0,8}:\s{0,8}"Secret"')
_KIND_BYTES: Final = 32
_LITERAL: Final = re.compile(rb"""\{\{-?\s*["'`]([^"'`{}\\]{3,300})["'`]\s*\|\s*b64enc\b""")
_BASE64: Final = re.compile(rb"[0-9A-Za-z+/]+={0,2}")


def _field(name: bytes, text: bytes, span: Span, *, is_encoded: bool) -> Field | None:
    if is_encoded and (literal := _LITERAL.search(text)):
        place = Span(span.start + literal.start(1), span.start + literal.end(1))
        return Field(name, place, literal[1], is_encoded=False)
    if not is_encoded:
        return Field(name, span, text, is_encoded=False) if text else None
    compact = b"".join(text.split())
    if len(compact) % 4 or not _BASE64.fullmatch(compact):
        return None
    decoded = binascii.a2b_base64(compact)
    # A line's end behind a value is what `echo` left there.
    return Field(name, span, decoded.strip(), is_encoded=True)


_HEAD: Final = re.compile(rb"[ ]*(?:-[ ]+)*(?P<quote>[\"']?)(?P<key>[\w./-]{1,253})(?P=quote)[ \t]*:(?=[ \t\r]|\Z)")
_SEPARATOR: Final = re.compile(rb"(?:---|\.\.\.)(?:\s|\Z)|[ \t]*```|[A-Z_]*EOF\s*\Z")
_BLOCK: Final = re.compile(rb"[|>][+-]?\d?[+-]?[ \t]*(?:#.*)?\r?\Z")
_FLOW_PAIR: Final = re.compile(rb"[\"']?([\w./-]{1,253})[\"']?[ \t]*:[ \t]+[\"']?([^\"',{}\r\n]+)")
# Comments, actions of templates and marks of a merge are no part of the structure.
_IGNORED: Final = (b"#", b"{{", b"<<<<", b">>>>", b"====")


class _Line(NamedTuple):
    """A line with something in it: where it begins and ends, where its key stands in it (-1 for none), what it says."""

    start: int
    end: int
    indent: int
    column: int
    key: bytes
    rest: int

    @property
    def begins_item(self) -> bool:
        return self.column > self.indent

    def is_kind(self, column: int) -> bool:
        """Whether it is a map's `kind`, its keys in this column."""
        return self.column == column and self.key == b"kind"


def _lines(text: bytes, start: int, end: int) -> Iterator[_Line | None]:
    """Yield the lines of a part of the text, None for the end of a document."""
    while start < end:
        stop = text.find(b"\n", start, end)
        stop = stop if stop >= 0 else end
        line = text[start:stop]
        bare = line.strip()
        if _SEPARATOR.match(line):
            yield None
        elif bare and not bare.startswith(_IGNORED):
            head = _HEAD.match(line)
            indent = len(line) - len(line.lstrip(b" "))
            if head:
                column = head.start("quote")
                yield _Line(start, stop, indent, column, head["key"], start + head.end())
            else:
                yield _Line(start, stop, indent, -1, b"", stop)
        start = stop + 1


def _in_yaml(text: bytes, kind: _Line, low: int, high: int) -> Iterator[_Found]:
    """Yield the values of the Secret that this line says the kind of."""
    above = [] if kind.begins_item else _above(text, kind.start, kind.column, low)
    block = [*above, kind, *_below(text, kind.end + 1, kind.column, high)]
    for number, line in enumerate(block):
        if line.column == kind.column and line.key in (b"data", b"stringData"):
            yield from _children(text, line, block[number + 1 :])


def _above(text: bytes, begin: int, column: int, low: int) -> list[_Line]:
    """Return the lines of a map before one of its own, from its first on."""
    found: list[_Line] = []
    while begin > low:
        start = max(low, text.rfind(b"\n", low, begin - 1) + 1)
        for line in _lines(text, start, begin):
            begins = line is not None and line.begins_item and line.column == column
            if line is None or (line.indent < column and not begins) or line.is_kind(column):
                return found[::-1]
            found.append(line)
            if begins:
                return found[::-1]
        begin = start
    return found[::-1]


def _below(text: bytes, begin: int, column: int, high: int) -> Iterator[_Line]:
    """Yield the lines of a map behind one of its own, to its last."""
    for line in _lines(text, begin, high):
        if line is None or line.indent < column or line.is_kind(column):
            return
        yield line


def _children(text: bytes, head: _Line, lines: Sequence[_Line]) -> Iterator[_Found]:
    """Yield what stands under `data` or `stringData`."""
    is_encoded = head.key == b"data"
    flow = text[head.rest : head.end]
    if b"{" in flow and b"{{" not in flow:
        for pair in _FLOW_PAIR.finditer(flow):
            yield pair[1], head.rest + pair.start(2), head.rest + pair.start(2) + len(pair[2].rstrip()), is_encoded
        return
    under = []
    for line in lines:
        if line.indent <= head.column:
            break
        under.append(line)
    column = next((line.column for line in under if line.key), -1)
    keys = [number for number, line in enumerate(under) if line.key and line.column == column]
    for number, after in pairwise([*keys, len(under)]):
        line = under[number]
        start, end = _scalar(text, line.rest, line.end)
        if _BLOCK.match(text[start:end]):
            if number + 1 == after:
                continue
            start, end = under[number + 1].start + under[number + 1].indent, under[after - 1].end
        elif start == end and after > number + 1:
            start, end = _scalar(text, under[number + 1].start, under[after - 1].end)
        if start < end:
            yield line.key, start, end, is_encoded


_TAG: Final = re.compile(rb"[ \t]*(?:![\w!]*[ \t]+)?")
_COMMENT: Final = re.compile(rb"[ \t]#.*")


def _scalar(text: bytes, start: int, end: int) -> tuple[int, int]:
    """Return where the value itself stands in what follows a key: without a tag, quotes and a comment."""
    tag = _TAG.match(text, start, end)
    start = tag.end() if tag else start
    quote = text[start : start + 1]
    if quote in (b'"', b"'"):
        close = text.find(quote, start + 1, end)
        return (start + 1, close) if close >= 0 else (start, start)
    piece = _COMMENT.sub(b"", text[start:end]).rstrip()
    return start, start + len(piece)


_TOKEN: Final = re.compile(rb'"((?:[^"\\]|\\.)*+)"|[{}\[\]:,]')


class _Map:
    """A JSON object as far as it was read: texts by key, and the objects in it."""

    __slots__ = ("inner", "key", "texts")

    def __init__(self) -> None:
        self.key = b""
        self.texts: list[tuple[bytes, int, int]] = []
        self.inner: dict[bytes, _Map] = {}


# No Secret has more maps within each other.
_DEEPEST: Final = 24


def _in_json(text: bytes, begin: int, high: int) -> Iterable[_Found]:
    """Return the values of the Secret that begins here."""
    stack: list[_Map | None] = []
    is_value = False
    for token in _TOKEN.finditer(text, begin, high):
        here = stack[-1] if stack else None
        sign = token[0][:1]
        if sign in (b"{", b"["):
            new = _Map() if sign == b"{" else None
            if here is not None and new is not None:
                here.inner[here.key] = new
            stack.append(new)
            if len(stack) > _DEEPEST:
                break
        elif sign in (b"}", b"]"):
            ended = stack.pop()
            if not stack:
                return _held(ended) if ended is not None else ()
        elif sign == b'"' and here is not None:
            if is_value:
                here.texts.append((here.key, token.start(1), token.end(1)))
            else:
                here.key = token[1]
        is_value = sign == b":"
    return ()


def _held(ended: _Map) -> Iterator[_Found]:
    for name in (b"data", b"stringData"):
        inner = ended.inner.get(name)
        for key, start, end in inner.texts if inner else ():
            if start < end:
                yield key, start, end, name == b"data"


# Texts and brackets of JSON that is read from its end: what escapes a quote stands behind it.
_BACKWARDS: Final = re.compile(rb'"(?:[^"]|"(?=\\))*+"|[{}\[\]]')


def _json_start(text: bytes, at: int, floor: int) -> int:
    """Return where the object begins whose `kind` stands here, at `floor` or later; -1 where it has another, or is none."""
    size = 4096
    while True:
        low = max(floor, at - size)
        depth = 0
        for token in _BACKWARDS.finditer(text[low:at][::-1]):
            sign = token[0]
            depth += (sign in (b"}", b"]")) - (sign in (b"{", b"["))
            if depth < 0:
                return at - token.end() if sign == b"{" else -1
            if not depth and sign == b'"dnik"':
                return -1
        if low == floor:
            return -1
        size *= 4


# What Secrets hold beside secrets.
_ORDINARY: Final = re.compile(
    rb"(?i).*(?:type|ur[il]|host|hostname|port|name|namespace|user|login|e?mail|region|bucket|database|db|project|endpoint"
    rb"|server|address|domain|engine|scheme|protocol|enabled?|provider|account|crt|cert|certificate|ca|known_hosts|path"
    rb"|cluster|org|group|role|issuer|version|pub|public\W?key|client\W?id|key\W?id|tenant\W?id|subscription\W?id|ttl|size)"
)
# Values of random letters and digits have more bits a letter, and are this long.
_RANDOM: Final = 5.0
_LONG: Final = 12


def judge_field(field: Field) -> Verdict:
    """Judge a value of a Secret: by its name where that says that it is one, else by its form."""
    value = field.value
    reason = placeholder(value)
    if reason or len(value) < _LEAST:
        return Verdict(None, reason or "it is too short")
    if b"\n" in value or not value.isascii() or value.startswith(b"-----BEGIN"):
        return Verdict(None, "what it holds is looked at by itself")
    why = "a value of a Kubernetes Secret" + (", whose data is only base64" if field.is_encoded else "")
    name = field.name.decode()
    words = tuple(words_of(name))
    if family_of(words) != "other":
        line = b'%s: "%s"' % (field.name, value.replace(b'"', b"'"))
        start = len(field.name) + 3
        denied = denial(read_context(line, start, start + len(value)))
        if denied:
            return Verdict(None, denied)
        level = weigh_at(line, start, start + len(value), "config", ()).confidence
        return Verdict("high" if level == "high" else "medium", f"{why}, under a telling name")
    if _ORDINARY.fullmatch(field.name):
        return Verdict(None, "its name says nothing of a secret")
    return Verdict("medium" if _looks_random(value.decode()) else "low", why)


def _looks_random(text: str) -> bool:
    mixed = any(c.isdigit() for c in text) and any(c.isalpha() for c in text)
    if len(text) < _LONG or not mixed or " " in text:
        return False
    return surprise(text) >= _RANDOM or _HEX.fullmatch(text) is not None


_LEAST: Final = 4
_HEX: Final = re.compile(r"[0-9a-f]+|[0-9A-F]+")


def run_of(field: Field) -> Run:
    """Return an encoded value as a run, for whoever looks into what it holds."""
    return Run(field.span.start, field.span.end, is_hex=False, alignments=(0,))
