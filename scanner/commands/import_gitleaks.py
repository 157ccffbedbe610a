# SPDX-License-Identifier: Apache-2.0
"""Take over what gitleaks was told: its configuration, its ignore file and its baselines.

Writes .sealgate.yaml, .sealgate-rules/gitleaks.yaml and .sealgate-baseline.jsonl, as far as there is something for them, and
says what is not the same. With --compare, writes nothing and says of each finding of a JSON report whether it is kept.

Examples:
  sealgate import gitleaks --dry-run              what would be written, and what is not the same
  sealgate import gitleaks --baseline old.json    accept what a JSON report of gitleaks holds
  sealgate import gitleaks --compare report.json  each finding of gitleaks: kept, improved or lost
"""

import argparse
import os
from collections.abc import Mapping, Sequence

from scanner import runner
from scanner.commands.import_options import add_import_options, finish, places_of, read_named, scan_options, start
from scanner.display import log_safe, plural
from scanner.errors import FINDINGS, INCOMPLETE, OK, ConfigError
from scanner.importers import gitleaks
from scanner.importers.comparison import Compared, compare
from scanner.importers.plan import Plan
from scanner.model import ScanResult
from scanner.triage import fingerprint


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_import_options(parser)
    parser.add_argument("--from", dest="source", metavar="FILE", help="the configuration (default: TARGET/.gitleaks.toml)")
    parser.add_argument("--ignore", metavar="FILE", help="the ignore file (default: TARGET/.gitleaksignore)")
    parser.add_argument("--baseline", action="append", default=[], metavar="FILE", help="repeatable; a JSON report, accepted")
    parser.add_argument("--compare", metavar="FILE", help="a JSON report, whose findings are compared with Sealgate's")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Take over, or compare."""
    plan = start(gitleaks.TOOL, options.target)
    config = _named_or_there(options.source, options.target, gitleaks.CONFIG_NAME)
    ignore = _named_or_there(options.ignore, options.target, gitleaks.IGNORE_NAME)
    if not (config or ignore or options.baseline or options.compare):
        hint = "name them with --from, --ignore and --baseline"
        raise ConfigError(f"neither {gitleaks.CONFIG_NAME} nor {gitleaks.IGNORE_NAME} is in {log_safe(options.target)}", hint)
    if config:
        gitleaks.read_config(plan, config, read_named(config), plan.taken)
    if ignore:
        gitleaks.read_ignore(plan, ignore, read_named(ignore))
    for name in options.baseline:
        plan.accepted += gitleaks.read_report(name, read_named(name))
    if options.compare:
        return _compare(plan, options, environ, config)
    return finish(plan, options, environ)


def _named_or_there(named: str | None, folder: str, name: str) -> str | None:
    path = os.path.normpath(os.path.join(folder, name))
    return named or (path if os.path.isfile(path) else None)


def _compare(plan: Plan, options: argparse.Namespace, environ: Mapping[str, str], config: str | None) -> int:
    """Scan by what was taken over, and print what becomes of each finding; 1 where one is lost.

    What gitleaks was told to accept is not in its report, and not counted as what Sealgate finds besides.
    """
    theirs = gitleaks.read_report(options.compare, read_named(options.compare))
    result = runner.run_scan(scan_options(options.target, config), environ, "auto", with_baseline=False).result
    places, detector = places_of(plan, options, environ)
    with detector.expressions.watched():
        compared = list(compare(theirs, result, places, detector, plan.ids))
        named = (match for each in (*theirs, *plan.accepted) for match in places.find(each).matches)
        known = {fingerprint("secret", match.value.secret.reveal()) for match in named}
    for each in compared:
        at = f"{each.theirs.path}:{each.theirs.line}"
        at = f"{each.theirs.commit[:12]}:{at}" if each.theirs.commit else at
        print(log_safe(f"{each.outcome:<9} {at}  {each.theirs.rule}  ->  {each.why}"))
    _summary(compared, result, known)
    if any(each.outcome == "lost" for each in compared):
        return FINDINGS
    return OK if result.complete else INCOMPLETE


def _summary(compared: Sequence[Compared], result: ScanResult, known: set[str]) -> None:
    counts = {outcome: sum(each.outcome == outcome for each in compared) for outcome in ("kept", "improved", "lost")}
    more = [finding for finding in result.findings if result.fails(finding) and finding.fingerprint not in known]
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    besides = f"{plural(len(more), 'finding')} of Sealgate's that it has not"
    print(f"\n{plural(len(compared), 'finding')} of gitleaks: {told}; {besides}")
