# SPDX-License-Identifier: Apache-2.0
"""Findings that another scanner names by a place: what Sealgate finds there, whose fingerprints a baseline is made of."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from scanner.detect.engine import Detector, Match, resolve
from scanner.detect.placed import at_path
from scanner.errors import SourceError
from scanner.git.repo import Repository
from scanner.importers.plan import Accepted, Plan
from scanner.triage import BaselineEntry, fingerprint


class Found(NamedTuple):
    """What is at a place: the content, None where there is none, and those of its matches that are meant."""

    data: bytes | None
    matches: Sequence[Match]


class Places:
    """Looks at places, each file once. Use it within the expressions' `watched`."""

    def __init__(self, repository: Repository | None, root: str | None, detector: Detector) -> None:
        self._repository = repository
        self._root = root
        self._detector = detector
        self._seen: dict[tuple[str, str], Found] = {}

    def find(self, accepted: Accepted) -> Found:
        """Return what Sealgate finds where the other scanner found something."""
        key = (accepted.commit, accepted.path)
        if key not in self._seen:
            data = self._read(*key)
            path = os.fsencode(accepted.path)
            matches = () if data is None else resolve([m for m, _ in at_path(self._detector.find(data, path), path)])
            self._seen[key] = Found(data, matches)
        here = self._seen[key]
        return here._replace(matches=[match for match in here.matches if _is_meant(match, accepted)])

    def _read(self, commit: str, path: str) -> bytes | None:
        if commit and self._repository is not None:
            try:
                return self._repository.run("cat-file", "blob", f"{commit}:{path}")
            except SourceError:
                return None
        if commit or self._root is None or os.path.isabs(path) or ".." in path.split("/"):
            return None
        try:
            with open(os.path.join(self._root, path), "rb") as stream:
                return stream.read()
        except (OSError, ValueError):
            return None


def _is_meant(match: Match, accepted: Accepted) -> bool:
    value = match.value.secret.reveal()
    if accepted.sha1:
        return hashlib.sha1(value, usedforsecurity=False).hexdigest() == accepted.sha1
    near = match.location.start_line <= accepted.end_line and accepted.line <= match.location.end_line
    if accepted.secret:
        theirs = accepted.secret.encode("utf-8", "surrogateescape")
        return value == theirs or (near and (value in theirs or theirs in value))
    return near


def baseline(plan: Plan, places: Places, accepted: Iterable[Accepted]) -> list[BaselineEntry]:
    """Return an entry for each value that was accepted, and note the places for which there is none."""
    entries: dict[str, BaselineEntry] = {}
    for each in accepted:
        found = places.find(each)
        if found.data is None:
            plan.note("dropped", each.where, "the accepted finding", _missing(each))
            continue
        prints = {fingerprint("secret", match.value.secret.reveal()): match for match in found.matches}
        if not prints:
            why = "Sealgate finds nothing at this place" if not each.sha1 else "Sealgate does not find this value there"
            plan.note("unneeded", each.where, "the accepted finding", why)
        if len(prints) > 1 and not each.secret:
            plan.note("changed", each.where, "the accepted finding", f"all {len(prints)} values of its line are accepted")
        for print_, match in prints.items():
            path = each.path.replace("*", "?")  # a glob would limit the entry
            entries.setdefault(print_, BaselineEntry(print_, match.value.rule.id, path, each.reason))
    return list(entries.values())


def _missing(accepted: Accepted) -> str:
    if accepted.commit:
        return "there is no such file in that commit, or no such commit here"
    return "there is no such file"
