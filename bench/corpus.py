# SPDX-License-Identifier: Apache-2.0
"""A folder of source files out of a repository's history: `python -m bench.corpus REPOSITORY FOLDER`.

The same repository and number always give the same files. No two have the same content, and commits
far apart come first, so that a scanner gains little from having seen the version before.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

FILES: Final = 4000
_FIRST_STEPS: Final = 8
_MAX_BYTES: Final = 1 << 20
_REGULAR: Final = (b"100644", b"100755")


class Entry(NamedTuple):
    """A file of a commit."""

    blob: str
    path: str


def spread_out(commits: Sequence[str]) -> Iterator[str]:
    """Yield every commit once, those far apart first."""
    seen: set[str] = set()
    step = max(1, len(commits) // _FIRST_STEPS)
    while len(seen) < len(commits):
        for commit in commits[::step]:
            if commit not in seen:
                seen.add(commit)
                yield commit
        step = max(1, step // 2)


def parse_tree(output: bytes) -> Iterator[Entry]:
    """Yield the plain files of moderate size in what `git ls-tree -r -l -z` printed."""
    for record in output.split(b"\0"):
        head, _, path = record.partition(b"\t")
        if not head or not path.isascii():
            continue
        mode, _, blob, size = head.split()
        if mode in _REGULAR and 0 < int(size) <= _MAX_BYTES:
            yield Entry(blob.decode("ascii"), path.decode("ascii"))


def make_corpus(repository: Path, folder: Path, files: int = FILES) -> int:
    """Write up to `files` files below the folder and return how many there were."""
    commits = _git(repository, "rev-list", "--topo-order", "HEAD").decode("ascii").split()
    seen: set[str] = set()
    for number, commit in enumerate(spread_out(commits)):
        for entry in parse_tree(_git(repository, "ls-tree", "-r", "-l", "-z", commit)):
            if len(seen) >= files:
                return len(seen)
            if entry.blob not in seen and _write(repository, entry, folder / f"{number:04}"):
                seen.add(entry.blob)
    return len(seen)


def _write(repository: Path, entry: Entry, folder: Path) -> bool:
    """Write one file unless it is binary; the path comes from a tree, so git itself has refused `..` in it."""
    data = _git(repository, "cat-file", "blob", entry.blob)
    if b"\0" in data:
        return False
    path = folder / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return True


def _git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, check=True).stdout


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.corpus", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("repository", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=FILES, help=f"how many at most (default: {FILES})")
    options = parser.parse_args()
    if options.folder.exists():
        parser.error(f"{options.folder} is there already")
    print(f"{make_corpus(options.repository, options.folder, options.files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
