# SPDX-License-Identifier: Apache-2.0
"""What pre-commit or git calls before a push: scan the commits that the remote has not got.

Examples:
  exec sealgate hook pre-push "$@"                 .git/hooks/pre-push, after '#!/bin/sh'

pre-commit tells what is pushed by its variables, git by lines on standard input. Called with neither
(by hand, or by a hook manager that does not pass standard input on): the commits of HEAD that are on
no remote.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from typing import BinaryIO, NamedTuple

from scanner import runner
from scanner.commands.scan import add_common_options
from scanner.config import Settings
from scanner.errors import ConfigError
from scanner.git.repo import is_id
from scanner.model import Source


class Push(NamedTuple):
    """Revisions that are pushed, revisions that the remote has, and the remote's name if it has one."""

    tips: tuple[str, ...]
    known: tuple[str, ...]
    remote: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("remote", nargs="?", default="", metavar="REMOTE", help="the remote's name, as git gives it")
    parser.add_argument("url", nargs="?", default="", metavar="URL", help="the remote's address, as git gives it; not used")
    parser.set_defaults(target=".")
    add_common_options(parser)


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Scan, write the reports, return the exit code."""
    push = find_push(options.remote, environ, sys.stdin.buffer)

    def make(target: runner.Target, settings: Settings) -> Source:
        from scanner.sources.push import PushSource

        assert target.repository is not None  # find_target raises for this mode
        unborn = push.tips == ("HEAD",) and target.repository.head is None
        return PushSource(target.repository, settings.max_blob, () if unborn else push.tips, push.known, push.remote)

    return runner.scan_and_report(options, environ, "range", make)


def find_push(remote: str, environ: Mapping[str, str], stdin: BinaryIO) -> Push:
    """Return what is pushed, from pre-commit's variables or git's lines. Raises `ConfigError`."""
    new = environ.get("PRE_COMMIT_TO_REF") or environ.get("PRE_COMMIT_LOCAL_BRANCH")
    if new:
        # Without a from-ref: a first push of a whole history.
        old = environ.get("PRE_COMMIT_FROM_REF", "")
        return Push((new,), (old,) if old.strip("0") else (), environ.get("PRE_COMMIT_REMOTE_NAME", remote))
    if not environ.get("PRE_COMMIT") and not stdin.isatty():
        lines = stdin.read().splitlines()
        if lines:
            return parse_lines(lines, remote)
    return Push(("HEAD",), (), remote)


def parse_lines(lines: Iterable[bytes], remote: str) -> Push:
    """Return what git's lines `local-ref local-id remote-ref remote-id` tell (githooks(5), pre-push)."""
    tips, known = [], []
    for line in lines:
        # A local ref is whatever was typed before the colon, spaces included.
        words = line.decode("utf-8", "surrogateescape").rsplit(maxsplit=3)
        if len(words) != 4 or not is_id(words[1]) or not is_id(words[3]):
            raise ConfigError("standard input is not what git gives to a pre-push hook", "see githooks(5)")
        tips.append(words[1])
        known.append(words[3])
    return Push(_real(tips), _real(known), remote)


def _real(ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids without repetition and without the zeros that stand for no object: a deleted or new ref."""
    return tuple(id_ for id_ in dict.fromkeys(ids) if id_.strip("0"))
