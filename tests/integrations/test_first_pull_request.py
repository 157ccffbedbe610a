# SPDX-License-Identifier: Apache-2.0
"""The first pull request of docs/integrations.md: its commands and its workflow, run, and what they say compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from githubrunner import Ran, Runner
from pipeline import ROOT, Shell

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_DOCUMENT = (ROOT / "docs/integrations.md").read_text()
_SECTION = _DOCUMENT.partition("\n### A first pull request\n")[2].partition("\n### ")[0]
_WORKFLOW = re.findall(r"```yaml\n# \.github/workflows/sealgate\.yml\n(.*?)```", _DOCUMENT, re.DOTALL)[0]
_LEAK, _RED, _MENDED, _GREEN = (code for _, code in re.findall(r"^```(sh)?\n(.*?)^```$", _SECTION, re.DOTALL | re.MULTILINE))


class PullRequest:
    """A repository on a server, somebody's clone of it, and the job that the workflow starts."""

    def __init__(self, make: Make, shell: Shell, program: Path, folder: Path) -> None:
        self._make, self._shell, self._program, self._folder = make, shell, program, folder
        self._runs = 0
        mine = make("mine")
        mine.commit(files={"README.md": "A project.\n", ".github/workflows/sealgate.yml": _WORKFLOW})
        self.server = make("server", "--bare", source=mine.path)
        self.mine = make("clone", source=self.server.path)
        for setting in ("user.name=Ada", "user.email=ada@example.org"):
            self.mine.git("config", *setting.split("="))

    def do(self, commands: str) -> None:
        done = self._shell.run(["bash", "-euc", commands], self.mine.path)
        assert done.code == 0, done.output

    def check(self) -> Ran:
        """Run the job on the merge of the pull request, which actions/checkout fetches alone."""
        self._runs += 1
        (job,) = yaml.safe_load(_WORKFLOW)["jobs"].values()
        checkout, scan = job["steps"]
        assert checkout["with"] == {"persist-credentials": False}
        merging = self._make(f"merging-{self._runs}", source=self.server.path)
        merging.git("merge", "-q", "--no-ff", "--no-edit", "origin/add-settings")
        merging.git("push", "-q", "--force", "origin", "HEAD:refs/pull/1/merge")
        workspace = self._make(f"workspace-{self._runs}")
        workspace.git("remote", "add", "origin", self.server.path.as_uri())
        workspace.git("fetch", "-q", "--no-tags", "--depth=1", "origin", "refs/pull/1/merge")
        workspace.git("checkout", "-q", "--detach", "FETCH_HEAD")
        runner = Runner(self._shell.environ, self._folder / f"runner-{self._runs}", workspace.path)
        side = {"repo": {"full_name": "octo-org/octo-repo"}}
        base, head = ({"sha": self.server.id(name), **side} for name in ("main", "add-settings"))
        event = runner.temporary / "event.json"
        event.write_text(json.dumps({"pull_request": {"base": base, "head": head}, "repository": {"default_branch": "main"}}))
        variables = {
            "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REF": "refs/pull/1/merge", "GITHUB_SHA": workspace.id("HEAD"),
        }  # fmt: skip
        inputs = {**scan.get("with", {}), "sealgate": str(self._program / "sealgate")}
        return runner.composite(ROOT / "actions/scan", inputs, variables)


def test_the_pull_request_turns_red_and_then_green(
    git_repo: Make, shell: Shell, sealgate_program: Path, tmp_path: Path
) -> None:
    request = PullRequest(git_repo, shell, sealgate_program, tmp_path)
    request.do(_LEAK)
    ran = request.check()
    assert ran.code == 1
    assert [line for line in _RED.splitlines() if line not in ran.log.splitlines()] == []
    (error,) = (one for one in ran.commands if one[0] == "error")
    assert "file=settings.ini,line=1" in error[1]
    # A second commit does not mend it.
    request.do("git rm -q settings.ini && git commit -qm 'Remove it' && git push -q")
    assert request.check().code == 1
    request.do("git reset -q --hard HEAD~1")
    request.do(_MENDED)
    ran = request.check()
    assert ran.code == 0, ran.log
    assert _GREEN in ran.log
    assert not ran.commands
