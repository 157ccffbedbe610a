# SPDX-License-Identifier: Apache-2.0
"""Check rule packs: patterns bounded, cheap to look for and with clear edges, proofs known, texts there.

Examples:
  sealgate rules lint --rules security/rules
"""

import argparse
from collections.abc import Mapping

from scanner.commands.rules_list import add_rules_option
from scanner.detect.lint import lint
from scanner.detect.rules import builtin_directory, load_rules, load_vectors, read_packs


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_rules_option(parser)


def run(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Print every complaint; 1 if there is one."""
    packs = read_packs([builtin_directory(), *options.rules])
    rules = load_rules(packs)
    complaints = list(lint(rules, load_vectors(packs)))
    for complaint in complaints:
        print(complaint)
    print(f"{len(rules)} rules, {len(complaints)} complaints")
    return 1 if complaints else 0
