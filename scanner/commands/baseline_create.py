# SPDX-License-Identifier: Apache-2.0
"""Accept all findings there are now, so that only new ones fail the gate.

Examples:
  sealgate baseline create --reason "rotated in May"
  sealgate baseline create --worktree --expires 2027-01-31 --owner team-a

Writes one JSON object a line, sorted by fingerprint, without line numbers or dates of the run.
"""

import argparse
import os
from collections.abc import Iterable, Mapping
from typing import TextIO

from scanner.baseline import accept, dump_baseline
from scanner.commands.scan import add_common_options, requested_mode
from scanner.config import BASELINE_NAME, Settings, load_settings
from scanner.display import one_line, plural
from scanner.errors import INCOMPLETE, OK, ConfigError
from scanner.model import Finding
from scanner.reports.output import write_report
from scanner.runner import Run, Target, find_target, read_file, run_scan
from scanner.triage import BaselineEntry, is_date


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    configure_entries(parser)
    parser.add_argument("--force", action="store_true", help="replace a baseline that is there")


def configure_entries(parser: argparse.ArgumentParser) -> None:
    """Add what to scan, and what new entries say."""
    parser.add_argument("target", nargs="?", default=".", metavar="TARGET", help="repository, directory or file (default: .)")
    parser.add_argument("--worktree", action="store_true", help="files as they are on disk, no history")
    parser.add_argument("--reason", default="", help="why these findings are accepted")
    parser.add_argument("--owner", default="", help="who answers for them")
    parser.add_argument("--expires", default="", metavar="DATE", help="last day on which they are accepted, YYYY-MM-DD")
    parser.add_argument("--max-blob", metavar="SIZE", help=argparse.SUPPRESS)
    parser.set_defaults(staged=False, range=None, diff=None, stdin=False, name=None)
    add_common_options(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Scan without a baseline and write the new one; 3 where something was not scanned."""
    check_expiry(options.expires)
    target = find_target(options.target, requested_mode(options), environ)
    file = baseline_file(load_settings(vars(options), environ, read_file(target), target.root), target)
    if os.path.lexists(file) and not options.force:
        hint = "'sealgate baseline update' keeps its reasons; --force replaces it"
        raise ConfigError(f"there is a baseline already: {one_line(file)}", hint)
    options.baseline = None
    done = run_scan(options, environ, requested_mode(options), with_baseline=False)
    accepted = new_entries(done.result.findings, options)
    save(file, accepted)
    print(f"{one_line(file)}: {plural(len(set(accepted)), 'accepted finding')}")
    return exit_code(done)


def baseline_file(settings: Settings, target: Target) -> str:
    """Return where a scan of this target will look for its baseline."""
    if settings.baseline:
        return settings.baseline
    if target.root is None:
        raise ConfigError("a bare repository has no place for a baseline", "name a file with --baseline")
    folder = target.path if os.path.isdir(target.path) else os.path.dirname(target.path)
    return os.path.join(folder, BASELINE_NAME)


def check_expiry(date: str) -> None:
    """Raise `ConfigError` for what is not a date."""
    if date and not is_date(date):
        raise ConfigError("--expires must be a date", "write YYYY-MM-DD")


def new_entries(findings: Iterable[Finding], options: argparse.Namespace) -> list[BaselineEntry]:
    """Return an entry for each open finding; one entry covers a secret wherever it stands."""
    first: dict[str, Finding] = {}
    for finding in findings:
        if finding.suppression is None:
            first.setdefault(finding.fingerprint, finding)
    return [accept(finding, options.reason, options.owner, options.expires) for finding in first.values()]


def save(file: str, entries: Iterable[BaselineEntry]) -> None:
    """Write a baseline, whole or not at all."""
    text = dump_baseline(entries)

    def fill(out: TextIO) -> None:
        out.write(text)

    write_report(file, fill)


def exit_code(done: Run) -> int:
    """Say what was not scanned: a baseline of a part accepts a part."""
    if done.result.complete:
        return OK
    for gap in done.result.gaps:
        print(f"not scanned: {gap.kind}: {gap.what}: {gap.reason}")
    return INCOMPLETE
