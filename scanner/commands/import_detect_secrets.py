# SPDX-License-Identifier: Apache-2.0
"""Take over a baseline of detect-secrets: its filters, and what it accepts, found again by the digests of the values.

Writes .sealgate.yaml and .sealgate-baseline.jsonl, as far as there is something for them, and says what is not the same.

Examples:
  sealgate import detect-secrets --dry-run
  sealgate import detect-secrets --from ci/.secrets.baseline
"""

import argparse
import os
from collections.abc import Mapping

from scanner.commands.import_options import add_import_options, finish, read_named, start
from scanner.importers import detect_secrets


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_import_options(parser)
    parser.add_argument("--from", dest="source", metavar="FILE", help="the baseline (default: TARGET/.secrets.baseline)")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Take over."""
    plan = start(detect_secrets.TOOL, options.target)
    name = options.source or os.path.normpath(os.path.join(options.target, detect_secrets.BASELINE_NAME))
    detect_secrets.read_baseline(plan, name, read_named(name), plan.taken)
    return finish(plan, options, environ)
