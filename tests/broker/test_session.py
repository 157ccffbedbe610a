# SPDX-License-Identifier: Apache-2.0
"""Sessions with a real server: what is looked at first, what is read, what is renewed, and that it all ends."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from connect import secret
from fakeserver import Answer, FakeServer
from lab import Lab
from relay import Relay

from scanner.broker import closing
from scanner.broker.connection import Settings
from scanner.broker.login import LogIn, by_token
from scanner.broker.model import Deadline, End
from scanner.broker.renewal import Renewable, Renewal
from scanner.broker.request import parse_file, parse_secret
from scanner.broker.session import Session, is_proven
from scanner.broker.vault import Vault
from scanner.errors import ConfigError, DeniedError, SealgateError, UnavailableError
from scanner.model import Secret

KV = "secret/ci/app#password=PASSWORD"
DB = "database/creds/ci=DB"


class Sessions:
    """Makes sessions and closes what a test leaves open; `said` are their remarks."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._made: list[Session] = []
        self.said: list[str] = []

    def make(self, role: str = "ci", *, url: str = "", log_in: LogIn | None = None, seconds: float = 15, **options: Any) -> Session:
        vault = Vault(Settings((url or self._lab.address,)), Deadline(seconds))

        def fresh() -> Secret:
            return secret(self._lab.issuer.mint())

        session = Session(vault, log_in or (lambda v: v.login_jwt("jwt", role, fresh(), fresh)), say=self.said.append, **options)
        self._made.append(session)
        return session

    def open(self, *wanted: str, **options: Any) -> Session:
        session = self.make(**options)
        session.open(parse_secret(text) for text in wanted)
        return session

    def forget(self, session: Session) -> None:
        """There is no way any more to close it."""
        self._made.remove(session)

    def stop(self) -> None:
        for session in self._made:
            session.close()


@pytest.fixture
def sessions(lab: Lab) -> Iterator[Sessions]:
    made = Sessions(lab)
    yield made
    made.stop()


def _states(ends: list[End]) -> dict[str, str]:
    return {end.what: end.state for end in ends}


def _token(session: Session) -> str:
    assert session._vault.token
    return session._vault.token.secret.reveal().decode()


def _accessor_ttl(lab: Lab, session: Session) -> int:
    return lab.bao.request("POST", "auth/token/lookup", {"token": _token(session)}).json()["data"]["ttl"]


def test_secrets_are_read_and_everything_ends(lab: Lab, sessions: Sessions) -> None:
    postgres = lab.postgres
    session = sessions.make()
    session.open([parse_secret(KV), parse_secret(DB), parse_secret("database/creds/ci#username=NAME"), parse_file("kv1/ci/app#user=name.txt")])
    shown = {name: value.reveal().decode() for name, value in session.variables.items()}
    assert shown["PASSWORD"] == lab.values["password"]
    assert session.files["name.txt"].reveal().decode() == lab.values["v1"]
    # One request, one user: however many fields are asked for, they are of one lease.
    assert shown["NAME"] == shown["DB_USERNAME"]
    assert postgres.connects(shown["DB_USERNAME"], shown["DB_PASSWORD"])
    assert {value.encode() for value in shown.values()} <= {one.reveal() for one in session.secrets()}
    assert any(one.reveal().startswith(b"database/creds/ci/") for one in session.secrets())
    token = _token(session)
    assert secret(token) in session.secrets()
    assert lab.lives(token)
    assert [(end.what, end.state) for end in session.close()] == [("the lease of database/creds/ci", "ended"), ("the token", "ended")]
    assert not lab.lives(token)
    assert shown["DB_USERNAME"] not in postgres.users()
    assert lab.values["password"] not in repr(session)


def test_nothing_is_made_where_something_may_not_be_read(lab: Lab, sessions: Sessions) -> None:
    before = lab.postgres.users()
    session = sessions.make()
    with pytest.raises(DeniedError) as raised:
        session.open(map(parse_secret, [DB, "secret/prod/app#password=P", "secret/prod/more=M"]))
    assert "read secret/data/prod/app, read secret/data/prod/more" in raised.value.message
    assert 'path "secret/data/prod/app" { capabilities = ["read"] }' in raised.value.hint
    assert lab.postgres.users() <= before
    assert _states(session.close()) == {"the token": "ended"}


@pytest.mark.parametrize(
    ("wanted", "error"),
    [("secret/ci/none#x=X", ConfigError), ("secret/ci/app#none=X", ConfigError), ("database/creds/none#username=X", SealgateError)],
)
def test_what_was_got_before_a_failure_ends_too(lab: Lab, sessions: Sessions, wanted: str, error: type[Exception]) -> None:
    before = lab.postgres.users()
    session = sessions.make()
    with pytest.raises(error):
        session.open([parse_secret(DB), parse_secret(wanted)])
    assert set(_states(session.close()).values()) == {"ended"}
    assert lab.postgres.users() <= before


def test_a_checkpoint_stops_the_opening_and_the_rest_is_ended(lab: Lab, sessions: Sessions) -> None:
    counts = []
    for passed in range(5):
        checkpoints = iter([None] * passed)
        session = sessions.make(checkpoint=lambda checkpoints=checkpoints: next(checkpoints))
        with pytest.raises(StopIteration):
            session.open([parse_secret(KV), parse_secret("secret/ci/tree/one=ONE")])
        counts.append([end.state for end in session.close()])
    assert counts == [[], ["ended"], ["ended"], ["ended"], ["ended"]]


def test_the_token_is_made_short(lab: Lab, sessions: Sessions) -> None:
    assert 40 < _accessor_ttl(lab, sessions.open(KV, ttl_seconds=50)) <= 50
    # A role that gives less than is asked for is left alone.
    assert 10 < _accessor_ttl(lab, sessions.open(KV, role="ci-brief", ttl_seconds=50)) <= 20


def test_a_token_and_its_leases_live_as_long_as_they_are_renewed_and_no_longer(lab: Lab, sessions: Sessions) -> None:
    postgres = lab.postgres
    kept, left = sessions.open("database/creds/tiny=DB", ttl_seconds=3), sessions.open("database/creds/ci=DB", ttl_seconds=3)
    user, abandoned = (one.variables["DB_USERNAME"].reveal().decode() for one in (kept, left))
    password = kept.variables["DB_PASSWORD"].reveal().decode()
    renewal = Renewal(kept.renewables(), sessions.said.append)
    renewal.start()
    try:
        time.sleep(8)
        assert lab.lives(_token(kept))
        assert postgres.connects(user, password)
        # The dead man's switch: nobody renewed this one.
        assert not lab.lives(_token(left))
        assert abandoned not in postgres.users()
    finally:
        renewal.stop()
    assert sessions.said == []
    assert set(_states(kept.close()).values()) == {"ended"}
    # Long dead, and proven to be by a new login, which is ended in its turn.
    assert set(_states(left.close()).values()) == {"ended"}
    assert {user, abandoned} & postgres.users() == set()


def test_the_longest_life_is_said(lab: Lab, sessions: Sessions) -> None:
    lab.set_role("ci-longest", token_ttl="2s", token_explicit_max_ttl="4s")
    session = sessions.open(KV, role="ci-longest")
    renewal = Renewal(session.renewables(), sessions.said.append)
    renewal.start()
    until = time.monotonic() + 15  # on a busy machine a renewal comes late
    while not (told := [text for text in sessions.said if "the token" in text]) and time.monotonic() < until:
        time.sleep(0.1)
    renewal.stop()
    assert [text for text in told if "longest time" in text or "not renewed any more" in text]


def test_a_policy_that_may_revoke_leases_needs_no_waiting(lab: Lab, sessions: Sessions) -> None:
    _ = lab.postgres
    session = sessions.open(DB, role="ci-revoke")
    user, started = session.variables["DB_USERNAME"].reveal().decode(), time.monotonic()
    assert set(_states(session.close()).values()) == {"ended"}
    assert time.monotonic() - started < 0.9
    assert user not in lab.postgres.users()


def test_a_batch_token_lives_on_and_its_leases_do_not(lab: Lab, sessions: Sessions) -> None:
    _ = lab.postgres
    session = sessions.open(DB, role="ci-batch")
    assert "batch tokens" in sessions.said[0]
    user = session.variables["DB_USERNAME"].reveal().decode()
    ends = session.close()
    assert _states(ends) == {"the lease of database/creds/ci": "ended", "the token": "lives"}
    assert (ends[1].until is not None, is_proven(ends)) == (True, False)
    assert user not in lab.postgres.users()


def test_without_the_default_policy_the_session_says_what_it_cannot_do(lab: Lab, sessions: Sessions) -> None:
    session = sessions.open(KV, role="ci-nodefault")
    assert ["cannot be made short" in sessions.said[0], "cannot be asked" in sessions.said[1]] == [True, True]
    assert _states(session.close()) == {"the token": "lives"}


def test_a_token_with_counted_uses_has_one_left_for_its_end(lab: Lab, sessions: Sessions) -> None:
    session = sessions.open(KV, role="ci-uses")
    token = _token(session)
    assert session.renewables() == []
    assert _states(session.close()) == {"the token": "ended"}
    assert not lab.lives(token)
    _ = lab.postgres
    with pytest.raises(DeniedError, match="tokens of 3 uses, and this takes 5"):
        sessions.open(KV, DB, role="ci-uses")


def test_a_given_token_is_neither_shortened_nor_ended_but_its_leases_are(lab: Lab, sessions: Sessions) -> None:
    _ = lab.postgres
    token = lab.login("ci")["client_token"]
    session = sessions.open(DB, log_in=by_token(secret(token)), ours=False, ttl_seconds=30)
    assert _accessor_ttl(lab, session) > 60
    user = session.variables["DB_USERNAME"].reveal().decode()
    assert _states(session.close()) == {"the lease of database/creds/ci": "ended"}
    assert lab.lives(token)
    assert user not in lab.postgres.users()


def test_what_the_server_cannot_take_back_is_queued(lab: Lab, sessions: Sessions) -> None:
    _ = lab.postgres
    session = sessions.open("database/creds/stuck=DB")
    ends = session.close()
    assert _states(ends) == {"the lease of database/creds/stuck": "queued", "the token": "ended"}
    assert ends[0].until is not None
    assert is_proven(ends)


def test_with_the_database_gone_the_end_is_queued_and_not_called_proven(lab: Lab, sessions: Sessions) -> None:
    postgres = lab.postgres
    session = sessions.open(DB)
    postgres.stop()
    try:
        ends = session.close()
    finally:
        postgres.start()
    assert _states(ends)["the token"] == "ended"
    assert _states(ends)["the lease of database/creds/ci"] != "ended"


def test_a_certificate_outlives_its_session(lab: Lab, sessions: Sessions) -> None:
    session = sessions.open("pki/issue/ci{common_name=a.example.test;ttl=10m}#certificate=C")
    ends = session.close()
    assert _states(ends) == {"the token": "ended", "what pki/issue/ci gave": "lives"}
    assert not ends[1].revocable
    assert is_proven(ends)


def test_a_lost_network_is_told_with_the_time_until_which_all_lives(
    lab: Lab, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closing, "_LEASES_SECONDS", 0.5)
    monkeypatch.setattr(closing, "_TOKENS_SECONDS", 0.5)
    _ = lab.postgres
    relay = Relay(lab.address)
    session = sessions.open(DB, url=relay.url, ttl_seconds=60)
    relay.cut()
    started = time.monotonic()
    ends = session.close()
    sessions.forget(session)
    assert time.monotonic() - started < 4
    assert _states(ends) == {"the lease of database/creds/ci": "lives", "the token": "lives"}
    soon = closing.moment(time.time() + 61)
    assert all(end.until and end.until <= soon for end in ends)
    assert "could not be revoked" in ends[1].detail


def test_a_token_that_died_meanwhile_is_proven_dead(lab: Lab, sessions: Sessions) -> None:
    session = sessions.open(KV)
    lab.bao.write("auth/token/revoke", {"token": _token(session)})
    assert _states(session.close()) == {"the token": "ended"}


def _renewable(renew: Callable[[int], int], seconds: int = 3) -> Renewable:
    item = Renewable("the thing", seconds, time.time() + seconds, renew)
    item.due = time.time()
    return item


def _failing(error: Exception) -> Callable[[int], int]:
    def renew(_seconds: int) -> int:
        raise error

    return renew


@pytest.mark.parametrize(
    ("error", "said", "seconds"),
    [
        (DeniedError("no", ""), "not renewed any more", 3),
        (UnavailableError("no answer", ""), "tried again until", 3),
        (UnavailableError("no answer", ""), "has ended", 1),
        (ValueError("s.token"), "a bug in the renewal of the thing: ValueError", 3),
    ],
)
def test_what_goes_wrong_in_a_renewal_is_said_once_and_without_texts(error: Exception, said: str, seconds: int) -> None:
    remarks: list[str] = []
    renewal = Renewal([_renewable(_failing(error), seconds)], remarks.append)
    renewal.start()
    time.sleep(1.8)
    renewal.stop()
    assert [text for text in remarks if said in text] == [remarks[-1]]
    assert len(remarks) == (2 if said == "has ended" else 1)
    assert "s.token" not in "".join(remarks)


def test_a_renewal_asks_for_what_it_wants_and_believes_what_it_gets() -> None:
    asked: list[tuple[int, float]] = []

    def renew(seconds: int) -> int:
        asked.append((seconds, time.monotonic()))
        return 2

    remarks: list[str] = []
    renewal = Renewal([_renewable(renew, 1)], remarks.append)
    renewal.start()
    time.sleep(3.2)
    renewal.stop()
    assert [seconds for seconds, _ in asked] == [1] * 3
    waits = [later - sooner for (_, sooner), (_, later) in zip(asked, asked[1:], strict=False)]
    assert all(1.2 < wait < 1.7 for wait in waits)
    assert remarks == []


def test_a_captive_portal_at_the_end_is_no_proof(fake: FakeServer, lab: Lab, sessions: Sessions) -> None:
    session = sessions.open(KV)
    fake.tell(Answer(200, b"<html>", {"Content-Type": "text/html"}))
    real = session._vault._connection
    session._vault._connection = Vault(Settings((fake.url,)), Deadline(3))._connection
    try:
        assert _states(session.close())["the token"] != "ended"
    finally:
        session._vault._connection = real
