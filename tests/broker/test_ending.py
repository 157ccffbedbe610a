# SPDX-License-Identifier: Apache-2.0
"""`broker env` and `broker end`: what is left alive between steps, and that all of it ends, whatever happened to the job."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from githubrunner import runner_masks, runner_reads

from scanner.broker import ending
from scanner.broker.closing import Held
from scanner.broker.connection import Settings
from scanner.broker.model import Lease, VaultToken
from scanner.broker.session import Kept
from scanner.errors import ConfigError
from scanner.model import Secret

PASSWORD = "secret/ci/app#password=DB_PASSWORD"  # sealgate:allow reason="a request, not a password"
MAIN = """
import os, signal, sys
from scanner import cli
"""


class Job:
    """A job with steps: each runs a command of ours, in the environment that earlier ones left."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.folder = folder
        self.state = folder / "state"
        self.environ = lab.environ(SEALGATE_STATE=str(self.state), HOME="/nonexistent", PYTHONPATH=os.getcwd())
        for name in ("GITHUB_ENV", "GITHUB_OUTPUT"):
            (folder / name).touch()
            self.environ[name] = str(folder / name)

    def run(self, *arguments, before="", role="ci", identity=True, **options):
        command = [sys.executable, "-c", f"{MAIN}\n{before}\nsys.exit(cli.main())", "broker", *map(str, arguments)]
        if identity:
            command += ["--token-env", "IDENTITY", "--issuer", self.lab.issuer.url, "--audience", self.lab.audience, "--role", role]
        environ = {**self.environ, "IDENTITY": self.lab.issuer.mint()}
        return subprocess.run(command, env=environ, text=True, cwd=self.folder, timeout=60, **{"capture_output": True, **options})

    def env(self, *arguments, to="github", **options):
        return self.run("env", "--format", to, *arguments, **options)

    def end(self, *arguments, identity=False, **options):
        return self.run("end", *arguments, identity=identity, **options)

    def given(self, name="GITHUB_ENV"):
        return runner_reads((self.folder / name).read_text())

    def states(self):
        return [json.loads(path.read_text()) for path in sorted(self.state.glob("*.json"))]

    def token(self):
        (state,) = self.states()
        return state["tokens"][0]["secret"]


@pytest.fixture
def job(lab, tmp_path):
    return Job(lab, tmp_path)


def masks_of(done):
    return runner_masks(line for line in done.stdout.splitlines() if line)


# What has no lease needs no token afterwards


def test_the_token_is_revoked_at_once_where_nothing_needs_it(job, lab):
    done = job.env("--secret", PASSWORD)
    assert done.returncode == 0, done.stderr
    assert job.given() == {"DB_PASSWORD": lab.values["password"]} == job.given("GITHUB_OUTPUT")
    assert not job.state.exists()
    tokens = [mask for mask in masks_of(done) if mask.startswith(("s.", "hvs."))]
    assert tokens
    assert not any(map(lab.lives, tokens))
    assert "the token: ended" in done.stderr
    assert job.end().returncode == 0


def test_everything_printed_is_a_mask_and_nothing_secret_stands_elsewhere(job, lab):
    done = job.env("--secret", PASSWORD, "--secret", "secret/ci/app=APP")
    assert {lab.values["password"], lab.values["user"]} <= masks_of(done)
    assert not [value for value in (lab.values["password"], lab.values["user"]) if value in done.stderr]
    assert "APP_COUNT cannot be hidden in the log" in done.stderr


@pytest.mark.parametrize("to", ["shell", "json", "gitlab"])
def test_files_of_ours_are_private_and_hold_the_value(job, lab, to):
    done = job.env("--secret", PASSWORD, "--output", "out", to=to)
    assert done.returncode == 0, done.stderr
    path = job.folder / "out"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    if to == "json":
        assert json.loads(path.read_text()) == {"DB_PASSWORD": lab.values["password"]}
    else:
        assert lab.values["password"] in path.read_text()
    assert lab.values["password"] not in done.stdout + done.stderr
    assert not job.state.exists()


def test_outside_of_a_pipe_nobody_would_read_the_masks(job, lab, tmp_path):
    before = lab.audit_log.stat().st_size
    with open(tmp_path / "log", "w") as log:
        done = job.env("--secret", PASSWORD, capture_output=False, stdout=log, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert "no pipe" in done.stderr
    assert b"auth/jwt/login" not in lab.audit_log.read_bytes()[before:]


@pytest.mark.parametrize(
    ("arguments", "to"),
    [
        (["--output", "x"], "github"), ([], "shell"), (["--output", "nowhere/x"], "json"), (["--output", "x", "--file", "a/b#c=d"], "gitlab"),
        (["--secret", "a/b#c=PATH", "--output", "x"], "shell"),
    ],
)  # fmt: skip
def test_what_could_not_be_written_is_refused_before_the_login(job, lab, arguments, to):
    before = lab.audit_log.stat().st_size
    assert job.env("--secret", PASSWORD, *arguments, to=to).returncode == 2
    assert b"auth/jwt/login" not in lab.audit_log.read_bytes()[before:]


def test_a_denied_read_leaves_nothing(job, lab):
    done = job.env("--secret", PASSWORD, "--secret", "secret/prod/app#password=PROD")
    assert done.returncode == 4
    assert "secret/data/prod/app" in done.stderr
    assert job.given() == {}
    assert not job.state.exists()
    assert "the token: ended" in done.stderr


def test_a_value_that_the_format_cannot_hold_leaves_nothing(job):
    done = job.env("--secret", "secret/ci/app#lines=LINES", "--output", "out", to="gitlab")
    assert done.returncode == 2
    assert "--file" in done.stderr
    assert "the token: ended" in done.stderr
    assert not (job.folder / "out").exists()
    assert not job.state.exists()


# What has one lives until `broker end`


def test_credentials_live_between_the_steps_and_end_with_the_last_one(job, lab):
    postgres = lab.postgres
    done = job.env("--secret", "database/creds/ci=DB")
    assert done.returncode == 0, done.stderr
    given = job.given()
    assert postgres.connects(given["DB_USERNAME"], given["DB_PASSWORD"])
    assert given["SEALGATE_STATE"] == str(job.state)
    token = job.token()
    assert lab.lives(token)
    assert "lives until" in done.stderr
    # The lease began with one minute and may have five; the token's role allows thirty.
    (state,) = job.states()
    assert 200 < state["leases"][0]["until"] - time.time() < 310
    assert state["token_until"] - time.time() > 1500
    assert given["DB_PASSWORD"] not in done.stderr
    assert stat.S_IMODE(job.state.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in job.state.iterdir()] == [0o600]
    assert given["DB_PASSWORD"] not in "".join(path.read_text() for path in job.state.iterdir())

    ended = job.end("--report-end", "end.json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads((job.folder / "end.json").read_text())
    assert report["proven"] is True
    assert {(end["what"], end["state"]) for end in report["ends"]} == {("the lease of database/creds/ci", "ended"), ("the token", "ended")}
    assert not lab.lives(token)
    assert given["DB_USERNAME"] not in postgres.users()
    assert not job.state.exists()
    assert token not in ended.stdout + ended.stderr


def test_a_second_end_is_well_and_says_that_nothing_is_left(job, lab):
    lab.postgres  # noqa: B018  skips where it is not installed
    job.env("--secret", "database/creds/ci=DB")
    assert job.end().returncode == 0
    again = job.end()
    assert again.returncode == 0
    assert "nothing is left to end" in again.stderr
    assert job.end("--quiet").stderr == ""


def test_two_sessions_of_one_job_are_both_ended(job, lab):
    users = lab.postgres.users()
    job.env("--secret", "database/creds/ci=ONE")
    job.env("--secret", "database/creds/ci=TWO")
    tokens = [state["tokens"][0]["secret"] for state in job.states()]
    assert len(tokens) == 2
    assert job.end().returncode == 0
    assert not any(map(lab.lives, tokens))
    assert lab.postgres.users() <= users


def test_a_token_that_somebody_else_has_ended_is_well(job, lab):
    lab.postgres  # noqa: B018
    job.env("--secret", "database/creds/ci=DB")
    lab.bao.write("auth/token/revoke", {"token": job.token()})
    ended = job.end()
    assert ended.returncode == 0
    assert "the token: ended" in ended.stderr
    assert not job.state.exists()


def test_a_lease_that_cannot_be_taken_back_is_queued(job, lab):
    lab.postgres  # noqa: B018
    job.env("--secret", "database/creds/stuck=DB")
    ended = job.end()
    assert ended.returncode == 0, ended.stderr
    assert "the lease of database/creds/stuck: queued until" in ended.stderr


def test_files_stay_for_later_steps_and_go_at_the_end(job, lab):
    done = job.env("--file", "secret/ci/app#password=password.txt", "--secret", PASSWORD)
    assert done.returncode == 0, done.stderr
    folder = job.given()["SEALGATE_FILES"]
    path = os.path.join(folder, "password.txt")
    with open(path) as stream:
        assert stream.read() == lab.values["password"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert "the token: ended" in done.stderr
    assert job.end().returncode == 0
    assert not job.state.exists()


# Whatever happens to the job


def test_a_job_that_is_killed_between_login_and_read_is_ended_by_its_last_step(job, lab):
    kill = "import scanner.broker.engines.kv as kv; kv.read = lambda *_: os.kill(os.getpid(), signal.SIGKILL)"
    assert job.env("--secret", PASSWORD, before=kill).returncode == -9
    token = job.token()
    assert lab.lives(token)
    assert job.end().returncode == 0
    assert not lab.lives(token)
    assert not job.state.exists()


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_job_that_is_told_to_stop_ends_what_it_has_and_hands_nothing_over(job, number):
    tell = f"""
import scanner.broker.engines.kv as kv
read = kv.read
def told(*arguments):
    os.kill(os.getpid(), signal.{number})
    return read(*arguments)
kv.read = told
"""
    done = job.env("--secret", PASSWORD, before=tell)
    assert done.returncode == 130, done.stderr
    assert "the token: ended" in done.stderr
    assert job.given() == {}
    assert not job.state.exists()


def test_a_server_that_does_not_answer_is_worth_another_try(job, lab):
    lab.postgres  # noqa: B018
    job.env("--secret", "database/creds/ci=DB")
    (path,) = job.state.glob("*.json")
    state = json.loads(path.read_text())
    away = {**state, "settings": {**state["settings"], "addresses": ["http://127.0.0.1:9"]}}
    path.write_text(json.dumps(away))
    done = job.end("--timeout", "2")
    assert done.returncode == 5
    assert "the token: lives until" in done.stderr
    assert "the lease of database/creds/ci: lives until" in done.stderr
    path.write_text(json.dumps(state))
    assert job.end().returncode == 0
    assert not lab.lives(state["tokens"][0]["secret"])


def test_what_nobody_can_end_is_said_with_its_time(job):
    done = job.env("--secret", PASSWORD, role="ci-batch")
    assert done.returncode == 0
    assert "the token: lives until" in done.stderr
    ended = job.end()
    assert ended.returncode == 4
    assert re.search(r"the token: lives until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ at the latest \(a batch token cannot be revoked\)", ended.stderr)


# Without the token


@pytest.fixture
def cleanup(lab):
    policy = 'path "auth/token/revoke-accessor" { capabilities = ["update"] }'
    lab.bao.write("sys/policies/acl/cleanup", {"policy": policy}, method="PUT")
    lab.set_role("ci-cleanup", token_policies=["cleanup"])
    return "ci-cleanup"


def test_with_the_accessor_alone_the_end_logs_in_and_needs_a_policy_for_it(job, lab, cleanup):
    lab.postgres  # noqa: B018
    done = job.env("--secret", "database/creds/ci=DB", "--no-token")
    user = job.given()["DB_USERNAME"]
    assert job.token() == ""
    assert done.returncode == 0, done.stderr
    text = "".join(path.read_text() for path in job.state.iterdir())
    assert not [token for token in masks_of(done) if token.startswith(("s.", "hvs.", "database/")) and token in text]
    assert job.end().returncode == 2
    refused = job.end(identity=True, role="ci")
    assert refused.returncode == 4
    assert "may not revoke by accessor" in refused.stderr
    assert user in lab.postgres.users()
    ended = job.end(identity=True, role=cleanup)
    assert ended.returncode == 0, ended.stderr
    assert "the token that was to end it: ended" in ended.stderr
    assert not job.state.exists()
    wait_for(lambda: user not in lab.postgres.users())


def test_another_job_ends_the_token_by_the_accessor_of_a_dotenv_report(job, lab, cleanup):
    lab.postgres  # noqa: B018
    done = job.env("--secret", "database/creds/ci=DB", "--output", "out.env", to="gitlab")
    assert done.returncode == 0, done.stderr
    assert not job.state.exists()
    given = dict(line.split("=", 1) for line in (job.folder / "out.env").read_text().splitlines())
    assert given["DB_USERNAME"] in lab.postgres.users()
    job.environ["SEALGATE_ACCESSOR"] = given["SEALGATE_ACCESSOR"]
    assert job.end(identity=True, role=cleanup).returncode == 0
    wait_for(lambda: given["DB_USERNAME"] not in lab.postgres.users())
    again = job.end(identity=True, role=cleanup)
    assert again.returncode == 0
    assert "does not know it any more" in again.stderr


def wait_for(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


# The file itself


def made(tmp_path, **changes):
    token = VaultToken(Secret(b"made-up-token"), "accessor", 60, True, "service", ("default",), 0, "team")
    lease = Lease("database/creds/ci", "database", {"password": Secret(b"made-up-value")}, Secret(b"made-up-id"), 60, True, None)
    kept = Kept((token,), 1e9, (Held(lease, 2e9),), may_revoke=True)
    state = ending.State(str(tmp_path / "folder"), **changes)
    settings = Settings(("https://vault.example",), "ns", "auth", "ca.pem", ("cert", "key"), "")
    state.write(settings, kept)
    return state, settings, kept


def test_a_state_says_what_it_was_told_and_no_value(tmp_path):
    state, settings, kept = made(tmp_path)
    left = ending.load(state.path)
    assert left.settings == settings
    assert left.kept.tokens == kept.tokens
    assert left.kept[1] == kept[1]
    assert left.kept.may_revoke
    held = left.kept.leases[0]
    assert (held.lease, held.until) == (kept.leases[0].lease._replace(values={}), 2e9)
    assert "made-up-value" not in Path(state.path).read_text()
    assert "made-up" not in repr(left)
    assert list(ending.states(str(tmp_path / "folder"))) == [state.path]
    state.remove()
    assert not (tmp_path / "folder").exists()
    state.remove()


def test_without_the_token_neither_it_nor_a_lease_id_is_kept(tmp_path):
    state, *_ = made(tmp_path, with_token=False)
    text = Path(state.path).read_text()
    assert "made-up" not in text
    assert "accessor" in text
    assert not ending.has_token(ending.load(state.path))


@pytest.mark.parametrize("text", ["", "{}", "[]", "{" * 5000, '{"version": 2}', '{"version": 1, "settings": {}}'])
def test_a_damaged_state_is_said_and_the_others_are_ended_all_the_same(job, lab, text):
    lab.postgres  # noqa: B018
    job.env("--secret", "database/creds/ci=DB")
    token = job.token()
    damaged = job.state / "0.json"
    damaged.write_text(text)
    damaged.chmod(0o600)
    done = job.end()
    assert done.returncode == 2
    assert "is damaged" in done.stderr
    assert not lab.lives(token)
    assert damaged.exists()


def test_a_folder_that_others_can_reach_is_not_used(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    for use in (lambda: ending.State(str(folder)), lambda: list(ending.states(str(folder)))):
        with pytest.raises(ConfigError, match="yours alone"):
            use()
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="yours alone"):
        ending.State(str(folder))


def test_a_state_that_others_can_read_or_a_link_is_not_believed(tmp_path):
    state, *_ = made(tmp_path)
    os.chmod(state.path, 0o644)
    with pytest.raises(ConfigError, match="yours alone"):
        ending.load(state.path)
    os.chmod(state.path, 0o600)
    link = state.path.replace(".json", "x.json")
    os.symlink(state.path, link)
    with pytest.raises(ConfigError, match="cannot read"):
        ending.load(link)


def test_every_job_has_its_own_folder_and_all_its_steps_the_same():
    first, second = ({"CI_JOB_ID": "1"}, {"CI_JOB_ID": "2"})
    assert ending.state_folder({**first, "PATH": "x"}) == ending.state_folder(first)
    assert ending.state_folder(first) != ending.state_folder(second)
    assert str(os.geteuid()) in ending.state_folder({})
