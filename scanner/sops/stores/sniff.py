# SPDX-License-Identifier: Apache-2.0
"""Which store a file is of: by its name as SOPS decides, corrected by the metadata that it carries.

A name decides nothing for good: with `--input-type` any file may be of any store, and SOPS has no other memory of it.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from scanner.sops.content import Store

_EXTENSIONS: Final[tuple[tuple[bytes, Store], ...]] = (
    (b".yaml", "yaml"),
    (b".yml", "yaml"),
    (b".json", "json"),
    (b".env", "dotenv"),
    (b".ini", "ini"),
)
# From the word on: a key of a map, a flat entry, a section. What stands before it on its line is looked at apart.
_MENTION: Final = re.compile(rb"""sops(?:["']?[ \t\r\n]{0,300}+:|_\w{1,300}+[ \t]{0,300}+=|[ \t]{0,300}+\])""")
# Where each store keeps its metadata; for the foreign ones, at the very beginning of a line.
_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+\{")
_ENVELOPE: Final = re.compile(rb'\s*+\{\s*+"data"\s*+:\s*+"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+,\s*+"sops"\s*+:')
_JSON_KEY: Final = re.compile(rb'"sops"[ \t\r\n]*+:')
# From the beginning of a line.
_SIGNS: Final[Mapping[Store, re.Pattern[bytes]]] = {
    "yaml": re.compile(rb"""(?:\xef\xbb\xbf)?["']?sops["']?[ \t]*+:(?=\s)"""),
    "dotenv": re.compile(rb"sops_\w{1,300}+="),
    # No link of Markdown: [sops](https://…), [sops][1], [sops]: https://…
    "ini": re.compile(rb"[ \t\r\f\v]*+\[sops\](?![(\[:])"),
}
# How far from the beginning of its line the word can stand in a sign.
_MAX_INDENT: Final = 200
# More of them are made up, and each costs time.
_MAX_SIGNS: Final = 10_000
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def has_metadata(data: bytes) -> bool:
    """Return whether a file may carry SOPS metadata at all: quick, and generous."""
    # The word is rare: finding it by itself is a hundred times faster than an expression that begins with a line.
    position = data.find(b"sops")
    while position >= 0:
        if _MENTION.match(data, position):
            return True
        position = data.find(b"sops", position + 4)
    return data.startswith(_UTF16) and (b"s\0o\0p\0s" in data)


def store_of(path: bytes, data: bytes) -> Store:
    """Return the store of a file. A JSON object that has `sops` is JSON whatever its name (YAML reads it as well)."""
    named: Store = next((store for extension, store in _EXTENSIONS if path.endswith(extension)), "binary")
    if b"sops" not in data:
        return named
    if _JSON.match(data) and _JSON_KEY.search(data):
        if named in ("json", "yaml"):
            return named
        return "binary" if _ENVELOPE.match(data) else "json"
    first: Store | None = None
    for sign in islice(_signs(data), _MAX_SIGNS):
        if sign == named:
            return named
        first = first or sign
    return first or named


def _signs(data: bytes) -> Iterator[Store]:
    """Yield the stores whose metadata the file seems to have."""
    position = data.find(b"sops")
    while position >= 0:
        line = data.rfind(b"\n", max(0, position - _MAX_INDENT), position) + 1
        if line or position <= _MAX_INDENT:
            yield from (store for store, sign in _SIGNS.items() if sign.match(data, line))
        position = data.find(b"sops", position + 4)
