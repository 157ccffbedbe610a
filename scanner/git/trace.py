# SPDX-License-Identifier: Apache-2.0
"""The graph of a repository: which commit first brought a blob to which path, and what is missing.

Trees and commits are read once and kept as numbers (`facts.py`). The connectivity check looks at each distinct entry of a
tree once. A trace climbs from the wanted entries to all trees that lead there, then walks down those from the commits,
oldest first, and enters every directory once (`kernel/ways.py`).
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from scanner.display import decode_text
from scanner.git.facts import IS_COMMIT, NONE, SUBMODULE_ENTRY, Facts, make_facts
from scanner.git.headers import Tag, parse_commit, parse_person, parse_tag, person_line
from scanner.git.kernel import ancestry, ways
from scanner.git.repo import is_id
from scanner.model import Place, Provenance

# Trees can be built in which a few objects stand for billions of paths ("git bomb"). Their content is scanned like any
# other; only the search for yet more paths to the same content ends here.
_MAX_STEPS: Final = 50_000_000
_MAX_DIRECTORIES: Final = 4_000_000
_MAX_PATH_BYTES: Final = 16_384

# How a commit is reached: by a ref or HEAD, by a reflog alone, by nothing.
_REF, _REFLOG, _NOTHING = range(1, 4)


class Named(NamedTuple):
    """A thing that a tree entry names: where, in which commit first (its rank), and the entry's id."""

    path: bytes
    id: bytes
    rank: int
    submodule: bool


class Graph:
    """All trees, commits and tags of a repository; add them to `facts` and here, then `arrange`, then ask.

    `order` are the commits' numbers by rank.
    """

    def __init__(self, id_bytes: int) -> None:
        self.facts: Facts = make_facts(id_bytes)
        self.tags: dict[str, Tag] = {}
        self.order: list[int] = []
        self._ranks = array("I")
        self._reach = bytearray()
        self._head: str | None = None
        self._at_head = bytearray()
        self._tag_refs: frozenset[str] = frozenset()

    @property
    def commits(self) -> int:
        """How many commits there are."""
        return len(self.facts.commits)

    def add_tree(self, object_id: str, data: bytes) -> bool:
        """Take in a raw tree; False where it is malformed."""
        return self.facts.add_tree(bytes.fromhex(object_id), data)

    def add_commits(self, commits: list[tuple[bytes, bytes]]) -> list[bytes]:
        """Take in raw commits, pairs of id and content; return the ids of those that are malformed."""
        malformed = []
        for name, data in self.facts.take_commits(commits):
            parsed = parse_commit(data)
            digits = 2 * self.facts.id_bytes
            root = bytes.fromhex(parsed.tree) if is_id(parsed.tree) and len(parsed.tree) == digits else None
            parents = [bytes.fromhex(parent) for parent in parsed.parents if len(parent) == digits]
            self.facts.keep_commit(name, root, parents, parsed.committed, person_line(data))
            if root is None or len(parents) < len(parsed.parents):
                malformed.append(name)
        return malformed

    def add_tag(self, object_id: str, data: bytes) -> bool:
        """Take in a raw tag object; False where it is malformed."""
        tag = self.tags[object_id] = parse_tag(data)
        return is_id(tag.target) and len(tag.target) == len(object_id)

    def has_commit(self, object_id: str) -> bool:
        """Return whether this commit was taken in."""
        return self._commit(object_id) != NONE

    def arrange(self, refs: Iterable[str], reflogs: Iterable[str], head: str | None) -> None:
        """Rank the commits: ancestors first, what refs reach before the rest, then by committer's date."""
        facts = self.facts
        count = self.commits
        tagged = self._peel(refs)
        self._tag_refs = frozenset(tagged)
        self._head = head
        links, bounds = ancestry.links(facts), facts.parent_bounds
        heads = self._numbers([head] if head else [])
        self._at_head = bytearray(count)
        ancestry.spread(heads, bounds, links, self._at_head, 1)
        ages = ancestry.by_age(facts)
        self._reach = bytearray(count)
        starts = ((_REF, [*heads, *self._numbers(tagged)]), (_REFLOG, self._numbers(reflogs)), (_NOTHING, range(count)))
        for level, commits in starts:
            members = ancestry.spread(commits, bounds, links, self._reach, level)
            self.order += ancestry.arrange(members, bounds, links, self._reach, ages)
        self._ranks = array("I", bytes(4 * count))
        for rank, commit in enumerate(self.order):
            self._ranks[commit] = rank

    def missing_ids(self, given: Collection[bytes] = ()) -> set[bytes]:
        """Return the ids that tree entries name, but for submodules, and that neither are there nor given."""
        return {self.facts.id(number) for number in ways.unknown(self.facts)} - set(given)

    def missing_commits(self, given: Collection[bytes], shallow: Collection[str]) -> dict[str, str]:
        """Return what commits and tags name and is neither there nor given: its id, and who names it."""
        facts = self.facts
        cut = {facts.find(bytes.fromhex(object_id)) for object_id in shallow}
        missing = {}
        for commit, named in ancestry.dangling(facts):
            number = facts.commits[commit]
            if facts.id(named) not in given and (number not in cut or named == facts.roots[commit]):
                missing[facts.id(named).hex()] = f"commit {facts.id(number).hex()}"
        for object_id, tag in self.tags.items():
            if is_id(tag.target) and bytes.fromhex(tag.target) not in facts and bytes.fromhex(tag.target) not in given:
                missing[tag.target] = f"tag {object_id}"
        return missing

    def paths(self, ids: Collection[bytes]) -> dict[bytes, list[Named]]:
        """Return where each of the ids first stood, by id, one for each path, oldest first."""
        return self._paths(_Search(self.facts, ids, submodules=False), self._roots())

    def places(self, ids: Sequence[str]) -> tuple[dict[str, list[Place]], list[bytes]]:
        """Return the places of blobs, by id, one for each path, and the paths at which submodules ever stood.

        A blob that no tree names has no places. Both are told in one walk over all trees.
        """
        search = _Search(self.facts, [bytes.fromhex(object_id) for object_id in ids], submodules=True)
        found = self._paths(search, self._roots())
        modules = {named.path for places in found.values() for named in places if named.submodule}
        at_head = {(named.path, named.id) for named in search.walk(self._head_root())}
        places = {
            object_id: [
                Place(named.path, self._provenance(named, at_head=(named.path, named.id) in at_head))
                for named in found.get(bytes.fromhex(object_id), ())
                if not named.submodule
            ]
            for object_id in ids
        }
        return places, sorted(modules)

    def _paths(self, search: "_Search", roots: Iterable[tuple[int, int]]) -> dict[bytes, list[Named]]:
        found: dict[bytes, dict[tuple[bytes, bool], Named]] = {}
        for named in search.walk(roots):
            found.setdefault(named.id, {}).setdefault((named.path, named.submodule), named)
        return {wanted: sorted(places.values(), key=_rank) for wanted, places in found.items()}

    def commit_place(self, object_id: str) -> Place:
        """Return the place of a commit's own text."""
        commit = self._commit(object_id)
        kind = "unreachable" if self._reach[commit] == _NOTHING else "commit"
        at_head = None if self._head is None else self._at_head[commit] != 0
        return Place(
            b".git/commit/" + object_id.encode(), self._provenance_of(kind, commit, at_head, self._ranks[commit])
        )

    def tag_place(self, object_id: str) -> Place:
        """Return the place of a tag's own text; its commit is the one that it names, if it names one."""
        tag = self.tags[object_id]
        target = next((named for named in self._peel([object_id]) if self._commit(named) != NONE), None)
        commit = self._commit(target) if target is not None else NONE
        kind = "commit" if object_id in self._tag_refs else "unreachable"
        at_head = None if self._head is None else target is not None and self._at_head[commit] != 0
        rank = len(self.order) if target is None else self._ranks[commit]
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

    def _place(self, number: int) -> int:
        """Return the number among the commits of an object, NONE where it is none of them."""
        return self.facts.places[number] if self.facts.flags[number] & IS_COMMIT else NONE

    def _commit(self, object_id: str) -> int:
        number = self.facts.find(bytes.fromhex(object_id)) if is_id(object_id) else -1
        return NONE if number < 0 else self._place(number)

    def _numbers(self, ids: Iterable[str]) -> list[int]:
        """Return the numbers of those that are commits."""
        return [number for number in map(self._commit, ids) if number != NONE]

    def _roots(self) -> list[tuple[int, int]]:
        """Return commits' ranks with their trees, then the tops of what no commit reaches."""
        tops = sorted(ways.tops(self.facts), key=lambda tree: self.facts.id(self.facts.trees[tree]))
        return ancestry.trees_of(self.facts, self.order) + [(len(self.order), tree) for tree in tops]

    def _head_root(self) -> list[tuple[int, int]]:
        return ancestry.trees_of(self.facts, self._numbers([self._head] if self._head else []))

    def _provenance(self, named: Named, *, at_head: bool) -> Provenance:
        known = None if self._head is None else at_head
        if named.rank >= len(self.order):
            return Provenance("unreachable", at_head=known, order=named.rank)
        commit = self.order[named.rank]
        kind = "unreachable" if self._reach[commit] == _NOTHING else "commit"
        return self._provenance_of(kind, commit, known, named.rank)

    def _provenance_of(self, kind: str, commit: int, at_head: bool | None, order: int) -> Provenance:
        author, date = parse_person(self.facts.line(commit))
        object_id = self.facts.id(self.facts.commits[commit]).hex()
        return Provenance(kind, object_id, decode_text(author) or None, date, at_head, order)


class _Search:
    """Entries that are wanted: those that name one of the ids as anything but a submodule, and maybe all submodules."""

    def __init__(self, facts: Facts, ids: Iterable[bytes], *, submodules: bool) -> None:
        self._facts = facts
        objects = bytearray(len(facts.flags))
        for name in ids:
            number = facts.find(name)
            if number >= 0:
                objects[number] = 1
        wanted = ways.wanted_entries(facts, objects, submodules)
        self._ways = ways.climb(facts, wanted, _MAX_STEPS) if 1 in wanted else None

    def walk(self, roots: Iterable[tuple[int, int]]) -> Iterator[Named]:
        """Yield the wanted entries where they stand, in the order of the roots (rank and tree), each directory once."""
        if self._ways is None:
            return
        facts = self._facts
        found = ways.walk(facts, self._ways, roots, _MAX_DIRECTORIES, _MAX_PATH_BYTES)
        # A directory comes after the one that it is in.
        prefixes = [b""]
        for parent, label in zip(found.parents[1:], found.labels[1:], strict=True):
            prefixes.append(prefixes[parent] + facts.label(label).partition(b" ")[2] + b"/")
        for directory, entry, rank in found.sightings:
            name = facts.label(facts.labels[entry]).partition(b" ")[2]
            submodule = facts.kinds[entry] == SUBMODULE_ENTRY
            yield Named(prefixes[directory] + name, facts.id(facts.children[entry]), rank, submodule)


def _rank(named: Named) -> tuple[int, bytes]:
    return named.rank, named.path
