# SPDX-License-Identifier: Apache-2.0
"""Whether the `enc` of a recipient can be the data key wrapped for this recipient, and for nobody else.

No key is needed for that: age and OpenPGP say in clear how many keys open a message, and OpenPGP (and age for SSH
keys) which. What a cloud service wraps is opaque; only its form is checked.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from scanner.model import Confidence
from scanner.sops.recipient import Recipient, RecipientKind
from scanner.sops.wrapping.age import Stanza, age_faults, parse_age_recipient, read_age_file
from scanner.sops.wrapping.armor import MalformedError, decode_base64, decode_unpadded
from scanner.sops.wrapping.pgp import public_key_ids, read_message

__all__ = ["Fault", "public_key_ids", "wrapped_faults"]

_DATA_KEY: Final = 32
_MAX_CHARACTERS: Final = 16_384
_VAULT: Final = re.compile(r"vault:v[1-9][0-9]{0,8}:(.+)")


class Fault(NamedTuple):
    """What is wrong with a wrapped key: a rule of `scanner.sops.rules`, and a sentence about `it`."""

    rule: str
    reason: str
    confidence: Confidence = "high"


def wrapped_faults(
    recipient: Recipient, wrapped: str, *, share: bool = False, key_ids: frozenset[str] | None = None
) -> Iterator[Fault]:
    """Yield what is wrong with a recipient's `enc`; never raises.

    An empty `recipient.id` stands for one that is malformed: what depends on it is left out. `share`: several groups
    share the data key. `key_ids`: the OpenPGP key ids of the recipient, None where its public key is not known.
    """
    try:
        match recipient.kind:
            case "age":
                yield from _age(recipient.id, wrapped, share=share)
            case "pgp":
                yield from _pgp(wrapped, key_ids)
            case kind:
                _check_opaque(kind, wrapped)
    except MalformedError as error:
        yield Fault("sops-recipient-key", str(error))


def _age(recipient: str, wrapped: str, *, share: bool) -> Iterator[Fault]:
    key = parse_age_recipient(recipient)
    if recipient and key is None:
        yield Fault("sops-recipient-key", "its recipient is not a public key of age: the checksum or a length is wrong")
    file = read_age_file(wrapped)
    if len(file.stanzas) > 1:
        yield _further_stanzas(file.stanzas)
    elif not file.stanzas:
        yield Fault("sops-recipient-key", "its age header has no stanza, so nobody can open it")
    for reason in age_faults(key, file, share=share):
        yield Fault("sops-recipient-key", reason)


def _further_stanzas(stanzas: tuple[Stanza, ...]) -> Fault:
    """SOPS wraps for one recipient at a time, and Go's age adds nothing; rage and what is built on it do (grease)."""
    others = [stanza for stanza in stanzas if not stanza.type.endswith("-grease")]
    if len(others) > 1:
        return Fault("sops-hidden-recipient", f"{len(stanzas)} keys open it and one recipient is listed")
    reason = f"it has {len(stanzas)} stanzas where SOPS writes one; the others say that they are grease, and may be keys"
    return Fault("sops-hidden-recipient", reason, "medium")


def _pgp(wrapped: str, key_ids: frozenset[str] | None) -> Iterator[Fault]:
    message = read_message(wrapped)
    if message.notes:
        yield Fault("sops-hidden-text", "its armor has headers that neither SOPS nor GnuPG writes")
    if message.passwords:
        yield Fault("sops-hidden-recipient", "a password opens it as well")
    if len(message.key_ids) > 1:
        yield Fault("sops-hidden-recipient", f"{len(message.key_ids)} keys open it and one recipient is listed")
    elif not message.key_ids:
        yield Fault("sops-recipient-key", "no key opens it")
    elif key_ids is not None:
        yield from _other_key(message.key_ids[0], key_ids)


def _other_key(key_id: str, key_ids: frozenset[str]) -> Iterator[Fault]:
    if not key_id:
        # `throw-keyids` is in gpg.conf files that many people copy, so this is no proof of anything. It is said
        # because whoever keeps public keys beside the files wants to see what cannot be compared with them.
        yield Fault("sops-hidden-recipient", "it does not say for whom it is (throw-keyids)", "low")
    elif key_id not in key_ids:
        yield Fault("sops-hidden-recipient", "it is for a key that is not among the recipient's keys")


def _check_opaque(kind: RecipientKind, wrapped: str) -> None:
    if not wrapped.strip():
        raise MalformedError("it is empty")
    if len(wrapped) > _MAX_CHARACTERS:
        raise MalformedError("it is far longer than a wrapped data key")
    data = _OPAQUE.get(kind, decode_base64)(wrapped)
    if len(data) < _DATA_KEY:
        raise MalformedError("it is shorter than a data key")
    # Only as a whole: emulators of KMS (LocalStack, moto) put the key's id in front of what they encrypt.
    if all(0x20 <= byte < 0x7F for byte in data):
        raise MalformedError("it is readable text in base64")


def _vault(wrapped: str) -> bytes:
    found = _VAULT.fullmatch(wrapped)
    if found is None:
        raise MalformedError("it is not what Vault's transit engine returns (vault:v1:…)")
    return decode_base64(found[1])


def _url_safe(wrapped: str) -> bytes:
    """Azure returns base64 for URLs without padding (getsops/sops `azkv/keysource.go`); other base64 hides nothing either."""
    return decode_unpadded(wrapped.rstrip("=").translate({ord("-"): "+", ord("_"): "/"}))


# AWS, Google and Huawei: standard base64.
_OPAQUE: Final[Mapping[RecipientKind, Callable[[str], bytes]]] = {"hc_vault": _vault, "azure_kv": _url_safe}
