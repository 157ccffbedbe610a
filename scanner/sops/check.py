# SPDX-License-Identifier: Apache-2.0
"""One file of a tree: must it be encrypted, and is it?

What carries SOPS metadata is verified, whatever rule there is. Of the rest a creation rule demands encryption where
it singles the file out by its path. A rule for everything (no `path_regex`, or one like Flux's `.*.yaml`) only says how
to encrypt what is secret: under it, and under none, a file is a violation if its content bears secrets.
"""

import os
from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.model import Confidence, Secret, Span
from scanner.sops.bearers.sealed import is_sealed
from scanner.sops.bearing import is_program, may_bear, secret_bearing
from scanner.sops.content import Content
from scanner.sops.coverage import FindSecrets
from scanner.sops.creation.policy import CreationRule
from scanner.sops.demand import confidence_of, demand, is_public, is_text, missed
from scanner.sops.likely import looks_secret
from scanner.sops.rules import Problem
from scanner.sops.screen import CONFIGURATIONS
from scanner.sops.stores import read
from scanner.sops.stores.builder import MAPS_ONLY
from scanner.sops.stores.sniff import store_of
from scanner.sops.stores.template import has_bare_actions, is_template, read_template
from scanner.sops.verify import PublicKeys, not_encrypted, read_encrypted, verify_content

if TYPE_CHECKING:
    from scanner.sops.keyed.keys import Keyring

# What a text that only speaks of SOPS will not have all of.
_MARKS: Final = (b"sops", b"ENC[AES256_GCM,", b"lastmodified", b"mac")


class Outcome(NamedTuple):
    """What was found; `unproven` tells why the MAC could not be checked, where that was asked for."""

    problems: list[Problem]
    unproven: str = ""
    is_encrypted: bool = False


class Help(NamedTuple):
    """What a check may be given: keys of others, keys to decrypt with, and the secret detector."""

    public_keys: PublicKeys = MappingProxyType({})
    keyring: "Keyring | None" = None
    find: FindSecrets | None = None


def check_file(
    data: bytes, path: bytes, rule: CreationRule | None, given: Help, *, is_source: bool = False
) -> Outcome:
    """Return the problems of one file; `rule` is the creation rule that governs its path.

    `is_source` says that a kustomization makes a Secret of the file.
    """
    if not data.strip(b" \t\r\n\0\xef\xbb\xbf"):
        return Outcome([])
    content = read_encrypted(path, data)
    speaks_of_it = is_text(path) or is_program(path)
    if content is not None and not (speaks_of_it and _malformed(content)):
        return _verified(content, data, path, rule, given)
    if path.rpartition(b"/")[2] in CONFIGURATIONS or is_sealed(data):
        return Outcome([])
    content = read(store_of(path, data), data)
    broken = _malformed(content)
    sure = _demand(data, path, content, rule, given.find) if rule is not None and rule.specific else None
    if rule is not None and sure:
        if is_template(path, data) if broken else has_bare_actions(data):
            return Outcome(list(_in_template(data, rule)))
        if broken:
            reason = f"creation rule {rule.number} covers it; it cannot be read, and is not encrypted: {broken[0].reason}"
            return Outcome([broken[0]._replace(reason=reason, confidence=sure)])
        return Outcome([not_encrypted(data, rule)._replace(confidence=sure)])
    # Texts and programs that speak of SOPS are of no store but the binary one, which is JSON.
    is_damaged = broken and not speaks_of_it and (content.store != "binary" or data.lstrip()[:1] == b"{")
    if is_damaged and all(mark in data for mark in _MARKS):
        return Outcome(broken[:1])
    problems = secret_bearing(path, data, is_source=is_source) if is_source or may_bear(path, data) else []
    if rule is not None and not broken and content.store != "binary":
        problems += missed(content, path, rule, [problem.span for problem in problems])
    return Outcome(problems)


def _demand(
    data: bytes, path: bytes, content: Content, rule: CreationRule, find: FindSecrets | None
) -> Confidence | None:
    """Return how surely the rule means a file in clear text; one that cannot be read says nothing for itself."""
    if is_public(data):
        return None
    unread = any(not problem.reason.endswith(MAPS_ONLY) for problem in _malformed(content))
    sure = "high" if unread else demand(content, rule)
    return sure and min(sure, confidence_of(path, data, rule, find), key=_SURE.index)


_SURE: Final[tuple[Confidence, ...]] = ("low", "high")


def _malformed(content: Content) -> list[Problem]:
    return [problem for problem in content.problems if problem.rule == "sops-malformed"]


def _in_template(data: bytes, rule: CreationRule) -> Iterator[Problem]:
    """SOPS cannot encrypt what is not YAML before Helm has filled it in: only what is written out in it can be wrong."""
    for key, value, span in read_template(data):
        why = looks_secret(key, value)
        if why:
            by = f"creation rule {rule.number} covers this template, which SOPS cannot encrypt"
            reason = f"{by}, and {key} is in clear text: {why}"
            remedy = "move the value into a file of values, encrypt that one (sops encrypt -i), and refer to it here"
            yield Problem("sops-plain", reason, span, key, Secret(value.encode()), "high", remedy)


def check_link(target: bytes, path: bytes, rule: CreationRule | None) -> list[Problem]:
    """Return the problem of a symbolic link in the place of a file that must be encrypted."""
    if rule is None or not rule.specific:
        return []
    inside = os.path.normpath(os.path.join(b"/", os.path.dirname(path), target))
    climbs = os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith(b"..")
    if not target.startswith(b"/") and not climbs and inside:
        return []
    reason = f"creation rule {rule.number} covers it, and it is a link to something outside of the repository"
    return [Problem("sops-link", reason, Span(0, len(target)), confidence="medium", remedy="put the encrypted file itself here")]


def _verified(content: Content, data: bytes, path: bytes, rule: CreationRule | None, given: Help) -> Outcome:
    public_keys, keyring, find = given
    if keyring is None:
        return Outcome(verify_content(content, data, path, rule, public_keys=public_keys, find=find), is_encrypted=True)
    from scanner.sops.keyed.keys import NoKey

    try:
        found = verify_content(content, data, path, rule, public_keys=public_keys, keyring=keyring, find=find)
    except NoKey as error:
        found = verify_content(content, data, path, rule, public_keys=public_keys, find=find)
        return Outcome(found, str(error), is_encrypted=True)
    return Outcome(found, is_encrypted=True)
