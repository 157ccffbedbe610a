# SPDX-License-Identifier: Apache-2.0
"""Where a report goes: a file, whole or not at all, or a stream; a report that is lost fails the run."""

import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import Final, TextIO

from scanner.display import log_safe
from scanner.errors import ReportError

_STREAMS: Final = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
# Windows would write each line end as two characters.
_BINARY: Final[int] = getattr(os, "O_BINARY", 0)

Fill = Callable[[TextIO], None]


def write_report(target: str, fill: Fill, *, private: bool = False) -> None:
    """Have `fill` write the report to `target` (`-`: standard output); raise `ReportError` if that fails.

    A file is replaced whole: a reader sees the old one or the new one, and a failure leaves the old one. It
    keeps the old one's permissions, else has those of the umask, or of its owner alone if `private` (a report
    with secrets in it). What is not a file (a pipe, a device) is written as it comes.

    A symbolic link is replaced, not followed: reports are often written into the tree that was scanned, and
    a link planted there at the report's name must not choose which file of the user's is overwritten.
    """
    try:
        _dispatch(target, fill, private)
    except BrokenPipeError:
        raise ReportError(f"{_named(target)}: the reader closed it before the report was complete") from None
    except OSError as error:
        raise ReportError(
            f"{_named(target)}: the report cannot be written: {error.strerror or type(error).__name__}",
            "check that its directory exists, may be written to and is not full",
        ) from None


def _named(target: str) -> str:
    return "standard output" if target == "-" else log_safe(target)


def _dispatch(target: str, fill: Fill, private: bool) -> None:
    if "\0" in target:
        raise OSError(errno.EINVAL, "a name cannot hold a NUL character")
    descriptor = _descriptor(target)
    if descriptor == 1:
        _write_stdout(fill)
    elif descriptor is not None:
        # Not opened by its name: where it leads to a file, that would begin at the file's start again.
        _write_stream(os.dup(descriptor), fill)
    elif _is_special(target):
        _write_stream(os.open(target, os.O_WRONLY | _BINARY), fill)
    else:
        _replace(target, fill, private)


def _descriptor(target: str) -> int | None:
    """Return the open descriptor that `target` is a name of, so that `>(…)` of a shell works too."""
    if target in _STREAMS:
        return _STREAMS[target]
    for prefix in _DESCRIPTORS:
        number = target.removeprefix(prefix)
        if number != target and number.isascii() and number.isdigit():
            return int(number)
    return None


def _is_special(target: str) -> bool:
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a directory")
    return not (stat.S_ISREG(mode) or stat.S_ISLNK(mode))


def _write_stdout(fill: Fill) -> None:
    if sys.stdout is None:  # the process was started with it closed
        raise OSError(errno.EBADF, "it is closed")
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        # In a C locale a report must still come out, with an escape for what cannot be shown.
        reconfigure(errors="backslashreplace")
    try:
        fill(sys.stdout)
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
        raise


def abandon_stdout() -> None:
    """Send what is still buffered nowhere, or the interpreter fails on it again, loudly, at exit."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        pass


def _write_stream(descriptor: int, fill: Fill) -> None:
    with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as out:
        fill(out)


def _replace(target: str, fill: Fill, private: bool) -> None:
    directory = os.path.dirname(target)
    temporary = os.path.join(directory, f".sealgate-{os.urandom(8).hex()}.tmp")
    mode = _mode(target)
    # Never wider than it will be in the end, not even for a moment.
    creation_mode = mode if mode is not None else 0o600 if private else 0o666
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, creation_mode)
    try:
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as out:
            fill(out)
            out.flush()
            os.fsync(descriptor)
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _mode(target: str) -> int | None:
    """Return the permissions of the file that is there; a link's count for nothing."""
    try:
        mode = os.lstat(target).st_mode
    except FileNotFoundError:
        return None
    return stat.S_IMODE(mode) & 0o777 if stat.S_ISREG(mode) else None
