# SPDX-License-Identifier: Apache-2.0
"""Keys that rotate, are withdrawn, or cannot be had; and issuers that try something."""

import pytest
from fakeserver import Answer
from issuer import Issuer

from scanner.broker.jwks import Keys, checked_issuer, fresh_seconds
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.platforms import request
from scanner.transport import Deadline, Transport

DISCOVERY, KEYS = "/.well-known/openid-configuration", "/keys"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(clock, monkeypatch):
    monkeypatch.setattr(request.ask, "__kwdefaults__", {**request.ask.__kwdefaults__, "pauses": (0.0,)})
    return Keys(Transport(Deadline(30)), clock)


def test_keys_are_fetched_once(issuer, keys):
    for _ in range(5):
        assert keys.find(issuer.url, "rs256-1", "RS256")["kid"] == "rs256-1"
        assert keys.find(issuer.url, "es256-2", "ES256")["kid"] == "es256-2"
    assert (issuer.hits[DISCOVERY], issuer.hits[KEYS]) == (1, 1)


def test_a_new_key_is_found_at_once(issuer, keys):
    keys.find(issuer.url, "rs256-1", "RS256")
    kid = issuer.rotate()
    assert keys.find(issuer.url, kid, "RS256")["kid"] == kid


def test_a_withdrawn_key_goes_when_the_kept_ones_are_old(issuer, keys, clock):
    keys.find(issuer.url, "rs256-1", "RS256")
    issuer.withdraw("rs256-1")
    keys.find(issuer.url, "rs256-1", "RS256")
    clock.now += 601
    with pytest.raises(DeniedError, match="has no key 'rs256-1'"):
        keys.find(issuer.url, "rs256-1", "RS256")


def test_unknown_keys_do_not_flood_the_issuer(issuer, keys, clock):
    keys.find(issuer.url, "rs256-1", "RS256")
    for number in range(50):
        with pytest.raises(DeniedError):
            keys.find(issuer.url, f"evil-{number}", "RS256")
    assert issuer.hits[KEYS] == 1 + 3
    clock.now += 10.5
    for number in range(50, 60):
        with pytest.raises(DeniedError):
            keys.find(issuer.url, f"evil-{number}", "RS256")
    assert issuer.hits[KEYS] == 1 + 4


def test_one_unknown_key_is_looked_for_once_in_a_while(issuer, keys, clock):
    keys.find(issuer.url, "rs256-1", "RS256")
    for _ in range(3):
        with pytest.raises(DeniedError):
            keys.find(issuer.url, "late", "RS256")
    assert issuer.hits[KEYS] == 2
    clock.now += 31
    issuer.keys["late"] = issuer.keys["rs256-1"]
    issuer.published.append("late")
    assert keys.find(issuer.url, "late", "RS256")["kid"] == "late"


def test_an_unknown_key_at_the_first_fetch_is_not_asked_for_twice(issuer, keys):
    with pytest.raises(DeniedError):
        keys.find(issuer.url, "evil", "RS256")
    assert issuer.hits[KEYS] == 1


def test_old_keys_serve_while_the_issuer_is_down_but_not_for_ever(issuer, keys, clock):
    keys.find(issuer.url, "rs256-1", "RS256")
    issuer.fail_with = 503
    clock.now += 3600
    assert keys.find(issuer.url, "rs256-1", "RS256")["kid"] == "rs256-1"
    asked = issuer.hits[DISCOVERY]
    assert keys.find(issuer.url, "rs256-1", "RS256")["kid"] == "rs256-1"
    assert issuer.hits[DISCOVERY] == asked
    with pytest.raises(UnavailableError):
        keys.find(issuer.url, "new", "RS256")
    clock.now += 90_000
    with pytest.raises(UnavailableError, match="503"):
        keys.find(issuer.url, "rs256-1", "RS256")
    issuer.fail_with = 0
    assert keys.find(issuer.url, "rs256-1", "RS256")["kid"] == "rs256-1"


def test_a_token_without_kid_needs_an_issuer_with_one_fitting_key(issuer, keys, clock):
    assert keys.find(issuer.url, None, "RS256")["kid"] == "rs256-1"
    issuer.rotate()
    clock.now += 601
    with pytest.raises(DeniedError, match="not one single key"):
        keys.find(issuer.url, None, "RS256")


def test_an_issuer_of_one_key_need_not_name_it(issuer, keys, monkeypatch):
    whole = issuer.jwks()["keys"]
    nameless = {name: value for name, value in whole[0].items() if name != "kid"}
    monkeypatch.setattr(issuer, "jwks", lambda: {"keys": [nameless, whole[1]]})
    assert keys.find(issuer.url, "whatever", "RS256") == nameless


@pytest.mark.parametrize(
    "change",
    [{"use": "enc"}, {"alg": "RS512"}, {"key_ops": ["encrypt"]}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC"}, {"n": "AQAB"}, {"crv": "P-256"}],
)
def test_a_key_for_something_else_is_not_taken(issuer, keys, monkeypatch, change):
    key = issuer.jwks()["keys"][0] | change
    monkeypatch.setattr(issuer, "jwks", lambda: {"keys": [key, "text", None]})
    with pytest.raises(DeniedError):
        keys.find(issuer.url, "rs256-1", "RS256")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 600), ("no-cache", 600), ("public, max-age=900, must-revalidate", 900), ('max-age="900"', 900), ("MAX-AGE=900", 900),
        ("max-age=0", 60), ("max-age=99999999", 86_400), ("max-age=" + "9" * 400, 600), ("max-age=-5", 600), ("max-age=٣", 600), ("s-max-age=1", 600),
    ],
)  # fmt: skip
def test_cache_control_within_bounds(header, seconds):
    assert fresh_seconds(header) == seconds


def test_cache_control_is_obeyed(fake, issuer, keys, clock):
    answers = [Answer(200, {"issuer": fake.url, "jwks_uri": fake.url + "/k"}), Answer(200, issuer.jwks(), {"Cache-Control": "max-age=100"})]
    fake.tell(*answers, *answers, Answer(500))
    for seconds, asked in ((0, 2), (99, 2), (101, 4)):
        clock.now = 1000.0 + seconds
        keys.find(fake.url, "rs256-1", "RS256")
        assert len(fake.seen) == asked


@pytest.mark.parametrize("issuer_of_it", ["http://127.0.0.1:1", None, 5, "{}/"])
def test_discovery_has_to_name_the_issuer_itself(fake, keys, issuer_of_it):
    named = issuer_of_it.format(fake.url) if isinstance(issuer_of_it, str) else issuer_of_it
    fake.tell(Answer(200, {"issuer": named, "jwks_uri": fake.url + "/k"}))
    with pytest.raises(DeniedError, match="names another issuer"):
        keys.find(fake.url, "k", "RS256")
    assert len(fake.seen) == 1


@pytest.mark.parametrize("address", ["https://127.0.0.1:1/k", "file:///etc/passwd", "", None, 5])
def test_keys_stand_under_the_issuers_scheme(fake, keys, address):
    fake.tell(Answer(200, {"issuer": fake.url, "jwks_uri": address}))
    with pytest.raises(DeniedError, match="under its own scheme"):
        keys.find(fake.url, "k", "RS256")


@pytest.mark.parametrize(
    "address",
    [
        "http://keys.example.test/k",
        "http://user:word@127.0.0.1:1/k",  # sealgate:allow reason="nobody's"
    ],
)
def test_keys_do_not_come_in_the_clear_from_elsewhere(fake, keys, address):
    fake.tell(Answer(200, {"issuer": fake.url, "jwks_uri": address}))
    with pytest.raises(ConfigError):
        keys.find(fake.url, "k", "RS256")


@pytest.mark.parametrize("answer", [Answer(301), Answer(302), Answer(307), Answer(308)])
def test_no_redirect_is_followed(fake, issuer, keys, answer):
    fake.tell(answer._replace(headers={"Location": issuer.url + DISCOVERY}))
    with pytest.raises(UnavailableError, match="redirects"):
        keys.find(fake.url, "k", "RS256")
    assert sum(issuer.hits.values()) == 0


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"), Answer(200, [1]), Answer(200, b"{" * 30_000), Answer(200, {"keys": 5, "issuer": 1, "pad": "x" * 70_000}),
        Answer(404), Answer(500), Answer(200, {"issuer": 1}, cut=True),
    ],
)  # fmt: skip
def test_answers_that_are_none(fake, keys, answer):
    fake.tell(answer)
    with pytest.raises(UnavailableError):
        keys.find(fake.url, "k", "RS256")


@pytest.mark.parametrize("document", [{"keys": [{"kid": str(n)} for n in range(201)]}, {"keys": {}}, {}, {"keys": [], "pad": "x" * 600_000}])
def test_key_sets_that_are_none(fake, keys, document):
    fake.tell(Answer(200, {"issuer": fake.url, "jwks_uri": fake.url + "/k"}), Answer(200, document))
    with pytest.raises(UnavailableError):
        keys.find(fake.url, "k", "RS256")


def test_a_brief_outage_is_waited_out(fake, issuer, keys):
    fake.tell(Answer(503), Answer(200, {"issuer": fake.url, "jwks_uri": fake.url + "/k"}), Answer(429), Answer(200, issuer.jwks()))
    assert keys.find(fake.url, "rs256-1", "RS256")["kid"] == "rs256-1"


def test_an_issuer_with_a_final_slash(fake, issuer, keys):
    fake.tell(Answer(200, {"issuer": fake.url + "/", "jwks_uri": fake.url + "/k"}), Answer(200, issuer.jwks()))
    keys.find(fake.url + "/", "rs256-1", "RS256")
    assert fake.seen[0].path == DISCOVERY


@pytest.mark.parametrize(
    "address",
    ["http://issuer.example.test", "ftp://issuer.example.test", "issuer.example.test", "https://u:p@issuer.example.test",
     "https://issuer.example.test/?a=1", "https://issuer.example.test/#a", " https://issuer.example.test", ""],
)  # fmt: skip
def test_addresses_that_are_no_issuer(address):
    with pytest.raises(ConfigError):
        checked_issuer(address)


def test_loopback_may_be_plain():
    assert checked_issuer("http://127.0.0.1:8200") == "http://127.0.0.1:8200"
    assert checked_issuer("https://issuer.example.test/a/b") == "https://issuer.example.test/a/b"
