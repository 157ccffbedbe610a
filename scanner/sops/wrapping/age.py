# SPDX-License-Identifier: Apache-2.0
"""Recipients of age, and the header of the small age file that holds a data key for one of them.

Format: C2SP age.md (age-encryption.org/v1); bech32: BIP 173; SSH recipients: agessh of FiloSottile/age; tagged and
post-quantum recipients: age 1.3 (`pq.go`, `tag/tag.go`). A header names stanzas, not recipients: what can be compared
is the stanza's type, the lengths of its parts, and, for SSH and tagged keys, four bytes that tell whose it is.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from scanner.bech32 import decode, is_valid
from scanner.sops.wrapping.armor import MalformedError, decode_base64, decode_unpadded, is_readable, read_age_armor

# The longest is a hybrid P-256 recipient with 1,249 bytes; an RSA key of 16,384 bits has 2,800 characters.
_MAX_RECIPIENT: Final = 4_096
_BECH32: Final = re.compile(r"(age(?:1[a-z0-9+._-]+)?)1([02-9ac-hj-np-z]{6,})")
# The remark behind an SSH key is anybody's; people write user@host, a name, a device.
_SSH: Final = re.compile(r"(ssh-ed25519|ssh-rsa) ([A-Za-z0-9+/]+={0,2})(?: [\w.,@:+/()#'\[\] -]{1,128})?")
_INTRO: Final = b"age-encryption.org/v1"
_ARGUMENTS: Final = re.compile(rb"->(?: [\x21-\x7e]+)+")
_COLUMNS: Final = 64
_FILE_KEY_WRAPPED: Final = 16 + 16
_MAC: Final = 32
# A nonce of 16 bytes, the data key or share, a tag of 16 bytes.
_PAYLOAD: Final = 16 + 32 + 16
_ML_KEM_KEY: Final = 1184
_ML_KEM_CIPHERTEXT: Final = 1088
_P256_POINT: Final = 65

# Stanza: lengths of its arguments, length of its body. A tag of four bytes comes first where there is one.
_SHAPES: Final[Mapping[str, tuple[tuple[int, ...], int]]] = {
    "X25519": ((32,), _FILE_KEY_WRAPPED),
    "ssh-ed25519": ((4, 32), _FILE_KEY_WRAPPED),
    "mlkem768x25519": ((_ML_KEM_CIPHERTEXT + 32,), _FILE_KEY_WRAPPED),
    "p256tag": ((4, _P256_POINT), _FILE_KEY_WRAPPED),
    "mlkem768p256tag": ((4, _ML_KEM_CIPHERTEXT + _P256_POINT), _FILE_KEY_WRAPPED),
    "piv-p256": ((4, 33), _FILE_KEY_WRAPPED),
}
# Prefix of a recipient: its stanza, length of its key. Others belong to plugins.
_NATIVE: Final[Mapping[str, tuple[str, int]]] = {
    "age": ("X25519", 32),
    "age1pq": ("mlkem768x25519", _ML_KEM_KEY + 32),
    "age1tag": ("p256tag", 33),
    "age1tagpq": ("mlkem768p256tag", _ML_KEM_KEY + _P256_POINT),
}
# A plugin names its stanzas as it likes, but not after what other people's keys can open.
_NOT_A_PLUGINS: Final = frozenset({"X25519", "scrypt", "ssh-rsa", "ssh-ed25519", "mlkem768x25519"})


class AgeRecipient(NamedTuple):
    """A public key: the type of stanza it leads to (nothing where a plugin decides), and its bytes."""

    stanza: str
    key: bytes


class Stanza(NamedTuple):
    """One way to the file key."""

    type: str
    arguments: tuple[str, ...]
    body: bytes


class AgeFile(NamedTuple):
    """The header's stanzas and the payload behind it."""

    stanzas: tuple[Stanza, ...]
    payload: bytes


def parse_age_recipient(text: str) -> AgeRecipient | None:
    """Return the public key that a recipient's text is, else None: the checksum fails, a length is wrong."""
    if len(text) > _MAX_RECIPIENT:
        return None
    try:
        return _parse_ssh(text) if text.startswith("ssh-") else _parse_bech32(text)
    except MalformedError:
        return None


def read_age_file(text: str) -> AgeFile:
    """Return the parts of an armored age file; raises MalformedError."""
    data = read_age_armor(text)
    lines = _HeaderLines(data)
    if lines.next() != _INTRO:
        raise MalformedError("it does not begin as an age file")
    stanzas = []
    while (line := lines.next())[:2] == b"->":
        stanzas.append(_read_stanza(line, lines))
    if line[:4] != b"--- " or len(decode_unpadded(_ascii(line[4:]))) != _MAC:
        raise MalformedError("its age header does not end in a MAC of 32 bytes")
    return AgeFile(tuple(stanzas), data[lines.position :])


def age_faults(recipient: AgeRecipient | None, file: AgeFile, *, share: bool) -> Iterator[str]:
    """Yield what is wrong with an age file that should wrap a data key (or a share of one) for this recipient.

    The number of stanzas is not judged here.
    """
    if recipient is not None:
        for stanza in file.stanzas[:1]:
            yield from _stanza_faults(recipient, stanza)
    if len(file.payload) != _PAYLOAD + share:
        what = "share of a data key" if share else "data key"
        yield f"its payload is not {_PAYLOAD + share} bytes long, as that of a {what} is"
    elif is_readable(file.payload):
        yield "its payload is readable text in base64"


def _stanza_faults(recipient: AgeRecipient, stanza: Stanza) -> Iterator[str]:
    expected = recipient.stanza
    if stanza.type != expected and (expected or stanza.type in _NOT_A_PLUGINS):
        yield "it is wrapped for another kind of key than the recipient's"
        return
    arguments, body = ((4,), _modulus_bytes(recipient.key)) if expected == "ssh-rsa" else _SHAPES.get(stanza.type, (None, 0))
    if arguments is None:
        return
    try:
        parts = [decode_unpadded(argument) for argument in stanza.arguments]
    except MalformedError:
        parts = []
    if tuple(map(len, parts)) != arguments or len(stanza.body) != body:
        yield "a part of its stanza has the wrong length"
    elif (tag := _tag(recipient, parts)) is not None and parts[0] != tag:
        yield "it is wrapped for another key than the recipient's"


def _tag(recipient: AgeRecipient, parts: list[bytes]) -> bytes | None:
    """Return the four bytes by which a stanza names this recipient, or None where it names none."""
    import hashlib
    import hmac

    if recipient.stanza in {"ssh-ed25519", "ssh-rsa"}:
        return hashlib.sha256(recipient.key).digest()[:4]
    if recipient.stanza in {"p256tag", "mlkem768p256tag"}:
        point = recipient.key if recipient.stanza == "p256tag" else recipient.key[_ML_KEM_KEY:]
        salt = f"age-encryption.org/{recipient.stanza}".encode()
        return hmac.digest(salt, parts[1] + hashlib.sha256(point).digest()[:4], "sha256")[:4]
    return None


class _HeaderLines:
    """The lines of a header; what follows is binary and may hold line feeds of its own."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def next(self) -> bytes:
        end = self._data.find(b"\n", self.position)
        if end < 0:
            raise MalformedError("its age header is cut off")
        line = self._data[self.position : end]
        self.position = end + 1
        return line


def _read_stanza(line: bytes, lines: _HeaderLines) -> Stanza:
    if not _ARGUMENTS.fullmatch(line):
        raise MalformedError("a stanza of its age header is malformed")
    type_, *arguments = line.decode("ascii").split(" ")[1:]
    body = []
    while len(part := lines.next()) == _COLUMNS:
        body.append(decode_unpadded(_ascii(part)))
    if len(part) > _COLUMNS:
        raise MalformedError("a stanza of its age header has too long a line")
    body.append(decode_unpadded(_ascii(part)))
    return Stanza(type_, tuple(arguments), b"".join(body))


def _ascii(line: bytes) -> str:
    return line.decode("ascii", "replace")


def _parse_bech32(text: str) -> AgeRecipient:
    found = _BECH32.fullmatch(text)
    if found is None:
        raise MalformedError("it is not bech32")
    prefix, characters = found.groups()
    if not is_valid(text.encode("ascii")):
        raise MalformedError("its checksum is wrong")
    key = _regroup(decode(characters.encode("ascii"))[:-6])
    stanza, length = _NATIVE.get(prefix, ("", len(key)))
    if len(key) != length:
        raise MalformedError("its length is wrong")
    return AgeRecipient(stanza, key)


def _regroup(values: list[int]) -> bytes:
    """Return groups of five bits as bytes; fewer than five bits, all zero, may be left over."""
    bits = 5 * len(values)
    number = int("".join(f"{value:05b}" for value in values) or "0", 2)
    if bits % 8 >= 5 or number & (1 << bits % 8) - 1:
        raise MalformedError("its padding is wrong")
    return (number >> bits % 8).to_bytes(bits // 8, "big")


def _parse_ssh(text: str) -> AgeRecipient:
    found = _SSH.fullmatch(text)
    if found is None:
        raise MalformedError("it is not an SSH key")
    key = decode_base64(found[2])
    fields = _ssh_fields(key)
    if fields[:1] != [found[1].encode()] or len(fields) != (2 if found[1] == "ssh-ed25519" else 3):
        raise MalformedError("it is not the SSH key that it says")
    if found[1] == "ssh-ed25519" and len(fields[1]) != 32:
        raise MalformedError("its length is wrong")
    return AgeRecipient(found[1], key)


def _ssh_fields(key: bytes) -> list[bytes]:
    """Return the fields of a key in SSH's format: each behind its length in four bytes (RFC 4253 section 6.6)."""
    fields = []
    position = 0
    while position < len(key):
        start = position + 4
        position = start + int.from_bytes(key[position:start], "big")
        fields.append(key[start:position])
    if position != len(key):
        raise MalformedError("it is cut off")
    return fields


def _modulus_bytes(key: bytes) -> int:
    return len(_ssh_fields(key)[2].lstrip(b"\0"))
