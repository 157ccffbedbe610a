# SPDX-License-Identifier: Apache-2.0
"""`actions/vault-credentials`: its JavaScript in real node, against a real OpenBao, as a runner runs it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from githubrunner import Log, Runner, node
from pipeline import ROOT, Shell, copy_tree, executable, skip_without_index

if TYPE_CHECKING:
    from lab import Lab

_ACTION = ROOT / "actions/vault-credentials"
_PASSWORD = "secret/ci/app#password=DB_PASSWORD"  # sealgate:allow reason="a request, not a password"


class Job:
    """A job of GitHub's with the right to an identity token, and the action in it."""

    def __init__(self, lab: Lab, shell: Shell, folder: Path, program: Path) -> None:
        node()
        self.lab = lab
        self.folder = folder
        asked_at = f"{lab.issuer.url}/token?api-version=2.0"
        environ = shell.environ | lab.environ() | {
            "ACTIONS_ID_TOKEN_REQUEST_URL": asked_at, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": lab.issuer.request_token,
            "GITHUB_RUN_ID": folder.name,
        }  # fmt: skip
        self.runner = Runner(environ, folder / "runner", folder)
        self.inputs = {
            "role": "ci", "audience": lab.audience, "issuer": lab.issuer.url, "sealgate": str(program / "sealgate"),
        }  # fmt: skip

    def main(self, *, action: Path = _ACTION, interrupt_after: str = "", **inputs: str) -> tuple[int, Log]:
        self.inputs |= {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.runner.javascript(action, "main", self.inputs, interrupt_after=interrupt_after)

    def post(self, program: Path | None = None) -> tuple[int, Log]:
        if program:
            self.runner.state["program"] = str(program)
        return self.runner.javascript(_ACTION, "post", self.inputs)

    @property
    def state(self) -> Path:
        return Path(self.runner.state["folder"])

    def token(self) -> str:
        """Return the session's token, which later steps could read, too."""
        (file,) = self.state.glob("*.json")
        return str(json.loads(file.read_text())["tokens"][0]["secret"])

    def wrapper(self, text: str) -> Path:
        """Return a program that is called as `sealgate` is."""
        program = self.folder / "wrapper"
        executable(program, f"#!/bin/bash\nreal={self.inputs['sealgate']}\n{text}\n")
        return program


@pytest.fixture
def job(lab: Lab, shell: Shell, tmp_path: Path, sealgate_program: Path) -> Iterator[Job]:
    job = Job(lab, shell, tmp_path, sealgate_program)
    yield job
    if "folder" in job.runner.state:
        assert not job.state.exists()


def test_a_database_user_lives_until_the_job_ends(job: Job) -> None:
    postgres = job.lab.postgres
    code, log = job.main(secrets="database/creds/ci=DB\n\n  secret/ci/app=APP\n")
    assert code == 0, log.shown
    user, password = (job.runner.environ[f"DB_{name}"] for name in ("USERNAME", "PASSWORD"))
    assert user in postgres.users()
    token = job.token()
    assert job.lab.lives(token)
    # A later step prints all that it has.
    for secret in (password, token, job.lab.values["password"]):
        assert secret not in log.shown
    assert {password, token, job.runner.environ["APP_PASSWORD"]} <= log.masks
    code, log = job.post()
    assert code == 0, log.shown
    assert not job.lab.lives(token)
    assert user not in postgres.users()
    assert not log.commands


def test_values_of_several_lines_are_whole_and_masked_line_by_line(job: Job) -> None:
    lines = "first secret line\nsecond secret line\n::error::no command\n"
    job.lab.bao.write("secret/data/ci/lines", {"data": {"text": lines}})
    code, log = job.main(secrets="secret/ci/lines#text=LINES")
    assert code == 0, log.shown
    assert job.runner.environ["LINES"] == lines
    assert {"first secret line", "second secret line"} <= log.masks
    # Nothing has a lease, so the token is revoked already; and the end finds nothing to do.
    assert not job.state.exists()
    assert job.post()[0] == 0


def test_outputs_instead_of_variables(job: Job) -> None:
    code, log = job.main(secrets=_PASSWORD, to="output")
    assert code == 0, log.shown
    assert "DB_PASSWORD" not in job.runner.environ
    (file,) = job.runner.temporary.glob("*/GITHUB_OUTPUT")
    assert job.lab.values["password"] in file.read_text()


def test_files_are_there_until_the_job_ends(job: Job) -> None:
    code, log = job.main(files="secret/ci/app#password=password.txt")
    assert code == 0, log.shown
    file = Path(job.runner.environ["SEALGATE_FILES"]) / "password.txt"
    assert file.read_text() == job.lab.values["password"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert job.post()[0] == 0
    assert not file.exists()


def test_what_a_later_step_sets_does_not_stop_the_end(job: Job) -> None:
    _ = job.lab.postgres
    code, log = job.main(secrets="database/creds/ci=DB")
    assert code == 0, log.shown
    token = job.token()
    job.runner.environ |= {
        "SEALGATE_STATE": "/nonexistent", "VAULT_ADDR": "http://127.0.0.1:9", "PYTHONPATH": "/nonexistent", "PATH": "/usr/bin:/bin",
    }  # fmt: skip
    code, log = job.post()
    assert code == 0, log.shown
    assert not job.lab.lives(token)


def test_a_step_that_is_cancelled_leaves_nothing(job: Job) -> None:
    """The runner interrupts node, node the broker; what the broker has opened by then is ended by post."""
    _ = job.lab.postgres
    # `exec sleep` takes the interrupt that node passes on; nothing but that ends it in time.
    program = job.wrapper('if [ "$2" = end ]; then exec "$real" "$@"; fi\n"$real" "$@"; echo opened; exec sleep 600')
    code, log = job.main(secrets="database/creds/ci=DB", sealgate=str(program), interrupt_after="opened")
    assert code == 1
    assert "could not be had" in log.of_kind("error")[0]
    token = job.token()
    assert job.lab.lives(token)
    assert job.post()[0] == 0
    assert not job.lab.lives(token)


def test_a_refusal_fails_the_step_and_says_why(job: Job) -> None:
    code, log = job.main(secrets=_PASSWORD, role="ci-noglob")
    assert code == 1
    assert "exit code 4" in log.of_kind("error")[0]
    assert "claim" in log.shown
    code, log = job.post()
    assert (code, log.commands) == (0, ())


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"secrets": ""}, "exit code 2"),
        ({"secrets": _PASSWORD, "strict_end": "perhaps"}, "neither true nor false"),
        ({"secrets": _PASSWORD, "sealgate": "/nonexistent"}, "could not be installed"),
        ({"secrets": _PASSWORD, "role": "--help"}, "exit code"),
    ],
    ids=["nothing to read", "no truth value", "no program", "an option as a value"],
)
def test_mistakes_are_told(job: Job, inputs: dict[str, str], message: str) -> None:
    code, log = job.main(**inputs)
    assert code == 1
    assert message in log.of_kind("error")[0]
    assert job.post()[0] == 0


def test_a_job_without_the_permission_is_told_of_it(job: Job) -> None:
    del job.runner.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    code, log = job.main(secrets=_PASSWORD)
    assert code == 1
    assert "id-token: write" in log.shown


@pytest.mark.parametrize(("strict", "code", "kind"), [("false", 0, "warning"), ("true", 1, "error")])
def test_an_end_that_fails_is_told(job: Job, strict: str, code: int, kind: str) -> None:
    assert job.main(secrets=_PASSWORD, strict_end=strict)[0] == 0
    ended, log = job.post(job.wrapper("exit 5"))
    assert ended == code
    assert "could be revoked" in log.of_kind(kind)[0]


def test_post_without_main_has_nothing_to_do(job: Job) -> None:
    assert job.post()[0] == 0


def test_installed_from_the_actions_own_tree(job: Job, shell: Shell, tmp_path: Path) -> None:
    skip_without_index(shell, tmp_path)
    copy_tree(tmp_path / "tree")
    action = tmp_path / "tree/actions/vault-credentials"
    code, log = job.main(action=action, secrets=_PASSWORD, sealgate="")
    assert code == 0, log.shown
    assert job.runner.environ["DB_PASSWORD"] == job.lab.values["password"]
    assert job.post()[0] == 0


def test_every_input_is_used() -> None:
    action = yaml.safe_load((_ACTION / "action.yml").read_text())
    script = (_ACTION / "main.js").read_text() + (_ACTION / "post.js").read_text()
    words = set(re.findall(r"'([a-z-]+)'|\b([a-z]+):", script))
    assert set(action["inputs"]) <= {one or other for one, other in words}
    assert action["runs"]["post-if"] == "always()"
    assert not list(_ACTION.glob("package*.json"))
