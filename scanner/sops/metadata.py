# SPDX-License-Identifier: Apache-2.0
"""The `sops` block of a file, read so that nothing in it goes unread: every key known, every value of its form.

Keys: getsops/sops `stores/stores.go` from 3.0 to 3.13; each version reads what the earlier ones wrote. SOPS ignores
keys it does not know and keeps most values as they are, so a form here is as narrow as what is really written.
"""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from scanner.model import Secret, Span
from scanner.sops.ciphertext import doubt, parse_ciphertext
from scanner.sops.content import ListNode, MapNode, Node, Scalar, Store
from scanner.sops.creation.policy import DEFAULT_SELECTOR, SELECTOR_KINDS, Selector
from scanner.sops.recipient import Recipient, RecipientKind
from scanner.sops.rules import Problem
from scanner.sops.wrapping.age import parse_age_recipient

_KEYS: Final = ("key_groups", "shamir_threshold", "lastmodified", "mac", "mac_only_encrypted", "version")
_MAC_BYTES: Final = 128
_MAX_GROUPS: Final = 255
_RESTORE: Final = "restore the sops block from history, or encrypt the file anew with sops"
_REMOVE: Final = "remove it, and replace it wherever it is used if it is a secret"

# Go's RFC 3339 (time.Parse), in which SOPS reads and writes times.
_TIME: Final = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
# Releases, their candidates, and the two numbers of the Python versions (1.14).
_VERSION: Final = re.compile(r"v?[0-9]{1,3}(\.[0-9]{1,4}){1,2}(-(alpha|beta|rc|dev|pre)(\.?[0-9]{1,3})?)?")
_THRESHOLD: Final = re.compile(r"[0-9]{1,3}")
# The INI store of 3.3 to 3.8 wrote numbers as floats.
_FLAT_THRESHOLD: Final = re.compile(r"([0-9]{1,3})(?:\.0{1,6})?")
_TEXT: Final = re.compile(r"[^\x00-\x08\x0e-\x1f\x7f]{0,4096}")
_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"
_PATH: Final = r"[\w.~-]+(?:/[\w.~-]+)*"
_CONTEXT: Final = re.compile(r"[\w .:/=+@,-]{1,256}", re.ASCII)


# The digest of the words of warning that the Python versions wrote into each block as `attention`.
_ATTENTION: Final = "258810a8037a117fba56596a5e09853dcd0a1875fa3e9a860a07a34e2cddba4c"


def _is_attention(text: str) -> bool:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest() == _ATTENTION


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)


# By kind of recipient: the form of each key but `enc`, which is judged together with its recipient (wrapped.py), and
# `context`, a map. A form that also matches nothing belongs to a key that may be absent.
_FORMS: Final[Mapping[RecipientKind, Mapping[str, re.Pattern[str]]]] = {
    # The checksum is looked at when the recipient is made.
    "age": {"recipient": re.compile(r"(?:age1|ssh-)[^\x00-\x1f\x7f]{1,4096}")},
    # gpg takes short and long key ids too, and an exclamation mark behind a subkey (getsops/sops#1365).
    "pgp": {"fp": _form(r"(?:0x)?(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{16}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?"), "created_at": _TIME},
    "kms": {
        "arn": _form(r"arn:aws[a-z-]{0,20}:kms:[a-z0-9-]{1,32}:[0-9]{1,12}:(?:key|alias)/[\w/-]{1,256}"),
        "role": _form(r"(?:arn:aws[a-z-]{0,20}:(?:iam|sts)::[0-9]{1,12}:[\w+=,.@/-]{1,600})?"),
        "aws_profile": _form(r"[\w.@/+-]{0,128}"),
        "created_at": _TIME,
    },
    "gcp_kms": {
        "resource_id": _form(
            r"projects/[a-z0-9.:-]{1,100}/locations/[a-z0-9-]{1,63}/keyRings/[\w-]{1,63}/cryptoKeys/[\w-]{1,63}"
        ),
        "created_at": _TIME,
    },
    "azure_kv": {
        "vault_url": _form(rf"https://{_HOST}(?::[0-9]{{1,5}})?/?"),
        "name": _form(r"[A-Za-z0-9-]{1,127}"),
        "version": _form(r"[A-Za-z0-9-]{0,64}"),
        "created_at": _TIME,
    },
    "hc_vault": {
        "vault_address": _form(rf"https?://(?:{_HOST}|\[[0-9A-Fa-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?/?"),
        "engine_path": _form(rf"/?{_PATH}/?"),
        "key_name": _form(r"[\w.~-]{1,256}"),
        "created_at": _TIME,
    },
    "hckms": {"key_id": _form(r"[a-z0-9-]{1,32}: ?[A-Za-z0-9-]{1,64}"), "created_at": _TIME},
}


class FileRecipient(NamedTuple):
    """A recipient as a file lists it; its id is empty where that is malformed.

    `wrapped` is the text of `enc`, empty where there is none. `span`: what names the recipient; `wrapped_span`: `enc`.
    """

    recipient: Recipient
    wrapped: str
    span: Span
    created_at: str
    wrapped_span: Span


class Metadata(NamedTuple):
    """What a `sops` block says. Empty or 0 where it is missing or malformed, which is a problem of its own.

    `groups` has one group for what nearly every file has: flat lists without Shamir's secret sharing.
    """

    selector: Selector
    groups: tuple[tuple[FileRecipient, ...], ...]
    threshold: int
    mac: str
    mac_span: Span
    last_modified: str
    version: str
    mac_only_encrypted: bool
    span: Span


def parse_metadata(node: Node, store: Store) -> tuple[Metadata | None, list[Problem]]:
    """Return what a `sops` entry says, or None if it is no metadata at all, and everything that is wrong with it."""
    if not isinstance(node, MapNode):
        problem = Problem("sops-metadata", "what `sops` holds is not the metadata of SOPS", node.span, "sops", remedy=_RESTORE)
        return None, [problem]
    reader = _Reader(store)
    metadata = reader.read(node)
    return metadata, reader.problems


class _Reader:
    """Reads one block; what is wrong gathers in `problems`."""

    def __init__(self, store: Store) -> None:
        self._flat = store in {"dotenv", "ini"}
        self.problems: list[Problem] = []

    def read(self, node: MapNode) -> Metadata:
        found = self._entries(node, "sops", {*_KEYS, *_FORMS, *SELECTOR_KINDS})
        mac = self._mac(found, node)
        groups = self._groups(found, node)
        return Metadata(
            selector=self._selector(found),
            groups=groups,
            threshold=self._threshold(found, node, len(groups)),
            mac=mac,
            mac_span=found["mac"].span if "mac" in found else node.span,
            last_modified=self._text(found, "lastmodified", "sops", _TIME, node),
            version=self._text(found, "version", "sops", _VERSION, node),
            mac_only_encrypted=self._flag(found),
            span=node.span,
        )

    def _say(self, key: str, reason: str, node: Node, rule: str = "sops-metadata") -> None:
        value = Secret(node.text.encode("utf-8", "surrogatepass")) if isinstance(node, Scalar) and node.text else None
        self.problems.append(Problem(rule, reason, node.span, key, value, remedy=_RESTORE))

    def _entries(self, node: MapNode, where: str, known: set[str]) -> dict[str, Node]:
        """Return the known entries of a map, the last one of each name, as Go's JSON and INI readers take it."""
        found: dict[str, Node] = {}
        for key, value in node.entries:
            if key.text == "attention" and where == "sops" and isinstance(value, Scalar) and _is_attention(value.text):
                continue
            if key.text not in known or key.type != "str":
                self._unknown(key, value, where)
                continue
            if key.text in found:
                self._say(f"{where}.{key.text}", "this key of the metadata is there twice, and SOPS reads one of them", value)
            found[key.text] = value
        return found

    def _unknown(self, key: Scalar, value: Node, where: str) -> None:
        span = Span(min(key.span.start, value.span.start), max(key.span.end, value.span.end))
        secret = Secret(value.text.encode("utf-8", "surrogatepass")) if isinstance(value, Scalar) and value.text else None
        reason = f"{where} has a key that is not of SOPS: it is ignored, never encrypted, and not in the MAC"
        # The key itself may be what should not be read.
        name = key.text if re.fullmatch(r"[A-Za-z_][\w-]{0,39}", key.text, re.ASCII) else "?"
        self.problems.append(Problem("sops-metadata-unknown", reason, span, f"{where}.{name}", secret, remedy=_REMOVE))

    def _text(self, found: Mapping[str, Node], key: str, where: str, form: re.Pattern[str], parent: MapNode) -> str:
        """Return the value of a key if it has its form; one whose form matches nothing may be absent."""
        node = found.get(key)
        if node is None:
            if not form.fullmatch(""):
                self._say(f"{where}.{key}", f"{where} has no `{key}`, which SOPS always writes", parent)
        elif isinstance(node, Scalar) and (form.fullmatch("" if node.type == "null" else node.text)):
            if form is not _TIME or _is_day(node.text):
                return "" if node.type == "null" else node.text
            self._say(f"{where}.{key}", f"`{key}` names a day that the calendar does not have", node)
        else:
            self._say(f"{where}.{key}", f"`{key}` is not of the form that SOPS writes", node)
        return ""

    def _mac(self, found: Mapping[str, Node], parent: MapNode) -> str:
        node = found.get("mac")
        if node is None:
            self._say("sops.mac", "the metadata has no `mac`, so nothing shows what was changed", parent)
            return ""
        value = parse_ciphertext(node.text) if isinstance(node, Scalar) else None
        if value is None or value.type != "str" or len(value.data) != _MAC_BYTES:
            self._say("sops.mac", "`mac` is not one ciphertext of 128 bytes with nothing around it", node)
        elif reason := doubt(value):
            self._say("sops.mac", f"`mac` cannot have been written by SOPS: {reason}", node)
        elif isinstance(node, Scalar):
            return node.text
        return ""

    def _selector(self, found: Mapping[str, Node]) -> Selector:
        """Return the one selector; SOPS writes none for the binary store and reads that as the default."""
        chosen: list[Selector] = []
        for key, node in found.items():
            if key not in SELECTOR_KINDS:
                continue
            if not isinstance(node, Scalar) or not _TEXT.fullmatch(node.text):
                self._say(f"sops.{key}", f"`{key}` is not one line of text", node)
            elif node.text and node.type != "null":
                if chosen:
                    self._say(f"sops.{key}", f"SOPS refuses a file with two selectors: {chosen[0].kind} and {key}", node)
                chosen.append(Selector(key, node.text))
        return chosen[0] if chosen else DEFAULT_SELECTOR

    def _flag(self, found: Mapping[str, Node]) -> bool:
        node = found.get("mac_only_encrypted")
        if node is None:
            return False
        if isinstance(node, Scalar) and node.type == ("str" if self._flat else "bool") and node.text.lower() in {"true", "false"}:
            return node.text.lower() == "true"
        self._say("sops.mac_only_encrypted", "`mac_only_encrypted` is neither true nor false", node)
        return False

    def _threshold(self, found: Mapping[str, Node], parent: MapNode, groups: int) -> int:
        """Return how many groups it takes; SOPS ignores it where there is one (`sops.go`, `GetDataKeyWithKeyServices`)."""
        node = found.get("shamir_threshold", parent)
        if node is parent:
            if groups > 1:
                self._say("sops.shamir_threshold", f"{groups} groups share the data key without a `shamir_threshold`", parent)
            return 0
        form = _FLAT_THRESHOLD if self._flat else _THRESHOLD
        number = form.fullmatch(node.text) if isinstance(node, Scalar) and node.type == ("str" if self._flat else "int") else None
        if number is None:
            self._say("sops.shamir_threshold", "`shamir_threshold` is not a number", node)
            return 0
        threshold = int(number[0].partition(".")[0])
        if groups > 1 and not 2 <= threshold <= groups:
            self._say("sops.shamir_threshold", f"`shamir_threshold` does not go with {groups} groups", node)
        return threshold

    def _groups(self, found: Mapping[str, Node], parent: MapNode) -> tuple[tuple[FileRecipient, ...], ...]:
        flat = self._group(found, "sops")
        shared = [self._key_group(node, f"sops.key_groups[{index}]") for index, node in self._list(found, "key_groups", "sops")]
        if flat and shared:
            self._say("sops.key_groups", "SOPS ignores `key_groups` where recipients stand outside of it", found["key_groups"])
        if len(shared) > _MAX_GROUPS:
            self._say("sops.key_groups", f"no more than {_MAX_GROUPS} groups can share a data key", found["key_groups"])
        if not flat and not any(shared):
            self._say("sops", "the metadata lists no recipient, so nobody can decrypt", parent)
        return (flat,) if flat else tuple(shared)

    def _key_group(self, node: Node, where: str) -> tuple[FileRecipient, ...]:
        if not isinstance(node, MapNode):
            self._say(where, f"{where} is not a group of recipients", node)
            return ()
        group = self._group(self._entries(node, where, {*_FORMS}), where)
        if not group:
            self._say(where, f"{where} has no recipient, so nobody has its share of the data key", node)
        return group

    def _group(self, found: Mapping[str, Node], where: str) -> tuple[FileRecipient, ...]:
        return tuple(
            recipient
            for kind in _FORMS
            for index, node in self._list(found, kind, where)
            for recipient in self._recipient(kind, node, f"{where}.{kind}[{index}]")
        )

    def _list(self, found: Mapping[str, Node], key: str, where: str) -> Iterator[tuple[int, Node]]:
        """Yield the members of a list that may be absent; up to 3.10 SOPS wrote empty ones as `[]` or null."""
        node = found.get(key)
        if isinstance(node, ListNode):
            yield from enumerate(node.entries)
        elif node is not None and not (isinstance(node, Scalar) and node.type == "null"):
            self._say(f"{where}.{key}", f"`{key}` is not a list", node)

    def _recipient(self, kind: RecipientKind, node: Node, where: str) -> Iterator[FileRecipient]:
        if not isinstance(node, MapNode):
            self._say(where, f"{where} is not a recipient", node)
            return
        forms = _FORMS[kind]
        found = self._entries(node, where, {*forms, "enc", *(("context",) if kind == "kms" else ())})
        created = self._text(found, "created_at", where, _TIME, node) if "created_at" in forms else ""
        before = len(self.problems)
        texts = {key: self._text(found, key, where, form, node) for key, form in forms.items() if key != "created_at"}
        context = self._context(found.get("context"), where)
        id_ = _id(kind, texts, context) if len(self.problems) == before else ""
        if kind == "age" and id_ and parse_age_recipient(id_) is None:
            reason = "its recipient is not a public key of age: the checksum or a length is wrong"
            self._say(f"{where}.recipient", reason, found["recipient"], "sops-recipient-key")
            id_ = ""
        enc = found.get("enc", node)
        if not isinstance(enc, Scalar):
            self._say(f"{where}.enc", f"{where} has no `enc`, the wrapped data key", enc)
        wrapped = enc.text if isinstance(enc, Scalar) else ""
        span = found.get(next(iter(forms)), node).span
        yield FileRecipient(Recipient(kind, id_), wrapped, span, created, enc.span)

    def _context(self, node: Node | None, where: str) -> str:
        """Return the encryption context of AWS KMS as SOPS compares it: sorted, `key:value`, commas between."""
        if node is None or (isinstance(node, Scalar) and node.type == "null"):
            return ""
        pairs = []
        for key, value in node.entries if isinstance(node, MapNode) else ():
            if not isinstance(value, Scalar) or not _CONTEXT.fullmatch(key.text) or not _CONTEXT.fullmatch(value.text):
                break
            pairs.append((key.text, value.text))
        if not isinstance(node, MapNode) or len(dict(pairs)) != len(node.entries):
            self._say(f"{where}.context", "`context` is not a map of names and plain values", node)
        return ",".join(f"{name}:{value}" for name, value in sorted(pairs))


def _is_day(time: str) -> bool:
    year, month, day = int(time[:4]), int(time[5:7]), int(time[8:10])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= (29 if leap else 28) if month == 2 else day <= (30 if month in {4, 6, 9, 11} else 31)


def _id(kind: RecipientKind, texts: Mapping[str, str], context: str) -> str:
    """Return a recipient as `Recipient.id` is defined."""
    match kind:
        case "pgp":
            return texts["fp"].upper()
        case "kms":
            role, profile = texts["role"], texts["aws_profile"]
            id_ = f"{texts['arn']}+{role}" if role else texts["arn"]
            return f"{id_}|{context}|{profile}" if profile else f"{id_}|{context}" if context else id_
        case "azure_kv":
            return f"{texts['vault_url'].rstrip('/')}/keys/{texts['name']}/{texts['version']}"
        case "hc_vault":
            return f"{texts['vault_address'].rstrip('/')}/v1/{texts['engine_path'].strip('/')}/keys/{texts['key_name']}"
        case _:
            return next(iter(texts.values()))
