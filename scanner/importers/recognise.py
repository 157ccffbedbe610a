# SPDX-License-Identifier: Apache-2.0
"""Which scanner a configuration is of, by what is in it, and what it means here."""

import os
from typing import NamedTuple

from scanner.detect.rules import PackFile, builtin_directory, load_rules, read_packs
from scanner.importers.plan import Plan
from scanner.model import Gap

# How the files of other scanners end; ours is YAML or TOML too.
ENDINGS = (".toml", ".yaml", ".yml", ".json", ".baseline")


class Foreign(NamedTuple):
    """What another scanner's configuration brings besides settings: rules, remarks, and rules that could not be used."""

    packs: tuple[PackFile, ...]
    notices: tuple[str, ...]
    gaps: tuple[Gap, ...]


def own_ids() -> frozenset[str]:
    """Return the ids of Sealgate's own rules."""
    return frozenset(rule.id for rule in load_rules(read_packs([builtin_directory()])))


def recognise(data: bytes, name: str) -> Plan | None:
    """Return what a configuration of another scanner means here, None for one that is ours or nobody's."""
    if name.endswith(".toml"):
        return _gitleaks(data, name)
    from scanner.document import load_yaml
    from scanner.importers import detect_secrets, rulefiles, trufflehog

    document, _ = load_yaml(data, name, "see docs/configuration.md")
    if detect_secrets.is_config(document):
        plan = Plan(detect_secrets.TOOL, own := own_ids())
        detect_secrets.read_baseline(plan, name, data, own)
    elif trufflehog.is_config(document):
        plan = Plan(trufflehog.TOOL, own_ids())
        trufflehog.read_config(plan, name, data)
    elif rulefiles.is_config(document):
        plan = Plan("kingfisher", own_ids())
        rulefiles.read_rules(plan, name, data)
    else:
        return None
    return plan


def _gitleaks(data: bytes, name: str) -> Plan | None:
    import tomllib

    from scanner.importers import gitleaks

    try:
        document = tomllib.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not gitleaks.is_config(document):
        return None
    plan = Plan(gitleaks.TOOL, own := own_ids())
    gitleaks.read_config(plan, name, data, own)
    return plan


def foreign(plan: Plan, name: str) -> Foreign:
    """Return what a plan brings besides its settings; a rule that was not carried over makes a run incomplete."""
    dropped = plan.dropped()
    gaps = [Gap("rule", note.where, f"not carried over: {note.why}") for note in dropped if note.what == "the rule"]
    notices = [f"{note} (not carried over)" for note in dropped if note.what != "the rule"]
    changed = sum(note.kind == "changed" for note in plan.notes)
    if changed:
        plural = "thing means" if changed == 1 else "things mean"
        notices.append(f"{name}: {changed} {plural} something else here: 'sealgate import {plan.tool} --dry-run' lists them")
    if plan.accepted:
        notices.append(f"{name}: what it accepts is not read: take it over by 'sealgate import {plan.tool}'")
    return Foreign(plan.packs(os.path.basename(name)), tuple(notices), tuple(gaps))
