# SPDX-License-Identifier: Apache-2.0
"""Check that files which must be SOPS-encrypted are: HEAD and the working tree, or what is staged, a range, a revision.

Examples:
  sealgate sops check                              the repository here
  sealgate sops check --range origin/main..HEAD    a merge request
  sealgate sops check --mac secrets/               MACs as well, with the keys at hand

Without a key every byte of an encrypted file is accounted for, its recipients are compared with .sops.yaml, and its
history is asked whether it was ever edited outside of SOPS or stood in clear text. --mac decrypts with the keys that
sops itself would use (SOPS_AGE_KEY_FILE, gpg, VAULT_TOKEN ...) and checks the MAC; nothing decrypted is kept or shown.
"""

import argparse
import os
from collections.abc import Mapping, Sequence

from scanner import runner
from scanner.commands.hook_pre_commit import paths_in
from scanner.commands.scan import add_common_options
from scanner.config import Settings
from scanner.errors import ConfigError
from scanner.model import Source


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="files and directories (default: all of the repository)")
    what = parser.add_argument_group("what to check")
    state = what.add_mutually_exclusive_group()
    state.add_argument("--staged", action="store_true", help="what 'git commit' would record")
    state.add_argument("--range", metavar="A..B", help="what the commits of the range bring")
    state.add_argument("--rev", metavar="REV", help="all files of this revision")
    what.add_argument("--mac", action="store_true", help="check MACs with the keys at hand; one that none opens is a gap")
    what.add_argument("--max-blob", metavar="SIZE", help="leave out, and report, content larger than this (default: no limit)")
    add_common_options(parser)
    parser.set_defaults(only="sops")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Check, write the reports, return the exit code."""
    if options.only != "sops":
        raise ConfigError("--only secrets leaves nothing to check", "use 'sealgate scan'")
    options.target = options.paths[0] if options.paths else "."
    mode = next((mode for mode in ("staged", "range") if getattr(options, mode)), "state")

    def make(target: runner.Target, settings: Settings) -> Source:
        return _source(options, mode, target, settings)

    return runner.scan_and_report(options, environ, mode, make)


def _source(options: argparse.Namespace, mode: str, target: runner.Target, settings: Settings) -> Source:
    if target.repository is None:
        return _files(options, settings)
    bare = target.repository.worktree is None
    options.scope = () if bare else _scope(paths_in(target.repository, options.paths))
    if mode != "state":
        return runner.make_source(options, mode, target, settings)
    from scanner.sources.current import CurrentSource

    return CurrentSource(target.repository, settings.max_blob, options.rev or "")


def _scope(paths: Sequence[bytes]) -> tuple[bytes, ...]:
    """Return the paths that limit the check; the root of the repository limits nothing."""
    return () if b"." in paths or b"" in paths else tuple(path.rstrip(b"/") for path in paths)


def _files(options: argparse.Namespace, settings: Settings) -> Source:
    from scanner.sources.files import FileSource

    if options.rev:
        raise ConfigError("--rev needs a repository", "name a path in one")
    if len(options.paths) > 1:
        raise ConfigError("more than one PATH needs a repository around them", "check one after the other")
    return FileSource(options.paths[0] if options.paths else os.curdir, settings.max_blob)
