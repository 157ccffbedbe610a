# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from scanner.git.repo import open_repository
from scanner.model import Blob, Place
from scanner.sources.history import HistorySource

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
Environ = dict[str, str]
LIMIT = 1 << 20


class Scan:
    """A whole scan: the blobs by content, and the places of those that came without."""

    def __init__(self, repo: GitRepo, environ: Environ, max_blob: int = LIMIT) -> None:
        opened = open_repository(str(repo.path), environ=environ)
        assert opened is not None
        self.source = HistorySource(opened, max_blob)
        self.blobs = list(self.source.blobs())
        self.gaps = [(gap.kind, gap.what) for gap in self.source.gaps]
        traced = self.source.trace([blob.id or "" for blob in self.blobs if blob.place is None])
        self._places = {blob: self._of(blob, traced) for blob in self.blobs}

    @staticmethod
    def _of(blob: Blob, traced: object) -> list[Place]:
        assert isinstance(traced, dict)
        return [blob.place] if blob.place else list(traced[blob.id])

    def contents(self) -> list[bytes]:
        """Return the content of all files, sorted; not the texts of commits and tags."""
        return sorted(b.data for b in self.blobs if not (b.place and b.place.path.startswith(b".git/")))

    def places(self, data: bytes) -> list[Place]:
        """Return all places of this content."""
        return [place for blob, places in self._places.items() if blob.data == data for place in places]

    def told(self, data: bytes) -> list[tuple[bytes, str, str | None, bool | None]]:
        """Return path, kind, commit and at_head of all places of this content."""
        return [(p.path, p.provenance.kind, p.provenance.commit, p.provenance.at_head) for p in self.places(data)]


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_each_blob_once_with_its_first_commit(git_repo: Make, environ: Environ, object_format: str) -> None:
    repo = git_repo("repo", f"--object-format={object_format}")
    first = repo.commit("one", files={"a": "secret\n"})
    second = repo.commit("two", files={"dir/b": "secret\n", "a": "changed\n"})
    scan = Scan(repo, environ)
    assert scan.contents() == [b"changed\n", b"secret\n"]
    assert scan.told(b"secret\n") == [(b"a", "commit", first, False), (b"dir/b", "commit", second, True)]
    assert scan.told(b"changed\n") == [(b"a", "commit", second, True)]
    provenance = scan.places(b"secret\n")[0].provenance
    assert provenance.author == "Ada <ada@example.org>"
    assert provenance.date is not None
    assert provenance.date.startswith("2023-11-14T23:")
    assert provenance.date.endswith("+01:00")
    assert (scan.gaps, scan.source.commits) == ([], 2)


def test_messages_of_commits_and_tags(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    commit = repo.commit("the message of the commit")
    repo.git("tag", "-a", "-m", "the message of the tag", "v1")
    tag = repo.id("v1")
    scan = Scan(repo, environ)
    texts = {blob.place.path: blob for blob in scan.blobs if blob.place}
    assert b"the message of the commit" in texts[b".git/commit/" + commit.encode()].data
    found = texts[b".git/tag/" + tag.encode()]
    assert b"the message of the tag" in found.data
    assert found.place is not None
    provenance = found.place.provenance
    assert (provenance.kind, provenance.commit, provenance.at_head) == ("commit", commit, True)
    assert provenance.author == "Charles <charles@example.org>"


def test_a_tag_that_names_a_blob_or_a_tag(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    commit = repo.commit()
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"only tagged").strip()
    repo.git("tag", "-a", "-m", "x", "of-blob", blob)
    repo.git("tag", "-a", "-m", "y", "of-commit")
    repo.git("tag", "-a", "-m", "z", "of-tag", "of-commit")
    repo.git("tag", "-d", "of-commit")
    scan = Scan(repo, environ)
    assert scan.told(b"only tagged")[0][0] == b".git/blob/" + blob.encode()
    kinds = [b.place.provenance for b in scan.blobs if b.place and b.place.path.startswith(b".git/tag/")]
    assert sorted((p.kind, p.commit or "") for p in kinds) == [("commit", ""), ("commit", commit), ("commit", commit)]
    assert scan.gaps == []


def test_stash_notes_reflog_and_unreachable(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "one\n"})
    repo.write("a", "stashed\n")
    repo.git("stash", "-q")
    repo.git("notes", "add", "-m", "a note")
    lost = repo.commit(files={"a": "reset away\n"})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    repo.git("hash-object", "-w", "--stdin", stdin=b"dangling")
    scan = Scan(repo, environ)
    assert scan.contents() == [b"a note\n", b"dangling", b"one\n", b"reset away\n", b"stashed\n"]
    assert scan.told(b"reset away\n") == [(b"a", "commit", lost, False)]
    repo.git("reflog", "expire", "--expire=now", "--all")
    assert Scan(repo, environ).told(b"reset away\n") == [(b"a", "unreachable", lost, False)]
    assert scan.told(b"dangling")[0][0].startswith(b".git/blob/")
    assert scan.told(b"dangling")[0][1:] == ("unreachable", None, False)


def test_a_commit_amended_away_is_not_the_first(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "one\n"})
    repo.git("commit", "-q", "--amend", "-m", "other")
    repo.git("reflog", "expire", "--expire=now", "--all")
    assert Scan(repo, environ).told(b"one\n") == [(b"a", "commit", repo.id("HEAD"), True)]


def merge(repo: GitRepo, evil: str) -> tuple[str, str]:
    repo.commit(files={"a": "base\n"})
    repo.git("checkout", "-q", "-b", "side")
    side = repo.commit(files={"b": "side\n"})
    repo.git("checkout", "-q", "main")
    repo.commit(files={"c": "main\n"})
    repo.git("merge", "-q", "--no-commit", "side")
    return side, repo.commit("merge", files={"a": evil})


def test_an_evil_merge(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    side, merged = merge(repo, "evil\n")
    scan = Scan(repo, environ)
    assert scan.told(b"evil\n") == [(b"a", "commit", merged, True)]
    assert scan.told(b"side\n") == [(b"b", "commit", side, True)]


def test_octopus(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "base\n"})
    ids = {}
    for name in ("x", "y", "z"):
        repo.git("checkout", "-q", "-b", name, "main")
        ids[name] = repo.commit(files={name: f"{name}\n"})
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "x", "y", "z")
    scan = Scan(repo, environ)
    for name, commit in ids.items():
        assert scan.told(f"{name}\n".encode()) == [(name.encode(), "commit", commit, True)]


def test_odd_names(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    names = [b"with space", b'"quoted"', b"new\nline", b"\xff\xfe", b"tab\t", "ünï".encode(), b"40000 x", b"-rf"]
    for name in names:
        repo.write(name, b"content of " + name)
    repo.commit()
    scan = Scan(repo, environ)
    for name in names:
        assert [told[0] for told in scan.told(b"content of " + name)] == [name]


def test_symlink_text_and_mode_change(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    (repo.path / "link").symlink_to("../outside/secret")
    first = repo.commit(files={"run": "x\n"})
    (repo.path / "run").chmod(0o755)
    repo.commit()
    scan = Scan(repo, environ)
    assert scan.told(b"../outside/secret") == [(b"link", "commit", first, True)]
    assert scan.told(b"x\n") == [(b"run", "commit", first, True)]


def test_empty_and_unborn(git_repo: Make, environ: Environ) -> None:
    for repo in (git_repo("empty"), git_repo("bare", "--bare")):
        scan = Scan(repo, environ)
        assert (scan.blobs, scan.gaps, scan.source.commits) == ([], [], 0)
    repo = git_repo("unborn")
    repo.write("a", "staged\n")
    repo.git("add", "a")
    repo.write("b", "untracked\n")
    scan = Scan(repo, environ)
    assert scan.told(b"staged\n") == [(b"a", "index", None, None)]
    assert scan.told(b"untracked\n") == [(b"b", "worktree", None, None)]


def test_the_empty_tree_is_never_missing(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.git("commit", "-q", "--allow-empty", "-m", "nothing")
    repo.loose("4b825dc642cb6eb9a060e54bf8d69288fbee4904").unlink(missing_ok=True)
    repo.write("intended")
    repo.git("add", "-N", "intended")
    assert Scan(repo, environ).gaps == []


def test_the_index_and_the_working_tree(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    names = ("same", "dirty", "assumed", "skipped", "gone")
    repo.commit(files={".gitignore": "ignored\n", **{name: f"{name} in git\n" for name in names}})
    repo.git("update-index", "--assume-unchanged", "assumed")
    repo.git("update-index", "--skip-worktree", "skipped")
    for name in ("dirty", "assumed", "skipped", "untracked", "ignored"):
        repo.write(name, f"{name} on disk\n")
    repo.write("copy", "same in git\n")
    repo.write("staged", "staged\n")
    repo.git("add", "staged")
    repo.write("staged", "staged, then changed\n")
    (repo.path / "gone").unlink()
    scan = Scan(repo, environ)
    on_disk = {b.place.path: b for b in scan.blobs if b.place and b.place.provenance.kind == "worktree"}
    assert sorted(on_disk) == [b"assumed", b"dirty", b"skipped", b"staged", b"untracked"]
    assert all(blob.id is None for blob in on_disk.values())
    assert scan.told(b"staged\n") == [(b"staged", "index", None, None)]
    assert scan.gaps == []


def test_a_bare_repository_has_no_working_tree(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    bare = git_repo("bare", "--bare", source=repo.path)
    assert Scan(bare, environ).contents() == [b"1\n"]


def test_a_linked_worktree_sees_all_of_history(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    repo.git("worktree", "add", "-q", "-b", "side", str(repo.path.parent / "linked"))
    linked = git_repo("linked")
    linked.write("b", "untracked\n")
    repo.commit(files={"c": "main\n"})
    assert Scan(linked, environ).contents() == [b"1\n", b"main\n", b"untracked\n"]


def test_a_tracked_path_behind_a_symbolic_link_is_not_read(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"dir/a": "inside\n"})
    outside = repo.path.parent / "outside"
    outside.mkdir()
    (outside / "a").write_text("outside\n")
    (repo.path / "dir/a").unlink()
    (repo.path / "dir").rmdir()
    (repo.path / "dir").symlink_to(outside)
    assert Scan(repo, environ).contents() == sorted([b"inside\n", os.fsencode(outside)])


def test_submodules_are_named_and_not_entered(git_repo: Make, environ: Environ) -> None:
    inner = git_repo("inner")
    inner.commit(files={"a": "inside\n"})
    outer = git_repo("outer")
    outer.git("submodule", "add", "-q", str(inner.path), "deep/sub")
    outer.commit()
    nested = git_repo("outer/nested")
    nested.commit(files={"b": "nested\n"})
    scan = Scan(outer, environ)
    assert b"inside\n" not in scan.contents()
    assert b"nested\n" not in scan.contents()
    assert sorted(scan.gaps) == [("submodule", "deep/sub"), ("submodule", "nested/")]
    inner_scan = Scan(git_repo("outer/deep/sub"), environ)
    assert inner_scan.contents() == [b"inside\n"]


def test_shallow(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    for number in range(3):
        repo.commit(files={"a": f"{number}\n"})
    clone = git_repo("clone", "--depth=2", source=f"file://{repo.path}")
    scan = Scan(clone, environ)
    assert scan.contents() == [b"1\n", b"2\n"]
    assert scan.gaps == [("shallow", "the history before 1 boundary commit")]


@pytest.mark.parametrize("spec", ["blob:none", "tree:0"])
def test_partial_clone(git_repo: Make, environ: Environ, spec: str) -> None:
    repo = git_repo()
    repo.git("config", "uploadpack.allowFilter", "true")
    repo.commit(files={"a": "old\n"})
    repo.commit(files={"a": "new\n"})
    clone = git_repo("clone", f"--filter={spec}", source=f"file://{repo.path}")
    scan = Scan(clone, environ)
    assert scan.contents() == [b"new\n"]
    assert {kind for kind, _ in scan.gaps} == {"promised"}
    if spec == "blob:none":
        assert scan.gaps == [("promised", "a")]


def test_a_missing_blob_tree_and_commit(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    first = repo.commit(files={"a": "1\n"})
    second = repo.commit(files={"dir/b": "2\n"})
    third = repo.commit(files={"c": "3\n"})
    repo.loose(repo.id(f"{second}:dir/b")).unlink()
    repo.loose(repo.id(f"{first}^{{tree}}")).unlink()
    scan = Scan(repo, environ)
    tree = repo.git("cat-file", "-p", first).split()[1]
    assert set(scan.gaps) == {("missing", "dir/b"), ("missing", f"{tree}, named by commit {first}")}
    assert b"3\n" in scan.contents()
    repo.loose(second).unlink()
    assert ("missing", f"{second}, named by commit {third}") in Scan(repo, environ).gaps


def test_a_ref_that_leads_nowhere(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    (repo.path / ".git/refs/heads/broken").write_text("1" * 40 + "\n")
    assert Scan(repo, environ).gaps == [("missing", "refs/heads/broken, object " + "1" * 40)]


def test_a_missing_object_of_the_index(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    repo.write("b", "2\n")
    repo.git("add", "b")
    repo.loose(repo.id(":b")).unlink()
    assert Scan(repo, environ).gaps == [("missing", "b in the index")]


def test_many_missing_objects_are_one_gap(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={f"f{i}": f"{i}\n" for i in range(30)})
    for i in range(30):
        repo.loose(repo.id(f"HEAD:f{i}")).unlink()
    repo.git("rm", "-q", "--cached", "-r", ".")
    (gap,) = Scan(repo, environ).source.gaps
    assert (gap.kind, gap.what, gap.count) == ("missing", "30 objects", 30)


def test_oversize_is_not_read(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"big": "x" * 101, "fits": "y" * 100})
    blob = repo.id("HEAD:big")
    scan = Scan(repo, environ, max_blob=100)
    assert scan.contents() == [b"y" * 100]
    assert ("oversize", f"blob {blob}") in scan.gaps


def test_a_corrupt_tree_and_blob_cost_only_themselves(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    repo.commit(files={"b/c": "2\n"})
    blob = repo.id("HEAD:b/c")
    for object_id in (blob, repo.id("HEAD~1^{tree}")):
        repo.loose(object_id).chmod(0o644)
        repo.loose(object_id).write_bytes(b"rubbish")
    scan = Scan(repo, environ)
    assert b"1\n" in scan.contents()
    assert "corrupt" in {kind for kind, _ in scan.gaps}
    assert any(blob in what for _, what in scan.gaps)


def test_previous_and_trace_of_nothing(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    scan = Scan(repo, environ)
    assert list(scan.source.previous(scan.blobs[0])) == []
    assert scan.source.trace([]) == {}
