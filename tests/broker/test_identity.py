# SPDX-License-Identifier: Apache-2.0
"""Every bad token is refused here, with the reason, and never quoted; with real keys of a real issuer."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from issuer import AUDIENCE, Issuer
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from scanner.broker.identity import Trust, audiences_of, peek, trusted_algorithms, verify
from scanner.broker.jwks import Keys
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.model import Secret
from scanner.transport import Deadline, Transport


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def trust(issuer):
    return Trust((issuer.url,), (AUDIENCE,))


@pytest.fixture
def keys():
    return Keys(Transport(Deadline(20)))


def secret(token):
    return Secret(token if isinstance(token, bytes) else token.encode())


def part(document):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def refused(token, trust, keys, text, now=None):
    with pytest.raises(DeniedError, match=text) as caught:
        verify(secret(token), trust, keys, time.time() if now is None else now)
    assert caught.value.exit_code == 4
    for piece in token.split(".") if isinstance(token, str) else []:
        assert len(piece) < 12 or piece not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_good_token(issuer, trust, keys, algorithm):
    token = issuer.mint(algorithm)
    identity = verify(secret(token), trust, keys, time.time())
    assert identity.claims["repository_id"] == "74"
    assert (identity.issuer, identity.audiences) == (issuer.url, (AUDIENCE,))
    assert token not in repr(identity)


def test_algorithms_that_share_a_secret_or_sign_nothing(issuer, trust, keys):
    refused(issuer.mint_confused(), trust, keys, "signed with HS256")
    for spelling in ("none", "nOnE", "None"):
        refused(issuer.mint_unsigned(spelling) + "eA", trust, keys, "signed with n|signed with N")
        refused(issuer.mint_unsigned(spelling), trust, keys, "no signed JWT")
    with pytest.raises(ConfigError, match="HS256"):
        trusted_algorithms(["RS256", "HS256"])
    with pytest.raises(ConfigError, match="none"):
        trusted_algorithms(["none"])
    # Not even where somebody got it into the trusted ones.
    refused(issuer.mint_confused(), trust._replace(algorithms=("HS256",)), keys, "signed with HS256")


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
def test_an_algorithm_that_is_not_trusted_yet_can_be(issuer, trust, keys, algorithm):
    kid = next(name for name, (kind, _) in issuer.keys.items() if kind == "RS256")
    token = jwt.encode(issuer.claims(), issuer.keys[kid][1], algorithm=algorithm, headers={"kid": kid})
    refused(token, trust, keys, f"signed with {algorithm}; trusted are RS256, ES256")
    # The issuer says that this key is for RS256, and it is not for anything else then.
    refused(token, trust._replace(algorithms=(algorithm,)), keys, f"has no key .* for {algorithm}")


@pytest.mark.parametrize(
    ("algorithm", "key", "to_jwk"),
    [
        ("PS256", rsa.generate_private_key(65537, 2048), RSAAlgorithm.to_jwk),
        ("RS512", rsa.generate_private_key(65537, 2048), RSAAlgorithm.to_jwk),
        ("ES384", ec.generate_private_key(ec.SECP384R1()), ECAlgorithm.to_jwk),
        ("ES512", ec.generate_private_key(ec.SECP521R1()), ECAlgorithm.to_jwk),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm.to_jwk),
    ],
)
def test_other_algorithms_by_configuration(issuer, trust, algorithm, key, to_jwk, monkeypatch):
    document = {**json.loads(to_jwk(key.public_key())), "kid": "other"}
    monkeypatch.setattr(issuer, "jwks", lambda: {"keys": [document]})
    token = jwt.encode(issuer.claims(), key, algorithm=algorithm, headers={"kid": "other"})
    keys = Keys(Transport(Deadline(20)))
    assert verify(secret(token), trust._replace(algorithms=(algorithm,)), keys, time.time()).issuer == issuer.url


def test_a_changed_token(issuer, trust, keys):
    header, claims, signature = issuer.mint().split(".")
    other = issuer.mint(repository="evil/repo").split(".")[1]
    refused(f"{header}.{other}.{signature}", trust, keys, "signature is not")
    refused(f"{header}.{claims}.{signature[:-8]}", trust, keys, "signature is not")
    refused(f"{header}.{claims}.{issuer.mint().split('.')[2]}", trust, keys, "signature is not")


def test_a_key_that_only_claims_to_be_the_issuers(issuer, trust, keys):
    token = jwt.encode(issuer.claims(), rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": issuer.published[0]})
    refused(token, trust, keys, "signature is not")
    token = jwt.encode(issuer.claims(), rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": "mine"})
    refused(token, trust, keys, "has no key 'mine' for RS256")


def test_a_key_in_the_header_is_not_looked_at(issuer, trust, keys):
    key = rsa.generate_private_key(65537, 2048)
    header = {"kid": "mine", "jwk": json.loads(RSAAlgorithm.to_jwk(key.public_key())), "jku": issuer.url + "/evil", "x5u": issuer.url + "/evil"}
    refused(jwt.encode(issuer.claims(), key, algorithm="RS256", headers=header), trust, keys, "has no key")
    assert issuer.hits["/evil"] == 0


@pytest.mark.parametrize("ending", ["/", "/x"])
def test_an_issuer_is_matched_exactly(issuer, trust, keys, ending):
    before = sum(issuer.hits.values())
    refused(issuer.mint(iss=issuer.url + ending), trust, keys, "issuer is http.*" + ("final slash" if ending == "/" else "--issuer"))
    assert sum(issuer.hits.values()) == before


@pytest.mark.parametrize("value", [["https://a.example.test"], 5, {"a": 1}, "", None])
def test_an_issuer_that_is_none(issuer, trust, keys, value):
    refused(issuer.mint(claims=issuer.claims() | {"iss": value}) if isinstance(value, str) else raw(issuer, iss=value), trust, keys, "issuer is not named|says nothing of iss")


def raw(issuer, header=None, **changes):
    """A token with a header and claims that the library would not write, with a signature that is none."""
    head = {"alg": "RS256", "typ": "JWT", "kid": issuer.published[0], **(header or {})}
    return ".".join([part(head), part(issuer.claims() | changes), "AAAA"])


def test_no_trusted_issuer_is_no_issuer(issuer, trust, keys):
    refused(issuer.mint(), trust._replace(issuers=()), keys, "trusted is none")


@pytest.mark.parametrize("audience", ["https://vault.example.test/", "other", ["a", "b"], [], [5]])
def test_an_audience_of_somebody_else(issuer, trust, keys, audience):
    refused(raw(issuer, aud=audience), trust, keys, "is for .*, wanted is https://vault.example.test")


def test_audiences_one_or_many(issuer, trust, keys):
    assert verify(secret(issuer.mint(aud=["x", AUDIENCE])), trust, keys, time.time()).audiences == ("x", AUDIENCE)
    assert verify(secret(issuer.mint(aud="x")), trust._replace(audiences=()), keys, time.time()).audiences == ("x",)
    assert audiences_of({}) == ()
    refused(issuer.mint(aud=None), trust, keys, "says nothing of aud")


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat"])
def test_required_claims(issuer, trust, keys, name):
    refused(issuer.mint(**{name: None}), trust, keys, f"says nothing of {name}")


def test_times_have_sixty_seconds_of_leeway(issuer, trust, keys):
    start = int(time.time())
    token = issuer.mint(iat=start, nbf=start, exp=start + 300)
    for now in (start - 60, start, start + 359.9):
        verify(secret(token), trust, keys, now)
    refused(token, trust, keys, "expired 60 s ago", start + 360)
    refused(token, trust, keys, "expired 3 h ago", start + 300 + 3 * 3600)
    refused(token, trust, keys, "not valid yet: 61 s", start - 61)
    refused(issuer.mint(iat=start + 90, nbf=None), trust, keys, "issued in the future", start)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1", True, [], 10**400, -(10**400), 1e300])
def test_times_that_are_none(issuer, trust, keys, name, value):
    refused(raw(issuer, **{name: value}), trust, keys, f"{name} is no time")


def test_parts_and_sizes(issuer, trust, keys):
    token = issuer.mint()
    for bad in ("", "a", "a.b", token + ".x", "..", token.replace(".", ""), "a." + "b" * 33_000 + ".c", part(b" " * 4000) + ".b.c"):
        with pytest.raises(DeniedError):
            verify(secret(bad), trust, keys, time.time())
    for bad in (token + "\n", " " + token, token.replace(".", ".\n", 1)):
        with pytest.raises(DeniedError):
            verify(secret(bad), trust, keys, time.time())


@pytest.mark.parametrize(
    "claims",
    [
        b'{"iss":"a","iss":"b"}',
        b'{"a":{"x":1,"x":2}}',
        b"[]",
        b'"text"',
        b"{",
        b"",
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        '{"iss":"a"}'.encode("utf-16"),
        b'{"iss":"\xff"}',
        b"[" * 20_000,
        b'{"a":' + b"9" * 9000 + b"}",
    ],
)
def test_claims_that_another_reader_might_read_otherwise(claims):
    with pytest.raises(DeniedError):
        peek(secret(f"{part({'alg': 'RS256'})}.{part(claims)}.AAAA"))


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ({"crit": ["b64"], "b64": False}, "demands extensions"),
        ({"kid": 5}, "no text"),
        ({"kid": None}, "no text"),
        ({"alg": 5}, "signed with not named"),
        ({"alg": ["RS256"]}, "signed with not named"),
    ],
)
def test_headers(issuer, trust, keys, header, text):
    refused(raw(issuer, header), trust, keys, text)


def test_values_are_made_safe_before_they_are_shown(issuer, trust, keys):
    evil = "x\n::set-output name=a::b\x1b[31m" + "y" * 500
    with pytest.raises(DeniedError) as caught:
        verify(secret(raw(issuer, aud=evil)), trust, keys, time.time())
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_an_issuer_that_is_down_is_no_refusal(issuer, trust, monkeypatch):
    from scanner.platforms import request

    monkeypatch.setattr(request.ask, "__kwdefaults__", {**request.ask.__kwdefaults__, "pauses": ()})
    monkeypatch.setattr(issuer, "fail_with", 503)
    with pytest.raises(UnavailableError, match="does not give its keys .503."):
        verify(secret(issuer.mint()), trust, Keys(Transport(Deadline(5))), time.time())
