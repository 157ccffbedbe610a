# SPDX-License-Identifier: Apache-2.0
"""An issuer's public keys, fetched by discovery and kept.

OpenID Connect Discovery 1.0 (sections 3 and 4) and RFC 7517. An issuer's keys change while jobs run, and an issuer
is down now and then: a key that is not known is looked for at once, though not as often as somebody likes to send
unknown ones, and while the issuer is down what it said before goes on being used, for a day at most.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from scanner.display import log_safe, shorten
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.platforms.request import ask
from scanner.transport import Response, Transport, checked_origin, origin

_MAX_DISCOVERY_BYTES: Final = 64 * 1024
_MAX_KEYS_BYTES: Final = 512 * 1024
_MAX_KEYS: Final = 200

# How long keys count as new, whatever Cache-Control says, and how long they may serve while the issuer is down.
_MIN_FRESH_SECONDS: Final = 60.0
_USUAL_FRESH_SECONDS: Final = 600.0
_MAX_FRESH_SECONDS: Final = 86_400.0
_STALE_SECONDS: Final = 86_400.0
_AFTER_FAILURE_SECONDS: Final = 15.0

# Looks for unknown keys: so many at once, then one each so many seconds. A key that was not there is not asked
# for again so soon, and so many of those are remembered.
_LOOKS: Final = 3
_LOOK_SECONDS: Final = 10.0
_ABSENT_SECONDS: Final = 30.0
_MAX_ABSENT: Final = 256

# What a key must be for an algorithm: RFC 7518, section 3.1, and RFC 8037.
_TYPES: Final[Mapping[str, tuple[str, str]]] = {
    **{f"{family}{bits}": ("RSA", "") for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS: Final = tuple(_TYPES)
_MIN_RSA_BITS: Final = 2048

Jwk = Mapping[str, Any]


class _KeySet(NamedTuple):
    keys: tuple[Jwk, ...]
    fresh_until: float
    usable_until: float


class Keys:
    """The keys of any number of issuers. One of these serves a whole run, or a service."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._sets: dict[str, _KeySet] = {}
        self._absent: dict[tuple[str, str], float] = {}
        self._looks: dict[str, tuple[float, float]] = {}

    def find(self, issuer: str, kid: str | None, algorithm: str) -> Jwk:
        """Return the key that a token names; without a name, the only one that fits the algorithm.

        Raises `DeniedError` where the issuer has no such key, `UnavailableError` where it cannot be asked.
        """
        before = self._sets.get(issuer)
        key = _pick(self._current(issuer), kid, algorithm)
        kept = before is self._sets.get(issuer)
        if key is None and kid is not None and kept and self._may_look(issuer, kid):
            key = _pick(self._fetch(issuer), kid, algorithm)
            if key is None:
                self._remember_absent(issuer, kid)
        if key is None:
            what = f"no key {shorten(log_safe(kid), 60)!r}" if kid is not None else "not one single key"
            raise DeniedError(
                f"the issuer {log_safe(issuer)} has {what} for {algorithm}",
                "the token is not this issuer's, or its key was withdrawn: get a fresh token",
            )
        return key

    def _current(self, issuer: str) -> tuple[Jwk, ...]:
        kept, now = self._sets.get(issuer), self._clock()
        if kept is not None and now < kept.fresh_until:
            return kept.keys
        try:
            return self._fetch(issuer)
        except UnavailableError:
            if kept is None or now >= kept.usable_until:
                raise
            self._sets[issuer] = kept._replace(fresh_until=now + _AFTER_FAILURE_SECONDS)
            return kept.keys

    def _may_look(self, issuer: str, kid: str) -> bool:
        """Whether to ask for a key that is not among the kept ones: a token bucket, and no second look for the same one."""
        now = self._clock()
        if now < self._absent.get((issuer, kid), now):
            return False
        left, since = self._looks.get(issuer, (float(_LOOKS), now))
        left = min(float(_LOOKS), left + (now - since) / _LOOK_SECONDS)
        self._looks[issuer] = (max(left - 1, 0.0) if left >= 1 else left, now)
        return left >= 1

    def _remember_absent(self, issuer: str, kid: str) -> None:
        if len(self._absent) >= _MAX_ABSENT:
            self._absent.clear()
        self._absent[issuer, kid] = self._clock() + _ABSENT_SECONDS

    def _fetch(self, issuer: str) -> tuple[Jwk, ...]:
        checked_issuer(issuer)
        document, _ = self._get(issuer.removesuffix("/") + "/.well-known/openid-configuration", issuer, _MAX_DISCOVERY_BYTES)
        if document.get("issuer") != issuer:
            raise DeniedError(
                f"what {log_safe(issuer)} says of itself names another issuer: {_shown(document.get('issuer'))}",
                "write the issuer exactly as it names itself, final slash included",
            )
        address = document.get("jwks_uri")
        if not isinstance(address, str) or urlsplit(address).scheme != urlsplit(issuer).scheme:
            raise DeniedError(f"the issuer {log_safe(issuer)} has its keys nowhere under its own scheme", "ask who runs it")
        checked_origin(address)
        document, response = self._get(address, issuer, _MAX_KEYS_BYTES)
        keys = document.get("keys")
        if not isinstance(keys, list) or len(keys) > _MAX_KEYS:
            raise UnavailableError(f"the issuer {log_safe(issuer)} answered without a list of keys", "try again")
        now = self._clock()
        fresh = now + fresh_seconds(response.headers.get("cache-control", ""))
        self._sets[issuer] = _KeySet(tuple(key for key in keys if isinstance(key, dict)), fresh, fresh + _STALE_SECONDS)
        return self._sets[issuer].keys

    def _get(self, address: str, issuer: str, max_bytes: int) -> tuple[dict[str, Any], Response]:
        response = ask(self._transport, "GET", address, {"Accept": "application/json, application/jwk-set+json"})
        if response.status != 200:
            hint = "check the issuer's address" if response.status == 404 else "try again"
            raise UnavailableError(f"the issuer {log_safe(issuer)} does not give its keys ({response.status})", hint)
        document = _json_object(response.body) if len(response.body) <= max_bytes else None
        if document is None:
            message = f"{origin(address)} answered with no JSON object of a sensible size"
            raise UnavailableError(message, "check the issuer's address")
        return document, response


def checked_issuer(issuer: str) -> str:
    """Return an issuer's address if it may be asked: https, or plain http on loopback, without query or fragment.

    Raises `ConfigError`. (OpenID Connect Core 1.0, section 2.)
    """
    checked_origin(issuer)
    if "?" in issuer or "#" in issuer or issuer != issuer.strip():
        hint = "write it as the token's iss has it"
        raise ConfigError(f"{origin(issuer)} is no issuer: it has a query, a fragment or white space", hint)
    return issuer


def fresh_seconds(cache_control: str) -> float:
    """Return for how long keys need not be fetched again: max-age within bounds (RFC 9111, section 5.2.2.1)."""
    for directive in cache_control.lower().split(","):
        name, _, value = directive.strip().partition("=")
        value = value.strip('"')
        if name == "max-age" and value.isascii() and value.isdigit() and len(value) < 12:
            return min(max(float(value), _MIN_FRESH_SECONDS), _MAX_FRESH_SECONDS)
    return _USUAL_FRESH_SECONDS


def _pick(keys: tuple[Jwk, ...], kid: str | None, algorithm: str) -> Jwk | None:
    fitting = [key for key in keys if _fits(key, algorithm)]
    if kid is not None:
        named = [key for key in fitting if key.get("kid") == kid]
        # An issuer of one single key need not name it.
        fitting = named[:1] or [key for key in fitting if len(fitting) == 1 and "kid" not in key]
    return fitting[0] if len(fitting) == 1 else None


def _fits(key: Jwk, algorithm: str) -> bool:
    """Whether a key is for signatures with this algorithm: a public RSA key must never be a shared secret."""
    kind, curve = _TYPES[algorithm]
    operations = key.get("key_ops")
    return (
        key.get("kty") == kind
        and key.get("crv", "") == curve
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (not isinstance(operations, list) or "verify" in operations)
        and (kind != "RSA" or len(str(key.get("n", ""))) * 6 >= _MIN_RSA_BITS)
    )


def _json_object(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _shown(value: object) -> str:
    return shorten(log_safe(value), 200) if isinstance(value, str) else "none"
