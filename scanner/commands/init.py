# SPDX-License-Identifier: Apache-2.0
"""Set Sealgate up in the repository here: first settings, the pre-commit entry, a workflow for GitHub, a job for GitLab.

Examples:
  sealgate init                     what this repository uses, told by its remotes and files
  sealgate init config github       these and no others
  sealgate init --yes               without asking

Everything is shown before it is written, and nothing is written without a yes. A file that is there is left alone: --force
replaces settings and workflow, but never .pre-commit-config.yaml or .gitlab-ci.yml, which others share. What they lack is
shown, to be added by hand.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from scanner import __version__
from scanner.display import log_safe
from scanner.errors import OK, ConfigError

if TYPE_CHECKING:
    from scanner.git.repo import Repository

PARTS: Final = ("config", "pre-commit", "github", "gitlab")
_PROGRAMS: Final = ("lefthook.yml", "lefthook.yaml", ".lefthook.yml", ".lefthook.yaml", ".husky")
# A tag with a message has an id of its own: the commit's stands on the last line.
_LOOK_UP: Final = f"git ls-remote https://github.com/sealgate/sealgate v{__version__} 'v{__version__}^{{}}' | tail -n 1"
# What YAML takes for something else.
_NO_TEXT: Final = ("on", "off", "yes", "no", "true", "false", "null", "y", "n")
_PIN: Final = re.compile(r"[0-9a-f]{40}")


class Step(NamedTuple):
    """What is to become of one file: `text` is written to it where `write`, else shown with what to do, if anything."""

    path: str
    text: str
    write: bool
    why: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: what the repository uses)")
    parser.add_argument("--yes", action="store_true", help="write without asking")
    parser.add_argument("--force", action="store_true", help="replace settings and workflow that are there")
    parser.add_argument("--pin", metavar="COMMIT", default="", help="the release's commit, for the workflow to name")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Show what there is to write, and write it after a yes."""
    from scanner.git.repo import open_repository

    for part in options.parts:
        if part not in PARTS:
            raise ConfigError(f"there is no part {log_safe(part)}", f"known: {', '.join(PARTS)}")
    if options.pin and not _PIN.fullmatch(options.pin):
        raise ConfigError("--pin takes a commit: 40 hex digits", f"get it by: {_LOOK_UP}")
    repository = open_repository(".", environ=environ)
    if repository is None or repository.worktree is None:
        raise ConfigError("this is no git repository with a working tree", "run it in one; 'git init' makes one")
    steps = plan(repository, repository.worktree, options)
    for step in steps:
        _show(step)
    writes = [step for step in steps if step.write]
    if not writes:
        print("nothing to write")
        return OK
    if not options.yes and not _agreed(writes):
        print("nothing was written")
        return OK
    for step in writes:
        _write(repository.worktree, step)
    print(f"written: {', '.join(step.path for step in writes)}\n\nnext:")
    print("\n".join(f"  {line}" for line in _next(writes)))
    return OK


def plan(repository: "Repository", root: str, options: argparse.Namespace) -> list[Step]:
    """Return what there is to do, in the order of PARTS."""
    hosts = _hosts(repository)
    made = {
        "config": lambda: _config(root, force=options.force),
        "pre-commit": lambda: _pre_commit(root),
        "github": lambda: _github(repository, root, options),
        "gitlab": lambda: _gitlab(root),
    }
    used = {
        "config": True,
        "pre-commit": True,
        "github": _has(root, ".github") or any("github" in host for host in hosts),
        "gitlab": _has(root, ".gitlab-ci.yml") or any("gitlab" in host for host in hosts),
    }
    parts = options.parts or [part for part in PARTS if used[part]]
    steps = [made[part]() for part in PARTS if part in parts]
    if not options.parts and not used["github"] and not used["gitlab"]:
        print("no remote or file tells of GitHub or GitLab; if you use one: sealgate init github, sealgate init gitlab\n")
    return steps


def _hosts(repository: "Repository") -> list[str]:
    """Return the hosts of the remotes: `git@HOST:path`, `https://user@HOST/path`, `ssh://HOST:22/path`."""
    with repository.start("config", "--get-regexp", r"^remote\..*\.url$") as git:
        lines = git.stdout.read().decode("utf-8", "replace").splitlines()
    urls = [line.partition(" ")[2] for line in lines]
    found = [re.match(r"(?:[a-z+]+://)?(?:[^@/]*@)?([\w.-]+)[:/]", url) for url in urls if not url.startswith(("/", "."))]
    return [match[1].lower() for match in found if match]


def _has(root: str, path: str) -> bool:
    return os.path.lexists(os.path.join(root, path))


def _starter(name: str, **words: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), "starters", f"{name}.yaml"), encoding="utf-8") as stream:
        text = stream.read()
    for key, word in {"VERSION": __version__, **words}.items():
        text = text.replace(f"@{key}@", word)
    return text


def _own(root: str, path: str, text: str, why: str, *, force: bool) -> Step:
    """Return the step for a file that is Sealgate's alone."""
    if not _has(root, path):
        return Step(path, text, write=True, why=why)
    if _read(root, path) == text:
        return Step(path, "", write=False, why="there already, and the same")
    if force:
        return Step(path, text, write=True, why="REPLACES the file that is there")
    return Step(path, "", write=False, why="there already; --force would replace it")


def _shared(root: str, path: str, text: str, why: str, *, entry: str, where: str) -> Step:
    """Return the step for a file that others write in, too: new, or an entry to add by hand."""
    if not _has(root, path):
        return Step(path, text, write=True, why=why)
    if "sealgate" in _read(root, path):
        return Step(path, "", write=False, why="there already, and names Sealgate")
    return Step(path, entry, write=False, why=f"there already, and not touched; {where}")


def _read(root: str, path: str) -> str:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(f"cannot read {log_safe(path)}: {error.strerror}", "check what it is") from None


def _config(root: str, *, force: bool) -> Step:
    for path, mark in ((".sealgate.yml", ""), ("pyproject.toml", "[tool.sealgate")):
        if _has(root, path) and mark in _read(root, path) and not _has(root, ".sealgate.yaml"):
            wrong = "; rename it to .sealgate.yaml, or it is not read" if not mark else ""
            return Step(path, "", write=False, why=f"has the settings already{wrong}")
    return _own(root, ".sealgate.yaml", _starter("config"), "the settings", force=force)


def _pre_commit(root: str) -> Step:
    path, text = ".pre-commit-config.yaml", _starter("pre-commit")
    for program in _PROGRAMS:
        if _has(root, program) and not _has(root, path):
            lines = "sealgate hook pre-commit\nsealgate hook pre-push \"$@\"    # which reads git's standard input\n"
            return Step(program, lines, write=False, why="runs the hooks here; add these to its pre-commit and pre-push")
    entry = text.partition("repos:\n")[2]
    return _shared(root, path, text, "hooks of pre-commit.com", entry=entry, where="add this below `repos:`")


def _github(repository: "Repository", root: str, options: argparse.Namespace) -> Step:
    pin = f"{options.pin} # v{__version__}" if options.pin else f"v{__version__}"
    text = _starter("github", BRANCH=_default_branch(repository), PIN=pin)
    return _own(root, ".github/workflows/sealgate.yml", text, "a workflow of GitHub Actions", force=options.force)


def _gitlab(root: str) -> Step:
    text = _starter("gitlab")
    where = "add this to it, or to its `include:`"
    return _shared(root, ".gitlab-ci.yml", text, "a pipeline of GitLab CI", entry=text, where=where)


def _default_branch(repository: "Repository") -> str:
    """Return the branch that `origin` begins with, else the one here; as a YAML scalar."""
    for name in ("refs/remotes/origin/HEAD", "HEAD"):
        with repository.start("symbolic-ref", "--quiet", name) as git:
            ref = git.stdout.read().decode("utf-8", "replace").strip()
        if ref:
            branch = ref.removeprefix("refs/remotes/origin/").removeprefix("refs/heads/")
            plain = re.fullmatch(r"[A-Za-z][\w./-]*", branch) and branch.lower() not in _NO_TEXT
            return branch if plain else "'" + branch.replace("'", "''") + "'"
    return "main"


def _show(step: Step) -> None:
    print(f"{step.path}: {step.why}")
    for line in step.text.splitlines():
        print(f"  | {log_safe(line)}")
    print()


def _agreed(writes: Sequence[Step]) -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError("nothing is written without a yes, and no terminal is there to ask at", "look at it, then add --yes")
    files = "this file" if len(writes) == 1 else f"these {len(writes)} files"
    print(f"Write {files}: {', '.join(step.path for step in writes)}? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _write(root: str, step: Step) -> None:
    from scanner.reports.output import write_report

    folder = root
    for name in step.path.split("/")[:-1]:
        folder = os.path.join(folder, name)
        if os.path.islink(folder):
            raise ConfigError(f"{name} is a symbolic link, which may lead out of the repository", f"write {step.path} by hand")
        os.makedirs(folder, exist_ok=True)

    def fill(out: TextIO) -> None:
        out.write(step.text)

    write_report(os.path.join(root, step.path), fill)


def _next(writes: Sequence[Step]) -> list[str]:
    """Return what to do now, a line each."""
    paths = [step.path for step in writes]
    lines = ["sealgate scan                  what is there today; 'sealgate baseline create' accepts what has to stay"]
    if ".pre-commit-config.yaml" in paths:
        lines.append("pre-commit install")
    lines.append(f"git add {' '.join(paths)}")
    if any(f"scan@v{__version__}" in step.text for step in writes):
        lines += [
            "the workflow names a tag, which can be moved; to name the release's commit instead:",
            _LOOK_UP,
            "sealgate init github --force --pin COMMIT",
        ]
    return lines
