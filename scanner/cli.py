# SPDX-License-Identifier: Apache-2.0
"""The command line: pick a command, run it, turn every way it can end into one line and one exit code.

argparse rather than click: importing click takes as long as a whole pre-commit run may, and a command's
own module is imported only when it is the one that runs.
"""

import argparse
import contextlib
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

from scanner import __version__
from scanner.display import one_line
from scanner.errors import BUG, EXIT_CODES, INTERRUPTED, OK, USAGE, ConfigError, SealgateError


class Command(NamedTuple):
    """A command's module under `scanner.commands` (with `configure` and `run`) and its line in the help."""

    module: str
    help: str


COMMANDS: Final[dict[str, Command]] = {
    "scan": Command("scan", "find secrets in a repository, directory, file, diff or stream"),
    "explain": Command("explain", "why a finding is believed, what silences it, where its secret could live"),
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
}


class _Parser(argparse.ArgumentParser):
    """argparse with errors as `ConfigError`, and a suggestion for a misspelt option."""

    def error(self, message: str) -> NoReturn:
        word = message.rpartition(": ")[2].split(" ")[0].split("=")[0]
        if message.startswith("unrecognized arguments") and word.startswith("-"):
            known = [option for action in self._actions for option in action.option_strings]
            raise ConfigError(f"unknown option {one_line(word)}", _suggest(word, known) or f"see '{self.prog} --help'")
        raise ConfigError(one_line(message), f"see '{self.prog} --help'")


def _suggest(word: str, known: Sequence[str]) -> str:
    from scanner.detect.rules import suggest

    return suggest(word, known)


def run() -> NoReturn:
    """The `sealgate` command: run and end the process at once.

    Taking the interpreter down object by object takes a tenth of a pre-commit run, and nothing is left to save:
    reports are written and closed by then.
    """
    code = main()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never raises, but for `SystemExit` from `--help`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except SealgateError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            _report_bug(error, verbose="--verbose" in arguments)
            return BUG
        _abandon_stdout()
        _complain(f"the output cannot be written: {error.strerror}")
        return USAGE
    except Exception as error:  # noqa: BLE001  the last resort: a bug must not look like a clean or failed gate
        _report_bug(error, verbose="--verbose" in arguments)
        return BUG


def _abandon_stdout() -> None:
    from scanner.reports.output import abandon_stdout

    abandon_stdout()


def _complain(text: str) -> None:
    print(f"sealgate: {one_line(text)}", file=sys.stderr)


def _report_bug(error: Exception, *, verbose: bool) -> None:
    """Say type and place only: an exception's text may quote what was scanned."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1]
    where = f"{os.path.basename(last.filename)}:{last.lineno} in {last.name}"
    what = f"{type(error).__name__} at {where}"
    _complain(f"a bug in Sealgate {__version__}: {what} (please report it; --verbose shows the way there)")
    if verbose:
        for frame in frames:
            print(f"  {os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}", file=sys.stderr)


def _run(arguments: list[str]) -> int:
    name, rest = _pick(arguments)
    if name is None:
        return OK
    module = importlib.import_module(f"scanner.commands.{COMMANDS[name].module}")
    parser = _Parser(
        prog=f"sealgate {name}",
        description=module.__doc__,
        # A width of its own saves the import that asks the terminal.
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=100),
        allow_abbrev=False,
    )
    module.configure(parser)
    options = parser.parse_args(rest)
    code: int = module.run(options, os.environ)
    return code


def _pick(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Return the command and its arguments; None after help or version was printed."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text())
        return None, []
    if arguments[0] in ("-V", "--version", "version"):
        print(f"sealgate {__version__}")
        return None, []
    for length in (1, 2):
        name = " ".join(arguments[:length])
        if name in COMMANDS:
            return name, arguments[length:]
    group = [name for name in COMMANDS if name.startswith(arguments[0] + " ")]
    if group:
        if len(arguments) == 1 or arguments[1] in ("-h", "--help"):
            print(f"usage: sealgate {arguments[0]} COMMAND [...]\n\n" + _table(group))
            return None, []
        raise _unknown(" ".join(arguments[:2]), group)
    if arguments[0].startswith("-"):
        raise ConfigError(f"a command comes before {one_line(arguments[0])}", "see 'sealgate --help'")
    raise _unknown(arguments[0], list(COMMANDS))


def _unknown(name: str, known: Sequence[str]) -> ConfigError:
    return ConfigError(f"there is no command {one_line(name)!r}", _suggest(name, known) or "see 'sealgate --help'")


def _table(names: Sequence[str]) -> str:
    return "\n".join(f"  {name:<18} {COMMANDS[name].help}" for name in names)


def help_text() -> str:
    """Return the help page: commands, examples, and the table of exit codes."""
    codes = "\n".join(f"  {code:<3} {meaning}" for code, meaning in EXIT_CODES.items())
    return f"""usage: sealgate COMMAND [...]

One gate for secrets in CI/CD.

commands:
{_table(list(COMMANDS))}

examples:
  sealgate scan                            a repository: its whole history and its working tree
  sealgate scan --staged                   what 'git commit' would record
  sealgate scan --range origin/main..HEAD  what a merge request brings in
  sealgate scan --report sarif=out.sarif   for code scanning

exit codes:
{codes}

'sealgate COMMAND --help' shows a command's options."""


