# SPDX-License-Identifier: Apache-2.0
"""A hundred runs ended in every way: nothing that they got is left, and nothing secret was ever shown."""

import base64
import os
import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest
from brokers import Broker, Brokers
from connect import secret
from lab import Lab
from relay import Relay

from scanner.broker.model import Deadline
from scanner.broker.vault import Settings, Vault

RUNS: Final = 100
TTL_SECONDS: Final = 6
SECRETS: Final = ("--secret", "secret/ci/app#password=PASSWORD", "--secret", "database/creds/ci=DB", "--file", "kv1/ci/app#user=name")
# Says which process it is, and waits.
WAIT: Final = ("sh", "-c", 'echo "pid $$ files $SEALGATE_FILES ready"; exec sleep 60')


def _pid(broker: Broker) -> int:
    return int(broker.until("ready").split()[1])


def _exit(code: int) -> Any:
    return lambda brokers, lab: (brokers.exec(lab, *SECRETS, "--ttl", str(TTL_SECONDS), command=("sh", "-c", f"exit {code}")), code)


def _signal_to_broker(number: int, code: int) -> Any:
    def run(brokers: Brokers, lab: Lab) -> tuple[Broker, int]:
        broker = brokers.exec(lab, *SECRETS, "--ttl", str(TTL_SECONDS), command=WAIT)
        _pid(broker)
        broker.send(number)
        return broker, code

    return run


def _signal_to_command(number: int) -> Any:
    def run(brokers: Brokers, lab: Lab) -> tuple[Broker, int]:
        broker = brokers.exec(lab, *SECRETS, "--ttl", str(TTL_SECONDS), command=WAIT)
        os.kill(_pid(broker), number)
        return broker, 128 + number

    return run


WAYS: Final = {
    "exit 0": _exit(0),
    "exit 1": _exit(1),
    "SIGTERM to the broker": _signal_to_broker(signal.SIGTERM, 128 + signal.SIGTERM),
    "SIGINT to the broker": _signal_to_broker(signal.SIGINT, 128 + signal.SIGINT),
    "SIGHUP to the broker": _signal_to_broker(signal.SIGHUP, 128 + signal.SIGHUP),
    "SIGKILL of the command": _signal_to_command(signal.SIGKILL),
    "SIGSEGV of the command": _signal_to_command(signal.SIGSEGV),
    "SIGKILL of the broker": _signal_to_broker(signal.SIGKILL, -signal.SIGKILL),
}
PROVEN: Final = [("the lease of database/creds/ci", "ended"), ("the token", "ended")]


def _accessors(lab: Lab) -> set[str]:
    return set(lab.bao.request("LIST", "auth/token/accessors").json()["data"]["keys"])


def _living(lab: Lab, accessors: set[str]) -> set[str]:
    """An accessor may be listed for a moment after its token's end."""
    return {one for one in accessors if lab.bao.request("POST", "auth/token/lookup-accessor", {"accessor": one}).ok}


def test_after_a_hundred_runs_ended_in_every_way_nothing_is_left(lab: Lab, brokers: Brokers) -> None:
    postgres = lab.postgres
    tokens_before, users_before = _accessors(lab), postgres.users()

    def run(number: int) -> tuple[str, int, int, list[tuple[str, str]], str]:
        name = list(WAYS)[number % len(WAYS)]
        broker, wanted = WAYS[name](brokers, lab)
        code = broker.wait()
        return name, code, wanted, broker.states if code != -signal.SIGKILL else [], broker.errors

    with ThreadPoolExecutor(10) as pool:
        runs = list(pool.map(run, range(RUNS)))
    assert [one for one in runs if one[1] != one[2]] == []
    assert {name for name, *_ in runs} == set(WAYS)
    # Where the broker lived to see its end, it has proven it.
    assert [one for one in runs if one[0] != "SIGKILL of the broker" and one[3] != PROVEN] == []
    end = time.monotonic() + TTL_SECONDS + 6
    while time.monotonic() < end and (postgres.users() - users_before or _living(lab, _accessors(lab) - tokens_before)):
        time.sleep(0.2)
    assert postgres.users() - users_before == set()
    assert _living(lab, _accessors(lab) - tokens_before) == set()
    leases = lab.bao.request("LIST", "sys/leases/lookup/database/creds/ci")
    assert leases.status_code == 404, leases.text


class Hunt:
    """Everything secret that the runs had to do with, and everything that they showed."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.relay = Relay(lab.address)
        self.runs: list[Broker] = []
        self.identities: set[str] = set()

    def start(self, brokers: Brokers, *options: str, **more: Any) -> Broker:
        token = self.lab.issuer.mint(**more.pop("claims", {}))
        self.identities.add(token)
        environ = {"IDENTITY": token, **more.pop("environ", {})}
        broker = brokers.exec(self.lab, *options, "--vault-addr", self.relay.url, environ=environ, **more)
        self.runs.append(broker)
        return broker

    def wanted(self) -> set[str]:
        values = {value for name, value in self.lab.values.items() if name != "totp"}
        return {one for one in self.relay.secrets() | self.identities | values if len(one) > 11}

    def shown(self) -> str:
        return "\n".join(path.read_text("utf-8", "backslashreplace") for run in self.runs for path in sorted(run.folder.iterdir()))


@pytest.fixture
def hunt(lab: Lab) -> Iterator[Hunt]:
    started = Hunt(lab)
    yield started
    started.relay.cut()


def _spellings(value: str) -> set[str]:
    return {value, value[-16:] if len(value) > 40 else value, base64.b64encode(value.encode()).decode().rstrip("=")[:-1]}


def test_no_secret_token_identity_or_lease_id_is_ever_shown(lab: Lab, brokers: Brokers, hunt: Hunt, tmp_path: Path) -> None:
    _ = lab.postgres
    tell = ("sh", "-c", 'env; cat "$SEALGATE_FILES"/*; env >&2; env | base64 -w0; echo; env | od -An -tx1 -v | tr -d " \\n"')
    files = ("--file", "secret/ci/app#password=pw")
    db = ("--secret", "database/creds/ci=DB")
    for role in ("ci", "ci-revoke", "ci-batch", "ci-nodefault", "ci-short", "ci-brief"):
        hunt.start(brokers, *SECRETS, *files, command=tell, role=role)
    hunt.start(brokers, "--secret", "secret/prod/app=APP")
    hunt.start(brokers, *db, "--secret", "secret/ci/none=X")
    hunt.start(brokers, *db, "--secret", "secret/ci/app#none=X")
    hunt.start(brokers, *db, "--secret", "database/creds/none=X")
    hunt.start(brokers, "--secret", "database/creds/stuck=DB", command=tell)
    hunt.start(brokers, *db, role="ci-uses")
    hunt.start(brokers, *db, role="ci-template")
    hunt.start(brokers, *db, claims={"ref_protected": "false"})
    hunt.start(brokers, *db, claims={"exp": 1})
    hunt.start(brokers, *db, claims={"aud": "https://other.example.test"})
    hunt.start(brokers, *db, environ={"IDENTITY": lab.issuer.mint() + "\n" + secrets.token_hex(20)})
    hunt.start(brokers, *db, command=(str(tmp_path / "none"),))
    hunt.start(brokers, "--auth", "approle", *db, environ={"VAULT_ROLE_ID": "x", "VAULT_SECRET_ID": lab.app_role()[1]})
    hunt.start(brokers, "--auth", "token", *db, environ={"VAULT_TOKEN": lab.login()["client_token"]})
    hunt.start(brokers, "--auth", "token", *db, environ={"VAULT_TOKEN": "s." + secrets.token_hex(12)})
    for run in hunt.runs:
        run.wait()
    wanted, shown = hunt.wanted(), hunt.shown()
    # The hunt is worth something only if there was something to find, and something was shown.
    assert len(wanted) > 40
    assert any(one.startswith("database/creds/ci/") for one in wanted)
    assert shown.count("***") > 80
    found = {one[:4] + "…" for one in wanted for spelling in _spellings(one) if spelling in shown or one.encode().hex() in shown}
    assert found == set()


def test_nothing_that_knows_a_secret_shows_it_in_its_repr_or_exceptions(lab: Lab) -> None:
    vault = Vault(Settings((lab.address,)), Deadline(10))
    identity = lab.issuer.mint()
    token = vault.login_jwt("jwt", "ci", secret(identity))
    reply = vault.read("secret/data/ci/app")
    texts = [repr(token), repr(vault), repr(reply), repr(vault.tokens), str(token)]
    for broken in (lambda: vault.read("secret/data/prod/app"), lambda: vault.login_jwt("jwt", "none", secret(identity))):
        with pytest.raises(Exception) as raised:
            broken()
        texts += [str(raised.value), repr(raised.value), repr(raised.value.__cause__), repr(raised.value.args)]
    for one in (identity, token.secret.reveal().decode(), lab.values["password"]):
        assert not [text for text in texts if one in text]
