# SPDX-License-Identifier: Apache-2.0
"""Check roles at Vault or OpenBao, and their policies: who can have them, for how long, and what else they allow.

Examples:
  sealgate broker lint                                      all roles at auth/jwt, with VAULT_TOKEN
  sealgate broker lint --mount github --role deploy --secret secret/ci/app
  sealgate broker lint --role-file ci.json --policy-file ci.hcl --report sarif=lint.sarif

A token needs to list and read auth/MOUNT/role/* and to read sys/policies/acl/*; what it may not read is said, and the
exit code is then 3. Offline, roles are what 'bao read -format=json auth/jwt/role/NAME' writes.
"""

import argparse
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from scanner import runner
from scanner.commands.vault_options import add_vault_options, open_vault
from scanner.config import LEVELS
from scanner.errors import ConfigError
from scanner.model import Finding, ScanResult, Stats
from scanner.reports import REPORTS
from scanner.triage import BaselineEntry, Triage

if TYPE_CHECKING:
    from scanner.broker.lint.collect import Collected

_RULESET: Final = "broker-lint"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    what = parser.add_argument_group("what to check")
    what.add_argument("--mount", action="append", metavar="PATH", help="repeatable; an auth mount (default: jwt)")
    what.add_argument("--role", action="append", default=[], metavar="NAME", help="repeatable (default: all roles of the mounts)")
    what.add_argument("--role-file", action="append", default=[], metavar="FILE", help="repeatable; exported roles instead")
    what.add_argument("--policy-file", action="append", default=[], metavar="FILE", help="repeatable; policies, HCL or JSON")
    what.add_argument(
        "--secret", action="append", default=[], metavar="PATH",
        help="repeatable; what the jobs read: policies that allow more are reported",
    )  # fmt: skip
    what.add_argument("--max-ttl", type=int, default=3600, metavar="SECONDS", help="how long a token may live (default: 3600)")
    how = parser.add_argument_group("findings and reports")
    how.add_argument(
        "--report", action="append", metavar="FORMAT[=FILE]",
        help=f"repeatable; FILE - is standard output (default: text); formats: {', '.join(REPORTS)}",
    )  # fmt: skip
    how.add_argument(
        "--fail-on", choices=LEVELS, default="medium", metavar="LEVEL", help=f"{', '.join(LEVELS)} (default: medium)"
    )
    how.add_argument("--baseline", metavar="FILE", help="accepted findings, by fingerprint")
    how.add_argument("--quiet", action="store_true", help="print nothing where there is nothing to say")
    how.add_argument("--verbose", action="store_true", help="print suppressed findings and more detail")
    add_vault_options(parser)
    parser.set_defaults(show_secrets=False)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check, write the reports, return the exit code."""
    from scanner.broker.lint.collect import findings_of, used_paths

    targets = runner.parse_reports(options.report)
    started = time.monotonic()
    used = used_paths(options.secret)
    triage = _triage(options)
    found = _collect(options, environ)
    findings = [_decided(finding, triage) for finding in findings_of(found, used, options.max_ttl)]
    result = ScanResult(
        target=", ".join([*options.role_file, *options.policy_file]) or ", ".join(options.mount or ["jwt"]),
        findings=tuple(findings),
        gaps=tuple(found.gaps),
        allowed_gaps=frozenset(),
        stats=Stats(0, 0, len(found.roles) + len(found.policies), 0, time.monotonic() - started),
        notices=(*found.notices, *triage.notices(whole=False)),
        ruleset=_RULESET,
        fail_on=options.fail_on,
    )
    runner.write_reports(result, targets, options, environ)
    return result.exit_code


def _collect(options: argparse.Namespace, environ: Mapping[str, str]) -> "Collected":
    from scanner.broker.lint.collect import from_files, from_server

    if options.role_file or options.policy_file:
        if options.role or options.mount:
            raise ConfigError("--role and --mount are for roles at the server", "leave them out, or the files")
        return from_files(options.role_file, options.policy_file)
    return from_server(open_vault(options, environ), options.mount or ["jwt"], options.role)


def _triage(options: argparse.Namespace) -> Triage:
    entries: tuple[BaselineEntry, ...] = ()
    if options.baseline:
        from scanner.baseline import parse_baseline

        try:
            with open(options.baseline, "rb") as stream:
                entries = parse_baseline(stream.read(), options.baseline)
        except OSError as error:
            raise ConfigError(f"cannot read the baseline {options.baseline}: {error.strerror}", "check --baseline") from None
    return Triage(time.strftime("%Y-%m-%d", time.gmtime()), (), entries)


def _decided(finding: Finding, triage: Triage) -> Finding:
    return finding._replace(suppression=triage.decide(finding, ()))
