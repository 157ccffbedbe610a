# SPDX-License-Identifier: Apache-2.0
"""The state of a repository: the files of one commit, and those of the working tree that differ from it.

For checks that ask how a file stands now, by its path. Secrets are looked for in all of history instead.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.git.changes import FIND_RENAMES, LINK, RAW_OPTIONS, SUBMODULE, parse_change
from scanner.git.headers import Commit, parse_commit, provenance_of
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
    Source,
    Version,
    to_blob,
)
from scanner.sources.beside import is_called, read_named
from scanner.sources.files import blob_id, list_worktree, read_worktree_content, read_worktree_file, submodule

# A command line has its limits; of more paths the whole history is walked.
_MAX_PATHSPECS: Final = 2000
_MAX_RENAMES: Final = 5


class _Entry(NamedTuple):
    """A file as a tree has it."""

    path: bytes
    mode: str
    id: str


class _Past(NamedTuple):
    """A version that a commit brought to a path."""

    path: bytes
    id: str
    commit: str


class CurrentSource:
    """The files of `revision` (HEAD if it is empty); of HEAD also what the working tree has otherwise.

    `history` says whether `earlier` may walk the commits before; `traced` is the whole history, where that is read as well.
    """

    extent: Extent = "state"

    def __init__(
        self,
        repo: Repository,
        max_blob: int,
        revision: str = "",
        *,
        history: bool = True,
        traced: Source | None = None,
    ) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._wanted: Callable[[bytes], bool] | None = None
        self._repo = repo
        self._max_blob = max_blob
        self._history = history
        self._traced = traced
        self._revision = revision
        self._commit = self._resolve(revision) if revision else repo.head
        self._entries: list[_Entry] | None = None
        self._past: dict[bytes, list[_Past]] = {}
        self._commits: dict[str, Commit] = {}

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield each file of the commit, then files on disk whose content differs from it."""
        entries = [entry for entry in self._listed() if entry.mode != SUBMODULE and self._is_wanted(entry.path)]
        here = Provenance("commit", self._commit, at_head=self._commit == self._repo.head)
        by_id: dict[str, list[_Entry]] = {}
        for entry in entries:
            by_id.setdefault(entry.id, []).append(entry)
        names = {object_id: group[0].path for object_id, group in by_id.items()}
        for object_id, _, content in read_contents(self._repo, list(by_id), self.gaps, max_bytes=self._max_blob, names=names):
            for entry in by_id[object_id]:
                yield to_blob(content, object_id, Place(entry.path, here, entry.mode == LINK))
        if self._repo.worktree is not None and not self._revision:
            yield from self._worktree({entry.path: entry.id for entry in self._listed()})

    def select(self, wanted: Callable[[bytes], bool]) -> None:
        """Read no files but those at such paths."""
        self._wanted = wanted

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield nothing: a state replaces nothing."""
        return iter(())

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return the places of these blobs with the commit that brought each, as far as it is known."""
        wanted = frozenset(ids)
        found: dict[str, list[Place]] = {}
        here = [entry for entry in self._listed() if entry.id in wanted]
        # Whoever has read the history knows; git would compare all of its trees once more.
        known = self._traced.trace(ids) if self._traced is not None and self._traced.commits else {}
        paths = []
        for entry in here:
            places = [p for p in known.get(entry.id, ()) if p.path == entry.path and p.provenance.kind == "commit"]
            found.setdefault(entry.id, []).extend(places)
            if not places:
                paths.append(entry.path)
        bringing = []
        for versions in self._versions(paths).values():
            bringing += [version for version in reversed(versions) if version.id in wanted][:1]
        self._read_commits(version.commit for version in bringing)
        for version in bringing:
            place = Place(version.path, self._provenance(version.commit, at_head=True))
            found.setdefault(version.id, []).append(place)
        return found

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so at the commit; of HEAD the working tree's where they differ."""
        ids = {entry.path: entry.id for entry in self._listed() if is_called(entry.path, names)}
        files = read_named(self._repo, ids, self._max_blob, self.gaps)
        if self._repo.worktree is not None and not self._revision:
            for file in list_worktree(self._repo, []):
                if is_called(file.path, names):
                    data = read_worktree_file(self._repo, file.path, self._max_blob, self.gaps)
                    if data is not None:
                        files[file.path] = data
        return Beside(b"", files)

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield all versions that these files have had in the commit's history, the newest first, under other names too."""
        if not self._history:
            return
        by_id: dict[str, list[tuple[_Past, int]]] = {}
        for versions in self._followed(paths).values():
            for age, version in enumerate(versions):
                by_id.setdefault(version.id, []).append((version, len(versions) - age))
        self._read_commits(version.commit for versions in by_id.values() for version, _ in versions)
        # What cannot be read is named by whoever scans the history.
        for object_id, _, data in read_objects(self._repo, list(by_id), [], max_bytes=min(self._max_blob, MAX_HELD_BYTES)):
            for version, order in by_id[object_id]:
                yield Version(version.path, data, self._provenance(version.commit, at_head=False, order=order))

    def _resolve(self, revision: str) -> str:
        commit = self._repo.resolve(revision)
        if commit is None:
            hint = "check its spelling, or fetch it"
            raise ConfigError(f"the revision {one_line(revision)!r} is not in this repository", hint)
        return commit

    def _listed(self) -> list[_Entry]:
        if self._entries is None:
            self._entries = []
            if self._commit is not None:
                output = self._repo.run("ls-tree", "-r", "-z", "--full-tree", self._commit)
                for record in output.split(b"\0")[:-1]:
                    fields, _, path = record.partition(b"\t")
                    mode, _, object_id = fields.decode("ascii").split(" ")
                    self._entries.append(_Entry(path, mode, object_id))
                    if mode == SUBMODULE:
                        self.gaps.append(submodule(path))
        return self._entries

    def _is_wanted(self, path: bytes) -> bool:
        return self._wanted is None or self._wanted(path)

    def _worktree(self, committed: Mapping[bytes, str]) -> Iterator[Blob | LargeBlob]:
        for file in list_worktree(self._repo, []):
            if self._is_wanted(file.path):
                content = read_worktree_content(self._repo, file.path, self._max_blob, self.gaps)
                if content is not None and committed.get(file.path) != blob_id(self._repo, content):
                    link = os.path.islink(os.path.join(os.fsencode(self._repo.root), file.path))
                    yield to_blob(content, None, Place(file.path, Provenance("worktree"), link))

    def _versions(self, paths: Collection[bytes]) -> dict[bytes, list[_Past]]:
        """Return the versions of each path, the newest first: one walk for all paths that are not known yet."""
        unknown = [path for path in paths if path not in self._past]
        if unknown and self._commit is not None:
            self._past.update({path: [] for path in unknown})
            self._walk(unknown)
        return {path: self._past.get(path, []) for path in paths}

    def _followed(self, paths: Collection[bytes]) -> dict[bytes, list[_Past]]:
        """Return the versions of each path, with those from before it was renamed."""
        found = {path: list(versions) for path, versions in self._versions(paths).items()}
        names = {path: path for path in found}
        for _ in range(_MAX_RENAMES):
            beginnings = {name: found[path][-1].commit for path, name in names.items() if found[path]}
            old_names = self._renamed(beginnings)
            names = {path: old_names[name] for path, name in names.items() if name in old_names}
            if not names:
                break
            known = self._versions(set(names.values()))
            for path, name in names.items():
                found[path] += [version._replace(path=path) for version in known[name]]
        return found

    def _renamed(self, beginnings: Mapping[bytes, str]) -> dict[bytes, bytes]:
        """Return which of these paths had another name before the commit that brought them."""
        if not beginnings:
            return {}
        commits = "\n".join([*dict.fromkeys(beginnings.values()), ""]).encode("ascii")
        old_names: dict[bytes, bytes] = {}
        options = ("diff-tree", "--stdin", "-r", "--diff-filter=R", *FIND_RENAMES, *RAW_OPTIONS)
        with self._repo.start(*options, stdin=commits) as git:
            fields = iter(git.stdout.read().split(b"\0"))
            commit = ""
            for field in fields:
                if field.startswith(b":"):
                    old, new = next(fields), next(fields)
                    if beginnings.get(new) == commit:
                        old_names[new] = old
                elif field:
                    commit = field.decode("ascii")
            # Content that a partial clone has not got ends it: what was found until then holds.
            git.wait()
        return old_names

    def _walk(self, paths: Sequence[bytes]) -> None:
        wanted = frozenset(paths)
        # Literal, so that a path of asterisks stands for itself alone.
        specs = [":(top,literal)" + os.fsdecode(path) for path in paths] if len(paths) <= _MAX_PATHSPECS else []
        with self._repo.start("rev-list", "--full-history", "--topo-order", self._commit or "", "--", *specs) as git:
            commits = git.stdout.read()
            failed = git.wait() != 0
            complaint = git.complaint() if failed else ""
        if failed:
            self.gaps.append(Gap("missing", "the history of encrypted files", complaint))
        options = ("diff-tree", "--stdin", "-r", "-m", "--root", "--no-renames", *RAW_OPTIONS)
        with self._repo.start(*options, "--", *specs, stdin=commits) as git:
            fields = iter(git.stdout.read().split(b"\0"))
            commit = ""
            for field in fields:
                if field.startswith(b":"):
                    change = parse_change(field, fields)
                    if change.path in wanted and change.id.strip("0") and change.mode != SUBMODULE:
                        self._past[change.path].append(_Past(change.path, change.id, commit))
                elif field:
                    commit = field.decode("ascii")
            if git.wait() != 0:
                self.gaps.append(Gap("missing", "the history of encrypted files", git.complaint()))

    def _read_commits(self, commits: Iterable[str]) -> None:
        """Read the commits that are not known yet, all at once: one by one, a partial clone would be listed for each."""
        unknown = [commit for commit in dict.fromkeys(commits) if commit not in self._commits]
        for commit, _, data in read_objects(self._repo, unknown, []):
            self._commits[commit] = parse_commit(data)

    def _provenance(self, commit: str, *, at_head: bool, order: int = 0) -> Provenance:
        known = self._commits.get(commit)
        if known is None:
            return Provenance("commit", commit, at_head=at_head, order=order)
        return provenance_of("commit", commit, known, at_head, order)
