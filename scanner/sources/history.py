# SPDX-License-Identifier: Apache-2.0
"""A repository's whole history: every object once, wherever git keeps it, and the working tree."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from scanner.git.objects import list_named, list_objects, oversize, read_contents, read_objects
from scanner.git.packs import Packs, Part, open_packs
from scanner.git.repo import Repository
from scanner.git.trace import Graph
from scanner.model import (
    LARGE_BYTES,
    Beside,
    Blob,
    Content,
    Extent,
    Gap,
    Known,
    LargeBlob,
    Ledger,
    Place,
    Provenance,
    Screen,
    Version,
    to_blob,
)
from scanner.sources.connectivity import Connectivity
from scanner.sources.files import blob_id, list_worktree, read_worktree_content, submodule

if TYPE_CHECKING:
    from scanner.git.kernel.patch import Copies
    from scanner.git.kernel.reader import Reader

# Id, kind, content, and what is known of it.
_Object = tuple[str, str, bytes, Known | None]
_Take = Callable[[list[tuple[bytes, bytes]]], None]


class HistorySource:
    """All blobs, commits and tags of a repository: packed, loose, in alternates, reachable or not.

    Blobs come without a place (`trace` tells it), the texts of commits and tags with theirs. Where
    there is a working tree, files whose content git does not have follow.

    Packs are read directly where that is possible, which tells how blobs were made of each other; `engine` is then
    "pack". With `engine="reference"`, and where it is not possible, git reads every object.

    Blobs that the ledger knows are left out, where there is a screen to be told of their number.
    """

    extent: Extent = "history"

    def __init__(self, repo: Repository, max_blob: int, engine: str = "auto", ledger: Ledger | None = None) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._repo = repo
        self._max_blob = max_blob
        self._ledger = ledger
        self._packs: Packs | None = None if engine == "reference" else open_packs(repo, max_blob)
        self.engine = "reference" if self._packs is None else "pack"
        # How many blobs in the packs are known, and their bytes.
        self._left_out = self._packs.keep(ledger) if self._packs is not None and ledger is not None else (0, 0)
        self._graph = Graph(repo.id_bytes)
        self._facts = self._graph.facts
        self._connectivity = Connectivity(repo, self._graph, self.gaps)
        # Of the packs' objects those that git was asked for, and of all those that it cannot read either.
        self._failed: set[str] = set()
        self._unreadable: set[str] = set()
        self._large: list[str] = []
        self._ids: dict[str, list[str]] = {}
        self._parts: list[Part] = []
        self._part_count = 0
        # Blobs that the parts had to leave to git, whoever read these.
        self.left: list[str] = []

    def blobs(self, screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield everything, each object once; that nothing is missing is checked before the first blob."""
        yield from self.opening(screen)
        for object_id, _, data, known in self._look(self._ids, "blob", screen, None):
            yield Blob(data, object_id, None, None, known)
        yield from self._large_blobs()
        if screen is not None:
            self._learn()
        if self._repo.worktree is not None:
            yield from self._worktree()

    def packed_bytes(self) -> int:
        """Return how many bytes the blobs take in the packs that are read directly."""
        return self._packs.packed("blob") if self._packs is not None else 0

    def divide(self, count: int) -> int:
        """Cut the packs' blobs into at most so many parts, and return their number.

        `blobs` are the `opening`, every `part` in any order and in any process, and the `rest`.
        """
        self._parts = self._packs.parts("blob", count) if self._packs is not None else []
        self._part_count = min(count, len(self._parts))
        return self._part_count

    def opening(self, screen: Screen | None) -> Iterator[Blob]:
        """Yield commits and tags, once nothing that they and the trees name is missing."""
        self._ids = self._list()
        found = self._read_graph(self._ids, screen)
        self._connectivity.check_objects()
        if screen is not None and self._ledger is not None:
            self._leave_out(screen, self._ledger)
        for object_id, kind, data, known in self._messages(self._ids, screen, found):
            if kind == "commit" and self._graph.has_commit(object_id):
                yield Blob(data, object_id, self._graph.commit_place(object_id), None, known)
            elif kind == "tag" and object_id in self._graph.tags:
                yield Blob(data, object_id, self._graph.tag_place(object_id), None, known)

    def part(self, number: int, screen: Screen) -> Iterator[Blob]:
        """Yield the blobs of one part; `left` grows by those that have to be read by git."""
        failed: list[bytes] = []
        # There may be more packs than parts.
        for part in self._parts[number :: self._part_count]:
            for object_id, data, known in part.search(screen, failed, lambda reader: screen.passed(reader.count, reader.size)):
                yield Blob(data, object_id, None, None, known)
        self.left += [name.hex() for name in failed]

    def rest(self) -> Iterator[Blob | LargeBlob]:
        """Yield the blobs that git reads, and the working tree; after all parts."""
        self._leave(self._ids, self.left)
        for object_id, _, data in self._read_rest(self._ids, "blob"):
            yield Blob(data, object_id, None)
        yield from self._large_blobs()
        self._learn()
        if self._repo.worktree is not None:
            yield from self._worktree()

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield nothing: the whole history replaces nothing."""
        return iter(())

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return all paths of these blobs with the commit that first brought them; ask once for all.

        The walk over the trees that tells them names the submodules too.
        """
        found, modules = self._graph.places(ids)
        self.gaps.extend(gap for gap in map(submodule, modules) if gap not in self.gaps)
        for object_id, paths in self._index_paths(found).items():
            places = found[object_id]
            taken = {place.path for place in places if place.provenance.kind != "unreachable"}
            staged = Provenance("index", order=len(self._graph.order))
            places[:0] = [Place(path, staged) for path in paths if path not in taken]
        nowhere = Provenance("unreachable", at_head=None if self._repo.head is None else False)
        for object_id, places in found.items():
            if not places:
                places.append(Place(b".git/blob/" + object_id.encode(), nowhere))
        return found

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return nothing: history is no state of files (`CurrentSource` is)."""
        return Beside()

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield nothing: everything there ever was is a blob already."""
        return iter(())

    def _list(self) -> dict[str, list[str]]:
        """Return the ids of the objects that git has to read, by kind; those in packs are the packs' to tell."""
        packs = self._packs
        listed = list_objects(self._repo, self.gaps) if packs is None else list_named(self._repo, packs.others, self.gaps)
        if packs is not None:
            packs.number(self._facts)
            for object_id in packs.others:
                self._facts.add(bytes.fromhex(object_id))
        return self._sort(listed)

    def _sort(self, listed: Iterable[tuple[str, str, int]]) -> dict[str, list[str]]:
        ids: dict[str, list[str]] = {"commit": [], "tree": [], "blob": [], "tag": []}
        for object_id, kind, size in listed:
            self._facts.add(bytes.fromhex(object_id))
            if size > self._max_blob and kind != "tree":
                self.gaps.append(oversize(f"{kind} {object_id}", size))
                if kind == "blob":
                    continue
            if size > LARGE_BYTES and kind == "blob":
                self._large.append(object_id)
            else:
                ids[kind].append(object_id)
        return ids

    def _read(self, ids: Mapping[str, list[str]], *kinds: str) -> Iterator[tuple[str, str, bytes, "Copies | None"]]:
        """Yield id, kind, content and change of all objects of these kinds: those of the packs, then the others."""
        if self._packs is not None:
            failed: list[str] = []
            for kind in kinds:
                for object_id, data, change in self._packs.read(kind, failed):
                    yield object_id, kind, data, change
            self._leave(ids, failed)
        for object_id, kind, data in self._read_rest(ids, *kinds):
            yield object_id, kind, data, None

    def _look(self, ids: Mapping[str, list[str]], kind: str, screen: Screen | None, take: _Take | None) -> Iterator[_Object]:
        """Yield all objects of a kind; of the packs' only those with something to look at, where there is a screen.

        `take` is handed all objects that the screen has seen.
        """
        if screen is None or self._packs is None:
            for object_id, _, data, _ in self._read(ids, kind):
                yield object_id, kind, data, None
            return
        failed: list[str] = []

        def counted(reader: "Reader") -> bool:
            if take is None:
                return screen.passed(reader.count, reader.size)
            take(reader.contents())
            screen.passed(reader.count, reader.size)
            return True  # without all of the commits there is no graph

        for object_id, data, known in self._packs.search(kind, screen, failed, counted):
            yield object_id, kind, data, known
        self._leave(ids, failed)
        for object_id, _, data in self._read_rest(ids, kind):
            yield object_id, kind, data, None

    def _leave_out(self, screen: Screen, ledger: Ledger) -> None:
        """Tell the screen of the blobs that are known to be clean; those that are not in packs are left out now."""
        read = (*self._ids["blob"], *self._large)
        sizes = {object_id: ledger.size(bytes.fromhex(object_id)) for object_id in read}
        known = [size for size in sizes.values() if size is not None]
        screen.passed(self._left_out[0] + len(known), self._left_out[1] + sum(known))
        for ids in (self._ids["blob"], self._large):
            ids[:] = [object_id for object_id in ids if sizes[object_id] is None]

    def _learn(self) -> None:
        """Tell the ledger what was read in packs."""
        if self._packs is not None and self._ledger is not None:
            self._packs.tell(self._ledger)

    def _leave(self, ids: Mapping[str, list[str]], failed: Iterable[str]) -> None:
        """Leave to git what the packs could not read."""
        # Commits may be read twice.
        more = sorted(set(failed) - self._failed)
        self._failed.update(more)
        listed = list(list_named(self._repo, more, self.gaps))
        self._unreadable.update(set(more).difference(object_id for object_id, _, _ in listed))
        for kind, named in self._sort(listed).items():
            ids[kind].extend(named)

    def _read_rest(self, ids: Mapping[str, list[str]], *kinds: str) -> Iterator[tuple[str, str, bytes]]:
        rest = [object_id for kind in kinds for object_id in ids[kind] if object_id not in self._unreadable]
        before = len(self.gaps)
        read = set()
        for object_id, kind, data in read_objects(self._repo, rest, self.gaps):
            read.add(object_id)
            yield object_id, kind, data
        if len(self.gaps) > before:
            self._unreadable.update(object_id for object_id in rest if object_id not in read)

    def _read_graph(self, ids: Mapping[str, list[str]], screen: Screen | None) -> list[_Object]:
        """Take in commits, tags and trees; return the packs' commits and tags that have something to look at."""
        graph = self._graph
        found = []
        for kind, take in (("commit", self._take_commits), ("tag", self._take_tags)):
            for item in self._look(ids, kind, screen, take):
                if item[3] is None:
                    take([(bytes.fromhex(item[0]), item[2])])
                else:
                    found.append(item)
        self._read_trees(ids)
        self._facts.settle()
        self.commits = graph.commits
        refs = self._refs() if len(self._facts.flags) else {}
        reflogs = self._repo.reflog_commits() if graph.commits else []
        graph.arrange(refs, reflogs, self._repo.head)
        self._connectivity.check_refs(refs)
        return found

    def _take_commits(self, commits: list[tuple[bytes, bytes]]) -> None:
        for name in self._graph.add_commits(commits):
            self.gaps.append(Gap("corrupt", f"commit {name.hex()}", "its header is malformed"))

    def _take_tags(self, tags: list[tuple[bytes, bytes]]) -> None:
        for name, data in tags:
            if not self._graph.add_tag(name.hex(), data):
                self.gaps.append(Gap("corrupt", f"tag {name.hex()}", "its header is malformed"))

    def _read_trees(self, ids: Mapping[str, list[str]]) -> None:
        if self._packs is not None:
            failed: list[str] = []
            self._packs.read_trees(self._facts, failed)
            self._leave(ids, failed)
        for object_id, _, data in self._read_rest(ids, "tree"):
            if not self._graph.add_tree(object_id, data):
                self.gaps.append(Gap("corrupt", f"tree {object_id}", "its entries are malformed"))

    def _refs(self) -> dict[str, str]:
        """Return the ids that refs name, each with one of its refs."""
        output = self._repo.run("for-each-ref", "--format=%(objectname) %(refname)").decode("utf-8", "backslashreplace")
        refs = dict(line.split(" ", 1) for line in output.splitlines())
        if self._repo.head is not None:
            refs.setdefault(self._repo.head, "HEAD")
        return refs

    def _messages(
        self, ids: Mapping[str, list[str]], screen: Screen | None, found: Iterable[_Object]
    ) -> Iterator[_Object]:
        """Yield the texts of commits and tags: those that were found, and those that no screen has seen."""
        yield from found
        if screen is None or self._packs is None:
            for object_id, kind, data, _ in self._read(ids, "commit", "tag"):
                yield object_id, kind, data, None
            return
        for object_id, kind, data in self._read_rest(ids, "commit", "tag"):
            yield object_id, kind, data, None

    def _large_blobs(self) -> Iterator[Blob | LargeBlob]:
        """Yield the blobs that are too large to be held; known once all others were asked for."""
        for object_id, _, content in read_contents(self._repo, self._large, self.gaps):
            yield to_blob(content, object_id, None)

    def _worktree(self) -> Iterator[Blob | LargeBlob]:
        """Yield files whose content git does not have; all are read, as a flag or a stamp can deceive."""
        submodules: list[Gap] = []
        files = list_worktree(self._repo, submodules)
        self.gaps.extend(gap for gap in submodules if gap not in self.gaps)
        for file in files:
            self._connectivity.check_file(file.path, file.id)
            content = read_worktree_content(self._repo, file.path, self._max_blob, self.gaps)
            if content is not None and not self._has_read(blob_id(self._repo, content)):
                yield to_blob(content, None, Place(file.path, Provenance("worktree")))

    def _has_read(self, object_id: str) -> bool:
        return bytes.fromhex(object_id) in self._facts and object_id not in self._unreadable

    def _index_paths(self, wanted: Mapping[str, object]) -> dict[str, list[bytes]]:
        """Return the paths at which these blobs stand in the index."""
        paths: dict[str, list[bytes]] = {}
        if wanted and os.path.exists(os.path.join(self._repo.git_dir, "index")):
            for record in self._repo.run("ls-files", "-z", "-s").split(b"\0")[:-1]:
                fields, _, path = record.partition(b"\t")
                object_id = fields.split(b" ")[1].decode("ascii")
                if object_id in wanted:
                    paths.setdefault(object_id, []).append(path)
        return paths
