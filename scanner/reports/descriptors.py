# SPDX-License-Identifier: Apache-2.0
"""The rules of a SARIF log: `reportingDescriptor` objects with all that GitHub shows of a rule."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from scanner.display import shorten
from scanner.model import CONFIDENCES, Confidence, Family, Finding, RuleInfo, Severity

HOME: Final = "https://github.com/sealgate/sealgate"
_PAGES: Final[Mapping[Family, str]] = {"secret": "docs/rules.md", "sops": "docs/sops.md", "broker": "docs/broker.md"}

# GitHub, "SARIF support for code scanning": descriptions are cut at 1,024 characters, a rule's name at 255.
_MAX_DESCRIPTION: Final = 1024
_MAX_NAME: Final = 255

# The same page, `security-severity`: over 9.0 critical, 7.0 to 8.9 high, 4.0 to 6.9 medium, 0.1 to 3.9 low.
_SECURITY_SEVERITY: Final[Mapping[Severity, str]] = {
    "critical": "9.5",
    "high": "8.0",
    "medium": "5.5",
    "low": "2.0",
}
_PROBLEM_SEVERITY: Final[Mapping[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "recommendation",
}
_RULE_LEVEL: Final[Mapping[Severity, str]] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
}
_PRECISION: Final[Mapping[Confidence, str]] = {
    "proven": "very-high",
    "high": "high",
    "medium": "medium",
    "low": "low",
}
# CWE-798 Use of Hard-coded Credentials; CWE-312 Cleartext Storage of Sensitive Information; CWE-732 Incorrect
# Permission Assignment for Critical Resource.
_TAGS: Final = {
    "secret": ["security", "secret", "external/cwe/cwe-798"],
    "sops": ["security", "sops", "external/cwe/cwe-312"],
    "broker": ["security", "broker", "external/cwe/cwe-732"],
}


def used_rules(findings: Iterable[Finding]) -> list[tuple[RuleInfo, Confidence]]:
    """Return the rules that have results, by id, each with the best confidence it reached.

    Not all of the run's rules: hundreds that found nothing would be uploaded with every report.
    """
    rules: dict[str, RuleInfo] = {}
    best: dict[str, int] = {}
    for finding in findings:
        rules.setdefault(finding.rule.id, finding.rule)
        rank = CONFIDENCES.index(finding.confidence)
        best[finding.rule.id] = max(rank, best.get(finding.rule.id, 0))
    return [(rules[rule_id], CONFIDENCES[best[rule_id]]) for rule_id in sorted(rules)]


def rule_descriptor(rule: RuleInfo, confidence: Confidence) -> dict[str, object]:
    """Return a rule with the best confidence that it reached in this run."""
    links = [reference for reference in rule.references if reference.startswith(("https://", "http://"))]
    descriptor: dict[str, object] = {
        "id": rule.id,
        **identifier(rule.id, rule.name),
        "shortDescription": {"text": shorten(sentence(rule.name), _MAX_DESCRIPTION)},
        "fullDescription": {"text": shorten(sentence(rule.help or rule.name), _MAX_DESCRIPTION)},
        "help": _help(rule, links),
        "defaultConfiguration": {"level": _RULE_LEVEL[rule.severity]},
        "properties": {
            "precision": _PRECISION[confidence],
            "problem.severity": _PROBLEM_SEVERITY[rule.severity],
            "security-severity": _SECURITY_SEVERITY[rule.severity],
            "tags": _TAGS[rule.family],
        },
    }
    descriptor["helpUri"] = links[0] if links else f"{HOME}/blob/main/{_PAGES[rule.family]}"
    return descriptor


def identifier(descriptor_id: str, words: str) -> dict[str, str]:
    """Return the name as one identifier (3.49.7), or none where it would be the id again."""
    letters = "".join(c if c.isalnum() and c.isascii() else " " for c in words)
    name = "".join(word[0].upper() + word[1:] for word in letters.split())[:_MAX_NAME]
    return {"name": name} if name and name.lower() != descriptor_id.lower() else {}


def _help(rule: RuleInfo, links: Sequence[str]) -> dict[str, str]:
    text = sentence(rule.help or rule.name)
    plain = "\n".join([text, *links])
    markdown = "\n".join([f"**{rule.name}**\n", text, *(f"\n- <{link}>" for link in links)])
    return {"text": plain, "markdown": markdown}


def sentence(text: str) -> str:
    """Return the text with an end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
