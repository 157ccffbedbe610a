# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.errors import ConfigError, SourceError
from scanner.git.repo import Repository, find_git, is_id, open_repository

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]


def opened(path: Path | str, environ: dict[str, str], *, search: bool = True) -> Repository:
    repository = open_repository(str(path), environ=environ, search=search)
    assert repository is not None
    return repository


def test_an_ordinary_repository(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    commit = repo.commit(files={"a": "1"})
    found = opened(repo.path, environ)
    assert found.root == found.worktree == str(repo.path)
    assert found.git_dir == found.common_dir == str(repo.path / ".git")
    assert (found.head, found.shallow, found.id_bytes) == (commit, False, 20)


def test_from_a_subdirectory_only_with_search(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"deep/er/a": "1"})
    assert opened(repo.path / "deep/er", environ).worktree == str(repo.path)
    assert open_repository(str(repo.path / "deep/er"), environ=environ, search=False) is None


def test_no_repository(tmp_path: Path, environ: dict[str, str]) -> None:
    assert open_repository(str(tmp_path), environ=environ) is None


def test_unborn_and_detached_head(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    assert opened(repo.path, environ).head is None
    first = repo.commit(files={"a": "1"})
    repo.commit(files={"a": "2"})
    repo.git("checkout", "-q", "--detach", first)
    assert opened(repo.path, environ).head == first


def test_bare(git_repo: Make, environ: dict[str, str]) -> None:
    bare = git_repo("bare.git", "--bare")
    for path in (bare.path, bare.path / "refs"):
        found = opened(path, environ)
        assert (found.worktree, found.root, found.git_dir) == (None, str(bare.path), str(bare.path))


def test_a_git_directory_itself_has_no_working_tree(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    assert opened(repo.path / ".git", environ).worktree is None


def test_linked_worktree(git_repo: Make, environ: dict[str, str], tmp_path: Path) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1"})
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    found = opened(tmp_path / "linked", environ)
    assert found.worktree == str(tmp_path / "linked")
    assert found.git_dir == str(repo.path / ".git/worktrees/linked")
    assert os.path.realpath(found.common_dir) == str(repo.path / ".git")


def test_submodule(git_repo: Make, environ: dict[str, str]) -> None:
    inner = git_repo("inner")
    commit = inner.commit(files={"a": "1"})
    outer = git_repo("outer")
    outer.git("submodule", "add", "-q", str(inner.path), "sub")
    found = opened(outer.path / "sub", environ)
    assert found.worktree == str(outer.path / "sub")
    assert found.git_dir == str(outer.path / ".git/modules/sub")
    assert found.head == commit


def test_sha256(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo("repo", "--object-format=sha256")
    commit = repo.commit(files={"a": "1"})
    found = opened(repo.path, environ)
    assert (found.id_bytes, found.head) == (32, commit)
    assert found.empty_tree == repo.git("hash-object", "-t", "tree", os.devnull).strip()


def test_a_broken_repository_is_not_a_plain_directory(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1"})
    (repo.path / ".git/HEAD").unlink()
    with pytest.raises(SourceError, match="not a git repository"):
        open_repository(str(repo.path), environ=environ)
    (repo.path / ".git/HEAD").write_text("ref: refs/heads/main\n")
    (repo.path / ".git/config").write_text("[core]\n repositoryformatversion = 99\n")
    with pytest.raises(SourceError, match="version"):
        open_repository(str(repo.path), environ=environ)


def test_a_git_file_that_leads_nowhere(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / ".git").write_text("gitdir: /no/where\n")
    with pytest.raises(SourceError):
        open_repository(str(tmp_path), environ=environ)


def test_git_is_not_installed(git_repo: Make, environ: dict[str, str], tmp_path: Path) -> None:
    repo = git_repo()
    with pytest.raises(ConfigError, match="git was not found"):
        open_repository(str(repo.path), environ=environ | {"PATH": str(tmp_path)})


def test_git_is_never_taken_from_a_relative_path_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "git"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    real = shutil.which("git")
    assert real is not None
    assert find_git({"PATH": os.pathsep.join(["", ".", os.path.dirname(real)])}) == real


def test_is_id() -> None:
    assert is_id("a" * 40)
    assert is_id("0" * 64)
    assert not is_id("g" * 40)
    assert not is_id("a" * 41)


# What hooks are told.


def test_a_hooks_index_counts_in_the_hooks_own_repository(
    git_repo: Make, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, other = git_repo(), git_repo("other")
    for each in (repo, other):
        each.commit(files={"a": "1"})
    monkeypatch.chdir(repo.path)
    hook = environ | {"GIT_DIR": ".git", "GIT_INDEX_FILE": ".git/next-index-7.lock", "GIT_PREFIX": ""}
    here = opened(".", hook)
    assert (here.worktree, here.git_dir) == (str(repo.path), str(repo.path / ".git"))
    assert here.run("ls-files") == b""
    assert opened(other.path, hook).run("ls-files") == b"a\n"


def test_git_dir_without_work_tree_from_a_subdirectory(
    git_repo: Make, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = git_repo()
    repo.commit(files={"sub/a": "1"})
    monkeypatch.chdir(repo.path / "sub")
    assert opened(".", environ | {"GIT_DIR": str(repo.path / ".git")}).worktree == str(repo.path)


def test_a_server_hook_in_a_bare_repository(
    git_repo: Make, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = git_repo("bare.git", "--bare")
    monkeypatch.chdir(bare.path)
    found = opened(".", environ | {"GIT_DIR": "."})
    assert (found.worktree, found.git_dir) == (None, str(bare.path))


# What a repository might try.


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return a file that exists once the program beside it, `run-me`, was run."""
    marker = tmp_path / "it-ran"
    program = tmp_path / "run-me"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\n")
    program.chmod(0o755)
    return marker


def hostile(repo: GitRepo, marker: Path) -> None:
    """Fill a repository's configuration with everything that runs a program or changes what git sees."""
    program = marker.parent / "run-me"
    included = marker.parent / "included"
    (marker.parent / "elsewhere").mkdir()
    included.write_text(f"[core]\n fsmonitor = {program}\n[diff]\n external = {program}\n")
    settings = {
        "core.fsmonitor": program,
        "core.pager": program,
        "core.editor": program,
        "core.sshCommand": program,
        "core.askPass": program,
        "core.alternateRefsCommand": program,
        "core.worktree": marker.parent / "elsewhere",
        "core.attributesFile": included,
        "core.excludesFile": included,
        "core.untrackedCache": "true",
        "credential.helper": f"!{program}",
        "diff.external": program,
        "diff.evil.command": program,
        "diff.evil.textconv": program,
        "filter.evil.clean": program,
        "filter.evil.smudge": program,
        "filter.evil.process": program,
        "filter.evil.required": "true",
        "include.path": included,
        "pager.cat-file": program,
        "alias.cat-file": f"!{program}",
        "protocol.ext.allow": "always",
        "uploadpack.packObjectsHook": program,
    }
    for name, value in settings.items():
        repo.git("config", name, str(value))
    hooks = marker.parent / "hooks"
    hooks.mkdir()
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction"):
        (hooks / name).symlink_to(program)
    repo.git("config", "core.hooksPath", str(hooks))
    (repo.path / ".git/info/attributes").write_text("* filter=evil diff=evil\n")


def everything(repo: Repository) -> None:
    """Run every kind of command that Sealgate runs."""
    from scanner.sources.commits import RangeSource
    from scanner.sources.files import WorktreeSource
    from scanner.sources.history import HistorySource
    from scanner.sources.staged import StagedSource

    for source in (
        HistorySource(repo, 1 << 20),
        StagedSource(repo, 1 << 20),
        RangeSource(repo, "HEAD~1..HEAD", 1 << 20),
        WorktreeSource(repo, 1 << 20),
    ):
        for blob in source.blobs():
            list(source.previous(blob))
            assert blob.place is not None or source.trace([blob.id or ""])


def test_no_configuration_runs_anything_or_moves_the_scan(
    git_repo: Make, environ: dict[str, str], marker: Path
) -> None:
    repo = git_repo()
    repo.commit(files={".gitattributes": "* filter=evil diff=evil\n", "a": "1\n", "b": "2\n"})
    repo.commit(files={"a": "2\n"})
    repo.write("a", "3\n")
    repo.git("add", "a")
    hostile(repo, marker)
    # Entries as young as the index are the ones that git reads again, through the filter.
    for path in ("a", "b"):
        os.utime(repo.path / path)
    found = opened(repo.path, environ)
    assert found.worktree == str(repo.path)
    assert found.run("ls-files", "--others", "--cached") == b".gitattributes\na\nb\n"
    everything(found)
    assert not marker.exists()


def test_the_marker_works(git_repo: Make, marker: Path) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    repo.git("config", "diff.external", str(marker.parent / "run-me"))
    repo.write("a", "2\n")
    repo.git("diff", check=False)
    assert marker.exists()


@pytest.mark.parametrize("url", ["ext::{program}", "evil::x", "file://{program}", "{program}"])
def test_a_missing_object_is_never_fetched(git_repo: Make, environ: dict[str, str], marker: Path, url: str) -> None:
    repo = git_repo()
    program = marker.parent / "run-me"
    (marker.parent / "git-remote-evil").symlink_to(program)
    first = repo.commit(files={"a": "1\n"})
    repo.commit(files={"a": "2\n"})
    repo.loose(repo.id(f"{first}:a")).unlink()
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": url.format(program=program),
        "remote.origin.uploadpack": str(program),
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
        "protocol.evil.allow": "always",
        "protocol.file.allow": "always",
    }.items():
        repo.git("config", name, value)
    path = f"{marker.parent}{os.pathsep}{environ['PATH']}"
    everything(opened(repo.path, environ | {"PATH": path}))
    assert not marker.exists()


def test_users_variables_and_configuration_do_not_matter(
    git_repo: Make, environ: dict[str, str], marker: Path, tmp_path: Path
) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    program = str(marker.parent / "run-me")
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[core]\n fsmonitor = {program}\n excludesFile = {home}/ignore\n")
    (home / "ignore").write_text("*\n")
    repo.write("untracked", "x")
    found = opened(
        repo.path,
        environ
        | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "GIT_EXTERNAL_DIFF": program,
            "GIT_TRACE": "1",
            "GIT_DIR": "/no/where",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.fsmonitor",
            "GIT_CONFIG_VALUE_0": program,
            "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor={program}'",
        },
    )
    assert found.run("ls-files", "--others", "--exclude-standard") == b"untracked\n"
    assert not marker.exists()


def test_replacements_and_grafts_do_not_matter(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    first = repo.commit(files={"a": "1\n"})
    second = repo.commit(files={"a": "2\n"})
    repo.git("replace", repo.id(f"{first}:a"), repo.id(f"{second}:a"))
    (repo.path / ".git/info/grafts").write_text(f"{second}\n")
    found = opened(repo.path, environ)
    assert found.run("cat-file", "blob", f"{first}:a") == b"1\n"
    assert found.run("rev-list", "--count", "HEAD") == b"2\n"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a directory away")
def test_another_owner_does_not_matter(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    repo.commit(files={"a": "1\n"})
    for directory, _, names in os.walk(repo.path):
        for name in ("", *names):
            os.lchown(os.path.join(directory, name), 12345, 12345)
    assert "dubious" in repo_error(repo)
    assert opened(repo.path, environ).run("ls-files") == b"a\n"


def repo_error(repo: GitRepo) -> str:
    try:
        repo.git("status")
    except AssertionError as error:
        return str(error)
    return ""


def test_a_path_with_a_newline_is_refused_not_mistaken(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo("new\nline")
    repo.commit(files={"a": "1\n"})
    with pytest.raises(SourceError) as caught:
        open_repository(str(repo.path), environ=environ)
    assert "\n" not in str(caught.value)


def test_failure_is_one_safe_line(git_repo: Make, environ: dict[str, str]) -> None:
    repo = git_repo()
    with pytest.raises(SourceError, match=r"git rev-list failed in .*/repo: bad object"):
        opened(repo.path, environ).run("rev-list", "1" * 40)
