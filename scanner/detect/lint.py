# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a valid rule: what would make it slow, wrong at its edges, or of no help to its reader."""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from scanner.detect.anchor import FAR, Anchor, anchor, width
from scanner.detect.proof import PROOFS
from scanner.detect.rules import MAX_MATCH_BYTES, Rule, Vector
from scanner.errors import ConfigError

# Anchors compile in well under a millisecond each; one that does not is read as a warning about its scan time too.
_MAX_COMPILE_SECONDS: Final = 0.25
_MAX_EXPRESSION: Final = 1200
# What is new in a file is looked at from the beginning of its line, and as far before that as any rule wants.
_MAX_NEAR: Final = 16
# In ordinary text; each candidate takes a search by the whole pattern.
_MAX_CANDIDATES_PER_MB: Final = 20
_KEPT_GROUPS: Final = {"secret", "key"}


def lint(rules: Sequence[Rule], vectors: Sequence[Vector]) -> Iterator[str]:
    """Yield complaints, each naming its rule."""
    counts = Counter((vector.rule_id, vector.positive) for vector in vectors)
    known = {rule.id: rule for rule in rules}
    sound = []
    for rule in rules:
        in_pattern = list(_pattern(rule))
        sound += [] if in_pattern else [rule]
        for complaint in (*in_pattern, *_texts(rule), *_identifiers(rule, known)):
            yield f"rule {rule.id}: {complaint}"
        if counts[rule.id, False] < 1 or counts[rule.id, True] < 1:
            yield f"rule {rule.id}: needs a positive and a negative vector"
    for name, rate in _frequent(sound):
        yield f"rule {name}: {rate:.0f} candidates in a megabyte of ordinary text: ask for more behind the first literal"


def _frequent(rules: Sequence[Rule]) -> Iterator[tuple[str, float]]:
    """Yield the rules that look at too many places of ordinary text, and how many in each megabyte."""
    from scanner.detect.prefilter import compile_ruleset

    text = _ordinary_text()
    if not rules or not text:
        return
    found: Counter[int] = Counter()
    compile_ruleset(rules).anchors.scan(text, match_event_handler=lambda index, *_: found.update((index,)))
    for index, count in sorted(found.items()):
        rate = count / (len(text) / 1e6)
        if rate > _MAX_CANDIDATES_PER_MB:
            yield rules[index].id, rate


def _ordinary_text() -> bytes:
    """Return some megabytes of source text that stand on every machine: Python's own modules."""
    folder = os.path.dirname(os.__file__)
    parts = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), "rb") as stream:
                parts.append(stream.read())
    return b"\n".join(parts)


def _pattern(rule: Rule) -> Iterator[str]:
    if rule.whole:
        if not rule.paths:
            yield "a rule for whole contents says for which paths: by itself a content is nothing sure"
    else:
        yield from _beginning(rule)
    compiled = re.compile(rule.pattern.encode())
    if set(compiled.groupindex) - _KEPT_GROUPS or compiled.groups > len(compiled.groupindex):
        yield "capturing groups but 'secret' and 'key' are written (?:...)"
    yield from _cost(rule)


def _beginning(rule: Rule) -> Iterator[str]:
    try:
        cut = anchor(rule.pattern)
    except ValueError as error:
        yield str(error)
        return
    if width(rule.pattern).longest > MAX_MATCH_BYTES:
        yield f"the pattern is not bounded: a match may be longer than {MAX_MATCH_BYTES:,} bytes"
    yield from _reach(cut)
    if len(cut.expression) > _MAX_EXPRESSION:
        yield "the pattern's beginning is too large for the prefilter"


def _reach(cut: Anchor) -> Iterator[str]:
    before = "what stands before the first literal"
    if cut.near > _MAX_NEAR:
        yield f"{before} may begin {cut.near} bytes before, in another line: keep it in one line ([ \\t], ^)"
    if cut.longest > FAR:
        yield f"{before} is too long: a match may begin {cut.longest} bytes before the prefilter knows of it"


def _cost(rule: Rule) -> Iterator[str]:
    from scanner.detect.prefilter import compile_ruleset

    started = time.process_time()
    try:
        compile_ruleset([rule])
    except ConfigError as error:
        yield error.message
    seconds = time.process_time() - started
    if seconds > _MAX_COMPILE_SECONDS:
        yield f"the prefilter needs {seconds:.2f} s for it: shorten what comes before the first literal"


def _identifiers(rule: Rule, known: Mapping[str, Rule]) -> Iterator[str]:
    for name in rule.identifiers:
        if name not in known:
            yield f"it is used with {name!r}, and there is no such rule"
        elif name == rule.id or known[name].identifiers:
            yield f"{name} identifies nothing: it has identifiers of its own"


def _texts(rule: Rule) -> Iterator[str]:
    if rule.proof and rule.proof not in PROOFS:
        yield f"there is no proof {rule.proof!r}: one of {', '.join(PROOFS)}"
    if rule.name.endswith(".") or (rule.name[0].islower() and rule.name.split()[0] not in _LOWER):
        yield "the name begins with a capital and has no full stop"
    if len(rule.help) < 20 or not rule.help.endswith("."):
        yield "the help says in whole sentences what to do on a leak"
    for reference in rule.references:
        if not reference.startswith("https://"):
            yield f"not an https reference: {reference}"
    if not 0 <= rule.entropy <= 6:
        yield "entropy is in bits per character, 0 to 6"


# Names that their owners write in lower case.
_LOWER: Final = {
    "age", "api.data.gov", "authentik", "crates.io", "curl", "dbt", "eBay", "env0", "fal", "fly.io",
    "hCaptcha", "htpasswd", "lemlist", "monday.com", "ngrok", "npm", "pganalyze", "pub.dev", "reCAPTCHA",
    "remove.bg", "turbopuffer", "urlscan.io", "v0", "xAI",
}
