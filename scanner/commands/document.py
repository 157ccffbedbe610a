# SPDX-License-Identifier: Apache-2.0
"""docs/commands.md, from the parsers that read the command line: `python -m scanner.commands.document > docs/commands.md`."""

import argparse
from collections.abc import Iterator, Sequence
from typing import Final

from scanner.commands.interface import COMMANDS, EXAMPLES, Parser, make_parser, paragraphs, placeholder
from scanner.errors import EXIT_CODES

_BEGIN: Final = """\
<!-- written by: python -m scanner.commands.document > docs/commands.md -->

# Commands and options

`sealgate COMMAND --help` shows the same on a screen, `--help-all` all of it. Options that are also settings, and the
variables that stand for them, are in [configuration](configuration.md). `sealgate completion` makes the tab key know them.
"""


def render() -> str:
    """Return the page."""
    return "\n".join([_BEGIN, *_overview(), *(line for name in COMMANDS for line in _command(name))])


def _overview() -> Iterator[str]:
    yield from _table("command", ([f"[`{name}`](#{_anchor(name)})", command.help] for name, command in COMMANDS.items()))
    yield from _table("exit code", ([str(code), meaning] for code, meaning in EXIT_CODES.items()))


def _anchor(name: str) -> str:
    return f"sealgate-{name.replace(' ', '-')}"


def _command(name: str) -> Iterator[str]:
    parser, _ = make_parser(name)
    yield from (f"## `sealgate {name}`", "")
    for part in paragraphs(parser.description or ""):
        yield from (*_paragraph(part), "")
    yield from ("```", _usage(parser), "```", "")
    for title, actions in parser.sections():
        rows = [[_written(action), _help(action)] for action in actions]
        if rows:
            yield from _table(title, rows)


def _paragraph(part: str) -> Iterator[str]:
    """Yield prose as it is, what is indented as code below its first line."""
    if "\n " not in part:
        yield _escaped(part)
        return
    first, *rest = part.split("\n")
    if first != EXAMPLES.strip():
        yield from (_escaped(first), "")
    yield from ("```", *(line.removeprefix("  ") for line in rest), "```")


def _usage(parser: Parser) -> str:
    return parser.format_help().partition("\n")[0].removeprefix("usage: ")


def _written(action: argparse.Action) -> str:
    """Return an option with what it takes, or an argument, as code in a table."""
    if not action.option_strings:
        return _code(placeholder(action))
    taken = "|".join(map(str, action.choices)) if action.choices else action.metavar or action.dest.upper()
    value = "" if action.nargs == 0 else f" {taken}"
    return ", ".join(_code(f"{option}{value}") for option in action.option_strings)


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _help(action: argparse.Action) -> str:
    return _escaped((action.help or "").replace("%%", "%"))


def _escaped(text: str) -> str:
    """Return text in which Markdown finds nothing of its own."""
    for mark in ("\\", "|", "*", "_", "<", "[", "`"):
        text = text.replace(mark, f"\\{mark}")
    return text


def _table(title: str, rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> Iterator[str]:
    yield from (f"| {title} | |", "|---|---|")
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


if __name__ == "__main__":
    print(render().rstrip("\n"))
