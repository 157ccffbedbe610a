# SPDX-License-Identifier: Apache-2.0
"""The stores of SOPS, each with its reader."""

from collections.abc import Callable, Mapping
from typing import Final

from scanner.sops.content import Content, Store
from scanner.sops.stores.dotenv_store import read_dotenv
from scanner.sops.stores.ini_store import read_ini
from scanner.sops.stores.json_store import read_binary, read_json
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
    return READERS[store](data)
