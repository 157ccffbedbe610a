# SPDX-License-Identifier: Apache-2.0
"""Read the log of an audit device: who read what, and what is out of the ordinary.

Examples:
  sealgate broker audit audit.log.1.gz audit.log          rotated files in their order
  sealgate broker audit --write-baseline usual.json LOG   what each role asks for now
  sealgate broker audit --baseline usual.json LOG         and what is new since then
  sealgate broker audit --learn 7d LOG                    the same, learnt from the log's first week
  sealgate broker audit --value-stdin --device file LOG < value
                                                          was this value ever served, and to whom?

For the last one the server is asked for the value's HMAC (sys/audit-hash) with VAULT_TOKEN; the value is not in the log.
Roles of one name at different mounts count as one; --by entity tells them apart.
Exits with 1 where something is out of the ordinary (see --fail-on), with 3 where a part of the log could not be read.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TextIO, get_args

from scanner.commands.vault_options import add_vault_options, open_vault
from scanner.errors import FINDINGS, INCOMPLETE, OK, ConfigError
from scanner.model import Secret

if TYPE_CHECKING:
    from scanner.broker.audit.count import Options

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_VALUE: Final = 1 << 20


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    from scanner.broker.audit.count import ALARMS, KINDS, By

    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON lines, gzip too; - is standard input")
    parser.add_argument("--by", choices=get_args(By), default="role", help="whose accesses are counted together (default: role)")
    usual = parser.add_argument_group("what is usual").add_mutually_exclusive_group()
    usual.add_argument("--baseline", metavar="FILE", help="the usual paths of each role, as --write-baseline writes them")
    usual.add_argument("--learn", metavar="TIME", help="take for usual what the log's first 12h, 7d ... have")
    parser.add_argument("--write-baseline", metavar="FILE", help="write the paths of each role that this log has")
    parser.add_argument("--expect-cidr", metavar="NET", action="append", default=[], help="repeatable; where requests come from")
    parser.add_argument("--burst-reads", metavar="N", type=int, default=30, help="no burst below N reads a minute (default: 30)")
    parser.add_argument("--burst-factor", metavar="F", type=float, default=10.0, help="times a role's median (default: 10)")
    served = parser.add_argument_group("was a secret ever served?")
    served.add_argument("--value-stdin", action="store_true", help="look for the value on standard input, less one line end")
    served.add_argument("--device", metavar="NAME", default="file", help="the audit device that wrote the log (default: file)")
    parser.add_argument(
        "--fail-on", action="append", choices=(*KINDS, "never"), metavar="KIND",
        help=f"repeatable: {', '.join(KINDS)}, never (default: {', '.join(ALARMS)})",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for people, or for programs (default: text)")
    parser.add_argument("--verbose", action="store_true", help="show every path")
    add_vault_options(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Read the log and report; see the table of exit codes."""
    from scanner.broker.audit.count import ALARMS, Audit
    from scanner.broker.audit.log import LogReader
    from scanner.broker.audit.report import document, is_complete, lines

    if options.value_stdin and "-" in options.files:
        raise ConfigError("standard input cannot be both the log and the value", "name the log's file")
    audit, log = Audit(_expected(options, environ)), LogReader(options.files)
    for entry in log.entries():
        audit.add(entry)
    audit.finish()
    if options.format == "json":
        print(json.dumps(document(audit, log), ensure_ascii=True))
    else:
        for line in lines(audit, log, verbose=options.verbose):
            print(line)
    if options.write_baseline:
        _write_baseline(options.write_baseline, audit.usual())
    alarms = set(options.fail_on or ALARMS)
    if any(alert.kind in alarms for alert in audit.alerts()):
        return FINDINGS
    return OK if is_complete(audit, log) else INCOMPLETE


def _expected(options: argparse.Namespace, environ: Mapping[str, str]) -> "Options":
    from scanner.broker.audit.count import Options, parse_network
    from scanner.broker.audit.usual import load_usual

    return Options(
        by=options.by,
        usual=load_usual(options.baseline) if options.baseline else None,
        learn_seconds=_parse_time(options.learn) if options.learn else 0.0,
        networks=tuple(map(parse_network, options.expect_cidr)),
        wanted=_wanted(options, environ) if options.value_stdin else {},
        burst_reads=options.burst_reads,
        burst_factor=options.burst_factor,
    )


def _wanted(options: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    from scanner.broker.audit.served import hash_values

    value = sys.stdin.buffer.read(_MAX_VALUE + 1)
    if len(value) > _MAX_VALUE:
        raise ConfigError("the value on standard input is too large", f"at most {_MAX_VALUE >> 20} MiB")
    value = value.removesuffix(b"\n").removesuffix(b"\r")
    if not value:
        raise ConfigError("there is no value on standard input", "pipe it in: --value-stdin < FILE")
    return hash_values(open_vault(options, environ), options.device, {"the value": Secret(value)})


def _parse_time(text: str) -> float:
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhd])", text)
    if not found:
        raise ConfigError(f"--learn {text}: no length of time", "write it as 30m, 12h or 7d")
    return float(found[1]) * _UNITS[found[2]]


def _write_baseline(file: str, usual: Mapping[str, list[str]]) -> None:
    from scanner.broker.audit.usual import dump_usual
    from scanner.reports.output import write_report

    def fill(out: TextIO) -> None:
        out.write(dump_usual(usual))

    write_report(file, fill)
