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


def read_fields(data: bytes, markers: Iterable[Span]) -> list[Field]:
    """Return the values of the Secrets whose `kind` stands at these places (ascending), each once, in order of place.

    What was read for one of them is not read again for another one, so the time grows with the content.
    """
    found: dict[Span, Field] = {}
    json_end = 0
    yaml_ends: dict[int, int] = {}
    for marker in markers:
        at, low, high = marker.start, max(0, marker.start - REACH_BYTES), min(len(data), marker.end + REACH_BYTES)
        if _JSON_KIND.search(data, max(low, at - _KIND_BYTES), at + _KIND_BYTES):
            if at < json_end:
                continue
            values, json_end = _in_json(data, at, max(low, json_end))
        else:
            line = next(_lines(data, data.rfind(b"\n", low, at) + 1 or low, high), None)
            if line is None or line.key != b"kind" or at < yaml_ends.get(line.column, 0):
                continue
            values, yaml_ends[line.column] = _in_yaml(data, line, low, high)
        for name, start, stop, is_encoded in values:
            field = _field(name, data[start:stop], Span(start, stop), is_encoded=is_encoded)
            if field is not None:
                found[field.span] = field
    return [found[span] for span in sorted(found)]


_Found = tuple[bytes, int, int, bool]
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


_HEAD: Final = re.compile(rb"(?P<indent>[ ]*)(?P<dash>(?:-[ ]+)*)(?P<quote>[\"']?)(?P<key>[\w./-]{1,253})(?P=quote)[ \t]*:(?=[ \t\r]|\Z)")
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


def _in_yaml(text: bytes, kind: _Line, low: int, high: int) -> tuple[list[_Found], int]:
    """Return the values of the Secret that this line says the kind of, and where its map ends."""
    above = [] if kind.begins_item else _above(text, kind.start, kind.column, low)
    block = [*above, *_below(text, kind.start, kind.column, high)]
    found: list[_Found] = []
    for number, line in enumerate(block):
        if line.column == kind.column and line.key in (b"data", b"stringData"):
            found += _children(text, line, block[number + 1 :])
    return found, block[-1].end


def _above(text: bytes, begin: int, column: int, low: int) -> list[_Line]:
    """Return the lines of a map before one of its own, from its first on."""
    found: list[_Line] = []
    while begin > low:
        start = max(low, text.rfind(b"\n", low, begin - 1) + 1)
        for line in _lines(text, start, begin):
            begins = line is not None and line.begins_item and line.column == column
            if line is None or (line.indent < column and not begins):
                return found[::-1]
            found.append(line)
            if begins:
                return found[::-1]
        begin = start
    return found[::-1]


def _below(text: bytes, begin: int, column: int, high: int) -> Iterator[_Line]:
    """Yield the lines of a map from one of its own on, to its last."""
    first = True
    for line in _lines(text, begin, high):
        if line is None or (line.indent < column and not first):
            return
        yield line
        first = False


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


def _in_json(text: bytes, at: int, floor: int) -> tuple[list[_Found], int]:
    """Return the values of the Secrets in the JSON around a place that begins at `floor` or later, and where it ends."""
    found: list[_Found] = []
    stack: list[_Map | None] = []
    is_value = False
    end = at
    for token in _TOKEN.finditer(text, _json_start(text, at, floor)):
        here = stack[-1] if stack else None
        sign = token[0][:1]
        if sign in (b"{", b"["):
            new = _Map() if sign == b"{" else None
            if here is not None and new is not None:
                here.inner[here.key] = new
            stack.append(new)
        elif sign in (b"}", b"]"):
            ended = stack.pop() if stack else None
            found += _held(text, ended) if ended is not None else ()
            if not stack:
                end = max(at, token.end())
                break
        elif sign == b'"' and here is not None:
            if is_value:
                here.texts.append((here.key, token.start(1), token.end(1)))
            else:
                here.key = token[1]
        is_value = sign == b":"
        end = max(at, token.end())
    return found, end


def _held(text: bytes, ended: _Map) -> Iterator[_Found]:
    """Yield what an object holds that is a Secret."""
    if any(key == b"kind" and text[start:end] == b"Secret" for key, start, end in ended.texts):
        for name in (b"data", b"stringData"):
            inner = ended.inner.get(name)
            for key, start, end in inner.texts if inner else ():
                if start < end:
                    yield key, start, end, name == b"data"


def _json_start(text: bytes, at: int, floor: int) -> int:
    """Return where the JSON around a place begins: the bracket that opens its object, or the line that has it."""
    line = max(text.rfind(b"\n", floor, at) + 1, floor)
    if b"{" in text[line:at]:
        return text.index(b"{", line, at)
    indent = len(text[line:at]) - len(text[line:at].lstrip(b" \t"))
    while line > floor:
        start = max(text.rfind(b"\n", floor, line - 1) + 1, floor)
        bare = text[start:line].lstrip(b" \t")
        if b"{" in bare and line - start - len(bare) < max(indent, 1):
            return start + text[start:line].rindex(b"{")
        line = start
    return at


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
