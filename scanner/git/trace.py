# SPDX-License-Identifier: Apache-2.0
"""The graph of a repository: which commit first brought a blob to which path, and what is missing.

Trees and commits are read once and kept small: an entry of a tree (`mode name NUL id`) stands in
thousands of trees, so each distinct entry is stored once and a tree is an array of their numbers. The
connectivity check is then one subtraction of sets, and a trace is a walk from the commits, oldest first,
that enters every directory once.
"""

import heapq
import re
import time
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.display import decode_text
from scanner.model import Place, Provenance

if TYPE_CHECKING:
    from scanner.git.kernel.pack import Copies

try:
    from scanner.git.kernel.trees import first, select
except ImportError:

    def first(numbers: "array[int]", flags: bytearray) -> int:
        """Return the first number that is flagged, or -1."""
        return next((number for number in numbers if flags[number]), -1)

    def select(numbers: "array[int]", flags: bytearray) -> list[int]:
        """Return the numbers that are flagged, in their order."""
        return [number for number in numbers if flags[number]]


_TREE_MODE: Final = b"40000 "
_SUBMODULE_MODE: Final = b"160000 "
_PERSON = re.compile(rb"^(?:author|tagger) (.*?) ?(-?\d{1,19}) ([+-]\d{4})$", re.MULTILINE)
_COMMITTED = re.compile(rb"^committer .* (\d{1,19}) [+-]\d{4}$", re.MULTILINE)
_PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)
# Trees can be built in which a few objects stand for billions of paths ("git bomb"). Their content is
# scanned like any other; only the search for yet more paths to the same content ends here.
_MAX_DIRECTORIES: Final = 20_000_000
_MAX_PATH_BYTES: Final = 16_384

# How a commit is reached: by a ref or HEAD, by a reflog alone, by nothing.
_REF, _REFLOG, _NOTHING = range(3)


class Commit(NamedTuple):
    """What is needed of a commit; `author` is the raw `Name <address>`, `committed` seconds since 1970."""

    tree: str
    parents: tuple[str, ...]
    author: bytes
    date: str | None
    committed: int


class Tag(NamedTuple):
    """What is needed of an annotated tag object."""

    target: str
    tagger: bytes
    date: str | None


class Named(NamedTuple):
    """A thing that a tree entry names: where, in which commit first (its rank), and the entry's id."""

    path: bytes
    id: bytes
    rank: int


def parse_commit(data: bytes) -> Commit:
    """Return the parts of a raw commit object; what is malformed is left empty."""
    header = data.partition(b"\n\n")[0]
    tree = header[5 : header.find(b"\n")].decode("ascii", "replace") if header.startswith(b"tree ") else ""
    parents = tuple(parent.decode("ascii") for parent in _PARENT.findall(header))
    author, date = _person(header)
    committed = _COMMITTED.search(header)
    return Commit(tree, parents, author, date, int(committed[1]) if committed else 0)


def parse_tag(data: bytes) -> Tag:
    """Return the parts of a raw tag object; what is malformed is left empty."""
    header = data.partition(b"\n\n")[0]
    target = header[7 : header.find(b"\n")].decode("ascii", "replace") if header.startswith(b"object ") else ""
    return Tag(target, *_person(header))


def _person(header: bytes) -> tuple[bytes, str | None]:
    found = _PERSON.search(header)
    return (found[1], _iso_date(int(found[2]), found[3].decode("ascii"))) if found else (b"", None)


def _iso_date(seconds: int, zone: str) -> str | None:
    """Return an ISO 8601 date in the zone that git recorded; None for a date out of any calendar."""
    offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-60 if zone[0] == "-" else 60)
    try:
        local = time.gmtime(seconds + offset)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}{zone[:3]}:{zone[3:]}"


class _Ways(NamedTuple):
    """The wanted entries, the trees that lead to them with those of their entries that do, and names and ids of these."""

    wanted: Collection[int]
    trees: dict[bytes, list[int]]
    entries: dict[int, tuple[bytes, bytes]]


def _walk(ways: _Ways, roots: Iterable[tuple[int, bytes]]) -> Iterator[Named]:
    """Yield the wanted entries where they stand, in the order of the roots (each with its rank), each directory once."""
    wanted, trees, entries = ways
    seen: set[tuple[bytes, bytes]] = set()
    told: set[tuple[int, bytes]] = set()
    for rank, root in roots:
        todo = [(root, b"")]
        while todo:
            key = todo.pop()
            if key[0] not in trees or key in seen or len(seen) > _MAX_DIRECTORIES:
                continue
            seen.add(key)
            tree, prefix = key
            for number in trees[tree]:
                name, child = entries[number]
                if number in wanted:
                    # The next versions of the directory mostly have it too.
                    if (number, prefix) not in told:
                        told.add((number, prefix))
                        yield Named(prefix + name, child, rank)
                elif len(prefix) < _MAX_PATH_BYTES:
                    todo.append((child, prefix + name + b"/"))


class Graph:
    """All trees, commits and tags of a repository; add them, then `arrange`, then ask."""

    def __init__(self, id_bytes: int) -> None:
        self.commits: dict[str, Commit] = {}
        self.tags: dict[str, Tag] = {}
        self.order: list[str] = []
        self._id_bytes = id_bytes
        self._entry = re.compile(rb"[^\0]+\0.{%d}" % id_bytes, re.DOTALL)
        self._numbers: defaultdict[bytes, int] = defaultdict(count().__next__)
        self._trees: dict[bytes, array[int]] = {}
        self._ranks: dict[str, int] = {}
        self._reach: dict[str, int] = {}
        self._head: str | None = None
        self._at_head: frozenset[str] = frozenset()
        self._tag_refs: frozenset[str] = frozenset()

    def add_tree(self, object_id: str, data: bytes, change: "Copies | None" = None) -> bool:
        """Take in a raw tree; False where it is malformed. What is copied from another tree is not parsed again."""
        if change is not None:
            from scanner.git.kernel.trees import parse_tree  # whoever tells of changes has it

            numbers = parse_tree(change, data, self._id_bytes, self._numbers)
            if numbers is not None:
                self._trees[bytes.fromhex(object_id)] = array("I", numbers)
                return True
        entries = self._entry.findall(data)
        self._trees[bytes.fromhex(object_id)] = array("I", map(self._numbers.__getitem__, entries))
        return len(b"".join(entries)) == len(data)

    def add_commit(self, object_id: str, data: bytes) -> None:
        """Take in a raw commit."""
        self.commits[object_id] = parse_commit(data)

    def add_tag(self, object_id: str, data: bytes) -> None:
        """Take in a raw tag object."""
        self.tags[object_id] = parse_tag(data)

    def arrange(self, refs: Iterable[str], reflogs: Iterable[str], head: str | None) -> None:
        """Rank the commits: ancestors first, what refs reach before the rest, then by committer's date."""
        tagged = self._peel(refs)
        self._tag_refs = frozenset(tagged)
        self._head = head
        heads = [head] if head else []
        self._at_head = frozenset(self._ancestors(heads, frozenset()))
        for reach, starts in ((_REF, [*heads, *tagged]), (_REFLOG, reflogs), (_NOTHING, self.commits)):
            members = self._ancestors(starts, self._reach.keys())
            self._reach.update(dict.fromkeys(members, reach))
            self.order.extend(self._sorted(members))
        self._ranks = {commit: rank for rank, commit in enumerate(self.order)}

    def missing_ids(self, known: Collection[bytes]) -> set[bytes]:
        """Return the ids that tree entries name, but for submodules, and that are not among the known."""
        size = self._id_bytes
        named = {entry[-size:] for entry in self._numbers}
        named.difference_update(known)
        if named:
            named = {
                entry[-size:]
                for entry in self._numbers
                if entry[-size:] in named and not entry.startswith(_SUBMODULE_MODE)
            }
        return named

    def missing_commits(self, known: Collection[bytes], shallow: Collection[str]) -> dict[str, str]:
        """Return what commits and tags name and is not known: its id, and who names it."""
        missing = {}
        for object_id, commit in self.commits.items():
            parents = () if object_id in shallow else commit.parents
            for named in (commit.tree, *parents):
                if bytes.fromhex(named) not in known:
                    missing[named] = f"commit {object_id}"
        for object_id, tag in self.tags.items():
            if bytes.fromhex(tag.target) not in known:
                missing[tag.target] = f"tag {object_id}"
        return missing

    def paths(self, ids: Collection[bytes]) -> dict[bytes, list[Named]]:
        """Return where each of the ids first stood, by id, one for each path, oldest first."""
        size = self._id_bytes
        return self._paths(self._ways({number for entry, number in self._numbers.items() if entry[-size:] in ids}))

    def _paths(self, ways: "_Ways") -> dict[bytes, list[Named]]:
        found: dict[bytes, dict[bytes, Named]] = {}
        for named in _walk(ways, self._roots()):
            found.setdefault(named.id, {}).setdefault(named.path, named)
        return {wanted: list(places.values()) for wanted, places in found.items()}

    def places(self, ids: Sequence[str]) -> tuple[dict[str, list[Place]], list[bytes]]:
        """Return the places of blobs, by id, one for each path, and the paths at which submodules ever stood.

        A blob that no tree names has no places. Both are told in one walk over all trees.
        """
        wanted = {bytes.fromhex(object_id): object_id for object_id in ids}
        size = self._id_bytes
        submodules, numbers = set(), set()
        for entry, number in self._numbers.items():
            if entry.startswith(_SUBMODULE_MODE):
                submodules.add(entry[-size:])
                numbers.add(number)
            elif entry[-size:] in wanted:
                numbers.add(number)
        ways = self._ways(numbers)
        found = self._paths(ways)
        modules = sorted({named.path for module in submodules for named in found.pop(module, ())})
        at_head = self._named_by_head(ways)
        places = {
            object_id: [
                Place(named.path, self._provenance(named, at_head=(named.path, raw) in at_head))
                for named in found.get(raw, ())
            ]
            for raw, object_id in wanted.items()
        }
        return places, modules

    def commit_place(self, object_id: str) -> Place:
        """Return the place of a commit's own text."""
        kind = "unreachable" if self._reach.get(object_id) == _NOTHING else "commit"
        at_head = None if self._head is None else object_id in self._at_head
        return Place(
            b".git/commit/" + object_id.encode(),
            provenance_of(kind, object_id, self.commits[object_id], at_head, self._ranks.get(object_id, 0)),
        )

    def tag_place(self, object_id: str) -> Place:
        """Return the place of a tag's own text; its commit is the one that it names, if it names one."""
        tag = self.tags[object_id]
        target = self._tagged_commit(object_id)
        kind = "commit" if object_id in self._tag_refs else "unreachable"
        at_head = None if self._head is None else target in self._at_head
        rank = len(self.order) if target is None else self._ranks[target]
        author = decode_text(tag.tagger) or None
        return Place(b".git/tag/" + object_id.encode(), Provenance(kind, target, author, tag.date, at_head, rank))

    def _peel(self, starts: Iterable[str]) -> list[str]:
        """Return the ids together with all that they name as tags."""
        found = {}
        for start in starts:
            current = start
            while current not in found:
                found[current] = True
                current = self.tags[current].target if current in self.tags else start
        return list(found)

    def _tagged_commit(self, object_id: str) -> str | None:
        return next((named for named in self._peel([object_id]) if named in self.commits), None)

    def _ancestors(self, starts: Iterable[str], known: Collection[str]) -> set[str]:
        """Return the starts and their ancestors as far as they are here and not known already."""
        commits = self.commits
        found = {start for start in starts if start in commits and start not in known}
        todo = list(found)
        while todo:
            for parent in commits[todo.pop()].parents:
                if parent in commits and parent not in found and parent not in known:
                    found.add(parent)
                    todo.append(parent)
        return found

    def _sorted(self, members: set[str]) -> Iterator[str]:
        """Yield the commits, every one after all of its parents, the older committer's date first."""
        commits = self.commits
        children: dict[str, list[str]] = {}
        waiting: dict[str, int] = {}
        ready: list[tuple[int, str]] = []
        for member in members:
            parents = {parent for parent in commits[member].parents if parent in members}
            waiting[member] = len(parents)
            for parent in parents:
                children.setdefault(parent, []).append(member)
            if not parents:
                ready.append((commits[member].committed, member))
        heapq.heapify(ready)
        while ready:
            _, member = heapq.heappop(ready)
            yield member
            for child in children.get(member, ()):
                waiting[child] -= 1
                if not waiting[child]:
                    heapq.heappush(ready, (commits[child].committed, child))

    def _ways(self, wanted: Collection[int]) -> "_Ways":
        """Return the trees that lead to wanted entries. Most lead to none, and are not walked through."""
        if not wanted:
            return _Ways(frozenset(), {}, {})
        size = self._id_bytes
        leads, pending = bytearray(len(self._numbers)), bytearray(len(self._numbers))
        entries: dict[int, tuple[bytes, bytes]] = {}
        names: dict[bytes, list[int]] = {}
        for entry, number in self._numbers.items():
            if number in wanted:
                leads[number] = 1
            elif entry.startswith(_TREE_MODE) and entry[-size:] in self._trees:
                pending[number] = 1
                names.setdefault(entry[-size:], []).append(number)
            else:
                continue
            entries[number] = (entry[entry.index(b" ") + 1 : -size - 1], entry[-size:])
        trees: dict[bytes, list[int]] = {}
        done = set()
        for start in self._trees:
            todo = [start] if start not in done else []
            while todo:
                # Directories first, one at a time, so that what they lead to is known when their parent's turn comes.
                tree = todo[-1]
                below = first(self._trees[tree], pending)
                if below >= 0:
                    pending[below] = 0
                    if entries[below][1] not in done:
                        todo.append(entries[below][1])
                    continue
                todo.pop()
                done.add(tree)
                ways = select(self._trees[tree], leads)
                if ways:
                    trees[tree] = ways
                    for number in names.get(tree, ()):
                        leads[number] = 1
        return _Ways(wanted, trees, entries)

    def _roots(self) -> Iterator[tuple[int, bytes]]:
        """Yield root trees with their commit's rank, then the tops of what no commit reaches."""
        for rank, commit in enumerate(self.order):
            yield rank, bytes.fromhex(self.commits[commit].tree)
        size = self._id_bytes
        below = {entry[-size:] for entry in self._numbers if entry.startswith(_TREE_MODE)}
        below.update(bytes.fromhex(commit.tree) for commit in self.commits.values())
        for tree in sorted(self._trees.keys() - below):
            yield len(self.order), tree

    def _named_by_head(self, ways: "_Ways") -> set[tuple[bytes, bytes]]:
        if self._head not in self.commits:
            return set()
        root = bytes.fromhex(self.commits[self._head].tree)
        return {(named.path, named.id) for named in _walk(ways, [(0, root)])}

    def _provenance(self, named: Named, *, at_head: bool) -> Provenance:
        known = None if self._head is None else at_head
        if named.rank >= len(self.order):
            return Provenance("unreachable", at_head=known, order=named.rank)
        commit = self.order[named.rank]
        kind = "unreachable" if self._reach[commit] == _NOTHING else "commit"
        return provenance_of(kind, commit, self.commits[commit], known, named.rank)


def provenance_of(kind: str, object_id: str, commit: Commit, at_head: bool | None, order: int) -> Provenance:
    """Return the provenance of what a commit brought."""
    return Provenance(kind, object_id, decode_text(commit.author) or None, commit.date, at_head, order)
