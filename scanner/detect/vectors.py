# SPDX-License-Identifier: Apache-2.0
"""Rule vectors: templates filled with values that look live only while a test runs, and the check of them.

The format is described in `docs/rules.md`. A value depends on the rule's id, the vector's position
and the generator's position, so a failing vector fails again.
"""

import base64
import json
import random
import re
import string
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from scanner.bech32 import CHARACTERS, residue
from scanner.detect.engine import Detector, resolve
from scanner.detect.proof import base62
from scanner.detect.rules import Rule, Vector
from scanner.errors import ConfigError
from scanner.model import CONFIDENCES
from scanner.paths import glob_matches

OPEN, CLOSE = "«", "»"
_BASE62: Final = string.digits + string.ascii_letters
_ALPHABETS: Final[Mapping[str, str]] = {
    "alnum": _BASE62,
    "alpha": string.ascii_letters,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "digit": string.digits,
    "hex": "0123456789abcdef",
    "HEX": "0123456789ABCDEF",
    "base32": string.ascii_uppercase + "234567",
    "BASE36": string.digits + string.ascii_uppercase,
    "base36": string.digits + string.ascii_lowercase,
    "base64": _BASE62 + "+/",
    "base64url": _BASE62 + "-_",
    "print": _BASE62 + "!#%&*+-./:=?@^_|~",
}
_GENERATOR: Final = re.compile(r"\{\{(.+?)\}\}(?!\})")
_INNER: Final = re.compile(r"\{([^{}]+)\}")


class Expanded(NamedTuple):
    """A vector ready to scan: `secret` is what must be captured, None where nothing must be found."""

    data: bytes
    path: bytes
    secret: bytes | None


class Failure(NamedTuple):
    """A vector that did not behave: `message` never holds the generated value."""

    vector: Vector
    message: str


def expand(vector: Vector) -> Expanded:
    """Fill a vector's generators. Raises `ConfigError` for an unknown one or for missing marks."""
    rng = random.Random(f"{vector.rule_id}/{vector.positive}/{vector.number}")  # noqa: S311  must repeat
    text = _GENERATOR.sub(lambda match: _generate(match[1], rng, vector), vector.text)
    secret: bytes | None = None
    if vector.positive:
        if text.count(OPEN) != 1 or text.count(CLOSE) != 1:
            raise ConfigError(f"{_name(vector)}: needs exactly one {OPEN}…{CLOSE}", "mark what must be captured")
        secret = text[text.index(OPEN) + 1 : text.index(CLOSE)].encode()
        text = text.replace(OPEN, "").replace(CLOSE, "")
    return Expanded(text.encode(), vector.path.encode(), secret)


def check_vectors(detector: Detector, vectors: Iterable[Vector]) -> Iterator[Failure]:
    """Yield every vector that the detector does not answer as its rule promises."""
    ruleset = detector.ruleset
    rules = {rule.id: rule for rule in map(ruleset.__getitem__, range(len(ruleset)))}
    for vector in vectors:
        message = _check(detector, rules[vector.rule_id], expand(vector), positive=vector.positive)
        if message:
            yield Failure(vector, message)


def _check(detector: Detector, rule: Rule, case: Expanded, *, positive: bool) -> str:
    matches = [m for m in detector.find(case.data) if not m.value.rule.paths or glob_matches(m.value.rule.paths, case.path)]
    own = [match for match in matches if match.value.rule.id == rule.id]
    if not positive:
        return f"must stay silent, but is found ({own[0].value.reason})" if own else ""
    if len(own) != 1:
        return f"must be found once, but is found {len(own)} times" if own else "is not found"
    if own[0].value.secret.reveal() != case.secret:
        return "is found, but the captured value is not what the marks enclose"
    if own[0] not in resolve(matches):
        winner = next(m for m in resolve(matches) if m.span.start < own[0].span.end and m.span.end > own[0].span.start)
        return f"is found, but rule {winner.value.rule.id} wins over it"
    level = "low" if rule.confidence == "low" else "medium"
    if CONFIDENCES.index(own[0].value.confidence) < CONFIDENCES.index(level):
        return f"is found only at {own[0].value.confidence} confidence ({own[0].value.reason})"
    return ""


def _name(vector: Vector) -> str:
    return f"rule {vector.rule_id}: {'positive' if vector.positive else 'negative'} vector {vector.number}"


def _generate(call: str, rng: random.Random, vector: Vector) -> str:
    name, _, argument = call.partition(":")
    if name in _ALPHABETS and argument.isdigit():
        return _draw(_ALPHABETS[name], int(argument), rng)
    if name in _GENERATORS:
        if name == "base64of":
            argument = _INNER.sub(lambda match: _generate(match[1], rng, vector), argument)
        return _GENERATORS[name](argument, rng)
    raise ConfigError(f"{_name(vector)}: unknown generator {name!r}", "see 'Vectors' in docs/rules.md")


def _draw(alphabet: str, length: int, rng: random.Random) -> str:
    """Return characters that look random: where there is room for it, letters and digits both occur."""
    return "".join(rng.sample(alphabet, min(length, len(alphabet))) + rng.choices(alphabet, k=max(0, length - len(alphabet))))


def _crc32(prefix: str, rng: random.Random) -> str:
    body = _draw(_BASE62, 30, rng)
    return prefix + body + base62(zlib.crc32(body.encode()), 6).decode()


def _uuid(_argument: str, rng: random.Random) -> str:
    import uuid

    return str(uuid.UUID(bytes=rng.randbytes(16), version=4))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(_argument: str, rng: random.Random) -> str:
    claims = {"iss": "https://issuer.test", "sub": _draw(_BASE62, 12, rng), "exp": 1900000000 + rng.randrange(10**6)}
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*map(_base64url, parts), _base64url(rng.randbytes(64))])


def _pem(label: str, rng: random.Random) -> str:
    if label == "OPENSSH PRIVATE KEY":
        data = b"openssh-key-v1\0" + b"\0\0\0\x04none" * 2 + rng.randbytes(300)
    elif "PGP" in label:
        data = b"\x95\x01" + rng.randbytes(300)
    else:
        data = b"\x30\x82" + (300).to_bytes(2, "big") + rng.randbytes(300)
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


def _age(_argument: str, rng: random.Random) -> str:
    prefix = b"age-secret-key-"
    body = bytes(rng.choices(CHARACTERS, k=52))
    checksum = residue(prefix, body + b"q" * 6) ^ 1
    check = bytes(CHARACTERS[checksum >> 5 * (5 - i) & 31] for i in range(6))
    return (prefix + b"1" + body + check).decode().upper()


_GENERATORS: Final[Mapping[str, Callable[[str, random.Random], str]]] = {
    "crc32": _crc32,
    "uuid": _uuid,
    "jwt": _jwt,
    "pem": _pem,
    "age": _age,
    "base64of": lambda text, _rng: base64.b64encode(text.encode()).decode(),
}


