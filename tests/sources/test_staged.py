# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.git.process import Process
from scanner.git.repo import open_repository
from scanner.sources.staged import StagedSource

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
Environ = dict[str, str]


class Staged:
    """What a scan of the index yields: content by path, what it replaced, and gaps."""

    def __init__(self, path: Path | str, environ: Environ, max_blob: int = 1 << 20) -> None:
        opened = open_repository(str(path), environ=environ)
        assert opened is not None
        source = StagedSource(opened, max_blob)
        blobs = [(blob, blob.place) for blob in source.blobs()]
        self.content = {place.path: blob.data for blob, place in blobs if place}
        self.previous = {place.path: sorted(source.previous(blob)) for blob, place in blobs if place}
        self.kinds = {place.provenance.kind for _, place in blobs if place}
        self.gaps = [(gap.kind, gap.what) for gap in source.gaps]


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_the_index_counts_not_the_disk(git_repo: Make, environ: Environ, object_format: str) -> None:
    repo = git_repo("repo", f"--object-format={object_format}")
    repo.commit(files={"a": "old\n", "b": "b\n", "c": "c\n"})
    repo.write("a", "staged\n")
    repo.write("new", "new\n")
    repo.git("add", "a", "new")
    repo.git("rm", "-q", "c")
    repo.write("a", "on disk\n")
    repo.write("b", "not staged\n")
    found = Staged(repo.path, environ)
    assert found.content == {b"a": b"staged\n", b"new": b"new\n"}
    assert found.previous == {b"a": [b"old\n"], b"new": []}
    assert found.kinds == {"index"}
    assert found.gaps == []


def test_unborn_head(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    assert Staged(repo.path, environ).content == {}
    repo.write("a", "1\n")
    repo.git("add", "a")
    assert Staged(repo.path, environ).content == {b"a": b"1\n"}


def test_intent_to_add_mode_change_and_symlink(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"run": "x\n"})
    (repo.path / "run").chmod(0o755)
    (repo.path / "link").symlink_to("/etc/secret")
    repo.git("add", "run", "link")
    repo.write("intended", "later\n")
    repo.git("add", "-N", "intended")
    assert Staged(repo.path, environ).content == {b"link": b"/etc/secret"}


def test_a_renamed_file_replaces_its_source(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    lines = [f"line {i}\n" for i in range(50)]
    repo.commit(files={"old": "".join(lines), "moved": "moved\n" * 20})
    repo.git("mv", "old", "new")
    repo.git("mv", "moved", "elsewhere")
    repo.write("new", "".join([*lines, "added\n"]))
    repo.git("add", "new")
    found = Staged(repo.path, environ)
    assert found.previous == {b"new": ["".join(lines).encode()], b"elsewhere": [b"moved\n" * 20]}


def test_the_same_content_at_two_paths(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.write("a", "same\n")
    repo.write("b", "same\n")
    repo.git("add", "-A")
    assert Staged(repo.path, environ).content == {b"a": b"same\n", b"b": b"same\n"}


def test_odd_names(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    names = [b"with space", b'"q"', b"new\nline", b"\xff", b"\t", b":100644", b"-x"]
    for name in names:
        repo.write(name, b"of " + name)
    repo.git("add", "-A")
    assert Staged(repo.path, environ).content == {name: b"of " + name for name in names}


def conflict(repo: GitRepo) -> None:
    repo.commit(files={"a": "base\n", "b": "base\n", "c": "base\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit(files={"a": "side\n", "b": "side\n", "from-side": "1\n"})
    repo.git("checkout", "-q", "main")
    repo.commit(files={"a": "main\n", "c": "main\n"})
    repo.git("merge", "-q", "side", check=False)


def test_a_merge_counts_against_all_parents(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    conflict(repo)
    assert Staged(repo.path, environ).gaps == [("unmerged", "a")]
    repo.write("a", "resolved\n")
    repo.write("evil", "evil\n")
    repo.git("add", "a", "evil")
    found = Staged(repo.path, environ)
    assert found.content == {b"a": b"resolved\n", b"evil": b"evil\n"}
    assert found.previous[b"a"] == [b"main\n", b"side\n"]


def test_a_merge_in_a_linked_worktree(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "base\n"})
    repo.git("worktree", "add", "-q", "-b", "side", str(repo.path.parent / "linked"))
    linked = git_repo("linked")
    linked.commit(files={"b": "side\n"})
    repo.commit(files={"c": "main\n"})
    linked.git("merge", "-q", "--no-commit", "main")
    linked.write("evil", "evil\n")
    linked.git("add", "evil")
    assert Staged(linked.path, environ).content == {b"evil": b"evil\n"}


def test_submodule_missing_and_oversize(git_repo: Make, environ: Environ) -> None:
    inner = git_repo("inner")
    inner.commit()
    repo = git_repo()
    repo.git("submodule", "add", "-q", str(inner.path), "sub")
    repo.write("lost", "lost\n")
    repo.write("big", "x" * 500)
    repo.git("add", "-A")
    repo.loose(repo.id(":lost")).unlink()
    found = Staged(repo.path, environ, max_blob=200)
    assert set(found.content) == {b".gitmodules"}
    assert sorted(found.gaps) == [("missing", "lost"), ("oversize", "big"), ("submodule", "sub")]


def test_a_lost_previous_version_excuses_nothing(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "old\n"})
    repo.loose(repo.id("HEAD:a")).unlink()
    repo.write("a", "new\n")
    repo.git("add", "a")
    found = Staged(repo.path, environ)
    assert (found.content, found.previous, found.gaps) == ({b"a": b"new\n"}, {b"a": []}, [])


def test_renames_in_a_partial_clone(git_repo: Make, environ: Environ) -> None:
    """Inexact renames are found by content, which was never fetched: the scan goes on without them."""
    repo = git_repo()
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.commit(files={"a": "old\n" * 50})
    clone = git_repo("clone", "--filter=blob:none", "--no-checkout", source=f"file://{repo.path}")
    clone.git("read-tree", "HEAD")
    clone.git("rm", "-q", "--cached", "a")
    clone.write("b", "old\n" * 50 + "new\n")
    clone.git("add", "b")
    assert Staged(clone.path, environ).content == {b"b": b"old\n" * 50 + b"new\n"}


HOOK = """#!{python}
import os, sys
sys.path.insert(0, {root!r})
from scanner.git.repo import open_repository
from scanner.sources.staged import StagedSource
source = StagedSource(open_repository(".", environ=os.environ), 1 << 20)
with open({out!r}, "wb") as out:
    for blob in source.blobs():
        out.write(blob.place.path + b"=" + blob.data)
"""


@pytest.mark.parametrize(("command", "expected"), [(("-a",), b"a=2\nb=2\n"), (("a",), b"a=2\n")])
def test_a_real_hook_sees_what_this_commit_records(git_repo: Make, command: tuple[str], expected: bytes) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n", "b": "1\n"})
    out = repo.path.parent / "out"
    root = str(Path(__file__).parents[2])
    hook = repo.write(".git/hooks/pre-commit", HOOK.format(python=sys.executable, root=root, out=str(out)))
    hook.chmod(0o755)
    repo.write("a", "2\n")
    repo.write("b", "2\n")
    repo.git("commit", "-q", "-m", "x", *command)
    assert out.read_bytes() == expected


def test_it_is_quick(git_repo: Make, environ: Environ, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most three processes, and none of the modules that cost milliseconds to import."""
    repo = git_repo()
    repo.write("a", "1\n")
    repo.git("add", "a")
    started: list[str] = []
    real = Process.__init__

    def count(self: Process, arguments: list[str], *rest: object) -> None:
        started.append(" ".join(arguments))
        real(self, arguments, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Process, "__init__", count)
    assert Staged(repo.path, environ).content == {b"a": b"1\n"}
    assert len(started) == 3
    code = "import sys, scanner.sources.staged; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    heavy = {"subprocess", "tempfile", "hashlib", "threading", "dataclasses", "inspect", "pathlib", "datetime"}
    assert not heavy & set(loaded)
