# SPDX-License-Identifier: Apache-2.0
"""The recipients of a creation rule, in every spelling that SOPS reads (`getKeyGroupsFromCreationRule`, config.go).

Ids are what `ToString` of each kind of master key gives, by which SOPS compares a file with its rule.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from scanner.model import Span
from scanner.sops.creation.fields import Field, FieldReader, Fields
from scanner.sops.recipient import Group, Recipient, RecipientKind
from scanner.sops.wrapping.age import parse_age_recipient

FLAT_KEYS: Final = ("age", "pgp", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault_transit_uri")
_GROUP_KEYS: Final = ("merge", "kms", "gcp_kms", "hckms", "azure_keyvault", "hc_vault", "age", "pgp")
_AZURE: Final = re.compile(r"(https://[^/]+)/keys/([^/]+)(?:/([^/]*))?")
_KMS: Final = re.compile(r"arn:aws[\w-]*:kms:.+:[0-9]+:(?:key|alias)/.+")
_GCP: Final = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
# A key that decrypts, put here by mistake, must not become an id that is shown.
_PRIVATE: Final = re.compile(r"SECRET-KEY|PRIVATE KEY", re.IGNORECASE)
_VAULT: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)/v[0-9]+/([^?#]+)")


class Placed(NamedTuple):
    """A recipient and where it is named."""

    recipient: Recipient
    span: Span


def read_flat(reader: FieldReader, fields: Fields, what: str) -> list[Placed]:
    """Return the recipients that stand in the rule itself; texts have their lists between commas."""
    group = _Reading(reader, what)
    profile = reader.text(fields.get("aws_profile"), "aws_profile")
    for key in FLAT_KEYS:
        field = fields.get(key)
        if key == "hckms":
            texts = [(part, span) for text, span in reader.texts(field, key) for part in text.split(",") if part.strip()]
        else:
            texts = reader.text_or_list(field, key)
        for text, span in texts:
            group.add(key, text.replace(" ", "") + (f"||{profile}" if profile else "") if key == "kms" else text, span)
    return group.found


def read_groups(reader: FieldReader, field: Field | None, what: str) -> list[list[Placed]]:
    """Return the groups of `key_groups`, each with what it merges in, and without repetitions as SOPS takes them."""
    groups = []
    for number, node in enumerate(reader.entries(field, "key_groups"), 1):
        group = _Reading(reader, f"key group {number} of {what}")
        for part in _flattened(reader, node, group.what):
            _read_group(reader, group, part)
        groups.append(group.found)
    return groups


def plain(group: list[Placed]) -> Group:
    """Return a group's recipients, each once."""
    return tuple(dict.fromkeys(placed.recipient for placed in group))


class _Reading:
    """One group as it is read."""

    def __init__(self, reader: FieldReader, what: str) -> None:
        self.what = what
        self.found: list[Placed] = []
        self._reader = reader

    def add(self, key: str, text: str, span: Span) -> None:
        """Add what a text names."""
        self.add_id(key, _FORMS[key][1](text), span)

    def add_id(self, key: str, id_: str, span: Span) -> None:
        """Add a recipient by its id, or say that this names nobody."""
        kind, _, wanted = _FORMS[key]
        if id_ and not _PRIVATE.search(id_):
            self.found.append(Placed(Recipient(kind, id_), span))
        else:
            # What stands here may be a key that decrypts, by mistake: it is not quoted.
            reason = f"an entry of {key} in {self.what} is not {wanted}, so sops fails on it"
            self._reader.refuse(span, reason, f"{self.what}: {key}", f"name {wanted}")


def _flattened(reader: FieldReader, node: Any, what: str) -> Iterator[Fields]:
    """Yield the fields of a group, those of the groups that it merges first."""
    todo = [(node, False)]
    while todo:
        here, done = todo.pop()
        fields = reader.fields(here, what, _GROUP_KEYS)
        if fields is None:
            continue
        merged = [] if done else reader.entries(fields.get("merge"), "merge")
        if not merged:
            yield fields
            continue
        todo.append((here, True))
        todo += [(entry, False) for entry in reversed(merged)]


def _read_group(reader: FieldReader, group: _Reading, fields: Fields) -> None:
    for text, span in reader.texts(fields.get("age"), "age"):
        for part in text.split(",") if text else ():
            group.add("age", part, span)
    for key in ("pgp", "hc_vault"):
        for text, span in reader.texts(fields.get(key), key):
            group.add(key, text, span)
    for key, names in _MAPS.items():
        for node in reader.entries(fields.get(key), key):
            entry = reader.fields(node, f"an entry of {key} in {group.what}", names)
            if entry is not None:
                group.add_id(key, _of_map(reader, key, entry), reader.span(node))


def _of_map(reader: FieldReader, key: str, entry: Fields) -> str:
    """Return the recipient that a map describes, nothing where its name is missing."""

    def said(name: str) -> str:
        return reader.text(entry.get(name), name)

    if key == "azure_keyvault":
        url, name = said("vaultUrl").rstrip("/"), said("key")
        return f"{url}/keys/{name}/{said('version')}" if url and name else ""
    if key != "kms" or not said("arn"):
        return _FORMS[key][1](said(_MAPS[key][0]))
    context, profile = _context(reader, entry.get("context")), said("aws_profile")
    id_ = _kms(said("arn")) and said("arn") + (f"+{said('role')}" if said("role") else "")
    if not id_:
        return ""
    return f"{id_}|{context}|{profile}" if profile else f"{id_}|{context}" if context else id_


def _context(reader: FieldReader, field: Field | None) -> str:
    """Return the encryption context of AWS KMS as SOPS compares it (`kmsContextToString`, kms/keysource.go)."""
    if field is None or reader.is_null(field.node):
        return ""
    fields = reader.fields(field.node, "context", None) or {}
    return ",".join(f"{name}:{reader.text(value, name)}" for name, value in sorted(fields.items()))


def _age(text: str) -> str:
    """Return the recipient where it can be one; an SSH key may have any remark behind it."""
    text = text.strip()
    key = " ".join(text.split()[:2]) if text.startswith("ssh-") else text
    return text if parse_age_recipient(key) else ""


def _kms(text: str) -> str:
    return text if _KMS.fullmatch(text) else ""


def _gcp(text: str) -> str:
    text = text.replace(" ", "")
    return text if _GCP.fullmatch(text) else ""


def _vault(text: str) -> str:
    """Return `address/v1/engine/keys/name` (`NewMasterKeyFromURI`, hcvault/keysource.go)."""
    found = _VAULT.match(text)
    parts = [part for part in found[2].split("/") if part] if found else []
    if found is None or len(parts) < 3:
        return ""
    return f"{found[1]}/v1/{'/'.join(parts[:-2])}/keys/{parts[-1]}"


def _azure(text: str) -> str:
    found = _AZURE.fullmatch(text.strip())
    return f"{found[1]}/keys/{found[2]}/{found[3] or ''}" if found else ""


def _huawei(text: str) -> str:
    region, colon, key = text.strip().partition(":")
    return text.strip() if colon and region.strip() and key.strip() else ""


_FORMS: Final[Mapping[str, tuple[RecipientKind, Callable[[str], str], str]]] = {
    "age": ("age", _age, "an age recipient (age1…, with a right checksum, or an SSH public key)"),
    "pgp": ("pgp", lambda text: text.replace(" ", "").upper(), "a PGP fingerprint"),
    "kms": ("kms", _kms, "an ARN of AWS KMS"),
    "gcp_kms": ("gcp_kms", _gcp, "a resource id of GCP KMS"),
    "hckms": ("hckms", _huawei, "a key id of Huawei Cloud KMS (region:uuid)"),
    "azure_keyvault": ("azure_kv", _azure, "a key of Azure Key Vault (https://vault/keys/name/version)"),
    "hc_vault": ("hc_vault", _vault, "a transit key (https://vault/v1/transit/keys/name)"),
    "hc_vault_transit_uri": ("hc_vault", _vault, "a transit key (https://vault/v1/transit/keys/name)"),
}
_MAPS: Final[Mapping[str, tuple[str, ...]]] = {
    "kms": ("arn", "role", "context", "aws_profile"),
    "gcp_kms": ("resource_id",),
    "hckms": ("key_id",),
    "azure_keyvault": ("vaultUrl", "key", "version"),
}
