# SPDX-License-Identifier: Apache-2.0
"""`sealgate init`: what it proposes, what it writes, and what it never touches."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from gitrepo import GitRepo
from planted import AWS_KEY_ID, ROOT, process, sealgate
from terminal import Terminal

from scanner import __version__
from scanner.commands.init import PARTS
from scanner.config import load_settings

Make = Callable[..., GitRepo]
PIN = "0123456789" * 4
WORKFLOW = ".github/workflows/sealgate.yml"
FILES = dict(zip(PARTS, (".sealgate.yaml", ".pre-commit-config.yaml", WORKFLOW, ".gitlab-ci.yml"), strict=True))


@pytest.fixture
def repo(git_repo: Make, monkeypatch: pytest.MonkeyPatch) -> GitRepo:
    """Return a repository without remotes, in which the process stands."""
    made = git_repo()
    monkeypatch.chdir(made.path)
    return made


def written(repo: GitRepo) -> set[str]:
    return {str(path.relative_to(repo.path)) for path in repo.path.rglob("*") if path.is_file() and ".git" not in path.parts}


@pytest.mark.parametrize("part", PARTS[1:])
def test_what_it_writes_is_what_the_document_shows(repo: GitRepo, part: str) -> None:
    assert sealgate("init", part, "--yes", "--pin", PIN).code == 0
    document = (ROOT / "docs/integrations.md").read_text()
    examples = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", document, re.DOTALL))
    assert (repo.path / FILES[part]).read_text() == examples[FILES[part]].replace("<commit of the release>", PIN)


def test_the_settings_are_understood(repo: GitRepo) -> None:
    assert sealgate("init", "config", "--yes").code == 0
    text = (repo.path / ".sealgate.yaml").read_bytes()
    everything = text + b"\n".join(line.removeprefix(b"# ") for line in text.splitlines() if re.match(rb"# (allow|  )", line))
    for data, allowed in ((text, 0), (everything, 1)):
        settings = load_settings({}, {}, {".sealgate.yaml": data}.get)
        assert (settings.fail_on, len(settings.allow)) == ("medium", allowed)
    repo.commit(files={"app.py": f"key = '{AWS_KEY_ID}'\n"})
    assert sealgate("scan", ".").code == 1


@pytest.mark.parametrize(
    ("remotes", "files", "parts"),
    [
        ([], [], {"config", "pre-commit"}),
        (["git@github.com:o/r.git"], [], {"config", "pre-commit", "github"}),
        (["https://me@github.example.org/o/r"], [], {"config", "pre-commit", "github"}),
        (["ssh://git@gitlab.example.org:2222/o/r.git"], [], {"config", "pre-commit", "gitlab"}),
        (["git@github.com:o/r.git", "https://gitlab.com/o/r.git"], [], set(PARTS)),
        (["/srv/github/r.git", "../gitlab"], [], {"config", "pre-commit"}),
        ([], [".github/dependabot.yml"], {"config", "pre-commit", "github"}),
    ],
)
def test_it_proposes_what_the_repository_uses(repo: GitRepo, remotes: list[str], files: list[str], parts: set[str]) -> None:
    for number, url in enumerate(remotes):
        repo.git("remote", "add", f"remote{number}", url)
    for name in files:
        repo.write(name, "x: 1\n")
    assert sealgate("init", "--yes").code == 0
    assert written(repo) - set(files) == {FILES[part] for part in parts}


def test_the_parts_that_are_named_and_no_others(repo: GitRepo) -> None:
    repo.git("remote", "add", "origin", "git@github.com:o/r.git")
    assert sealgate("init", "gitlab", "config", "--yes").code == 0
    assert written(repo) == {".gitlab-ci.yml", ".sealgate.yaml"}
    page = sealgate("init", "gitub")
    assert (page.code, page.err) == (2, "sealgate: there is no part gitub (known: config, pre-commit, github, gitlab)\n")


def test_what_is_there_stays(repo: GitRepo) -> None:
    own = {FILES["config"]: "fail_on: high\n", WORKFLOW: "name: Mine\n"}
    shared = {FILES["pre-commit"]: "repos: []\n", FILES["gitlab"]: "include: []\n"}
    for name, text in (own | shared).items():
        repo.write(name, text)
    page = sealgate("init", "--yes")
    assert page.code == 0
    assert "nothing to write" in page.out
    assert page.out.count("--force would replace it") == 2
    # What the shared files lack is shown, as it has to be added.
    shown = "\n".join(line.removeprefix("  | ") for line in page.out.splitlines() if line.startswith("  | "))
    assert f"rev: v{__version__}" in shown
    assert "/gitlab/scan.yml" in shown
    assert all((repo.path / name).read_text() == text for name, text in (own | shared).items())
    page = sealgate("init", "--yes", "--force")
    assert page.out.count("REPLACES the file that is there") == 2
    assert all((repo.path / name).read_text() == text for name, text in shared.items())
    assert all("Sealgate" in (repo.path / name).read_text() for name in own)


def test_twice_is_as_once(repo: GitRepo) -> None:
    assert sealgate("init", *PARTS, "--yes").code == 0
    page = sealgate("init", *PARTS)
    assert (page.code, page.out.count("there already, and"), page.out.count("  | ")) == (0, 4, 0)


def test_the_entry_for_pre_commit_makes_the_file_whole(repo: GitRepo) -> None:
    theirs = "repos:\n  - repo: local\n    hooks: []\n"
    repo.write(FILES["pre-commit"], theirs)
    page = sealgate("init", "pre-commit")
    assert page.code == 0
    entry = "".join(line.removeprefix("  | ") + "\n" for line in page.out.splitlines() if line.startswith("  | "))
    assert len(yaml.safe_load(theirs + entry)["repos"]) == 2


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("pyproject.toml", "[tool.sealgate]\nfail_on = 'low'\n", "pyproject.toml: has the settings already"),
        (".sealgate.yml", "fail_on: low\n", "rename it to .sealgate.yaml"),
        ("lefthook.yml", "pre-commit: {}\n", "lefthook.yml: runs the hooks here"),
        (".husky/pre-commit", "npm test\n", ".husky: runs the hooks here"),
    ],
)
def test_settings_and_hooks_of_another_kind_are_seen(repo: GitRepo, name: str, text: str, says: str) -> None:
    repo.write(name, text)
    page = sealgate("init", "config", "pre-commit", "--yes")
    assert page.code == 0
    assert says in page.out
    assert len(written(repo)) == 2


def test_without_a_terminal_nothing_is_written_without_yes(repo: GitRepo) -> None:
    done = process("init", "config", cwd=repo.path, stdin=b"y\n")
    assert done.code == 2
    assert "there to ask at (look at it, then add --yes)" in done.err
    assert "fail_on: medium" in done.out
    assert written(repo) == set()


@pytest.mark.parametrize(("answer", "files"), [("y", {".sealgate.yaml"}), ("", set()), ("n", set())])
def test_a_terminal_is_asked(repo: GitRepo, answer: str, files: set[str]) -> None:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Terminal([sys.executable, "-m", "scanner", "init", "config"], repo.path, environ) as terminal:
        shown = terminal.wait_for("Write this file: .sealgate.yaml? [y/N] ")
        assert "fail_on: medium" in shown
        terminal.type(f"{answer}\n")
        assert terminal.end() == 0
        assert ("nothing was written" in terminal.shown) is not files
    assert written(repo) == files


def test_outside_of_a_repository_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = sealgate("init", "--yes")
    assert (page.code, "this is no git repository" in page.err) == (2, True)


def test_below_the_root_it_writes_to_the_root(repo: GitRepo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write("deep/er/file")
    monkeypatch.chdir(repo.path / "deep/er")
    assert sealgate("init", "config", "--yes").code == 0
    assert written(repo) == {".sealgate.yaml", "deep/er/file"}


def test_a_link_does_not_lead_out(repo: GitRepo, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (repo.path / ".github").symlink_to(tmp_path / "outside")
    page = sealgate("init", "github", "--yes")
    assert (page.code, "symbolic link" in page.err) == (2, True)
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("branch", ["main", "release/1.x", "it's", "on", "1.0", "#1", "a,b"])
def test_the_workflow_names_the_default_branch(repo: GitRepo, branch: str) -> None:
    repo.git("checkout", "-q", "-b", branch)
    assert sealgate("init", "github", "--yes").code == 0
    workflow = yaml.load((repo.path / WORKFLOW).read_text(), yaml.BaseLoader)
    assert workflow["on"]["push"]["branches"] == [branch]
    assert yaml.safe_load((repo.path / WORKFLOW).read_text())[True]["push"]["branches"] == [branch]


@pytest.mark.parametrize("pin", ["v1", "0123", "A" * 40])
def test_a_pin_is_a_commit(repo: GitRepo, pin: str) -> None:
    page = sealgate("init", "github", "--yes", "--pin", pin)
    assert (page.code, "40 hex digits" in page.err) == (2, True)
    assert written(repo) == set()
