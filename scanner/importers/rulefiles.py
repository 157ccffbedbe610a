# SPDX-License-Identifier: Apache-2.0
"""kingfisher and noseyparker: rule files in YAML, of one family: the former has grown out of the latter.

The formats: https://github.com/mongodb/kingfisher/blob/main/docs/RULES.md and
https://github.com/praetorian-inc/noseyparker#rules. Their examples are not copied, as a rule's vectors hold no live-looking
value: they are tried, and what does not behave is noted.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scanner.document import load_yaml
from scanner.errors import ConfigError
from scanner.importers.plan import Plan, Wanted, literal_search

_HINT: Final = "see docs/migrating.md"
_KEYS: Final = (
    "name", "id", "pattern", "description", "min_entropy", "confidence", "examples", "negative_examples", "references",
    "categories", "visible", "depends_on_rule", "pattern_requirements", "validation", "revocation", "prevalidated",
)  # fmt: skip
_NO_EQUAL: Final = {
    "validation": "a scan makes no call to any server",
    "revocation": "a scan makes no call to any server",
    "depends_on_rule": "it serves validation, and a scan makes no call to any server",
    "categories": "rules of Sealgate have none",
}
_ALPHABETS: Final = {"min_digits": "0-9", "min_uppercase": "A-Z", "min_lowercase": "a-z"}
_SPECIAL: Final = "!@#$%^&*()_+-=[]{}|;:'\",.<>?/\\`~"


def is_config(document: object) -> bool:
    """Whether a document is a rule file of one of them."""
    rules = document.get("rules") if isinstance(document, dict) else None
    return isinstance(rules, list) and bool(rules) and all(isinstance(rule, dict) and "pattern" in rule for rule in rules)


def read_rules(plan: Plan, name: str, data: bytes) -> None:
    """Add the rules of a file, or of all files of a folder. Raises `ConfigError` for what is none."""
    document, node = load_yaml(data, name, _HINT)
    if not is_config(document):
        raise ConfigError(f"{name}: not a rule file of {plan.tool}: it has no list of rules with patterns", _HINT)
    for key in document:
        if key != "rules":
            plan.note("dropped", name, str(key), "it is not known")
    items = next(value for key, value in node.value if key.value == "rules").value
    for item, rule in zip(items, document["rules"], strict=True):
        _rule(plan, f"{name}:{item.start_mark.line + 1}: rule {rule.get('id') or rule.get('name')}", rule)


def rule_paths(path: str) -> list[str]:
    """Return the rule files that a path names: itself, or those of a folder and all below it."""
    if not os.path.isdir(path):
        return [path]
    found = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return sorted(name for name in found if name.endswith((".yml", ".yaml")))


def _rule(plan: Plan, where: str, rule: Mapping[str, Any]) -> None:
    for key, value in rule.items():
        if key not in _KEYS:
            plan.note("dropped", where, str(key), "it is not known")
        elif key in _NO_EQUAL and value:
            plan.note("unneeded", where, key, _NO_EQUAL[key])
    if rule.get("visible") is False:
        plan.note("unneeded", where, "the rule", "it reports nothing by itself (visible: false)")
        return
    name = str(rule.get("name") or rule.get("id"))
    id_ = str(rule.get("id") or name)
    requirements = rule.get("pattern_requirements") or {}
    if not isinstance(requirements, dict):
        plan.note("dropped", where, "pattern_requirements", "it must be a mapping")
        requirements = {}
    wanted = Wanted(
        id=id_,
        name=name,
        regex=str(rule["pattern"]).strip(),
        dialect="rust",
        where=where,
        group="TOKEN",
        entropy=plan.number(rule, "min_entropy", where),
        references=plan.texts(rule, "references", where),
        confidence=str(rule["confidence"]) if rule.get("confidence") in ("low", "medium", "high") else "medium",
        allow=list(_required(plan, where, requirements)),
    )
    if not plan.add_rule(wanted):
        return
    words = plan.texts(requirements, "ignore_if_contains", where)
    plan.add_allow(f"left out by the rule {id_}", rule=plan.ids[id_], value=literal_search(words))
    _try(plan, where, id_, rule)


def _required(plan: Plan, where: str, requirements: Mapping[str, Any]) -> Iterator[str]:
    """Yield what fits a value that has too few characters of a kind."""
    special = str(requirements.get("special_chars") or _SPECIAL)
    alphabets = {**_ALPHABETS, "min_special_chars": "".join(f"\\{each}" for each in special if not each.isalnum())}
    for key, value in requirements.items():
        alphabet = alphabets.get(key)
        if alphabet and isinstance(value, int) and value > 0:
            few = f"(?:[{alphabet}][^{alphabet}]*){{0,{value - 1}}}" if value > 1 else ""
            yield f"(?-i:[^{alphabet}]*{few})"
        elif key not in ("ignore_if_contains", "special_chars", *alphabets):
            plan.note("dropped", where, f"pattern_requirements.{key}", "it is not known")


def _try(plan: Plan, where: str, id_: str, rule: Mapping[str, Any]) -> None:
    """Try a rule's examples: those that must be found, and those that must not."""
    from scanner.detect.engine import Detector
    from scanner.detect.prefilter import compile_ruleset
    from scanner.detect.rules import load_rules

    ours = [entry for entry in plan.rules if entry["id"] in plan.ids[id_]]
    detector = Detector(compile_ruleset(load_rules(Plan.pack_of(ours))))
    for key, wanted in (("examples", True), ("negative_examples", False)):
        for number, example in enumerate(_texts(rule.get(key)), 1):
            if bool(detector.find(example.encode())) != wanted:
                why = "the rule as it is here does not find it" if wanted else "the rule as it is here finds it"
                plan.note("changed", where, f"{key} {number}", why)


def _texts(value: object) -> Sequence[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else ()
