# SPDX-License-Identifier: Apache-2.0
"""What commits and annotated tags say of themselves: the header of the raw object (git-commit-tree(1), git-mktag(1))."""

import re
import time
from typing import NamedTuple

from scanner.display import decode_text
from scanner.model import Provenance

_PERSON = re.compile(rb"^(?:author|tagger) (.*?) ?(-?\d{1,19}) ([+-]\d{4})$", re.MULTILINE)
_COMMITTED = re.compile(rb"^committer .* (\d{1,19}) [+-]\d{4}$", re.MULTILINE)
_PARENT = re.compile(rb"^parent ([0-9a-f]+)$", re.MULTILINE)


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


def parse_commit(data: bytes) -> Commit:
    """Return the parts of a raw commit object; what is malformed is left empty."""
    header = data.partition(b"\n\n")[0]
    tree = _named(header, b"tree ")
    parents = tuple(parent.decode("ascii") for parent in _PARENT.findall(header))
    author, date = parse_person(header)
    committed = _COMMITTED.search(header)
    return Commit(tree, parents, author, date, int(committed[1]) if committed else 0)


def parse_tag(data: bytes) -> Tag:
    """Return the parts of a raw tag object; what is malformed is left empty."""
    header = data.partition(b"\n\n")[0]
    target = _named(header, b"object ")
    return Tag(target, *parse_person(header))


def person_line(data: bytes) -> bytes:
    """Return the line of a raw commit that names its author; empty where there is none."""
    found = _PERSON.search(data.partition(b"\n\n")[0])
    return found[0] if found else b""


def parse_person(header: bytes) -> tuple[bytes, str | None]:
    """Return author or tagger, and the ISO 8601 date, that a header names."""
    found = _PERSON.search(header)
    return (found[1], _iso_date(int(found[2]), found[3].decode("ascii"))) if found else (b"", None)


def _named(header: bytes, key: bytes) -> str:
    return header.partition(b"\n")[0].removeprefix(key).decode("ascii", "replace") if header.startswith(key) else ""


def _iso_date(seconds: int, zone: str) -> str | None:
    """Return an ISO 8601 date in the zone that git recorded; None for a date out of any calendar."""
    offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * (-60 if zone[0] == "-" else 60)
    try:
        local = time.gmtime(seconds + offset)
    except (OverflowError, ValueError, OSError):
        return None
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}{zone[:3]}:{zone[3:]}"


def provenance_of(kind: str, object_id: str, commit: Commit, at_head: bool | None, order: int) -> Provenance:
    """Return the provenance of what a commit brought."""
    return Provenance(kind, object_id, decode_text(commit.author) or None, commit.date, at_head, order)


