# SPDX-License-Identifier: Apache-2.0
"""Who can decrypt a file, against who may: its recipients against the creation rule, group by group, and each
recipient against the data key that is wrapped for it.

SOPS compares the lists only, by the index of the group (`DiffKeyGroups` in getsops/sops `cmd/sops/common/common.go`).
"""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Final

from scanner.sops.creation.policy import CreationRule
from scanner.sops.metadata import FileRecipient, Metadata
from scanner.sops.recipient import Recipient
from scanner.sops.rules import Problem
from scanner.sops.wrapping.wrapped import wrapped_faults

_UPDATE: Final = "sops updatekeys -y {file}"
# A recipient that goes has read the data key: only a new one shuts it out.
_UPDATE_AND_ROTATE: Final = "sops updatekeys -y {file} && sops rotate -i {file}"
_ROTATE: Final = "sops rotate -i {file}"
# `updatekeys` and `rotate` keep the threshold of the file (measured with 3.11; the TODO in updatekeys.go says so too).
_AGAIN: Final = "sops decrypt -i {file} && sops encrypt -i {file}"
_LONG_ID: Final = 16
_FINGERPRINT_V4: Final = 40


def compare(metadata: Metadata, rule: CreationRule) -> list[Problem]:
    """Return where the recipients of a file differ from those of its creation rule, one problem a recipient.

    A rule without recipients leaves them to the command line, so nothing differs from it; what SOPS fails on is no
    measure either.
    """
    if rule.broken or not any(rule.groups):
        return []
    problems: list[Problem] = []
    several = max(len(metadata.groups), len(rule.groups)) > 1
    for index, (ours, theirs) in enumerate(zip_longest(metadata.groups, rule.groups)):
        where = f" in group {index + 1}" if several else ""
        problems += _differences(ours or (), theirs or (), metadata, f"creation rule {rule.number}", where)
    problems += _threshold(metadata, rule)
    return problems


def check_wrapped(metadata: Metadata, public_keys: Mapping[str, frozenset[str]]) -> list[Problem]:
    """Return what is wrong with the wrapped data keys.

    `public_keys`: the key ids of each OpenPGP public key that is known, by the fingerprint of its primary key.
    """
    repeated = [problem for group in metadata.groups for problem in _repeated(group)]
    share = len(metadata.groups) > 1
    known = _PublicKeys(public_keys)
    listed = [recipient for group in metadata.groups for recipient in group]
    return repeated + [problem for recipient in listed for problem in _wrapped_problems(recipient, known, share=share)]


def _repeated(group: tuple[FileRecipient, ...]) -> Iterator[Problem]:
    """One recipient needs the data key once: of two different ones, one may be for somebody who is not named.

    SOPS itself writes one twice only where a rule or the command line names it twice.
    """
    seen: dict[Recipient, str] = {}
    for one in group:
        same = _canonical(one.recipient)
        if same.id and seen.setdefault(same, one.wrapped) != one.wrapped:
            reason = f"{same.kind} recipient {same.id} is listed twice: one of the two may be wrapped for somebody else"
            yield Problem("sops-hidden-recipient", reason, one.span, f"{same.id} twice", confidence="medium", remedy=_AGAIN)


def _wrapped_problems(listed: FileRecipient, known: "_PublicKeys", *, share: bool) -> Iterator[Problem]:
    kind, id_ = listed.recipient
    key_ids = known.of(id_) if kind == "pgp" else None
    name = id_ or f"a malformed {kind} recipient"
    for fault in wrapped_faults(listed.recipient, listed.wrapped, share=share, key_ids=key_ids):
        reason = f"the data key wrapped for {name}: {fault.reason}"
        yield Problem(fault.rule, reason, listed.wrapped_span, id_ or kind, confidence=fault.confidence, remedy=_ROTATE)


def _differences(
    ours: tuple[FileRecipient, ...], theirs: tuple[Recipient, ...], metadata: Metadata, rule: str, where: str
) -> Iterator[Problem]:
    listed = [(one, _canonical(one.recipient)) for one in ours]
    demanded = dict.fromkeys(map(_canonical, theirs))
    known = {same for _, same in listed if same in demanded or _any_version(same) in demanded}
    for one, same in listed:
        if same.id and same not in known:
            known.add(same)
            reason = f"{same.kind} recipient {same.id}{where} can decrypt, and {rule} does not list it"
            yield Problem("sops-recipients", reason, one.span, same.id, remedy=_UPDATE_AND_ROTATE)
    present = {same for _, same in listed} | {_any_version(same) for _, same in listed}
    for same in demanded:
        if same not in present:
            reason = f"{rule} lists {same.kind} recipient {same.id}{where}, who cannot decrypt this file"
            yield Problem("sops-recipients", reason, metadata.span, same.id, remedy=_UPDATE)


def _threshold(metadata: Metadata, rule: CreationRule) -> Iterator[Problem]:
    """One group is no secret sharing: SOPS keeps a threshold for it and never looks at it."""
    if len(metadata.groups) < 2 or len(rule.groups) < 2:
        return
    demanded = rule.threshold or len(rule.groups)
    found = metadata.threshold or len(metadata.groups)
    if found != demanded:
        reason = f"{found} of the groups together can decrypt, and creation rule {rule.number} demands {demanded}"
        yield Problem("sops-recipients", reason, metadata.span, "shamir_threshold", remedy=_AGAIN)


def _canonical(recipient: Recipient) -> Recipient:
    kind, id_ = recipient
    if kind == "pgp":
        return Recipient(kind, id_.replace(" ", "").upper().removeprefix("0X"))
    if kind in {"kms", "gcp_kms", "hckms"}:
        return Recipient(kind, id_ if "|" in id_ else id_.replace(" ", ""))
    if kind == "azure_kv":
        vault, slash, key = id_.partition("/keys/")
        return Recipient(kind, f"{vault.rstrip('/').lower()}{slash}{key}")
    if kind == "hc_vault":
        address, slash, key = id_.partition("/v1/")
        return Recipient(kind, f"{address.rstrip('/')}{slash}{key}")
    return Recipient(kind, id_.strip())


def _any_version(recipient: Recipient) -> Recipient:
    """Return an Azure key without its version: so a rule names it that takes the version which is current then."""
    kind, id_ = recipient
    return Recipient(kind, id_[: id_.rfind("/") + 1]) if kind == "azure_kv" else recipient


class _PublicKeys:
    """The key ids of public keys, found by whatever id of one of their keys a recipient is named by."""

    def __init__(self, public_keys: Mapping[str, frozenset[str]]) -> None:
        self._by_id = {key_id: ids for ids in public_keys.values() for key_id in ids}

    def of(self, fingerprint: str) -> frozenset[str] | None:
        """Return the ids of all keys that may stand in a message for this recipient, None where they are not known."""
        named = fingerprint.removeprefix("0X").removesuffix("!")
        if len(named) < _LONG_ID:
            return None
        key_id = named[-_LONG_ID:] if len(named) <= _FINGERPRINT_V4 else named[:_LONG_ID]
        # An exclamation mark has gpg take this key and no other of the same certificate.
        return frozenset({key_id}) if fingerprint.endswith("!") else self._by_id.get(key_id)
