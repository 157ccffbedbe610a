# SPDX-License-Identifier: Apache-2.0
"""Find secrets in TARGET: a repository (its whole history and working tree), a directory or a file.

Examples:
  sealgate scan                                  the repository here
  sealgate scan --staged                         what 'git commit' would record
  sealgate scan --range origin/main..HEAD        a merge request
  sealgate scan --worktree --report jsonl=-      files as they are on disk
  git diff | sealgate scan --diff -              added lines of a diff
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from scanner.commands.vault_options import add_vault_options, open_vault
from scanner.config import LEVELS
from scanner.errors import ConfigError
from scanner.model import GAP_KINDS, ScanResult
from scanner.reports import REPORTS

if TYPE_CHECKING:
    from scanner.broker.vault import Vault

_MODES: Final = ("staged", "range", "worktree", "diff", "stdin")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("target", nargs="?", default=".", metavar="TARGET", help="repository, directory or file (default: .)")
    what = parser.add_argument_group("what to scan")
    mode = what.add_mutually_exclusive_group()
    mode.add_argument("--staged", action="store_true", help="what 'git commit' would record")
    mode.add_argument("--range", metavar="A..B", help="the commits in the range, as a push or a merge request brings them")
    mode.add_argument("--worktree", action="store_true", help="files as they are on disk, no history")
    mode.add_argument("--diff", metavar="FILE|-", help="the added lines of a unified diff")
    mode.add_argument("--stdin", action="store_true", help="standard input as one file")
    what.add_argument("--name", metavar="PATH", help="the path that --stdin stands for")
    what.add_argument("--max-blob", metavar="SIZE", help="leave out, and report, content larger than this (default: no limit)")
    what.add_argument(
        "--engine",
        choices=("auto", "pack", "reference"),
        default="auto",
        help="how a history is read: from the packs where that is possible (auto), else by git; both find the same",
    )
    what.add_argument("--cache", metavar="DIR", help="keep there what was found clean, and read only what is new: docs/cache.md")
    add_common_options(parser)
    parser.add_argument(
        "--vault-check",
        action="append",
        metavar="PATH",
        help="repeatable; ask Vault whether what is found is in use at this KV path or tree (a/b/**); nothing found is sent",
    )
    add_vault_options(parser)


def add_common_options(parser: argparse.ArgumentParser, *, reports: bool = True) -> None:
    """Add the options on findings, reports and settings that every scanning command has; without `reports` those of the scan."""
    how = parser.add_argument_group("findings and reports" if reports else "findings")
    how.add_argument("--only", choices=("secrets", "sops"), help="one of the two families of checks")
    if reports:
        how.add_argument(
            "--report",
            action="append",
            metavar="FORMAT[=FILE]",
            help=f"repeatable; FILE - is standard output (default: text); formats: {', '.join(REPORTS)}",
        )
    levels = ", ".join(LEVELS)
    how.add_argument("--fail-on", metavar="LEVEL", help=f"lowest confidence that fails the gate: {levels} (default: medium)")
    how.add_argument("--baseline", metavar="FILE", help="accepted findings (default: .sealgate-baseline.jsonl where it is there)")
    how.add_argument("--config", metavar="FILE", help="settings (default: .sealgate.yaml of the target)")
    how.add_argument("--rules", action="append", metavar="PATH", help="repeatable; more rules, a file or a folder")
    how.add_argument(
        "--allow-gap", action="append", metavar="KIND", help=f"repeatable; accept a gap, still reported: {', '.join(GAP_KINDS)}"
    )
    how.add_argument("--timeout", metavar="S", help="stop after this time; the run is then incomplete")
    how.add_argument("--jobs", metavar="N", help="so many processes read a history (default: as many as there are cores)")
    parser.set_defaults(report=None, show_secrets=False, quiet=False, verbose=False)
    if reports:
        how.add_argument("--show-secrets", action="store_true", help="print raw values; the report is then a secret itself")
        how.add_argument("--quiet", action="store_true", help="print nothing where there is nothing to say")
        how.add_argument("--verbose", action="store_true", help="print suppressed findings and more detail")
    how.add_argument("--no-progress", action="store_true", help="no progress on standard error")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Scan, write the reports, return the exit code."""
    from scanner import runner

    if options.name and not options.stdin:
        raise ConfigError("--name goes with --stdin", "it names what comes on standard input")
    if options.target != "." and (options.stdin or options.diff):
        raise ConfigError("--stdin and --diff take no TARGET", "leave it out")
    if not options.vault_check:
        return runner.scan_and_report(options, environ, requested_mode(options))
    targets = runner.parse_reports(options.report)
    # The server is asked for before the scan: whoever forgot a token need not wait for it.
    vault = open_vault(options, environ)
    result = _with_live(runner.run_scan(options, environ, requested_mode(options)).result, vault, options.vault_check)
    runner.write_reports(result, targets, options, environ)
    return result.exit_code


def _with_live(result: ScanResult, vault: "Vault", paths: Sequence[str]) -> ScanResult:
    """Return the result with the secrets that the server has in use now proven, and no longer suppressed."""
    from scanner.broker.live import live_secrets, mark_live

    values = {finding.fingerprint: finding.secret for finding in result.findings if finding.secret.reveal()}
    return mark_live(result, live_secrets(vault, paths, values))


def requested_mode(options: argparse.Namespace) -> str:
    """Return which of the sources was asked for, `auto` where TARGET decides."""
    return next((mode for mode in _MODES if getattr(options, mode)), "auto")
