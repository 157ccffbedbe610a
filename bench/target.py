# SPDX-License-Identifier: Apache-2.0
"""What is scanned: a repository, a bundle or a directory, made ready so that every tool finds the same there.

History is scanned in a mirror of the repository: no working tree, no reflog and no unreachable object
that one tool would look at and another not.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from bench.corpus import make_corpus

_MIN_BYTES: Final = 500
_MAX_BYTES: Final = 100_000
_CHANGE: Final = "\nA small change.\nIt has nothing to hide.\nThree lines long.\n"


class TargetError(Exception):
    """A target that cannot be used."""


@dataclass(frozen=True, slots=True)
class Target:
    """A repository's mirror, or a plain directory where `mirror` is None."""

    name: str
    mirror: Path | None
    directory: Path | None


class Counts(NamedTuple):
    """How much a repository holds."""

    commits: int
    blobs: int
    blob_bytes: int
    packed_bytes: int


def prepare(source: Path, name: str | None, work: Path) -> Target:
    """Make a target of what the user named. Raises `TargetError`."""
    if not source.exists():
        raise TargetError(f"there is no {source}")
    source = source.resolve()
    name = name or source.name.removesuffix(".bundle").removesuffix(".git")
    if source.is_dir() and not _is_repository(source):
        return Target(name, None, source)
    mirror = work / "mirror" / f"{name}.git"
    shutil.rmtree(mirror, ignore_errors=True)
    mirror.parent.mkdir(parents=True, exist_ok=True)
    _git("clone", "--quiet", "--mirror", str(source), str(mirror))
    return Target(name, mirror, None)


def make_staged(mirror: Path, work: Path) -> Path:
    """Clone the mirror and stage a few plain lines at the end of a text file: the same one each time."""
    clone = work / "staged" / mirror.stem
    shutil.rmtree(clone, ignore_errors=True)
    _git("clone", "--quiet", str(mirror), str(clone))
    for name in sorted(_git("-C", str(clone), "ls-files", "-z", "*.py", "*.go", "*.rs", "*.md").split("\0")):
        path = clone / name
        if name and not path.is_symlink() and _MIN_BYTES <= path.stat().st_size <= _MAX_BYTES:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(_CHANGE)
            _git("-C", str(clone), "add", "--", name)
            return clone
    raise TargetError("no text file to change at HEAD")


def make_directory(target: Target, work: Path) -> Path:
    """Return the directory to scan: the target itself, or files out of the repository's history."""
    if target.mirror is None:
        if target.directory is None:
            raise TargetError("nothing to scan")
        return target.directory
    folder = work / "corpus" / target.name
    shutil.rmtree(folder, ignore_errors=True)
    make_corpus(target.mirror, folder)
    return folder


def make_cut(mirror: Path, percent: int, work: Path) -> Path:
    """Fetch into a new bare repository what HEAD's history held after so many percent of its commits.

    Git writes the pack as it does for a clone from a server.
    """
    commits = _git("-C", str(mirror), "rev-list", "--topo-order", "--reverse", "HEAD").split()
    commit = commits[max(1, len(commits) * percent // 100) - 1]
    cut = make_empty(work / "cuts" / f"{mirror.stem}-{percent}.git")
    into = ("-c", "protocol.version=2", "-c", "fetch.unpackLimit=1", "-C", str(cut))
    _git(*into, "fetch", "--quiet", "--no-tags", str(mirror), f"{commit}:refs/heads/main")
    return cut


def make_empty(path: Path) -> Path:
    """Make a bare repository without a commit."""
    shutil.rmtree(path, ignore_errors=True)
    _git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
    return path


def count(repository: Path) -> Counts:
    """Count what a bare repository holds."""
    git = ("-C", str(repository))
    objects = _git(*git, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectsize)")
    sizes = [int(line.split()[1]) for line in objects.splitlines() if line.startswith("blob ")]
    packed = sum(path.stat().st_size for path in repository.glob("objects/pack/*.pack"))
    return Counts(int(_git(*git, "rev-list", "--all", "--count")), len(sizes), sum(sizes), packed)


def describe(target: Target) -> dict[str, str]:
    """Return what the target is and how much of it there is."""
    if target.mirror is None:
        return describe_directory(target.directory) if target.directory else {}
    counts = count(target.mirror)
    return {
        "HEAD": _git("-C", str(target.mirror), "rev-parse", "--short=12", "HEAD").strip(),
        "commits": f"{counts.commits:,}",
        "blobs": f"{counts.blobs:,}",
        "of together": _megabytes(counts.blob_bytes),
        "packed": _megabytes(counts.packed_bytes),
    }


def describe_directory(folder: Path) -> dict[str, str]:
    """Return the number and size of the files below a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {"files": f"{len(sizes):,}", "of together": _megabytes(sum(sizes))}


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _is_repository(path: Path) -> bool:
    # Only the folder itself counts: any directory below a checkout would be a repository otherwise.
    return (path / ".git").exists() or ((path / "HEAD").is_file() and (path / "objects").is_dir())


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["git failed"]
        raise TargetError(lines[-1])
    return done.stdout.decode("utf-8", "surrogateescape")
