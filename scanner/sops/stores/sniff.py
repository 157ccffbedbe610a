# SPDX-License-Identifier: Apache-2.0
"""Which store a file is of: by its name as SOPS decides, corrected by the metadata that it carries.

A name decides nothing for good: with `--input-type` any file may be of any store, and SOPS has no other memory of it.
"""

import re
from collections.abc import Mapping
from typing import Final

from scanner.sops.content import Store

_EXTENSIONS: Final[tuple[tuple[bytes, Store], ...]] = (
    (b".yaml", "yaml"),
    (b".yml", "yaml"),
    (b".json", "json"),
    (b".env", "dotenv"),
    (b".ini", "ini"),
)
_MENTION: Final = re.compile(
    rb"""\bsops["']?[ \t\r\n]*:|^[ \t]*sops_\w+[ \t]*=|^[ \t]*\[[ \t]*sops[ \t]*\]""",
    re.MULTILINE,
)
# Where each store keeps its metadata; for the foreign ones, at the very beginning of a line.
_JSON: Final = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+\{")
_ENVELOPE: Final = re.compile(rb'\s*+\{\s*+"data"\s*+:\s*+"[^"\\]*+(?:\\.[^"\\]*+)*+"\s*+,\s*+"sops"\s*+:')
_JSON_KEY: Final = re.compile(rb'"sops"[ \t\r\n]*+:')
_SIGNS: Final[Mapping[Store, re.Pattern[bytes]]] = {
    "yaml": re.compile(rb"""^(?:\xef\xbb\xbf)?["']?sops["']?[ \t]*+:(?=\s)""", re.MULTILINE),
    "dotenv": re.compile(rb"^sops_\w+=", re.MULTILINE),
    "ini": re.compile(rb"^[ \t]*+\[sops\]", re.MULTILINE),
}
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def has_metadata(data: bytes) -> bool:
    """Return whether a file may carry SOPS metadata at all: quick, and generous."""
    if b"sops" in data:
        return _MENTION.search(data) is not None
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
    if named in _SIGNS and _SIGNS[named].search(data):
        return named
    return next((store for store, sign in _SIGNS.items() if sign.search(data)), named)
