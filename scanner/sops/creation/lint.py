# SPDX-License-Identifier: Apache-2.0
"""What creation rules say and hardly mean: rules that are never used, and configurations that SOPS never reads.

What is wrong with a rule by itself is found when the configuration is loaded (`policy`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from scanner.model import Confidence, Span
from scanner.sops.creation.expression import as_text, refusal
from scanner.sops.creation.policy import DEFAULT_SELECTOR, CreationRule, Policy, nearest
from scanner.sops.creation.samples import is_path, samples
from scanner.sops.rules import Problem

_IGNORED_NAME: Final = b".sops.yml"
# Beyond these nobody looks for rules that are never used: each rule is compared with those before it.
_MAX_RULES: Final = 100
_MAX_SEARCHES: Final = 200_000


def lint(policies: Mapping[bytes, Policy], paths: Sequence[bytes]) -> Iterator[tuple[bytes, Problem]]:
    """Yield what is wrong with these configurations beyond their own `problems`, each with its file.

    `paths` are all files there are, counted as the configurations' own paths are, or none: with a few of them only,
    rules look unused that are not.
    """
    governed: dict[bytes, list[bytes]] = {}
    for path in paths:
        if (ruler := nearest(path, policies)) and path not in policies:
            governed.setdefault(ruler, []).append(path)
        if path.rpartition(b"/")[2] == _IGNORED_NAME:
            yield path, _ignored(beside=ruler == path.removesuffix(b".yml") + b".yaml")
    for path in sorted(policies):
        policy = policies[path]
        for problem in (*_check_rules(policy, governed.get(path, ())), *_check_above(policy, policies)):
            yield path, problem


def _ignored(*, beside: bool) -> Problem:
    if beside:
        reason = "sops does not read .sops.yml: the .sops.yaml beside it is what counts"
        return Problem("sops-config-doubt", reason, Span(0, 0), "name", confidence="low", remedy="delete {file}")
    reason = "sops does not read .sops.yml, only .sops.yaml: the rules in it demand nothing"
    return Problem("sops-config", reason, Span(0, 0), "name", confidence="medium", remedy="rename {file} to .sops.yaml")


def _check_above(policy: Policy, policies: Mapping[bytes, Policy]) -> Iterator[Problem]:
    """SOPS looks upwards from where it is started, not from the file (getsops/sops#242)."""
    above = nearest(policy.folder[:-1], policies) if policy.folder else None
    if above is not None:
        reason = "another .sops.yaml stands further up: started from there, sops encrypts by that one's rules"
        remedy = "start sops in the folder of {file}, or put its rules into the one above"
        yield Problem("sops-config-doubt", reason, Span(0, 0), "above", confidence="low", remedy=remedy)


def _check_rules(policy: Policy, paths: Sequence[bytes]) -> Iterator[Problem]:
    rules = policy.rules[:_MAX_RULES]
    if len(paths) * len(rules) > _MAX_SEARCHES:
        paths = ()
    texts = [as_text(path[len(policy.folder) :]) for path in paths]
    used = {next((rule.number for rule in rules if rule.matches(text)), 0) for text in texts}
    for index, rule in enumerate(rules):
        if rule.path_regex and refusal(rule.path_regex):
            return  # SOPS never comes to what stands behind
        if rule.number not in used:
            yield from _check_unused(rule, rules[:index], texts, as_text(policy.folder))


def _check_unused(
    rule: CreationRule, earlier: Sequence[CreationRule], texts: Sequence[bytes], folder: bytes
) -> Iterator[Problem]:
    """A rule that no file comes to: perhaps none can, perhaps all go to another."""
    thought = samples(rule.path_regex or ".*")
    probes = [text for text in thought if is_path(text)]
    if thought and not probes:
        yield _never(rule, "paths are counted from the configuration's folder, without / or ./ before them, on one line")
        return
    matched = [text for text in texts if rule.matches(text)]
    takers = [other for other in earlier if not other.path_regex] or (_takers(earlier, [*probes, *matched]) if probes else [])
    if takers:
        yield _shadowed(rule, takers, "every path that it matches")
    elif matched and rule.specific and not any(taker.specific for taker in _takers(earlier, matched)):
        yield _shadowed(rule, _takers(earlier, matched), f"each of the {len(matched)} files that it matches", proven=False)
    elif not matched:
        yield from _check_near(rule, texts, folder)


def _takers(earlier: Sequence[CreationRule], texts: Sequence[bytes]) -> list[CreationRule]:
    """Return the rules that take all of these before another can, none if one is left over."""
    takers: dict[int, CreationRule] = {}
    for text in texts:
        taker = next((rule for rule in earlier if rule.matches(text)), None)
        if taker is None:
            return []
        takers[taker.number] = taker
    return list(takers.values())


def _shadowed(rule: CreationRule, takers: Sequence[CreationRule], what: str, *, proven: bool = True) -> Problem:
    numbers = " and ".join(str(taker.number) for taker in takers[:3])
    differences = [name for name, of in _DEMANDS if any(of(taker) != of(rule) for taker in takers)]
    other = f", which has other {' and '.join(differences)}" if differences else ""
    reason = f"creation rule {rule.number} is never used: {what} goes to creation rule {numbers} before it{other}"
    confidence: Confidence = "medium" if proven and differences else "low"
    remedy = f"put creation rule {rule.number} before creation rule {numbers}, or take it away; the first match counts"
    key = f"creation rule {rule.number}: shadowed"
    return Problem("sops-config-doubt", reason, rule.span, key, confidence=confidence, remedy=remedy)


_DEMANDS: Final = (
    ("recipients", lambda rule: [set(group) for group in rule.groups]),
    ("selectors", lambda rule: rule.selector or DEFAULT_SELECTOR),
    ("thresholds", lambda rule: rule.threshold),
)


def _check_near(rule: CreationRule, texts: Sequence[bytes], folder: bytes) -> Iterator[Problem]:
    """A path_regex that matches no file, and would if paths were counted otherwise."""
    if any(rule.matches(b"/" + text) or rule.matches(b"./" + text) for text in texts):
        yield _never(rule, "its files stand right in the configuration's folder, and paths have no / or ./ before them", "medium")
    elif folder and any(rule.matches(folder + text) for text in texts):
        yield _never(rule, "paths are counted from the folder of this configuration, not from the repository's root", "medium")
    elif any(rule.matches(text.replace(b"/", b"\\")) for text in texts):
        yield _never(rule, "it goes by backslashes, so it holds on Windows only", "low")


def _never(rule: CreationRule, why: str, confidence: Confidence = "high") -> Problem:
    reason = f"path_regex of creation rule {rule.number} matches no file: {why}"
    remedy = "write path_regex for a path such as secrets/db.yaml, counted from the folder of {file}"
    key = f"creation rule {rule.number}: path_regex"
    return Problem("sops-config-doubt", reason, rule.span, key, confidence=confidence, remedy=remedy)
