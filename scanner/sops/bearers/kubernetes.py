# SPDX-License-Identifier: Apache-2.0
"""Kubernetes Secrets, wherever they stand: in documents, in Lists, in texts inside of others, in templates and prose.

A Secret is a map with `kind: Secret` and data, whatever stands around it; so CustomResourceDefinitions, references
and RBAC rules, which name the kind without data, are none, nor are ExternalSecret, SealedSecret and the like.
base64 is how `data` is written, not encryption.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.model import Confidence
from scanner.sops.bearers.file import File
from scanner.sops.bearers.keys import key_in
from scanner.sops.bearers.tree import Leaf, Tree, read_tree
from scanner.sops.likely import known_form, may_be_value, names_secret, pairs, secrets_within
from scanner.sops.rules import Problem
from scanner.sops.standin import stands_for, strength

_KIND: Final = re.compile(r"[\"']?\bkind\\?[\"']?\s*:[^\n,}]{0,40}\bSecret\b")
# A letter written as a number, where `kind` itself may be.
_ESCAPE: Final = re.compile(r"\\(?:x|u00|U000000)[4-7]")
_DATA_LINE: Final = re.compile(r"([ \t]*)(?:-[ \t]+)?[\"']?(data|stringData)[\"']?[ \t]*:[ \t]*(\S?.*)", re.IGNORECASE)
_PAIR_LINE: Final = re.compile(r"([ \t]+)[\"']?([\w./-]{1,200})[\"']?[ \t]*:[ \t]+(.*)")
_SEPARATOR: Final = re.compile(r"---(?:\s|$)|[ \t]*```|[A-Z_]*EOF$")
# What Secrets hold beside secrets; a word under such a name is none.
_ORDINARY: Final = re.compile(
    r"(?:type|url|uri|host|hostname|port|name|namespace|user|username|login|email|region|bucket|database|db|project|insecure"
    r"|endpoint|server|address|domain|engine|scheme|protocol|enable\w*|provider|account|ca\.crt|tls\.crt|cert|ca|known_hosts"
    r"|project_?id|client_?id|key_?id|access_?key_?id|identity\.pub|ssh-publickey|path|cluster\w*|org\w*|group|role|issuer)",
    re.IGNORECASE,
)
# Comments, template actions and conflict markers do not end a block.
_INTERRUPTIONS: Final = ("#", "{{", "<", ">", "=")
# Armor with an ellipsis in it.
_HOLLOW: Final = re.compile(r"-----BEGIN [A-Z ]{3,40}-----\s{0,9}(?:\.\.|…|<|\[|\*\*)")
_MAX_EMBEDDING: Final = 2


class Verdict(NamedTuple):
    """What a Secret's value is; `weak` where it may be an ordinary word."""

    text: str
    reason: str
    confidence: Confidence
    weak: bool = False


def secrets(file: File) -> Iterator[Problem]:
    """Yield the values that a Kubernetes Secret in this file holds in clear text."""
    if not _mentions(file.text):
        return
    if file.is_structured:
        yield from _of_tree(file)
        if file.tree.parsed:
            return
    yield from _of_lines(file)


def _mentions(text: str) -> bool:
    return ("kind" in text and ("Secret" in text or "\\" in text)) or _ESCAPE.search(text) is not None


class _Inner(NamedTuple):
    """A text inside of a text; `place` is where the outermost of them stands, which is the nearest that can be told."""

    tree: Tree
    path: tuple[str, ...]
    place: tuple[int, int] | None
    depth: int = 0


def _of_tree(file: File) -> Iterator[Problem]:
    """Yield the values of a file's Secrets, and of those in texts inside of it."""
    work: list[_Inner] = [_Inner(file.tree, (), None)]
    for inner in work:
        holders = _holders(inner.tree)
        for leaf in inner.tree.leaves:
            where, path = inner.place or (leaf.start, leaf.end), (*inner.path, *leaf.path)
            if holders and _belongs(leaf, inner.tree, holders):
                verdict = judge(leaf.key, leaf.text, encoded=_is_encoded(leaf))
                if verdict:
                    yield _problem(file, ".".join(path), verdict, where)
            elif inner.depth < _MAX_EMBEDDING and _holds_document(leaf.text):
                work.append(_Inner(read_tree(leaf.text), path, where, inner.depth + 1))


def _holds_document(text: str) -> bool:
    return len(text) > 30 and ("\n" in text.strip() or text.lstrip()[:1] == "{") and _KIND.search(text) is not None


def _is_encoded(leaf: Leaf) -> bool:
    return not any(part.lower() == "stringdata" for part in leaf.path)


def _holders(tree: Tree) -> set[int]:
    """Return the maps that are Secrets; among duplicate kinds one is enough."""
    kinds = [(leaf.map, leaf.text.strip()) for leaf in tree.leaves if leaf.key == "kind"]
    found = {number for number, kind in kinds if kind == "Secret"}
    for number in list(found):
        found.update(tree.merged.get(number, ()))
    lists = {number for number, kind in kinds if kind == "SecretList"}
    # An operator's kind for files of SOPS, with Secrets that lack a kind of their own two maps further down.
    wrappers = {number for number, kind in kinds if kind == "SopsSecret"}
    if wrappers:
        above = tree.parents
        found.update(number for number, parent in above.items() if parent in wrappers or above.get(parent) in wrappers)
    if lists:
        found.update(number for number, parent in tree.parents.items() if parent in lists)
    return found


def _belongs(leaf: Leaf, tree: Tree, holders: set[int]) -> bool:
    return leaf.owner in holders or not holders.isdisjoint(tree.lent.get(leaf.map, ()))


def _problem(file: File, key: str, verdict: Verdict, where: tuple[int, int]) -> Problem:
    problem = file.problem(key, verdict.text, where, verdict.reason, verdict.confidence, weak=verdict.weak)
    return key_in(verdict.text, problem)


def judge(key: str, value: str, *, encoded: bool) -> Verdict | None:
    """Return what is to be said of a value under a Secret's `data` (`encoded`) or `stringData`, if anything."""
    text = value.strip()
    if not text or stands_for(text):
        return None
    kind = "Kubernetes Secret in clear text"
    if encoded:
        decoded = _decode(text)
        if decoded is not None:
            kind = "Kubernetes Secret whose data is only base64"
            try:
                text = decoded.decode().strip()
            except UnicodeDecodeError:
                return Verdict(text, kind, "high") if len(decoded) > 7 and len(set(decoded)) > 3 else None
            if not text or stands_for(text):
                return None
    return _weigh(key, text, kind)


def _weigh(key: str, text: str, kind: str) -> Verdict | None:
    if known_form(text):
        return Verdict(text, kind, "high")
    if _HOLLOW.search(text):
        return None
    if "\n" in text or text[0] in "{[":
        if any(True for _ in secrets_within(text)):
            return Verdict(text, kind, "high")
        return None if _all_stand_in(text) else Verdict(text, kind, "medium", weak=True)
    if not may_be_value(text):
        return None
    named, looks = names_secret(key), strength(text)
    if looks == "strong":
        return Verdict(text, kind, "medium" if _ORDINARY.fullmatch(key) and named == "none" else "high")
    if named != "none" and len(text) > 2:
        return Verdict(text, kind, "medium", weak=True)
    return None if len(text) < 3 or _ORDINARY.fullmatch(key) else Verdict(text, kind, "low", weak=True)


def _all_stand_in(text: str) -> bool:
    """Whether a text inside of a Secret, such as a configuration file, has only references for values."""
    found = [pair.value for pair in pairs(text)]
    return bool(found) and all(stands_for(value) or not may_be_value(value) or len(value) < 4 for value in found)


def _decode(text: str) -> bytes | None:
    compact = "".join(text.split())
    if len(compact) % 4 or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", compact):
        return None
    try:
        return binascii.a2b_base64(compact)
    except ValueError:
        return None


def _of_lines(file: File) -> Iterator[Problem]:
    """Read what is no YAML: manifests in prose and scripts, conflict markers, tabs, broken templates."""
    found: list[tuple[str, str, bool, tuple[int, int]]] = []
    is_secret, block, encoded, offset = False, -1, False, 0
    for line in file.text.splitlines(keepends=True):
        start, offset = offset, offset + len(line)
        text = line.rstrip("\r\n")
        if _SEPARATOR.match(text):
            if is_secret:
                yield from _judged(file, found)
            found, is_secret, block = [], False, -1
            continue
        if "Secret" in text:
            is_secret = is_secret or _KIND.search(text) is not None
        head = _DATA_LINE.fullmatch(text)
        if head:
            block, encoded = len(head[1]), head[2].lower() == "data"
            found += _flow_pairs(head[3], encoded, start + head.start(3))
            continue
        pair = _PAIR_LINE.fullmatch(text) if block >= 0 else None
        if pair and len(pair[1]) > block:
            value = pair[3].strip().rstrip(",").strip("\"'")
            found.append((pair[2], value, encoded, (start + pair.start(3), start + pair.end(3))))
        elif text.strip() and len(text) - len(text.lstrip()) <= block and not text.lstrip().startswith(_INTERRUPTIONS):
            block = -1
    if is_secret:
        yield from _judged(file, found)


def _flow_pairs(text: str, encoded: bool, offset: int) -> list[tuple[str, str, bool, tuple[int, int]]]:
    if not text.startswith("{"):
        return []
    return [(pair.key, pair.value, encoded, (offset + pair.start, offset + pair.end)) for pair in pairs(text)]


def _judged(file: File, found: list[tuple[str, str, bool, tuple[int, int]]]) -> Iterator[Problem]:
    for key, value, encoded, where in found:
        verdict = judge(key, value, encoded=encoded)
        if verdict:
            yield _problem(file, key, verdict, where)
