# SPDX-License-Identifier: Apache-2.0
"""A file as the families of bearers look at it: its path in parts, its text, the leaves of its maps and lists."""

import codecs
import posixpath
import re
from functools import cached_property
from typing import Final

from scanner.model import Confidence, Secret, Span
from scanner.sops.bearers.tree import Tree, read_tree
from scanner.sops.rules import Problem
from scanner.sops.standin import strength
from scanner.sops.stores.text import has_too_many_entries

ENCRYPT: Final = "sops encrypt -i {file}, then rotate what it held"
REMOVE: Final = "git rm --cached {file}, add it to .gitignore, and rotate the secret"

_BOMS: Final = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_STRUCTURED: Final = (".yaml", ".yml", ".json", ".tpl", ".tmpl", ".gotmpl", ".j2", ".erb", ".jsonc", ".json5", ".template")
_PROSE: Final = (".md", ".markdown", ".rst", ".adoc", ".mdx", ".org", ".html", ".htm")
_FIXTURE: Final = re.compile(r"(?:^|/)(?:tests?|testdata|test[-_]data|fixtures?|__tests__|specs?|e2e|examples?|samples?|docs?)/")


class File:
    """One file; the text without byte order mark, in whichever of UTF-8, UTF-16 and Latin-1 it is.

    `lower` and `name` are path and file name in lower case.
    """

    def __init__(self, path: bytes, data: bytes) -> None:
        self.data = data
        self.path = path.decode("utf-8", "surrogateescape")
        self.lower = self.path.lower()
        self.name = posixpath.basename(self.lower)
        self.is_prose = self.name.endswith(_PROSE)
        self.is_fixture = _FIXTURE.search(self.lower) is not None
        self.text, self._encoding, self._base = _decode(data)

    @cached_property
    def is_structured(self) -> bool:
        """Whether it is YAML or JSON, or a template of it, by its name or its first character."""
        return self.name.endswith(_STRUCTURED) or self.text.lstrip()[:1] in ("{", "[")

    @cached_property
    def tree(self) -> Tree:
        """The leaves of a YAML or JSON file."""
        if has_too_many_entries(self.data):
            return Tree([], {}, {}, {}, parsed=False)  # what can be told line by line
        return read_tree(self.text)

    def span(self, start: int, end: int) -> Span:
        """Return where a part of the text stands, in bytes of the file."""
        first = self._base + len(self.text[:start].encode(self._encoding, "replace"))
        last = first + len(self.text[start:end].encode(self._encoding, "replace"))
        return Span(min(first, len(self.data)), min(last, len(self.data)))

    def problem(
        self, key: str, value: str, where: tuple[int, int], reason: str, confidence: Confidence = "high", *, weak: bool = False
    ) -> Problem:
        """Return a secret in clear text at a place of the text, believed less in documentation and in fixtures."""
        if self.is_prose:
            confidence = "low"
        elif self.is_fixture and confidence != "low":
            confidence = "low" if weak or confidence == "medium" else "medium"
        secret = Secret(value.encode("utf-8", "surrogatepass"))
        return Problem("sops-uncovered", reason, self.span(*where), _shown(key), secret, confidence, ENCRYPT)


def _shown(key: str) -> str:
    """Return a leaf's path; a part that could be a secret itself is cut."""
    return ".".join(part[:4] + "…" if len(part) > 15 and strength(part) == "strong" else part for part in key[:300].split("."))


def _decode(data: bytes) -> tuple[str, str, int]:
    """Return text, encoding, and the length of the mark in front of it."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace"), encoding, len(mark)
    head = data[:64]
    if len(head) > 3 and 0 in head[:4]:
        for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if not any(head[first::2]) and all(head[1 - first :: 2]):
                return data.decode(encoding, "replace"), encoding, 0
    base = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        return data[base:].decode(), "utf-8", base
    except UnicodeDecodeError:
        return data[base:].decode("latin-1"), "latin-1", base
