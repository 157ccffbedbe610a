# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from scanner.errors import ConfigError
from scanner.git.repo import open_repository
from scanner.model import Provenance
from scanner.sources.commits import RangeSource

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
Environ = dict[str, str]


class Range:
    """What a scan of a range yields, by path and content; messages apart."""

    def __init__(self, repo: GitRepo, spec: str, environ: Environ, max_blob: int = 1 << 20) -> None:
        opened = open_repository(str(repo.path), environ=environ)
        assert opened is not None
        source = RangeSource(opened, spec, max_blob)
        self.content: dict[tuple[bytes, bytes], Provenance] = {}
        self.previous: dict[tuple[bytes, bytes], list[bytes]] = {}
        self.messages: list[str] = []
        for blob in source.blobs():
            assert blob.place is not None
            if blob.place.path.startswith(b".git/commit/"):
                self.messages.append(blob.data.decode().partition("\n\n")[2].strip())
            else:
                key = (blob.place.path, blob.data)
                assert key not in self.content
                self.content[key] = blob.place.provenance
                self.previous[key] = sorted(source.previous(blob))
        self.commits = source.commits
        self.gaps = [(gap.kind, gap.what) for gap in source.gaps]


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_new_versions_of_each_commit(git_repo: Make, environ: Environ, object_format: str) -> None:
    repo = git_repo("repo", f"--object-format={object_format}")
    base = repo.commit("base", files={"a": "0\n", "gone": "x\n"})
    first = repo.commit("first", files={"a": "1\n", "b": "b\n"})
    (repo.path / "gone").unlink()
    second = repo.commit("second", files={"a": "2\n"})
    found = Range(repo, f"{base}..HEAD", environ)
    assert {key: (p.commit, p.at_head) for key, p in found.content.items()} == {
        (b"a", b"1\n"): (first, False),
        (b"b", b"b\n"): (first, True),
        (b"a", b"2\n"): (second, True),
    }
    assert found.previous == {(b"a", b"1\n"): [b"0\n"], (b"b", b"b\n"): [], (b"a", b"2\n"): [b"1\n"]}
    assert (found.messages, found.commits, found.gaps) == (["first", "second"], 2, [])
    assert {p.kind for p in found.content.values()} == {"commit"}


def test_what_comes_back_is_told_once(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    base = repo.commit()
    first = repo.commit(files={"a": "1\n"})
    repo.commit(files={"a": "2\n"})
    repo.commit(files={"a": "1\n", "copy": "1\n"})
    found = Range(repo, f"{base}..", environ)
    assert sorted(found.content) == [(b"a", b"1\n"), (b"a", b"2\n"), (b"copy", b"1\n")]
    assert found.content[b"a", b"1\n"].commit == first


def test_one_commit_and_the_root(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    root = repo.commit("root", files={"a": "1\n"})
    repo.commit("next", files={"b": "2\n"})
    assert list(Range(repo, root, environ).content) == [(b"a", b"1\n")]
    assert list(Range(repo, "HEAD", environ).content) == [(b"b", b"2\n")]


def branches(repo: GitRepo) -> None:
    repo.commit("base", files={"a": "base\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit("side", files={"b": "side\n"})
    repo.git("checkout", "-q", "main")
    repo.commit("main", files={"c": "main\n"})


def test_two_and_three_dots(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    branches(repo)
    for dots in ("..", "..."):
        found = Range(repo, f"main{dots}side", environ)
        assert (found.messages, list(found.content)) == (["side"], [(b"b", b"side\n")])
        assert not found.content[b"b", b"side\n"].at_head
    repo.git("checkout", "-q", "--orphan", "other")
    repo.commit("unrelated", files={"a": "base\n"})
    assert Range(repo, "main...other", environ).messages == ["unrelated"]


def test_an_evil_merge(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    branches(repo)
    before = repo.id("main")
    repo.git("merge", "-q", "--no-commit", "side")
    merged = repo.commit("merge", files={"a": "evil\n", "new": "evil too\n"})
    found = Range(repo, f"{merged}", environ)
    assert set(found.content) == {(b"a", b"evil\n"), (b"new", b"evil too\n")}
    assert found.previous[b"a", b"evil\n"] == [b"base\n", b"base\n"]
    assert set(Range(repo, f"{before}..", environ).content) == {*found.content, (b"b", b"side\n")}


def test_a_rename_in_a_merge(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    branches(repo)
    repo.git("merge", "-q", "--no-commit", "side")
    repo.git("mv", "b", "moved")
    repo.commit("merge")
    found = Range(repo, "HEAD", environ)
    assert list(found.content) == [(b"moved", b"side\n")]
    assert found.previous[b"moved", b"side\n"] == [b"side\n"]


def test_a_rename_replaces_its_source(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    text = "".join(f"{i}\n" for i in range(50))
    repo.commit(files={"old": text})
    repo.git("mv", "old", "new")
    repo.commit(files={"new": text + "more\n"})
    found = Range(repo, "HEAD", environ)
    assert found.previous == {(b"new", (text + "more\n").encode()): [text.encode()]}


def test_mode_symlink_and_submodule(git_repo: Make, environ: Environ) -> None:
    inner = git_repo("inner")
    inner.commit()
    repo = git_repo()
    repo.commit(files={"run": "x\n"})
    (repo.path / "run").chmod(0o755)
    (repo.path / "link").symlink_to("/etc/secret")
    repo.git("submodule", "add", "-q", str(inner.path), "sub")
    repo.commit()
    found = Range(repo, "HEAD", environ)
    assert {path for path, _ in found.content} == {b".gitmodules", b"link"}
    assert found.gaps == [("submodule", "sub")]


def test_odd_names(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit()
    names = [b"with space", b'"q"', b"new\nline", b"\xff", b"a" * 40, b":x"]
    for name in names:
        repo.write(name, b"of " + name)
    repo.commit()
    assert set(Range(repo, "HEAD", environ).content) == {(name, b"of " + name) for name in names}


def test_pre_push_of_new_and_deleted_branches(git_repo: Make, environ: Environ) -> None:
    origin = git_repo("origin")
    origin.commit("known", files={"a": "1\n"})
    repo = git_repo("repo", source=origin.path)
    repo.git("checkout", "-q", "-b", "topic")
    repo.commit("new", files={"b": "2\n"})
    null = "0" * 40
    assert Range(repo, f"{null}..topic", environ).messages == ["new"]
    assert Range(repo, f"topic..{null}", environ).messages == []
    assert Range(origin, f"{null}..HEAD", environ).messages == ["known"]


@pytest.mark.parametrize("name", ["nope", "--output=x", "-1", "", "a\nb", "HEAD:a", "^{commit}", "x y", "1" * 40])
def test_unknown_revisions(git_repo: Make, environ: Environ, name: str) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    with pytest.raises(ConfigError, match="revision") as caught:
        Range(repo, f"{name or 'nope'}..HEAD", environ)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert not (repo.path / "x").exists()


def test_a_range_in_an_empty_repository(git_repo: Make, environ: Environ) -> None:
    with pytest.raises(ConfigError, match="HEAD"):
        Range(git_repo(), "..", environ)


def test_shallow(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    for number in range(4):
        repo.commit(f"{number}", files={"a": f"{number}\n"})
    clone = git_repo("clone", "--depth=2", source=f"file://{repo.path}")
    assert Range(clone, "HEAD~1..HEAD", environ).gaps == []
    with pytest.raises(ConfigError, match=r"fetch deeper"):
        Range(clone, f"{repo.id('HEAD~3')}..HEAD", environ)
    clone.git("checkout", "-q", "--orphan", "other")
    clone.commit()
    found = Range(clone, "other..main", environ)
    assert found.gaps == [("shallow", "the range before 1 boundary commit")]
    assert found.messages == ["2", "3"]


def test_missing_blob_tree_and_commit(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    base = repo.commit("base", files={"a": "0\n"})
    first = repo.commit("first", files={"a": "1\n"})
    second = repo.commit("second", files={"d/a": "2\n"})
    repo.commit("third", files={"b": "3\n"})
    repo.loose(repo.id(f"{first}:a")).unlink()
    repo.loose(repo.id(f"{second}:d")).unlink()
    found = Range(repo, f"{base}..", environ)
    assert (b"b", b"3\n") in found.content
    assert ("missing", "a") in found.gaps
    assert ("corrupt", f"the changes of commit {second}") in found.gaps
    repo.loose(first).unlink()
    found = Range(repo, f"{base}..", environ)
    assert "missing" in {kind for kind, _ in found.gaps}


def test_oversize(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.commit(files={"big": "x" * 101})
    found = Range(repo, "HEAD", environ, max_blob=100)
    assert (list(found.content), found.gaps) == ([], [("oversize", "big")])


def test_partial_clone(git_repo: Make, environ: Environ) -> None:
    repo = git_repo()
    repo.git("config", "uploadpack.allowFilter", "true")
    for number in range(3):
        repo.commit(files={f"{number}": f"{number}\n" * 10})
    repo.git("rm", "-q", "0")
    repo.commit(files={"moved": "0\n" * 10 + "more\n"})
    clone = git_repo("clone", "--filter=blob:none", "--no-checkout", source=f"file://{repo.path}")
    found = Range(clone, "HEAD~3..HEAD", environ)
    assert sorted(found.gaps) == [("promised", "1"), ("promised", "2"), ("promised", "moved")]
    assert len(found.messages) == 3
