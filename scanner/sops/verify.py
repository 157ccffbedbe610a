# SPDX-License-Identifier: Apache-2.0
"""One file, judged: is it encrypted as it must be, and if it is in clear text, must it not be?

A file with SOPS metadata is verified byte for byte. One without is a violation where a creation rule singles it
out, or where its content bears secrets; a rule for everything only says how to encrypt what is secret.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from scanner.model import Span
from scanner.sops.content import Content, ListNode, MapNode, Node, Scalar
from scanner.sops.coverage import FindSecrets, cover, exposed, leaf_name
from scanner.sops.creation.policy import DEFAULT_SELECTOR, CreationRule, Selector
from scanner.sops.metadata import Metadata, parse_metadata
from scanner.sops.recipients import check_wrapped, compare
from scanner.sops.rules import Problem
from scanner.sops.stores import read
from scanner.sops.stores.sniff import has_metadata, store_of

if TYPE_CHECKING:
    from scanner.sops.keyed.keys import Keyring

PublicKeys = Mapping[str, frozenset[str]]

_NO_KEYS: Final[PublicKeys] = {}
_ENCRYPT: Final = "sops encrypt -i {file}"
_AGAIN: Final = "sops decrypt -i {file} && sops encrypt -i {file}"


def read_encrypted(path: bytes, data: bytes) -> Content | None:
    """Return the content of a file that carries SOPS metadata, None for any other."""
    if not has_metadata(data):
        return None
    content = read(store_of(path, data), data)
    return content if _is_encrypted(content) else None


def _is_encrypted(content: Content) -> bool:
    """Whether `sops` holds what SOPS writes there, or any value does: people have keys of that name for their own use."""
    if not content.metadata:
        return False
    return any(map(_is_metadata, content.metadata)) or any("ENC[AES256_GCM," in item.scalar.text for item in content.items)


def _is_metadata(node: Node) -> bool:
    """Whether a node has one of the two keys that are nowhere else, or a recipient with a data key."""
    entries = node.entries if isinstance(node, MapNode) else ()
    if any(key.text in ("mac", "lastmodified") for key, _ in entries):
        return True
    lists = (value for _, value in entries if isinstance(value, ListNode))
    maps = (member for one in lists for member in one.entries if isinstance(member, MapNode))
    return any(key.text == "enc" or isinstance(value, ListNode) for one in maps for key, value in one.entries)


def verify(
    data: bytes,
    path: bytes,
    rule: CreationRule | None,
    *,
    public_keys: PublicKeys = _NO_KEYS,
    keyring: "Keyring | None" = None,
    find: FindSecrets | None = None,
) -> list[Problem]:
    """Return what is wrong with a file that must be encrypted; with a keyring its MAC is checked too.

    `rule` is the creation rule that governs the path; `public_keys` are the key ids of each known PGP fingerprint.
    Raises `NoKey` where none of the keys at hand opens the file.
    """
    content = read_encrypted(path, data)
    if content is None:
        return [not_encrypted(data, rule)]
    return verify_content(content, data, path, rule, public_keys=public_keys, keyring=keyring, find=find)


def verify_content(
    content: Content,
    data: bytes,
    path: bytes,
    rule: CreationRule | None,
    *,
    public_keys: PublicKeys = _NO_KEYS,
    keyring: "Keyring | None" = None,
    find: FindSecrets | None = None,
) -> list[Problem]:
    """Like `verify`, for a file that has been read."""
    problems = [*content.problems, *_documents(content)]
    metadata, found = parse_metadata(content.metadata[0], content.store)
    problems += found
    if metadata is None:
        return problems
    clear = list(find(data, path)) if find else []
    problems += cover(content, metadata.selector, clear)
    problems += check_wrapped(metadata, public_keys)
    if rule is not None:
        problems += compare(metadata, rule)
        problems += _drift(content, metadata, rule)
    if keyring is not None and not any(problem.rule in _BROKEN for problem in problems):
        problems += _check_mac(content, data, metadata, keyring)
    return problems


def _check_mac(content: Content, data: bytes, metadata: Metadata, keyring: "Keyring") -> list[Problem]:
    """Recompute the MAC; where only a cloud service could open the file, sops itself is asked if it is installed."""
    from scanner.sops.keyed.keys import NoKey
    from scanner.sops.keyed.mac import verify_mac

    try:
        return verify_mac(content, metadata, keyring)
    except NoKey:
        kinds = {entry.recipient.kind for group in metadata.groups for entry in group}
        if kinds.isdisjoint(_SERVICES):
            raise
    from scanner.sops.keyed.sops_program import verify_with_sops

    return verify_with_sops(data, content.store, metadata, keyring)


_SERVICES: Final = frozenset({"kms", "gcp_kms", "azure_kv", "hckms"})


def not_encrypted(data: bytes, rule: CreationRule | None) -> Problem:
    """Return the problem of a file that is in clear text as a whole."""
    by = f"creation rule {rule.number} covers it" if rule else "it ought to be encrypted"
    fake = ", though values in it look encrypted: without metadata nobody can decrypt them" if b"ENC[" in data else ""
    start = len(data) - len(data.lstrip())
    end = data.find(b"\n", start)
    span = Span(start, end if end >= 0 else len(data))
    return Problem("sops-plain", f"{by}, and it is not encrypted with SOPS{fake}", span, remedy=_ENCRYPT)


# A file of which this is known already says nothing more by its MAC.
_BROKEN: Final = frozenset({"sops-malformed", "sops-clear-value", "sops-fake-ciphertext"})


def _documents(content: Content) -> list[Problem]:
    """SOPS puts the same metadata into every document, and reads the first one's."""
    first = _meaning(content.metadata[0])
    problems = [
        Problem("sops-metadata", "the metadata of this document is not that of the first", node.span, remedy=_AGAIN)
        for node in content.metadata[1:]
        if _meaning(node) != first
    ]
    if len(content.metadata) < content.documents:
        reason = "a document without metadata stands beside an encrypted one: SOPS would not read the file so"
        problems.append(Problem("sops-metadata", reason, content.metadata[0].span, "documents", remedy=_AGAIN))
    return problems


def _meaning(node: Node) -> object:
    """Return the node without places, flat, so that two can be compared whatever their depth."""
    flat: list[object] = []
    todo: list[Node | str] = [node]
    while todo:
        here = todo.pop()
        if isinstance(here, str):
            flat.append(here)
        elif isinstance(here, MapNode):
            todo.append("}")
            for key, value in here.entries:
                todo += [value, key]
            todo.append("{")
        elif isinstance(here, ListNode):
            todo += ["]", *here.entries, "["]
        elif isinstance(here, Scalar):
            flat.append((here.text, here.type))
    return flat


def _drift(content: Content, metadata: Metadata, rule: CreationRule) -> list[Problem]:
    """The selector in the file counts, and nothing but encrypting anew ever takes over that of the rule."""
    demanded: Selector = rule.selector or DEFAULT_SELECTOR
    if rule.broken or demanded == metadata.selector or content.store == "binary":
        return []
    said = f"{metadata.selector.kind} '{metadata.selector.value[:60]}'"
    wanted = f"creation rule {rule.number} says {demanded.kind} '{demanded.value[:60]}'"
    clear = exposed(content, demanded)
    if clear is None:
        if metadata.selector == DEFAULT_SELECTOR:
            return []  # it encrypts whatever is added, and so whatever any rule means
        reason = f"the file's selector is {said}, {wanted}: what is added next is encrypted by the file's own"
        return [Problem("sops-selector", reason, metadata.span, "drift", confidence="low", remedy=_AGAIN)]
    reason = f"the file's selector is {said}, {wanted}, by which {leaf_name(clear.path)} must be encrypted"
    return [Problem("sops-selector", reason, clear.scalar.span, "drift", remedy=_AGAIN)]

