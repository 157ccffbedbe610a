# SPDX-License-Identifier: Apache-2.0
"""What a change makes of creation rules: who may decrypt from now on, and what need not be encrypted any more.

All of it may be meant, so all of it is of low confidence. It is said because a change that brings its own rules is
judged by them: whoever reviews it must see that they moved.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from scanner.display import decode_path, one_line
from scanner.model import Span
from scanner.sops.creation.policy import DEFAULT_SELECTOR, CreationRule, Policy, nearest
from scanner.sops.rules import Problem

_START: Final = Span(0, 0)
_REVIEW: Final = "see that this is meant, and by whom {file} was changed"


def loosened(
    before: Mapping[bytes, Policy], now: Mapping[bytes, Policy], paths: Sequence[bytes]
) -> Iterator[tuple[bytes, Problem]]:
    """Yield what a change loosens, each with its configuration; `paths` are the files that the change brings."""
    for path, policy in sorted(now.items()):
        old = before.get(path)
        if old is policy:
            continue
        above = nearest(path if old else policy.folder[:-1], before)
        base = before[above] if above is not None else None
        if base is not None and base.usable and policy.usable:
            yield from ((path, problem) for rule in policy.rules for problem in _of_rule(rule, base))
    lost: dict[bytes, list[bytes]] = {}
    for path in paths:
        governing, rule = _governing(path, before)
        if governing is not None and rule is not None and rule.specific and not rule.broken:
            found = _governing(path, now)[1]
            if found is None or not found.specific:
                lost.setdefault(governing, []).append(path)
    for governing, files in lost.items():
        example = one_line(decode_path(files[0]))
        many = f"{len(files)} of the files of this change"
        reason = f"{many} had to be encrypted by the rules before it, and need not by its own: {example}"
        yield governing, _doubt(reason, _START, "loosened")


def _governing(path: bytes, policies: Mapping[bytes, Policy]) -> tuple[bytes | None, CreationRule | None]:
    governing = nearest(path, policies) if path not in policies else None
    return governing, policies[governing].rule_for(path) if governing is not None else None


def _of_rule(rule: CreationRule, base: Policy) -> Iterator[Problem]:
    """Compare a rule with the one for the same paths, or with all there were."""
    same = [old for old in base.rules if old.path_regex == rule.path_regex]
    what = f"creation rule {rule.number}"
    known = {recipient for old in same or base.rules for group in old.groups for recipient in group}
    for recipient in dict.fromkeys(recipient for group in rule.groups for recipient in group):
        if recipient not in known:
            reason = f"{what} lets a {recipient.kind} recipient decrypt that it did not name before this change: {recipient.id}"
            yield _doubt(reason, rule.span, f"added {recipient.id}")
    for old in same[:1]:
        if (rule.selector or DEFAULT_SELECTOR) != (old.selector or DEFAULT_SELECTOR):
            yield _doubt(f"{what} encrypts other keys than before this change", rule.span, f"{what}: selector changed")
        if rule.mac_only_encrypted and not old.mac_only_encrypted:
            reason = f"{what} leaves values in clear text out of the MAC since this change"
            yield _doubt(reason, rule.span, f"{what}: mac_only_encrypted changed")
        if (rule.threshold or len(rule.groups)) < (old.threshold or len(old.groups)):
            yield _doubt(f"{what} lets fewer groups decrypt than before this change", rule.span, f"{what}: threshold changed")


def _doubt(reason: str, span: Span, key: str) -> Problem:
    return Problem("sops-config-doubt", reason, span, key, confidence="low", remedy=_REVIEW)
