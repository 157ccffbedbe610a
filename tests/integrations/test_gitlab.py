# SPDX-License-Identifier: Apache-2.0
"""`gitlab/scan.yml`, run by gitlab-ci-local in its shell executor, in repositories made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from gitlabci import Runner
from pipeline import KEY, OTHER_KEY, ROOT, Result, Shell

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_TEMPLATE = ROOT / "gitlab/scan.yml"
_ZERO = "0" * 40
_FOR_GITLAB = ("sealgate.html", "gl-secret-detection-report.json", "gl-code-quality-report.json")


class Project(Runner):
    """A GitLab project: a clone whose main branch includes the template and has an old secret."""

    def __init__(self, repo: GitRepo, shell: Shell, tool: Path, program: Path) -> None:
        super().__init__(repo, shell, tool, program)
        self.include()
        repo.write("gitlab/scan.yml", _TEMPLATE.read_text())
        repo.write(".gitignore", ".gitlab-ci-local/\nsealgate.*\ngl-*.json\n")
        self.first = repo.commit("begin", files={"old.py": f"key = '{KEY}'\n"})
        self.is_on_default_branch()

    def include(self, **inputs: str | bool) -> None:
        """Write the pipeline; the job uses this checkout instead of installing a release."""
        inputs = {"install": f'export PATH="{self.program}:$PATH"', **inputs}
        self.repo.write(".gitlab-ci.yml", yaml.safe_dump({"include": [{"local": "gitlab/scan.yml", "inputs": inputs}]}))

    def run(self, *arguments: str, **variables: str) -> Result:
        """Run the pipeline; reports of an earlier run are removed."""
        for name in ("sealgate.sarif", "sealgate.jsonl", *_FOR_GITLAB):
            (self.repo.path / name).unlink(missing_ok=True)
        return super().run(*arguments, **variables)

    def findings(self) -> list[str]:
        """Return the paths of the findings in both artifacts."""
        *records, summary = map(json.loads, (self.repo.path / "sealgate.jsonl").read_text().splitlines())
        assert "summary" in summary
        sarif = json.loads((self.repo.path / "sealgate.sarif").read_text())
        assert len(sarif["runs"][0]["results"]) == len(records)
        security, quality = (json.loads((self.repo.path / name).read_text()) for name in _FOR_GITLAB[1:])
        assert len(security["vulnerabilities"]) == len(records)
        assert sorted(issue["location"]["path"] for issue in quality if issue["check_name"] != "sealgate-incomplete") == sorted(
            record["path"] for record in records
        )
        return [record["path"] for record in records]


@pytest.fixture
def project(git_repo: Make, shell: Shell, gitlab_ci_local: Path, sealgate_program: Path) -> Project:
    return Project(git_repo("project"), shell, gitlab_ci_local, sealgate_program)


def branch(project: Project) -> tuple[str, str]:
    """Make a branch that has a secret in between; return the commits with and without it."""
    project.repo.git("checkout", "-q", "-b", "topic")
    leak = project.repo.commit(files={"new.py": f"key = '{OTHER_KEY}'\n"})
    return leak, project.repo.commit(files={"new.py": "clean\n"})


def test_the_default_branch_is_the_whole_repository(project: Project) -> None:
    result = project.run(CI_COMMIT_BEFORE_SHA=project.first)
    assert result.code == 1, result.output
    assert "FAIL  sealgate" in result.output
    assert project.findings() == ["old.py"]


def test_a_branch_begins_where_it_was_or_at_the_default_branch(project: Project) -> None:
    leak, _ = branch(project)
    assert project.run(CI_COMMIT_BEFORE_SHA=leak).code == 0
    assert project.findings() == []
    for before in (_ZERO, "1" * 40):
        assert project.run(CI_COMMIT_BEFORE_SHA=before).code == 1
        assert project.findings() == ["new.py"]


def test_a_merge_request_is_its_commits(project: Project) -> None:
    leak, head = branch(project)
    request = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": ""}
    assert project.run(**request, CI_MERGE_REQUEST_DIFF_BASE_SHA=project.first).code == 1
    assert project.findings() == ["new.py"]
    assert project.run(**request, CI_MERGE_REQUEST_DIFF_BASE_SHA=leak).code == 0
    merged = {**request, "CI_MERGE_REQUEST_DIFF_BASE_SHA": project.first, "CI_COMMIT_SHA": project.first}
    assert project.run(**merged, CI_MERGE_REQUEST_SOURCE_BRANCH_SHA=head).code == 1


def test_a_base_that_is_not_in_the_clone_is_incomplete(project: Project) -> None:
    branch(project)
    request = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": ""}
    missing = {**request, "CI_MERGE_REQUEST_DIFF_BASE_SHA": "1" * 40}
    result = project.run(**missing)
    assert result.code == 1
    assert "is not in this clone" in result.output
    assert "FAIL 3" in result.output
    project.include(incomplete="warn")
    result = project.run(**missing)
    assert result.code == 0, result.output
    assert "WARN 3" in result.output
    # Findings still fail; gitlab-ci-local says so of the job, but its own exit code takes any allow_failure for true.
    assert "FAIL 1" in project.run(**request, CI_MERGE_REQUEST_DIFF_BASE_SHA=project.first).output


def test_inputs(project: Project) -> None:
    project.include(**{"fail-on": "never", "args": "--verbose --no-progress", "job-name": "secrets", "stage": "build"})
    result = project.run()
    assert result.code == 0, result.output
    assert "PASS  secrets" in result.output
    project.include(scan="range")
    project.repo.commit(files={"clean.txt": "clean\n"})
    assert project.run(CI_COMMIT_BEFORE_SHA=project.first).code == 0


def test_the_default_branch_keeps_what_it_read_where_there_is_a_key(project: Project) -> None:
    project.include(cache=True, args="--verbose")
    project.repo.commit("more", files={"clean.txt": "clean\n"})
    result = project.run()
    assert "no cache: this pipeline has no SEALGATE_CACHE_KEY" in result.output
    kept = project.repo.path / ".sealgate-cache"
    assert not kept.exists()
    key = {"SEALGATE_CACHE_KEY": "0123456789abcdef" * 2}
    # It moves out of the tree before the scan: else what it keeps would be something new each time.
    for again in (False, True, True):
        result = project.run(**key)
        assert result.code == 1, result.output
        assert project.findings() == ["old.py"]
        assert ("nothing has changed since an earlier scan" in result.output) is again
        assert {file.name.partition("-")[0] for file in kept.iterdir()} == {"results", "verdicts"}
    request = {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": ""}
    assert project.run(**key, **request, CI_MERGE_REQUEST_DIFF_BASE_SHA=project.first).code == 0
    assert project.findings() == []


def test_a_job_without_a_clone_is_incomplete(project: Project, shell: Shell, tmp_path: Path) -> None:
    script = "\n".join(["set -eo pipefail", *project.preview()["sealgate"]["script"]])
    (tmp_path / "empty").mkdir()
    environ = {"CI_COMMIT_SHA": project.first, "CI_PROJECT_DIR": str(tmp_path / "empty")}
    result = shell.run(["bash", "-c", script], tmp_path / "empty", environ)
    assert (result.code, "there is no clone here" in result.output) == (3, True)


@pytest.mark.parametrize("cache", [True, False])
def test_the_job_takes_no_cache_or_script_that_is_meant_for_others(project: Project, cache: bool) -> None:
    document = yaml.safe_load((project.repo.path / ".gitlab-ci.yml").read_text())
    document["include"][0]["inputs"]["cache"] = cache
    document["default"] = {"before_script": ["exit 9"], "cache": {"key": "theirs", "paths": ["node_modules/"]}}
    project.repo.write(".gitlab-ci.yml", yaml.safe_dump(document))
    job = project.preview()["sealgate"]
    caches = job.get("cache") or []
    assert [(one["key"], one["paths"], one["when"]) for one in caches] == [("sealgate", [".sealgate-cache/"], "always")] * (
        cache
    )
    assert project.run().code == 1


def test_artifacts_are_kept_whatever_the_outcome() -> None:
    _, body = yaml.safe_load_all(_TEMPLATE.read_text())
    job = body["$[[ inputs.job-name ]]"]
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["paths"] == ["sealgate.sarif", "sealgate.jsonl", "sealgate.html"]
    assert job["artifacts"]["reports"] == {
        "secret_detection": "gl-secret-detection-report.json",
        "codequality": "gl-code-quality-report.json",
    }
    assert job["variables"]["GIT_DEPTH"] == "0"
