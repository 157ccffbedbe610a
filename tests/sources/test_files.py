# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.errors import ConfigError
from scanner.git.repo import open_repository
from scanner.sources import files
from scanner.sources.files import FileSource, StreamSource, WorktreeSource

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
Source = FileSource | StreamSource | WorktreeSource


def content(source: Source) -> list[tuple[bytes, bytes, str]]:
    """Return path, content and kind of all that the source yields."""
    found = []
    for blob in source.blobs():
        assert blob.place is not None
        assert (blob.id, blob.lines, list(source.previous(blob))) == (None, None, [])
        found.append((blob.place.path, blob.data, blob.place.provenance.kind))
    assert source.trace([]) == {}
    return found


def gaps(source: Source) -> list[tuple[str, str]]:
    return [(gap.kind, gap.what) for gap in source.gaps]


def worktree(repo: GitRepo, environ: dict[str, str]) -> WorktreeSource:
    opened = open_repository(str(repo.path), environ=environ)
    assert opened is not None
    return WorktreeSource(opened, 1000)


def test_a_directory(tmp_path: Path) -> None:
    for name in ("b", "a/z", "a/.hidden", "a.txt", "c/d/e", ".env"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    source = FileSource(str(tmp_path), 1000)
    found = content(source)
    assert [path for path, _, _ in found] == [b".env", b"a.txt", b"b", b"a/.hidden", b"a/z", b"c/d/e"]
    assert all(path == data and kind == "file" for path, data, kind in found)
    assert source.gaps == []


def test_one_file_and_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0x")
    (tmp_path / "link").symlink_to("a")
    assert content(FileSource(str(tmp_path / "a"), 1000)) == [(b"a", b"\0x", "file")]
    assert content(FileSource(str(tmp_path / "link"), 1000)) == [(b"link", b"\0x", "file")]
    with pytest.raises(ConfigError, match="no file"):
        content(FileSource(str(tmp_path / "none"), 1000))


def test_links_are_text_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a").write_text("outside")
    top = tmp_path / "top"
    top.mkdir()
    (top / "file").symlink_to("../outside/a")
    (top / "directory").symlink_to("../outside")
    (top / "loop").symlink_to(".")
    (top / "broken").symlink_to("none")
    assert sorted(content(FileSource(str(top), 1000))) == [
        (b"broken", b"none", "file"),
        (b"directory", b"../outside", "file"),
        (b"file", b"../outside/a", "file"),
        (b"loop", b".", "file"),
    ]


def test_odd_names(tmp_path: Path) -> None:
    names = [b"with space", b'"q"', b"new\nline", b"\xff", "ü".encode()]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    assert {(path, data) for path, data, _ in content(FileSource(str(tmp_path), 1000))} == {(n, n) for n in names}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_special_files_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        source = FileSource(".", 1000)
        assert content(source) == []
        assert gaps(source) == [("special", "fifo"), ("special", "socket")]
    source = FileSource("fifo", 1000)
    assert (content(source), gaps(source)) == ([], [("special", "fifo")])


def test_over_the_limit(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 101)
    (tmp_path / "fits").write_bytes(b"x" * 100)
    source = FileSource(str(tmp_path), 100)
    assert [path for path, _, _ in content(source)] == [b"fits"]
    assert gaps(source) == [("oversize", "big")]


def test_a_file_without_a_size_is_read_to_its_end(tmp_path: Path) -> None:
    """Those of /proc say that they are empty, and a file can grow while it is read."""
    if not os.path.exists("/proc/self/status"):
        pytest.skip("no /proc")
    ((_, data, _),) = content(FileSource("/proc/self/status", 1 << 20))
    assert b"Name:" in data
    source = FileSource("/proc/self/status", 10)
    assert (content(source), gaps(source)) == ([], [("oversize", "status")])


def test_unreadable_and_vanished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "denied", "gone", "z"):
        (tmp_path / name).write_text(name)
    (tmp_path / "closed").mkdir()
    real_open, real_scandir = os.open, os.scandir

    def open_(path: bytes, *rest: int) -> int:
        if path.endswith(b"denied"):
            raise PermissionError(13, "Permission denied", path)
        if path.endswith(b"gone"):
            raise FileNotFoundError(2, "No such file", path)
        return real_open(path, *rest)

    def scandir(path: bytes) -> object:
        if path.endswith(b"closed/"):
            raise PermissionError(13, "Permission denied", path)
        return real_scandir(path)

    monkeypatch.setattr(files.os, "open", open_)
    monkeypatch.setattr(files.os, "scandir", scandir)
    source = FileSource(str(tmp_path), 1000)
    assert [path for path, _, _ in content(source)] == [b"a", b"z"]
    assert gaps(source) == [("unreadable", "denied"), ("unreadable", "gone"), ("unreadable", "closed/")]
    assert "vanished" in source.gaps[1].reason


def test_a_nested_repository_is_scanned_as_files_and_said_to_be_one(git_repo: Make) -> None:
    repo = git_repo("top/inner")
    repo.commit(files={"a": "1"})
    source = FileSource(str(repo.path.parent), 1000)
    assert [path for path, _, _ in content(source)] == [b"inner/a"]
    assert gaps(source) == [("submodule", "inner/")]


def test_a_deep_directory(tmp_path: Path) -> None:
    path = tmp_path
    for _ in range(60):
        path = path / "d"
    path.mkdir(parents=True)
    (path / "a").write_text("deep")
    assert content(FileSource(str(tmp_path), 1000)) == [(b"d/" * 60 + b"a", b"deep", "file")]


def test_a_stream() -> None:
    assert content(StreamSource(io.BytesIO(b"x\n"), b"name", 2)) == [(b"name", b"x\n", "stdin")]
    source = StreamSource(io.BytesIO(b"x\n!"), b"name", 2)
    assert (content(source), gaps(source)) == ([], [("oversize", "name")])


def test_the_working_tree(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={".gitignore": "ignored\n", "a": "1\n", "sub/b": "2\n", "gone": "3\n"})
    for name in ("a", "new", "ignored"):
        repo.write(name, f"{name} on disk\n")
    (repo.path / "gone").unlink()
    (repo.path / "link").symlink_to("target")
    source = worktree(repo, environ)
    assert content(source) == [
        (b".gitignore", b"ignored\n", "worktree"),
        (b"a", b"a on disk\n", "worktree"),
        (b"link", b"target", "worktree"),
        (b"new", b"new on disk\n", "worktree"),
        (b"sub/b", b"2\n", "worktree"),
    ]
    assert source.gaps == []


def test_the_working_tree_in_a_conflict(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "base\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit(files={"a": "side\n"})
    repo.git("checkout", "-q", "main")
    repo.commit(files={"a": "main\n"})
    repo.git("merge", "-q", "side", check=False)
    ((path, data, _),) = content(worktree(repo, environ))
    assert path == b"a"
    assert b"<<<<<<<" in data


def test_a_tracked_file_that_became_a_directory_or_a_pipe(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n", "b": "2\n"})
    (repo.path / "a").unlink()
    repo.write("a/inner", "3\n")
    (repo.path / "b").unlink()
    os.mkfifo(repo.path / "b")
    source = worktree(repo, environ)
    assert [path for path, _, _ in content(source)] == [b"a/inner"]
    assert gaps(source) == [("special", "b")]


def test_a_bare_repository_has_none(git_repo: Make, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="bare"):
        content(worktree(git_repo("bare", "--bare"), environ))
