# SPDX-License-Identifier: Apache-2.0
"""The stores of SOPS, each with its reader."""

from collections.abc import Callable, Mapping
from typing import Final

from scanner.model import Span
from scanner.sops.content import Content, Store
from scanner.sops.rules import Problem
from scanner.sops.stores.dotenv_store import read_dotenv
from scanner.sops.stores.ini_store import read_ini
from scanner.sops.stores.json_store import read_binary, read_json
from scanner.sops.stores.text import has_too_many_entries
from scanner.sops.stores.yaml_store import read_yaml

READERS: Final[Mapping[Store, Callable[[bytes], Content]]] = {
    "yaml": read_yaml,
    "json": read_json,
    "dotenv": read_dotenv,
    "ini": read_ini,
    "binary": read_binary,
}


def read(store: Store, data: bytes) -> Content:
    """Read a file as its store does. What cannot be read is a problem of the result, never an exception."""
    if has_too_many_entries(data):
        reason = "It has more than a million entries and was not read"
        return Content(store, (), (), 1, (Problem("sops-malformed", reason, Span(0, 0)),))
    return READERS[store](data)
