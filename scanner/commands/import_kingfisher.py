# SPDX-License-Identifier: Apache-2.0
"""Take over rule files of kingfisher.

Writes .sealgate-rules/kingfisher.yaml, and .sealgate.yaml which names it, and says what is not the same.

Examples:
  sealgate import kingfisher --from rules/
  sealgate import kingfisher --from own.yml --dry-run
"""

import argparse
from collections.abc import Mapping

from scanner.commands.import_options import add_import_options, add_rule_files, finish_rules


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_import_options(parser)
    add_rule_files(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Take over."""
    return finish_rules("kingfisher", options, environ)
