# SPDX-License-Identifier: Apache-2.0
"""What changed between trees: the raw format of `git diff-index` and `git diff-tree` (with `-z`)."""

from collections.abc import Iterator
from typing import Final, NamedTuple

LINK: Final = "120000"
SUBMODULE: Final = "160000"
# The raw format without patches: no attribute, driver or configuration has a say in it.
RAW_OPTIONS: Final = (
    "--raw",
    "-z",
    "--no-abbrev",
    "--no-ext-diff",
    "--no-textconv",
    "--no-relative",
    "--ignore-submodules=none",
)
# Renames only tell what a file was before; beyond the limit git gives up on inexact ones.
FIND_RENAMES: Final = ("-M", "-l1000")


class Change(NamedTuple):
    """One changed path: its new mode and id, and the ids that it had before, one for each parent.

    `status` is git's letter: `D` deleted, `U` unmerged; for a merge one letter for each parent. `renamed_from` is a path
    that there is no more; for a merge nothing.
    """

    path: bytes
    mode: str
    id: str
    old_ids: tuple[str, ...]
    status: str
    renamed_from: bytes = b""

    @property
    def brings_content(self) -> bool:
        """Whether there is content now that was not at this path, or not under this name, before."""
        if self.status.strip("DU") == "" or not self.id.strip("0"):
            return False
        return self.id not in self.old_ids or "R" in self.status


def parse_change(head: bytes, fields: Iterator[bytes]) -> Change:
    """Return the change that begins with the record `head`; its paths are taken from `fields`."""
    parents = len(head) - len(head.lstrip(b":"))
    words = head[parents:].decode("ascii").split(" ")
    ids = words[parents + 1 : -1]
    status = words[-1].rstrip("0123456789")
    if parents > 1:
        for _ in range(parents):  # --combined-all-paths: the path in each parent comes first
            next(fields)
    old_path = next(fields) if parents == 1 and status in ("R", "C") else b""
    old_ids = tuple(old for old in ids[:-1] if old.strip("0"))
    return Change(next(fields), words[parents], ids[-1], old_ids, status, old_path if status == "R" else b"")
