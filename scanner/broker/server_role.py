# SPDX-License-Identifier: Apache-2.0
"""A role as the server keeps it, and why it cannot be had where it cannot: mount, namespace, name or permission."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from scanner.broker.explain import Line
from scanner.display import log_safe
from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.model import Secret
from scanner.platforms.request import ask
from scanner.transport import Transport

_NAME: Final = re.compile(r"[\w.@~+-]+(/[\w.@~+-]+)*", re.ASCII)
_METHODS: Final = ("jwt", "oidc", "kubernetes")
_MAX_FILE_BYTES: Final = 1 << 20


class ServerRole(NamedTuple):
    """A role and its mount's configuration, None where they could not be read; `lines` says why."""

    role: Mapping[str, Any] | None
    config: Mapping[str, Any] | None
    lines: tuple[Line, ...] = ()


class RoleReader:
    """Reads roles with a token that may. Raises `UnavailableError`, `ConfigError`."""

    def __init__(self, transport: Transport, address: str, token: Secret, namespace: str = "") -> None:
        self._transport = transport
        self._address = address.rstrip("/")
        self._headers = {"X-Vault-Token": token.reveal().decode("utf-8", "replace").strip(), "X-Vault-Request": "true"}
        if namespace:
            self._headers["X-Vault-Namespace"] = namespace
        self._namespace = namespace

    def read(self, mount: str, role: str) -> ServerRole:
        """Return the role, or lines that say what is wrong with mount, namespace, name or the token that asks."""
        for what, name in (("mount", mount), ("role", role)):
            if not _NAME.fullmatch(name) or {".", ".."} & set(name.split("/")):
                raise ConfigError(f"{log_safe(name)!r} is no name of a {what}", "write it as Vault lists it")
        # Vault keeps roles in lower case and lowers what it is asked for at a login.
        status, data = self._get(f"auth/{mount}/role/{role.lower()}")
        if status == 200 and data is not None:
            return ServerRole(data, self._get(f"auth/{mount}/config")[1])
        return ServerRole(None, None, (self._missing(mount, role, status),))

    def _missing(self, mount: str, role: str, status: int) -> Line:
        if self._namespace and self._get("auth/token/lookup-self")[0] == 404:
            return Line("namespace", self._namespace, "not there", "wrong", "name the namespace in full, from the root")
        if self._get("auth/token/lookup-self")[0] == 403:
            raise DeniedError("the token that asks for the role is not good", "set VAULT_TOKEN or BAO_TOKEN, or use --role-file")
        listed, mounts = self._get("sys/auth")
        if listed == 200 and mounts is not None and f"{mount}/" not in mounts:
            kinds = {name: about.get("type") for name, about in mounts.items() if isinstance(about, dict)}
            known = ", ".join(log_safe(name.rstrip("/")) for name, kind in kinds.items() if kind in _METHODS)
            return Line("mount", f"auth/{mount}", "not there", "wrong", f"such mounts are: {known or 'none'}")
        if status == 403:
            change = f"let the token read auth/{mount}/role/{role.lower()}, or use --role-file; or the mount has another name"
            return Line("role", f"read auth/{mount}/role/{role.lower()}", "refused", "wrong", change)
        return Line("role", log_safe(role), "not there", "wrong", self._nearest(mount, role))

    def _nearest(self, mount: str, role: str) -> str:
        import difflib

        status, data = self._get(f"auth/{mount}/role?list=true")
        names = [str(name) for name in (data or {}).get("keys", [])] if status == 200 else []
        close = difflib.get_close_matches(role.lower(), names, n=1)
        if close:
            return f"did you mean {log_safe(close[0])}?"
        return f"roles at auth/{mount}: {', '.join(map(log_safe, names[:20]))}" if names else f"make it at auth/{mount}"

    def _get(self, path: str) -> tuple[int, Mapping[str, Any] | None]:
        response = ask(self._transport, "GET", f"{self._address}/v1/{path}", self._headers)
        if response.status >= 500 or response.status == 429:
            raise UnavailableError(f"the server does not answer for {path} ({response.status})", "it may be sealed; try again")
        if response.status != 200:
            return response.status, None
        document = response.json()
        data = document.get("data") if isinstance(document, dict) else None
        return 200, data if isinstance(data, dict) else None


def load_role(path: str) -> Mapping[str, Any]:
    """Return a role from a file: what `bao read -format=json` writes, or the role alone. Raises `ConfigError`."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MAX_FILE_BYTES)
        document = json.loads(data)
    except OSError as error:
        raise ConfigError(f"cannot read the role {path}: {error.strerror}", "check --role-file") from None
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = document["data"]
    if not isinstance(document, dict) or not document:
        raise ConfigError(f"{path} holds no role", "write it with 'bao read -format=json auth/jwt/role/NAME'")
    return document
