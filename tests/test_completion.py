# SPDX-License-Identifier: Apache-2.0
"""Completion, asked of the shells themselves."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from gitrepo import GitRepo
from planted import sealgate
from terminal import Terminal

from scanner.commands.interface import COMMANDS, make_parser
from scanner.commands.shells.table import load_table
from scanner.config import LEVELS
from scanner.model import GAP_KINDS
from scanner.platforms import PLATFORMS
from scanner.reports import REPORTS

SHELLS = ("bash", "zsh", "fish")
FIRST = {name.partition(" ")[0] for name in COMMANDS}

# What is typed, and the candidates for its last word. A report's format may be followed by a file.
CASES = [
    ("", FIRST),
    ("s", {"scan", "sops"}),
    ("sops ", {"check"}),
    ("baseline ", {"create", "update", "audit"}),
    ("scan --fail-on ", set(LEVELS)),
    ("scan --fail-on m", {"medium"}),
    ("scan --verbose --fail-on=m", {"medium"}),
    ("hook pre-push --allow-gap s", {kind for kind in GAP_KINDS if kind.startswith("s")}),
    ("sops check --report j", {name for name in REPORTS if name.startswith("j")}),
    ("broker exec --platform ", set(PLATFORMS)),
    ("broker exec --auth t", {"token"}),
    ("scan --verb", {"--verbose"}),
    ("broker exec --vault-t", {"--vault-token-file"}),
    ("broker env --t", {"--ttl", "--to", "--token-file", "--token-env", "--timeout"}),
    ("scan --range ", {"HEAD", "main", "topic"}),
    ("scan --range main..t", {"main..topic"}),
    ("scan --config conf", {"config with space.yaml"}),
    ("scan --report sarif=conf", {"config with space.yaml"}),
    ("scan --cache con", {"contents/"}),
    ("scan con", {"config with space.yaml", "contents/"}),
    ("rules show aws-access-key-", {"aws-access-key-id"}),
    ("completion ", set(SHELLS)),
]


def program(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files and branches, and what every shell is to source."""
    repo = GitRepo(tmp_path / "repo")
    repo.commit(files={"config with space.yaml": "", "contents/file": "", "other": ""})
    (repo.path / "deploy").touch(0o755)
    repo.git("branch", "topic")
    for shell in SHELLS:
        page = sealgate("completion", shell)
        assert (page.code, page.err) == (0, "")
        (tmp_path / f"completion.{shell}").write_text(page.out)
    return repo.path


def ask_bash(folder: Path, typed: str) -> set[str]:
    """Return what the function offers; readline's own candidates, files and folders, are asked of bash by name."""
    words = typed.replace("=", " = ").split(" ") if "=" in typed else typed.split(" ")
    script = """
        compopt() { wanted=$2; }
        source ../completion.bash
        COMP_WORDS=(sealgate "$@") COMP_CWORD=$# wanted=
        _sealgate
        case $wanted in default) compgen -f -- "$typed" ;; dirnames) compgen -d -S / -- "$typed" ;; esac
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [program("bash"), "-c", script, "bash", *words], cwd=folder, env={**os.environ, "typed": words[-1]},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return {_marked(folder, line) for line in done.stdout.splitlines() if line}


def ask_fish(folder: Path, typed: str) -> set[str]:
    command = 'source ../completion.fish; complete -C "sealgate $typed"'
    environ = {**os.environ, "typed": typed, "HOME": str(folder.parent), "XDG_CONFIG_HOME": str(folder.parent)}
    done = subprocess.run([program("fish"), "-N", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    found = {line.partition("\t")[0].replace("\\ ", " ") for line in done.stdout.splitlines()}
    # fish shows the whole word, up to where what is typed begins.
    return {name.rpartition("=")[2] for name in found}


def _marked(folder: Path, name: str) -> str:
    return f"{name}/" if not name.endswith("/") and (folder / name).is_dir() else name


@pytest.mark.parametrize(("typed", "candidates"), CASES)
def test_bash(folder: Path, typed: str, candidates: set[str]) -> None:
    found = ask_bash(folder, typed)
    assert found - {"--help", "--version"} == candidates


@pytest.mark.parametrize(("typed", "candidates"), CASES)
def test_fish(folder: Path, typed: str, candidates: set[str]) -> None:
    assert ask_fish(folder, typed) == candidates


def completed(shell: list[str], setup: str, folder: Path, typed: str) -> str:
    """Type, press the tab key and enter, and return the words that the program was called with."""
    tools = folder.parent / "bin"
    tools.mkdir(exist_ok=True)
    stub = tools / "sealgate"
    stub.write_text('#!/bin/sh\nprintf "called:"; printf "<%s>" "$@"; echo ":end"\n')
    stub.chmod(0o755)
    environ = {
        **os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder.parent), "TERM": "dumb",
        "INPUTRC": os.devnull, "PS1": "ready> ", "BASH_SILENCE_DEPRECATION_WARNING": "1",
    }  # fmt: skip
    with Terminal(shell, folder, environ) as terminal:
        terminal.wait_for("ready> ")
        terminal.type(f"{setup}; echo set''up\r")
        terminal.wait_for("setup\r\n")
        terminal.wait_for("ready> ")
        terminal.type(f"sealgate {typed}\t\r")
        terminal.wait_for("called:")
        # zsh takes the last slash of a folder away again.
        return terminal.wait_for(":end").replace("/>", ">")


UNIQUE = [
    ("sops ch", "<sops><check>"),
    ("scan --fail-on m", "<scan><--fail-on><medium>"),
    ("scan --fail-on=m", "<scan><--fail-on=medium>"),
    ("scan --report sarif=conf", "<scan><--report><sarif=config with space.yaml>"),
    ("scan --range main..t", "<scan><--range><main..topic>"),
    ("scan --cache con", "<scan><--cache><contents>"),
    ("broker exec --role ci -- ./dep", "<broker><exec><--role><ci><--><./deploy>"),
    ("broker exec --vault-tok", "<broker><exec><--vault-token-file>"),
]


@pytest.mark.parametrize(("typed", "words"), UNIQUE)
def test_the_tab_key_in_bash(folder: Path, typed: str, words: str) -> None:
    shell = [program("bash"), "--norc", "--noprofile", "-i"]
    assert completed(shell, "source ../completion.bash", folder, typed) == words


@pytest.mark.parametrize(("typed", "words"), UNIQUE)
def test_the_tab_key_in_zsh(folder: Path, typed: str, words: str) -> None:
    setup = "autoload -Uz compinit; compinit -D -u; source ../completion.zsh"
    assert completed([program("zsh"), "-f", "-i"], setup, folder, typed) == words


def test_zsh_finds_it_in_a_folder_of_functions(folder: Path) -> None:
    (folder.parent / "functions").mkdir()
    shutil.copy(folder.parent / "completion.zsh", folder.parent / "functions/_sealgate")
    setup = "fpath=(../functions $fpath); autoload -Uz compinit; compinit -D -u"
    for typed, words in UNIQUE[:2]:
        assert completed([program("zsh"), "-f", "-i"], setup, folder, typed) == words


def test_a_branch_named_like_a_command_is_not_run(folder: Path) -> None:
    name = "$(touch${IFS}ran)"
    subprocess.run(["git", "branch", name], cwd=folder, check=True)
    assert ask_bash(folder, "scan --range $") == {r"\$\(touch\$\{IFS\}ran\)"}
    completed([program("bash"), "--norc", "--noprofile", "-i"], "source ../completion.bash", folder, "scan --range $")
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_there(name: str) -> None:
    options = {one for action in make_parser(name)[0].named for one in action.option_strings}
    assert {one for option in load_table()[name].options for one in option.names} == {"--help-all", *options}
    assert all(option.brief for option in load_table()[name].options)
