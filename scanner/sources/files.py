# SPDX-License-Identifier: Apache-2.0
"""Content on disk: a directory, one file, a stream, or the working tree of a repository.

Nothing is followed out of the tree: a symbolic link's content is the text of its target, as git has it.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO, NamedTuple

from scanner.display import decode_path
from scanner.errors import ConfigError
from scanner.git.repo import Repository
from scanner.model import Beside, Blob, Content, Extent, Gap, LargeBlob, Place, Provenance, Screen, Version, to_blob
from scanner.sources.disk import read_content, read_file, read_stream, unreadable


class FileSource:
    """A directory with everything under it, or one file; `path` as the user gave it."""

    extent: Extent = "state"

    def __init__(self, path: str, max_blob: int) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._path = path
        self._max_blob = max_blob

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield every file, in the order of their paths; hidden ones too, but not what git itself keeps."""
        target = os.fsencode(self._path)
        if not os.path.lexists(target):
            raise ConfigError(f"there is no file or directory {decode_path(target)}", "check the path")
        if os.path.isdir(target):
            yield from self._directory(target)
            return
        # Whoever names a link means what it points to.
        content = read_content(os.path.realpath(target), os.path.basename(target), self._max_blob, self.gaps)
        if content is not None:
            yield _blob(content, os.path.basename(target), "file")

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
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

    def _directory(self, top: bytes) -> Iterator[Blob | LargeBlob]:
        todo = [b""]
        while todo:
            prefix = todo.pop()
            directories = []
            for entry in self._entries(os.path.join(top, prefix) if prefix else top, prefix):
                name = prefix + entry.name
                if not entry.is_dir(follow_symlinks=False):
                    content = read_content(entry.path, name, self._max_blob, self.gaps)
                    if content is not None:
                        yield _blob(content, name, "file", link=entry.is_symlink())
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
            self.gaps.append(unreadable(prefix or b".", error))
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

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield the stream's content, as far as the limit allows."""
        content = read_stream(self._stream, self._name, self._max_blob, self.gaps)
        if content is not None:
            yield _blob(content, self._name, "stdin")

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
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

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield every file that git tracks or would add."""
        if self._repo.worktree is None:
            raise ConfigError("a bare repository has no working tree", "scan it without --worktree")
        for file in list_worktree(self._repo, self.gaps):
            content = read_worktree_content(self._repo, file.path, self._max_blob, self.gaps)
            if content is not None:
                link = os.path.islink(os.path.join(os.fsencode(self._repo.root), file.path))
                yield _blob(content, file.path, "worktree", link=link)

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
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


class NamedFile(WorktreeSource):
    """One file of a working tree, as it is on disk, even if git ignores it; `path` is from the tree's root."""

    def __init__(self, repo: Repository, max_blob: int, path: bytes) -> None:
        super().__init__(repo, max_blob)
        self._path = path

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield the file."""
        content = read_worktree_content(self._repo, self._path, self._max_blob, self.gaps)
        if content is not None:
            link = os.path.islink(os.path.join(os.fsencode(self._repo.root), self._path))
            yield _blob(content, self._path, "file", link=link)


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
    """Return a file's content as git would add it; None where it is deleted, or a gap."""
    full = _in_worktree(repo, path)
    return read_file(full, path, max_bytes, gaps) if full else None


def read_worktree_content(repo: Repository, path: bytes, max_bytes: int, gaps: list[Gap]) -> Content | None:
    """Return a file's content as `read_worktree_file` does; of a large file in pieces."""
    full = _in_worktree(repo, path)
    return read_content(full, path, max_bytes, gaps) if full else None


def blob_id(repo: Repository, content: Content) -> str:
    """Return the id that git would give content that was read from a file."""
    if isinstance(content, bytes):
        return repo.blob_id(content)
    return repo.blob_id_of(content, content.size or 0)


def _in_worktree(repo: Repository, path: bytes) -> bytes | None:
    """Return where a file stands; None where it is deleted.

    A path that leads through a symbolic link is deleted in git's eyes, and may be outside of the tree.
    """
    top = os.fsencode(repo.worktree or repo.root)
    directory = os.path.dirname(path)
    while directory:
        if os.path.islink(os.path.join(top, directory)):
            return None
        directory = os.path.dirname(directory)
    full = os.path.join(top, path)
    return full if os.path.lexists(full) else None


def submodule(path: bytes) -> Gap:
    """Return the gap for a repository inside the repository."""
    return Gap("submodule", decode_path(path), "a repository of its own, not entered")


def _blob(content: Content, path: bytes, kind: str, *, link: bool = False) -> Blob | LargeBlob:
    return to_blob(content, None, Place(path, Provenance(kind), link))


def _entry_name(entry: os.DirEntry[bytes]) -> bytes:
    return entry.name
