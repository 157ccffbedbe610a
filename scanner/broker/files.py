# SPDX-License-Identifier: Apache-2.0
"""Secrets as files that nobody else can read, in memory where the system allows it, gone at the end.

One private directory a run, mode 0700, the files 0600. All is done relative to the open directory, so that a
symbolic link put in its place leads nowhere. A run that was killed leaves its directory behind: it holds a lock on
it while it lives, and the next run removes what nobody holds any more.
"""

import contextlib
import os
import secrets
import stat
import sys
import tempfile
import time
from collections.abc import Mapping
from typing import Final

from scanner.broker.names import check_file
from scanner.errors import ConfigError
from scanner.model import Secret

_PREFIX: Final = "sealgate-files-"
# statfs(2): tmpfs and ramfs. Neither has a disk beneath (tmpfs may be swapped).
_IN_MEMORY: Final = (0x01021994, 0x858458F6)
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Between making a directory and locking it, another run must not take it for abandoned.
_SETTLED_SECONDS: Final = 60.0


class PrivateFiles:
    """A private directory with secrets in it, from `with` to its end; `path` is what SEALGATE_FILES says.

    `in_memory` says that no disk holds them. Raises `ConfigError` where there is no place for them.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        parent, self.in_memory = private_parent(environ)
        _sweep(parent)
        self.path = os.path.join(parent, _PREFIX + secrets.token_hex(8))
        self._inodes: dict[str, int] = {}
        try:
            os.mkdir(self.path, 0o700)
            self._directory = os.open(self.path, _DIRECTORY)
        except OSError as error:
            raise ConfigError(f"no private directory can be made in {parent}: {error.strerror}", "set TMPDIR") from None
        _lock(self._directory)

    def write(self, files: Mapping[str, Secret]) -> None:
        """Write each secret to the file of its name. Raises `ConfigError`."""
        for name, secret in files.items():
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(check_file(name), flags, 0o600, dir_fd=self._directory)
                with open(descriptor, "wb") as stream:
                    os.fchmod(descriptor, 0o600)
                    self._inodes[name] = os.fstat(descriptor).st_ino
                    stream.write(secret.reveal())
            except OSError as error:
                raise ConfigError(f"the file {name} cannot be written: {error.strerror}", f"see {self.path}") from None

    def remove(self) -> str:
        """Remove the directory with all that is in it; return what went wrong, nothing if it is gone. May be called twice."""
        if self._directory < 0:
            return ""
        try:
            for name, inode in self._inodes.items():
                if not self.in_memory:
                    _overwrite(name, self._directory, inode)
            return _remove(self.path, self._directory)
        finally:
            os.close(self._directory)
            self._directory = -1


def private_parent(environ: Mapping[str, str]) -> tuple[str, bool]:
    """Return where the directory goes, and whether that is in memory."""
    for candidate in (environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm", environ.get("TMPDIR", "")):  # noqa: S108  private below it
        if os.path.isabs(candidate) and os.access(candidate, os.W_OK | os.X_OK) and _is_in_memory(candidate):
            return candidate, True
    return environ.get("TMPDIR") or tempfile.gettempdir(), False


def _is_in_memory(path: str) -> bool:
    """Ask statfs(2), whose structure begins with the type of the file system on all 64-bit Linux systems but s390x."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    answer = (ctypes.c_long * 64)()
    return ctypes.CDLL(None).statfs(os.fsencode(path), answer) == 0 and answer[0] in _IN_MEMORY


def _lock(directory: int) -> bool:
    """Take the lock that says that a directory is in use; the system gives it back when the process ends."""
    import fcntl

    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sweep(parent: str) -> None:
    """Remove what killed runs of this user have left behind."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(parent):
            if entry.name.startswith(_PREFIX):
                with contextlib.suppress(OSError):
                    _sweep_one(entry.path)


def _sweep_one(path: str) -> None:
    directory = os.open(path, _DIRECTORY)
    try:
        about = os.fstat(directory)
        settled = time.time() - about.st_ctime > _SETTLED_SECONDS
        if about.st_uid == os.geteuid() and settled and _lock(directory):
            _remove(path, directory)
    finally:
        os.close(directory)


def _overwrite(name: str, directory: int, inode: int) -> None:
    """Write zeros over a file of ours, if it still is the one that was made, with no other name."""
    with contextlib.suppress(OSError):
        descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
        try:
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and about.st_ino == inode and about.st_nlink == 1:
                os.write(descriptor, bytes(about.st_size))
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: str, directory: int) -> str:
    """Empty an open directory, links unfollowed, and remove it if it still is the one at its path."""
    import shutil

    failed: list[str] = []
    for name in os.listdir(directory):
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)
        except OSError as error:
            failed.append(error.strerror or type(error).__name__)
    try:
        if os.stat(path, follow_symlinks=False).st_ino == os.fstat(directory).st_ino:
            os.rmdir(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        failed.append(error.strerror or type(error).__name__)
    return "; ".join(dict.fromkeys(failed))
