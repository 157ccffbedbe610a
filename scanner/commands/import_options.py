# SPDX-License-Identifier: Apache-2.0
"""What the commands that take over another scanner's files share: options, what is written, what is said."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from scanner import runner
from scanner.baseline import dump_baseline
from scanner.commands.scan import add_common_options
from scanner.config import BASELINE_NAME, FILE_NAME, Settings, parse_settings
from scanner.detect.engine import Detector
from scanner.display import log_safe, one_line, plural
from scanner.errors import INCOMPLETE, OK, ConfigError
from scanner.importers.places import Places, baseline
from scanner.importers.plan import Kind, Plan
from scanner.importers.recognise import Foreign, own_ids
from scanner.reports.output import write_report
from scanner.triage import BaselineEntry

_TITLES: Final[Mapping[Kind, str]] = {
    "changed": "means something else here",
    "unneeded": "left out, and changes nothing",
    "dropped": "not carried over",
}


def add_import_options(parser: argparse.ArgumentParser) -> None:
    """Add what to take over into, and how."""
    parser.add_argument("target", nargs="?", default=".", metavar="TARGET", help="the repository or directory (default: .)")
    parser.add_argument("--output", metavar="DIR", help="where the files are written (default: TARGET)")
    parser.add_argument("--dry-run", action="store_true", help="write nothing, print what would be written")
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def add_rule_files(parser: argparse.ArgumentParser) -> None:
    """Add which rule files are taken over."""
    what = "repeatable; a rule file, or a folder of them"
    parser.add_argument("--from", dest="source", action="append", required=True, metavar="PATH", help=what)


def finish_rules(tool: str, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Take over the rule files that were named."""
    from scanner.importers.rulefiles import read_rules, rule_paths

    plan = start(tool, options.target)
    for source in options.source:
        for name in rule_paths(source):
            read_rules(plan, name, read_named(name))
    return finish(plan, options, environ)


def start(tool: str, target: str) -> Plan:
    """Return an empty plan. Raises `ConfigError` where TARGET is no folder."""
    if not os.path.isdir(target):
        raise ConfigError(f"there is no directory {one_line(target)}", "name the repository that the files belong to")
    return Plan(tool, own_ids())


def read_named(name: str) -> bytes:
    """Return the content of a file that was named. Raises `ConfigError`."""
    try:
        with open(name, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(f"cannot read {one_line(name)}: {error.strerror}", "check the name") from None


def settings_of(plan: Plan) -> Settings:
    """Return the settings as a scan by what was taken over has them."""
    return Settings(**parse_settings(plan.settings(), plan.tool), foreign=Foreign(plan.packs(plan.tool), (), ()))


def places_of(plan: Plan, options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[Places, Detector]:
    """Return how to look at places in the target by the rules that were taken over."""
    target = runner.find_target(options.target, "auto", environ)
    detector = runner.load_detector(settings_of(plan), environ)
    return Places(target.repository, target.root, detector), detector


def finish(plan: Plan, options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Write what there is to write, say what is not the same, and return the exit code."""
    entries: list[BaselineEntry] = []
    if plan.accepted:
        places, detector = places_of(plan, options, environ)
        with detector.expressions.watched():
            entries = baseline(plan, places, plan.accepted)
    files = _files(plan, entries)
    folder = options.output or options.target
    if not options.dry_run:
        _write(folder, files, force=options.force)
    for name, (text, what) in files.items():
        if options.dry_run:
            print(f"--- {name}: {what}\n{text}")
        else:
            print(f"{log_safe(os.path.join(folder, name))}: {what}")
    for kind, title in _TITLES.items():
        notes = [note for note in plan.notes if note.kind == kind]
        if notes:
            print(f"\n{title}:")
            print("\n".join(f"  {log_safe(str(note))}" for note in notes))
    dropped = len(plan.dropped())
    print(
        f"\n{plural(len(plan.rules), 'rule')}, {plural(len(plan.allow), 'exception')}, "
        f"{plural(len(entries), 'accepted finding')}; {dropped} not carried over"
    )
    return INCOMPLETE if dropped else OK


def _files(plan: Plan, entries: Sequence[BaselineEntry]) -> dict[str, tuple[str, str]]:
    """Return what is to be written: text and what it is, by name."""
    files = {}
    settings = plan.settings()
    if plan.rules:
        name = f".sealgate-rules/{plan.tool}.yaml"
        settings = {"rules": [name], **settings}
        files[name] = _yaml({"rules": plan.rules}, plan), plural(len(plan.rules), "rule")
    if settings:
        files[FILE_NAME] = _yaml(settings, plan), plural(len(plan.allow), "exception")
    if entries:
        files[BASELINE_NAME] = dump_baseline(entries), plural(len(entries), "accepted finding")
    return files


def _yaml(document: object, plan: Plan) -> str:
    import yaml

    text = yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=False)
    return f"# Taken over by 'sealgate import {plan.tool}'.\n{text}"


def _write(folder: str, files: Mapping[str, tuple[str, str]], *, force: bool) -> None:
    """Write all files or none."""
    there = [name for name in files if os.path.lexists(os.path.join(folder, name))]
    if there and not force:
        hint = "--force replaces it, --output DIR writes elsewhere, --dry-run shows it"
        raise ConfigError(f"{', '.join(there)} is there already in {one_line(folder)}", hint)
    for name, (text, _) in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)

        def fill(out: TextIO, text: str = text) -> None:
            out.write(text)

        write_report(path, fill)


def scan_options(target: str, config: str | None) -> argparse.Namespace:
    """Return the options of a scan of all of TARGET by this configuration, and nothing else."""
    parser = argparse.ArgumentParser()
    add_common_options(parser)
    parser.set_defaults(target=target, max_blob=None, engine="auto", no_progress=True)
    options = parser.parse_args([])
    options.config = config
    return options
