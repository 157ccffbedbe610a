# SPDX-License-Identifier: Apache-2.0
"""What a push sends: the commits that the remote has not got, with the texts of the tags that name them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scanner.display import decode_text, one_line
from scanner.errors import ConfigError
from scanner.git.headers import parse_tag
from scanner.git.objects import missing, read_contents, read_objects
from scanner.git.repo import Repository
from scanner.model import Blob, Gap, LargeBlob, Place, Provenance, Screen, to_blob
from scanner.sources.commits import RangeSource


class _Object(NamedTuple):
    """What a revision names."""

    id: str
    kind: str


class PushSource(RangeSource):
    """All that `tips` reach and neither `known` nor the remote's tracking refs do.

    `known` are revisions that the remote has; those that are not in this repository (somebody else
    pushed them) are passed over, which can only make more be scanned. `remote` is the remote's name;
    without one everything that any remote has counts as known.
    """

    def __init__(self, repo: Repository, max_blob: int, tips: Sequence[str], known: Sequence[str], remote: str) -> None:
        super().__init__(repo, "the push", max_blob)
        self._pushed = tips
        self._known = known
        self._remote = remote
        self._tips: list[str] = []
        self._others: list[Blob] = []
        self._named: list[str] = []

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield messages and versions of files as of a range, then what the push names beside commits."""
        yield from super().blobs()
        yield from self._others
        for object_id, _, content in read_contents(self._repo, self._named, self.gaps, max_bytes=self._max_blob):
            yield to_blob(content, object_id, Place(b".git/blob/" + object_id.encode(), Provenance("unreachable")))

    def _ends(self) -> list[str]:
        return self._tips if self._ordered() else []

    def _selected(self) -> list[str]:
        objects = self._lookup([*self._pushed, *self._known])
        for name in self._pushed:
            found = objects.get(name)
            if found is None:
                raise ConfigError(f"the revision {one_line(name)!r} to be pushed is not in this repository", "fetch it")
            self._peel(found)
        if not self._tips:
            return []
        known = [objects[name].id for name in self._known if name in objects]
        # Through standard input: a mirrored repository has more refs than a command line may be long.
        stdin = "".join([*(f"{tip}\n" for tip in self._tips), *(f"^{id_}\n" for id_ in known)]).encode("ascii")
        return self._walk(["--stdin", "--not", f"--remotes={self._remote}" if self._remote else "--remotes"], stdin)

    def _lookup(self, names: Sequence[str]) -> dict[str, _Object]:
        """Return what these revisions name; one that is not there is left out."""
        asked = [name for name in dict.fromkeys(names) if name and "\n" not in name]
        question = "".join(f"{name}\n" for name in asked).encode("utf-8", "surrogateescape")
        answer = self._repo.run("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=question)
        lines = [line.split() for line in answer.decode("utf-8", "replace").splitlines()]
        kinds = ("commit", "tag", "tree", "blob")
        return {
            name: _Object(line[0], line[1])
            for name, line in zip(asked, lines, strict=True)
            if len(line) == 2 and line[1] in kinds
        }

    def _peel(self, found: _Object) -> None:
        """Take in a commit as a tip, the text of a tag and then what it names, or a blob's content."""
        seen = set()
        while found.kind == "tag" and found.id not in seen:
            seen.add(found.id)
            data = next((data for _, _, data in read_objects(self._repo, [found.id], self.gaps)), None)
            if data is None:
                return
            tag = parse_tag(data)
            provenance = Provenance("commit", None, decode_text(tag.tagger) or None, tag.date)
            self._others.append(Blob(data, found.id, Place(b".git/tag/" + found.id.encode(), provenance)))
            target = self._lookup([tag.target]).get(tag.target)
            if target is None:
                self.gaps.append(missing(self._repo, f"object {one_line(tag.target)}, named by a tag"))
                return
            found = target
        if found.kind == "commit":
            self._tips.append(found.id)
        elif found.kind == "blob":
            self._named.append(found.id)
        elif found.kind == "tree":
            self.gaps.append(Gap("unreadable", f"tree {found.id}", "pushed without a commit; 'sealgate scan' reads it"))

    def _beyond_head(self, tip: str) -> frozenset[str]:
        """Return the commits that any of the tips reaches and HEAD does not."""
        if self._repo.head is None:
            return frozenset()
        stdin = "".join(f"{tip}\n" for tip in self._tips).encode("ascii")
        with self._repo.start("rev-list", "--stdin", "--not", self._repo.head, stdin=stdin) as git:
            return frozenset(git.stdout.read().decode("ascii").split())
