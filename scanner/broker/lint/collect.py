# SPDX-License-Identifier: Apache-2.0
"""Where roles and policies come from: the server, or files that were written by its own program. And what is found in them."""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scanner.broker.lint.acl import Grant, PolicyError, parse_policy
from scanner.broker.lint.policy import check_policy, check_together
from scanner.broker.lint.problems import Document, finding_of
from scanner.broker.lint.role import Role, check_role
from scanner.display import one_line
from scanner.errors import ConfigError, DeniedError
from scanner.model import Finding, Gap

if TYPE_CHECKING:
    from scanner.broker.vault import Vault

# What every token has unless its role says otherwise; it is the server's own and grants nothing of anybody's.
_DEFAULT: Final = "default"
_NOT_ACL: Final = frozenset(("root", _DEFAULT))
_MAX_FILE: Final = 16 << 20


class Collected(NamedTuple):
    """Roles and policies by name, each with its document; `gaps` is what could not be read."""

    roles: list[tuple[Document, Role]]
    policies: dict[str, tuple[Document, tuple[Grant, ...]]]
    gaps: list[Gap]
    notices: list[str]


def from_server(vault: "Vault", mounts: Sequence[str], names: Collection[str] = ()) -> Collected:
    """Read the roles of these auth mounts (all of them, or those named) and every policy that they name.

    Raises `DeniedError` where not even the list of roles may be read; a role or policy that may not is a gap.
    """
    found = Collected([], {}, [], [])
    for mount in mounts:
        where = f"auth/{mount.strip('/').removeprefix('auth/')}/role"
        wanted = names or vault.list(where)
        if not wanted:
            found.notices.append(f"{where} has no roles")
        for name in wanted:
            path = f"{where}/{name.lower()}"
            role = _read(vault, path, found.gaps)
            if role is not None:
                found.roles.append((Document(path, path), role))
    for _, role in found.roles:
        for name in _policies_of(role):
            if name not in found.policies and "{{" not in name:
                path = f"sys/policies/acl/{name}"
                policy = _read(vault, path, found.gaps)
                if policy is not None:
                    _add_policy(found, name, Document(path, path), str(policy.get("policy") or ""))
    return found


def _read(vault: "Vault", path: str, gaps: list[Gap]) -> Mapping[str, Any] | None:
    try:
        reply = vault.read(path)
    except DeniedError:
        gaps.append(Gap("unreadable", path, "the token may not read it"))
        return None
    if not reply.found:
        gaps.append(Gap("unreadable", path, "there is none of this name"))
        return None
    return reply.data


def _policies_of(role: Role) -> list[str]:
    named = role.get("token_policies") or role.get("policies") or ()
    texts = named.split(",") if isinstance(named, str) else [str(name) for name in named]
    return [name.strip() for name in texts if name.strip() not in _NOT_ACL]


def _add_policy(found: Collected, name: str, document: Document, text: str) -> None:
    try:
        found.policies[name] = (document, parse_policy(text))
    except PolicyError as error:
        found.gaps.append(Gap("unreadable", document.path, f"not understood as a policy: {error}"))


def from_files(role_files: Sequence[str], policy_files: Sequence[str]) -> Collected:
    """Read exported roles and policies; a policy is called like its file, without the ending.

    A role is what `bao read -format=json auth/jwt/role/NAME` writes, or the role alone, or an object of roles by name;
    a policy is HCL or JSON, or what `bao read -format=json sys/policies/acl/NAME` writes. Raises `ConfigError`.
    """
    found = Collected([], {}, [], [])
    for file in role_files:
        text = _text(file)
        for name, role in _roles_in(text, file):
            found.roles.append((Document(file, name, text), role))
    for file in policy_files:
        text = _text(file)
        _add_policy(found, _stem(file), Document(file, _stem(file), text), _policy_in(text))
    for document, role in found.roles:
        missing = [name for name in _policies_of(role) if name not in found.policies]
        if missing:
            found.notices.append(f"role {document.name}: policies not given and not checked: {', '.join(missing)}")
    return found


def _text(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {one_line(file)}: {error.strerror}", "check --role-file and --policy-file") from None
    if len(data) > _MAX_FILE:
        raise ConfigError(f"{one_line(file)} is too large", f"at most {_MAX_FILE >> 20} MiB are read")
    return data.decode("utf-8", "replace")


def _stem(file: str) -> str:
    return os.path.basename(file).rsplit(".", 1)[0]


def _roles_in(text: str, file: str) -> Iterator[tuple[str, Role]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("data"), dict):
        document = document["data"]
    if not isinstance(document, dict) or not document:
        raise ConfigError(f"{one_line(file)} holds no role", "write it with 'bao read -format=json auth/jwt/role/NAME'")
    if all(isinstance(value, dict) for value in document.values()):
        yield from document.items()
    else:
        yield str(document.get("name") or _stem(file)), document


def _policy_in(text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    data = document.get("data") if isinstance(document, dict) else None
    data = data if isinstance(data, dict) else document
    inner = data.get("policy") if isinstance(data, dict) else None
    return inner if isinstance(inner, str) else text


def findings_of(found: Collected, used: Collection[str], max_ttl_seconds: int) -> list[Finding]:
    """Return what is wrong, roles first, each with the policies that it names."""
    findings = []
    for document, role in found.roles:
        own = [found.policies[name][1] for name in _policies_of(role) if name in found.policies]
        grants = tuple(grant for policy in own for grant in policy)
        problems = [*check_role(role, grants, max_ttl_seconds), *check_together(role, document.name, grants)]
        findings += [finding_of(problem, document) for problem in problems]
    for document, grants in found.policies.values():
        findings += [finding_of(problem, document) for problem in check_policy(grants, used)]
    return findings


def used_paths(texts: Sequence[str]) -> list[str]:
    """Return the API paths that reads of these secrets may ask for; with KV v2 the engine puts `data/` in."""
    from scanner.broker.request import parse_path, parse_secret

    used = []
    for text in texts:
        path = parse_secret(text).path if "=" in text else parse_path(text)
        mount, _, rest = path.partition("/")
        used += [path, f"{mount}/data/{rest}", f"{mount}/metadata/{rest}"]
    return used
