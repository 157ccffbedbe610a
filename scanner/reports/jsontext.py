# SPDX-License-Identifier: Apache-2.0
"""JSON that every consumer can read: ASCII only, no lone surrogates (RFC 8259, section 8.2), in a stream."""

import json
from collections.abc import Iterable
from typing import TextIO

from scanner.display import replace_surrogates


def to_json(value: object) -> str:
    r"""Return the value as JSON on one line, in ASCII; a lone surrogate becomes the text `\udcNN`.

    Such surrogates come from file names through `os.fsdecode`. Their JSON escape is legal and still refused
    by strict parsers (serde, simdjson), which would lose the whole report for one odd name.
    """
    text = json.dumps(value)
    # Characters beyond the basic plane are written as surrogate pairs, so this is a hint, not a proof.
    return json.dumps(_clean(value)) if "\\ud" in text else text


def write_array(out: TextIO, items: Iterable[object]) -> None:
    """Write a JSON array, an item a line, each gone from memory before the next is made."""
    out.write("[")
    separator = "\n"
    for item in items:
        out.write(separator + to_json(item))
        separator = ",\n"
    out.write("\n]")


def _clean(value: object) -> object:
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
