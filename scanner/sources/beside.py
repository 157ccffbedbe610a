# SPDX-License-Identifier: Apache-2.0
"""Files that stand beside what is scanned and are asked for by name, such as the rules of SOPS."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from scanner.git.objects import read_objects
from scanner.git.repo import Repository
from scanner.model import MAX_HELD_BYTES, Beside, Gap
from scanner.sources.disk import read_file

_LINK: Final = b"120000"
# As far as SOPS looks upwards.
_MAX_LEVELS: Final = 100


def is_called(path: bytes, names: Sequence[bytes]) -> bool:
    """Whether the file's name is one of the names; `*.asc` stands for all that end so."""
    name = path.rpartition(b"/")[2]
    return any(name.endswith(wanted[1:]) if wanted.startswith(b"*") else name == wanted for wanted in names)


def read_named(repo: Repository, ids: Mapping[bytes, str], max_blob: int, gaps: list[Gap]) -> dict[bytes, bytes]:
    """Return the content of these files, by path."""
    paths: dict[str, list[bytes]] = {}
    for path, object_id in ids.items():
        paths.setdefault(object_id, []).append(path)
    names = {object_id: group[0] for object_id, group in paths.items()}
    contents = read_objects(repo, list(paths), gaps, max_bytes=min(max_blob, MAX_HELD_BYTES), names=names)
    return {path: data for object_id, _, data in contents for path in paths[object_id]}


def beside_in_index(repo: Repository, names: Sequence[bytes], max_blob: int, gaps: list[Gap]) -> Beside:
    """Return the files called so in the index."""
    # One process that says nothing in most repositories; git finds the names faster than Python would.
    specs = [":(top,glob)**/" + os.fsdecode(name) for name in names]
    output = repo.run("ls-files", "-s", "-z", "--", *specs)
    ids: dict[bytes, str] = {}
    for record in output.split(b"\0")[:-1]:
        fields, _, path = record.partition(b"\t")
        mode, object_id, stage = fields.split(b" ")
        # Of a conflict, our side.
        if mode != _LINK and stage in (b"0", b"2"):
            ids[path] = object_id.decode("ascii")
    return Beside(b"", read_named(repo, ids, max_blob, gaps) if ids else {})


def beside_in_commit(repo: Repository, commits: Sequence[str], names: Sequence[bytes], max_blob: int, gaps: list[Gap]) -> Beside:
    """Return the files called so in these commits; where they differ, those of the last one."""
    ids: dict[bytes, str] = {}
    for commit in commits:
        for record in repo.run("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")[:-1]:
            fields, _, path = record.partition(b"\t")
            if is_called(path, names) and not fields.startswith(_LINK):
                ids[path] = fields.split(b" ")[2].decode("ascii")
    return Beside(b"", read_named(repo, ids, max_blob, gaps))


def beside_on_disk(target: str, names: Sequence[bytes], max_blob: int, gaps: list[Gap]) -> Beside:
    """Return the files called so under a directory (or beside a file) and in the folders above it."""
    top = os.path.realpath(os.fsencode(target))
    is_directory = os.path.isdir(top)
    folder = top if is_directory else os.path.dirname(top)
    found: dict[bytes, bytes] = {}
    for path in [*_above(folder, names), *(_below(folder, names) if is_directory else ())]:
        data = read_file(path, os.path.relpath(path, folder), min(max_blob, MAX_HELD_BYTES), gaps)
        if data is not None:
            found[path[1:]] = data
    return Beside((folder + b"/").lstrip(b"/"), found)


def _above(folder: bytes, names: Sequence[bytes]) -> Iterator[bytes]:
    for _ in range(_MAX_LEVELS):
        for name in names:
            path = os.path.join(folder, name)
            if not name.startswith(b"*") and os.path.isfile(path) and not os.path.islink(path):
                yield path
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)


def _below(folder: bytes, names: Sequence[bytes]) -> Iterator[bytes]:
    for directory, directories, files in os.walk(folder):
        if b".git" in directories:
            directories.remove(b".git")
        for file in files:
            path = os.path.join(directory, file)
            if is_called(file, names) and not os.path.islink(path):
                yield path
