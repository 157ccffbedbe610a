# SPDX-License-Identifier: Apache-2.0
"""KV, versions 1 and 2: which one it is the mount says, so a secret of version 1 may have a field called `data`.

A tree (`PATH/**`) is read secret by secret; its fields are called `sub/path/field`.
"""

from collections.abc import Iterator
from typing import Final

from scanner.broker.engines.values import below, check_options, missing, refuse_version, secrets_of
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Reply, Vault
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.model import Secret

MAX_TREE_SECRETS: Final = 200
MAX_TREE_DEPTH: Final = 10
_TREE: Final = "/**"


def needs(mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
    """Return what a read takes: `read` on the secret, `list` on the folder of a tree."""
    check_options(mount, request, ())
    if mount.version != 2:
        refuse_version(mount, request)
    if _is_tree(request):
        if request.version is not None:
            raise ConfigError(f"{request.path}: a tree has no version", "leave the version out")
        return ((_listing(mount, _folder(mount, request)), "list"),)
    return ((_api(mount, below(mount, request.path)), "read"),)


def read(vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
    """Read a secret, a given version of it, or a tree."""
    needs(mount, request)
    if _is_tree(request):
        return Lease(request.path, mount.type, _read_tree(vault, mount, request), None, 0, renewable=False, version=None)
    path = below(mount, request.path)
    values, reply = _read_one(vault, mount, path, request)
    # Version 1 states how long to cache a value, in the place of a lease's duration: nothing ends then.
    return Lease(request.path, mount.type, values, None, 0, renewable=False, version=_version(mount, reply))


def _read_one(vault: Vault, mount: Mount, path: str, request: SecretRequest) -> tuple[dict[str, Secret], Reply]:
    reply = vault.read(_api(mount, path), mount=mount.path, version=request.version)
    data = reply.data.get("data") if mount.version == 2 else reply.data
    if not reply.found or not isinstance(data, dict):
        raise _absent(mount, path, request, reply)
    return secrets_of(data, mount.path + path), reply


def _absent(mount: Mount, path: str, request: SecretRequest, reply: Reply) -> ConfigError:
    metadata = reply.data.get("metadata")
    what = f"{mount.path}{path}" + (f", version {request.version}," if request.version else "")
    if isinstance(metadata, dict) and metadata.get("destroyed") is True:
        return ConfigError(f"{what} was destroyed", "write it anew")
    if isinstance(metadata, dict) and metadata.get("deletion_time"):
        when = one_line(str(metadata["deletion_time"]))[:40]
        return ConfigError(f"{what} was deleted at {when}", "undelete it, write it anew, or ask for another version")
    hint = f"check the path; it stands below {mount.path}"
    if mount.version == 2 and path.partition("/")[0] in ("data", "metadata"):
        hint = f"write the path without {path.partition('/')[0]}/: the engine's version is known"
    elif request.version:
        hint = "the version may never have been, or was dropped for newer ones"
    return missing(mount, request, hint)


def _read_tree(vault: Vault, mount: Mount, request: SecretRequest) -> dict[str, Secret]:
    folder = _folder(mount, request)
    values: dict[str, Secret] = {}
    for count, path in enumerate(_walk(vault, mount, folder, 0)):
        if count >= MAX_TREE_SECRETS:
            raise ConfigError(f"{request.path} holds more than {MAX_TREE_SECRETS} secrets", "ask for a smaller tree")
        found, _ = _read_one(vault, mount, path, request)
        inner = path.removeprefix(folder).strip("/")
        values |= {f"{inner}/{field}": value for field, value in found.items()}
    if not values:
        raise missing(mount, request, "check the path; a tree is a folder that holds secrets")
    return values


def _walk(vault: Vault, mount: Mount, folder: str, depth: int) -> Iterator[str]:
    """Yield the paths of the secrets below a folder."""
    if depth > MAX_TREE_DEPTH:
        raise ConfigError(f"{mount.path}{folder} lies more than {MAX_TREE_DEPTH} folders deep", "ask for a smaller tree")
    for name in vault.list(_listing(mount, folder), mount=mount.path):
        path = f"{folder}/{name}".strip("/")
        if name.endswith("/"):
            yield from _walk(vault, mount, path, depth + 1)
        else:
            yield path


def _is_tree(request: SecretRequest) -> bool:
    return request.path.endswith(_TREE)


def _folder(mount: Mount, request: SecretRequest) -> str:
    return f"{request.path.removesuffix(_TREE)}/"[len(mount.path) :].strip("/")


def _api(mount: Mount, path: str) -> str:
    return f"{mount.path}data/{path}" if mount.version == 2 else f"{mount.path}{path}"


def _listing(mount: Mount, folder: str) -> str:
    return f"{mount.path}metadata/{folder}".rstrip("/") if mount.version == 2 else f"{mount.path}{folder}".rstrip("/")


def _version(mount: Mount, reply: Reply) -> int | None:
    metadata = reply.data.get("metadata")
    version = metadata.get("version") if mount.version == 2 and isinstance(metadata, dict) else None
    return version if isinstance(version, int) else None
