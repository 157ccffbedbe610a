# SPDX-License-Identifier: Apache-2.0
"""Values that look live, made for the vectors of rules: what the generators give that `docs/rules.md` lists."""

import base64
import binascii
import hashlib
import json
import random
import string
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from scanner.bech32 import CHARACTERS, residue
from scanner.detect.proofs.checksums import BASE58, base36, base62, entra_checksum, marvin32
from scanner.detect.proofs.outcome import decode_base64, in_base

_BASE62: Final = string.digits + string.ascii_letters
ALPHABETS: Final[Mapping[str, str]] = {
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
    "base58": BASE58.decode(),
    "bech32data": CHARACTERS.decode(),
    "print": _BASE62 + "!#%&*+-./:=?@^_|~",
}


def draw(alphabet: str, length: int, rng: random.Random) -> str:
    """Return characters that look random: where there is room for it, letters and digits both occur."""
    return "".join(rng.sample(alphabet, min(length, len(alphabet))) + rng.choices(alphabet, k=max(0, length - len(alphabet))))


def _crc32(prefix: str, rng: random.Random) -> str:
    body = draw(_BASE62, 30, rng)
    return prefix + body + base62(zlib.crc32(body.encode()), 6).decode()


def _gitlab(prefix: str, rng: random.Random) -> str:
    payload = _base64url(b"o:1\nu:%d" % rng.randrange(36**3) + rng.randbytes(16) + b"\x10")
    body = f"{prefix}{payload}.01.{base36(len(payload), 2).decode()}"
    return body + base36(zlib.crc32(body.encode()), 7).decode()


def _grafana(_argument: str, rng: random.Random) -> str:
    body = "glsa_" + draw(_BASE62, 32, rng)
    return f"{body}_{zlib.crc32(body.encode()).to_bytes(4, 'little').hex()}"


def _entra(_argument: str, rng: random.Random) -> str:
    body = f"{draw(_BASE62, 3, rng)}8Q~{draw(_BASE62, 31, rng)}"
    return body + entra_checksum(body.encode()).decode()


def _azure(argument: str, rng: random.Random) -> str:
    """Return a key of Azure's: `argument` says how many bytes it has, its signature, and the seed of its checksum."""
    size, signature, seed = argument.split(":")
    text = base64.b64encode(rng.randbytes(int(size))).decode()
    bare = text.rstrip("=")
    data = decode_base64(f"{bare[:-10]}{signature}{'A' * 6}".encode()) or b""
    return base64.b64encode(data[:-4] + marvin32(data[:-4], seed)).decode()


def _base58(prefix: str, rng: random.Random) -> str:
    """Return a key behind a version in hex: 32 bytes behind one byte, the 74 of an extended key behind four.

    What follows a colon stands behind the key, as the 01 of one whose public key is compressed.
    """
    version, _, suffix = prefix.partition(":")
    data = bytes.fromhex(version) + rng.randbytes(74 if len(version) == 8 else 32) + bytes.fromhex(suffix)
    data += hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]
    return in_base(int.from_bytes(data, "big"), BASE58, 1).decode()


def _crc16(prefix: str, rng: random.Random) -> str:
    """Return a seed of 32 bytes behind a prefix in hex, with their CRC16, in base32."""
    data = bytes.fromhex(prefix) + rng.randbytes(32)
    data += binascii.crc_hqx(data, 0).to_bytes(2, "little")
    return base64.b32encode(data).decode().rstrip("=")


def _macaroon(location: str, rng: random.Random) -> str:
    def field(kind: int, content: bytes) -> bytes:
        return bytes([kind, len(content)]) + content

    parts = (field(1, location.encode()), field(2, draw(_BASE62, 36, rng).encode()), b"\0", field(2, b'[0,1,"x"]'), b"\0\0")
    return _base64url(b"\x02" + b"".join(parts) + field(6, rng.randbytes(32)))


def _uuid(_argument: str, rng: random.Random) -> str:
    import uuid

    return str(uuid.UUID(bytes=rng.randbytes(16), version=4))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(_argument: str, rng: random.Random) -> str:
    claims = {"iss": "https://issuer.test", "sub": draw(_BASE62, 12, rng), "exp": 1900000000 + rng.randrange(10**6)}
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join([*map(_base64url, parts), _base64url(rng.randbytes(64))])


def _pem(label: str, rng: random.Random, cipher: bytes = b"none") -> str:
    if label == "OPENSSH PRIVATE KEY":
        data = openssh_key(rng, cipher)
    elif "PGP" in label:
        data = b"\x95\x01" + rng.randbytes(300)
    elif label.startswith("RSA"):
        data = rsa_key(rng)
    elif label.startswith("EC "):
        data = _der(0x30, _der(2, b"\1") + _der(4, rng.randbytes(32)) + _der(0xA0, bytes.fromhex("06082a8648ce3d030107")))
    elif label == "PRIVATE KEY":
        data = _der(0x30, _der(2, b"\0") + bytes.fromhex("300d06092a864886f70d0101010500") + _der(4, rsa_key(rng)))
    else:
        data = _der(0x30, rng.randbytes(300))
    text = base64.b64encode(data).decode()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


def rsa_key(rng: random.Random) -> bytes:
    """Return numbers in the form of a PKCS#1 key of 1024 bits: nobody has looked whether they are prime."""
    first, second = (rng.getrandbits(512) | 1 << 511 | 1 for _ in range(2))
    private, *rest = (rng.getrandbits(bits) | 1 << bits - 1 for bits in (1023, 511, 511, 511))
    numbers = (0, first * second, 65537, private, first, second, *rest)
    return _der(0x30, b"".join(_der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers))


def openssh_key(rng: random.Random, cipher: bytes = b"none") -> bytes:
    """Return an Ed25519 key in OpenSSH's own format, its private part under no cipher whatever the name of it."""

    def text(content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + content

    public, check = text(b"ssh-ed25519") + text(rng.randbytes(32)), rng.randbytes(4)
    private = check * 2 + public + text(rng.randbytes(64)) + text(b"me@host")
    rounds = text(rng.randbytes(16)) + b"\0\0\0\x10"
    derivation = text(b"none") + text(b"") if cipher == b"none" else text(b"bcrypt") + text(rounds)
    return b"openssh-key-v1\0" + text(cipher) + derivation + b"\0\0\0\1" + text(public) + text(private + b"\1\2\3\4\5")


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _age(_argument: str, rng: random.Random) -> str:
    return _bech32("age-secret-key-", rng).upper()


def _bech32(prefix: str, rng: random.Random) -> str:
    body = bytes(rng.choices(CHARACTERS, k=52))
    checksum = residue(prefix.encode(), body + b"q" * 6) ^ 1
    check = bytes(CHARACTERS[checksum >> 5 * (5 - i) & 31] for i in range(6))
    return f"{prefix}1{(body + check).decode()}"


GENERATORS: Final[Mapping[str, Callable[[str, random.Random], str]]] = {
    "crc32": _crc32,
    "gitlab": _gitlab,
    "grafana": _grafana,
    "entra": _entra,
    "azure": _azure,
    "base58check": _base58,
    "crc16": _crc16,
    "macaroon": _macaroon,
    "uuid": _uuid,
    "jwt": _jwt,
    "pem": _pem,
    "pem-escaped": lambda label, rng: _pem(label, rng).replace("\n", "\\n"),
    "pem-encrypted": lambda label, rng: _pem(label, rng, b"aes256-ctr"),
    "age": _age,
    "bech32": _bech32,
    "base64of": lambda text, _rng: base64.b64encode(text.encode()).decode(),
}
