# SPDX-License-Identifier: Apache-2.0
"""The state of a repository: HEAD and what differs from it on disk, what stands beside, what stood there before."""

from collections.abc import Callable

import pytest
from gitrepo import GitRepo

from scanner.errors import ConfigError
from scanner.git.repo import Repository, open_repository
from scanner.sources.current import CurrentSource

Make = Callable[..., GitRepo]
LIMIT = 1 << 20


def _open(repo: GitRepo, environ: dict[str, str]) -> Repository:
    opened = open_repository(str(repo.path), environ=environ)
    assert opened is not None
    return opened


def _seen(source: CurrentSource) -> dict[tuple[bytes, str], bytes]:
    return {(blob.place.path, blob.place.provenance.kind): blob.data for blob in source.blobs() if blob.place}


def test_head_and_what_differs_on_disk(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"same": "1", "changed": "old", "deleted": "gone", ".gitignore": "ignored\n"})
    repo.write("changed", "new")
    repo.write("untracked", "u")
    repo.write("ignored", "i")
    (repo.path / "deleted").unlink()
    assert _seen(CurrentSource(_open(repo, environ), LIMIT)) == {
        (b"same", "commit"): b"1",
        (b"changed", "commit"): b"old",
        (b"changed", "worktree"): b"new",
        (b"deleted", "commit"): b"gone",
        (b"untracked", "worktree"): b"u",
        (b".gitignore", "commit"): b"ignored\n",
    }


def test_a_revision_is_itself_alone(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    first = repo.commit(files={"a": "1"})
    repo.commit(files={"a": "2", "b": "2"})
    repo.write("a", "3")
    assert _seen(CurrentSource(_open(repo, environ), LIMIT, first[:12])) == {(b"a", "commit"): b"1"}
    with pytest.raises(ConfigError, match="no-such"):
        CurrentSource(_open(repo, environ), LIMIT, "no-such")


def test_an_empty_and_a_bare_repository(git_repo: Make, environ: dict[str, str]) -> None:
    empty = git_repo("empty")
    empty.write("new", "n")
    assert _seen(CurrentSource(_open(empty, environ), LIMIT)) == {(b"new", "worktree"): b"n"}
    full = git_repo("full")
    full.commit(files={"a": "1"})
    bare = git_repo("bare", "--bare", source=full.path)
    assert _seen(CurrentSource(_open(bare, environ), LIMIT)) == {(b"a", "commit"): b"1"}


def test_paths_that_are_not_selected_are_not_read(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1", "large": "x" * 100})
    source = CurrentSource(_open(repo, environ), 50)
    source.select(lambda path: path == b"a")
    assert _seen(source) == {(b"a", "commit"): b"1"}
    assert source.gaps == []


def test_what_is_too_large_and_submodules_are_gaps(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"large": "x" * 100})
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.id('HEAD')},module")
    repo.git("commit", "-q", "-m", "module")
    source = CurrentSource(_open(repo, environ), 50)
    list(source.blobs())
    assert sorted((gap.kind, gap.what) for gap in source.gaps if gap.kind != "oversize") == [("submodule", "module")]
    assert {gap.kind for gap in source.gaps} == {"submodule", "oversize"}


def test_files_beside_by_name(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={".sops.yaml": "1", "deep/down/.sops.yaml": "2", "keys/me.asc": "k", "x.sops.yaml": "no"})
    repo.write("deep/down/.sops.yaml", "changed")
    source = CurrentSource(_open(repo, environ), LIMIT)
    assert source.beside([b".sops.yaml"]).files == {b".sops.yaml": b"1", b"deep/down/.sops.yaml": b"changed"}
    assert source.beside([b"*.asc"]).files == {b"keys/me.asc": b"k"}


def test_earlier_versions_the_oldest_with_the_lowest_order(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    commits = [repo.commit(files={"a": str(number), "b": "other"}) for number in range(3)]
    source = CurrentSource(_open(repo, environ), LIMIT)
    found = sorted(source.earlier([b"a"]), key=lambda version: version.provenance.order)
    assert [(version.data, version.provenance.commit) for version in found] == list(
        zip([b"0", b"1", b"2"], commits, strict=True)
    )
    assert found[0].provenance.author == "Ada <ada@example.org>"
    assert list(source.earlier([b"nowhere"])) == []


def test_versions_of_both_sides_of_a_merge_and_odd_names(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    name = "we*rd [name]\n"
    repo.commit(files={name: "base"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit(files={name: "side"})
    repo.git("checkout", "-q", "main")
    repo.commit(files={name: "main"})
    repo.git("merge", "-q", "-s", "ours", "--no-commit", "side")
    repo.commit(files={name: "merged"})
    source = CurrentSource(_open(repo, environ), LIMIT)
    assert {version.data for version in source.earlier([name.encode()])} == {b"base", b"side", b"main", b"merged"}


def test_trace_names_the_commit_that_brought_a_version(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    first = repo.commit(files={"a": "1"})
    repo.commit(files={"b": "2"})
    source = CurrentSource(_open(repo, environ), LIMIT)
    object_id = repo.id("HEAD:a")
    (place,) = source.trace([object_id])[object_id]
    assert (place.path, place.provenance.commit, place.provenance.at_head) == (b"a", first, True)
