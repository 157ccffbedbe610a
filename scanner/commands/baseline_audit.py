# SPDX-License-Identifier: Apache-2.0
"""List the baseline's entries: in use, unused, expired, without a reason. 1 where one wants attention.

Examples:
  sealgate baseline audit                         1 where an entry wants attention: for a schedule
"""

import argparse
import time
from collections.abc import Mapping

from scanner.commands.baseline_create import configure_entries, exit_code
from scanner.commands.scan import requested_mode
from scanner.display import one_line
from scanner.errors import FINDINGS, ConfigError
from scanner.runner import load_baseline, read_file, run_scan
from scanner.triage import BaselineEntry


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    configure_entries(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Scan with the baseline and print what became of each entry."""
    done = run_scan(options, environ, requested_mode(options))
    entries = load_baseline(done.settings, read_file(done.target))
    if not entries:
        raise ConfigError("there is no baseline", "'sealgate baseline create' makes one")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    used = done.triage.used()
    wanting = 0
    for entry in entries:
        states = _states(entry, today, in_use=entry in used)
        wanting += states != ["in use"]
        who = f" ({one_line(entry.owner)})" if entry.owner else ""
        what = f"{entry.rule_id}  {one_line(entry.path)}{who}  {one_line(entry.reason)}"
        print(f"{entry.fingerprint[:12]}  {', '.join(states):<24}  {what}")
    print(f"{len(entries)} in the baseline, {wanting} to look at")
    return FINDINGS if wanting else exit_code(done)


def _states(entry: BaselineEntry, today: str, *, in_use: bool) -> list[str]:
    states = ["in use" if in_use else "unused"]
    if entry.expires and entry.expires < today:
        states.append(f"expired {entry.expires}")
    if not entry.reason:
        states.append("no reason")
    return states
