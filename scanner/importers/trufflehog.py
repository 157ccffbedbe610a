# SPDX-License-Identifier: Apache-2.0
"""trufflehog: custom detectors of a configuration (YAML), and files of paths that are left out.

The format: https://github.com/trufflesecurity/trufflehog/blob/main/pkg/custom_detectors/CUSTOM_DETECTORS.md.
"""

import os
from collections.abc import Mapping
from typing import Any, Final

from scanner.document import load_yaml
from scanner.errors import ConfigError
from scanner.importers.plan import Plan, Wanted, literal_search

TOOL: Final = "trufflehog"
_HINT: Final = "see docs/migrating.md"
_KEYS: Final = (
    "name", "keywords", "regex", "description", "entropy", "exclude_words", "exclude_regexes_capture", "exclude_regexes_match",
    "primary_regex_name", "validations", "verify",
)  # fmt: skip
# A value that is all of this is no secret, where the validation is asked for. Case is ignored in a rule's allow.
_VALIDATIONS: Final = {
    "contains_digit": "[^0-9]*",
    "contains_lowercase": "(?-i:[^a-z]*)",
    "contains_uppercase": "(?-i:[^A-Z]*)",
    "contains_special_char": r"[^!@#$%^&*()_+\-=\[\]{}|;:,.<>?]*",
}


def is_config(document: object) -> bool:
    """Whether a document is a configuration of trufflehog."""
    return isinstance(document, dict) and "detectors" in document


def read_config(plan: Plan, name: str, data: bytes) -> None:
    """Add the detectors of a configuration. Raises `ConfigError` for what is none."""
    document, node = load_yaml(data, name, _HINT)
    if not is_config(document) or not isinstance(document["detectors"], list):
        raise ConfigError(f"{name}: not a configuration of trufflehog: it has no list of detectors", _HINT)
    for key in document:
        if key != "detectors":
            plan.note("dropped", name, str(key), "Sealgate scans what its command line names")
    items = next(value for key, value in node.value if key.value == "detectors").value
    for item, detector in zip(items, document["detectors"], strict=True):
        where = f"{name}:{item.start_mark.line + 1}"
        if not isinstance(detector, dict) or not isinstance(detector.get("regex"), dict) or not detector["regex"]:
            plan.note("dropped", where, "the detector", "it has no mapping of regular expressions")
            continue
        _detector(plan, f"{where}: detector {detector.get('name')}", detector)


def _detector(plan: Plan, where: str, detector: Mapping[str, Any]) -> None:
    for key in detector:
        if key not in _KEYS:
            plan.note("dropped", where, str(key), "it is not known")
    if detector.get("verify"):
        plan.note("unneeded", where, "verify", "a scan makes no call to any server")
    regexes = {str(key): str(value) for key, value in detector["regex"].items()}
    primary = str(detector.get("primary_regex_name") or min(regexes))
    if primary not in regexes:
        plan.note("dropped", where, "the detector", "its primary_regex_name names none of its regular expressions")
        return
    name = str(detector.get("name") or primary)
    wanted = Wanted(
        id=name,
        name=name,
        regex=regexes[primary],
        dialect="go",
        where=where,
        entropy=plan.number(detector, "entropy", where),
        keywords=plan.texts(detector, "keywords", where),
        near=_others(plan, where, {key: text for key, text in regexes.items() if key != primary}),
        allow=_validations(plan, where, detector, primary),
    )
    if not plan.add_rule(wanted):
        return
    rules, reason = plan.ids[name], f"left out by the detector {name}"
    values = plan.searches(plan.texts(detector, "exclude_regexes_capture", where), "go", where, "exclude_regexes_capture")
    plan.add_allow(reason, rule=rules, value=[*values, *literal_search(plan.texts(detector, "exclude_words", where))])
    lines = plan.searches(plan.texts(detector, "exclude_regexes_match", where), "go", where, "exclude_regexes_match")
    if lines:
        plan.note("changed", where, "exclude_regexes_match", "the whole line is compared, not what the rule matched of it")
        plan.add_allow(reason, rule=rules, line=lines)


def _others(plan: Plan, where: str, regexes: Mapping[str, str]) -> list[str]:
    """Return what else must be found: near the value here, anywhere in a piece of content there."""
    from scanner.importers.spelling import search_text

    near = []
    for key, text in regexes.items():
        parsed = plan.read(text, "go", where, f"regex {key}")
        if parsed is not None:
            near.append(f"(?-i:{search_text(parsed)})")
            plan.note("changed", where, f"regex {key}", "must match within 200 bytes of the value, and is not reported itself")
    return near


def _validations(plan: Plan, where: str, detector: Mapping[str, Any], primary: str) -> list[str]:
    asked = detector.get("validations") or {}
    checks = asked.get(primary) if isinstance(asked, dict) else None
    for key in asked if isinstance(asked, dict) else ():
        if key != primary:
            plan.note("dropped", where, f"validations of {key}", "the primary expression alone gives the value")
    allow = []
    for check, wanted in checks.items() if isinstance(checks, dict) else ():
        if check not in _VALIDATIONS:
            plan.note("dropped", where, f"validation {check}", "it is not known")
        elif wanted:
            allow.append(_VALIDATIONS[check])
    return allow


def read_paths(plan: Plan, name: str, data: bytes) -> None:
    """Add a file of `--exclude-paths`: a regular expression a line, of paths that are left out."""
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            plan.add_allow(f"in {os.path.basename(name)}", path=plan.globs([text], "go", f"{name}:{number}"))


def note_included(plan: Plan, name: str) -> None:
    """Take down that a file of `--include-paths` has no equal."""
    plan.note("dropped", name, "the paths that are included", "Sealgate scans all of a target: name folders on its command line")
