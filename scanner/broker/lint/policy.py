# SPDX-License-Identifier: Apache-2.0
"""Policies of a job's role: whatever they allow beyond the secrets that the job reads."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from scanner.broker.lint.acl import Grant
from scanner.broker.lint.problems import Problem
from scanner.broker.lint.role import bound_names, takes_many_repositories

# What a path in use ends in that is a whole tree.
TREE: Final = "/**"
# Who can write here gives himself any policy.
_ADMIN: Final = (
    "sys/policies/acl/any", "sys/policy/any", "sys/auth/any", "sys/mounts/any", "sys/raw/any", "sys/plugins/catalog/auth/any",
    "auth/jwt/role/any", "auth/jwt/config", "auth/token/create", "auth/token/create-orphan", "auth/approle/role/any/secret-id",
    "identity/entity", "identity/group", "identity/entity-alias",
)  # fmt: skip
_OF_OTHERS: Final = (
    "sys/leases/revoke", "sys/leases/revoke/any", "sys/leases/revoke-prefix/any", "sys/leases/revoke-force/any",
    "auth/token/revoke", "auth/token/revoke-accessor", "auth/token/revoke-orphan",
)  # fmt: skip
_OWN: Final = ("sys/", "auth/", "identity/", "cubbyhole/")
_TEMPLATE: Final = re.compile(r"\{\{(.*?)\}\}")
_METADATA: Final = re.compile(r"identity\.entity\.aliases\.[^.]+\.metadata\.(\S+)")
# OpenBao's own: policy names of a role, filled in from the token's claims.
_CLAIM: Final = re.compile(r"\.\s*([\w-]+)")


def check_policy(grants: Sequence[Grant], used: Collection[str] = ()) -> Iterator[Problem]:
    """Yield what is wrong with a policy that jobs have; `used` are the API paths they ask for, empty where nobody says."""
    for grant in grants:
        if grant.allows:
            yield from _check_grant(grant)
            if used:
                yield from _compare(grant, used)


def _check_grant(grant: Grant) -> Iterator[Problem]:
    path = grant.path
    if re.fullmatch(r"\+?/?\*|\+(/\+)*(/\*)?", path):
        yield Problem("policy-everything", "path", path, "it matches every path of the server", "name the paths", "proven")
        return
    if "sudo" in grant.capabilities:
        reason = "sudo opens paths that are for the server's operators"
        yield Problem("policy-sudo", "path", path, reason, "take sudo out", "proven")
    if grant.writes and (found := _first(grant, _ADMIN)):
        reason = f"who may write to {found} can give himself any policy"
        yield Problem("policy-admin", "path", path, reason, "take it out of the job's policy", "high")
    elif grant.writes and (found := _first(grant, _OF_OTHERS)):
        reason = f"{found} ends tokens or leases of anybody whose id is known or guessed"
        yield Problem("policy-revokes-others", "path", path, reason, "take it out: revoke-self is enough", "high")
    elif _is_whole_mount(path) and not path.startswith(_OWN):
        reason = "all secrets of the mount can be read" if grant.reads else "everything in the mount is allowed"
        yield Problem("policy-whole-mount", "path", path, reason, "name a folder below the mount", "medium")


def _first(grant: Grant, paths: Sequence[str]) -> str:
    return next((path for path in paths if grant.matches(path)), "")


def _is_whole_mount(path: str) -> bool:
    """Whether nothing but wildcards stands behind the mount: `secret/*`, `secret/data/*`, `secret/+/*`, `kv*`."""
    mount, slash, rest = path.partition("/")
    if not slash:
        return mount.endswith("*")
    rest = rest.removeprefix("data/").removeprefix("metadata/")
    return bool(re.fullmatch(r"(\+/)*(\+|\*)", rest)) or (mount == "+" and "*" in rest)


def _compare(grant: Grant, used: Collection[str]) -> Iterator[Problem]:
    if grant.path.startswith(_OWN):
        return
    hits = [path for path in used if grant.matches(path)]
    if not hits:
        yield Problem("policy-unused", "path", grant.path, "none of the paths in use needs it", "take it out", "medium")
    elif (grant.path.endswith("*") or "+" in grant.path.split("/")) and not any(hit.endswith(TREE) for hit in hits):
        named = ", ".join(sorted(hits)[:3]) + (" ..." if len(hits) > 3 else "")
        yield Problem("policy-wider", "path", grant.path, f"it is used for {named} only", f"name {named}", "low")


def check_together(role: Mapping[str, Any], name: str, grants: Sequence[Grant]) -> Iterator[Problem]:
    """Yield what only role and policies together show: shared secrets, templates that a token may not fill."""
    if takes_many_repositories(role):
        shared = [grant.path for grant in grants if grant.reads and _is_shared(grant.path)]
        if shared:
            reason = f"jobs of several repositories have the role {name}, and all of them can read {shared[0]}"
            yield Problem("role-shared", "token_policies", shared[0], reason, "one role and policy a repository", "medium")
    known = bound_names(role)
    if role.get("token_policies_template_claims"):
        for policy in role.get("token_policies") or ():
            for claim in (found[1] for part in _TEMPLATE.findall(str(policy)) if (found := _CLAIM.search(part))):
                if claim not in known:
                    reason = f"a token without the claim {claim} cannot log in: the server answers 500"
                    yield Problem("role-template-claim", "token_policies", str(policy), reason, f"bind {claim}, too", "medium")
    mapped = set(map(str, (role.get("claim_mappings") or {}).values())) | {"role"}
    for grant in grants:
        for key in (found[1] for part in _TEMPLATE.findall(grant.path) if (found := _METADATA.search(part.strip()))):
            if key not in mapped and "bound_claims" in role:
                reason = f"no claim is mapped to the metadata {key}, so the path never matches for {name}"
                yield Problem("policy-template", "path", grant.path, reason, f"map a claim to {key} in claim_mappings", "medium")


def _is_shared(path: str) -> bool:
    return "{{" not in path and not path.startswith((*_OWN, "transit/", "pki/", "ssh/"))
