# SPDX-License-Identifier: Apache-2.0
"""A folder of files that make a run quicker and that nobody needs: what is not believed is as good as absent.

A file is named by its kind and by a digest of all that it was made from, begins with a seal over that name and its
content, and is written under another name and renamed. So what is damaged, cut short, older, or made for something else
is not found or not believed, and runs that write at once never show each other a half.

The seal is HMAC-SHA-256 with the key where there is one: then it does not matter who can write to the folder. Without a
key it is SHA-256, which tells damage but no forgery, so files are believed only where this user alone can have written
them, and not within a working tree, whose files are whoever's commit is checked out.
"""

import hashlib
import os
import re
import stat
import time
from collections.abc import Mapping
from typing import Final

from scanner.display import one_line
from scanner.errors import ConfigError

KEY_VARIABLE: Final = "SEALGATE_CACHE_KEY"
# Of either kind the newest are kept: rules change seldom, repositories with every push.
KINDS: Final[Mapping[str, int]] = {"verdicts": 8, "results": 32}
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_FOLDER_BYTES: Final = 256 * 1024 * 1024

_PREFIX: Final = b"sealgate-cache-1\0"
_SEAL_BYTES: Final = 32
_LEAST_KEY: Final = 16
_NAME: Final = re.compile(rf"(?:{'|'.join(KINDS)})-[0-9a-f]{{64}}")
_TEMPORARY: Final = re.compile(rf"\.{_NAME.pattern}\.[0-9a-f]{{16}}")
# Whoever is still writing after this time is not there any more.
_ABANDONED_SECONDS: Final = 3600
_READ_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class CacheFolder:
    """The files of one folder, under one key or without any; `notices` says for people why one was not used.

    An empty key is none that can be used: a pipeline gives it to whom it does not trust with the real one.
    """

    def __init__(self, path: str, key: bytes | None = None, worktree: str | None = None) -> None:
        self.notices: list[str] = []
        self._path = path
        self._key = key
        self._shown = one_line(path)
        self._usable = self._prepare(worktree)

    def read(self, kind: str, digest: str) -> bytes | None:
        """Return what was written for this digest; None where there is nothing that can be believed."""
        if not self._usable:
            return None
        name = self._name(kind, digest)
        path = os.path.join(self._path, name)
        try:
            with open(os.open(path, _READ_FLAGS), "rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode) or not (self._key or _is_private(status)):
                    self._tell(f"others may have written {name}")
                    return None
                content = stream.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._tell(f"{name} cannot be read: {error.strerror}")
            return None
        if not _is_equal(content[:_SEAL_BYTES], self._seal(name, memoryview(content)[_SEAL_BYTES:])):
            self._tell(f"{name} is damaged, or was not written with this key")
            return None
        _touch(path)
        return content[_SEAL_BYTES:]

    def write(self, kind: str, digest: str, content: bytes) -> None:
        """Write what `read` shall return for this digest; whatever goes wrong, the run goes on without."""
        if not self._usable or len(content) + _SEAL_BYTES > MAX_FILE_BYTES:
            return
        name = self._name(kind, digest)
        temporary = os.path.join(self._path, f".{name}.{os.urandom(8).hex()}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            self._tell(f"it cannot be written: {error.strerror}")
            return
        try:
            with open(descriptor, "wb") as stream:
                stream.write(self._seal(name, content))
                stream.write(content)
            os.replace(temporary, os.path.join(self._path, name))
        except OSError as error:
            _remove(temporary)
            self._tell(f"it cannot be written: {error.strerror}")
        self._tidy(name)

    def _prepare(self, worktree: str | None) -> bool:
        if self._key == b"":
            return self._tell(f"{KEY_VARIABLE} is empty")
        try:
            os.makedirs(self._path, mode=0o700, exist_ok=True)
            status = os.stat(self._path)
        except OSError as error:
            return self._tell(f"there can be no such folder: {error.strerror}")
        if not stat.S_ISDIR(status.st_mode):
            return self._tell("it is not a folder")
        if self._key:
            return True
        if not _is_private(status):
            return self._tell(f"others may write there: take that right from them, or set {KEY_VARIABLE}")
        if worktree is not None and _is_within(self._path, worktree):
            return self._tell(f"what is checked out stands beside it: name a folder elsewhere, or set {KEY_VARIABLE}")
        return True

    def _tell(self, why: str) -> bool:
        notice = f"cache {self._shown} not used: {why}"
        if notice not in self.notices:
            self.notices.append(notice)
        return False

    def _name(self, kind: str, digest: str) -> str:
        """Return the file's name; each key has names of its own, so that those without it do not push its files out."""
        return f"{kind}-{hashlib.sha256(self._seal(digest, b'')).hexdigest()}"

    def _seal(self, name: str, content: bytes | memoryview) -> bytes:
        prefix = _PREFIX + name.encode() + b"\0"
        if not self._key:
            digest = hashlib.sha256(prefix)
            digest.update(content)
            return digest.digest()
        import hmac

        keyed = hmac.new(self._key, prefix, "sha256")
        keyed.update(content)
        return keyed.digest()

    def _tidy(self, written: str) -> None:
        """Remove what is too much, the oldest first, and what a run that died left behind; nothing but files of ours."""
        found: list[tuple[bool, float, int, str]] = []
        now = time.time()
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    own, leftover = _NAME.fullmatch(entry.name), _TEMPORARY.fullmatch(entry.name)
                    status = entry.stat(follow_symlinks=False) if own or leftover else None
                    if status and own:
                        found.append((entry.name == written, status.st_mtime, status.st_size, entry.name))
                    elif status and now - status.st_mtime > _ABANDONED_SECONDS:
                        _remove(entry.path)
        except OSError:
            return
        room, left = MAX_FOLDER_BYTES, dict(KINDS)
        for _, _, size, name in sorted(found, reverse=True):
            kind = name.partition("-")[0]
            room -= size
            left[kind] -= 1
            if room < 0 or left[kind] < 0:
                _remove(os.path.join(self._path, name))


def open_cache(path: str, environ: Mapping[str, str], worktree: str | None = None) -> CacheFolder:
    """Return the cache in this folder, made where it is missing; `worktree` is the working tree that is scanned.

    Raises `ConfigError` for a key that could be guessed.
    """
    if KEY_VARIABLE not in environ:
        return CacheFolder(path, None, worktree)
    key = environ[KEY_VARIABLE].encode("utf-8", "surrogateescape")
    if 0 < len(key) < _LEAST_KEY:
        raise ConfigError(f"{KEY_VARIABLE} is too short for a key", f"at least {_LEAST_KEY} characters, made at random")
    return CacheFolder(path, key, worktree)


def _is_private(status: os.stat_result) -> bool:
    """Whether only this user can have written here; where there are no such rights, nobody can tell."""
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _is_within(path: str, worktree: str) -> bool:
    """Whether a commit could bring files to this path; it cannot to what is below `.git`."""
    top = os.stat(worktree)
    # As it is written too: a link on the way may be one of the commit's.
    for name in (os.path.realpath(path), os.path.abspath(path)):
        inner, below = name, ""
        while True:
            if os.path.samestat(os.stat(inner), top):
                if below.lower() != ".git":
                    return True
                break
            outer, below = os.path.split(inner)
            if outer == inner:
                break
            inner = outer
    return False


def _is_equal(given: bytes, wanted: bytes) -> bool:
    import hmac

    return hmac.compare_digest(given, wanted)


def _touch(path: str) -> None:
    """Note that a file was of use; where only reading is allowed its age stays."""
    try:
        os.utime(path)
    except OSError:
        return


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return
