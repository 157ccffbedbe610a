# SPDX-License-Identifier: Apache-2.0
"""With a key: is this file, value by value and as a whole, what SOPS encrypted?

Each value is AES-256-GCM with the path of its map keys as additional data, so a value that was changed, or moved to
another key, does not decrypt. List items share a path, and clear values are not encrypted at all: for them stands
the MAC, a SHA-512 over all values in their order, itself encrypted with the time of the last change as additional
data (getsops/sops `sops.go`, `aes/cipher.go`). What was decrypted is hashed and let go; none of it is ever returned.

The MAC knows values only. Names of clear keys, comments, nulls and empty values, bytes moved between neighbouring
clear values, and the metadata itself are not in it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.errors import ConfigError
from scanner.sops.ciphertext import parse_ciphertext
from scanner.sops.content import Content, Item, Scalar, Store
from scanner.sops.coverage import leaf_name
from scanner.sops.keyed.keys import Keyring, WrongKey
from scanner.sops.keyed.plain import clear_bytes, encode, floating, moment, opened_bytes
from scanner.sops.metadata import Metadata
from scanner.sops.rules import Problem
from scanner.sops.selector import selects

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

RULE: Final = "sops-mac"
REMEDY: Final = "go back to the last version of {file} whose MAC fits, and repeat the change with: sops edit {file}"
# A MAC over encrypted values only begins differently, so that the two kinds cannot be exchanged.
_SEED_ENCRYPTED_ONLY: Final = hashlib.sha256(b"sops").digest()
# A comment that does not open where it stands may open elsewhere in the file; looking for that must end.
_MAX_COMMENT_TRIALS: Final = 200_000


class _Failure(NamedTuple):
    """A place where decryption failed, and why."""

    item: Item
    reason: str


def verify_mac(content: Content, metadata: Metadata, keyring: Keyring) -> list[Problem]:
    """Return nothing for a file that is proven to be what was encrypted, else one problem.

    Raises `NoKey` where none of the keys at hand opens it, `ConfigError` where a package is missing.
    """
    check = _library()
    try:
        key = keyring.data_key(metadata)
    except WrongKey as wrong:
        return [_of_metadata(metadata, wrong.reason)]
    return _verify(content, metadata, _Values(check(key), content.store))


def _verify(content: Content, metadata: Metadata, values: "_Values") -> list[Problem]:
    covered = selects(content.items, metadata.selector)
    only_encrypted = metadata.mac_only_encrypted
    failures, macs = values.digest(content.items, covered, only_encrypted=only_encrypted)
    if len(failures) > 1 and not values.opened:
        return [_of_metadata(metadata, "no value decrypts with this data key: the metadata belongs to another file")]
    if failures:
        first, more = failures[0], len(failures) - 1
        others = f" ({more:,} more like this in the file)" if more else ""
        return [_of_value(first.item, f"{first.reason}{others}")]
    mac = values.open(metadata.mac, _time(metadata.last_modified))
    if mac is None:
        return [_of_metadata(metadata, "the MAC does not decrypt: it, or the time of the last change, is another one")]
    if mac[0].decode("ascii", "replace") not in macs:
        return [_of_metadata(metadata, "every value decrypts, and yet they are not the ones that the MAC was made over")]
    strange = values.strange_comment(content.items, covered)
    return [_of_value(strange, "this comment was not encrypted as one in this file")] if strange else []


class _Values:
    """Opens the values of one file. Holds the data key, and nothing that it opened."""

    def __init__(self, cipher: "AESGCM", store: Store) -> None:
        from cryptography.exceptions import InvalidTag

        self._cipher = cipher
        self._invalid = InvalidTag
        self._store: Store = store
        self.opened = 0

    def open(self, text: str, path: str) -> tuple[bytes, str] | None:
        """Return what a ciphertext holds and the type it names, or None where it does not belong here."""
        found = parse_ciphertext(text)
        if found is None:
            return None
        try:
            plain = self._cipher.decrypt(found.iv, found.data + found.tag, encode(path, self._store))
        except self._invalid:
            return None
        self.opened += 1
        return plain, found.type

    def digest(self, items: Sequence[Item], covered: Sequence[bool], *, only_encrypted: bool) -> tuple[list[_Failure], set[str]]:
        """Return which values do not open, and the MACs that the others may have together."""
        seed = _SEED_ENCRYPTED_ONLY if only_encrypted else b""
        # Up to 3.13.1, a clear number in JSON was a float to SOPS, later an int where it is one: 2**53 + 1 differs.
        whole, floats = hashlib.sha512(seed), hashlib.sha512(seed)
        failures = []
        for item, encrypted in zip(items, covered, strict=True):
            if item.kind != "value" or (only_encrypted and not encrypted):
                continue
            if encrypted and item.scalar.text and item.scalar.type != "null":
                opened = self.open(item.scalar.text, _joined(item.path))
                part = opened_bytes(*opened) if opened else None
                if part is None:
                    failures.append(_Failure(item, _why(item.scalar, opened=opened is not None)))
                    continue
                whole.update(part)
                floats.update(part)
            else:
                whole.update(clear_bytes(item.scalar, self._store))
                floats.update(_as_float(item.scalar, self._store))
        return failures, {digest.hexdigest().upper() for digest in (whole, floats)}

    def strange_comment(self, items: Sequence[Item], covered: Sequence[bool]) -> Item | None:
        """Return the first encrypted comment that was encrypted nowhere in this file, if there is one.

        Where a comment belongs is not always where it is read again: go-yaml moves it between a map and its parent,
        and SOPS then only warns. What opens with the path of any map of the file is a comment of this file.
        """
        paths: list[str] | None = None
        trials = 0
        for place, item in enumerate(items):
            if item.kind != "comment" or not covered[place] or parse_ciphertext(item.scalar.text) is None:
                continue
            if self._opens(item, _near(items, place)):
                continue
            paths = paths or _maps(items)
            trials += len(paths)
            if trials > _MAX_COMMENT_TRIALS or not self._opens(item, paths):
                return item
        return None

    def _opens(self, item: Item, paths: Iterable[str]) -> bool:
        found = filter(None, (self.open(item.scalar.text, path) for path in paths))
        return any(type_ == "comment" for _, type_ in found)


def _joined(path: Sequence[str]) -> str:
    """Return a path as additional data: each component, the last one as well, with a colon behind it."""
    return ":".join(path) + ":"


def _near(items: Sequence[Item], place: int) -> list[str]:
    """Return the paths that a comment most likely belongs to: its own, and those of its neighbours."""
    found = [items[place].path]
    for neighbour in items[max(place - 1, 0) : place + 2]:
        found += [neighbour.path, neighbour.path[:-1], neighbour.path[:-2]]
    return list(dict.fromkeys(map(_joined, found)))


def _maps(items: Sequence[Item]) -> list[str]:
    """Return the paths of everything in the file that may have comments, each once."""
    found = dict.fromkeys([":"])
    for item in items:
        found[_joined(item.path)] = None
        found[_joined(item.path[:-1])] = None
    return list(found)


def _as_float(scalar: Scalar, store: Store) -> bytes:
    if store in ("json", "binary") and scalar.type in ("int", "float"):
        return floating(scalar.text) or clear_bytes(scalar, store)
    return clear_bytes(scalar, store)


def _time(last_modified: str) -> str:
    """Return the time as SOPS formats what it parsed: RFC 3339, whole seconds."""
    written = moment(last_modified)
    date, dot, rest = (written.decode() if written else last_modified).partition(".")
    return f"{date}{rest.lstrip('0123456789')}" if dot else date


def _why(scalar: Scalar, *, opened: bool) -> str:
    if opened:
        return "this value decrypts, and is not of the type that its ciphertext names"
    if parse_ciphertext(scalar.text) is None:
        return "a value that must be encrypted is not, so the MAC cannot be made over it"
    return "this value was not encrypted here, with the data key and under this path"


def _of_value(item: Item, reason: str) -> Problem:
    return Problem(RULE, reason, item.scalar.span, leaf_name(item.path), remedy=REMEDY)


def _of_metadata(metadata: Metadata, reason: str) -> Problem:
    return Problem(RULE, reason, metadata.mac_span, "sops.mac", remedy=REMEDY)


def _library() -> "type[AESGCM]":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise ConfigError("--mac needs the package cryptography", "pip install 'sealgate[sops]'") from None
    return AESGCM
