# SPDX-License-Identifier: Apache-2.0
"""The commits of a range, as a push or a merge request brings them: their changes and their messages."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from scanner.display import decode_path, one_line, plural
from scanner.errors import ConfigError
from scanner.git.changes import FIND_RENAMES, LINK, RAW_OPTIONS, SUBMODULE, Change, parse_change
from scanner.git.headers import Commit, parse_commit, provenance_of
from scanner.git.objects import missing, read_contents, read_objects
from scanner.git.repo import Repository, is_id
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
from scanner.sources.beside import beside_in_commit

_DIFF_TREE: Final = ("diff-tree", "--stdin", "-r", "--root", "-c", "--combined-all-paths", *RAW_OPTIONS)


class _Entry(NamedTuple):
    """A version of a file, the commit that brought it and what it replaced."""

    commit: str
    old_ids: tuple[str, ...]
    link: bool


class RangeSource:
    """`A..B`, `A...B` (from the merge base), or one commit; of a merge what differs from all parents."""

    extent: Extent = "change"

    def __init__(self, repo: Repository, spec: str, max_blob: int) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._repo = repo
        self._max_blob = max_blob
        self._spec = spec
        self._list_of_commits: list[str] | None = None
        self._commits: dict[str, Commit] = {}
        self._order: dict[str, int] = {}
        self._entries: dict[str, dict[bytes, _Entry]] = {}
        self._removed: dict[tuple[bytes, str], str] = {}
        self._submodules: set[bytes] = set()

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield the message of each commit, then each new version of a file once for each path."""
        commits = self._ordered()
        self._order = {commit: order for order, commit in enumerate(commits)}
        self.commits = len(commits)
        self._check_shallow()
        beyond = self._beyond_head(commits[-1]) if commits else frozenset()
        for commit, _, data in read_objects(self._repo, commits, self.gaps):
            self._commits[commit] = parse_commit(data)
            at_head = None if self._repo.head is None else commit not in beyond
            yield Blob(data, commit, Place(b".git/commit/" + commit.encode(), self._provenance(commit, at_head)))
        self._collect([commit for commit in commits if commit in self._commits])
        yield from self._versions()

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield what the parents of the blob's commit have at its path."""
        if blob.place is None or blob.id is None:
            return
        entry = self._entries.get(blob.id, {}).get(blob.place.path)
        if entry is not None:
            # A version that cannot be read excuses no secret, so it is no gap either.
            for _, _, content in read_contents(self._repo, entry.old_ids, [], max_bytes=self._max_blob):
                yield content

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return nothing: every blob came with its place."""
        return {}

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so at the end of the range."""
        return beside_in_commit(self._repo, self._ends(), names, self._max_blob, self.gaps)

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield what the commits of the range replaced or removed at these paths."""
        wanted = frozenset(paths)
        replaced = {
            (path, old): self._commits[entry.commit].parents
            for places in self._entries.values()
            for path, entry in places.items()
            if path in wanted
            for old in entry.old_ids
        } | {place: self._commits[commit].parents for place, commit in self._removed.items() if place[0] in wanted}
        ids = list(dict.fromkeys(old for _, old in replaced))
        for object_id, _, data in read_objects(self._repo, ids, [], max_bytes=min(self._max_blob, MAX_HELD_BYTES)):
            for (path, old), parents in replaced.items():
                if old == object_id:
                    # Of a merge it is not known which of the parents had it.
                    parent = parents[0] if len(parents) == 1 else None
                    yield Version(path, data, Provenance("commit", parent, order=self._order.get(parent or "", -1)))

    def _ends(self) -> list[str]:
        """Return the commits at which the range ends."""
        return self._ordered()[-1:]

    def _ordered(self) -> list[str]:
        if self._list_of_commits is None:
            self._list_of_commits = self._selected()
        return self._list_of_commits

    def _selected(self) -> list[str]:
        """Return the commits to scan, ancestors first."""
        return self._list(*_parse_spec(self._spec))

    def _list(self, old: str | None, new: str, symmetric: bool) -> list[str]:
        """Return the commits of the range, ancestors first."""
        if _is_null(new):
            return []  # a deleted branch brings nothing
        tip = self._resolve(new)
        if old is None:
            return [tip]
        if _is_null(old):
            # What a server that is told of a new branch has not got yet, as far as can be known here.
            return self._walk([tip, "--not", "--remotes"])
        start = self._resolve(old)
        if symmetric:
            bases = self._repo.run("merge-base", "--all", start, tip) if self._related(start, tip) else b""
            return self._walk([tip, "--not", *(bases.decode("ascii").split() or [start])])
        return self._walk([tip, "--not", start])

    def _related(self, start: str, tip: str) -> bool:
        with self._repo.start("merge-base", start, tip) as git:
            git.stdout.read()
            return git.wait() == 0

    def _walk(self, arguments: Sequence[str], stdin: bytes | None = None) -> list[str]:
        with self._repo.start("rev-list", "--topo-order", "--reverse", *arguments, stdin=stdin) as git:
            commits = git.stdout.read().decode("ascii").split()
            if git.wait() != 0:
                self.gaps.append(missing(self._repo, f"commits of {one_line(self._spec)}: {git.complaint()}"))
        return commits

    def _resolve(self, name: str) -> str:
        commit = self._repo.resolve(name)
        if commit is not None:
            return commit
        shown = one_line(name)
        if self._repo.shallow or is_id(name):
            hint = "this clone may be too shallow: fetch deeper, for example fetch-depth: 0 or GIT_DEPTH: 0"
        else:
            hint = "check its spelling, or fetch it"
        raise ConfigError(f"the revision {shown!r} of --range is not in this repository", hint)

    def _check_shallow(self) -> None:
        cut = sum(commit in self._order for commit in self._repo.shallow_commits())
        if cut:
            what = f"the range before {plural(cut, 'boundary commit')}"
            self.gaps.append(Gap("shallow", what, "this clone is shallow: fetch deeper", cut))

    def _collect(self, commits: Sequence[str]) -> None:
        """Take in the changes of each commit; one that git cannot compare does not stop the others."""
        complaint = self._compare(commits, FIND_RENAMES)
        if complaint and len(commits) > 1:
            half = len(commits) // 2
            self._collect(commits[:half])
            self._collect(commits[half:])
        elif complaint and self._compare(commits, ("--no-renames",)):
            # Finding renames reads content, which may be missing where the trees are whole.
            what = f"the changes of commit {commits[0]}"
            self.gaps.append(missing(self._repo, what) if self._repo.is_partial() else Gap("corrupt", what, complaint))

    def _compare(self, commits: Sequence[str], options: Sequence[str]) -> str:
        """Take in the changes of the commits, all of them or none; return git's complaint if it died."""
        stdin = "\n".join([*commits, ""]).encode("ascii")
        with self._repo.start(*_DIFF_TREE, *options, stdin=stdin) as git:
            output = git.stdout.read()
            if git.wait() != 0:
                return git.complaint()
        commit = ""
        fields = iter(output.split(b"\0"))
        for field in fields:
            if field.startswith(b":"):
                self._take(commit, parse_change(field, fields))
            elif field:
                commit = field.decode("ascii")
        return ""

    def _take(self, commit: str, change: Change) -> None:
        if change.renamed_from:
            self._removed.update({(change.renamed_from, old): commit for old in change.old_ids})
        if change.mode == SUBMODULE:
            if change.path not in self._submodules:
                self._submodules.add(change.path)
                self.gaps.append(Gap("submodule", decode_path(change.path), "a repository of its own, not entered"))
        elif change.status.strip("D") == "":
            self._removed.update({(change.path, old): commit for old in change.old_ids})
        elif change.brings_content:
            entry = _Entry(commit, change.old_ids, change.mode == LINK)
            self._entries.setdefault(change.id, {}).setdefault(change.path, entry)

    def _versions(self) -> Iterator[Blob | LargeBlob]:
        entries = self._entries
        at_head = self._named_by_head()
        names = {object_id: next(iter(paths)) for object_id, paths in entries.items()}
        contents = read_contents(self._repo, list(entries), self.gaps, max_bytes=self._max_blob, names=names)
        for object_id, _, content in contents:
            for path, entry in entries[object_id].items():
                here = None if self._repo.head is None else (path, object_id) in at_head
                yield to_blob(content, object_id, Place(path, self._provenance(entry.commit, here), entry.link))

    def _named_by_head(self) -> set[tuple[bytes, str]]:
        """Return those of the new versions that HEAD still has."""
        named: set[tuple[bytes, str]] = set()
        if self._repo.head is None or not self._entries:
            return named
        with self._repo.start("ls-tree", "-r", "-z", "--full-tree", self._repo.head) as git:
            for record in git.stdout.read().split(b"\0")[:-1]:
                fields, _, path = record.partition(b"\t")
                object_id = fields[fields.rindex(b" ") + 1 :].decode("ascii")
                if object_id in self._entries:
                    named.add((path, object_id))
        return named

    def _beyond_head(self, tip: str) -> frozenset[str]:
        """Return the commits that the tip reaches and HEAD does not."""
        head = self._repo.head
        if head is None or head == tip:
            return frozenset()
        with self._repo.start("rev-list", tip, "--not", head) as git:
            return frozenset(git.stdout.read().decode("ascii").split())

    def _provenance(self, commit: str, at_head: bool | None) -> Provenance:
        return provenance_of("commit", commit, self._commits[commit], at_head, self._order[commit])


def _parse_spec(spec: str) -> tuple[str | None, str, bool]:
    """Return the old and the new end of a range, and whether it begins at their merge base."""
    for dots in ("...", ".."):
        old, found, new = spec.partition(dots)
        if found:
            return old or "HEAD", new or "HEAD", dots == "..."
    return None, spec, False


def _is_null(name: str) -> bool:
    """Return whether this is the id that git's hooks and CI platforms use for no commit at all."""
    return len(name) in (40, 64) and not name.strip("0")
