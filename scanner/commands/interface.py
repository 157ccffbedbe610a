# SPDX-License-Identifier: Apache-2.0
"""The table of commands, and the parser of each: what can be asked, and the page that says so.

`--help` is a page that fits a screen: what the command is for, examples, and the options that are used by most.
`--help-all` has everything. The documentation and the completion of shells are made from the same parsers.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Final, NamedTuple, NoReturn

from scanner.display import one_line
from scanner.errors import ConfigError


class Command(NamedTuple):
    """A command's module under `scanner.commands` (with `configure` and `run`) and its line in the help."""

    module: str
    help: str


COMMANDS: Final[dict[str, Command]] = {
    "scan": Command("scan", "find secrets in a repository, directory, file, diff or stream"),
    "explain": Command("explain", "why a finding is believed, what silences it, where its secret could live"),
    "init": Command("init", "set up settings, hooks, workflow and job in a repository"),
    "sops check": Command("sops_check", "check that what must be SOPS-encrypted is, byte for byte"),
    "baseline create": Command("baseline_create", "accept all findings there are now"),
    "baseline update": Command("baseline_update", "add new findings, drop entries that are no longer found"),
    "baseline audit": Command("baseline_audit", "list entries: in use, unused, expired, without a reason"),
    "rules list": Command("rules_list", "list the rules"),
    "rules show": Command("rules_show", "show one rule"),
    "rules lint": Command("rules_lint", "check rule packs, and what each rule costs"),
    "rules test": Command("rules_test", "run the test vectors of rule packs"),
    "broker exec": Command("broker_exec", "run a command with secrets from Vault that end when it does"),
    "broker env": Command("broker_env", "secrets for later steps, in the platform's own files"),
    "broker end": Command("broker_end", "end what 'broker env' left alive, and check that it ended"),
    "broker token": Command("broker_token", "check the job's identity token, and say what it says"),
    "broker explain": Command("broker_explain", "compare the job's token with policy and role, claim by claim"),
    "broker lint": Command("broker_lint", "check the roles and policies of a server that jobs log in to"),
    "broker audit": Command("broker_audit", "read an audit device's log: who read what, and what is out of the ordinary"),
    "import gitleaks": Command("import_gitleaks", "take over .gitleaks.toml, .gitleaksignore and baselines; compare findings"),
    "import detect-secrets": Command("import_detect_secrets", "take over a .secrets.baseline"),
    "import trufflehog": Command("import_trufflehog", "take over custom detectors and files of excluded paths"),
    "import kingfisher": Command("import_kingfisher", "take over rule files of kingfisher"),
    "import noseyparker": Command("import_noseyparker", "take over rule files of noseyparker"),
    "hook pre-commit": Command("hook_pre_commit", "what pre-commit calls before a commit"),
    "hook pre-push": Command("hook_pre_push", "what pre-commit or git calls before a push"),
    "completion": Command("completion", "completion of commands and options for bash, zsh and fish"),
}

WIDTH: Final = 100
EXAMPLES: Final = "Examples:\n"

# On the full page alone: what most people never need.
_RARE: Final = frozenset(
    (
        *("--allow-gap", "--auth-namespace", "--burst-factor", "--burst-reads", "--device", "--engine", "--issuer-ca", "--jobs"),
        *("--keep-env", "--kill-after", "--max-blob", "--min-mask", "--name", "--no-progress", "--no-token", "--policy"),
        *("--pristine", "--quiet", "--report-end", "--role-id", "--rules", "--secret-id-file", "--show-secrets", "--state"),
        *("--strict-end", "--timeout", "--token-env", "--vault-ca", "--vault-namespace", "--vault-timeout", "--vault-token-file"),
        *("--platform", "--set", "--vault-check"),
    )
)


class Parser(argparse.ArgumentParser):
    """argparse with errors as `ConfigError`, a suggestion for a misspelt option, and two pages of help."""

    whole_page = False

    def error(self, message: str) -> NoReturn:
        """Raise `ConfigError`."""
        word = message.rpartition(": ")[2].split(" ")[0].split("=")[0]
        if message.startswith("unrecognized arguments") and word.startswith("-"):
            known = [option for action in self._actions for option in action.option_strings]
            raise ConfigError(f"unknown option {one_line(word)}", suggest(word, known) or f"see '{self.prog} --help'")
        raise ConfigError(one_line(message), f"see '{self.prog} --help'")

    def format_help(self) -> str:
        """Return the page that fits a screen, or after `--help-all` the whole one."""
        shown = self.actions
        rare = [] if self.whole_page else [action for action in shown if is_rare(action)]
        formatter = self._get_formatter()
        if self.whole_page:
            formatter.add_usage(self.usage, shown, self._mutually_exclusive_groups)
            formatter.add_text("\n\n".join(paragraphs(self.description or "")))
        else:
            formatter.add_usage(self.usage or self._short_usage(), shown, [])
            formatter.add_text("\n\n".join(_short_description(self.description or "")))
        for title, actions in self.sections() if self.whole_page else [("options", [*self.positionals, *self.named])]:
            formatter.start_section(title)
            formatter.add_arguments([action for action in actions if action not in rare])
            formatter.end_section()
        if rare:
            names = ", ".join(action.option_strings[-1] for action in rare)
            formatter.add_text(_fill(f"more, shown by --help-all: {names}"))
        return formatter.format_help()

    @property
    def actions(self) -> list[argparse.Action]:
        """Options and arguments in their order, without those that are on no page."""
        return [action for action in self._actions if action.help is not argparse.SUPPRESS]

    @property
    def positionals(self) -> list[argparse.Action]:
        """The arguments that have no name."""
        return [action for action in self.actions if not action.option_strings]

    @property
    def named(self) -> list[argparse.Action]:
        """The options."""
        return [action for action in self.actions if action.option_strings]

    @property
    def runs_command(self) -> bool:
        """Whether the words that are left are a command of the user's."""
        return any(action.nargs == argparse.REMAINDER for action in self._actions)

    def sections(self) -> list[tuple[str, list[argparse.Action]]]:
        """Return options and arguments by the groups that the command puts them in."""
        # argparse has no public name for what a group holds.
        shown = self.actions
        return [
            ((group.title or "").removeprefix("positional "), [one for one in group._group_actions if one in shown])  # noqa: SLF001
            for group in self._action_groups
        ]

    def _short_usage(self) -> str:
        """Return the usage with options as such: each has a line of its own below."""
        required = [f"{action.option_strings[-1]} ..." for action in self.named if action.required]
        return " ".join([self.prog, *required, "[OPTION ...]", *map(placeholder, self.positionals)])


class _HelpAll(argparse.Action):
    """Show the whole page and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        if isinstance(parser, Parser):
            parser.whole_page = True
        parser.print_help()
        sys.exit(0)


def make_parser(name: str) -> tuple[Parser, ModuleType]:
    """Return a command's parser, and its module."""
    module = importlib.import_module(f"scanner.commands.{COMMANDS[name].module}")
    parser = Parser(
        prog=f"sealgate {name}",
        description=module.__doc__,
        # A width of its own saves the import that asks the terminal.
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=WIDTH),
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="help", help="show this page and exit")
    parser.add_argument("--help-all", action=_HelpAll, nargs=0, help=argparse.SUPPRESS)
    module.configure(parser)
    return parser, module


def suggest(word: str, known: Sequence[str]) -> str:
    """Return "did you mean ...?", or nothing."""
    from scanner.detect.rules import suggest as suggested

    return suggested(word, known)


def is_rare(action: argparse.Action) -> bool:
    """Whether an option is on the full page alone."""
    return not action.required and any(option in _RARE for option in action.option_strings)


def placeholder(action: argparse.Action) -> str:
    """Return how a positional argument stands in a usage line."""
    name = str(action.metavar or action.dest)
    if action.choices:
        name = "|".join(map(str, action.choices))
    return {"?": f"[{name}]", "*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name)


def paragraphs(description: str) -> list[str]:
    """Return the paragraphs of a description, prose filled to the width; what is indented stays as it is."""
    parts = description.strip("\n").split("\n\n")
    return [part if "\n " in part else _fill(part) for part in parts]


def _short_description(description: str) -> list[str]:
    first, *rest = paragraphs(description)
    return [first, *(part for part in rest if part.startswith(EXAMPLES))]


def _fill(text: str) -> str:
    import textwrap

    return textwrap.fill(" ".join(text.split()), WIDTH, break_on_hyphens=False, break_long_words=False)
