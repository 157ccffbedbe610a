# SPDX-License-Identifier: Apache-2.0
"""`gitlab/vault-credentials.yml`, run by gitlab-ci-local against a real OpenBao with a real database behind it."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from gitlabci import Runner
from lab import Lab
from pipeline import ROOT, Result, Shell

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
_TEMPLATE = ROOT / "gitlab/vault-credentials.yml"
_DATABASE = "database/creds/ci=DB"
# Runs in the job; the value goes to a file of the test's, as a log of ours would hold it masked.
_USE = 'printf "user %s, password %s\\n" "$DB_USERNAME" "$DB_PASSWORD"; printf %s "$DB_USERNAME" > ../user'


class Project(Runner):
    """A project whose job `deploy` extends the template."""

    def __init__(self, repo: GitRepo, shell: Shell, tool: Path, program: Path, lab: Lab) -> None:
        super().__init__(repo, shell, tool, program)
        self.lab = lab
        repo.write("gitlab/vault-credentials.yml", _TEMPLATE.read_text())
        repo.commit(files={".gitignore": ".gitlab-ci-local/\n"})
        self.is_on_default_branch()

    def deploy(self, script: list[str], **inputs: str) -> None:
        """Write the pipeline; the job uses this checkout instead of installing a release."""
        inputs = {
            "install": f'export PATH="$PATH:{self.program}"', "vault-addr": self.lab.address, "audience": self.lab.audience,
            "role": "ci", "mount": "jwt", "args": f"--issuer {self.lab.issuer.url}", **inputs,
        }  # fmt: skip
        include = {"local": "gitlab/vault-credentials.yml", "inputs": inputs}
        job = {"extends": inputs.get("job-name", ".vault-credentials"), "script": script}
        self.repo.write(".gitlab-ci.yml", yaml.safe_dump({"include": [include], "deploy": job}))

    @property
    def variables(self) -> dict[str, str]:
        """Return what `id_tokens` makes GitLab give the job."""
        return {"SEALGATE_ID_TOKEN": self.lab.issuer.mint()}

    def run(self, *arguments: str, **variables: str) -> Result:
        return super().run(*arguments, **{**self.variables, **variables})

    def user(self) -> str:
        """Return the user of the database that the job was given."""
        return (self.repo.path.parent / "user").read_text()

    def leftovers(self) -> list[Path]:
        return [path for path in self.repo.path.parent.glob("*.tmp/**/*") if path.is_file()]


@pytest.fixture
def project(git_repo: Make, shell: Shell, gitlab_ci_local: Path, sealgate_program: Path, lab: Lab) -> Project:
    return Project(git_repo("project"), shell, gitlab_ci_local, sealgate_program, lab)


def is_gone(lab: Lab, user: str, seconds: float = 30) -> bool:
    """Whether the database's user is dropped; the server does that at its own pace."""
    end = time.monotonic() + seconds
    while user in lab.postgres.users():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_a_command_gets_the_secrets_masked_and_they_end_with_it(project: Project) -> None:
    project.lab.postgres.users()
    project.deploy([f"vault_exec sh -c '{_USE}'", 'test -z "${DB_PASSWORD:-}"'], secrets=f"{_DATABASE} secret/ci/app#user=APP")
    result = project.run()
    assert result.code == 0, result.output
    assert "user ***, password ***" in result.output
    assert "the token: ended" in result.output
    assert is_gone(project.lab, project.user())
    assert project.leftovers() == []


@pytest.mark.parametrize("ending", ["true", "exit 7"])
def test_a_script_has_the_secrets_until_it_ends_in_whatever_way(project: Project, ending: str) -> None:
    project.lab.postgres.users()
    script = ['test -z "${SEALGATE_ID_TOKEN:-}"', f'{_USE.partition(";")[2]}', 'test -n "$DB_PASSWORD"', ending]
    project.deploy(script, secrets=_DATABASE, **{"hand-over": "script", "job-name": ".database"})
    result = project.run()
    assert ("PASS  deploy" if ending == "true" else "FAIL 7") in result.output, result.output
    assert "the token: ended" in result.output
    assert project.user().startswith("v-")
    assert is_gone(project.lab, project.user())
    assert project.leftovers() == []


def test_a_job_that_is_cancelled_ends_them_too(project: Project) -> None:
    project.lab.postgres.users()
    project.deploy([_USE.partition("; ")[2], "sleep 600"], secrets=_DATABASE, **{"hand-over": "script"})
    job = project.preview()["deploy"]
    folder = project.repo.path.parent / "builds/project"
    folder.mkdir(parents=True)
    environ = {
        **project.environ, **project.variables, "CI_PROJECT_DIR": str(folder), "CI_JOB_ID": "12",
    }  # fmt: skip

    def shell(*names: str) -> subprocess.Popen[str]:
        """Start a shell of the runner's: `before_script` and `script` share one, `after_script` has its own."""
        script = "\n".join(["set -eo pipefail", *(line for name in names for line in job[name])])
        return subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    running = shell("before_script", "script")
    end = time.monotonic() + 60
    while not (folder.parent / "user").exists() and running.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    output, _ = running.communicate(timeout=60)
    assert "lives until" in output
    user = (folder.parent / "user").read_text()
    assert user in project.lab.postgres.users()
    last = shell("after_script")
    output, _ = last.communicate(timeout=60)
    assert last.returncode == 0, output
    assert "the token: ended" in output
    assert is_gone(project.lab, user)
    assert not list(folder.parent.glob("project.tmp/*"))


def test_what_the_server_refuses_fails_the_job(project: Project) -> None:
    project.deploy(["touch ../ran"], secrets="secret/prod/app#password=PASSWORD", **{"hand-over": "script"})
    result = project.run()
    assert "FAIL 4" in result.output, result.output
    assert not (project.repo.path.parent / "ran").exists()
    project.deploy(["vault_exec touch ../ran"], secrets="secret/ci/app#user=APP", role="ci-noglob")
    assert "FAIL 125" in project.run().output
    assert not (project.repo.path.parent / "ran").exists()


def test_variables_of_the_run_do_not_send_the_token_elsewhere(project: Project) -> None:
    project.deploy(["vault_exec true"], secrets="secret/ci/app#user=APP")
    result = project.run(VAULT_ADDR="http://127.0.0.1:1", VAULT_NAMESPACE="")
    assert "PASS  deploy" in result.output, result.output
