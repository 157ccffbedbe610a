# SPDX-License-Identifier: Apache-2.0
"""Our actions, workflows, scripts and container file, before the checkers that their readers have."""

import re
from pathlib import Path

import pytest
from checkers import ACTION_CHECKERS, ROOT, WORKFLOW_CHECKERS, accepts, check_action, check_workflow, program

_ACTIONS = sorted(path.parent for path in (ROOT / "actions").glob("*/action.yml"))
_CONTAINERFILE = ROOT / "Containerfile"


@pytest.mark.parametrize("checker", ACTION_CHECKERS)
@pytest.mark.parametrize("action", _ACTIONS, ids=lambda path: path.name)
def test_actions(action: Path, checker: str) -> None:
    check_action(checker, action)


@pytest.mark.parametrize("checker", WORKFLOW_CHECKERS)
@pytest.mark.parametrize("workflow", sorted((ROOT / ".github/workflows").iterdir()), ids=lambda path: path.name)
def test_workflows(tmp_path: Path, workflow: Path, checker: str) -> None:
    check_workflow(checker, workflow.read_text(), tmp_path)


def test_the_updates_of_what_is_pinned() -> None:
    file = ROOT / ".github/dependabot.yml"
    accepts(program("check-jsonschema"), "--builtin-schema", "vendor.dependabot", file)
    accepts(program("zizmor"), "--offline", "--no-progress", "--persona=pedantic", file)


def test_scripts() -> None:
    scripts = [*(ROOT / "actions").rglob("*.sh"), ROOT / ".ci/run"]
    accepts(program("shellcheck"), "--external-sources", "--source-path=SCRIPTDIR", *scripts)


def test_other_peoples_actions_are_one_commit_each() -> None:
    """A pin is a full commit with its version beside it, and the same one wherever an action is used."""
    files = [*(ROOT / "actions").rglob("*.yml"), *(ROOT / ".github").rglob("*.yml"), *(ROOT / "docs").glob("*.md")]
    used = re.findall(r"uses: ([\w.-]+/[\w./-]+)@(.*)", "\n".join(file.read_text() for file in files))
    pins = {}
    for action, pin in used:
        if action.startswith("sealgate/"):
            assert re.fullmatch(r"<commit of the release> # v\d+\.\d+\.\d+", pin)
        else:
            assert re.fullmatch(r"[0-9a-f]{40} # v\d+\.\d+\.\d+", pin), action
            repository = "/".join(action.split("/")[:2])
            assert pins.setdefault(repository, pin) == pin, action
    assert len(pins) >= 4


def test_the_container_file() -> None:
    accepts(program("hadolint"), _CONTAINERFILE)


def test_the_image_is_pinned_and_nothing_in_it_runs_as_root() -> None:
    lines = _CONTAINERFILE.read_text().replace("\\\n", "").splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", base)
    last = [line for line in lines if line.startswith("USER ")][-1]
    assert re.fullmatch(r"USER [1-9]\d*:[1-9]\d*", last)
    assert lines.index(last) > max(number for number, line in enumerate(lines) if line.startswith(("RUN ", "FROM ")))
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            *sources, _ = line.split()[1:]
            assert all((ROOT / source).exists() for source in sources)
