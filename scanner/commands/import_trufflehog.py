# SPDX-License-Identifier: Apache-2.0
"""Take over what trufflehog was told: custom detectors of its configuration, and files of excluded paths.

Writes .sealgate.yaml and .sealgate-rules/trufflehog.yaml, as far as there is something for them, and says what is not the same.

Examples:
  sealgate import trufflehog --from trufflehog.yaml
  sealgate import trufflehog --exclude-paths excluded.txt --dry-run
"""

import argparse
from collections.abc import Mapping

from scanner.commands.import_options import add_import_options, finish, read_named, start
from scanner.errors import ConfigError
from scanner.importers import trufflehog


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_import_options(parser)
    parser.add_argument("--from", dest="source", action="append", default=[], metavar="FILE", help="repeatable; a configuration")
    parser.add_argument("--exclude-paths", action="append", default=[], metavar="FILE", help="repeatable; as trufflehog has it")
    parser.add_argument("--include-paths", action="append", default=[], metavar="FILE", help="likewise; has no equal here")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Take over."""
    plan = start(trufflehog.TOOL, options.target)
    if not (options.source or options.exclude_paths or options.include_paths):
        hint = "its files have no set names: give --from or --exclude-paths"
        raise ConfigError("nothing to take over was named", hint)
    for name in options.source:
        trufflehog.read_config(plan, name, read_named(name))
    for name in options.exclude_paths:
        trufflehog.read_paths(plan, name, read_named(name))
    for name in options.include_paths:
        trufflehog.note_included(plan, name)
    return finish(plan, options, environ)
