# SPDX-License-Identifier: Apache-2.0
"""A scan of the very same state gives the very same result without reading it; of any other, it is read."""

import io
import os
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, Outcome, github_token, sealgate, stripe_key

import scanner.runner
import scanner.sources.census
from scanner.cachedir import KEY_VARIABLE, CacheFolder
from scanner.recall import _load

Make = Callable[..., GitRepo]

KEY_LINE = f'key = "{AWS_KEY_ID}"\n'
CACHE_KEY = "a key that nobody guesses"


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "nothing")
    return buffer.getvalue()


class Runs:
    """Runs with one cache; `looks` counts those that read the repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.looks = 0

    def __call__(self, target: Path, *options: "str | Path", **environ: str) -> Outcome:
        return self.run("scan", target, "--cache", self.folder, "--report", "jsonl", *options, **environ)

    def run(self, *arguments: "str | Path", **environ: str) -> Outcome:
        look = scanner.runner.look

        def counting(*given: Any, **named: Any) -> Any:
            self.looks += 1
            return look(*given, **named)

        with mock.patch.object(scanner.runner, "look", counting):
            outcome = sealgate(*arguments, env=environ)
        assert outcome.code in (0, 1, 3), outcome.err
        return outcome


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "cache")


def _result(outcome: Outcome) -> tuple[int, list[Any], dict[str, Any]]:
    summary = outcome.summary
    del summary["seconds"]
    return outcome.code, outcome.findings, summary


def _again(runs: Runs, target: Path, *options: "str | Path", **environ: str) -> Outcome:
    """Scan twice and once without the cache; the second run must not read, and say the same."""
    first = runs(target, *options, **environ)
    before = runs.looks
    second = runs(target, *options, **environ)
    assert runs.looks == before
    plain = sealgate("scan", target, "--report", "jsonl", *options)
    assert _result(first) == _result(second) == _result(plain)
    return second


def _anew(runs: Runs, target: Path, *options: "str | Path", **environ: str) -> Outcome:
    """Scan what has changed: it has to be read, and found as without a cache."""
    before = runs.looks
    outcome = runs(target, *options, **environ)
    assert runs.looks == before + 1
    assert _result(outcome) == _result(sealgate("scan", target, "--report", "jsonl", *options))
    return outcome


@pytest.fixture
def repo(git_repo: Make) -> GitRepo:
    """Return a repository with something of everything."""
    repo = git_repo()
    repo.commit(files={"a.py": KEY_LINE, "b/c.txt": "clean\n", "lib.zip": _archive()})
    repo.commit(f"token {github_token()}", files={"a.py": "\n" + KEY_LINE, "old.txt": stripe_key()})
    repo.git("tag", "-a", "-m", "tagged", "v1")
    repo.git("rm", "-q", "old.txt")
    repo.commit("gone")
    repo.commit(files={".sops.yaml": "creation_rules:\n  - path_regex: secret\\.yaml$\n    age: age1qqq\n"})
    repo.commit(files={"secret.yaml": "password: hunter2-is-not-encrypted\n"})
    return repo


def test_a_working_tree_as_it_was_committed(runs: Runs, repo: GitRepo) -> None:
    outcome = _again(runs, repo.path)
    assert len(outcome.findings) > 3
    assert outcome.gaps == ["archive"]


def test_changes_and_files_that_git_does_not_know(runs: Runs, repo: GitRepo) -> None:
    repo.write("a.py", f'key = "{OTHER_AWS_KEY_ID}"\n')
    repo.write("new.py", f'token = "{github_token(5)}"\n')
    (repo.path / "link").symlink_to("a.py")
    (repo.path / "b/c.txt").unlink()
    _again(runs, repo.path)


def test_a_bare_clone_however_it_is_packed(runs: Runs, repo: GitRepo, tmp_path: Path, git_repo: Make) -> None:
    bare = git_repo("bare.git", "--mirror", source=repo.path)
    bare.git("repack", "-adfq", "--depth=1")
    _again(runs, bare.path)
    before = runs.looks
    other = git_repo("other.git", "--mirror", source=bare.path)
    other.git("repack", "-adfq", "--depth=50", "--window=50")
    assert _result(runs(other.path))[1] == _result(sealgate("scan", other.path, "--report", "jsonl"))[1]
    assert runs.looks == before


@pytest.mark.parametrize("init", [("--object-format=sha256",), ("--bare",), ()])
def test_other_kinds_of_repositories(runs: Runs, git_repo: Make, init: tuple[str, ...]) -> None:
    repo = git_repo("kind", *init)
    if "--bare" not in init:
        repo.commit(files={"a.py": KEY_LINE})
    _again(runs, repo.path)


def test_a_repository_without_a_commit(runs: Runs, git_repo: Make) -> None:
    repo = git_repo()
    repo.write("a.py", KEY_LINE)
    _again(runs, repo.path)
    repo.git("add", "a.py")
    assert _anew(runs, repo.path).findings


def test_a_shallow_clone_is_as_incomplete_the_second_time(runs: Runs, repo: GitRepo, git_repo: Make) -> None:
    clone = git_repo("shallow", "--depth=1", source=f"file://{repo.path}")
    outcome = _again(runs, clone.path)
    assert "shallow" in outcome.gaps
    clone.git("fetch", "-q", "--unshallow")
    assert "shallow" not in _anew(runs, clone.path).gaps


@pytest.mark.parametrize(
    "change",
    [
        lambda repo: repo.commit("empty"),
        lambda repo: repo.commit(files={"new.py": f'key = "{OTHER_AWS_KEY_ID}"\n'}),
        lambda repo: repo.write("b/c.txt", f'key = "{OTHER_AWS_KEY_ID}"\n'),
        lambda repo: repo.write("untracked.py", KEY_LINE),
        lambda repo: (repo.path / "a.py").unlink(),
        lambda repo: repo.git("rm", "-q", "--cached", "a.py"),
        lambda repo: repo.git("update-index", "--add", "--cacheinfo", "100644", repo.id("HEAD:a.py"), "staged.py"),
        lambda repo: repo.git("checkout", "-q", "--detach", "HEAD~1"),
        lambda repo: repo.git("reset", "-q", "--hard", "HEAD~2"),
        lambda repo: repo.git("update-ref", "refs/heads/side", "HEAD~1"),
        lambda repo: repo.git("tag", "-d", "v1"),
        lambda repo: repo.git("hash-object", "-w", "--stdin", stdin=stripe_key(4).encode()),
        lambda repo: (repo.path / ".gitignore").write_text("nothing\n"),
        lambda repo: repo.git("submodule", "add", "-q", str(repo.path), "module"),
    ],
)
def test_whatever_changes_is_read(runs: Runs, repo: GitRepo, change: Callable[[GitRepo], object]) -> None:
    repo.git("commit", "--amend", "-q", "-m", "amended")
    runs(repo.path)
    change(repo)
    _anew(runs, repo.path)
    _again(runs, repo.path)


def test_a_file_on_disk_is_read_whatever_its_stamp_says(runs: Runs, repo: GitRepo) -> None:
    path = repo.write("note.txt", "x" * len(AWS_KEY_ID))
    runs(repo.path)
    status = path.stat()
    path.write_text(AWS_KEY_ID)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "note.txt" in [finding["path"] for finding in _anew(runs, repo.path).findings]


def test_what_does_not_change_the_result_does_not_matter(runs: Runs, repo: GitRepo) -> None:
    runs(repo.path)
    for name in ("a.py", "b/c.txt"):
        os.utime(repo.path / name, (1, 1))
    repo.git("status")
    repo.git("config", "user.name", "Somebody")
    _again(runs, repo.path)
    assert runs.looks == 1


def test_objects_that_are_lost_are_noticed(runs: Runs, repo: GitRepo) -> None:
    runs(repo.path)
    repo.loose(repo.id("HEAD~2:a.py")).unlink()
    outcome = _anew(runs, repo.path)
    assert outcome.code == 1 or outcome.code == 3
    assert "missing" in outcome.gaps
    # Nor is such a state kept.
    assert "missing" in _anew(runs, repo.path).gaps


def test_a_state_that_could_not_be_read_is_read_again(runs: Runs, repo: GitRepo) -> None:
    path = repo.loose(repo.id("HEAD~2:a.py"))
    sound = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert "corrupt" in runs(repo.path).gaps
    path.write_bytes(sound)
    assert "corrupt" not in _anew(runs, repo.path).gaps


def test_what_changes_while_it_is_read_is_not_kept(runs: Runs, repo: GitRepo) -> None:
    states = ["one", "two", "three", "three", "three"]
    with mock.patch.object(scanner.sources.census, "take_census", side_effect=states):
        runs(repo.path)
        runs(repo.path)
        runs(repo.path)
    assert runs.looks == 2


@pytest.mark.parametrize("options", [("--max-blob", "1M"), ("--only", "sops"), ("--only", "secrets")])
def test_other_settings_have_another_outcome(runs: Runs, repo: GitRepo, options: tuple[str, ...]) -> None:
    runs(repo.path)
    _anew(runs, repo.path, *options)
    _again(runs, repo.path, *options)


def test_other_rules_have_another_outcome(runs: Runs, repo: GitRepo, tmp_path: Path) -> None:
    runs(repo.path)
    (tmp_path / "more.yaml").write_text(
        "rules:\n  - id: house-word\n    name: House word\n    severity: low\n    confidence: high\n    pattern: 'c(?P<secret>lean)'\n"
        "    help: none\n    references: [https://example.org]\n    positive: ['clean']\n    negative: ['dirty']\n"
    )
    found = _anew(runs, repo.path, "--rules", tmp_path / "more.yaml").findings
    assert "house-word" in [finding["rule_id"] for finding in found]
    (repo.path / ".git/info/exclude").write_text(".sealgate.yaml\n")
    repo.write(".sealgate.yaml", f"disable: [{found[0]['rule_id']}]\n")
    assert len(_anew(runs, repo.path).findings) < len(found)


def test_what_is_silenced_is_decided_anew(runs: Runs, repo: GitRepo, tmp_path: Path) -> None:
    assert runs(repo.path).code == 1
    baseline = tmp_path / "baseline.jsonl"
    sealgate("baseline", "create", repo.path, "--baseline", baseline, "--reason", "old")
    silenced = runs(repo.path, "--baseline", baseline)
    assert silenced.code == 0
    assert {finding["suppressed_by"]["kind"] for finding in silenced.findings} == {"baseline"}
    assert runs(repo.path).code == 1
    assert runs(repo.path, "--fail-on", "never").code == 0
    (tmp_path / "settings.yaml").write_text("allow:\n  - rule: '*'\n    until: 2001-01-01\n")
    expired = runs(repo.path, "--config", tmp_path / "settings.yaml")
    assert expired.code == 1
    assert "expired" in sealgate("scan", repo.path, "--cache", runs.folder, "--config", tmp_path / "settings.yaml").out
    assert runs.looks == 1


def test_whoever_wants_to_know_is_told(runs: Runs, repo: GitRepo) -> None:
    assert "engine reads" in runs.run("scan", repo.path, "--cache", runs.folder, "--verbose").err
    assert "nothing has changed" in runs.run("scan", repo.path, "--cache", runs.folder, "--verbose").err
    assert "nothing has changed" not in runs.run("scan", repo.path, "--cache", runs.folder).err


def test_marks_on_a_line_are_known(runs: Runs, git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.py": f'key = "{AWS_KEY_ID}"  # sealgate:allow reason=example\n'})
    outcome = _again(runs, repo.path)
    assert outcome.code == 0
    assert outcome.findings[0]["suppressed_by"]["kind"] == "inline"


def test_no_secret_is_kept(runs: Runs, repo: GitRepo) -> None:
    runs(repo.path)
    contents = [path.read_bytes() for path in runs.folder.iterdir()]
    plain = b"".join(contents + [zlib.decompress(content[32:]) for content in contents if content[32:34] == b"\x78\x01"])
    assert b"a.py" in plain
    for secret in (AWS_KEY_ID, github_token(), stripe_key(), "hunter2-is-not-encrypted"):
        assert secret.encode() not in plain
        assert secret[8:].encode() not in plain
    assert [path.stat().st_mode & 0o077 for path in runs.folder.iterdir()] == [0] * len(contents)


def test_whoever_asks_for_the_values_gets_them(runs: Runs, repo: GitRepo) -> None:
    runs(repo.path)
    shown = _anew(runs, repo.path, "--show-secrets")
    assert AWS_KEY_ID in shown.out
    assert AWS_KEY_ID not in runs(repo.path).out


def test_exceptions_that_look_inside_get_the_values(runs: Runs, repo: GitRepo, tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").write_text(f"allow: [{{value: '^{AWS_KEY_ID[:8]}'}}]\n")
    runs(repo.path)
    silenced = _anew(runs, repo.path, "--config", tmp_path / "settings.yaml")
    assert [f["suppressed_by"] for f in silenced.findings if f["rule_id"] == "aws-access-key-id"] != [None]


def test_a_forged_outcome_is_not_believed(runs: Runs, repo: GitRepo, git_repo: Make) -> None:
    clean = git_repo("clean")
    clean.commit(files={"a.txt": "nothing"})
    with mock.patch.object(CacheFolder, "write") as write:
        runs(clean.path)
    nothing = next(call.args[2] for call in write.call_args_list if call.args[0] == "results")
    runs(repo.path, **{KEY_VARIABLE: CACHE_KEY})
    for path in runs.folder.glob("results-*"):
        # Whoever has no key can name the file, and seal it with a key of their own or with none.
        path.write_bytes(CacheFolder(str(runs.folder))._seal(path.name, nothing) + nothing)
    before = runs.looks
    outcome = runs.run("scan", repo.path, "--cache", runs.folder, **{KEY_VARIABLE: CACHE_KEY})
    assert (outcome.code, runs.looks) == (1, before + 1)
    assert "was not written with this key" in outcome.out
    # It is written anew.
    assert runs(repo.path, **{KEY_VARIABLE: CACHE_KEY}).code == 1
    assert runs.looks == before + 1


def test_a_cache_in_the_working_tree_needs_a_key(runs: Runs, repo: GitRepo) -> None:
    runs.folder = repo.path / "cache"
    (repo.path / ".git/info/exclude").write_text("cache/\n")
    for _ in range(2):
        outcome = runs.run("scan", repo.path, "--cache", runs.folder)
        assert f"set {KEY_VARIABLE}" in outcome.out
    assert runs.looks == 2
    for _ in range(2):
        outcome = runs.run("scan", repo.path, "--cache", runs.folder, **{KEY_VARIABLE: CACHE_KEY})
    assert runs.looks == 3


@pytest.mark.parametrize("cut", range(0, 400, 7))
def test_half_an_outcome_is_none(runs: Runs, repo: GitRepo, cut: int) -> None:
    content = zlib.compress(b"\xe9"[:1] * cut)
    assert _load(content) is None
    assert _load(content[: cut % max(1, len(content))]) is None


def test_the_environment_may_name_the_folder_and_no_file_may(runs: Runs, repo: GitRepo, tmp_path: Path) -> None:
    for _ in range(2):
        runs.run("scan", repo.path, SEALGATE_CACHE=str(runs.folder))
    assert runs.looks == 1
    runs.run("scan", repo.path, "--cache", "", SEALGATE_CACHE=str(runs.folder))
    assert runs.looks == 2
    repo.write(".sealgate.yaml", f"cache: {tmp_path}\n")
    assert sealgate("scan", repo.path).code == 2


def test_a_directory_or_a_change_has_no_use_for_it(runs: Runs, repo: GitRepo) -> None:
    for options in (("--staged",), ("--range", "HEAD~1..HEAD"), ("--worktree",)):
        for _ in range(2):
            runs(repo.path, *options)
    shutil.rmtree(repo.path / ".git")
    runs(repo.path)
    assert runs.looks == 7


def test_a_hooks_own_objects_are_never_taken_for_known(runs: Runs, repo: GitRepo, tmp_path: Path) -> None:
    runs(repo.path)
    environ = {"GIT_DIR": str(repo.path / ".git"), "GIT_OBJECT_DIRECTORY": str(repo.path / ".git/objects")}
    with mock.patch.object(os, "getcwd", return_value=str(repo.path)):
        runs(repo.path, **environ)
    assert runs.looks == 2


def test_the_folder_needs_not_be_there(runs: Runs, repo: GitRepo, tmp_path: Path) -> None:
    runs.folder = tmp_path / "a/b/c"
    _again(runs, repo.path)
    subprocess.run(["chmod", "go+w", runs.folder], check=True)
    assert "others may write there" in runs.run("scan", repo.path, "--cache", runs.folder).out
