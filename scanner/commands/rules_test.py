# SPDX-License-Identifier: Apache-2.0
"""Run the test vectors of Sealgate's own rules and of the given packs.

Examples:
  sealgate rules test --rules security/rules
"""

import argparse
from collections.abc import Mapping

from scanner.commands.rules_list import add_rules_option
from scanner.detect.engine import Detector
from scanner.detect.prefilter import compile_ruleset
from scanner.detect.rules import builtin_directory, load_rules, load_vectors, read_packs
from scanner.detect.vectors import check_vectors


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_rules_option(parser)


def run(options: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    """Print every failure; 1 if there is one."""
    packs = read_packs([builtin_directory(), *options.rules])
    rules, vectors = load_rules(packs), load_vectors(packs)
    failures = list(check_vectors(Detector(compile_ruleset(rules)), vectors))
    for failure in failures:
        kind = "positive" if failure.vector.positive else "negative"
        print(f"rule {failure.vector.rule_id}: {kind} vector {failure.vector.number} {failure.message}")
    print(f"{len(rules)} rules, {len(vectors)} vectors, {len(failures)} failed")
    return 1 if failures else 0
