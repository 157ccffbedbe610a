# SPDX-License-Identifier: Apache-2.0
"""JSON as RFC 8259 has it, token by token: one object, every key once, nothing before and nothing behind.

The binary store is JSON too, `{"data": …, "sops": …}` (getsops/sops `stores/json/store.go`).
"""

import re
from contextlib import suppress
from typing import Final, NoReturn

from scanner.model import Span
from scanner.sops.content import Content, ValueType
from scanner.sops.rules import Problem
from scanner.sops.stores.builder import Builder, ReadingStopped
from scanner.sops.stores.text import Text

_TOKEN: Final = re.compile(
    r'[ \t\r\n]*+(?:("[^"\\\x00-\x1f]*+(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*+)*+")'
    r"|([{}\[\],:])"
    r"|(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)(?![0-9A-Za-z_.+-])"
    r"|(true|false|null)(?![0-9A-Za-z_])"
    r"|(\Z))"
)
_SPACE: Final = re.compile(r"[ \t\r\n]*+")
_LINE: Final = re.compile(r"[^\r\n]*+")
_STRING, _MARK, _NUMBER, _WORD, _END = 1, 2, 3, 4, 5
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_INT_DIGITS: Final = 19

# What may come next.
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COLON, _COMMA_OR_END, _NOTHING, _MISFIT = range(8)


def read_json(data: bytes) -> Content:
    """Read a JSON file. A number without fraction that fits into 64 bits is an `int`, as SOPS has it from 3.13.2."""
    return _read(data).content("json")


def read_binary(data: bytes) -> Content:
    """Read what the binary store writes; other keys than its two are problems."""
    builder = _read(data)
    seen = set()
    for item in builder.items:
        key = item.path[0] if item.path else ""
        if (key != "data" or item.kind != "value" or len(item.path) != 1) and key not in seen:
            seen.add(key)
            builder.problems.append(
                Problem("sops-hidden-text", "A key beside `data`; the binary store has no other", item.scalar.span, key)
            )
    return builder.content("binary")


def _read(data: bytes) -> Builder:
    text = Text(data)
    builder = Builder(text)
    if text.marked:
        builder.problems.append(Problem("sops-malformed", "A byte order mark, which JSON must not have", Span(0, text.at(0))))
    with suppress(ReadingStopped):
        _parse(builder, text.text)
    if text.bad_at >= 0:
        builder.problems.append(Problem("sops-malformed", "It is not UTF-8", Span(text.bad_at, len(data))))
    return builder


def _parse(builder: Builder, text: str) -> None:
    """Walk the tokens by what may come next; whatever does not fit ends it with a problem."""
    builder.begin_document()
    expected, position = _VALUE, 0
    while True:
        token = _TOKEN.match(text, position)
        kind = token.lastindex if token else None
        if token is None or kind is None:
            _stop(builder, text, position, expected)
        start, position = token.span(kind)
        if kind == _END:
            if expected != _NOTHING:
                builder.malformed("It ends before the JSON does", start, start)
            return
        word = token[kind]
        if kind == _STRING and expected in (_KEY, _KEY_OR_END):
            builder.scalar(_string(builder, text, start, position), "str", start, position)
            following = _COLON
        elif kind != _MARK and expected in (_VALUE, _VALUE_OR_END):
            value = _string(builder, text, start, position) if kind == _STRING else word
            builder.scalar(value, _type(kind, word), start, position)
            following = _COMMA_OR_END if builder.stack else _NOTHING
        elif kind == _MARK:
            following = _mark(builder, word, expected, start)
        else:
            following = _MISFIT
        if following == _MISFIT:
            _stop(builder, text, start, expected)
        expected = following


def _mark(builder: Builder, mark: str, expected: int, start: int) -> int:
    """Take a bracket, comma or colon; return what may come next, `_MISFIT` where it is out of place."""
    in_list = builder.frame.keys is None
    if mark in "{[" and expected in (_VALUE, _VALUE_OR_END):
        builder.open(start, start + 1, mark == "{")
        return _KEY_OR_END if mark == "{" else _VALUE_OR_END
    if mark == ":" and expected == _COLON:
        return _VALUE
    if mark == "," and expected == _COMMA_OR_END:
        return _VALUE if in_list else _KEY
    if (mark == "]" and in_list and expected in (_VALUE_OR_END, _COMMA_OR_END)) or (
        mark == "}" and not in_list and expected in (_KEY_OR_END, _COMMA_OR_END)
    ):
        builder.close(start, start + 1)
        return _COMMA_OR_END if builder.stack else _NOTHING
    return _MISFIT


def _type(kind: int, word: str) -> ValueType:
    if kind == _STRING:
        return "str"
    if kind == _WORD:
        return "null" if word == "null" else "bool"
    digits = word.lstrip("-")
    fits = digits.isdigit() and len(digits) <= _MAX_INT_DIGITS and -(1 << 63) <= int(word) < 1 << 63
    return "int" if fits else "float"


def _string(builder: Builder, text: str, start: int, end: int) -> str:
    """Resolve a string's escapes; halves of surrogate pairs become U+FFFD, as in Go."""
    if text.find("\\", start, end) < 0:
        return text[start + 1 : end - 1]
    import json

    try:
        value = json.loads(text[start:end])
    except ValueError:
        builder.malformed("It is not JSON: an escape that does not exist", start, end)
        raise ReadingStopped from None
    return _SURROGATE.sub("\ufffd", value)


def _stop(builder: Builder, text: str, position: int, expected: int) -> NoReturn:
    """Leave a text that is not JSON from here on."""
    space = _SPACE.match(text, position)
    start = space.end() if space else position
    line = _LINE.match(text, start)
    if expected == _NOTHING:
        builder.malformed("Text behind the JSON value", start, len(text))
    else:
        builder.malformed("It is not JSON from here on", start, line.end() if line else len(text))
    raise ReadingStopped
