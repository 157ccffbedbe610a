# SPDX-License-Identifier: Apache-2.0
"""Templates that are no YAML before they are rendered (Helm, Jinja, ERB), seen line by line."""

import re
from collections.abc import Iterator
from typing import Final

from scanner.model import Span

_OPENINGS: Final = re.compile(r"\{\{|\{%|\{#|<%")
_CLOSINGS: Final = {"{{": "}}", "{%": "%}", "{#": "#}", "<%": "%>"}
_ENTRY: Final = re.compile(
    r"""[ \t]*+(?:-[ \t]++)*+(?:"([^"\n]*+)"|'([^'\n]*+)'|([^\s:#"'{}\[\]-][^\s:]*+|[^\s:]*))[ \t]*+:(?:[ \t]+|$)"""
)
_BLOCK: Final = re.compile(r"[|>][-+0-9]*+[ \t]*+(?:#.*)?")
# After them nothing is YAML. Makejinja's delimiters, for one, are anybody's choice.
_NAMES: Final = (b".j2", b".jinja", b".jinja2", b".tmpl", b".gotmpl", b".tpl", b".erb", b".mustache", b".hbs")
# `key: {{ value }}` without quotes is YAML, for a map whose key is a map, which nobody means.
_BARE: Final = re.compile(rb"^[ \t]*+(?:-[ \t]++)*+[\w.-]++:[ \t]++\{\{[^{}\n]*+\}\}[ \t\r]*+$", re.MULTILINE)
_COMMENT: Final = re.compile(r"(?:^|[ \t])#.*$")


def has_bare_actions(data: bytes) -> bool:
    """Return whether a file that may be YAML is a template all the same."""
    return _BARE.search(data) is not None


def is_template(path: bytes, data: bytes) -> bool:
    """Return whether a file that is no YAML is a template, by its name or by actions in it."""
    return path.lower().endswith(_NAMES) or any(opening in data for opening in (b"{{", b"{%", b"<%"))


def read_template(data: bytes) -> Iterator[tuple[str, str, Span]]:
    """Yield key, value and the value's bytes for each `key: value` whose value has text outside of template actions.

    Quotes and comments are taken off, actions cut out; the lines of a block scalar are one value.
    """
    text = _without_actions(data.decode("latin-1"))  # one character a byte, so that places need no counting
    lines = [(found.start(), found.group().rstrip("\r")) for found in re.finditer(r"[^\n]*", text) if found.group()]
    number = 0
    while number < len(lines):
        start, line = lines[number]
        number += 1
        found = _ENTRY.match(line)
        if found is None:
            continue
        key = next((name for name in found.groups() if name is not None), "")
        value = _COMMENT.sub("", line[found.end() :]).strip()
        end = start + len(line)
        if _BLOCK.fullmatch(value):
            value, end, number = _block(lines, number, _indent(line), end)
        else:
            value = _unquoted(value.replace(_CUT, "").strip())
        if value:
            yield _utf8(key.replace(_CUT, "")), _utf8(value), Span(start + found.end(), end)


# Stands for every character of an action; no text has it, so that it can be told from space.
_CUT: Final = "\0"


def _without_actions(text: str) -> str:
    """Blank out actions, those over several lines too; one that is never closed reaches to the end of its line."""
    parts: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while (opening := _OPENINGS.search(text, position)) is not None:
        mark = opening.group()
        close = -1 if mark in unclosed else text.find(_CLOSINGS[mark], opening.end())
        if close < 0:
            unclosed.add(mark)
            close = text.find("\n", opening.end())
            end = len(text) if close < 0 else close
        else:
            end = close + 2
        action = "\n".join(_CUT * len(line) for line in text[opening.start() : end].split("\n"))
        parts += (text[position : opening.start()], action)
        position = end
    parts.append(text[position:])
    return "".join(parts)


def _block(lines: list[tuple[int, str]], number: int, indent: int, end: int) -> tuple[str, int, int]:
    """Take the lines of a block scalar: those further right than its key. Return its text, its end, the next line."""
    taken: list[str] = []
    while number < len(lines) and (not lines[number][1].strip() or _indent(lines[number][1]) > indent):
        start, line = lines[number]
        taken.append(line.replace(_CUT, "").strip())
        end = start + len(line)
        number += 1
    return "\n".join(taken).strip(), end, number


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].strip()
    return value


def _utf8(text: str) -> str:
    return text.encode("latin-1").decode("utf-8", "replace")
