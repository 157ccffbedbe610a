# SPDX-License-Identifier: Apache-2.0
"""Whether everything is there that a repository's refs, objects and index name; whatever is not is a gap."""

from collections.abc import Mapping
from typing import Final

from scanner.display import decode_path, plural
from scanner.git.objects import missing
from scanner.git.repo import Repository
from scanner.git.trace import Graph
from scanner.model import Gap

# So many missing objects are named one by one; of more, a person wants the number.
_MAX_NAMED: Final = 20


class Connectivity:
    """Checks a repository whose objects are in a graph, and adds what is missing to the gaps."""

    def __init__(self, repo: Repository, graph: Graph, gaps: list[Gap]) -> None:
        self._repo = repo
        self._graph = graph
        self._gaps = gaps
        self._absent: set[str] = set()

    def check_refs(self, refs: Mapping[str, str]) -> None:
        """Record the refs, by the ids that they name, whose objects are not there."""
        for object_id, ref in refs.items():
            if bytes.fromhex(object_id) not in self._graph.facts:
                self._gaps.append(missing(self._repo, f"{ref}, object {object_id}"))

    def check_objects(self) -> None:
        """Record what the objects that are there name, and is not there."""
        self._check_boundary()
        # Git knows these two without having them.
        given = {bytes.fromhex(self._repo.empty_tree), bytes.fromhex(self._repo.blob_id(b""))}
        shallow = frozenset(self._repo.shallow_commits())
        absent = {id_: f"{id_}, named by {by}" for id_, by in self._graph.missing_commits(given, shallow).items()}
        raw = self._graph.missing_ids(given)
        named = self._graph.paths(raw) if 0 < len(raw) <= _MAX_NAMED else {}
        for missing_id in raw:
            paths = named.get(missing_id)
            absent[missing_id.hex()] = decode_path(paths[0].path) if paths else f"object {missing_id.hex()}"
        self._absent.update(absent)
        self._report(absent)

    def _check_boundary(self) -> None:
        count = len(self._repo.shallow_commits())
        if self._repo.shallow:
            what = f"the history before {plural(count, 'boundary commit')}"
            self._gaps.append(Gap("shallow", what, "this clone is shallow: fetch all of the history", max(1, count)))

    def _report(self, absent: Mapping[str, str]) -> None:
        if len(absent) <= _MAX_NAMED:
            self._gaps.extend(missing(self._repo, absent[object_id]) for object_id in sorted(absent))
        else:
            self._gaps.append(missing(self._repo, plural(len(absent), "object"), len(absent)))

    def check_file(self, path: bytes, object_id: str | None) -> None:
        """Record a file of the index whose object is not there, if no tree that names it was recorded for that."""
        if object_id is None or object_id in self._absent or bytes.fromhex(object_id) in self._graph.facts:
            return
        if object_id != self._repo.blob_id(b""):
            self._gaps.append(missing(self._repo, f"{decode_path(path)} in the index"))
