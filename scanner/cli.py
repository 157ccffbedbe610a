# SPDX-License-Identifier: Apache-2.0
"""The command line: pick a command, run it, turn every way it can end into one line and one exit code.

argparse rather than click: importing click takes as long as a whole pre-commit run may, and a command's
own module is imported only when it is the one that runs.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from scanner import __version__
from scanner.commands.interface import COMMANDS, make_parser, suggest
from scanner.display import one_line
from scanner.errors import BUG, EXIT_CODES, INTERRUPTED, OK, USAGE, ConfigError, SealgateError

_IMPORT: Final = "import "


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
    parser, module = make_parser(name)
    options = parser.parse_args(rest)
    code: int = module.run(options, os.environ)
    return code


def _pick(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Return the command and its arguments; None after help or version was printed."""
    if arguments[:1] == ["help"] and len(arguments) > 1:
        arguments = [*arguments[1:], "--help"]
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
    return ConfigError(f"there is no command {one_line(name)!r}", suggest(name, known) or "see 'sealgate --help'")


def _table(names: Sequence[str]) -> str:
    width = max(18, *map(len, names))
    return "\n".join(f"  {name:<{width}} {COMMANDS[name].help}" for name in names)


def _overview() -> str:
    """Return the commands; those that do the same for several tools in one line, as the page has to fit a screen."""
    tools = [name.removeprefix(_IMPORT) for name in COMMANDS if name.startswith(_IMPORT)]
    others = [name for name in COMMANDS if not name.startswith(_IMPORT)]
    return f"{_table(others)}\n  {_IMPORT + 'TOOL':<18} carry over from {', '.join(tools)}"


def help_text() -> str:
    """Return the help page: commands, examples, and the table of exit codes."""
    codes = "\n".join(f"  {code:<3} {meaning}" for code, meaning in EXIT_CODES.items())
    return f"""usage: sealgate COMMAND [...]     ('sealgate COMMAND --help' shows a command's options)

commands:
{_overview()}

examples:
  sealgate scan                            a repository: its whole history and its working tree
  sealgate scan --staged                   what 'git commit' would record
  sealgate scan --range origin/main..HEAD  what a merge request brings in

exit codes:
{codes}"""
