# SPDX-License-Identifier: Apache-2.0
"""List the rules: id, severity, confidence and name.

Examples:
  sealgate rules list
  sealgate rules list --rules security/rules --format json
"""

import argparse
from collections.abc import Mapping

from scanner.detect.rules import Rule, builtin_directory, load_rules, read_packs
from scanner.sops.rules import RULES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_rules_option(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--proofs", action="store_true", help="list the proofs that a rule can name instead")


def add_rules_option(parser: argparse.ArgumentParser) -> None:
    """Add `--rules`."""
    parser.add_argument("--rules", action="append", default=[], metavar="PATH", help="repeatable; more rules, a file or a folder")


def run(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Print the list."""
    if options.proofs:
        from scanner.detect.proof import PROOFS

        for name, check in PROOFS.items():
            print(f"{name:<20} {(check.__doc__ or '').splitlines()[0]}")
        return 0
    rules = load_rules(read_packs([builtin_directory(), *options.rules]))
    if options.format == "json":
        import json

        checks = [info._asdict() for info in RULES.values()]
        print(json.dumps([*(rule._asdict() for rule in rules), *checks], indent=2))
        return 0
    width = max(len(rule.id) for rule in rules)
    for rule in sorted(rules, key=lambda rule: rule.id):
        print(line(rule, width))
    for info in RULES.values():
        print(f"{info.id:<{width}}  {info.severity:<8}  {'':<6}  {info.name}")
    print(f"{len(rules) + len(RULES)} rules")
    return 0


def line(rule: Rule, width: int) -> str:
    """Return a rule's line in the list."""
    return f"{rule.id:<{width}}  {rule.severity:<8}  {rule.confidence:<6}  {rule.name}"
