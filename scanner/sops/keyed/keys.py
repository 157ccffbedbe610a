# SPDX-License-Identifier: Apache-2.0
"""From the recipients of a file and the keys at hand to its data key, as getsops/sops `sops.go` does it.

It is stricter in one point: SOPS is content with the first recipient that opens, so a recipient whose entry was
forged goes unnoticed as long as another one works. Here every age recipient whose key is at hand must open, and all
of them must hold the same.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from scanner.display import one_line, shorten
from scanner.model import Secret
from scanner.sops.keyed.keyring.age import AgeKeys
from scanner.sops.keyed.keyring.pgp import open_pgp
from scanner.sops.keyed.keyring.refusal import NoKey, Unreachable, WrongKey
from scanner.sops.keyed.keyring.vault import is_trusted, open_vault
from scanner.sops.keyed.shamir import combine
from scanner.sops.metadata import FileRecipient, Metadata

__all__ = ["Keyring", "NoKey", "WrongKey"]

_DATA_KEY_BYTES: Final = 32
# What opens offline first, then what starts a program, then what asks a server.
_ORDER: Final = ("age", "pgp", "hc_vault")
_CLOUDS: Final = {"kms": "AWS KMS", "gcp_kms": "GCP KMS", "azure_kv": "Azure Key Vault", "hckms": "Huawei Cloud KMS"}
# Each may start a program, or ask a server: a file with thousands of recipients must not hold the gate up.
_MAX_OPENINGS: Final = 200
_MAX_REMEMBERED: Final = 1000


class Keyring:
    """The keys that an environment leads to. Nothing is read or asked before a file needs it.

    `vault_addresses` are servers that may be sent the environment's token besides the ones it names itself.
    """

    def __init__(self, environ: Mapping[str, str], *, vault_addresses: Sequence[str] = ()) -> None:
        self.environ = environ
        self._home = environ.get("HOME") or environ.get("USERPROFILE") or ""
        self._vault_addresses = tuple(vault_addresses)
        self._age = AgeKeys(environ, self._home)
        # The versions of a file in history share their wrapped data key, and gpg and servers take their time.
        self._answers: dict[tuple[str, str, str], Secret | NoKey] = {}
        self._unreachable: dict[str, str] = {}

    def data_key(self, metadata: Metadata) -> bytes:
        """Return the 32 bytes that the values of a file are encrypted with.

        Raises `NoKey` where the keys at hand do not open it, `WrongKey` where they do and it is none, `ConfigError`
        where a package is missing.
        """
        groups = metadata.groups
        parts, reasons = [], []
        if sum(map(len, groups)) > _MAX_OPENINGS:
            raise NoKey(f"more than {_MAX_OPENINGS} recipients")
        for group in groups:
            try:
                parts.append(self._part(group))
            except NoKey as refusal:
                reasons.append(refusal.reason)
        needed = (metadata.threshold or len(groups)) if len(groups) > 1 else 1
        if len(parts) < max(needed, 1):
            lacking = f"{len(parts)} of {needed} key groups open; " if len(groups) > 1 else ""
            raise NoKey(shorten(lacking + "; ".join(dict.fromkeys(reasons)), 500))
        key = _combined(parts, needed) if len(groups) > 1 else parts[0]
        if len(key) != _DATA_KEY_BYTES:
            raise WrongKey("what is wrapped for the recipients is no data key of 32 bytes")
        return key

    def may_ask(self, metadata: Metadata) -> bool:
        """Whether the file names no Vault server that must not see the environment's token."""
        return all(
            is_trusted(entry.recipient.id.partition("/v1/")[0], self.environ, self._vault_addresses)
            for group in metadata.groups
            for entry in group
            if entry.recipient.kind == "hc_vault"
        )

    def _part(self, group: Sequence[FileRecipient]) -> bytes:
        """Return what one key group holds: the data key, or a share of it."""
        opened: bytes | None = None
        reasons = []
        for entry in sorted(group, key=_rank):
            if opened is not None and entry.recipient.kind != "age":
                break
            try:
                part = self._open(entry)
            except NoKey as refusal:
                reasons.append(refusal.reason)
                continue
            if opened is not None and part != opened:
                raise WrongKey("two recipients of one key group hold different data keys")
            opened = part
        if opened is None:
            raise NoKey("; ".join(dict.fromkeys(reasons)) or "a key group without recipients")
        return opened

    def _open(self, entry: FileRecipient) -> bytes:
        # dotenv and INI write line breaks as \n, which no armor has of itself.
        wrapped = entry.wrapped.replace("\\n", "\n").strip()
        question = (*entry.recipient, wrapped)
        answer = self._answers.get(question)
        if answer is None:
            try:
                answer = Secret(self._ask(*question))
            except NoKey as refusal:
                answer = refusal
            if len(self._answers) >= _MAX_REMEMBERED:
                self._answers.clear()
            self._answers[question] = answer
        if isinstance(answer, NoKey):
            raise NoKey(answer.reason)
        return answer.reveal()

    def _ask(self, kind: str, id_: str, wrapped: str) -> bytes:
        if kind == "age":
            return self._age.open(id_, wrapped)
        if kind == "pgp":
            return open_pgp(id_, wrapped, self.environ)
        if kind != "hc_vault":
            name = _CLOUDS.get(kind, kind)
            raise NoKey(f"{name}: only the program sops asks it ({shorten(one_line(id_), 60)})")
        address = id_.partition("/v1/")[0]
        if address in self._unreachable:
            raise NoKey(self._unreachable[address])
        try:
            return open_vault(id_, wrapped, self.environ, self._home, self._vault_addresses)
        except Unreachable as refusal:
            self._unreachable[address] = refusal.reason
            raise


def _rank(entry: FileRecipient) -> int:
    kind = entry.recipient.kind
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _combined(parts: Sequence[bytes], needed: int) -> bytes:
    """Return the data key of several shares; all that open must agree, not only as many as are needed."""
    whole, fewest = combine(parts), combine(parts[:needed])
    if whole is None or fewest is None:
        raise WrongKey("what the key groups hold are no shares of one data key")
    # A threshold that was lowered afterwards shows here, as does one share among several that was exchanged.
    if whole != fewest:
        raise WrongKey("the key groups' shares do not agree with each other, or with the threshold")
    return whole
