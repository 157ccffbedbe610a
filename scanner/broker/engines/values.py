# SPDX-License-Identifier: Apache-2.0
"""What the engines share: values as secrets, paths below a mount, replies as leases."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Reply
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.model import Secret


def secret_of(value: Any, path: str) -> Secret:
    """Return a field's value as bytes: text as it stands, everything else as the JSON it came as."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return Secret(text.encode())
    except UnicodeEncodeError:
        raise ConfigError(f"a value at {path} is no text", "it holds half of a surrogate pair; store it in base64") from None


def secrets_of(data: Mapping[str, Any], path: str) -> dict[str, Secret]:
    """Return all fields of an answer as secrets."""
    return {name: secret_of(value, path) for name, value in data.items()}


def below(mount: Mount, path: str) -> str:
    """Return the part of a path below its mount."""
    rest = f"{path}/"[len(mount.path) :].strip("/")
    if not rest:
        raise ConfigError(f"{path} is a mount and no secret", "write the path below it, too")
    return rest


def lease_of(reply: Reply, mount: Mount, request: SecretRequest, values: Mapping[str, Secret]) -> Lease:
    """Return an answer's values with the answer's lease."""
    return Lease(request.path, mount.type, values, reply.lease_id, reply.ttl_seconds, reply.renewable, None)


def refuse_version(mount: Mount, request: SecretRequest) -> None:
    """Raise `ConfigError` where a version is asked of an engine that has none."""
    if request.version is not None:
        raise ConfigError(f"{request.path}: the {mount.type} engine at {mount.path} keeps no versions", "leave the version out")


def check_options(mount: Mount, request: SecretRequest, known: Collection[str]) -> None:
    """Raise `ConfigError` for an option that the engine would not understand, and so ignore."""
    for name in request.options:
        if name not in known:
            hint = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise ConfigError(f"{request.path}: the {mount.type} engine has no option {one_line(name)} here", hint)


def missing(mount: Mount, request: SecretRequest, hint: str) -> ConfigError:
    """Return the error for a path at which nothing is."""
    return ConfigError(f"there is nothing at {request.path} (mount {mount.path}, engine {mount.type})", hint)
