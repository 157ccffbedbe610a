# SPDX-License-Identifier: Apache-2.0
"""`actions/scan`: its script under the variables, event files and checkouts that a runner gives it."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
from pipeline import KEY, OTHER_KEY, ROOT, Shell, copy_tree, skip_without_index

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_ACTION = ROOT / "actions/scan"
_ZERO = "0" * 40
_GONE = "1" * 40

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the action's script needs bash")


class Ran(NamedTuple):
    """How the action ended: its exit code, log, outputs and summary."""

    code: int
    log: str
    outputs: dict[str, str]
    summary: str


class Runner:
    """What a GitHub runner is to the action: files and variables."""

    def __init__(self, shell: Shell, temporary: Path, program: Path) -> None:
        self._shell = shell
        self._temporary = temporary
        self._program = program
        self._runs = 0

    def run(
        self,
        checkout: GitRepo,
        event: str,
        payload: Mapping[str, Any] | None = None,
        action: Path = _ACTION,
        **env: str,
    ) -> Ran:
        """Run the action's script as action.yml does."""
        self._runs += 1
        folder = self._temporary / f"run-{self._runs}"
        folder.mkdir(parents=True)
        for name in ("output", "summary"):
            (folder / name).touch()
        (folder / "event.json").write_text(json.dumps({"repository": {"default_branch": "main"}, **(payload or {})}))
        variables = {
            "GITHUB_ACTION_PATH": str(action),
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_TYPE": "branch",
            "RUNNER_TEMP": str(folder),
            "INPUT_SEALGATE": str(self._program / "sealgate"),
            "CI": "true",
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", 'bash "$GITHUB_ACTION_PATH/scan.sh"']
        code, log = self._shell.run(command, checkout.path, variables | env)
        written = (folder / "output").read_text()
        outputs = {name: value for name, _, value in re.findall(r"(.+?)<<(.+)\n(.*)\n\2\n", written)}
        assert outputs["exit-code"] == str(code), log
        summary = (folder / "summary").read_text()
        assert KEY not in log + written + summary
        return Ran(code, log, outputs, summary)


@pytest.fixture
def runner(shell: Shell, tmp_path: Path, sealgate_program: Path) -> Runner:
    return Runner(shell, tmp_path / "runner", sealgate_program)


class Origin:
    """The repository on the server: main has an old secret, and a branch that is clean at its end."""

    def __init__(self, repo: GitRepo) -> None:
        self.repo = repo
        self.first = repo.commit(files={"old.py": f"key = '{KEY}'\n"})
        self.base = repo.commit(files={"clean.txt": "clean\n"})
        repo.git("checkout", "-q", "-b", "topic")
        self.leak = repo.commit(files={"new.py": f"key = '{OTHER_KEY}'\n"})
        self.head = repo.commit(files={"new.py": "clean\n"})
        repo.git("checkout", "-q", "main")
        self.main = repo.commit(files={"main.txt": "meanwhile\n"})
        # What actions/checkout makes of a pull request: the merge of both.
        repo.git("checkout", "-q", "--detach")
        repo.git("merge", "-q", "--no-edit", "topic")
        repo.git("update-ref", "refs/pull/1/merge", "HEAD")
        repo.git("checkout", "-q", "main")


@pytest.fixture
def origin(git_repo: Make) -> Origin:
    return Origin(git_repo("origin"))


@pytest.fixture
def checkout(origin: Origin, git_repo: Make) -> GitRepo:
    """Return a checkout with `fetch-depth: 0`."""
    return git_repo("checkout", source=origin.repo.path)


@pytest.fixture
def shallow(origin: Origin, git_repo: Make) -> GitRepo:
    """Return a checkout with the default depth of 1."""
    return git_repo("shallow", "--depth", "1", source=origin.repo.path.as_uri())


def push(before: str, after: str, **more: Any) -> dict[str, Any]:
    return {"before": before, "after": after, **more}


def pull_request(base: str, head: str) -> dict[str, Any]:
    return {"pull_request": {"base": {"sha": base}, "head": {"sha": head}}}


def test_a_push_is_its_commits(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    ran = runner.run(checkout, "push", push(origin.base, origin.main))
    assert (ran.code, ran.outputs["findings"]) == (0, "0")
    assert ran.outputs["range"] == f"{origin.base}..{origin.main}"
    assert "Clean" in ran.summary
    ran = runner.run(checkout, "push", push(origin.base, origin.head), GITHUB_REF="refs/heads/topic")
    assert (ran.code, ran.outputs["findings"]) == (1, "1")
    assert "new.py:1:8" in ran.log
    sarif = json.loads(Path(ran.outputs["sarif"]).read_text())
    assert len(sarif["runs"][0]["results"]) == 1
    assert json.loads(Path(ran.outputs["jsonl"]).read_text().splitlines()[0])["path"] == "new.py"


@pytest.mark.parametrize("before", [_ZERO, _GONE])
def test_a_new_or_rewritten_branch_begins_at_the_default_branch(
    runner: Runner, origin: Origin, checkout: GitRepo, before: str
) -> None:
    ran = runner.run(checkout, "push", push(before, origin.head), GITHUB_REF="refs/heads/topic")
    assert ran.outputs["range"] == f"refs/remotes/origin/main...{origin.head}"
    assert ran.code == 1
    assert "new.py:1:8" in ran.log
    assert "old.py" not in ran.log


@pytest.mark.parametrize("before", [_ZERO, _GONE])
def test_a_new_or_rewritten_default_branch_is_the_whole_repository(
    runner: Runner, origin: Origin, checkout: GitRepo, before: str
) -> None:
    ran = runner.run(checkout, "push", push(before, origin.main))
    assert ran.outputs["range"] == "repository"
    assert "old.py:1:8" in ran.log


def test_tags_schedules_and_other_events_are_the_whole_repository(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    tag = push(_ZERO, origin.main)
    ran = runner.run(checkout, "push", tag, GITHUB_REF="refs/tags/v1", GITHUB_REF_TYPE="tag")
    assert ran.outputs["range"] == "repository"
    assert runner.run(checkout, "schedule").outputs["range"] == "repository"


def test_a_deleted_branch_brings_nothing(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    ran = runner.run(checkout, "push", push(origin.main, _ZERO))
    assert (ran.code, ran.outputs["findings"], ran.outputs["sarif"]) == (0, "", "")


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "merge_group"])
def test_a_pull_request_is_what_its_branch_adds(runner: Runner, origin: Origin, checkout: GitRepo, event: str) -> None:
    checkout.git("fetch", "-q", "origin", "refs/pull/1/merge")
    checkout.git("checkout", "-q", "FETCH_HEAD")
    payload = pull_request(origin.main, origin.head)
    if event == "merge_group":
        payload = {"merge_group": {"base_sha": origin.main, "head_sha": origin.head}}
    ran = runner.run(checkout, event, payload)
    assert (ran.code, ran.outputs["findings"]) == (1, "1")
    assert "new.py:1:8" in ran.log
    clean = runner.run(checkout, "pull_request", pull_request(origin.leak, origin.head))
    assert clean.code == 0


def test_a_shallow_checkout_is_never_clean(runner: Runner, origin: Origin, shallow: GitRepo) -> None:
    for event, payload in (
        ("pull_request", pull_request(origin.main, origin.head)),
        ("push", push(origin.base, origin.main)),
        ("push", push(_ZERO, origin.head)),
        ("pull_request", {}),
    ):
        ran = runner.run(shallow, event, payload)
        assert (ran.code, ran.outputs["findings"], ran.outputs["sarif"]) == (3, "", ""), ran.log
        assert "fetch-depth: 0" in ran.log
        assert "Incomplete" in ran.summary
    for event, payload in (("schedule", {}), ("push", push(_ZERO, origin.main))):
        assert runner.run(shallow, event, payload).code == 1  # of what is there, the secret in it
        ran = runner.run(shallow, event, payload, INPUT_FAIL_ON="never")
        assert ran.code == 3
        assert ran.outputs["sarif"]
        assert "Incomplete" in ran.summary
        assert "Not scanned:" in ran.summary


def test_inputs_reach_the_scan(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    leak = push(origin.base, origin.head)
    assert runner.run(checkout, "push", leak, INPUT_FAIL_ON="never").code == 0
    ran = runner.run(checkout, "schedule", INPUT_SCAN="range", INPUT_RANGE=f"{origin.first}..{origin.base}")
    assert ran.code == 0
    assert runner.run(checkout, "push", leak, INPUT_SCAN="repository").outputs["range"] == "repository"
    ran = runner.run(checkout, "push", leak, INPUT_ARGS="--fail-on  never\n--verbose", INPUT_SARIF_FILE="my report.sarif")
    assert ran.code == 0
    assert ran.outputs["sarif"] == "my report.sarif"
    assert (checkout.path / "my report.sarif").is_file()
    config = checkout.write("my settings.yaml", "fail_on: never\n")
    assert runner.run(checkout, "push", leak, INPUT_CONFIG=str(config)).code == 0
    for env in ({"INPUT_SCAN": "everything"}, {"INPUT_SCAN": "range"}, {"INPUT_ARGS": "--nonesuch"}):
        assert runner.run(checkout, "push", leak, **env).code == 2


def test_a_cache_is_used_with_its_key_alone(runner: Runner, origin: Origin, checkout: GitRepo, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for key, files in (("", 0), ("0123456789abcdef", 1), ("0123456789abcdef", 1)):
        ran = runner.run(checkout, "schedule", INPUT_CACHE=str(folder), INPUT_CACHE_KEY=key)
        assert ran.code == 1
        assert ("SEALGATE_CACHE_KEY is empty" in ran.log) == (not key)
        assert len(list(folder.glob("results-*"))) == files


def test_what_a_commit_brings_is_text_in_log_and_summary(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    name = "<img src=x>|`[a](b)`.py"
    before = checkout.id("HEAD")
    after = checkout.commit(files={name: f"::warning::{OTHER_KEY}\n"})
    ran = runner.run(checkout, "push", push(before, after))
    assert ran.code == 1
    row = next(line for line in ran.summary.splitlines() if "aws" in line)
    assert not set("<>`[]()").intersection(row)
    assert row.count("|") == 6
    stop = re.search(r"^::stop-commands::([0-9a-f]{32})$", ran.log, re.MULTILINE)
    assert stop is not None
    inside = ran.log[stop.end() :].partition(f"\n::{stop[1]}::\n")
    assert "aws" in inside[0].lower()
    assert inside[2] == ""


def test_modules_in_the_checkout_are_not_imported(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    for module in ("json", "re", "os", "secrets", "venv"):
        checkout.write(f"{module}.py", "import sys\nsys.stderr.write('imported from the checkout')\nsys.exit(0)\n")
    ran = runner.run(checkout, "push", push(origin.base, origin.head))
    assert ran.code == 1
    assert "imported from the checkout" not in ran.log


def test_installed_from_the_actions_own_tree(
    runner: Runner, shell: Shell, origin: Origin, checkout: GitRepo, tmp_path: Path
) -> None:
    skip_without_index(shell, tmp_path)
    del shell.environ["PYTHONPATH"]
    copy_tree(tmp_path / "tree")
    action = tmp_path / "tree/actions/scan"
    ran = runner.run(checkout, "push", push(origin.base, origin.head), action, INPUT_SEALGATE="")
    assert (ran.code, ran.outputs["findings"]) == (1, "1"), ran.log


def test_a_failed_installation_is_no_finding(runner: Runner, checkout: GitRepo, tmp_path: Path) -> None:
    action = tmp_path / "broken/actions/scan"
    shutil.copytree(_ACTION, action)
    ran = runner.run(checkout, "schedule", None, action, INPUT_SEALGATE="")
    assert ran.code == 5
    assert "could not be installed" in ran.log


def test_a_program_that_writes_no_report_is_not_believed(runner: Runner, origin: Origin, checkout: GitRepo) -> None:
    ran = runner.run(checkout, "schedule", INPUT_SEALGATE="true")
    assert ran.code == 70


def test_inputs_and_outputs_are_all_wired() -> None:
    action = yaml.safe_load((_ACTION / "action.yml").read_text())
    script = (_ACTION / "scan.sh").read_text()
    env = action["runs"]["steps"][1]["env"]
    for name in action["inputs"]:
        if name != "python-version":
            variable = "INPUT_" + name.upper().replace("-", "_")
            assert env[variable] == "${{ inputs." + name + " }}"
            assert variable in script
    for name, output in action["outputs"].items():
        assert output["value"] == "${{ steps.scan.outputs." + name + " }}"
        assert f"output {name} " in script


@pytest.mark.parametrize(
    "command",
    [
        ("check_jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"),
        ("zizmor", "--offline", "--no-progress", "--persona=pedantic", "action.yml"),
    ],
    ids=lambda command: command[0],
)
def test_checkers_have_nothing_to_say(shell: Shell, command: tuple[str, ...]) -> None:
    program = Path(sys.executable).parent / command[0].replace("_", "-")
    if not program.exists():
        pytest.skip(f"{program.name} is not installed")
    code, output = shell.run([program, *command[1:]], _ACTION)
    assert code == 0, output
