# SPDX-License-Identifier: Apache-2.0
"""What an importer makes of another scanner's files: rules and settings of ours, and a note of whatever is not the same.

An importer adds what it read; whether a rule can be used is found out here, by loading and compiling it as a scan would.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from scanner.detect.rules import PackFile, Rule, load_rules
from scanner.errors import ConfigError
from scanner.importers.pathglobs import globs_of
from scanner.importers.spelling import patterns_of, search_text, tells
from scanner.importers.syntax import NotReadError, Parsed, parse

# What became of it: it means something else now, it has no equal here, or it needs none.
Kind = Literal["changed", "dropped", "unneeded"]

_LARGE: Final = 1000
_HELP: Final = "Revoke the secret where it was issued, then look for its use."
_NO_REFERENCE: Final = "https://github.com/sealgate/sealgate/blob/main/docs/migrating.md"


class Note(NamedTuple):
    """One thing that is not the same: where it stands (file, line, rule), what it is, and why."""

    kind: Kind
    where: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.why}"


class Accepted(NamedTuple):
    """A finding that the other scanner was told to accept, by its place; lines from 1.

    `commit` is empty for the file as it is; `secret` is the value, or `sha1` its SHA-1, where they are known.
    """

    where: str
    path: str
    line: int
    end_line: int
    rule: str
    commit: str = ""
    secret: str = ""
    sha1: str = ""
    reason: str = ""


class Wanted(NamedTuple):
    """A rule as another scanner has it. `group` is what captures the secret: see `patterns_of`; `near` must stand near it."""

    id: str
    name: str
    regex: str
    dialect: str
    where: str
    group: int | str | None = None
    entropy: float = 0.0
    keywords: Sequence[str] = ()
    near: Sequence[str] = ()
    paths: Sequence[str] = ()
    references: Sequence[str] = ()
    confidence: str = "medium"
    allow: Sequence[str] = ()


class Plan:
    """What is carried over. `taken` are ids of rules that are there already."""

    def __init__(self, tool: str, taken: Collection[str]) -> None:
        self.tool = tool
        self.rules: list[dict[str, Any]] = []
        self.allow: list[dict[str, Any]] = []
        self.accepted: list[Accepted] = []
        self.notes: list[Note] = []
        # Ours, by the names that the other scanner has for them.
        self.ids: dict[str, list[str]] = {}
        self.taken = taken

    def note(self, kind: Kind, where: str, what: str, why: str) -> None:
        """Take down that something is not the same."""
        note = Note(kind, where, what, why)
        if note not in self.notes:
            self.notes.append(note)

    def texts(self, table: Mapping[str, Any], key: str, where: str) -> list[str]:
        """Return a list of texts, or one; what else stands there is noted."""
        value = table.get(key)
        if isinstance(value, str):
            return [value] if value else []
        if not value or (isinstance(value, list) and all(isinstance(each, str | int | float) for each in value)):
            return [str(each) for each in value or ()]
        self.note("dropped", where, key, "it must be a list of texts")
        return []

    def number(self, table: Mapping[str, Any], key: str, where: str) -> float:
        """Return a number, 0 where there is none; what else stands there is noted."""
        value = table.get(key) or 0
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LARGE:
            return float(value)
        self.note("dropped", where, key, "it must be a number")
        return 0.0

    def read(self, text: object, dialect: str, where: str, what: str) -> Parsed | None:
        """Read an expression; None, and a note, where that cannot be."""
        try:
            if not isinstance(text, str):
                raise NotReadError("it is no text")
            return parse(text, dialect)
        except NotReadError as fault:
            self.note("dropped", where, what, str(fault))
            return None

    def globs(self, expressions: Iterable[object], dialect: str, where: str) -> list[str]:
        """Return globs for expressions that are searched for in paths; what has no equal is noted."""
        globs: list[str] = []
        for number, text in enumerate(expressions, 1):
            what = f"path {number}"
            parsed = self.read(text, dialect, where, what)
            if parsed is not None:
                try:
                    globs += globs_of(parsed)
                except NotReadError as fault:
                    self.note("dropped", where, what, f"no glob matches the same paths: {fault}")
        return list(dict.fromkeys(globs))

    def searches(self, expressions: Iterable[object], dialect: str, where: str, what: str = "regex") -> list[str]:
        """Return expressions that are searched for in a value or a line."""
        found = []
        for number, text in enumerate(expressions, 1):
            parsed = self.read(text, dialect, where, f"{what} {number}")
            if parsed is None:
                continue
            spelled = search_text(parsed)
            if re.compile(spelled.encode()).search(b""):
                self.note("dropped", where, f"{what} {number}", "it fits everything, so that all would be allowed")
            else:
                found.append(spelled)
        return found

    def add_allow(self, reason: str, **limits: Sequence[str]) -> None:
        """Add an entry that speaks of secrets alone; none where nothing is left of its limits, or only the rules."""
        entry = {key: list(values) for key, values in limits.items() if values}
        if entry.keys() - {"rule"} or entry.keys() == limits.keys():
            self.allow.append({"family": "secret", **entry, "reason": reason})

    def add_rule(self, wanted: Wanted) -> bool:
        """Add a rule, or several that together find the same; False, and a note, where it cannot be carried over."""
        parsed = self.read(wanted.regex, wanted.dialect, wanted.where, "the rule")
        if parsed is None:
            return False
        try:
            group = self._group(parsed, wanted)
            patterns = patterns_of(parsed, group)
        except NotReadError as fault:
            self.note("dropped", wanted.where, "the rule", str(fault))
            return False
        near = [*wanted.near]
        keywords = [word for word in wanted.keywords if word]
        if keywords and not tells(parsed.tree, keywords):
            near.append("|".join(map(_literal, keywords)))
            self.note("changed", wanted.where, "keywords", "one must stand within 200 bytes of the value, not just in its file")
        entries = []
        for number, pattern in enumerate(patterns, 1):
            entry = self._entry(wanted, number, near) | {"pattern": pattern.text}
            if pattern.ignore_case:
                entry["ignore_case"] = True
            unusable = _usable(entry)
            if "no literal" in unusable:
                entry["slow"] = True
                unusable = _usable(entry)
            if unusable:
                self.note("dropped", wanted.where, "the rule", unusable)
                return False
            entries.append(entry)
        if any(entry.get("slow") for entry in entries):
            self.note("changed", wanted.where, "the rule", "it has no text that every match must have, so looking for it is slow")
        if parsed.groups and group is None and [pattern.group for pattern in patterns] == [0]:
            self.note("changed", wanted.where, "the rule", "its groups capture in too many ways, so all of a match is the value")
        for remark in parsed.remarks:
            self.note("changed", wanted.where, "the rule", remark)
        self.rules += entries
        self.ids.setdefault(wanted.id, []).extend(entry["id"] for entry in entries)
        return True

    def _group(self, parsed: Parsed, wanted: Wanted) -> int | None:
        if not isinstance(wanted.group, str):
            return wanted.group
        from scanner.importers.spelling import groups_in

        return next((group.number for group in groups_in(parsed.tree) if group.name == wanted.group), None)

    def _entry(self, wanted: Wanted, number: int, near: Sequence[str]) -> dict[str, Any]:
        name = " ".join(wanted.name.split()).rstrip(".") or wanted.id
        entry: dict[str, Any] = {
            "id": self._id(wanted.id),
            "name": name[:1].upper() + name[1:],
            "severity": "high",
            "confidence": wanted.confidence,
            "pattern": "",
            # Whoever wrote the rule said what is left out; what looks like a placeholder to us was reported there.
            "stored": True,
            "help": _HELP,
            "references": list(wanted.references) or [_NO_REFERENCE],
            "positive": [],
            "negative": [],
        }
        if number > 1:
            entry["id"] = self._id(f"{wanted.id}-{number}")
        if wanted.entropy:
            entry["entropy"] = float(wanted.entropy)
        if near:
            entry["near"] = near[0] if len(near) == 1 else r"\A" + "".join(f"(?=[\\s\\S]*?(?:{each}))" for each in near)
        if wanted.allow:
            entry["allow"] = list(wanted.allow)
        if wanted.paths:
            entry["paths"] = list(wanted.paths)
        return entry

    def _id(self, name: str) -> str:
        """Return an id for a rule of this name that no other rule has."""
        plain = "-".join(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower())) or "rule"
        ours = {entry["id"] for entry in self.rules}
        choices = (plain, f"{self.tool}-{plain}", *(f"{self.tool}-{plain}-{number}" for number in range(2, 1000)))
        return next(name for name in choices if name not in self.taken and name not in ours)

    def settings(self) -> dict[str, Any]:
        """Return the settings as a configuration has them."""
        return {"allow": self.allow} if self.allow else {}

    def packs(self, name: str) -> tuple[PackFile, ...]:
        """Return the rules as a rule file; JSON is YAML."""
        return self.pack_of(self.rules, name) if self.rules else ()

    @staticmethod
    def pack_of(rules: Sequence[dict[str, Any]], name: str = "") -> tuple[PackFile, ...]:
        """Return entries as a rule file."""
        return (PackFile(name, json.dumps({"rules": rules}).encode()),)

    def dropped(self) -> list[Note]:
        """Return the notes on what was not carried over."""
        return [note for note in self.notes if note.kind == "dropped"]


def _literal(text: str) -> str:
    return "".join(f"\\x{byte:02x}" if byte > 126 or byte < 32 else re.escape(chr(byte)) for byte in text.encode())


def literal_search(words: Iterable[str]) -> list[str]:
    """Return expressions that find these words in whatever case."""
    return [f"(?i:{_literal(word)})" for word in words if word]


def _usable(entry: dict[str, Any]) -> str:
    """Return why a rule cannot be used, or nothing: it is loaded and compiled as a scan does that."""
    from scanner.detect.prefilter import compile_ruleset

    try:
        (rule,) = load_rules(Plan.pack_of([entry]))
        re.compile(rule.pattern.encode(), re.MULTILINE)
        compile_ruleset([rule])
        _check_near(rule)
    except ConfigError as error:
        return error.message.rpartition(f"rule {entry['id']}: ")[2]
    except (re.error, OverflowError, RecursionError) as error:
        return f"not an expression that Python takes: {getattr(error, 'msg', 'too large')}"
    return ""


def _check_near(rule: Rule) -> None:
    re.compile(rule.near.encode(), re.IGNORECASE)
