# SPDX-License-Identifier: Apache-2.0
"""Show one rule: its pattern, what it asks of a value, what to do when it fires.

Examples:
  sealgate rules show aws-access-key-id
"""

import argparse
from collections.abc import Mapping

from scanner.commands.rules_list import add_rules_option
from scanner.detect.anchor import anchor
from scanner.detect.rules import builtin_directory, load_rules, read_packs, suggest
from scanner.errors import ConfigError
from scanner.sops.rules import RULES


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("id", metavar="ID", help="the rule's id")
    add_rules_option(parser)


def run(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Print the rule."""
    rules = {rule.id: rule for rule in load_rules(read_packs([builtin_directory(), *options.rules]))}
    rule = rules.get(options.id)
    if options.id in RULES:
        for field, value in RULES[options.id]._asdict().items():
            print(f"{field + ':':<12} {' '.join(value) if isinstance(value, tuple) else value}")
        return 0
    if rule is None:
        hint = suggest(options.id, [*rules, *RULES]) or "see 'sealgate rules list'"
        raise ConfigError(f"there is no rule {options.id!r}", hint)
    for field, value in rule._asdict().items():
        if isinstance(value, tuple):
            for item in value:
                print(f"{field + ':':<12} {item}")
        elif value:
            print(f"{field + ':':<12} {value}")
    if not rule.whole:
        print(f"{'prefilter:':<12} {anchor(rule.pattern, slow=rule.slow).expression}")
    return 0
