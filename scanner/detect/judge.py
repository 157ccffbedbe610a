# SPDX-License-Identifier: Apache-2.0
"""The third stage: is what a pattern matched a secret, and how sure is that?

The judge sees the value and a window around it, never the path, so that one verdict holds for every
place at which a blob stands, and for every version that carries the same lines.
"""

import functools
import math
import re
from collections import Counter
from typing import Final, NamedTuple

from scanner.detect.proof import PROOFS
from scanner.detect.rules import Rule
from scanner.model import Confidence


class Verdict(NamedTuple):
    """`confidence` is None for what is no secret; the reason is given either way."""

    confidence: Confidence | None
    reason: str


def entropy(value: bytes) -> float:
    """Return the Shannon entropy of the value's bytes, in bits per byte."""
    total = len(value)
    return -sum(n / total * math.log2(n / total) for n in Counter(value).values()) if total else 0.0


def judge(rule: Rule, value: bytes, window: bytes, at: int = 0) -> Verdict:
    """Judge a confirmed match; `window` is what stands around it, for rules with `near`.

    For rules that weigh it is the value's line, in which the value begins at `at`.
    """
    for expression in rule.allow:
        if _compiled(expression).fullmatch(value):
            return Verdict(None, f"the rule allows values like /{expression}/")
    reason = "" if rule.stored else placeholder(value)
    if reason:
        return Verdict(None, reason)
    if rule.near and not _compiled(rule.near).search(window):
        return Verdict(None, f"nothing like /{rule.near}/ stands near it")
    if rule.weigh:
        from scanner.detect.weigh import weigh_anywhere

        return Verdict(*weigh_anywhere(window, at, at + len(value)))
    confidence, reasons = rule.confidence, [_BELIEF[rule.confidence]]
    if rule.entropy:
        bits = entropy(value)
        if bits < rule.entropy:
            return Verdict(None, f"entropy {bits:.1f} bits per character, below {rule.entropy:.1f}")
        reasons.append(f"entropy {bits:.1f} bits per character")
    if rule.proof:
        outcome, why = PROOFS[rule.proof](value)
        if outcome == "refuted":
            return Verdict(None, why)
        if outcome == "proven":
            confidence, reasons = "proven", []
        elif outcome == "doubtful":
            confidence = "low"
        elif outcome == "weakened" and confidence == "high":
            confidence = "medium"
        reasons.append(why)
    return Verdict(confidence, "; ".join(reasons))


_BELIEF: Final = {
    "high": "the format is unmistakable",
    "medium": "format and context fit",
    "low": "the shape fits",
}


@functools.lru_cache(maxsize=4096)
def _compiled(expression: str) -> re.Pattern[bytes]:
    return re.compile(expression.encode(), re.IGNORECASE)


# Written out where a value is wanted later: shells, templates, CI systems, secret managers. All in lower case.
_REFERENCE: Final = re.compile(
    rb"\$\(|\{[^{}]{1,60}\}\Z|%[({]|%[sdvq]\Z|#\{|@@|enc\[|<[^<>]{1,60}>\Z|\[[a-z_ -]{1,60}\]\Z"
    rb"|(?:vault|op|secretref|ssm|azurekeyvault|gcp-secretmanager|keyring|doppler)://?|arn:aws"
    rb"|(?:env|process\.env|os\.environ|os\.getenv|secrets|var|local|data|module|config|settings|self|this|params)[.(\[]"
    rb"|![a-z]{3,21} |aqicah|-----begin cert",
)
_VARIABLE: Final = re.compile(rb"\$(?:[A-Z_][A-Z0-9_]*|[a-z_]+)")
_DUMMY: Final = re.compile(
    rb"example|placeholder|change.?me|re(?:dacted|place.?(?:me|this|with))|insert.?(?:your|here)|dummy"
    rb"|\Ayour|your.?(?:api|own|key|token|secret|pass|access|account|app|client|domain|project|user)"
    rb"|sample.?(?:key|token|secret)|(?:my|some|fake|test).?(?:secret|api.?key|token).?(?:here|key)?\Z"
    rb"|not.?a.?(?:real|valid)|xxxx|\*\*\*\*|\.\.\.\.?\Z"
    rb"|1234567890|0123456789|abcdefg|qwertyui|deadbeef.?deadbeef|lorem.?ipsum|\btodo\b|\bfixme\b",
)


def placeholder(value: bytes) -> str:
    """Return why a value only stands for a secret (a reference, a dummy), or nothing.

    For long values such as keys only the beginning is read: random base64 spells any word in the end.
    """
    head = value[:200]
    lower = head.lower()
    templated = b"{{" in head or b"<%" in head or (b"${" in head and b"}" in head)
    if templated or _REFERENCE.match(lower) or (head.startswith(b"$") and _VARIABLE.fullmatch(head)):
        return "it refers to a value that is kept elsewhere"
    if _DUMMY.search(lower):
        return "it is a placeholder"
    if len(value) < 200 and len(set(value)) <= max(2, len(value) // 16):
        return "it repeats the same few characters"
    return ""
