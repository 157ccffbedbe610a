# SPDX-License-Identifier: Apache-2.0
"""Rule packs: where they are, how an entry becomes a valid `Rule`, what is wrong with one that does not.

The format is described in `docs/rules.md`. Reading YAML takes a hundred times longer than a small
scan, so a loaded pack can be kept as plain JSON (`dump_rule`, `parse_rule`); the cache in
`prefilter.py` has it beside the Hyperscan database.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from scanner.document import load_yaml
from scanner.errors import ConfigError
from scanner.model import CONFIDENCES, SEVERITIES, Confidence, RuleInfo, Severity

MAX_MATCH_BYTES: Final = 20_000
# A rule for whole contents speaks of no longer ones; white space around the value does not count.
MAX_WHOLE_BYTES: Final = 256
# What a match can be the sign of, besides itself.
STRUCTURES: Final = ("kubernetes-secret",)


class Rule(NamedTuple):
    """One valid rule. `pattern` is text in Python's `re` syntax, meant for bytes; of a `whole` content where that is set.

    `identifiers` are the ids of rules whose values name the one that this rule finds: `with` in a rule file.
    """

    id: str
    name: str
    severity: Severity
    confidence: Confidence
    pattern: str
    help: str
    references: tuple[str, ...]
    ignore_case: bool = False
    entropy: float = 0.0
    proof: str = ""
    near: str = ""
    allow: tuple[str, ...] = ()
    stored: bool = False
    weigh: bool = False
    whole: bool = False
    structure: str = ""
    slow: bool = False
    identifiers: tuple[str, ...] = ()
    # The last member: `prefilter` looks for it at the end of a rule's JSON.
    paths: tuple[str, ...] = ()

    def info(self) -> RuleInfo:
        """Return what reports tell of this rule."""
        return RuleInfo(self.id, self.name, self.severity, "secret", self.help, self.references)


class Vector(NamedTuple):
    """One test vector of a rule: a template of content, and the path it is meant to stand at."""

    rule_id: str
    positive: bool
    number: int
    text: str
    path: str


class PackFile(NamedTuple):
    """One rule file, read but not parsed: `name` is what error messages call it."""

    name: str
    data: bytes


_REQUIRED: Final = ("id", "name", "severity", "confidence", "pattern", "help", "references", "positive", "negative")
_VECTORS: Final = ("positive", "negative")
_OPTIONAL: Final = (
    "ignore_case", "entropy", "proof", "near", "allow", "stored", "weigh", "slow", "structure", "whole", "paths", "with",
)
_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def builtin_directory() -> str:
    """Return the folder of Sealgate's own rule packs: inside an installed package, or the checkout's."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = os.path.join(package, "rules")
    return installed if os.path.isdir(installed) else os.path.join(os.path.dirname(package), "rules")


def read_packs(paths: Sequence[str]) -> tuple[PackFile, ...]:
    """Read rule files and folders of them (`*.yaml`, `*.yml`, sorted), in the order given.

    Raises `ConfigError` for a path that cannot be read and for a folder without rules.
    """
    packs: list[PackFile] = []
    for path in paths:
        try:
            if os.path.isdir(path):
                names = sorted(n for n in os.listdir(path) if n.endswith((".yaml", ".yml")))
                if not names:
                    raise ConfigError(f"no rule files in {path}", "a rule pack is a *.yaml file; see docs/rules.md")
                files = [os.path.join(path, name) for name in names]
            else:
                files = [path]
            for file in files:
                with open(file, "rb") as stream:
                    packs.append(PackFile(os.path.relpath(file) if len(paths) > 1 else file, stream.read()))
        except OSError as error:
            raise ConfigError(f"cannot read rules from {path}: {error.strerror}", "check --rules") from None
    return tuple(packs)


def load_rules(packs: Iterable[PackFile]) -> tuple[Rule, ...]:
    """Parse and check rule files; a later rule with the id of an earlier one is an error.

    Raises `ConfigError` that names file, line and rule id.
    """
    rules: dict[str, Rule] = {}
    for pack in packs:
        for line, entry in _entries(pack):
            rule = _rule(entry, f"{pack.name}:{line}")
            if rule.id in rules:
                raise ConfigError(f"{pack.name}:{line}: rule {rule.id} is defined twice", "give each rule its own id")
            rules[rule.id] = rule
    return tuple(rules.values())


def load_vectors(packs: Iterable[PackFile]) -> tuple[Vector, ...]:
    """Return the test vectors of every rule, in order."""
    return tuple(v for pack in packs for line, entry in _entries(pack) for v in _vectors(entry, f"{pack.name}:{line}"))


def _entries(pack: PackFile) -> Iterator[tuple[int, Mapping[str, Any]]]:
    document, node = load_yaml(pack.data, pack.name, "see docs/rules.md")
    if not isinstance(document, dict) or set(document) != {"rules"} or not isinstance(document["rules"], list):
        raise ConfigError(f"{pack.name}: a rule file has one key, 'rules', with a list", "see docs/rules.md")
    if len(node.value) != 1:
        raise ConfigError(f"{pack.name}: the key 'rules' stands there twice", "put all rules under one")
    sequence = node.value[0][1]
    for item, entry in zip(sequence.value, document["rules"], strict=True):
        line = item.start_mark.line + 1
        if not isinstance(entry, dict):
            raise ConfigError(f"{pack.name}:{line}: a rule is a mapping", "see docs/rules.md")
        yield line, entry


def _rule(entry: Mapping[str, Any], where: str) -> Rule:
    where = f"{where}: rule {entry.get('id', '(no id)')}"
    if _is_strings(entry.get("pattern")):
        entry = {**entry, "pattern": "".join(entry["pattern"])}
    known = (*_REQUIRED, *_OPTIONAL)
    for key in entry:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}", suggest(str(key), known) or "see docs/rules.md")
    for key in _REQUIRED:
        # A rule without vectors is used, and the linter complains of it.
        if not entry.get(key) and not (key in _VECTORS and entry.get(key) == []):
            raise ConfigError(f"{where}: {key!r} is missing", "see docs/rules.md")
    fits = isinstance(entry["id"], str) and _ID.fullmatch(entry["id"])
    _require(fits, where, "id must be lower case, digits and single hyphens")
    _require(entry["severity"] in SEVERITIES, where, f"severity must be one of {', '.join(SEVERITIES)}")
    _require(entry["confidence"] in CONFIDENCES[:3], where, f"confidence must be one of {', '.join(CONFIDENCES[:3])}")
    for key in ("references", "allow", "paths", "with"):
        _require(_is_strings(entry.get(key, [])), where, f"{key} must be a list of strings")
    _require(isinstance(entry.get("entropy", 0.0), int | float), where, "entropy must be a number")
    for key in ("ignore_case", "stored", "weigh", "slow", "whole"):
        _require(isinstance(entry.get(key, False), bool), where, f"{key} must be true or false")
    for key in ("name", "pattern", "help", "proof", "near"):
        _require(isinstance(entry.get(key, ""), str), where, f"{key} must be text")
    _require(entry.get("structure", "") in ("", *STRUCTURES), where, f"structure must be one of {', '.join(STRUCTURES)}")
    from scanner.detect.anchor import anchor, parse  # not needed where the rules come from the cache

    for expression in (entry["pattern"], entry.get("near", ""), *entry.get("allow", [])):
        _check_expression(expression, where)
    try:
        if entry.get("whole"):
            long = parse(entry["pattern"]).getwidth()[1]
            _require(long <= MAX_WHOLE_BYTES, where, f"a whole content has at most {MAX_WHOLE_BYTES} bytes")
        else:
            anchor(entry["pattern"], slow=entry.get("slow", False))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}", "see 'Patterns' in docs/rules.md") from None
    _require("secret" in parse(entry["pattern"]).state.groupdict, where, "pattern needs a group (?P<secret>...)")
    return Rule(
        id=entry["id"],
        name=entry["name"],
        severity=entry["severity"],
        confidence=entry["confidence"],
        pattern=entry["pattern"],
        help=" ".join(entry["help"].split()),
        references=tuple(entry["references"]),
        ignore_case=bool(entry.get("ignore_case", False)),
        entropy=float(entry.get("entropy", 0.0)),
        proof=entry.get("proof", ""),
        near=entry.get("near", ""),
        allow=tuple(entry.get("allow", ())),
        stored=bool(entry.get("stored", False)),
        weigh=bool(entry.get("weigh", False)),
        whole=bool(entry.get("whole", False)),
        structure=entry.get("structure", ""),
        slow=bool(entry.get("slow", False)),
        identifiers=tuple(entry.get("with", ())),
        paths=tuple(entry.get("paths", ())),
    )


def _require(condition: object, where: str, message: str) -> None:
    if not condition:
        raise ConfigError(f"{where}: {message}", "see docs/rules.md")


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _check_expression(expression: str, where: str) -> None:
    """Parse an expression without compiling it, which would take ten times as long and is seldom needed."""
    from scanner.detect.anchor import check_look_behind, parse

    try:
        expression.encode("ascii")
        parsed = parse(expression)
        if "(?<" in expression:
            check_look_behind(parsed)
    except UnicodeEncodeError:
        raise ConfigError(f"{where}: patterns are written in ASCII", "escape bytes as \\xNN") from None
    except (re.error, OverflowError) as error:
        message = getattr(error, "msg", "a number is too large")
        raise ConfigError(f"{where}: not a regular expression: {message}", f"at position {getattr(error, 'pos', 0)}") from None


def _vectors(entry: Mapping[str, Any], where: str) -> Iterator[Vector]:
    for kind in ("positive", "negative"):
        items = entry.get(kind)
        if not isinstance(items, list):
            raise ConfigError(f"{where}: rule {entry.get('id')}: {kind} must be a list", "see docs/rules.md")
        for number, item in enumerate(items, 1):
            path, text = (item.get("path", ""), item.get("text", "")) if isinstance(item, dict) else ("", item)
            if not isinstance(text, str) or not text or not isinstance(path, str):
                message = f"{where}: rule {entry.get('id')}: {kind} vector {number} must be text"
                raise ConfigError(message, "quote it; a path goes into a mapping with path and text")
            yield Vector(str(entry["id"]), kind == "positive", number, text, path)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the nearest known word, or nothing."""
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def dump_rule(rule: Rule) -> bytes:
    """Return a rule as one line of JSON, for `parse_rule`."""
    import json  # not needed for a clean change

    return json.dumps(rule).encode()


def parse_rule(text: bytes) -> Rule:
    """Return the rule that `dump_rule` wrote. Trusts its input: it comes from a checked cache."""
    import json

    return Rule._make(tuple(value) if isinstance(value, list) else value for value in json.loads(text))
