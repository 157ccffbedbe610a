# SPDX-License-Identifier: Apache-2.0
"""A digest of all that the scan of a repository's history depends on: the same digest, the same result.

What there is rather than how it is kept: a fresh clone of the same objects is the same history, however they are packed.
Packs are taken at their indexes' word, which git wrote when it received the objects; files on disk are read.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import Final

from scanner.errors import SourceError
from scanner.git.folders import loose_ids, object_folders, pack_indexes
from scanner.git.packindex import digest_ids
from scanner.git.repo import Repository
from scanner.model import Gap
from scanner.sources.files import blob_id, list_worktree, read_worktree_content

_LISTING: Final = ("ls-files", "-z", "-s")
_REFS: Final = ("for-each-ref", "--format=%(objectname) %(refname)")


def take_census(repo: Repository, max_blob: int) -> str | None:
    """Return the digest; None where something cannot be told from here, so that the repository has to be read."""
    digest = hashlib.sha256()
    try:
        for part in _parts(repo, max_blob):
            digest.update(b"%d:" % len(part))
            digest.update(part)
    except (OSError, SourceError, ValueError):
        return None
    return digest.hexdigest()


def _parts(repo: Repository, max_blob: int) -> Iterator[bytes]:
    """Yield what the digest is made of. Raises `ValueError` or `OSError` where that cannot be told."""
    yield f"{repo.id_bytes} {repo.head} {repo.shallow} {repo.is_partial()} {repo.worktree is None}".encode()
    yield "\n".join(sorted(repo.shallow_commits())).encode()
    yield from _objects(repo)
    yield repo.run(*_REFS)
    yield " ".join(repo.reflog_commits()).encode()
    yield repo.run(*_LISTING) if os.path.exists(os.path.join(repo.git_dir, "index")) else b""
    if repo.worktree is not None:
        yield from _worktree(repo, max_blob)


def _objects(repo: Repository) -> Iterator[bytes]:
    folder = repo.object_folder()
    if folder is None:
        raise ValueError("a hook's objects, which may be gone later")
    packed, loose = [], set[bytes]()
    for objects in object_folders(folder):
        loose |= loose_ids(objects, repo.id_bytes)
        packed += [digest_ids(index, repo.id_bytes) for index in pack_indexes(objects)]
    yield b"".join(sorted(set(packed)))
    yield b"".join(sorted(loose))


def _worktree(repo: Repository, max_blob: int) -> Iterator[bytes]:
    """Yield path, kind and content's id of every file; all are read, as a flag or a stamp can deceive."""
    gaps: list[Gap] = []
    top = os.fsencode(repo.worktree or repo.root)
    for file in list_worktree(repo, gaps):
        content = read_worktree_content(repo, file.path, max_blob, gaps)
        is_link = os.path.islink(os.path.join(top, file.path))
        yield file.path
        yield f"{file.id} {is_link} {None if content is None else blob_id(repo, content)}".encode()
    if any(gap.kind != "submodule" for gap in gaps):
        raise ValueError("files that cannot be read")
    yield "\n".join(gap.what for gap in gaps).encode()
