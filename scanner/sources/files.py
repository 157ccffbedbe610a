# SPDX-License-Identifier: Apache-2.0
"""Content on disk: a directory, one file, a stream, or the working tree of a repository.

Disk content is hostile too: nothing is followed out of the tree (a symbolic link's content is the text
of its target, as git has it), and nothing but a regular file is ever opened, as a pipe would block.
"""

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO, Final, NamedTuple

from scanner.display import decode_path, human_size
from scanner.errors import ConfigError
from scanner.git.repo import Repository
from scanner.model import Beside, Blob, Extent, Gap, Place, Provenance, Screen, Version

_OPEN_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_CHUNK_BYTES: Final = 1 << 20


class FileSource:
    """A directory with everything under it, or one file; `path` as the user gave it."""

    extent: Extent = "state"

    def __init__(self, path: str, max_blob: int) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._path = path
        self._max_blob = max_blob

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob]:
        """Yield every file, in the order of their paths; hidden ones too, but not what git itself keeps."""
        target = os.fsencode(self._path)
        if not os.path.lexists(target):
            raise ConfigError(f"there is no file or directory {decode_path(target)}", "check the path")
        if os.path.isdir(target):
            yield from self._directory(target)
            return
        # Whoever names a link means what it points to.
        data = read_file(os.path.realpath(target), os.path.basename(target), self._max_blob, self.gaps)
        if data is not None:
            yield _blob(data, os.path.basename(target), "file")

    def previous(self, blob: Blob) -> Iterator[bytes]:
        """Yield nothing: a file has no past."""
        return iter(())

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return nothing: every blob came with its place."""
        return {}

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so under the target and in the folders above it."""
        from scanner.sources.beside import beside_on_disk

        return beside_on_disk(self._path, names, self._max_blob, self.gaps)

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield nothing: a file has no past."""
        return iter(())

    def _directory(self, top: bytes) -> Iterator[Blob]:
        todo = [b""]
        while todo:
            prefix = todo.pop()
            directories = []
            for entry in self._entries(os.path.join(top, prefix) if prefix else top, prefix):
                name = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    data = read_file(entry.path, name, self._max_blob, self.gaps)
                    if data is not None:
                        yield _blob(data, name, "file", link=entry.is_symlink())
                elif entry.name == b".git":
                    self._own_repository(prefix)
                else:
                    directories.append(name + b"/")
            todo.extend(reversed(directories))

    def _entries(self, directory: bytes, prefix: bytes) -> list[os.DirEntry[bytes]]:
        try:
            with os.scandir(directory) as entries:
                return sorted(entries, key=_entry_name)
        except OSError as error:
            self.gaps.append(_unreadable(prefix or b".", error))
            return []

    def _own_repository(self, prefix: bytes) -> None:
        what = decode_path(prefix or b"./")
        self.gaps.append(Gap("submodule", what, "a repository: its files were scanned, its history was not"))


class StreamSource:
    """One stream, such as standard input; `name` stands for its path."""

    extent: Extent = "change"

    def __init__(self, stream: BinaryIO, name: bytes, max_blob: int) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._stream = stream
        self._name = name
        self._max_blob = max_blob

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob]:
        """Yield the stream's content, unless it is over the limit."""
        data = _read_limited(self._stream, self._max_blob)
        if data is None:
            reason = f"more than {human_size(self._max_blob)}, the size limit (--max-blob)"
            self.gaps.append(Gap("oversize", decode_path(self._name), reason))
        else:
            yield _blob(data, self._name, "stdin")

    def previous(self, blob: Blob) -> Iterator[bytes]:
        """Yield nothing: a stream has no past."""
        return iter(())

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return nothing: the blob came with its place."""
        return {}

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return nothing: a stream stands alone."""
        return Beside()

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield nothing: a stream has no past."""
        return iter(())


class WorktreeSource:
    """A repository's working tree as it is on disk: tracked files, and untracked ones not ignored."""

    extent: Extent = "state"

    def __init__(self, repo: Repository, max_blob: int) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._repo = repo
        self._max_blob = max_blob

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob]:
        """Yield every file that git tracks or would add."""
        if self._repo.worktree is None:
            raise ConfigError("a bare repository has no working tree", "scan it without --worktree")
        for file in list_worktree(self._repo, self.gaps):
            data = read_worktree_file(self._repo, file.path, self._max_blob, self.gaps)
            if data is not None:
                link = os.path.islink(os.path.join(os.fsencode(self._repo.root), file.path))
                yield _blob(data, file.path, "worktree", link=link)

    def previous(self, blob: Blob) -> Iterator[bytes]:
        """Yield nothing: the working tree is looked at as it is."""
        return iter(())

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return nothing: every blob came with its place."""
        return {}

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so in the working tree."""
        from scanner.sources.beside import is_called

        files = {}
        for file in list_worktree(self._repo, []):
            if is_called(file.path, names):
                data = read_worktree_file(self._repo, file.path, self._max_blob, self.gaps)
                if data is not None:
                    files[file.path] = data
        return Beside(b"", files)

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield nothing: the working tree is looked at as it is."""
        return iter(())


class WorktreeFile(NamedTuple):
    """A path in the working tree, and the id that the index has for it (None where it is untracked)."""

    path: bytes
    id: str | None


def list_worktree(repo: Repository, gaps: list[Gap]) -> list[WorktreeFile]:
    """Return tracked files and untracked ones that are not ignored, sorted; submodules are gaps.

    The index is read without asking whether files are changed: that question could run a filter driver.
    """
    output = repo.run("ls-files", "-z", "-t", "-s", "--cached", "--others", "--exclude-standard")
    files: dict[bytes, str | None] = {}
    for record in output.split(b"\0")[:-1]:
        if record.startswith(b"? "):
            path, mode, object_id = record[2:], b"", None
        else:
            fields, _, path = record.partition(b"\t")
            _, mode, name, _ = fields.split(b" ")
            object_id = name.decode("ascii")
        if mode == b"160000" or path.endswith(b"/"):
            gaps.append(submodule(path))
        else:
            files[path] = object_id
    return [WorktreeFile(path, files[path]) for path in sorted(files)]


def read_worktree_file(repo: Repository, path: bytes, max_bytes: int, gaps: list[Gap]) -> bytes | None:
    """Return a file's content as git would add it; None where it is deleted, or a gap.

    A path that leads through a symbolic link is deleted in git's eyes, and may be outside of the tree.
    """
    top = os.fsencode(repo.worktree or repo.root)
    directory = os.path.dirname(path)
    while directory:
        if os.path.islink(os.path.join(top, directory)):
            return None
        directory = os.path.dirname(directory)
    full = os.path.join(top, path)
    return read_file(full, path, max_bytes, gaps) if os.path.lexists(full) else None


def submodule(path: bytes) -> Gap:
    """Return the gap for a repository inside the repository."""
    return Gap("submodule", decode_path(path), "a repository of its own, not entered")


def read_file(path: bytes, name: bytes, max_bytes: int, gaps: list[Gap]) -> bytes | None:
    """Return what git would store for this file or link; None, and a gap called `name`, where it cannot."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS) if _is_regular(path) else -1
        if descriptor < 0:
            return _read_special(path, name, gaps)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError("it was replaced while it was read")
            if status.st_size <= max_bytes:
                data = _read_descriptor(descriptor, status.st_size, max_bytes)
                if len(data) <= max_bytes:
                    return data
        finally:
            os.close(descriptor)
    except OSError as error:
        gaps.append(_unreadable(name, error))
        return None
    reason = f"{human_size(max(status.st_size, max_bytes + 1))} is over the size limit (--max-blob)"
    gaps.append(Gap("oversize", decode_path(name), reason))
    return None


def _is_regular(path: bytes) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode)


def _read_special(path: bytes, name: bytes, gaps: list[Gap]) -> bytes | None:
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return os.readlink(path)
    if not stat.S_ISDIR(mode):
        gaps.append(Gap("special", decode_path(name), "not a regular file"))
    return None


def _read_descriptor(descriptor: int, expected: int, max_bytes: int) -> bytes:
    """Return the content up to one byte more than the limit; a file may grow while it is read."""
    data = os.read(descriptor, expected + 1)
    if len(data) == expected:
        return data
    chunks = [data]
    size = len(data)
    while size <= max_bytes and (chunk := os.read(descriptor, _CHUNK_BYTES)):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)


def _read_limited(stream: BinaryIO, max_bytes: int) -> bytes | None:
    data = stream.read(max_bytes + 1)
    return None if len(data) > max_bytes else data


def _unreadable(name: bytes, error: OSError) -> Gap:
    vanished = isinstance(error, FileNotFoundError)
    reason = "it vanished while it was scanned" if vanished else (error.strerror or str(error))
    return Gap("unreadable", decode_path(name), reason)


def _blob(data: bytes, path: bytes, kind: str, *, link: bool = False) -> Blob:
    return Blob(data, None, Place(path, Provenance(kind), link))


def _entry_name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name
