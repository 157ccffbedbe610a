# SPDX-License-Identifier: Apache-2.0
"""What `git commit` would record now: the index against HEAD, and against each merged commit.

Every commit of a developer waits for this path: two git processes where nothing is staged, three where
something is, and no import that is not needed.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from scanner.display import decode_path
from scanner.errors import SourceError
from scanner.git.changes import FIND_RENAMES, LINK, RAW_OPTIONS, SUBMODULE, Change, parse_change
from scanner.git.objects import read_contents, read_objects
from scanner.git.repo import Repository
from scanner.model import (
    MAX_HELD_BYTES,
    Beside,
    Blob,
    Content,
    Extent,
    Gap,
    LargeBlob,
    Place,
    Provenance,
    Screen,
    Version,
    to_blob,
)
from scanner.sources.beside import beside_in_index


class StagedSource:
    """The index's version of what is staged; what is on disk does not count.

    `merged` are the commits being merged; None asks the repository, which does not know them yet while
    `git merge` runs its pre-merge-commit hook.
    """

    extent: Extent = "change"

    def __init__(self, repo: Repository, max_blob: int, merged: Sequence[str] | None = None) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._repo = repo
        self._max_blob = max_blob
        self._merged = repo.merge_heads() if merged is None else merged
        self._changes: list[Change] | None = None
        self._paths: set[bytes] = set()
        self._previous: dict[bytes, tuple[str, ...]] = {}

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield each staged entry whose content is in no parent of the commit to be at its path."""
        paths: dict[str, list[bytes]] = {}
        links: set[bytes] = set()
        for change in self._staged():
            if change.status == "U":
                self.gaps.append(Gap("unmerged", decode_path(change.path), "its merge conflict is not resolved"))
            elif change.mode == SUBMODULE:
                self.gaps.append(Gap("submodule", decode_path(change.path), "a repository of its own, not entered"))
            elif change.status.strip("D") == "":
                self._previous[change.path] = change.old_ids
            elif change.brings_content:
                self._previous[change.path] = change.old_ids
                if change.renamed_from:
                    self._previous[change.renamed_from] = change.old_ids
                paths.setdefault(change.id, []).append(change.path)
                if change.mode == LINK:
                    links.add(change.path)
        names = {object_id: named[0] for object_id, named in paths.items()}
        contents = read_contents(self._repo, list(paths), self.gaps, max_bytes=self._max_blob, names=names)
        for object_id, _, content in contents:
            for path in paths[object_id]:
                yield to_blob(content, object_id, Place(path, Provenance("index"), path in links))

    def paths(self) -> AbstractSet[bytes]:
        """Return the paths of all staged changes, deletions too; in a merge, of changes against any parent."""
        self._staged()
        return self._paths

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield what HEAD and each merged commit have at the blob's path, or had before its renaming."""
        if blob.place is not None:
            ids = self._previous.get(blob.place.path, ())
            # A version that cannot be read excuses no secret, so it is no gap either.
            for _, _, content in read_contents(self._repo, ids, [], max_bytes=self._max_blob):
                yield content

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return nothing: every blob came with its place."""
        return {}

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so in the index."""
        return beside_in_index(self._repo, names, self._max_blob, self.gaps) if self._staged() else Beside()

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield what HEAD and each merged commit have at these paths, or had before a renaming, where that changes."""
        owners: dict[str, list[bytes]] = {}
        for path in paths:
            for old in self._previous.get(path, ()):
                owners.setdefault(old, []).append(path)
        commit = None if self._merged else self._repo.head
        for object_id, _, data in read_objects(self._repo, list(owners), [], max_bytes=min(self._max_blob, MAX_HELD_BYTES)):
            for path in owners[object_id]:
                yield Version(path, data, Provenance("commit", commit, order=-1))

    def _staged(self) -> list[Change]:
        """Return the changes against HEAD that, in a merge, are changes against every merged commit too."""
        if self._changes is None:
            changes = {change.path: change for change in self._against(self._repo.head or self._repo.empty_tree)}
            self._paths.update(changes)
            for commit in self._merged:
                others = {change.path: change for change in self._against(commit)}
                self._paths.update(others)
                changes = {path: _both(change, others[path]) for path, change in changes.items() if path in others}
            self._changes = list(changes.values())
        return self._changes

    def _against(self, commit: str) -> list[Change]:
        try:
            return self._diff_index(commit, *FIND_RENAMES)
        except SourceError:
            # Renames are found by content; in a partial clone that may not be here.
            return self._diff_index(commit, "--no-renames")

    def _diff_index(self, commit: str, *options: str) -> list[Change]:
        output = self._repo.run("diff-index", "--cached", "--ita-invisible-in-index", *RAW_OPTIONS, *options, commit, "--")
        fields = iter(output.split(b"\0"))
        return [parse_change(field, fields) for field in fields if field]


def _both(change: Change, other: Change) -> Change:
    """Return a change that is one against two parents: what either had before is not new."""
    return change._replace(old_ids=change.old_ids + other.old_ids)
