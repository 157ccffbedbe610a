# SPDX-License-Identifier: Apache-2.0
"""age identities at hand, found where SOPS looks for them (getsops/sops `age/keysource.go`), and what they open.

Identities that stand behind a passphrase or in a plugin need somebody to ask; a gate has nobody, so they are left
alone and named in the reason.
"""

import os
import sys
from collections.abc import Mapping
from typing import Any, Final

from scanner.display import one_line, shorten
from scanner.errors import ConfigError
from scanner.sops.keyed.keyring.program import run_program
from scanner.sops.keyed.keyring.refusal import NoKey, WrongKey

_MAX_KEY_FILE: Final = 1 << 20
_SECONDS: Final = 30.0


class AgeKeys:
    """The age and SSH identities that an environment leads to; read when the first recipient asks."""

    def __init__(self, environ: Mapping[str, str], home: str) -> None:
        self._environ = environ
        self._home = home
        # By the recipient that each stands for, so that a label can be held against what opens.
        self._identities: dict[str, Any] | None = None
        self._of_commands: dict[str, dict[str, Any]] = {}
        self._notes: list[str] = []

    def open(self, recipient: str, wrapped: str) -> bytes:
        """Return what is wrapped. Raises `NoKey`; `WrongKey` where the key is at hand and the file is wrong."""
        pyrage = _library()
        named = " ".join(recipient.split()[:2])  # without the comment of an SSH key
        identities = self._at_hand(named)
        try:
            return bytes(pyrage.decrypt(wrapped.encode(), [identities[named]] if named in identities else []))
        except (pyrage.DecryptError, UnicodeEncodeError):
            shown = shorten(one_line(named), 70)
        if named in identities:
            raise WrongKey(f"what is wrapped for {shown} does not open with its key")
        # SOPS tries every identity, so it would not notice that the label names somebody else.
        for identity in identities.values():
            try:
                pyrage.decrypt(wrapped.encode(), [identity])
            except (pyrage.DecryptError, UnicodeEncodeError):
                continue
            raise WrongKey(f"what is said to be wrapped for {shown} opens with another key")
        notes = "".join(f"; {note}" for note in self._notes)
        raise NoKey(f"age: no identity for {shown}{notes}")

    def _at_hand(self, recipient: str) -> dict[str, Any]:
        if self._identities is None:
            self._identities = {}
            self._load_ages(self._identities)
            self._load_ssh(self._identities)
        if recipient not in self._of_commands:
            self._of_commands[recipient] = self._ask_commands(recipient)
        return {**self._identities, **self._of_commands[recipient]}

    def _load_ages(self, found: dict[str, Any]) -> None:
        if text := self._environ.get("SOPS_AGE_KEY"):
            self._add_lines(found, text.split("\n"), "SOPS_AGE_KEY", words=True)
        if path := self._environ.get("SOPS_AGE_KEY_FILE"):
            self._add_lines(found, _lines(self._read(path, "SOPS_AGE_KEY_FILE")), "SOPS_AGE_KEY_FILE")
        path = os.path.join(self._config_folder(), "sops", "age", "keys.txt")
        if os.path.exists(path):
            self._add_lines(found, _lines(self._read(path, "keys.txt")), "keys.txt")

    def _load_ssh(self, found: dict[str, Any]) -> None:
        if path := self._environ.get("SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
            self._add_ssh(found, self._read(path, "SOPS_AGE_SSH_PRIVATE_KEY_FILE"), "SOPS_AGE_SSH_PRIVATE_KEY_FILE")
        for name in ("id_ed25519", "id_rsa"):
            path = os.path.join(self._home, ".ssh", name)
            if self._home and os.path.exists(path):
                self._add_ssh(found, self._read(path, name), name)

    def _ask_commands(self, recipient: str) -> dict[str, Any]:
        """Return what the user's own commands say, which SOPS tells which recipient it is about."""
        found: dict[str, Any] = {}
        if output := self._ask("SOPS_AGE_KEY_CMD", recipient):
            self._add_lines(found, _lines(output), "SOPS_AGE_KEY_CMD")
        if output := self._ask("SOPS_AGE_SSH_PRIVATE_KEY_CMD", recipient):
            self._add_ssh(found, output, "SOPS_AGE_SSH_PRIVATE_KEY_CMD")
        return found

    def _ask(self, variable: str, recipient: str) -> bytes:
        import shlex

        try:
            argv = shlex.split(self._environ.get(variable, ""))
        except ValueError:
            argv = [""]
        if not argv:
            return b""
        # SOPS splits into words and runs without a shell, too.
        ended = run_program(argv, {**self._environ, "SOPS_AGE_RECIPIENT": recipient}, b"", _SECONDS)
        if ended is None or ended[0]:
            self._note(f"{variable} failed")
            return b""
        return ended[1]

    def _add_lines(self, found: dict[str, Any], lines: list[str], where: str, *, words: bool = False) -> None:
        pyrage = _library()
        for line in lines:
            if line.startswith("#"):
                continue
            for text in line.split() if words else [line.strip()]:
                try:
                    identity = pyrage.x25519.Identity.from_str(text)
                except pyrage.IdentityError:
                    if text:
                        self._note(f"{where} holds what is no plain age identity")
                    continue
                found[str(identity.to_public())] = identity

    def _add_ssh(self, found: dict[str, Any], data: bytes, where: str) -> None:
        pyrage = _library()
        try:
            found[_ssh_recipient(data)] = pyrage.ssh.Identity.from_buffer(data)
        except (pyrage.IdentityError, ValueError, TypeError):
            self._note(f"{where} holds no SSH key that opens without a passphrase")

    def _read(self, path: str, where: str) -> bytes:
        try:
            with open(path, "rb") as stream:
                return stream.read(_MAX_KEY_FILE)
        except OSError:
            self._note(f"{where} cannot be read")
            return b""

    def _config_folder(self) -> str:
        if folder := self._environ.get("XDG_CONFIG_HOME"):
            return folder
        if sys.platform == "darwin":
            return os.path.join(self._home, "Library", "Application Support")
        return os.path.join(self._home, ".config")

    def _note(self, note: str) -> None:
        if note not in self._notes:
            self._notes.append(note)


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").splitlines()


def _ssh_recipient(data: bytes) -> str:
    """Return the public half as a recipient is written. Raises what the library does."""
    from cryptography.hazmat.primitives import serialization

    load = serialization.load_ssh_private_key if b"OPENSSH" in data[:40] else serialization.load_pem_private_key
    public = load(data, password=None).public_key()
    form = serialization.PublicFormat.OpenSSH
    return public.public_bytes(serialization.Encoding.OpenSSH, form).decode()


def _library() -> Any:
    try:
        import pyrage
    except ImportError:
        raise ConfigError("--mac needs the package pyrage", "pip install 'sealgate[sops]'") from None
    return pyrage
