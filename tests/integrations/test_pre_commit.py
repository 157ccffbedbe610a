# SPDX-License-Identifier: Apache-2.0
"""The hooks of `.pre-commit-hooks.yaml` under the real pre-commit, in repositories made here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pipeline import KEY, OTHER_KEY, ROOT, Result, Shell, copy_tree, skip_without_index

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_HOOK_TYPES = ("pre-commit", "pre-merge-commit", "pre-push")


class Project:
    """A repository with pre-commit installed in it."""

    def __init__(self, repo: GitRepo, shell: Shell, config: Mapping[str, Any]) -> None:
        self.repo = repo
        self.shell = shell
        repo.write(".pre-commit-config.yaml", yaml.safe_dump(config))
        repo.commit("begin")
        installed = self.pre_commit("install", *(word for name in _HOOK_TYPES for word in ("--hook-type", name)))
        assert installed.code == 0, installed.output

    def pre_commit(self, *arguments: str) -> Result:
        return self._run(sys.executable, "-m", "pre_commit", *arguments)

    def git(self, *arguments: str) -> Result:
        return self._run("git", *arguments)

    def commit(self, path: str, content: str, *, staged: bool = True) -> Result:
        self.repo.write(path, content)
        if staged:
            self.repo.git("add", "--", path)
        return self.git("commit", "-m", "change")

    def bypass(self, message: str, files: Mapping[str, str]) -> str:
        """Commit as somebody without the hooks would."""
        return self.repo.commit(message, "--no-verify", files=files)

    def _run(self, *command: str) -> Result:
        result = self.shell.run(command, self.repo.path)
        assert KEY not in result.output
        return result


def system_hooks() -> dict[str, Any]:
    """Return a configuration with our manifest's hooks, run from this checkout instead of being installed."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    for hook in hooks:
        hook["language"] = "system"
        hook["entry"] = hook["entry"].replace("sealgate", f"{sys.executable} -m scanner", 1)
    return {"repos": [{"repo": "local", "hooks": hooks}]}


@pytest.fixture
def project(git_repo: Make, shell: Shell) -> Project:
    return Project(git_repo("project"), shell, system_hooks())


def test_the_manifest_is_valid(shell: Shell) -> None:
    result = shell.run([sys.executable, "-m", "pre_commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"], ROOT)
    assert result == Result(0, "")


def test_a_commit_with_a_secret_is_stopped_and_one_without_passes(project: Project) -> None:
    stopped = project.commit("settings.py", f"key = '{KEY}'\n")
    assert stopped.code != 0
    assert "settings.py:1:8" in stopped.output
    assert "AKIA****" in stopped.output
    assert "exit code: 1" in stopped.output
    passed = project.commit("settings.py", "key = os.environ['KEY']\n")
    assert passed.code == 0, passed.output
    assert "Passed" in passed.output


def test_what_is_staged_counts_and_not_what_is_on_disk(project: Project) -> None:
    project.repo.write("a.txt", f"key = {KEY}\n")
    project.repo.git("add", "a.txt")
    project.repo.write("a.txt", "key = gone\n")
    assert project.git("commit", "-m", "staged secret").code != 0
    project.repo.git("add", "a.txt")
    project.repo.write("a.txt", f"key = {KEY}\n")
    assert project.git("commit", "-m", "unstaged secret").code == 0


def test_commit_all_and_commit_of_a_path_have_an_index_of_their_own(project: Project) -> None:
    project.bypass("plain", {"a.txt": "1\n", "b.txt": "1\n"})
    project.repo.write("a.txt", f"key = {KEY}\n")
    assert project.git("commit", "-am", "all").code != 0
    assert project.git("commit", "-m", "only a", "a.txt").code != 0
    project.repo.write("b.txt", "2\n")
    passed = project.git("commit", "-m", "only b", "b.txt")
    assert passed.code == 0, passed.output


def test_a_link_is_text_and_a_commit_that_only_deletes_passes(project: Project) -> None:
    link = project.repo.path / "link"
    link.symlink_to(f"/mnt/{KEY}/x")
    project.repo.git("add", "link")
    stopped = project.git("commit", "-m", "link")
    assert stopped.code != 0
    assert "link:1:6" in stopped.output
    project.bypass("link", {})
    project.repo.git("rm", "-q", "link")
    assert project.git("commit", "-m", "no link").code == 0


def test_touching_a_file_with_an_old_secret_does_not_stop_a_commit(project: Project) -> None:
    project.bypass("old", {"old.py": f"key = '{KEY}'\n"})
    passed = project.commit("old.py", f"# a comment\nkey = '{KEY}'\n")
    assert passed.code == 0, passed.output
    project.repo.git("update-index", "--chmod=+x", "old.py")
    assert project.git("commit", "-m", "mode").code == 0


def test_run_all_files_finds_an_old_secret(project: Project) -> None:
    project.bypass("old", {"sub/old file.py": f"key = '{KEY}'\n", "clean.txt": "clean\n"})
    assert project.pre_commit("run").code == 0
    found = project.pre_commit("run", "--all-files")
    assert found.code != 0
    assert "sub/old file.py:1:8" in found.output
    # A staged change to that very file makes no difference: whoever names files wants to know about them.
    project.repo.write("sub/old file.py", f"# changed\nkey = '{KEY}'\n")
    project.repo.git("add", "-A")
    assert "sub/old file.py:2:8" in project.pre_commit("run", "--all-files").output
    assert project.pre_commit("run").code == 0


def test_run_files_scans_those(project: Project) -> None:
    project.bypass("old", {"old.py": f"key = '{KEY}'\n", "clean.txt": "clean\n"})
    assert project.pre_commit("run", "--files", "old.py").code != 0
    assert project.pre_commit("run", "--files", "clean.txt").code == 0


def test_run_from_ref_to_ref_scans_the_commits_between(project: Project) -> None:
    start = project.bypass("old", {"old.py": f"key = '{KEY}'\n"})
    project.bypass("in", {"new.py": f"key = '{OTHER_KEY}'\n", "old.py": f"# more\nkey = '{KEY}'\n"})
    end = project.bypass("and out again", {"new.py": "clean\n"})
    found = project.pre_commit("run", "--from-ref", start, "--to-ref", end)
    assert found.code != 0
    assert "new.py:1:8" in found.output
    assert "old.py" not in found.output
    assert project.pre_commit("run", "--from-ref", end, "--to-ref", end).code == 0


def test_a_file_that_is_called_like_an_option_is_a_file(project: Project) -> None:
    project.repo.write("--fail-on=never")
    project.repo.write("a.py", f"key = '{KEY}'\n")
    project.repo.git("add", "-A")
    assert "a.py:1:8" in project.git("commit", "-m", "switch off").output


def test_a_merge_brings_no_secret_that_its_parents_have(project: Project) -> None:
    branches(project, theirs=f"key = '{KEY}'\n", ours=f"key = '{OTHER_KEY}'\n")
    merged = project.git("merge", "--no-edit", "theirs")
    assert merged.code == 0, merged.output
    assert "sealgate (staged changes)" in merged.output  # the pre-merge-commit stage did run


def test_a_secret_that_only_the_merge_adds_is_stopped(project: Project) -> None:
    branches(project, theirs="theirs\n", ours="ours\n")
    project.repo.git("merge", "-q", "--no-commit", "theirs")
    stopped = project.commit("evil.py", f"key = '{KEY}'\n")
    assert stopped.code != 0
    assert "evil.py:1:8" in stopped.output


def test_a_conflict_resolved_to_one_side_is_no_new_secret(project: Project) -> None:
    project.bypass("base", {"both.py": "base\n"})
    project.repo.git("checkout", "-q", "-b", "theirs")
    project.bypass("theirs", {"both.py": "theirs\n"})
    project.repo.git("checkout", "-q", "main")
    project.bypass("ours", {"both.py": f"key = '{KEY}'\n"})
    assert project.git("merge", "theirs").code != 0
    resolved = project.commit("both.py", f"key = '{KEY}'\n")
    assert resolved.code == 0, resolved.output


def branches(project: Project, *, theirs: str, ours: str) -> None:
    """Make two branches that change different files, and stand on main."""
    project.repo.git("checkout", "-q", "-b", "theirs")
    project.bypass("theirs", {"theirs.py": theirs})
    project.repo.git("checkout", "-q", "main")
    project.bypass("ours", {"ours.py": ours})


def test_pushes(project: Project, git_repo: Make) -> None:
    remote = git_repo("remote.git", "--bare")
    project.repo.git("remote", "add", "origin", str(remote.path))
    first = project.git("push", "origin", "main")
    assert first.code == 0, first.output
    project.bypass("in", {"a.py": f"key = '{KEY}'\n"})
    project.bypass("and out again", {"a.py": "clean\n"})
    for branch in ("main", "main:refs/heads/new"):
        stopped = project.git("push", "origin", branch)
        assert stopped.code != 0
        assert "a.py:1:8" in stopped.output
    project.repo.git("reset", "-q", "--hard", "HEAD~2")
    project.bypass("clean", {"a.py": "clean\n"})
    passed = project.git("push", "origin", "main")
    assert passed.code == 0, passed.output
    assert "sealgate (commits to be pushed)" in passed.output


def test_the_first_push_of_a_repository_is_all_of_it(project: Project, git_repo: Make) -> None:
    remote = git_repo("remote.git", "--bare")
    project.repo.git("remote", "add", "origin", str(remote.path))
    project.bypass("in", {"a.py": f"key = '{KEY}'\n"})
    project.bypass("and out again", {"a.py": "clean\n"})
    assert "a.py:1:8" in project.git("push", "origin", "main").output


def test_the_full_scan_finds_what_no_branch_has_any_more(project: Project) -> None:
    project.bypass("in", {"a.py": f"key = '{KEY}'\n"})
    project.repo.git("reset", "-q", "--hard", "HEAD~1")
    found = project.pre_commit("run", "--hook-stage", "manual", "sealgate-full")
    assert found.code != 0
    assert "a.py:1:8" in found.output


def test_installed_by_pre_commit_from_this_tree(git_repo: Make, shell: Shell, tmp_path: Path) -> None:
    skip_without_index(shell, tmp_path)
    del shell.environ["PYTHONPATH"]
    source = git_repo("sealgate")
    copy_tree(source.path)
    revision = source.commit("the tree as it is")
    hooks = [{"id": name} for name in ("sealgate", "sealgate-push")]
    config = {"repos": [{"repo": str(source.path), "rev": revision, "hooks": hooks}]}
    project = Project(git_repo("project"), shell, config)
    installed = project.pre_commit("install-hooks")
    assert installed.code == 0, installed.output
    assert "settings.py:1:8" in project.commit("settings.py", f"key = '{KEY}'\n").output
    passed = project.commit("settings.py", "key = None\n")
    assert passed.code == 0, passed.output
    assert "Passed" in passed.output
