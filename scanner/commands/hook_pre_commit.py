# SPDX-License-Identifier: Apache-2.0
"""What pre-commit calls: scan what is being committed, and whole files where others are named.

Examples:
  exec sealgate hook pre-commit                    .git/hooks/pre-commit, after '#!/bin/sh'
  sealgate hook pre-commit --fail-on high -- FILE  as pre-commit calls it

What is scanned:
  a commit                                 the staged changes; FILES are then among them
  pre-commit run --all-files, --files      the named files, whole, and the staged changes
  pre-commit run --from-ref A --to-ref B   the commits of B since it left A
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence

from scanner import runner
from scanner.commands.scan import add_common_options
from scanner.config import Settings
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.git.repo import Repository, is_id
from scanner.model import Source


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="scanned whole where it is not among the staged changes")
    parser.set_defaults(target=".")
    add_common_options(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Scan, write the reports, return the exit code."""
    refuse_names_as_options(sys.argv[1:])

    def make(target: runner.Target, settings: Settings) -> Source:
        assert target.repository is not None  # find_target raises for this mode
        return _source(target.repository, options.files, settings.max_blob, environ)

    return runner.scan_and_report(options, environ, "staged", make)


def refuse_names_as_options(arguments: Sequence[str]) -> None:
    """Raise `ConfigError` for an argument that may be an option or a file of that name.

    pre-commit puts names behind options with nothing between them, so a file called `--fail-on=never`
    would switch the gate off. The parser cannot tell the two apart; only the raw command line can.
    """
    for argument in arguments:
        if argument == "--":
            return
        if argument.startswith("-") and os.path.lexists(argument):
            raise ConfigError(f"{one_line(argument)} is both an option and a file", "end the options (`args:`) with '--'")


def _source(repository: Repository, files: Sequence[str], max_blob: int, environ: Mapping[str, str]) -> Source:
    old, new = environ.get("PRE_COMMIT_FROM_REF"), environ.get("PRE_COMMIT_TO_REF")
    if old and new:
        from scanner.sources.commits import RangeSource

        return RangeSource(repository, f"{old}...{new}", max_blob)
    from scanner.sources.named import CommitSource

    return CommitSource(repository, max_blob, paths_in(repository, files), _merged(repository, environ))


def _merged(repository: Repository, environ: Mapping[str, str]) -> list[str]:
    """Return the commits being merged: `git merge` names them to its hooks before it writes MERGE_HEAD."""
    named = (name.removeprefix("GITHEAD_") for name in environ if name.startswith("GITHEAD_"))
    return repository.merge_heads() or [name for name in named if is_id(name)]


def paths_in(repository: Repository, files: Sequence[str]) -> list[bytes]:
    """Return the files as paths from the root of the working tree. Raises `ConfigError` for one outside."""
    if not files:
        return []
    if repository.worktree is None:
        raise ConfigError("a bare repository has no files to name", "leave them out")
    root = os.path.realpath(repository.worktree)
    here = os.path.realpath(os.curdir)
    return [os.fsencode(_path_from(root, here, file)) for file in files]


def _path_from(root: str, here: str, file: str) -> str:
    path = os.path.normpath(file)
    if here != root or os.path.isabs(path) or path.startswith(os.pardir):
        full = os.path.join(here, path)
        # The file itself may be a link; only the way to it is resolved.
        full = os.path.join(os.path.realpath(os.path.dirname(full)), os.path.basename(full))
        path = os.path.relpath(full, root)
    if path == os.pardir or path.startswith(os.pardir + os.sep):
        raise ConfigError(f"{one_line(file)} is not in this repository", "name files of its working tree")
    return path.replace(os.sep, "/")
