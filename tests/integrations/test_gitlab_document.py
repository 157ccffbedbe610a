# SPDX-License-Identifier: Apache-2.0
"""What README.md and docs/integrations.md tell a newcomer on GitLab, done as they stand there."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from checkers import program
from gitlabci import Runner
from pipeline import ROOT, Shell, executable

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_README = (ROOT / "README.md").read_text()
_PART = (ROOT / "docs/integrations.md").read_text().partition("\n## GitLab CI\n")[2].partition("\n## ")[0]
_EXAMPLES = re.findall(r"```yaml\n(# \.gitlab-ci\.yml.*?)```", _PART, re.DOTALL)
_SERVER = "https://raw.githubusercontent.com/sealgate/sealgate/v0.1.0"


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Return the address of a server that has this checkout's templates, as the release's has its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(ROOT))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def first_pipeline(text: str) -> str:
    (found,) = re.findall(r"```yaml\n# \.gitlab-ci\.yml\n(.*?)```", text, re.DOTALL)
    return str(found)


def test_readme_and_document_say_the_same() -> None:
    assert first_pipeline(_README) == first_pipeline(_PART)


def test_a_newcomer_gets_a_failing_and_a_passing_merge_request(
    git_repo: Make, shell: Shell, gitlab_ci_local: Path, sealgate_program: Path, server: str, tmp_path: Path
) -> None:
    # What the job's image has: a pip that finds the release. Here it is this checkout, which is on PATH already.
    executable(sealgate_program / "pip", '#!/bin/sh\necho "$@" >> ../pip\n')
    repo = git_repo("project")
    runner = Runner(repo, shell, gitlab_ci_local, sealgate_program)
    git_repo("server", "--bare")
    repo.git("remote", "set-url", "--push", "origin", str(tmp_path / "server"))
    # The tool's own folder is in no clone of GitLab's.
    repo.write(".git/info/exclude", ".gitlab-ci-local/\n")
    main = repo.commit("begin", files={".gitlab-ci.yml": first_pipeline(_README).replace(_SERVER, server)})
    runner.is_on_default_branch()
    steps = re.findall(r"```sh\n(.*?)```", _PART, re.DOTALL)
    assert len(steps) >= 2
    for step, code in zip(steps, (1, 0), strict=False):
        done = shell.run(["bash", "-euc", step], repo.path)
        assert done.code == 0, done.output
        request = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": "", "CI_MERGE_REQUEST_DIFF_BASE_SHA": main}
        result = runner.run(**request)
        assert result.code == code, result.output
        assert ("FAIL 1" if code else "PASS  sealgate") in result.output
        assert ("settings.ini:1" in result.output) is bool(code)
    assert (tmp_path / "pip").read_text().splitlines() == ["install --quiet sealgate==0.1.0"] * 2


@pytest.mark.parametrize("example", _EXAMPLES, ids=range(len(_EXAMPLES)))
def test_the_examples_are_valid_and_give_inputs_that_exist(shell: Shell, tmp_path: Path, example: str) -> None:
    file = tmp_path / ".gitlab-ci.yml"
    file.write_text(example)
    schema = shell.run([program("check-jsonschema"), "--builtin-schema", "vendor.gitlab-ci", file], tmp_path)
    assert schema.code == 0, schema.output
    (include,) = yaml.safe_load(example)["include"]
    template = ROOT / include["remote"].removeprefix(_SERVER + "/")
    inputs = next(yaml.safe_load_all(template.read_text()))["spec"]["inputs"]
    assert set(include["inputs"]) <= set(inputs)
    assert {name for name, one in inputs.items() if "default" not in one} <= set(include["inputs"])
    for name in inputs:
        assert f"`{name}`" in _PART or f"`{name}:" in _PART or name in include["inputs"], name
