# SPDX-License-Identifier: Apache-2.0
"""OpenPGP as far as a wrapped data key needs it: which keys a message is for, which key ids a public key has.

Packets: RFC 4880 and RFC 9580; GnuPG's encrypted data packet of type 20 (OCB) and its version 5 keys: LibrePGP.
"""

import contextlib
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.sops.wrapping.armor import MalformedError, decode_base64, is_readable, read_pgp_armor

_PKESK: Final = 1
_SKESK: Final = 3
_UNPROTECTED: Final = 9
_MARKER: Final = 10
_SEIPD: Final = 18
_PUBLIC_KEY: Final = 6
_PUBLIC_SUBKEY: Final = 14
# Data packets that protect what they hold: SEIPD (RFC 9580 section 5.13) and GnuPG 2.3's AEAD packet.
_ENCRYPTED: Final = frozenset({_SEIPD, 20})
# A literal packet with 32 or 33 bytes in it: a dozen bytes of overhead each for salt or prefix, MDC or tags. An
# implementation may compress or pad it (RFC 9580 section 5.14).
_DATA_BYTES: Final = range(64, 513)
# A prefix or salt of a cipher's block, and something behind it.
_LEAST: Final = 18
_PUBLIC_BEGIN: Final = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
_PUBLIC_END: Final = b"-----END PGP PUBLIC KEY BLOCK-----"
# Some hundred keys, or one with photographs.
_MAX_PUBLIC_BYTES: Final = 1_000_000
# Armor headers that gpg 1 and 2.0 and GPG Suite wrote by themselves. SOPS wants none (GnuPG 2.1 and go-crypto write
# none), and any other text there is a note that nothing encrypts.
_USUAL_HEADER: Final = re.compile(
    r"Version: (?:GnuPG|MacGPG2|GnuPG/MacGPG2) v?\d(?:\.\d{1,2}){0,2}(?: \((?:GNU/Linux|MingW32|Darwin|Cygwin|FreeBSD)\))?"
    r"|Comment: (?:GPGTools - )?https?://gpgtools\.org/?"
)
# Parts of a wrapped session key by public-key algorithm: `m` a multiprecision integer, `o` octets behind their
# length, a number that many octets. Post-quantum composites (8, 35, 36) are not taken apart.
_SESSION_KEY: Final = {1: ("m",), 2: ("m",), 16: ("m", "m"), 18: ("m", "o"), 25: (32, "o"), 26: (56, "o")}
_POST_QUANTUM: Final = frozenset({8, 35, 36})


class Message(NamedTuple):
    """An encrypted message: for which key ids (`""` where it names none), by passwords too, its armor's notes."""

    key_ids: tuple[str, ...]
    passwords: int
    notes: tuple[str, ...]


class _Packet(NamedTuple):
    type: int
    body: bytes


def read_message(text: str) -> Message:
    """Return whom an armored message is for; raises MalformedError where there is more than keys and data in it."""
    armor = read_pgp_armor(text)
    *keys, data = list(_packets(armor.data)) or [_Packet(0, b"")]
    if any(packet.type not in {_PKESK, _SKESK} for packet in keys) or data.type not in _ENCRYPTED:
        raise MalformedError("it is not wrapped keys and one encrypted packet, and nothing else")
    if len(data.body) not in _DATA_BYTES or data.body[0] not in ((1, 2) if data.type == _SEIPD else (1,)):
        raise MalformedError("its encrypted packet cannot hold a data key")
    if is_readable(data.body):
        raise MalformedError("its encrypted packet is readable text in base64")
    ids = tuple(_recipient_id(packet.body) for packet in keys if packet.type == _PKESK)
    notes = tuple(header for header in armor.headers if not _USUAL_HEADER.fullmatch(header))
    return Message(ids, len(keys) - len(ids), notes)


def is_encrypted_message(data: bytes) -> bool:
    """Whether these bytes are one encrypted message of any size, keys or passwords first, and nothing else."""
    try:
        *keys, body = list(_packets(data)) or [_Packet(0, b"")]
    except MalformedError:
        return False
    known = all(packet.type in {_MARKER, _PKESK, _SKESK} for packet in keys)
    return known and body.type in (_ENCRYPTED | {_UNPROTECTED}) and len(body.body) > _LEAST


def public_key_ids(data: bytes) -> dict[str, frozenset[str]]:
    """Return the key ids (16 hex digits) of each OpenPGP public key in a file and its subkeys, by its fingerprint.

    The file is armored (one block or several) or binary; all in upper case. Nothing for what is no public key, and
    what precedes the first packet that cannot be read for what is cut off.
    """
    if len(data) > _MAX_PUBLIC_BYTES:
        return {}
    ids: dict[str, set[str]] = {}
    for block in _public_blocks(data):
        primary = ""
        try:
            for packet in _packets(block):
                if packet.type not in {_PUBLIC_KEY, _PUBLIC_SUBKEY}:
                    if not primary:
                        break
                    continue
                fingerprint, key_id = _identify(packet.body)
                primary = fingerprint if packet.type == _PUBLIC_KEY else primary
                if primary:
                    ids.setdefault(primary, set()).add(key_id)
        except MalformedError:
            continue
    return {primary: frozenset(found) for primary, found in ids.items()}


def _public_blocks(data: bytes) -> Iterator[bytes]:
    """Yield what binary and armored public keys hold; their armor is not judged, as nothing of ours is in it."""
    if data[:1] in {b"\x98", b"\x99", b"\x9a", b"\xc6"}:
        yield data
    begin = data.find(_PUBLIC_BEGIN)
    while begin >= 0 and (end := data.find(_PUBLIC_END, begin)) >= 0:
        lines = [line.strip() for line in data[begin:end].decode("ascii", "replace").splitlines()]
        body = lines[lines.index("") + 1 :] if "" in lines else []
        with contextlib.suppress(MalformedError):
            yield decode_base64("".join(line for line in body if not line.startswith("=")))
        begin = data.find(_PUBLIC_BEGIN, end)


def _identify(body: bytes) -> tuple[str, str]:
    """Return fingerprint and key id of a public key packet (RFC 9580 section 5.5.4)."""
    import hashlib

    if body[:1] == b"\x04" and len(body) <= 0xFFFF:
        made_of = b"\x99" + len(body).to_bytes(2, "big") + body
        digest = hashlib.sha1(made_of, usedforsecurity=False).hexdigest().upper()
        return digest, digest[-16:]
    if body[:1] in {b"\x05", b"\x06"}:
        prefix = b"\x9a" if body[0] == 5 else b"\x9b"
        digest = hashlib.sha256(prefix + len(body).to_bytes(4, "big") + body).hexdigest().upper()
        return digest, digest[:16]
    raise MalformedError("a key of a version that nothing can be said of")


def _recipient_id(body: bytes) -> str:
    """Return whom a wrapped session key is for, and nothing where it does not say (`--throw-keyids`)."""
    match body[:1]:
        case b"\x03":
            key_id, rest = body[1:9], body[9:]
        case b"\x06":
            # Its length, the version of the key, the fingerprint (RFC 9580 section 5.1.2).
            end = 2 + body[1] if len(body) > 1 else 2
            version, fingerprint, rest = body[2:end][:1], body[3:end], body[end:]
            if (version, len(fingerprint)) not in {(b"", 0), (b"\x04", 20), (b"\x06", 32)} or end > len(body):
                raise MalformedError("it names its key in a way that OpenPGP does not know")
            key_id = fingerprint[-8:] if version == b"\x04" else fingerprint[:8]
        case _:
            raise MalformedError("its wrapped key is of an unknown version")
    if len(rest) < 2:
        raise MalformedError("its wrapped key is cut off")
    if rest[0] not in _POST_QUANTUM:
        _check_session_key(rest[0], rest[1:])
    return key_id.hex().upper() if any(key_id) else ""


def _check_session_key(algorithm: int, data: bytes) -> None:
    """Raise MalformedError unless the parts of a session key fill their packet to the last byte."""
    if algorithm not in _SESSION_KEY:
        raise MalformedError("it is wrapped by an algorithm that does not encrypt")
    position = 0
    for part in _SESSION_KEY[algorithm]:
        if isinstance(part, int):
            position += part
        elif part == "o":
            position += 1 + int.from_bytes(data[position : position + 1], "big")
        else:
            start = position + 2
            bits = int.from_bytes(data[position:start], "big")
            position = start + (bits + 7) // 8
            number = int.from_bytes(data[start:position], "big").bit_length()
            # Go's openpgp, with which sops wrapped before it called gpg, counts whole octets: `8 * len(ciphertext)`.
            if number > bits or (number < bits and bits % 8):
                raise MalformedError("a number in its wrapped key has another length than it says")
    if position != len(data):
        raise MalformedError("its wrapped key has another length than its parts")


def _packets(data: bytes) -> Iterator[_Packet]:
    """Yield packets with old and new lengths, joined where they come in parts; raises MalformedError."""
    position = 0
    while position < len(data):
        head = data[position]
        if not head & 0x80:
            raise MalformedError("it is not made of OpenPGP packets")
        position += 1
        type_ = head & 0x3F if head & 0x40 else head >> 2 & 0x0F
        parts = []
        partial = True
        while partial:
            size, length, partial = _new_length(data, position) if head & 0x40 else _old_length(data, position, head & 3)
            position += size
            parts.append(data[position : position + length])
            if len(parts[-1]) != length:
                raise MalformedError("an OpenPGP packet in it is cut off")
            position += length
        yield _Packet(type_, b"".join(parts))


def _new_length(data: bytes, position: int) -> tuple[int, int, bool]:
    """Return how many bytes a length takes, the length, and whether another part follows."""
    octets = data[position : position + 5]
    if not octets or (192 <= octets[0] < 224 and len(octets) < 2) or (octets[0] == 255 and len(octets) < 5):
        raise MalformedError("an OpenPGP packet in it is cut off")
    match octets[0]:
        case 255:
            return 5, int.from_bytes(octets[1:], "big"), False
        case first if first >= 224:
            return 1, 1 << (first & 0x1F), True
        case first if first >= 192:
            return 2, (first - 192 << 8) + octets[1] + 192, False
        case first:
            return 1, first, False


def _old_length(data: bytes, position: int, kind: int) -> tuple[int, int, bool]:
    # Kind 3 is "until the end": nobody writes it for a message as short as this.
    size = (1, 2, 4, 0)[kind]
    if not size or position + size > len(data):
        raise MalformedError("an OpenPGP packet in it has no length")
    return size, int.from_bytes(data[position : position + size], "big"), False
