# SPDX-License-Identifier: Apache-2.0
"""End what 'sealgate broker env' has left alive in this job: token, leases and files; and look whether it has ended.

Examples:
  sealgate broker end                      in a step that always runs
  sealgate broker end --accessor "$SEALGATE_ACCESSOR" --role cleanup     in a job without the token

With the token that 'broker env' kept nothing else is needed. Without it (--no-token, or in another job) this logs in, and
the role needs 'update' on auth/token/revoke-accessor. Running it again, or where nothing was left, is well.
Exits with 0 where all has ended or is about to, with 5 where the server could not be asked (it is worth another try), with
4 where something lives on that could not be ended; until when is said for each.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from scanner.commands.broker_env import describe
from scanner.commands.identity_options import broker_section
from scanner.commands.session_options import Opening, add_session_options
from scanner.display import log_safe
from scanner.errors import OK, REFUSED, UNAVAILABLE, ConfigError, DeniedError, SealgateError, UnavailableError

if TYPE_CHECKING:
    from scanner.broker.ending import Outcome


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    end = parser.add_argument_group("what to end")
    end.add_argument("--state", metavar="DIR", default="", help="what 'broker env --state' was given (default: this job's)")
    end.add_argument("--accessor", metavar="A", default="", help="of a token (default: SEALGATE_ACCESSOR)")
    end.add_argument("--report-end", metavar="FILE", default="", help="write what has ended, and how, as JSON")
    end.add_argument("--quiet", action="store_true", help="do not say what ended as it should")
    add_session_options(parser, reads=False)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """End everything, each session whatever becomes of the others, and return the code for the worst of it."""
    from scanner.broker import ending
    from scanner.broker.session import ends_as_document

    folder = os.path.abspath(options.state or environ.get("SEALGATE_STATE") or ending.state_folder(environ))
    outcomes, code = [], OK
    for path in list(ending.states(folder)):
        try:
            outcome = _end_state(path, options, environ)
            outcomes.append(outcome)
            code = code or _code_of(outcome)
        except SealgateError as error:
            _say(str(error))
            code = code or error.exit_code
    accessor = options.accessor or environ.get("SEALGATE_ACCESSOR") or ""
    if accessor:
        outcomes.append(_end_accessor(accessor, 0.0, options, environ))
        code = code or _code_of(outcomes[-1])
    ends = [end for outcome in outcomes for end in outcome.ends]
    for end in ends:
        if not options.quiet or end.state != "ended":
            _say(describe(end))
    if not outcomes and not code and not options.quiet:
        _say("nothing is left to end")
    if options.report_end:
        _write_report(options.report_end, ends_as_document(ends, code=code))
    return code


def _end_state(path: str, options: argparse.Namespace, environ: Mapping[str, str]) -> "Outcome":
    from scanner.broker import ending
    from scanner.broker.session import is_proven
    from scanner.transport import Deadline

    left = ending.load(path)
    if ending.has_token(left):
        outcome = ending.end(left, Deadline(options.timeout))
    else:
        options.vault_addr = options.vault_addr or list(left.settings.addresses)
        accessors = [token.accessor for token in left.kept.tokens]
        found = [_end_accessor(accessor, left.kept.token_until, options, environ) for accessor in accessors]
        outcome = ending.Outcome(tuple(end for one in found for end in one.ends), any(one.unreachable for one in found))
    if is_proven(outcome.ends):
        ending.remove(path)
    return outcome


def _end_accessor(accessor: str, until: float, options: argparse.Namespace, environ: Mapping[str, str]) -> "Outcome":
    """Log in, end the other token, then our own."""
    from scanner.broker.closing import moment
    from scanner.broker.ending import Outcome, end_by_accessor
    from scanner.broker.model import End

    late = moment(until) if until else None
    try:
        opening = Opening(options, environ, broker_section(options, environ), say=_say)
    except ConfigError as error:
        hint = "to end a token by its accessor takes a login: --role, or --auth token"
        raise ConfigError(error.message, f"{error.hint}; {hint}" if error.hint else hint) from None
    try:
        opening.session.open(())
        end = end_by_accessor(opening.vault, accessor, until)
        unreachable = False
    except UnavailableError as error:
        end, unreachable = End("the token", "lives", late, error.message), True
    except DeniedError as error:
        end, unreachable = End("the token", "lives", late, f"the login that was to end it failed: {error.message}"), False
    finally:
        own = opening.session.close()
    return Outcome((end, *(one._replace(what="the token that was to end it") for one in own)), unreachable)


def _code_of(outcome: "Outcome") -> int:
    from scanner.broker.session import is_proven

    if is_proven(outcome.ends):
        return OK
    return UNAVAILABLE if outcome.unreachable else REFUSED


def _write_report(file: str, document: Mapping[str, object]) -> None:
    import json

    from scanner.reports.output import write_report

    def fill(out: object) -> None:
        out.write(json.dumps(document, indent=2) + "\n")  # type: ignore[attr-defined]

    write_report(file, fill)


def _say(text: str) -> None:
    print(f"sealgate: {log_safe(text)}", file=sys.stderr, flush=True)
