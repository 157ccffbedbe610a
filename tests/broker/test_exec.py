# SPDX-License-Identifier: Apache-2.0
"""`sealgate broker exec` as a job runs it: a process with an environment, outputs, signals and an exit code."""

import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Final

import pytest
from brokers import Broker, Brokers
from fakeserver import Answer, FakeServer
from lab import Lab
from relay import Relay

KV: Final = ("--secret", "secret/ci/app#password=PASSWORD")
SHOW: Final = ("sh", "-c", 'echo "<$PASSWORD>"; echo "<$PASSWORD>" >&2')


def _sh(script: str) -> tuple[str, str, str]:
    return ("sh", "-c", script)


def test_a_command_gets_its_secrets_and_the_log_does_not(lab: Lab, brokers: Brokers) -> None:
    value = lab.values["password"]
    broker = brokers.exec(lab, *KV, command=_sh(f'test "$PASSWORD" = {shlex.quote(value)} && echo "<$PASSWORD>" && echo "<$PASSWORD>" >&2'))
    assert broker.wait() == 0
    assert broker.output == "<***>\n"
    assert broker.errors.splitlines()[0] == "<***>"
    assert "the token: ended" in broker.errors
    assert broker.ends["proven"] is True
    assert broker.states == [("the token", "ended")]


def test_quiet_says_nothing_where_all_is_well(lab: Lab, brokers: Brokers) -> None:
    broker = brokers.exec(lab, *KV, "--quiet", command=SHOW)
    assert (broker.wait(), broker.errors) == (0, "<***>\n")
    other = brokers.exec(lab, *KV, "--quiet", command=SHOW, role="ci-batch")
    assert (other.wait(), "the token: lives until" in other.errors) == (0, True)


@pytest.mark.parametrize("code", [0, 1, 77])
def test_the_exit_code_is_the_commands(lab: Lab, brokers: Brokers, code: int) -> None:
    broker = brokers.exec(lab, *KV, command=_sh(f"exit {code}"))
    assert (broker.wait(), broker.ends["exit_code"]) == (code, code)


def test_the_environment_is_closed(lab: Lab, brokers: Brokers) -> None:
    environ = {"VAULT_TOKEN": "t", "BAO_TOKEN": "t", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "ACTIONS_RUNTIME_TOKEN": "t", "MY_ID_TOKEN": "t", "OTHER": "o"}
    print_names = (sys.executable, "-c", "import os; print(*sorted(os.environ))")
    broker = brokers.exec(lab, *KV, command=print_names, environ=environ)
    assert broker.wait() == 0
    assert set(broker.output.split()) - {"LC_CTYPE"} == {"HOME", "OTHER", "PASSWORD", "PATH", "VAULT_ADDR"}
    pristine = brokers.exec(lab, *KV, "--pristine", "--keep-env", "ACTIONS_RUNTIME_TOKEN", command=print_names, environ=environ)
    assert pristine.wait() == 0
    assert set(pristine.output.split()) - {"LC_CTYPE"} == {"ACTIONS_RUNTIME_TOKEN", "HOME", "PASSWORD", "PATH"}


def test_files_are_there_for_the_command_only(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    script = 'cat "$SEALGATE_FILES/pw"; echo; stat -c %a "$SEALGATE_FILES" "$SEALGATE_FILES/pw"; echo "$SEALGATE_FILES"; wc -c < "$SEALGATE_FILES/pw"'
    broker = brokers.exec(lab, "--file", "secret/ci/app#password=pw", command=_sh(script), environ={"TMPDIR": str(tmp_path)})
    assert broker.wait() == 0
    shown, *modes, folder, length = broker.output.split()
    assert (shown, modes, length) == ("***", ["700", "600"], str(len(lab.values["password"])))
    assert not Path(folder).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_command_the_files_and_the_token(lab: Lab, brokers: Brokers, number: int) -> None:
    broker = brokers.exec(lab, "--file", "secret/ci/app#password=pw", command=_sh('echo "at $SEALGATE_FILES end"; exec sleep 30'))
    folder = broker.until(" end").split()[1]
    assert Path(folder, "pw").exists()
    broker.send(number)
    assert broker.wait() == 128 + number
    assert not Path(folder).exists()
    assert broker.states == [("the token", "ended")]


def test_a_command_that_is_not_there_costs_no_login(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    before = lab.issuer.hits.total()
    for command, code in ((("no-such-command-",), 127), ((str(tmp_path),), 126)):
        broker = brokers.exec(lab, *KV, command=command)
        assert broker.wait() == code
        assert broker.errors.count("\n") == 1
    assert lab.issuer.hits.total() == before


def test_a_command_that_cannot_start_leaves_nothing(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"\x7fELF nonsense")
    bad.chmod(0o755)
    broker = brokers.exec(lab, *KV, command=(str(bad),))
    assert (broker.wait(), broker.states) == (126, [("the token", "ended")])


USAGE: Final = {
    "no command": ((*KV, "--"), "which command"),
    "an unknown option": ((*KV, "--no-such", "--", "true"), "unknown option --no-such"),
    "nothing to read": (("--", "true"), "nothing to read"),
    "a bad request": (("--secret", "secret/../x#y=Z", "--", "true"), "'.' or '..'"),
    "a variable that steers": (("--secret", "secret/ci/app#password=LD_PRELOAD", "--", "true"), "LD_PRELOAD is refused"),
    "a bad time": ((*KV, "--ttl", "soon", "--", "true"), "no length of time"),
    "no such set": (("--set", "none", "--", "true"), "no set 'none'"),
    "no folder for the report": ((*KV, "--report-end", "/no/such/file", "--", "true"), "no such folder"),
    "two requests for one variable": ((*KV, "--secret", "kv1/ci/app#user=PASSWORD", "--", "true"), "two requests go to"),
}


@pytest.mark.parametrize("name", USAGE)
def test_a_wrong_call_is_125_before_anything_is_asked(lab: Lab, brokers: Brokers, name: str) -> None:
    arguments, said = USAGE[name]
    before = lab.issuer.hits.total()
    broker = brokers.start("broker", "exec", "--role", "ci", *arguments, environ={**lab.environ(), "GITHUB_ACTIONS": "true"})
    assert (broker.wait(), said in broker.errors, broker.errors.count("\n")) == (125, True, 1)
    assert lab.issuer.hits.total() == before


def test_refusals_and_outages_are_125_and_say_which(lab: Lab, brokers: Brokers, fake: FakeServer) -> None:
    refused = brokers.exec(lab, *KV, ref_protected="false")
    denied = brokers.exec(lab, "--secret", "secret/prod/app#password=P")
    expired = brokers.exec(lab, *KV, exp=int(time.time()) - 600)
    fake.tell(Answer(503, {"errors": ["Vault is sealed"]}))
    sealed = brokers.exec(lab, *KV, "--timeout", "1s", "--vault-addr", fake.url)
    assert [one.wait() for one in (refused, denied, expired, sealed)] == [125] * 4
    assert "claim ref_protected" in refused.errors
    assert "read secret/data/prod/app" in denied.errors
    assert denied.states == [("the token", "ended")]
    assert "expired" in expired.errors
    assert "sealed" in sealed.errors


def test_a_strict_end_fails_where_something_is_left(lab: Lab, brokers: Brokers) -> None:
    left = brokers.exec(lab, *KV, "--strict-end", role="ci-batch")
    well = brokers.exec(lab, *KV, "--strict-end")
    failed = brokers.exec(lab, *KV, "--strict-end", role="ci-batch", command=_sh("exit 9"))
    lax = brokers.exec(lab, *KV, role="ci-batch")
    assert [one.wait() for one in (left, well, failed, lax)] == [125, 0, 9, 0]
    assert (left.ends["proven"], lax.ends["proven"]) == (False, False)


def test_a_lost_network_is_told_and_does_not_hang(lab: Lab, brokers: Brokers) -> None:
    relay = Relay(lab.address)
    broker = brokers.exec(lab, *KV, "--vault-addr", relay.url, command=_sh("echo ready; sleep 0.5; exit 4"))
    broker.until("ready")
    relay.cut()
    started = time.monotonic()
    assert broker.wait() == 4
    assert time.monotonic() - started < 14
    assert broker.states == [("the token", "lives")]
    assert "lives until" in broker.errors


def test_a_set_of_the_configuration(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    (tmp_path / ".sealgate.yaml").write_text(
        "broker:\n  sets:\n    deploy:\n      secrets: ['secret/ci/app#password=PASSWORD']\n      files: ['kv1/ci/app#user=name']\n"
    )
    broker = brokers.exec(lab, "--set", "deploy", command=_sh('echo "$PASSWORD $(cat $SEALGATE_FILES/name)"'), cwd=str(tmp_path))
    assert (broker.wait(), broker.output) == (0, "*** ***\n")


def test_the_claims_policy_of_the_configuration_decides(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    policy = {"broker": {"issuers": {lab.issuer.url: "github"}, "allow": [{"role": "ci", "platform": "github", "repository_id": "74", "forks": "unknown"}]}}
    config = tmp_path / "policy.yaml"
    config.write_text(json.dumps(policy))
    allowed = brokers.exec(lab, *KV, "--config", str(config))
    refused = brokers.exec(lab, *KV, "--config", str(config), repository_id="75")
    assert [allowed.wait(), refused.wait()] == [0, 125], allowed.errors
    assert "repository_id is 75, wanted 74" in refused.errors


def test_the_other_ways_to_log_in(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    role_id, secret_id = lab.app_role()
    environ = {**lab.environ(), "VAULT_TOKEN": lab.login()["client_token"], "VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id}
    report = ("--report-end", "FOLDER/end.json", *KV, "--", *SHOW)
    by_token = brokers.start("broker", "exec", "--auth", "token", *report, environ=environ)
    by_role = brokers.start("broker", "exec", "--auth", "approle", *report, environ=environ)
    account = tmp_path / "token"
    account.write_text(lab.issuer.mint_service_account("ci:runner"))
    kubernetes = brokers.start(
        "broker", "exec", "--auth", "kubernetes", "--role", "ci", "--token-file", str(account), "--issuer", lab.issuer.url,
        *report, environ=lab.environ(),
    )  # fmt: skip
    assert [one.wait() for one in (by_token, by_role, kubernetes)] == [0] * 3, kubernetes.errors
    assert {one.output for one in (by_token, by_role, kubernetes)} == {"<***>\n"}
    # A token that was there before is there afterwards.
    assert [one.states for one in (by_token, by_role, kubernetes)] == [[], [("the token", "ended")], [("the token", "ended")]]
    assert lab.lives(environ["VAULT_TOKEN"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_server_hangs_stops_the_opening(lab: Lab, brokers: Brokers, fake: FakeServer, number: int) -> None:
    fake.tell(Answer(200, {}, delay=20))
    broker = brokers.exec(lab, *KV, "--vault-addr", fake.url)
    _wait_for_request(fake, broker)
    broker.send(number)
    started = time.monotonic()
    assert broker.wait() == 128 + number
    assert time.monotonic() - started < 6
    assert "stopped before the command ran" in broker.errors


def test_a_signal_between_two_tries_stops_the_opening_at_once(lab: Lab, brokers: Brokers, fake: FakeServer) -> None:
    fake.tell(Answer(503, {"errors": ["Vault is sealed"]}))
    broker = brokers.exec(lab, *KV, "--vault-addr", fake.url)
    _wait_for_request(fake, broker, 3)
    broker.send(signal.SIGTERM)
    started = time.monotonic()
    assert broker.wait() == 128 + signal.SIGTERM
    assert time.monotonic() - started < 2


def test_a_token_that_comes_after_the_signal_is_ended(lab: Lab, brokers: Brokers) -> None:
    lab.issuer.delay = 0.6  # the server asks for keys while the login waits
    kid = lab.issuer.rotate("ES256")
    try:
        token = lab.issuer.mint("ES256", kid=kid)
        relay = Relay(lab.address)
        broker = brokers.exec(lab, *KV, "--vault-addr", relay.url, environ={"IDENTITY": token})
        end = time.monotonic() + 15
        while b"auth/jwt/login" not in relay.traffic and time.monotonic() < end:
            time.sleep(0.01)
        broker.send(signal.SIGTERM)
        assert broker.wait() == 128 + signal.SIGTERM
    finally:
        lab.issuer.delay = 0
    assert broker.states == [("the token", "ended")]
    assert not [token for token in relay.secrets() if token.startswith(("s.", "hvs.")) and lab.lives(token)]


def _wait_for_request(fake: FakeServer, broker: Broker, count: int = 1) -> None:
    end = time.monotonic() + 15
    while len(fake.seen) < count:
        assert time.monotonic() < end, broker.errors
        time.sleep(0.02)


def test_the_credentials_live_while_the_output_is_blocked(lab: Lab, brokers: Brokers, tmp_path: Path) -> None:
    """A reader that has stopped reading, as a pager does, stops neither the renewals nor, later, the end."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        relay = Relay(lab.address)
        options = (*KV, "--vault-addr", relay.url, "--kill-after", "1")
        broker = brokers.exec(lab, *options, command=("yes",), role="ci-short", out=str(pipe))
        time.sleep(6)
        tokens = [token for token in relay.secrets() if token.startswith(("s.", "hvs."))]
        assert any(map(lab.lives, tokens))
        broker.send(signal.SIGTERM)
        assert broker.wait() == 128 + signal.SIGTERM
        assert not any(map(lab.lives, tokens))
    finally:
        os.close(reader)
