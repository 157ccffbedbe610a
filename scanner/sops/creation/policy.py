# SPDX-License-Identifier: Apache-2.0
"""`.sops.yaml` as SOPS reads it (getsops/sops `config/config.go`): which rule governs a path, and what it demands.

SOPS fails on the whole file for what its decoder refuses, on a rule only where a path gets as far as that rule. A
rule that SOPS would fail on takes every path that reaches it, as it does for SOPS, which never comes to the rules
behind it: so no path counts as covered by a rule that SOPS would not have used.
"""

import re
from collections.abc import Container, Iterator
from typing import Any, Final, NamedTuple

from scanner.bech32 import is_valid
from scanner.model import Span
from scanner.sops.creation.expression import as_text, compile_expression, refusal
from scanner.sops.creation.fields import FieldReader, Fields, UnreadableError
from scanner.sops.creation.keygroups import FLAT_KEYS, Placed, plain, read_flat, read_groups
from scanner.sops.recipient import Group
from scanner.sops.rules import Problem

FILE_NAME: Final = b".sops.yaml"
SELECTOR_KINDS: Final = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)
_TOP_KEYS: Final = ("creation_rules", "destination_rules", "stores")
_RULE_KEYS: Final = (
    "path_regex",
    *FLAT_KEYS,
    "aws_profile",
    "key_groups",
    "shamir_threshold",
    *SELECTOR_KINDS,
    "mac_only_encrypted",
)
_MAX_RULES: Final = 1_000
# SOPS looks no further up than this (`maxDepth`, config.go).
_MAX_FOLDERS: Final = 100

# Paths that nobody means: an expression that matches two names of one kind in one place singles out nothing.
_ANY_NAMES: Final = ("qzxj", "wvk")
_ANY_FOLDERS: Final = ("", "zqv/", "xjk/wq/", "vz/kx/qj/", "jw/qx/zv/kk/")
_ANY_KINDS: Final = (
    *("", ".yaml", ".yml", ".json", ".env", ".ini", ".txt", ".md"),
    *(".toml", ".conf", ".cfg", ".properties", ".xml", ".tf"),
)

_AGE_IDENTITY: Final = re.compile(rb"AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{38,200}")
_AGE_IDENTITY_LENGTH: Final = 74
_PGP_PRIVATE: Final = re.compile(
    rb"-----BEGIN PGP PRIVATE KEY BLOCK-----(?:[\s#\\n]|(?:Version|Comment|Charset|Hash): [^\n]{0,200}\n){0,200}[A-Za-z0-9+/]{40}"
)


class Selector(NamedTuple):
    """One of `SELECTOR_KINDS`, with its suffix or expression. Where none is named, `DEFAULT_SELECTOR` holds."""

    kind: str
    value: str


DEFAULT_SELECTOR: Final = Selector("unencrypted_suffix", "_unencrypted")


class CreationRule(NamedTuple):
    """What must be encrypted, and for whom.

    `number` counts from 1. `groups` are its recipients, each once. `threshold` is as written, 0 for as many as there
    are groups. `specific`: the path_regex singles out files by a folder or a part of their names, so every one of
    them is meant; a rule for everything, or for every YAML file, means those that hold secrets. `broken`: SOPS fails
    on it, so its recipients and selector are no measure for a file.
    """

    number: int
    span: Span
    path_regex: str | None
    selector: Selector | None
    groups: tuple[Group, ...]
    threshold: int
    mac_only_encrypted: bool
    specific: bool
    broken: bool = False

    def matches(self, text: bytes) -> bool:
        """Whether SOPS would use this rule, or fail on its expression, for a path as `as_text` gives it."""
        search = compile_expression(self.path_regex) if self.path_regex else None
        return search is None or search(text)


class Policy(NamedTuple):
    """One configuration. Not `usable`: nobody can say which rules it has, and it has none here."""

    path: bytes
    rules: tuple[CreationRule, ...]
    problems: tuple[Problem, ...]
    usable: bool

    @property
    def folder(self) -> bytes:
        """The folder that paths are counted from, with its slash."""
        return self.path[: self.path.rfind(b"/") + 1]

    def rule_for(self, path: bytes) -> CreationRule | None:
        """Return the first rule that matches a path, None where there is none or it lies outside of the folder.

        Both paths are counted from the same root. A rule whose expression does not compile is the last that SOPS
        comes to: it is returned, and as specific as the rules behind it would have been for this path.
        """
        if not path.startswith(self.folder):
            return None
        text = as_text(path[len(self.folder) :])
        for index, rule in enumerate(self.rules):
            if rule.matches(text):
                if rule.path_regex and refusal(rule.path_regex):
                    specific = any(later.specific and later.matches(text) for later in self.rules[index + 1 :])
                    return rule._replace(specific=specific)
                return rule
        return None


def nearest(path: bytes, configurations: Container[bytes]) -> bytes | None:
    """Return the `.sops.yaml` that governs a path: the first from its folder upwards."""
    folder = path
    for _ in range(_MAX_FOLDERS):
        folder = folder[: folder.rfind(b"/", 0, -1) + 1]
        if folder + FILE_NAME in configurations:
            return folder + FILE_NAME
        if not folder:
            break
    return None


def load_policy(data: bytes, path: bytes) -> Policy:
    """Read a configuration; whatever is wrong with it is among its problems."""
    reader = FieldReader(data)
    reader.problems += _private_keys(data)
    try:
        rules = _read_rules(reader)
    except UnreadableError:
        return Policy(path, (), tuple(reader.problems), usable=False)
    return Policy(path, rules, tuple(reader.problems), usable=True)


def _read_rules(reader: FieldReader) -> tuple[CreationRule, ...]:
    root = reader.root()
    nothing = root is None or reader.is_null(root)
    fields = {} if nothing else reader.fields(root, "the configuration", _TOP_KEYS, others=True)
    if fields is None:
        raise UnreadableError
    destinations = reader.entries(fields.get("destination_rules"), "destination_rules")
    stores = fields.get("stores")
    if stores and not reader.is_null(stores.node):
        reader.fields(stores.node, "stores", None)
    before = len(reader.problems)
    nodes = reader.entries(fields.get("creation_rules"), "creation_rules")
    if len(reader.problems) > before:
        raise UnreadableError
    if len(nodes) > _MAX_RULES:
        reader.unreadable(f"it has more than {_MAX_RULES} creation rules and was not checked")
    if not nodes:
        _say_empty(reader, fields, otherwise_used=bool(destinations) or stores is not None)
    return tuple(rule for number, node in enumerate(nodes, 1) for rule in _read_rule(reader, node, number))


def _say_empty(reader: FieldReader, fields: Fields, *, otherwise_used: bool) -> None:
    """SOPS treats such a configuration as if there were none, and does not look further up either."""
    if any(problem.key.startswith(f"{reader.place}: ") for problem in reader.problems):
        return  # it is misspelt
    span = fields["creation_rules"].span if "creation_rules" in fields else Span(0, 0)
    reason = "there are no creation_rules: sops treats the configuration as if it were not there"
    remedy = "add creation_rules to {file}, or take it away"
    if otherwise_used:
        reader.doubt(span, reason, "creation_rules", remedy)
    else:
        reader.harm(span, reason, "creation_rules", remedy)


def _read_rule(reader: FieldReader, node: Any, number: int) -> Iterator[CreationRule]:
    what = f"creation rule {number}"
    reader.place = what
    before = reader.failures
    fields = reader.fields(node, what, _RULE_KEYS)
    if fields is None or ("path_regex" in fields and fields["path_regex"].node.id != "scalar"):
        reader.text((fields or {}).get("path_regex"), "path_regex")
        raise UnreadableError
    span = reader.span(node)
    path_regex = reader.text(fields.get("path_regex"), "path_regex") or None
    _check_expression(reader, fields, "path_regex", path_regex, what)
    groups = _read_recipients(reader, fields, what, span)
    selector = _read_selector(reader, fields, what)
    threshold = reader.number(fields.get("shamir_threshold"), "shamir_threshold")
    _check_threshold(reader, fields, threshold, len(groups), what)
    mac_only = reader.switch(fields.get("mac_only_encrypted"), "mac_only_encrypted")
    broken = reader.failures > before
    specific = path_regex is not None and _singles_out(path_regex)
    yield CreationRule(number, span, path_regex, selector, groups, threshold, mac_only, specific, broken)


def _check_expression(reader: FieldReader, fields: Fields, name: str, pattern: str | None, what: str) -> None:
    why = refusal(pattern) if pattern else ""
    if not why:
        return
    span = reader.span(fields[name].node)
    reason = f"{name} of {what} does not compile: {why}"
    remedy = f"write {name} in the syntax of Go's regexp, without look-around"
    if name == "path_regex":
        reader.refuse(span, f"{reason}; sops fails for every file that comes to this rule", f"{what}: {name}", remedy)
    else:
        # `regexp.Match` returns an error that SOPS drops, so nothing ever matches (`shouldBeEncrypted`, sops.go).
        effect = "encrypts nothing by it" if name.startswith("encrypted_") else "ignores it"
        reader.harm(span, f"{reason}; sops {effect} and says nothing", f"{what}: {name}", remedy)


def _read_recipients(reader: FieldReader, fields: Fields, what: str, span: Span) -> tuple[Group, ...]:
    """Return the groups that SOPS would use: flat keys count only where there are no key_groups."""
    before = reader.failures
    key_groups = read_groups(reader, fields.get("key_groups"), what)
    flat = read_flat(reader, fields, what)
    if key_groups and flat:
        reason = f"{what} has key_groups and keys beside them: sops uses the groups and ignores the others"
        reader.doubt(flat[0].span, reason, f"{what}: key_groups", "put every key into key_groups")
    groups = key_groups or [flat]
    told = reader.failures > before
    for number, group in enumerate(groups, 1):
        which = f"key group {number} of {what}" if key_groups else what
        if not group and not told:
            reason = f"{which} names no recipient, so sops fails for every file that comes to it"
            reader.refuse(span, reason, f"{which}: recipients", "name a recipient: age, pgp, kms, …")
        _check_repeated(reader, group, which)
    return tuple(map(plain, groups))


def _check_repeated(reader: FieldReader, group: list[Placed], which: str) -> None:
    seen = set()
    for placed in group:
        if placed.recipient in seen:
            reason = f"{which} names the same {placed.recipient.kind} recipient twice"
            reader.doubt(placed.span, reason, f"{which}: {placed.recipient.id}", "name each recipient once")
        seen.add(placed.recipient)


def _read_selector(reader: FieldReader, fields: Fields, what: str) -> Selector | None:
    said = [Selector(kind, reader.text(fields.get(kind), kind)) for kind in SELECTOR_KINDS if kind in fields]
    said = [selector for selector in said if selector.value]
    if len(said) > 1:
        kinds = " and ".join(selector.kind for selector in said)
        reason = f"{what} has {kinds}: sops takes one selector, and fails for every file that comes to this rule"
        reader.refuse(fields[said[1].kind].span, reason, f"{what}: selectors", "keep one selector; a regex can name several keys")
        return None
    for selector in said:
        if selector.kind.endswith("_regex"):
            _check_expression(reader, fields, selector.kind, selector.value, what)
            _check_left_out(reader, fields, selector, what)
        return selector
    return None


def _check_left_out(reader: FieldReader, fields: Fields, selector: Selector, what: str) -> None:
    search = compile_expression(selector.value)
    if selector.kind == "unencrypted_regex" and search and all(search(name.encode()) for name in _ANY_NAMES):
        reason = f"unencrypted_regex of {what} matches any key: files encrypted by it are in clear text"
        reader.harm(fields[selector.kind].span, reason, f"{what}: {selector.kind}", "name the keys that may stay in clear text")


def _check_threshold(reader: FieldReader, fields: Fields, threshold: int, groups: int, what: str) -> None:
    """Shamir's shares: two at least, no more than there are groups; with one group SOPS makes none."""
    if not threshold:
        return
    span, key = fields["shamir_threshold"].span, f"{what}: shamir_threshold"
    if groups == 1 and threshold > 1:
        reason = f"{what} wants {threshold} groups to decrypt and has one: any single recipient decrypts"
        reader.doubt(span, reason, key, "put the recipients into key_groups, or take shamir_threshold away", "medium")
    elif groups > 1 and not 2 <= threshold <= groups:
        reason = f"shamir_threshold of {what} must lie between 2 and its {groups} groups: sops fails for every file"
        reader.refuse(span, reason, key, f"set it to a number from 2 to {groups}")


def _singles_out(pattern: str) -> bool:
    search = compile_expression(pattern)
    if search is None:
        return False
    places = [(folder, kind) for folder in _ANY_FOLDERS for kind in _ANY_KINDS]
    return not any(all(search(f"{folder}{name}{kind}".encode()) for name in _ANY_NAMES) for folder, kind in places)


def _private_keys(data: bytes) -> Iterator[Problem]:
    """Yield keys that decrypt, wherever they stand, in comments too."""
    remedy = "take the key out of {file} and of the history, make a new one, then sops updatekeys and sops rotate"
    for found in _AGE_IDENTITY.finditer(data):
        if is_valid(found[0]) or is_valid(found[0][:_AGE_IDENTITY_LENGTH]):
            reason = "an age identity stands here: whoever reads it can decrypt"
            yield Problem("sops-private-key", reason, Span(*found.span()), "age", confidence="proven", remedy=remedy)
    for found in _PGP_PRIVATE.finditer(data):
        reason = "a private PGP key stands here: whoever reads it can decrypt"
        yield Problem("sops-private-key", reason, Span(*found.span()), "pgp", remedy=remedy)
