# SPDX-License-Identifier: Apache-2.0
"""`sealgate hook ...` called by hand and by git itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pipeline import KEY, OTHER_KEY, Shell, executable

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_ZERO = "0" * 40
_WEIRD = (b"with space", b"with\nnewline", b"not-\xff-utf8", b'"quoted"', b"sub/-dash")


@pytest.fixture
def repo(git_repo: Make) -> GitRepo:
    made = git_repo()
    made.commit(files={"old.py": f"key = '{KEY}'\n", "clean.txt": "clean\n"})
    return made


def test_names_of_staged_changes_add_nothing(repo: GitRepo, shell: Shell) -> None:
    repo.write("old.py", f"# more\nkey = '{KEY}'\n")
    repo.git("add", "-A")
    result = shell.sealgate("hook", "pre-commit", "old.py", cwd=repo.path)
    assert result.code == 0, result.output
    assert "Scanned 1 blob (" in result.output


def test_other_names_make_all_of_them_whole(repo: GitRepo, shell: Shell) -> None:
    repo.write("old.py", f"# more\nkey = '{KEY}'\n")
    repo.git("add", "-A")
    result = shell.sealgate("hook", "pre-commit", "old.py", "clean.txt", cwd=repo.path)
    assert result.code == 1
    # On disk as it is staged: read once.
    assert "Scanned 1 blob, 1 file (" in result.output
    repo.write("old.py", f"key = '{OTHER_KEY}'\n")
    result = shell.sealgate("hook", "pre-commit", "old.py", "clean.txt", cwd=repo.path)
    assert "Scanned 1 blob, 2 files (" in result.output
    assert "2 secrets" in result.output


@pytest.mark.parametrize("name", _WEIRD)
def test_names_of_any_kind(repo: GitRepo, shell: Shell, name: bytes) -> None:
    repo.write(name, f"key = '{KEY}'\n")
    repo.git("add", "-A")
    assert shell.sealgate("hook", "pre-commit", "--", name, cwd=repo.path).code == 1
    repo.git("commit", "-qm", "odd")
    assert shell.sealgate("hook", "pre-commit", "--", name, cwd=repo.path).code == 1


def test_deleted_files_hold_nothing_but_a_name_that_never_was_is_a_gap(repo: GitRepo, shell: Shell) -> None:
    (repo.path / "old.py").unlink()
    assert shell.sealgate("hook", "pre-commit", "old.py", cwd=repo.path).code == 0
    repo.git("add", "-A")
    assert shell.sealgate("hook", "pre-commit", "old.py", "clean.txt", cwd=repo.path).code == 0
    result = shell.sealgate("hook", "pre-commit", "nonesuch", cwd=repo.path)
    assert result.code == 3
    assert "there is no such file" in result.output


def test_links_are_not_followed(repo: GitRepo, shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text(f"key = '{KEY}'\n")
    (repo.path / "file").symlink_to(tmp_path / "outside/secret")
    (repo.path / "folder").symlink_to(tmp_path / "outside")
    repo.commit("links")
    assert shell.sealgate("hook", "pre-commit", "file", cwd=repo.path).code == 0
    result = shell.sealgate("hook", "pre-commit", "folder/secret", cwd=repo.path)
    assert result.code == 3
    result = shell.sealgate("hook", "pre-commit", str(tmp_path / "outside/secret"), cwd=repo.path)
    assert result.code == 2
    assert "not in this repository" in result.output


def test_names_from_a_subdirectory_and_directories(repo: GitRepo, shell: Shell) -> None:
    repo.commit(files={"sub/a.py": f"key = '{OTHER_KEY}'\n"})
    sub = repo.path / "sub"
    assert "sub/a.py:1:8" in shell.sealgate("hook", "pre-commit", "a.py", cwd=sub).output
    assert "old.py:1:8" in shell.sealgate("hook", "pre-commit", "../old.py", cwd=sub).output
    assert "old.py:1:8" in shell.sealgate("hook", "pre-commit", str(repo.path / "old.py"), cwd=sub).output
    result = shell.sealgate("hook", "pre-commit", "sub", cwd=repo.path)
    assert result.code == 2
    assert "sub is a directory" in result.output


def test_a_name_that_reads_as_an_option_is_refused(repo: GitRepo, shell: Shell) -> None:
    repo.write("--fail-on=never")
    repo.write("a.py", f"key = '{OTHER_KEY}'\n")
    repo.git("add", "-A")
    result = shell.sealgate("hook", "pre-commit", "--fail-on=never", "a.py", cwd=repo.path)
    assert result.code == 2
    assert "both an option and a file" in result.output
    assert shell.sealgate("hook", "pre-commit", "--", "--fail-on=never", "a.py", cwd=repo.path).code == 1


def test_outside_of_a_repository(shell: Shell, tmp_path: Path) -> None:
    assert shell.sealgate("hook", "pre-commit", cwd=tmp_path).code == 2
    assert shell.sealgate("hook", "pre-push", cwd=tmp_path).code == 2


def test_settings_and_reports_are_those_of_a_scan(repo: GitRepo, shell: Shell) -> None:
    repo.write("a.py", f"key = '{OTHER_KEY}'\n")
    repo.git("add", "a.py")
    assert shell.sealgate("hook", "pre-commit", "--fail-on", "never", cwd=repo.path).code == 0
    repo.write(".sealgate.yaml", "fail_on: never\n")
    assert shell.sealgate("hook", "pre-commit", cwd=repo.path).code == 0
    result = shell.sealgate("hook", "pre-commit", "--fail-on", "low", "--report", "jsonl=out.jsonl", cwd=repo.path)
    assert result.code == 1
    assert '"path":"a.py"' in (repo.path / "out.jsonl").read_text().replace(" ", "")


class Pushing:
    """A repository with git's own pre-push hook, and a remote that has its first commit."""

    def __init__(self, repo: GitRepo, remote: GitRepo, shell: Shell, program: Path) -> None:
        self.repo = repo
        self.remote = remote
        self._shell = shell
        self._path = f"{program}{os.pathsep}{os.environ['PATH']}"
        repo.git("remote", "add", "origin", str(remote.path))
        repo.git("push", "-q", "origin", "main")
        executable(repo.path / ".git/hooks/pre-push", '#!/bin/sh\nexec sealgate hook pre-push "$@"\n')

    def push(self, *arguments: str) -> tuple[int, str]:
        code, output = self._shell.run(["git", "push", *arguments], self.repo.path, {"PATH": self._path})
        assert KEY not in output
        return code, output


@pytest.fixture
def pushing(repo: GitRepo, git_repo: Make, shell: Shell, sealgate_program: Path) -> Pushing:
    return Pushing(repo, git_repo("remote.git", "--bare"), shell, sealgate_program)


def test_git_push_is_stopped_or_passes(pushing: Pushing) -> None:
    pushing.repo.commit(files={"clean.txt": "cleaner\n"})
    assert pushing.push("origin", "main")[0] == 0
    assert pushing.push("origin", "main")[0] == 0  # nothing to push, and nothing on standard input
    pushing.repo.commit(files={"a.py": f"key = '{OTHER_KEY}'\n"})
    code, output = pushing.push("origin", "main")
    assert code != 0
    assert "a.py:1:8" in output


def test_every_ref_of_a_push_counts(pushing: Pushing) -> None:
    repo = pushing.repo
    repo.git("checkout", "-q", "-b", "one")
    repo.commit(files={"one.txt": "one\n"})
    repo.git("checkout", "-q", "-b", "two", "main")
    repo.commit(files={"two.py": f"key = '{OTHER_KEY}'\n"})
    code, output = pushing.push("origin", "one", "two")
    assert code != 0
    assert "two.py:1:8" in output
    assert pushing.push("origin", "one")[0] == 0
    assert pushing.push("origin", ":one")[0] == 0


def test_the_text_of_a_tag_is_pushed_too(pushing: Pushing) -> None:
    pushing.repo.git("tag", "-a", "-m", f"the key is {OTHER_KEY}", "v1")
    pushing.repo.git("tag", "-a", "-m", "a tag of a tag", "v2", "v1")
    code, output = pushing.push("origin", "v2")
    assert code != 0
    assert ".git/tag/" + pushing.repo.id("v1") in output
    pushing.repo.git("tag", "-a", "-m", "harmless", "v3")
    assert pushing.push("origin", "v3")[0] == 0


def test_a_tagged_blob_is_scanned_and_a_tagged_tree_is_a_gap(pushing: Pushing) -> None:
    blob = pushing.repo.git("hash-object", "-w", "--stdin", stdin=f"key = '{OTHER_KEY}'\n".encode()).strip()
    pushing.repo.git("tag", "blob", blob)
    assert ".git/blob/" in pushing.push("origin", "blob")[1]
    pushing.repo.git("tag", "tree", "HEAD^{tree}")
    code, output = pushing.push("origin", "tree")
    assert code != 0
    assert "pushed without a commit" in output


def test_what_this_remote_has_not_is_new_even_if_another_has_it(pushing: Pushing, git_repo: Make) -> None:
    public = git_repo("public.git", "--bare")
    pushing.repo.git("remote", "add", "public", str(public.path))
    pushing.repo.git("fetch", "-q", "origin")
    code, output = pushing.push("public", "main")
    assert code != 0
    assert "old.py:1:8" in output


def test_a_forced_push_over_commits_that_are_not_here(pushing: Pushing, git_repo: Make) -> None:
    other = git_repo("other", source=pushing.remote.path)
    other.commit(files={"theirs.txt": "theirs\n"})
    other.git("push", "-q", "origin", "main")
    pushing.repo.commit(files={"ours.txt": "ours\n"})
    assert pushing.push("--force", "origin", "main")[0] == 0
    pushing.repo.commit(files={"a.py": f"key = '{OTHER_KEY}'\n"})
    assert "a.py:1:8" in pushing.push("--force", "origin", "main")[1]


def test_without_lines_the_unpushed_commits_of_head_count(pushing: Pushing, shell: Shell) -> None:
    repo = pushing.repo
    assert shell.sealgate("hook", "pre-push", cwd=repo.path).code == 0
    repo.commit(files={"a.py": f"key = '{OTHER_KEY}'\n"})
    assert shell.sealgate("hook", "pre-push", cwd=repo.path).code == 1
    assert shell.sealgate("hook", "pre-push", cwd=repo.path, env={"PRE_COMMIT": "1"}).code == 1


def test_an_unborn_head_has_nothing_to_push(git_repo: Make, shell: Shell) -> None:
    assert shell.sealgate("hook", "pre-push", cwd=git_repo().path).code == 0


def test_lines_that_are_not_gits_are_refused(repo: GitRepo, shell: Shell) -> None:
    result = shell.sealgate("hook", "pre-push", "origin", "url", cwd=repo.path, stdin=b"refs/heads/main\n")
    assert result.code == 2
    missing = f"refs/heads/main {'1' * 40} refs/heads/main {_ZERO}\n".encode()
    assert shell.sealgate("hook", "pre-push", "origin", "url", cwd=repo.path, stdin=missing).code == 2


def test_pre_commits_variables_without_a_from_ref(repo: GitRepo, shell: Shell) -> None:
    env = {"PRE_COMMIT": "1", "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/main", "PRE_COMMIT_REMOTE_NAME": "origin"}
    assert "old.py:1:8" in shell.sealgate("hook", "pre-push", cwd=repo.path, env=env).output
    head = repo.id("HEAD")
    env |= {"PRE_COMMIT_FROM_REF": head, "PRE_COMMIT_TO_REF": head}
    assert shell.sealgate("hook", "pre-push", cwd=repo.path, env=env).code == 0
