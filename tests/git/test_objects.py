# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.git import objects
from scanner.git.objects import list_objects, read_objects
from scanner.git.repo import Repository, open_repository
from scanner.model import Gap

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]


def opened(repo: GitRepo, environ: dict[str, str]) -> Repository:
    found = open_repository(str(repo.path), environ=environ)
    assert found is not None
    return found


def only_pack(repo: GitRepo) -> Path:
    repo.git("repack", "-q", "-a", "-d")
    (pack,) = (repo.path / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    return pack


def noise(seed: int, size: int) -> bytes:
    """Return bytes that do not compress, so that a pack has room for damage."""
    import random

    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_everything_once_packed_loose_and_from_alternates(
    git_repo: Make, environ: dict[str, str], object_format: str
) -> None:
    base = git_repo("base", f"--object-format={object_format}")
    base.commit(files={"a": "1\n"})
    base.git("repack", "-q", "-a", "-d")
    repo = git_repo("repo", "--shared", source=base.path)
    repo.commit(files={"b": "22\n"})
    gaps: list[Gap] = []
    found = {object_id: (kind, size) for object_id, kind, size in list_objects(opened(repo, environ), gaps)}
    assert found[repo.id("HEAD:a")] == ("blob", 2)
    assert found[repo.id("HEAD:b")] == ("blob", 3)
    assert sorted(kind for kind, _ in found.values()) == ["blob"] * 2 + ["commit"] * 2 + ["tree"] * 2
    assert gaps == []


def test_read_in_the_order_asked_for(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": b"\n\0\n", "b": b"", "c": b"x" * 100_000})
    ids = [repo.id(f"HEAD:{name}") for name in "cab"]
    gaps: list[Gap] = []
    found = list(read_objects(opened(repo, environ), ids, gaps))
    assert found == list(zip(ids, ["blob"] * 3, [b"x" * 100_000, b"\n\0\n", b""], strict=True))
    assert gaps == []
    assert list(read_objects(opened(repo, environ), [], gaps)) == []


def test_missing_and_oversize_are_gaps_with_names(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n", "big": "x" * 1001, "c": "3\n"})
    a, big, c = (repo.id(f"HEAD:{name}") for name in ("a", "big", "c"))
    repo.loose(a).unlink()
    gaps: list[Gap] = []
    names = {a: b"dir/\xff"}
    found = list(read_objects(opened(repo, environ), [a, big, c], gaps, max_bytes=1000, names=names))
    assert found == [(c, "blob", b"3\n")]
    assert [(gap.kind, gap.what) for gap in gaps] == [("missing", r"dir/\xff"), ("oversize", f"object {big}")]


def test_a_loose_object_that_is_no_zlib_stream(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={name: f"{name}\n" for name in "abc"})
    a, b, c = (repo.id(f"HEAD:{name}") for name in "abc")
    repo.loose(b).chmod(0o644)
    repo.loose(b).write_bytes(b"rubbish")
    gaps: list[Gap] = []
    found = list(read_objects(opened(repo, environ), [a, b, c], gaps))
    assert [data for _, _, data in found] == [b"a\n", b"c\n"]
    assert [gap.what for gap in gaps] == [f"object {b}"]


def test_a_loose_object_that_breaks_off_after_its_header(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "a\n", "b": noise(1, 200_000), "c": "c\n"})
    a, b, c = (repo.id(f"HEAD:{name}") for name in "abc")
    whole = repo.loose(b).read_bytes()
    repo.loose(b).chmod(0o644)
    repo.loose(b).write_bytes(whole[: len(whole) // 2])
    gaps: list[Gap] = []
    found = list(read_objects(opened(repo, environ), [a, b, c], gaps))
    assert [data for _, _, data in found] == [b"a\n", b"c\n"]
    assert [(gap.kind, gap.what) for gap in gaps] == [("corrupt", f"object {b}")]


def test_a_flipped_byte_in_a_pack_costs_one_object(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={f"file{i}": noise(i, 5_000) for i in range(20)})
    pack = only_pack(repo)
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 0x55
    pack.write_bytes(data)
    gaps: list[Gap] = []
    ids = [repo.id(f"HEAD:file{i}") for i in range(20)]
    found = {object_id: data for object_id, _, data in read_objects(opened(repo, environ), ids, gaps)}
    assert len(found) == 19
    assert all(found.get(object_id, noise(i, 5_000)) == noise(i, 5_000) for i, object_id in enumerate(ids))
    assert [gap.kind for gap in gaps] == ["corrupt"]


def test_a_truncated_pack_gives_what_it_still_has(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={f"file{i}": noise(i, 5_000) for i in range(20)})
    ids = [repo.id(f"HEAD:file{i}") for i in range(20)]
    loose = repo.git("hash-object", "-w", "--stdin", stdin=b"loose").strip()
    pack = only_pack(repo)
    os.truncate(pack, pack.stat().st_size // 2)
    gaps: list[Gap] = []
    found = [data for _, _, data in read_objects(opened(repo, environ), [*ids, loose], gaps)]
    assert b"loose" in found
    assert len(found) + len(gaps) == 21
    listed: list[Gap] = []
    list(list_objects(opened(repo, environ), listed))
    assert found or listed


def test_an_index_that_cannot_be_read_is_noticed(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    index = only_pack(repo).with_suffix(".idx")
    index.chmod(0o644)
    index.write_bytes(b"rubbish" * 200)
    gaps: list[Gap] = []
    assert list(list_objects(opened(repo, environ), gaps)) == []
    assert [gap.kind for gap in gaps] == ["corrupt"]


def test_a_killed_git_loses_nothing(git_repo: Make, environ: dict[str, str], tmp_path: Path) -> None:
    """A git that is killed takes its buffered answers with it; all but one bad object must still come."""
    repo = git_repo()
    repo.commit(files={f"file{i}": f"{i}\n" for i in range(10)})
    bad = repo.id("HEAD:file5")
    real = opened(repo, environ)
    program = tmp_path / "bin/git"
    program.parent.mkdir()
    # Answers for what comes before the bad object are dropped, as a buffer in memory would be.
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *--batch-check*|*rev-parse*) exec {real._command[0]} "$@";; esac\n'
        f'input=$(cat)\ncase "$input" in *{bad}*) kill -9 $$;; esac\n'
        f'printf "%s\\n" "$input" | {real._command[0]} "$@"\n'
    )
    program.chmod(0o755)
    found = opened(repo, environ | {"PATH": f"{program.parent}{os.pathsep}{environ['PATH']}"})
    ids = [repo.id(f"HEAD:file{i}") for i in range(10)]
    gaps: list[Gap] = []
    assert [data for _, _, data in read_objects(found, ids, gaps)] == [b"%d\n" % i for i in range(10) if i != 5]
    assert [(gap.kind, gap.what) for gap in gaps] == [("corrupt", f"object {bad}")]


def test_after_too_many_failures_the_rest_is_one_gap(
    git_repo: Make, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_MAX_FAILURES", 2)
    repo = git_repo()
    repo.commit(files={f"file{i}": noise(i, 200_000) for i in range(5)})
    ids = [repo.id(f"HEAD:file{i}") for i in range(5)]
    for object_id in ids:
        repo.loose(object_id).chmod(0o644)
        os.truncate(repo.loose(object_id), 100_000)
    gaps: list[Gap] = []
    assert list(read_objects(opened(repo, environ), ids, gaps)) == []
    assert sum(gap.count for gap in gaps) == 5
    assert gaps[-1].what == "3 objects"


def test_a_damaged_header_is_a_gap_in_the_list(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n", "b": "2\n"})
    path = repo.loose(repo.id("HEAD:a"))
    path.chmod(0o644)
    path.write_bytes(zlib.compress(b"blib 2\x001\n"))
    gaps: list[Gap] = []
    found = [object_id for object_id, _, _ in list_objects(opened(repo, environ), gaps)]
    assert len(found) == 3
    assert gaps
    assert {gap.kind for gap in gaps} == {"corrupt"}
