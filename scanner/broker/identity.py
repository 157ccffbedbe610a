# SPDX-License-Identifier: Apache-2.0
"""Is this token good? Everything is checked here before it is sent anywhere.

RFC 7519 (JWT), RFC 7515 (JWS), RFC 8725 (best current practices). Vault checks again; but it tells all faults of
keys and signatures in the same words, and it has no use for a token that never should have left the job.
Errors say what was wanted and what was there; claims are no secrets, the token is and is never quoted.
"""

import base64
import binascii
import json
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, NoReturn

from scanner.broker.jwks import ALGORITHMS, Jwk, Keys
from scanner.display import log_safe, shorten
from scanner.errors import ConfigError, DeniedError
from scanner.model import Secret
from scanner.platforms.token import MAX_TOKEN_BYTES

DEFAULT_ALGORITHMS: Final = ("RS256", "ES256")
LEEWAY_SECONDS: Final = 60
REQUIRED: Final = ("iss", "sub", "aud", "exp", "iat")

_MAX_HEADER_CHARACTERS: Final = 4096
_MAX_TIME: Final = 10**12


class Trust(NamedTuple):
    """What a token has to be. Every issuer is matched character for character; no audience means that any will do."""

    issuers: tuple[str, ...]
    audiences: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    leeway_seconds: int = LEEWAY_SECONDS
    required: tuple[str, ...] = REQUIRED


class Identity(NamedTuple):
    """A token that was checked (or, from `peek`, one that was only read), and what it says."""

    token: Secret
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def issuer(self) -> str:
        """The issuer, empty where there is none."""
        value = self.claims.get("iss")
        return value if isinstance(value, str) else ""

    @property
    def audiences(self) -> tuple[str, ...]:
        """The audiences, however they are written."""
        return audiences_of(self.claims)


def audiences_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the audiences: one text, or a list of them (RFC 7519, section 4.1.3)."""
    value = claims.get("aud")
    items = value if isinstance(value, list) else [value]
    return tuple(item for item in items if isinstance(item, str))


def trusted_algorithms(names: Collection[str]) -> tuple[str, ...]:
    """Return algorithms that may be configured. Raises `ConfigError`: `none` and shared secrets never can be."""
    for name in names:
        if name not in ALGORITHMS:
            raise ConfigError(f"{log_safe(name)!r} is no algorithm to trust", f"known: {', '.join(ALGORITHMS)}")
    return tuple(names)


def verify(token: Secret, trust: Trust, keys: Keys, now: float) -> Identity:
    """Return who the token says the job is; `now` is in seconds since 1970.

    Raises `DeniedError` for a token that is not good, `UnavailableError` where its issuer cannot be asked for keys.
    The issuer is compared before it is asked, so a token cannot send anybody anywhere.
    """
    identity = peek(token)
    algorithm = _check_header(identity.header, trust)
    _check_required(identity.claims, trust)
    _check_issuer(identity, trust)
    _check_audience(identity, trust)
    _check_times(identity.claims, trust, now)
    kid = identity.header.get("kid")
    _check_signature(identity, keys.find(identity.issuer, kid, algorithm), algorithm)
    return identity


def peek(token: Secret) -> Identity:
    """Return what a token says without believing any of it. Raises `DeniedError` for what is no JWT."""
    data = token.reveal()
    if len(data) > MAX_TOKEN_BYTES:
        raise DeniedError(f"the identity token is larger than {MAX_TOKEN_BYTES // 1024} KiB", "it is no platform's token")
    parts = data.split(b".")
    if len(parts) != 3 or not all(parts):
        raise DeniedError("the identity token is no signed JWT, which has three parts", "check where it comes from")
    if len(parts[0]) > _MAX_HEADER_CHARACTERS:
        raise DeniedError("the identity token's header is too large", "it is no platform's token")
    return Identity(token, _part(parts[0], "header"), _part(parts[1], "claims"))


def _part(text: bytes, what: str) -> dict[str, Any]:
    try:
        # Python's decoder skips what is not of its alphabet unless told, and its JSON reads UTF-16, too.
        raw = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError, binascii.Error):
        document = None
    if not isinstance(document, dict):
        raise DeniedError(f"the identity token's {what} cannot be read", "check where it comes from")
    return document


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A name that is there twice is one thing to this reader and another to the next (RFC 7519, section 4)."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name twice")
    return document


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("not a number of JSON")


def _check_header(header: Mapping[str, Any], trust: Trust) -> str:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in trust.algorithms or algorithm not in ALGORITHMS:
        raise DeniedError(
            f"the identity token is signed with {_shown(algorithm)}; trusted are {', '.join(trust.algorithms)}",
            "no platform signs with none or a shared secret: find out where this token comes from",
        )
    if "crit" in header:
        hint = "see crit in its header (RFC 7515, section 4.1.11)"
        raise DeniedError("the identity token demands extensions that are not known here", hint)
    if not isinstance(header.get("kid", ""), str):
        raise DeniedError("the identity token names its key by something that is no text", "check where it comes from")
    return algorithm


def _check_required(claims: Mapping[str, Any], trust: Trust) -> None:
    absent = [name for name in trust.required if claims.get(name) is None]
    if absent:
        raise DeniedError(f"the identity token says nothing of {', '.join(absent)}", "it is not the platform's identity token")


def _check_issuer(identity: Identity, trust: Trust) -> None:
    if identity.issuer in trust.issuers:
        return
    wanted = " or ".join(map(log_safe, trust.issuers)) or "none that is named"
    near = any(identity.issuer.rstrip("/").lower() == issuer.rstrip("/").lower() for issuer in trust.issuers)
    hint = "they differ in a final slash or in case, and have to be the same" if near else "name it with --issuer, if it is yours"
    raise DeniedError(f"the identity token's issuer is {_shown(identity.claims.get('iss'))}, trusted is {wanted}", hint)


def _check_audience(identity: Identity, trust: Trust) -> None:
    if not trust.audiences or set(identity.audiences) & set(trust.audiences):
        return
    got = ", ".join(map(_shown, identity.audiences)) or "nobody"
    raise DeniedError(
        f"the identity token is for {got}, wanted is {' or '.join(map(log_safe, trust.audiences))}",
        "ask the platform for that audience, or name the token's with --audience",
    )


def _check_times(claims: Mapping[str, Any], trust: Trust, now: float) -> None:
    """exp, nbf and iat (RFC 7519, section 4.1), each with the leeway that Vault grants, too."""
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MAX_TIME:
            raise DeniedError(f"the identity token's {name} is no time", "it is not the platform's identity token")
        late = now - value
        if name == "exp" and late >= trust.leeway_seconds:
            hint = "get a fresh one, and log in soon after"
            raise DeniedError(f"the identity token expired {_span(late)} ago", hint)
        if name != "exp" and -late > trust.leeway_seconds:
            what = "is not valid yet" if name == "nbf" else "was issued in the future"
            raise DeniedError(f"the identity token {what}: {_span(-late)} from now", "set this machine's clock")


def _check_signature(identity: Identity, jwk: Jwk, algorithm: str) -> None:
    try:
        import jwt
    except ImportError:
        raise ConfigError("the broker needs hvac and PyJWT", "pip install 'sealgate[broker]'") from None
    try:
        key = jwt.PyJWK.from_dict(dict(jwk), algorithm=algorithm)
    except jwt.PyJWTError:
        raise DeniedError("the issuer's key for the identity token cannot be used", "ask who runs the issuer") from None
    try:
        jwt.PyJWS(algorithms=[algorithm]).decode_complete(identity.token.reveal(), key.key, algorithms=[algorithm])
    except jwt.PyJWTError:
        raise DeniedError(
            "the identity token's signature is not that of the key it names", "it was changed on its way, or is not this issuer's"
        ) from None


def _span(seconds: float) -> str:
    """Return a time span as people say it."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def _shown(value: object) -> str:
    return shorten(log_safe(value), 200) if isinstance(value, str) and value else "not named"
