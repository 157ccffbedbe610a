# SPDX-License-Identifier: Apache-2.0
"""What can be completed: every command's options and arguments, read from the parsers that read the command line."""

import argparse
import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from scanner.commands.init import PARTS
from scanner.commands.interface import COMMANDS, Parser, make_parser
from scanner.config import LEVELS
from scanner.model import GAP_KINDS
from scanner.platforms import PLATFORMS
from scanner.reports import REPORTS

Kind = Literal["words", "files", "folders", "revisions", "report", "free"]
BRIEF: Final = 70


class Value(NamedTuple):
    """What an option or an argument takes; `words` are the formats for a report."""

    kind: Kind
    words: tuple[str, ...] = ()


class Option(NamedTuple):
    """An option: its names, a few words on it, and what it takes, None for a switch."""

    names: tuple[str, ...]
    brief: str
    value: Value | None
    repeatable: bool


class Entry(NamedTuple):
    """A command. `arguments` are what it takes without a name, the last one again and again if `many`."""

    brief: str
    options: tuple[Option, ...]
    arguments: tuple[Value, ...]
    many: bool
    runs_command: bool


_HELP_ALL: Final = Option(("--help-all",), "show every option and exit", None, repeatable=False)
_FREE: Final = Value("free")
_FILES: Final = Value("files")
_BY_NAME: Final[Mapping[str, Value]] = {
    "--platform": Value("words", tuple(PLATFORMS)),
    "--rules": _FILES,
}
_BY_PLACEHOLDER: Final[Mapping[str, Value]] = {
    "A..B": Value("revisions"),
    "DIR": Value("folders"),
    "FILE": _FILES,
    "FILE:LINE|FINGERPRINT": _FILES,
    "FILE|-": _FILES,
    "FORMAT[=FILE]": Value("report", tuple(REPORTS)),
    "KIND": Value("words", tuple(GAP_KINDS)),
    "LEVEL": Value("words", LEVELS),
    "REV": Value("revisions"),
    "TARGET": _FILES,
}


def load_table() -> dict[str, Entry]:
    """Return all commands by their names, in the order of the help page."""
    return {name: _entry(name, make_parser(name)[0]) for name in COMMANDS}


def groups(table: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return the second words of the commands that have two, by the first."""
    found: dict[str, list[str]] = {}
    for name in table:
        first, _, second = name.partition(" ")
        if second:
            found.setdefault(first, []).append(second)
    return found


def _entry(name: str, parser: Parser) -> Entry:
    arguments = parser.positionals
    return Entry(
        COMMANDS[name].help,
        (*(_option(action) for action in parser.named), _HELP_ALL),
        tuple(_argument(name, action) for action in arguments),
        many=any(action.nargs in ("*", "+") for action in arguments),
        runs_command=parser.runs_command,
    )


def _option(action: argparse.Action) -> Option:
    repeatable = type(action).__name__ == "_AppendAction"
    value = None if action.nargs == 0 else _value(action)
    return Option(tuple(action.option_strings), brief(action.help or ""), value, repeatable)


def brief(text: str) -> str:
    """Return the first words of a help text, as a list of candidates has room for."""
    text = re.sub(r"^repeatable[;:]? ?", "", text)
    return re.split(r"[;:(]", text)[0].strip()[:BRIEF] or text[:BRIEF]


def _value(action: argparse.Action) -> Value:
    if action.choices:
        return Value("words", tuple(map(str, action.choices)))
    name = _BY_NAME.get(action.option_strings[-1] if action.option_strings else "")
    return name or _BY_PLACEHOLDER.get(str(action.metavar), _FREE)


def _argument(name: str, action: argparse.Action) -> Value:
    if name == "rules show":
        return Value("words", _rule_ids())
    if name == "init":
        return Value("words", PARTS)
    found = _value(action)
    return _FILES if action.metavar == "PATH" else found


def _rule_ids() -> tuple[str, ...]:
    from scanner.detect.rules import builtin_directory, load_rules, read_packs

    return tuple(sorted(rule.id for rule in load_rules(read_packs([builtin_directory()]))))
