# SPDX-License-Identifier: Apache-2.0
"""`actions/scan`: its script under the variables, event files and checkouts that a runner gives it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from githubrunner import Ran, Runner
from gitserver import GitServer
from pipeline import KEY, OTHER_KEY, ROOT, Shell, copy_tree, skip_without_index

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_ACTION = ROOT / "actions/scan"
_ZERO = "0" * 40
_GONE = "1" * 40
TOPIC = {"GITHUB_REF": "refs/heads/topic"}

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="the action's script needs bash")


class Scans:
    """Runs the action for events, as a runner does."""

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
        env: Mapping[str, str] | None = None,
        **inputs: str,
    ) -> Ran:
        """Run the action; inputs by their names, `_` for `-`."""
        self._runs += 1
        folder = self._temporary / f"run-{self._runs}"
        runner = Runner(self._shell.environ, folder, checkout.path)
        (folder / "event.json").write_text(json.dumps({"repository": {"default_branch": "main"}, **(payload or {})}))
        variables = {
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REF_TYPE": "branch",
            "GITHUB_ACTOR": "octocat",
        }
        given = {"sealgate": str(self._program / "sealgate")} | {name.replace("_", "-"): value for name, value in inputs.items()}
        ran = runner.composite(action, given, variables | (env or {}))
        assert ran.outputs["exit-code"] == str(ran.code), ran.log
        assert KEY not in ran.log + ran.summary + str(ran.outputs)
        return ran


@pytest.fixture
def runner(shell: Shell, tmp_path: Path, sealgate_program: Path) -> Scans:
    return Scans(shell, tmp_path / "runner", sealgate_program)


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


Shallow = Callable[..., "GitRepo"]


@pytest.fixture
def shallow(git_repo: Make, origin: Origin) -> Shallow:
    """Return a function that checks a commit out as actions/checkout does by default: alone."""

    def make(commit: str, url: str = "", name: str = "shallow") -> GitRepo:
        repo = git_repo(name)
        repo.git("remote", "add", "origin", origin.repo.path.as_uri())
        repo.git("fetch", "-q", "--no-tags", "--depth=1", "origin", f"+{commit}:refs/remotes/pull/1/merge")
        repo.git("checkout", "-q", "--detach", "refs/remotes/pull/1/merge")
        if url:
            repo.git("remote", "set-url", "origin", url)
        return repo

    return make


def push(before: str, after: str, **more: Any) -> dict[str, Any]:
    return {"before": before, "after": after, **more}


def pull_request(base: str, head: str, *, fork: bool = False) -> dict[str, Any]:
    ours, theirs = {"full_name": "octo-org/octo-repo"}, {"full_name": "hubot/octo-repo"}
    head_of = {"sha": head, "repo": theirs if fork else ours}
    return {"pull_request": {"base": {"sha": base, "repo": ours}, "head": head_of}}


def test_a_push_is_its_commits(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    ran = runner.run(checkout, "push", push(origin.base, origin.main))
    assert (ran.code, ran.outputs["findings"]) == (0, "0")
    assert ran.outputs["range"] == f"{origin.base}..{origin.main}"
    assert "clean" in ran.summary.lower()
    assert f"What was scanned: {origin.base}..{origin.main}" in ran.summary
    ran = runner.run(checkout, "push", push(origin.base, origin.head), env=TOPIC)
    assert (ran.code, ran.outputs["findings"]) == (1, "1")
    assert "new.py:1:8" in ran.log
    sarif = json.loads(Path(ran.outputs["sarif"]).read_text())
    assert len(sarif["runs"][0]["results"]) == 1
    assert json.loads(Path(ran.outputs["jsonl"]).read_text().splitlines()[0])["path"] == "new.py"


@pytest.mark.parametrize("before", [_ZERO, _GONE])
def test_a_new_or_rewritten_branch_begins_at_the_default_branch(
    runner: Scans, origin: Origin, checkout: GitRepo, before: str
) -> None:
    ran = runner.run(checkout, "push", push(before, origin.head), env=TOPIC)
    assert ran.outputs["range"] == f"refs/remotes/origin/main...{origin.head}"
    assert ran.code == 1
    assert "new.py:1:8" in ran.log
    assert "old.py" not in ran.log


@pytest.mark.parametrize("before", [_ZERO, _GONE])
def test_a_new_or_rewritten_default_branch_is_the_whole_repository(
    runner: Scans, origin: Origin, checkout: GitRepo, before: str
) -> None:
    ran = runner.run(checkout, "push", push(before, origin.main))
    assert ran.outputs["range"] == "repository"
    assert "old.py:1:8" in ran.log


def test_tags_schedules_and_other_events_are_the_whole_repository(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    tag = push(_ZERO, origin.main)
    ran = runner.run(checkout, "push", tag, env={"GITHUB_REF": "refs/tags/v1", "GITHUB_REF_TYPE": "tag"})
    assert ran.outputs["range"] == "repository"
    assert runner.run(checkout, "schedule").outputs["range"] == "repository"


def test_a_deleted_branch_brings_nothing(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    ran = runner.run(checkout, "push", push(origin.main, _ZERO))
    assert (ran.code, ran.outputs["findings"], ran.outputs["sarif"]) == (0, "", "")
    assert ran.steps == ("Find out what is new",)
    assert "nothing to scan" in ran.summary


def test_an_event_that_says_nothing_is_not_clean(runner: Scans, checkout: GitRepo) -> None:
    for event in ("push", "pull_request", "merge_group"):
        ran = runner.run(checkout, event, {})
        assert (ran.code, ran.outputs["findings"]) == (3, ""), ran.log


@pytest.mark.parametrize("event", ["pull_request", "pull_request_target", "merge_group"])
def test_a_pull_request_is_what_its_branch_adds(runner: Scans, origin: Origin, checkout: GitRepo, event: str) -> None:
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


def test_a_shallow_checkout_is_deepened(runner: Scans, origin: Origin, shallow: Shallow) -> None:
    merge = origin.repo.id("refs/pull/1/merge")
    cases = (
        ("pull_request", pull_request(origin.main, origin.head), merge, {}, "1"),
        ("push", push(origin.base, origin.head), origin.head, TOPIC, "1"),
        ("push", push(_ZERO, origin.head), origin.head, TOPIC, "1"),
        ("push", push(_GONE, origin.head), origin.head, TOPIC, "1"),
        ("push", push(origin.base, origin.main), origin.main, {}, "0"),
        ("schedule", {}, origin.main, {}, "2"),
    )
    for number, (event, payload, commit, env, findings) in enumerate(cases):
        checkout = shallow(commit, name=f"shallow-{number}")
        ran = runner.run(checkout, event, payload, env=env)
        assert (ran.code, ran.outputs["findings"]) == (min(int(findings), 1), findings), ran.log
        assert "not scanned" not in ran.summary.lower()


def test_what_a_branch_merged_from_its_target_is_not_its_own(runner: Scans, origin: Origin, shallow: Shallow) -> None:
    """The event's base is where the pull request began; its target has got more since, a secret too, and the branch has that."""
    repo = origin.repo
    repo.commit(files={"late.py": f"key = '{KEY}'\n"})
    target = repo.id("main")
    repo.git("checkout", "-q", "topic")
    repo.git("merge", "-q", "--no-edit", "main")
    head = repo.id("topic")
    repo.git("checkout", "-q", "--detach", "main")
    repo.git("merge", "-q", "--no-ff", "--no-edit", "topic")
    merge = repo.id("HEAD")
    payload = pull_request(origin.base, head)
    checkout = shallow(merge)
    on_merge = {"GITHUB_REF": "refs/pull/1/merge", "GITHUB_SHA": merge}
    ran = runner.run(checkout, "pull_request", payload, env=on_merge)
    assert (ran.outputs["range"], ran.outputs["findings"]) == (f"{target}...{head}", "1"), ran.log
    # A merge of something else says nothing of this pull request.
    for env, of in (({**on_merge, "GITHUB_SHA": head}, head), (on_merge, origin.head)):
        ran = runner.run(checkout, "pull_request", pull_request(origin.base, of), env=env)
        assert ran.outputs["range"] == f"{origin.base}...{of}"


def test_no_more_is_fetched_than_the_range_needs(runner: Scans, origin: Origin, shallow: Shallow) -> None:
    """A long history: some commits are fetched, and all of them only where the range begins before these."""
    stream = [f"commit refs/heads/long\ncommitter a <a@b> {n} +0000\ndata 0\nM 644 inline f\ndata 4\n{n:4}\n" for n in range(600)]
    origin.repo.git("fast-import", "--quiet", stdin="".join(stream).encode())
    head, near, far = (origin.repo.id(f"refs/heads/long~{back}") for back in (0, 3, 400))
    for before, count, is_shallow in ((near, 3, "true"), (far, 400, "false")):
        checkout = shallow(head, name=f"long-{count}")
        ran = runner.run(checkout, "push", push(before, head), env=TOPIC)
        assert ran.code == 0, ran.log
        assert checkout.git("rev-parse", "--is-shallow-repository").strip() == is_shallow
        assert f"{count} commits" in ran.summary


def test_a_private_repository_is_deepened_with_the_token(
    runner: Scans, origin: Origin, shallow: Shallow, tmp_path: Path
) -> None:
    token = secrets.token_hex(20)
    server = GitServer(tmp_path, token)
    try:
        checkout = shallow(origin.head, f"{server.url}/origin/.git")
        server_url = {"GITHUB_SERVER_URL": server.url}
        ran = runner.run(checkout, "push", push(origin.base, origin.head), env=server_url, token="")
        assert (ran.code, ran.outputs["findings"]) == (3, "")
        ran = runner.run(checkout, "push", push(origin.base, origin.head), env=server_url, token=token)
        assert (ran.code, ran.outputs["findings"]) == (1, "1"), ran.log
        assert server.refused
        # Nothing of it stays in the checkout.
        assert token not in (checkout.path / ".git/config").read_text() + ran.log
        # What actions/checkout left is not sent beside it: GitHub refuses two.
        checkout.git("config", f"http.{server.url}/.extraheader", "Authorization: Basic b2xk")
        ran = runner.run(checkout, "schedule", env=server_url, token=token)
        assert (ran.code, ran.outputs["findings"]) == (1, "2"), ran.log
    finally:
        server.stop()


@pytest.mark.parametrize("inputs", [{"deepen": "false"}, {}], ids=["not asked for", "not possible"])
def test_a_checkout_that_stays_shallow_is_never_clean(
    runner: Scans, origin: Origin, shallow: Shallow, inputs: Mapping[str, str]
) -> None:
    checkout = shallow(origin.main)
    if not inputs:
        checkout.git("remote", "set-url", "origin", "/nonexistent")
    for event, payload in (
        ("pull_request", pull_request(origin.main, origin.head)),
        ("push", push(origin.base, origin.main)),
        ("push", push(_ZERO, origin.head)),
        ("pull_request", {}),
    ):
        ran = runner.run(checkout, event, payload, **inputs)
        assert (ran.code, ran.outputs["findings"], ran.outputs["sarif"]) == (3, "", ""), ran.log
        assert "fetch-depth: 0" in ran.log
        assert "not scanned" in ran.summary
    for event, payload in (("schedule", {}), ("push", push(_ZERO, origin.main))):
        assert runner.run(checkout, event, payload, **inputs).code == 1  # of what is there, the secret in it
        ran = runner.run(checkout, event, payload, fail_on="never", **inputs)
        assert ran.code == 3
        assert ran.outputs["sarif"]
        assert "Not scanned" in ran.summary
        assert any("shallow" in text for name, _, text in ran.commands if name == "warning")
        assert any("incomplete" in properties for name, properties, _ in ran.commands if name == "error")


def test_inputs_reach_the_scan(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    leak = push(origin.base, origin.head)
    assert runner.run(checkout, "push", leak, fail_on="never").code == 0
    ran = runner.run(checkout, "schedule", scan="range", range=f"{origin.first}..{origin.base}")
    assert ran.code == 0
    assert runner.run(checkout, "push", leak, scan="repository").outputs["range"] == "repository"
    ran = runner.run(checkout, "push", leak, args="--fail-on  never\n--verbose", sarif_file="my report.sarif")
    assert ran.code == 0
    assert ran.outputs["sarif"] == "my report.sarif"
    assert (checkout.path / "my report.sarif").is_file()
    config = checkout.write("my settings.yaml", "fail_on: never\n")
    assert runner.run(checkout, "push", leak, config=str(config)).code == 0
    flags = [{name: "perhaps"} for name in ("deepen", "upload_sarif", "annotations")]
    for inputs in ({"scan": "everything"}, {"scan": "range"}, {"args": "--nonesuch"}, *flags):
        ran = runner.run(checkout, "push", leak, **inputs)
        assert ran.code == 2
        assert "not scanned" in ran.summary


_RESTORE, _SAVE, _UPLOAD = "actions/cache/restore", "actions/cache/save", "github/codeql-action/upload-sarif"


def test_a_cache_is_used_with_its_key_alone(runner: Scans, checkout: GitRepo, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    for key, files in (("", 0), ("0123456789abcdef", 1), ("0123456789abcdef", 1)):
        ran = runner.run(checkout, "schedule", cache=str(folder), cache_key=key)
        assert ran.code == 1
        assert len(list(folder.glob("results-*"))) == files
        assert not {_RESTORE, _SAVE} & set(ran.uses)


def test_the_cache_is_saved_where_it_changed_and_restored_where_it_helps(
    runner: Scans, origin: Origin, checkout: GitRepo
) -> None:
    key = "0123456789abcdef"
    first = runner.run(checkout, "schedule", cache_key=key)
    folder = Path(first.uses[_RESTORE]["path"])
    saved = first.uses[_SAVE]
    assert saved["path"] == str(folder)
    assert saved["key"].startswith(first.uses[_RESTORE]["restore-keys"])
    assert list(folder.glob("verdicts-*"))
    checkout.commit(files={"more.txt": "clean\n"})
    # What the restoring action does.
    shutil.copytree(folder, second := folder.parents[1] / "run-2/sealgate-cache")
    ran = runner.run(checkout, "schedule", cache_key=key)
    assert Path(ran.uses[_RESTORE]["path"]) == second
    assert ran.uses[_SAVE]["key"] != saved["key"]
    shutil.copytree(second, second.parents[1] / "run-3/sealgate-cache")
    ran = runner.run(checkout, "schedule", cache_key=key)
    assert _RESTORE in ran.uses
    assert _SAVE not in ran.uses
    # A range reads so little that no cache is of use to it; a fork has no key.
    assert not runner.run(checkout, "push", push(origin.base, origin.main), cache_key=key).uses
    assert not runner.run(checkout, "schedule", cache_key="").uses


def test_the_report_is_uploaded_where_it_may_be_and_closes_no_alert(
    runner: Scans, origin: Origin, checkout: GitRepo
) -> None:
    ours, theirs = (pull_request(origin.main, origin.head, fork=fork) for fork in (False, True))
    gone = pull_request(origin.main, origin.head)
    gone["pull_request"]["head"]["repo"] = None
    to_main, to_topic = push(origin.base, origin.main), push(origin.base, origin.head)
    for event, payload, env, uploaded in (
        ("pull_request", ours, {}, True),
        ("pull_request", theirs, {}, False),
        ("pull_request", gone, {}, False),
        ("pull_request_target", ours, {}, False),
        ("merge_group", {"merge_group": {"base_sha": origin.main, "head_sha": origin.head}}, {}, False),
        ("push", to_topic, TOPIC, False),
        ("push", to_main, {}, True),
        ("push", to_main, {"GITHUB_ACTOR": "dependabot[bot]"}, False),
        ("schedule", {}, {}, True),
    ):
        ran = runner.run(checkout, event, payload, upload_sarif="true", env=env)
        assert ran.code == 1
        assert (_UPLOAD in ran.uses) == uploaded, (event, env)
        notices = [text for name, _, text in ran.commands if name == "notice"]
        assert any("not uploaded" in text for text in notices) != uploaded
        if uploaded:
            given = ran.uses[_UPLOAD]
            assert given == {"sarif_file": ran.outputs["sarif"], "category": "sealgate", "checkout_path": str(checkout.path)}
    assert _UPLOAD not in runner.run(checkout, "schedule").uses


def test_findings_are_annotations(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    leak = push(origin.base, origin.leak)
    checkout.git("checkout", "-q", origin.leak)
    (error,) = (one for one in runner.run(checkout, "push", leak).commands if one[0] == "error")
    assert "file=new.py,line=1" in error[1]
    assert not runner.run(checkout, "push", leak, annotations="false").commands


def test_what_a_commit_brings_is_text_in_log_and_summary(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    name = "<img src=x>|`[a](b)`.py"
    before = checkout.id("HEAD")
    after = checkout.commit(files={name: f"::warning::{OTHER_KEY}\n"})
    ran = runner.run(checkout, "push", push(before, after))
    assert ran.code == 1
    row = next(line for line in ran.summary.splitlines() if "aws" in line)
    assert not set("`[]<>").intersection(row.replace("<br>", ""))
    assert row.count("|") == 8
    stop = re.search(r"^::stop-commands::([0-9a-f]{32})$", ran.log, re.MULTILINE)
    assert stop is not None
    inside = ran.log[stop.end() :].partition(f"\n::{stop[1]}::\n")
    assert "aws" in inside[0].lower()
    assert [name for name, _, _ in ran.commands] == ["error"]


def test_in_a_container_the_checkout_is_somebody_elses(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    env = {**TOPIC, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    ran = runner.run(checkout, "push", push(origin.base, origin.head), env=env)
    assert (ran.code, ran.outputs["findings"]) == (1, "1"), ran.log


def test_modules_in_the_checkout_are_not_imported(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    for module in ("json", "re", "os", "secrets", "venv"):
        checkout.write(f"{module}.py", "import sys\nsys.stderr.write('imported from the checkout')\nsys.exit(0)\n")
    ran = runner.run(checkout, "push", push(origin.base, origin.head))
    assert ran.code == 1
    assert "imported from the checkout" not in ran.log


def test_installed_from_the_actions_own_tree(
    runner: Scans, shell: Shell, origin: Origin, checkout: GitRepo, tmp_path: Path
) -> None:
    skip_without_index(shell, tmp_path)
    del shell.environ["PYTHONPATH"]
    copy_tree(tmp_path / "tree")
    action = tmp_path / "tree/actions/scan"
    ran = runner.run(checkout, "push", push(origin.base, origin.head), action, sealgate="")
    assert (ran.code, ran.outputs["findings"]) == (1, "1"), ran.log


def test_a_failed_installation_is_no_finding(runner: Scans, checkout: GitRepo, tmp_path: Path) -> None:
    action = tmp_path / "broken/actions/scan"
    shutil.copytree(_ACTION, action)
    ran = runner.run(checkout, "schedule", None, action, sealgate="")
    assert ran.code == 5
    assert "could not be installed" in ran.log


def test_a_program_that_writes_no_report_is_not_believed(runner: Scans, origin: Origin, checkout: GitRepo) -> None:
    ran = runner.run(checkout, "schedule", sealgate="true")
    assert ran.code == 70


def test_inputs_reach_scripts_as_variables_alone() -> None:
    action = yaml.safe_load((_ACTION / "action.yml").read_text())
    given: dict[str, str] = {}
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        given |= step.get("env", {}) | step.get("with", {})
    scripts = "".join(path.read_text() for path in (*_ACTION.glob("*.sh"), ROOT / "actions/install.sh"))
    for name in action["inputs"]:
        variable = "INPUT_" + name.upper().replace("-", "_")
        used = "${{ inputs." + name + " }}"
        assert (given.get(variable) == used and variable in scripts) or used in given.values(), name
