# SPDX-License-Identifier: Apache-2.0
"""The fault table: each row provoked, on a real OpenBao wherever that can show it, with what comes of it.

The ids of the cases are `row [how]`. A case states the error that ends it; `AGAIN` and `A_FEW_TIMES` state which
rows are tried again, whatever the table says. A case with `repair` is run once more, with the fault mended during the first wait:
it must then succeed. Waiting costs no time here: the clock is the test's, and waits move it on.
"""

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
from connect import secret
from fakeserver import Answer, FakeServer
from lab import Bao, Lab, Postgres

from scanner.broker.connection import Settings
from scanner.broker.faults import FAULTS, Operation, Refusal, classify, harmless, text_of
from scanner.broker.model import Deadline, VaultToken
from scanner.broker.vault import Vault
from scanner.errors import ConfigError, DeniedError, SealgateError, UnavailableError
from scanner.model import Secret

ROWS = {fault.id: fault for fault in FAULTS}


class Clock:
    """Time that passes as fast as it likes: real time, and what was waited for."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.on_wait: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return time.monotonic() + sum(self.waits)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.on_wait()


class World:
    """What a case may use; what it does not use is not started."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request
        self.clock = Clock()
        self.sent: list[str] = []

    @cached_property
    def lab(self) -> Lab:
        return self._request.getfixturevalue("lab")

    @cached_property
    def fake(self) -> FakeServer:
        return self._request.getfixturevalue("fake")

    @cached_property
    def raft(self) -> tuple[Bao, str]:
        return self._request.getfixturevalue("raft")

    @cached_property
    def postgres(self) -> Postgres:
        return self.lab.postgres

    def vault(self, address: str, token: str = "", namespace: str = "", seconds: float = 60) -> Vault:
        """A connection whose token, if any, nobody has checked."""
        vault = Vault(Settings((address,), namespace, namespace), Deadline(seconds, self.clock), sleep=self.clock.sleep)
        if token:
            self.sent.append(token)
            vault._state.tokens.append(VaultToken(secret(token), "", 60, True, "service", (), 0, namespace))
        return vault

    def at_lab(self, role: str = "", namespace: str = "") -> Vault:
        token = self.lab.root if role == "root" else self.lab.login(role)["client_token"] if role else ""
        return self.vault(self.lab.address, token, namespace)

    def at_fake(self, *answers: Answer) -> Vault:
        self.fake.tell(*answers)
        return self.vault(self.fake.url, "x" * 26)

    def mint(self, *arguments: Any, **options: Any) -> Secret:
        token = self.lab.issuer.mint(*arguments, **options)
        self.sent.append(token)
        return secret(token)


@pytest.fixture
def world(request: pytest.FixtureRequest) -> World:
    return World(request)


@pytest.fixture(scope="session")
def raft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bao, str]]:
    """A server on disk that can be sealed, and its unseal key."""
    server = Bao.raft(tmp_path_factory.mktemp("raft"))
    try:
        yield server, server.initialise()
    finally:
        server.stop()


Act = Callable[[World], Any]
Arrange = Callable[[World], "contextlib.AbstractContextManager[Callable[[], object] | None]"]


class Case(NamedTuple):
    """A fault: how it comes about, what is done meanwhile, and the error that it ends with."""

    row: str
    how: str
    act: Act
    error: type[SealgateError]
    arrange: Arrange | None = None
    said: str = ""


def _login(role: str = "ci", mount: str = "jwt", namespace: str = "", **changes: Any) -> Act:
    return lambda world: world.at_lab(namespace=namespace).login_jwt(mount, role, world.mint(**changes))


def _login_with(make: Callable[[World], str]) -> Act:
    return lambda world: world.at_lab().login_jwt("jwt", "ci", secret(make(world)))


def _as(role: str, act: Callable[[Vault], Any]) -> Act:
    return lambda world: act(world.at_lab(role))


def _fake_read(*answers: Answer) -> Act:
    return lambda world: world.at_fake(*answers).read("secret/data/ci/app", mount="secret/")


def _fake_dynamic(*answers: Answer) -> Act:
    return lambda world: world.at_fake(*answers).read("database/creds/ci", mount="database/", dynamic=True)


def _error(status: int, text: str, **headers: str) -> Answer:
    return Answer(status, {"errors": [text]}, {name.replace("_", "-"): value for name, value in headers.items()})


@contextlib.contextmanager
def _told_well(world: World) -> Iterator[Callable[[], object]]:
    """The repair of a fake: it answers as it should."""
    yield lambda: world.fake.tell(Answer(200, {"data": {"data": {}}}))


@contextlib.contextmanager
def _sealed(world: World) -> Iterator[Callable[[], object]]:
    server, key = world.raft
    server.seal()
    try:
        yield lambda: server.health() == 503 and server.unseal(key)
    finally:
        if server.health() == 503:
            server.unseal(key)


@contextlib.contextmanager
def _issuer_down(world: World) -> Iterator[Callable[[], object]]:
    issuer = world.lab.issuer
    issuer.rotate()
    issuer.fail_with = 503
    try:
        yield lambda: setattr(issuer, "fail_with", 0)
    finally:
        issuer.fail_with = 0


@contextlib.contextmanager
def _database_down(world: World) -> Iterator[Callable[[], object]]:
    postgres = world.postgres
    postgres.stop()
    try:
        yield lambda: postgres.process is None and postgres.start()
    finally:
        if postgres.process is None:
            postgres.start()


@contextlib.contextmanager
def _quota(world: World) -> Iterator[Callable[[], object]]:
    """One request in ten seconds, which is used up."""
    quota = "sys/quotas/rate-limit/faults"
    world.lab.bao.write(quota, {"path": "kv1", "rate": 1, "interval": "10s"})
    world.lab.bao.request("GET", "kv1/ci/app")
    try:
        yield lambda: world.lab.bao.write(quota, method="DELETE")
    finally:
        world.lab.bao.write(quota, method="DELETE")


def _forged(world: World, **changes: Any) -> str:
    """A token whose payload was changed after it was signed."""
    head, body, _ = world.lab.issuer.mint().split(".")
    other = world.lab.issuer.mint(actor="somebody else").split(".")
    return ".".join([head, other[1] if other[1] != body else body, world.lab.issuer.mint().split(".")[2]])


def _confused(world: World) -> str:
    return world.lab.issuer.mint_confused()


def _unknown_key(world: World) -> str:
    issuer = world.lab.issuer
    kid = issuer.rotate(publish=False)
    token = issuer.mint(kid=kid)
    del issuer.keys[kid]
    return token


def _with_rs512(world: World) -> str:
    issuer = world.lab.issuer
    kid = next(name for name in issuer.published if issuer.keys[name][0] == "RS256")
    return jwt.encode(issuer.claims(), issuer.keys[kid][1], algorithm="RS512", headers={"kid": kid})


def _role(name: str, **settings: Any) -> Act:
    """A login to a role that is made for it."""

    def act(world: World) -> Any:
        world.lab.set_role(name, **settings)
        return _login(name)(world)

    return act


def _app_role(world: World) -> Any:
    return world.at_lab().login_approle("approle", world.lab.app_role()[0], secret("not-the-secret-id"))


def _service_account(world: World) -> Any:
    token = world.lab.issuer.mint_service_account("ci:somebody-else")
    return world.at_lab().login_kubernetes("kubernetes", "ci", secret(token))


def _unwrap_twice(world: World) -> Any:
    wrapping = _wrapped(world.lab)
    vault = world.at_lab()
    vault.unwrap(secret(wrapping))
    world.sent.append(wrapping)
    return vault.unwrap(secret(wrapping))


def _wrapped(lab: Lab) -> str:
    import requests

    headers = {"X-Vault-Token": lab.root, "X-Vault-Wrap-TTL": "60s"}
    answer = requests.post(f"{lab.address}/v1/sys/wrapping/wrap", json={"a": "b"}, headers=headers, timeout=10)
    return str(answer.json()["wrap_info"]["token"])


def _renew_certificate(world: World) -> Any:
    settings = {"allowed_domains": ["example.test"], "allow_subdomains": True, "max_ttl": "1h", "generate_lease": True}
    world.lab.bao.write("pki/roles/leased", settings)
    vault = world.at_lab("root")
    lease = vault.write("pki/issue/leased", {"common_name": "a.example.test"}, dynamic=True).lease_id
    assert lease is not None
    world.sent.append(lease.reveal().decode())
    return vault.renew_lease(lease, 60)


def _revoked(world: World) -> Any:
    token = world.lab.login()["client_token"]
    world.lab.bao.write("auth/token/revoke", {"token": token})
    return world.vault(world.lab.address, token).read("secret/data/ci/app")


def _expired_twice(world: World) -> Any:
    """The one fresh token has expired, too: then it ends."""
    old = {"iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_300}
    made = [world.mint(**old), world.mint(**old), world.mint()]
    return world.at_lab().login_jwt("jwt", "ci", made.pop(0), lambda: made.pop(0))


_HTML = {"Content-Type": "text/html"}
_PAGE = b"<html>Log in to the guest network</html>"
_HOUR_AGO = {"iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_300}
_LATER = int(time.time()) + 3600

CASES = [
    # The server or the way to it
    Case("sealed", "raft server sealed", lambda world: world.vault(world.raft[0].address, "x").read("secret/data/x"), UnavailableError,
         _sealed, "the server is sealed or not initialised: it is sealed"),
    Case("standby-redirect", "fake 307 to a host not configured", _fake_read(Answer(307, b"", {"Location": "http://127.0.0.1:1/v1/x"})),
         UnavailableError, _told_well, "redirects to http://127.0.0.1:1"),
    Case("unreachable", "nobody listens", lambda world: world.vault("http://127.0.0.1:1", "x").read("secret/data/x"), UnavailableError,
         said="http://127.0.0.1:1 takes no connection"),
    Case("no-answer", "fake breaks off", _fake_read(Answer(200, b"x" * 80, cut=True)), UnavailableError, _told_well, "broke the connection off"),
    Case("no-answer-dynamic", "fake breaks off", _fake_dynamic(Answer(200, b"x" * 80, cut=True)), UnavailableError),
    Case("not-json", "fake portal page with 200", _fake_read(Answer(200, _PAGE, _HTML)), UnavailableError, said="text/html instead of JSON"),
    Case("not-json", "fake list with 200", _fake_read(Answer(200, ["a"])), UnavailableError),
    Case("oversize", "fake 17 MiB", _fake_read(Answer(200, b"x" * (17 << 20))), UnavailableError, said="larger than"),
    Case("replication-lag", "fake 412", _fake_read(_error(412, "required index state not present")), UnavailableError, _told_well),
    Case("rate-limit", "quota used up, no Retry-After", _as("root", lambda vault: vault.read("kv1/ci/app")), UnavailableError, _quota),
    Case("rate-limit", "fake 429 with Retry-After", _fake_read(_error(429, "rate limit quota exceeded", Retry_After="2")), UnavailableError,
         _told_well),
    Case("other-node", "fake 472", _fake_read(_error(472, "dr secondary")), UnavailableError, _told_well),
    Case("other-node", "fake 473", _fake_read(_error(473, "performance standby")), UnavailableError, _told_well),
    Case("gateway", "fake 502 with a page", _fake_read(Answer(502, _PAGE, _HTML)), UnavailableError, _told_well),
    Case("gateway", "fake 503 with a page", _fake_dynamic(Answer(503, _PAGE, _HTML)), UnavailableError, _told_well),
    Case("gateway", "fake 504 with a page", _fake_read(Answer(504, _PAGE, _HTML)), UnavailableError, _told_well),
    Case("gateway-dynamic", "fake 502", _fake_dynamic(Answer(502, _PAGE, _HTML)), UnavailableError),
    Case("gateway-dynamic", "fake 504", _fake_dynamic(Answer(504, _PAGE, _HTML)), UnavailableError),
    Case("issuer-down", "new key, issuer answers 503", _login(), UnavailableError, _issuer_down),
    Case("database-down", "PostgreSQL stopped", _as("ci", lambda vault: vault.read("database/creds/ci", dynamic=True)), UnavailableError,
         _database_down),
    Case("no-active-node", "fake 500", _fake_read(_error(500, "local node not active but active cluster node not found")), UnavailableError,
         _told_well),
    Case("server-error", "fake 500", _fake_read(_error(500, "internal error")), UnavailableError, _told_well, "failed with status 500"),
    # Logins
    Case("audience", "another", _login(aud="https://other.example"), DeniedError),
    Case("audience", "none", _login(aud=None), DeniedError),
    Case("audience-unbound", "role without bound_audiences", _login("ci-noaud"), DeniedError),
    Case("issuer", "another", _login(iss="https://other.example"), DeniedError),
    Case("issuer", "a final slash", lambda world: _login(iss=f"{world.lab.issuer.url}/")(world), DeniedError),
    Case("subject", "another", _role("ci-subject", bound_subject="repo:octo-org/other:ref:refs/heads/main"), DeniedError),
    Case("token-expired", "and no other to be had", _login(**_HOUR_AGO), DeniedError),
    Case("token-expired", "the fresh one, too", _expired_twice, DeniedError),
    Case("token-early", "nbf an hour ahead", _login(nbf=_LATER, exp=2 * 3600 + _LATER), DeniedError),
    Case("token-early", "iat an hour ahead", _login(iat=_LATER, nbf=None, exp=2 * 3600 + _LATER), DeniedError),
    Case("algorithm-forbidden", "none", _login_with(lambda world: world.lab.issuer.mint_unsigned("none")), DeniedError),
    Case("algorithm-forbidden", "nOnE", _login_with(lambda world: world.lab.issuer.mint_unsigned("nOnE")), DeniedError),
    Case("algorithm-forbidden", "HS256 with the public key", _login_with(_confused), DeniedError),
    Case("algorithm", "RS512 where it is not allowed", _login_with(_with_rs512), DeniedError),
    Case("signature", "a key that was never published", _login_with(_unknown_key), DeniedError),
    Case("signature", "changed payload", _login_with(_forged), DeniedError),
    Case("signature", "cut", _login_with(lambda world: world.lab.issuer.mint()[:-8]), DeniedError),
    Case("claim-differs", "another repository", _login(repository="octo-org/other"), DeniedError, said="claim repository has none of the values"),
    Case("claim-differs", "a glob taken literally", _login("ci-noglob"), DeniedError, said="claim sub has none of the values"),
    Case("claim-missing", "no ref_protected", _login(ref_protected=None), DeniedError, said="wants the claim ref_protected"),
    Case("user-claim", "not in the token", _login("ci-user-missing"), DeniedError, said="lacks the claim nosuchclaim"),
    Case("role-unknown", "no such role", _login("nothing"), DeniedError),
    Case("role-unknown", "empty", _login(""), DeniedError),
    Case("role-type", "oidc", _login("ci-oidc"), DeniedError),
    Case("cel", "event refused", _login(mount="jwt/cel", event_name="pull_request"), DeniedError, said="saying: event pull_request is not allowed"),
    Case("policy-template", "claim absent: 500 and permanent", _login("ci-template", environment=None), DeniedError),
    Case("login-denied", "no such mount", _login(mount="nothing"), DeniedError, said="no such auth mount"),
    Case("login-denied", "other address", _login("ci-cidr"), DeniedError),
    Case("app-role", "wrong secret id", _app_role, DeniedError),
    Case("service-account", "another", _service_account, DeniedError),
    Case("namespace", "login", _login(namespace="nothing"), ConfigError),
    Case("namespace", "read", lambda world: world.vault(world.lab.address, world.lab.root, "nothing").read("secret/data/x"), ConfigError),
    # Requests with a token
    Case("policy", "denial", _as("ci", lambda vault: vault.read("secret/data/prod/app")), DeniedError),
    Case("policy", "no such mount, live token", _as("ci", lambda vault: vault.read("nothing/x")), DeniedError),
    Case("no-mount", "preflight", _as("ci", lambda vault: vault.mount_of("nothing/x")), DeniedError),
    Case("token-refused", "revoked, no way to log in again", _revoked, DeniedError),
    Case("token-refused", "never was", lambda world: world.vault(world.lab.address, "s.nothing").read("secret/data/ci/app"), DeniedError),
    Case("token-refused", "fake of HashiCorp Vault's wording", _fake_read(
        _error(403, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")), DeniedError),
    Case("no-token", "fake of HashiCorp Vault's wording", _fake_read(_error(400, "missing client token")), DeniedError),
    Case("wrapping", "unwrapped twice", _unwrap_twice, DeniedError),
    Case("batch", "renew", _as("ci-batch", lambda vault: vault.renew_self(60)), DeniedError),
    Case("batch", "revoke", _as("ci-batch", Vault.revoke_self), DeniedError),
    Case("lease-gone", "renew", _as("ci", lambda vault: vault.renew_lease(secret("database/creds/ci/nothing"), 60)), DeniedError),
    Case("accessor-gone", "fake", lambda world: world.at_fake(_error(400, "1 error occurred:\n\t* invalid accessor\n\n")).renew_self(60), DeniedError),
    Case("not-renewable", "a certificate's lease", _renew_certificate, DeniedError),
    Case("engine-role", "PKI", _as("root", lambda vault: vault.write("pki/issue/nothing", {"common_name": "a.example.test"})), ConfigError),
    Case("engine-role", "transit key", _as("root", lambda vault: vault.write("transit/decrypt/nothing", {"ciphertext": "vault:v1:AAAA"})),
         ConfigError),
    Case("invalid-request", "PKI name not allowed", _as("ci", lambda vault: vault.write("pki/issue/ci", {"common_name": "evil.test"})), ConfigError),
    Case("not-found", "fake", lambda world: world.at_fake(_error(404, "")).lookup_self(), ConfigError),
    Case("method", "GET of what is written to", _as("root", lambda vault: vault.read("ssh/sign/ci")), ConfigError),
    Case("too-large", "33 MiB", _as("root", lambda vault: vault.write("secret/data/x", {"data": {"a": "x" * (33 << 20)}})), ConfigError),
]  # fmt: skip

# Until the deadline; three times more; all other rows never.
AGAIN = {
    "sealed", "standby-redirect", "unreachable", "no-answer", "replication-lag", "rate-limit", "other-node", "gateway", "issuer-down",
    "no-active-node",
}  # fmt: skip
A_FEW_TIMES = {"database-down", "server-error"}

# The cases that get better.
REPAIRED = [case for case in CASES if case.arrange is not None]


def _id(case: Case) -> str:
    return f"{case.row} [{case.how}]"


def test_every_row_has_a_case_and_every_case_a_row() -> None:
    assert {case.row for case in CASES} == set(ROWS)
    assert len({_id(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_fault(case: Case, world: World) -> None:
    row = ROWS[case.row]
    if case.row == "database-down":
        world.postgres  # noqa: B018  starts it, or skips
    with case.arrange(world) if case.arrange else contextlib.nullcontext(), pytest.raises(SealgateError) as caught:
        case.act(world)
    assert type(caught.value) is case.error
    said = case.said or re.split(r"\{", row.message)[0]
    assert said in str(caught.value)
    assert caught.value.hint == row.hint
    assert not [one for one in world.sent if len(one) > 8 and one in str(caught.value)]
    _check_waits(case.row, world.clock.waits)
    if world.clock.waits:
        assert f"tried {len(world.clock.waits) + 1} times" in str(caught.value)


def _check_waits(row: str, waits: list[float]) -> None:
    if row in AGAIN:
        # To the deadline of a minute, with waits that grow up to five seconds; the server's own two seconds more.
        assert 8 < len(waits) < 200
        assert (sum(waits) < 60, max(waits) <= 7, waits[0] <= 2.5) == (True, True, True)
    else:
        assert len(waits) == (3 if row in A_FEW_TIMES else 0)


@pytest.mark.parametrize("case", REPAIRED, ids=_id)
def test_fault_that_is_mended_meanwhile(case: Case, world: World) -> None:
    if case.row == "database-down":
        world.postgres  # noqa: B018  starts it, or skips
    with case.arrange(world) as repair:
        world.clock.on_wait = repair
        if case.row == "sealed":
            # A sealed server has no engine to read from yet; its refusal is another one than before.
            with pytest.raises(DeniedError):
                case.act(world)
        else:
            assert case.act(world)
    assert len(world.clock.waits) >= 1


def test_a_server_that_was_never_initialised_is_told_from_a_sealed_one(world: World, tmp_path: Path) -> None:
    server = Bao.raft(tmp_path)
    try:
        with pytest.raises(UnavailableError, match="it was never initialised"):
            world.vault(server.address).login_jwt("jwt", "ci", secret("a.b.c"))
    finally:
        server.stop()


def test_a_standby_whose_active_node_died_is_waited_for(tmp_path: Path) -> None:
    """Two real nodes: the standby sends a write to the dead one by 307; when it is back, the write succeeds."""
    one, two = Bao.raft(tmp_path / "a", "one"), None
    try:
        key = one.initialise()
        one.write("sys/mounts/kv", {"type": "kv", "options": {"version": "1"}})
        two = Bao.raft(tmp_path / "b", "two")
        two.root = one.root
        two.write("sys/storage/raft/join", {"leader_api_addr": one.address})
        two.write("sys/unseal", {"key": key}, method="PUT")
        two.wait_for(429)
        one.kill()
        answer = _wait_for_redirect(two)
        assert answer.startswith(one.address)
        vault = Vault(Settings((two.address,)), Deadline(2))
        vault._state.tokens.append(VaultToken(secret(two.root), "", 0, False, "service", (), 0, ""))
        with pytest.raises(UnavailableError, match=f"writing to kv/x.*redirects to {one.address}"):
            vault.write("kv/x", {"a": "b"})
        one.start()
        one.wait_for(503)
        one.write("sys/unseal", {"key": key}, method="PUT")
        assert vault.within(Deadline(60)).write("kv/x", {"a": "b"}).found
    finally:
        one.stop()
        if two is not None:
            two.stop()


def _wait_for_redirect(server: Bao) -> str:
    """Return where a standby without an active node redirects to."""
    import requests

    end = time.monotonic() + 30
    while time.monotonic() < end:
        headers = {"X-Vault-Token": server.root}
        answer = requests.post(f"{server.address}/v1/kv/x", json={"a": "b"}, headers=headers, timeout=30, allow_redirects=False)
        if answer.status_code == 307:
            return str(answer.headers["Location"])
        time.sleep(0.2)
    raise AssertionError(f"no redirect, but {answer.status_code}")


def test_an_expired_identity_token_is_replaced_once(world: World) -> None:
    made = [world.mint()]
    token = world.at_lab().login_jwt("jwt", "ci", world.mint(**_HOUR_AGO), made.pop)
    assert (token.ttl_seconds, made, world.clock.waits) == (600, [], [])


def test_an_identity_token_that_is_a_little_early_is_waited_for(world: World) -> None:
    vault = world.at_lab()
    world.clock.on_wait = lambda: time.sleep(world.clock.waits[-1])
    now = int(time.time())
    assert vault.login_jwt("jwt", "ci", world.mint(iat=now + 62, nbf=now + 62, exp=now + 400)).policies
    assert len(world.clock.waits) == 1
    assert 0.5 <= world.clock.waits[0] <= 4


def test_a_dynamic_read_is_not_repeated_where_its_outcome_is_unknown(world: World) -> None:
    with pytest.raises(UnavailableError, match="whether the server made a lease is not known"):
        world.at_fake(Answer(200, {}, delay=2)).within(Deadline(0.5)).read("database/creds/ci", dynamic=True)
    assert len(world.fake.seen) == 1


def test_a_login_is_repeated_where_its_outcome_is_unknown(world: World) -> None:
    vault = world.at_fake(Answer(200, b"x" * 80, cut=True), Answer(200, {"auth": {"client_token": "x"}}))
    assert vault.login_jwt("jwt", "ci", secret("a.b.c"))
    assert len(world.fake.seen) == 2


def test_a_policy_s_refusal_never_leads_to_another_login(world: World) -> None:
    vault = world.at_lab()
    vault.login_jwt("jwt", "ci", world.mint(), world.mint)
    with pytest.raises(DeniedError):
        vault.read("secret/data/prod/app")
    assert len(vault.tokens) == 1


def test_a_token_that_is_refused_again_after_another_login_is_refused(world: World) -> None:
    vault = world.at_fake(Answer(200, {"auth": {"client_token": "one"}}))
    vault.login_jwt("jwt", "ci", secret("a.b.c"))
    world.fake.tell(
        _error(403, "permission denied"), Answer(200, {"auth": {"client_token": "two"}}), _error(403, "permission denied")
    )
    with pytest.raises(DeniedError, match="does not know the token"):
        vault.read("secret/data/ci/app")
    paths = [seen.path for seen in world.fake.seen]
    assert paths == ["/v1/secret/data/ci/app", "/v1/auth/jwt/login", "/v1/secret/data/ci/app"]
    assert world.fake.seen[-1].headers["x-vault-token"] == "two"


def test_the_last_error_is_the_servers_even_where_the_time_runs_out_during_a_try(world: World) -> None:
    vault = world.at_fake(_error(412, "required index state not present"), Answer(200, {}, delay=3)).within(Deadline(1))
    with pytest.raises(UnavailableError, match="not yet seen what was written at another; tried 2 times"):
        vault.read("a/b")


def test_retry_after_is_kept_to(world: World) -> None:
    vault = world.at_fake(_error(429, "rate limit quota exceeded", Retry_After="7"), Answer(200, {"data": {"a": "b"}}))
    assert vault.read("a/b").found
    assert 7 <= world.clock.waits[0] < 13


def test_retry_after_beyond_the_deadline_ends_it_at_once(world: World) -> None:
    with pytest.raises(UnavailableError, match="rate limit"):
        world.at_fake(_error(429, "rate limit quota exceeded", Retry_After="600")).read("a/b")
    assert (world.clock.waits, len(world.fake.seen)) == ([], 1)


def test_waits_are_spread(world: World) -> None:
    for _ in range(3):
        with pytest.raises(UnavailableError):
            world.vault("http://127.0.0.1:1", "x").read("a/b")
    firsts = {round(wait, 6) for wait in world.clock.waits}
    assert len(firsts) == len(world.clock.waits)


def test_no_server_s_text_is_quoted(world: World) -> None:
    """A proxy may echo what it was sent."""
    token = "hvs." + "A1b2" * 24
    for status in (400, 403, 404, 405, 412, 429, 500, 502, 503):
        vault = world.at_fake(_error(status, f"you sent {token} for Mallory")).within(Deadline(2, world.clock))
        with pytest.raises(SealgateError) as caught:
            vault.login_jwt("jwt", "ci", secret(token))
        assert (token in str(caught.value), "Mallory" in str(caught.value)) == (False, False)


def test_words_of_the_server_that_are_shown_hold_no_token() -> None:
    token = "hvs." + "A1b2" * 24
    assert harmless(f"event\n pull_request \x1b[2J {token} is not allowed") == "event pull_request [2J … is not allowed"
    assert len(harmless("word " * 100)) <= 120


@pytest.mark.parametrize(
    ("document", "text"),
    [({"errors": ["a", "b"]}, "a\nb"), ({"errors": "plain"}, "plain"), ({"errors": [1, None, "a"]}, "a"), ({}, ""), (None, ""), ([], ""), ("x", ""),
     ({"errors": {"a": 1}}, "")],
    ids=json.dumps,
)  # fmt: skip
def test_errors_of_any_shape(document: Any, text: str) -> None:
    assert text_of(document) == text


@pytest.mark.parametrize(
    "answer", [Answer(400, b"null", {"Content-Type": "application/json"}), Answer(400, b"\xff"), Answer(400, b"[" * 100_000)]
)
def test_a_refusal_with_a_body_of_any_shape(world: World, answer: Answer) -> None:
    with pytest.raises(ConfigError, match="refuses the request"):
        world.at_fake(answer).read("a/b")


@pytest.mark.parametrize("status", [*range(400, 420), 451, 472, 473, *range(500, 512), 599, 201, 304])
def test_every_status_has_a_row(status: int) -> None:
    for action in ("login", "read", "dynamic", "renew", "capabilities"):
        assert classify(Refusal(status, ""), Operation(action, "x")).message


def test_an_operation_names_path_mount_role_and_namespace() -> None:
    told = str(Operation("login", "auth/jwt/login", "jwt", "deploy", "team-a"))
    assert told == "login at auth/jwt/login (mount jwt, role deploy, namespace team-a)"
