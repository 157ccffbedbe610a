# SPDX-License-Identifier: Apache-2.0
"""Run a command with secrets of Vault's or OpenBao's, which the job's own identity token opens, and end them after it.

Examples:
  sealgate broker exec --role ci --secret 'secret/ci/app#password=DB_PASSWORD' -- ./deploy
  sealgate broker exec --role ci --secret database/creds/ci=DB -- sh -c 'psql "user=$DB_USERNAME"'
  sealgate broker exec --role ci --file 'pki/issue/ci{common_name=a.test}#bundle=tls.pem' -- ./serve

The command gets the secrets as variables, or as files in the directory that SEALGATE_FILES names. Identity tokens and
Vault's tokens are taken out of its environment, and secrets out of its output, where each becomes ***. Its exit code is
passed on; 125 says that the broker itself failed, 126 and 127 that the command could not be run. At every end the token
and all leases are revoked and looked for; what became of each is said on standard error.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

from scanner.commands.identity_options import broker_section
from scanner.commands.session_options import Opening, add_session_options, requests_of
from scanner.commands.times import seconds
from scanner.display import log_safe
from scanner.errors import ConfigError, SealgateError
from scanner.model import Secret

if TYPE_CHECKING:
    from scanner.broker.files import PrivateFiles
    from scanner.broker.model import End
    from scanner.broker.signals import Signals

FAILED: Final = 125


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = f"{parser.prog} [OPTION ...] -- COMMAND [ARGUMENT ...]"
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)
    add_session_options(parser)
    child = parser.add_argument_group("command")
    child.add_argument(
        "--file", metavar="PATH#FIELD=NAME", action="append", default=[],
        help="repeatable; a file for its owner alone, in the directory SEALGATE_FILES",
    )  # fmt: skip
    child.add_argument("--pristine", action="store_true", help="give the command PATH, HOME and the like, and the secrets")
    child.add_argument("--keep-env", metavar="NAME", action="append", default=[], help="repeatable; a variable to leave to it")
    child.add_argument("--min-mask", metavar="N", type=int, default=4, help="mask nothing shorter than N bytes (default: 4)")
    child.add_argument(
        "--kill-after", metavar="TIME", type=seconds, default=10, help="after SIGTERM, SIGHUP or SIGQUIT (default: 10s)"
    )
    end = parser.add_argument_group("end")
    end.add_argument("--report-end", metavar="FILE", default="", help="write what has ended, and how, as JSON")
    end.add_argument("--strict-end", action="store_true", help="fail with 125 where something is left that could be revoked")
    end.add_argument("--quiet", action="store_true", help="do not say what ended as it should")
    _fail_with(parser, FAILED)


def _fail_with(parser: argparse.ArgumentParser, code: int) -> None:
    """Have a wrong option end with 125: any other code could be the command's."""
    original = parser.error

    def error(message: str) -> NoReturn:
        try:
            original(message)
        except SealgateError as wrong:
            wrong.exit_code = code
            raise

    parser.error = error  # type: ignore[method-assign]


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the command; return its exit code, or 125 to 127."""
    from scanner.broker.child import CommandError
    from scanner.broker.signals import Signals, Stopped

    try:
        with Signals(options.kill_after) as signals:
            return _Run(options, environ, signals).run()
    except CommandError:
        raise
    except SealgateError as error:
        error.exit_code = FAILED
        raise
    except Stopped as stopped:
        _say("stopped before the command ran")
        return 128 + stopped.number
    except Exception as error:  # noqa: BLE001  70 could be the command's own code
        _say(_describe_bug(error))
        return FAILED


class _Run:
    """One run, from the checks that need no server to the proven end."""

    def __init__(self, options: argparse.Namespace, environ: Mapping[str, str], signals: "Signals") -> None:
        self._options = options
        self._environ = environ
        self._signals = signals
        self._command: Sequence[str] = options.command[1:] if options.command[:1] == ["--"] else options.command
        self._files: PrivateFiles | None = None

    def run(self) -> int:
        """Return the exit code."""
        from scanner.broker.child import CommandError, find_program, harden

        options = self._options
        if not self._command:
            raise ConfigError("which command to run is not said", "write it after the options: -- COMMAND [ARGUMENT ...]")
        find_program(self._command[0], self._environ.get("PATH"))
        section = broker_section(options, self._environ)
        requests = requests_of(options, section)
        report = _Report(options)
        harden()
        opening = Opening(
            options, self._environ, section, checkpoint=self._signals.check, sleep=self._signals.sleep, say=_say
        )
        code = FAILED
        try:
            opening.session.open(requests)
            self._write_files(opening.session.files)
            code = self._run_child(opening)
        except CommandError as error:
            code = error.exit_code
            raise
        finally:
            self._signals.close()
            self._remove_files()
            ends = opening.session.close()
            report.write(ends, code)
        return report.code(ends, code)

    def _write_files(self, files: Mapping[str, Secret]) -> None:
        from scanner.broker.files import PrivateFiles

        if files:
            self._files = PrivateFiles(self._environ)
            self._files.write(files)
            if not self._files.in_memory:
                _say(f"the files are on a disk, in {self._files.path}: no file system in memory was found")

    def _remove_files(self) -> None:
        wrong = self._files.remove() if self._files else ""
        if wrong and self._files:
            _say(f"{self._files.path} could not be removed: {wrong}")

    def _run_child(self, opening: Opening) -> int:
        from scanner.broker.child import run_child
        from scanner.broker.environment import closed_environment
        from scanner.broker.redact import Mask, maskable
        from scanner.broker.renewal import Renewal

        options, session = self._options, opening.session
        environment = closed_environment(
            self._environ, session.variables, scrub=opening.scrub, keep=options.keep_env, pristine=options.pristine
        )
        if self._files:
            environment[b"SEALGATE_FILES"] = os.fsencode(self._files.path)
        values = {**session.variables, **session.files}
        if shown := [name for name, value in values.items() if value.reveal() and not maskable(value, options.min_mask)]:
            _say(f"too short or too common to be masked in the output: {', '.join(shown)}")
        renewal = Renewal(session.renewables(), _say)
        try:
            return run_child(
                self._command,
                environment,
                lambda: Mask(opening.secrets(), options.min_mask),
                self._signals,
                started=renewal.start,
                say=_say,
            )
        finally:
            renewal.stop()


class _Report:
    """What is said of the end, and what it means for the exit code."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._quiet: bool = options.quiet
        self._strict: bool = options.strict_end
        self._file: str = options.report_end
        if self._file and not os.path.isdir(os.path.dirname(self._file) or "."):
            raise ConfigError(f"the report of the end cannot be written to {self._file}: no such folder", "check --report-end")

    def write(self, ends: "Sequence[End]", code: int) -> None:
        """Say how everything ended."""
        from scanner.broker.session import ends_as_document

        for end in ends:
            if not self._quiet or end.state != "ended":
                until = f" until {end.until} at the latest" if end.until else ""
                _say(f"{end.what}: {end.state}{until} ({end.detail})")
        if self._file:
            _write_json(self._file, ends_as_document(ends, code=code))

    def code(self, ends: "Sequence[End]", code: int) -> int:
        """Return the exit code: the command's, but where it succeeded and a strict end did not."""
        from scanner.broker.session import is_proven

        return FAILED if self._strict and not code and not is_proven(ends) else code


def _write_json(path: str, document: Mapping[str, Any]) -> None:
    import json

    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=2) + "\n")
    except OSError as error:
        _say(f"the report of the end cannot be written to {path}: {error.strerror}")


def _say(text: str) -> None:
    print(f"sealgate: {log_safe(text)}", file=sys.stderr, flush=True)


def _describe_bug(error: Exception) -> str:
    """Say type and place only: a text may quote what was read."""
    where = error.__traceback__
    while where and where.tb_next:
        where = where.tb_next
    place = f"{os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno}" if where else "an unknown place"
    return f"a bug in Sealgate: {type(error).__name__} at {place} (please report it)"
