# SPDX-License-Identifier: Apache-2.0
"""Bring the baseline up to date: add open findings, drop entries that are no longer found, keep the rest as it is.

Examples:
  sealgate baseline update --reason "made for the tests"
  sealgate baseline update --keep-unused          entries of other branches stay
"""

import argparse
import os
from collections.abc import Mapping

from scanner.commands.baseline_create import baseline_file, check_expiry, configure_entries, exit_code, new_entries, save
from scanner.commands.scan import requested_mode
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.runner import load_baseline, read_file, run_scan
from scanner.triage import BaselineEntry


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    configure_entries(parser)
    parser.add_argument("--keep-unused", action="store_true", help="keep entries that are no longer found")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Scan with the baseline and write it anew; 3 where something was not scanned."""
    check_expiry(options.expires)
    done = run_scan(options, environ, requested_mode(options))
    old = load_baseline(done.settings, read_file(done.target))
    file = baseline_file(done.settings, done.target)
    if not old and not os.path.lexists(file):
        raise ConfigError(f"there is no baseline {file}", "'sealgate baseline create' makes one")
    before = {entry.fingerprint: entry for entry in old}
    added = [_renewed(entry, before.get(entry.fingerprint)) for entry in new_entries(done.result.findings, options)]
    used = done.triage.used()
    # What was not scanned may still be there: an incomplete run drops nothing.
    kept = [entry for entry in old if entry in used or options.keep_unused or not done.result.complete]
    renewed = {entry.fingerprint for entry in added}
    kept = [entry for entry in kept if entry.fingerprint not in renewed or _scoped(entry)]
    save(file, [*kept, *added])
    print(f"{one_line(file)}: {len(added)} added, {len(kept)} kept, {len(set(old)) - len(kept)} dropped")
    return exit_code(done)


def _renewed(entry: BaselineEntry, old: BaselineEntry | None) -> BaselineEntry:
    """Return a new entry with what an expired one said of the same secret, where nothing new is said."""
    return entry if old is None else entry._replace(reason=entry.reason or old.reason, owner=entry.owner or old.owner)


def _scoped(entry: BaselineEntry) -> bool:
    """Whether the entry holds for some paths only, so that another one for the same secret stands beside it."""
    return "*" in entry.path
