# SPDX-License-Identifier: Apache-2.0
"""What pre-commit asks for: the commit to be, or whole files that it names.

pre-commit names files in every case: those of the commit, or with `run --all-files` and `--files` any
others. What is being committed is known from the index, so a name that is not among the staged changes
tells the two apart, and a normal commit pays one comparison of sets for the difference.
"""

import os
from collections.abc import Iterator, Sequence

from scanner.display import decode_path
from scanner.errors import ConfigError
from scanner.git.repo import Repository
from scanner.model import Beside, Blob, Content, Gap, LargeBlob, Place, Provenance, Screen, to_blob
from scanner.sources.beside import beside_in_index
from scanner.sources.staged import StagedSource


class CommitSource(StagedSource):
    """The staged changes; if `names` goes beyond them, all named files too, whole, as they are on disk.

    Names are paths from the root of the working tree. With `run --all-files` pre-commit leaves unstaged
    changes where they are, so the file on disk is what it (and every other hook) means by a name.
    """

    def __init__(self, repo: Repository, max_blob: int, names: Sequence[bytes], merged: Sequence[str] | None = None) -> None:
        super().__init__(repo, max_blob, merged)
        self._names = frozenset(names)
        self._whole: frozenset[bytes] = frozenset()
        self._staged_ids: dict[bytes, str | None] = {}

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield what is staged, then the named files where they are more than that."""
        if not self._names <= self.paths():
            self._whole = self._names
        for blob in super().blobs():
            if blob.place is not None and blob.place.path in self._whole:
                self._staged_ids[blob.place.path] = blob.id
            yield blob
        if self._whole:
            yield from self._files()

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield what a staged version replaces, but nothing for a file that is looked at whole."""
        if blob.place is None or blob.place.path in self._whole:
            return iter(())
        return super().previous(blob)

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so in the index."""
        return beside_in_index(self._repo, names, self._max_blob, self.gaps)

    def _files(self) -> Iterator[Blob | LargeBlob]:
        """Yield the named files but for those that are on disk as they are staged."""
        from scanner.sources.files import blob_id, read_worktree_content

        absent = []
        for path in sorted(self._whole):
            known = len(self.gaps)
            content = read_worktree_content(self._repo, path, self._max_blob, self.gaps)
            if content is None:
                if len(self.gaps) == known:
                    absent.append(path)
            elif path not in self._staged_ids or self._staged_ids[path] != blob_id(self._repo, content):
                link = os.path.islink(os.path.join(os.fsencode(self._repo.root), path))
                yield to_blob(content, None, Place(path, Provenance("file"), link))
        if absent:
            self._check_absent(absent)

    def _check_absent(self, names: Sequence[bytes]) -> None:
        """Tell a file that was deleted from one that never was: only the first holds nothing to scan."""
        tracked = {}
        for record in self._repo.run("ls-files", "-z", "-s").split(b"\0")[:-1]:
            fields, _, path = record.partition(b"\t")
            tracked[path] = fields[:6]
        for name in names:
            if tracked.get(name) == b"160000":
                self.gaps.append(Gap("submodule", decode_path(name), "a repository of its own, not entered"))
            elif os.path.isdir(os.path.join(os.fsencode(self._repo.root), name)):
                raise ConfigError(f"{decode_path(name)} is a directory", "name files, or use 'sealgate scan --worktree'")
            elif name not in tracked and name not in self.paths():
                self.gaps.append(Gap("unreadable", decode_path(name), "there is no such file in the working tree"))
