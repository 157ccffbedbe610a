# SPDX-License-Identifier: Apache-2.0
"""Hand secrets of Vault's or OpenBao's to the steps that come after this one; 'sealgate broker end' ends them.

Examples:
  sealgate broker env --role ci --secret 'secret/ci/app#password=DB_PASSWORD' --format github
  sealgate broker env --role ci --secret database/creds/ci=DB --format shell --output db.env
  sealgate broker env --role ci --secret secret/ci/app=APP --format gitlab --output sealgate.env

github appends to GITHUB_ENV and GITHUB_OUTPUT, masks first; gitlab writes a report for 'artifacts: reports: dotenv', which
other jobs get; shell is a file to source, json one object. Where a command can be named, 'broker exec' is the better way:
then no step but that one sees the secrets, and they end with it.

Where nothing that was read has a lease, the token is revoked right away, and there is nothing to end later. Credentials
with a lease live as long as their token: --ttl (here 30m unless it is given), no longer than the role allows, or until
'sealgate broker end' in a step that always runs. For that a file in a private directory keeps the token, or with
--no-token its accessor; SEALGATE_STATE names the directory.
"""

import argparse
import os
import stat
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from scanner.commands.identity_options import broker_section
from scanner.commands.session_options import Opening, add_session_options, requests_of
from scanner.display import log_safe
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.model import Secret

if TYPE_CHECKING:
    from scanner.broker.model import End
    from scanner.broker.signals import Signals

_FORMATS: Final = ("github", "gitlab", "shell", "json")
_STOP_SECONDS: Final = 10.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_session_options(parser, ttl="30m")
    where = parser.add_argument_group("where the secrets go")
    where.add_argument("--format", choices=_FORMATS, required=True, help=", ".join(_FORMATS))
    where.add_argument("--output", metavar="FILE", default="", help="the file, for all formats but github; mode 0600")
    where.add_argument(
        "--to", choices=("env", "output", "both"), default="both",
        help="github: GITHUB_ENV, which every later step gets, or GITHUB_OUTPUT, which a step names (default: both)",
    )  # fmt: skip
    where.add_argument(
        "--file", metavar="PATH#FIELD=NAME", action="append", default=[],
        help="repeatable; a file for its owner alone, in the directory SEALGATE_FILES, until 'broker end'",
    )  # fmt: skip
    end = parser.add_argument_group("what 'broker end' needs")
    end.add_argument("--state", metavar="DIR", default="", help="where to keep it (default: a private directory for this job)")
    end.add_argument("--no-token", action="store_true", help="keep the accessor alone; 'broker end' has to log in then")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Log in, read, write; nothing is left alive where anything goes wrong."""
    from scanner.broker.signals import Signals

    _check_destination(options, environ)
    section = broker_section(options, environ)
    requests = requests_of(options, section)
    if options.format == "gitlab" and any(request.kind == "file" for request in requests):
        raise ConfigError("--file does not get into other jobs", "use 'broker exec' in the job that needs the file")
    with Signals(_STOP_SECONDS) as signals:
        env = _Env(options, environ, section, signals)
        try:
            env.opening.session.open(requests)
            env.hand_over()
        except BaseException:
            signals.close()
            env.end()
            raise
        signals.close()
        env.settle()
    return 0


def _check_destination(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Refuse before anything is asked for what could not be written, or would be shown to whoever looks."""
    from scanner.broker.export import check_github

    if options.format == "github":
        if options.output:
            raise ConfigError("--output is not for --format github", "the runner says which files it reads")
        check_github(environ, options.to)
        if not _is_read_by_runner():
            raise ConfigError(
                "standard output is no pipe, so the masks for the secrets would not get to the runner",
                "run it in a step of GitHub Actions, without redirecting its output",
            )
    elif not options.output:
        raise ConfigError(f"--format {options.format} needs a file", "name it: --output FILE")
    elif not os.path.isdir(os.path.dirname(options.output) or "."):
        raise ConfigError(f"{options.output} cannot be written: no such folder", "check --output")


def _is_read_by_runner() -> bool:
    if sys.stdout is None:
        return False
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class _Env:
    """One run: the session, and the state that lets another process end it."""

    def __init__(
        self, options: argparse.Namespace, environ: Mapping[str, str], section: Mapping[str, object], signals: "Signals"
    ) -> None:
        from scanner.broker.ending import State, state_folder

        self._signals = signals
        self._options = options
        self._environ = environ
        self._folder = os.path.abspath(options.state or environ.get("SEALGATE_STATE") or state_folder(environ))
        self.opening = Opening(options, environ, section, checkpoint=self._checkpoint, sleep=signals.sleep, say=_say)
        self._state = State(self._folder, with_token=not options.no_token)
        self._has_files = False

    def _checkpoint(self) -> None:
        """Between requests: keep what there is by now, then stop if a signal wants that."""
        kept = self.opening.session.kept()
        if kept.tokens:
            self._state.write(self.opening.settings, kept)
        self._signals.check()

    def hand_over(self) -> None:
        """Write everything to where it belongs."""
        self._signals.check()
        session, format_ = self.opening.session, self._options.format
        plain = {}
        if self._lives:
            self._lengthen()
        if session.files:
            plain["SEALGATE_FILES"] = self._state.write_files(session.files)
            self._has_files = True
        kept = session.kept()
        if self._lives or self._has_files:
            self._state.write(self.opening.settings, kept, with_files=self._has_files)
            plain["SEALGATE_STATE"] = self._folder
        if format_ == "gitlab":
            # The state is this machine's; another job ends the token by its accessor.
            plain = {"SEALGATE_ACCESSOR": kept.tokens[-1].accessor} if self._lives and kept.tokens else {}
        for warning in _write(format_, self._options, self._environ, self.opening, plain):
            _say(warning)

    def _lengthen(self) -> None:
        """Renew once what can be: from here on nobody does, and a lease of a minute is over before the next step."""
        for one in self.opening.session.renewables():
            if one.until < time.time() + self._options.ttl - 1:
                try:
                    one.renew(self._options.ttl)
                except (DeniedError, UnavailableError) as error:
                    _say(f"{one.what} could not be renewed: {error.message}")

    @property
    def _lives(self) -> bool:
        """Whether something was read that ends with the token."""
        return any(held.lease.lease_id is not None for held in self.opening.session.leases)

    def settle(self) -> None:
        """End now what nobody needs any more, and say what lives on."""
        if not self._lives:
            self.end()
            return
        from scanner.broker.closing import moment

        kept = self.opening.session.kept()
        for held in kept.leases:
            if held.lease.lease_id is not None:
                _say(f"the lease of {held.lease.path} lives until {moment(held.until)}")
        if kept.token_until and kept.tokens:
            _say(f"the token lives until {moment(kept.token_until)}, or until 'sealgate broker end'")
        if self._options.format == "gitlab" or not kept.tokens:
            self._forget()
        self.opening.session.leave()

    def end(self) -> None:
        """End the session, and keep of its state what could not be ended."""
        from scanner.broker.session import is_proven

        session = self.opening.session
        kept = session.kept()
        ends = session.close()
        for end in ends:
            _say(describe(end))
        if not is_proven(ends):
            self._state.write(self.opening.settings, kept, with_files=self._has_files)
        else:
            self._forget()

    def _forget(self) -> None:
        """Keep nothing but what 'broker end' needs to remove the files, if there are any."""
        from scanner.broker.session import Kept

        if self._has_files:
            self._state.write(self.opening.settings, Kept((), 0.0, (), may_revoke=False), with_files=True)
        else:
            self._state.remove()


def _write(
    format_: str, options: argparse.Namespace, environ: Mapping[str, str], opening: Opening, plain: Mapping[str, str]
) -> tuple[str, ...]:
    """Write the variables in a format; return warnings."""
    from scanner.broker import export
    from scanner.platforms import PLATFORMS

    variables: Mapping[str, Secret] = opening.session.variables
    if format_ == "github":
        mask = PLATFORMS["github"].mask
        return export.export_github(variables, environ, mask, _show, options.to, also=opening.secrets(), plain=plain)
    make = {"gitlab": export.gitlab_report, "shell": export.shell_file, "json": export.json_file}[format_]
    data = make(variables, plain)
    hidden = export.masks(variables, opening.platform.mask if opening.platform else lambda _: "", opening.secrets())
    warnings = hidden.warnings
    if hidden.lines and _is_read_by_runner():
        for line in hidden.lines:
            _show(line)
    elif hidden.lines:
        warnings = ("the secrets are not hidden in the log: standard output is no pipe to the platform",)
    export.write_private(options.output, data)
    if format_ == "gitlab":
        warnings += ("the report is an artifact: whoever may see the job's artifacts can read it (artifacts: access)",)
    return warnings


def describe(end: "End") -> str:
    """Return an end in words."""
    until = f" until {end.until} at the latest" if end.until else ""
    return f"{end.what}: {end.state}{until} ({end.detail})"


def _show(line: str) -> None:
    print(line, flush=True)


def _say(text: str) -> None:
    print(f"sealgate: {log_safe(text)}", file=sys.stderr, flush=True)
