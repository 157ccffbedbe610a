# SPDX-License-Identifier: Apache-2.0
"""Where a repository keeps its objects: its folder and the alternates', loose ones and packs (gitrepository-layout(5))."""

import os
from collections.abc import Iterator
from typing import Final

_MAX_ALTERNATES: Final = 50


def object_folders(folder: str) -> list[str]:
    """Return the folder and all its alternates (gitrepository-layout(5), objects/info/alternates)."""
    folders = [os.path.realpath(folder)]
    for here in folders:
        try:
            with open(os.path.join(here, "info", "alternates"), "rb") as stream:
                lines = stream.read().split(b"\n")
        except FileNotFoundError:
            continue
        for line in lines:
            if line.startswith(b'"'):
                raise ValueError("a quoted path")
            if line and not line.startswith(b"#"):
                named = os.path.realpath(os.path.join(here, os.fsdecode(line)))
                if named not in folders:
                    folders.append(named)
        if len(folders) > _MAX_ALTERNATES:
            raise ValueError("too many alternates")
    return folders


def loose_ids(folder: str, id_bytes: int) -> set[bytes]:
    """Return the ids of the objects that stand in files of their own."""
    found = set()
    for part in os.listdir(folder):
        if len(part) == 2 and not part.strip("0123456789abcdef"):
            for rest in os.listdir(os.path.join(folder, part)):
                if len(rest) == 2 * id_bytes - 2 and not rest.strip("0123456789abcdef"):
                    found.add(bytes.fromhex(part + rest))
    return found


def pack_indexes(folder: str) -> Iterator[str]:
    """Yield the paths of the packs' indexes."""
    try:
        names = os.listdir(os.path.join(folder, "pack"))
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(".idx"):
            yield os.path.join(folder, "pack", name)
