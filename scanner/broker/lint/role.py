# SPDX-License-Identifier: Apache-2.0
"""Roles of JWT, Kubernetes and AppRole auth methods, by what the server gives on a read: who can have them, and for how long.

What is known of the platforms' claims is in `_NAMES`, `_IDS` and `_WHICH_CODE`; a role that is bound to none
of them is for some other issuer, and is judged by the general checks alone.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from scanner.broker.lint.acl import Grant
from scanner.broker.lint.problems import Problem, show

Role = Mapping[str, Any]

# A name, and the ids that say for good whose it is.
_IDS: Final[Mapping[str, tuple[str, ...]]] = {
    "repository": ("repository_id", "repository_owner_id"),
    "repository_owner": ("repository_owner_id", "repository_id"),
    "project_path": ("project_id", "namespace_id"),
    "namespace_path": ("namespace_id", "project_id"),
    "organization_slug": ("organization_id", "pipeline_id"),
    "pipeline_slug": ("pipeline_id", "organization_id"),
    "enterprise": ("enterprise_id",),
    "user_login": ("user_id",),
    "actor": ("actor_id",),
}
_WHICH_CODE: Final = frozenset((
    "ref", "ref_path", "ref_protected", "environment", "environment_protected", "deployment_tier", "job_workflow_ref", "sha",
    "workflow_ref", "ci_config_ref_uri", "ci_config_sha", "build_branch", "build_tag", "branchName", "deploymentEnvironmentUuid",
))  # fmt: skip
_ONE_REPOSITORY: Final = frozenset((
    "repository", "repository_id", "project_path", "project_id", "pipeline_id", "pipeline_slug", "repositoryUuid",
    "oidc.circleci.com/project-id",
))  # fmt: skip
_PER_RUN: Final = frozenset((
    "jti", "sha", "run_id", "run_number", "run_attempt", "check_run_id", "job_id", "pipeline_iid", "build_number",
    "build_commit", "step_key", "stepUuid", "pipelineUuid", "iat", "exp", "nbf",
))  # fmt: skip
_PARTS: Final = re.compile(r"[:/]")
# Longer than any clock is off.
_MAX_LEEWAY_SECONDS: Final = 300
_SYSTEM_TTL: Final = "768 h, unless mount or server say otherwise"


def check_role(role: Role, grants: Sequence[Grant], max_ttl_seconds: int) -> Iterator[Problem]:
    """Yield what is wrong with a role; `grants` are those of its policies, as far as they are known."""
    if "bind_secret_id" in role:
        yield from _approle(role)
    elif "bound_service_account_names" in role:
        yield from _kubernetes(role)
    elif role.get("role_type") != "oidc":  # which is for people, who log in with a browser
        yield from _jwt(role)
    yield from _token(role, grants, max_ttl_seconds)


def _jwt(role: Role) -> Iterator[Problem]:
    claims = _claims(role)
    subject = str(role.get("bound_subject") or "")
    if not role.get("bound_audiences"):
        yield Problem(
            "role-no-audience", "bound_audiences", "[]", "a token that the issuer made for any other service gets this role",
            "set bound_audiences", "proven",
        )  # fmt: skip
    if not claims and not subject:
        yield Problem(
            "role-unbound", "bound_claims", "{}", "every token of the issuer gets this role, whosever job it is",
            "set bound_claims: repository_id, repository_owner_id, ref ...", "proven",
        )  # fmt: skip
    globs = role.get("bound_claims_type") == "glob"
    for name, values in claims.items():
        for value in values:
            yield from _glob(name, value) if globs else _literal(name, value)
    yield from _names(claims)
    if _is_platform(claims, subject) and not _says_which_code(claims, subject):
        yield Problem(
            "role-any-ref", "bound_claims", show(sorted(claims) or subject),
            "no claim says which branch, tag or environment: a pull request's code gets this role, too",
            "bind ref, ref_protected or environment", "medium",
        )  # fmt: skip
    user = str(role.get("user_claim") or "")
    if user in _PER_RUN:
        yield Problem(
            "role-user-per-run", "user_claim", user,
            f"{user} is another one in each run: each login makes an entity, and the list of clients grows for ever",
            "set user_claim to repository, project_path or the like",
        )  # fmt: skip
    for name in ("clock_skew_leeway", "expiration_leeway", "not_before_leeway"):
        seconds = _number(role, name)
        if seconds > _MAX_LEEWAY_SECONDS:
            reason = f"tokens are taken {seconds} s beyond what they say"
            yield Problem("role-leeway", name, str(seconds), reason, f"set {name} to 0, which means the default", "low")


def _claims(role: Role) -> dict[str, tuple[str, ...]]:
    """Return the bound claims, each with its values as texts."""
    bound = role.get("bound_claims")
    found = {}
    for name, value in (bound if isinstance(bound, dict) else {}).items():
        values = value if isinstance(value, list) else [value]
        found[str(name).lstrip("/")] = tuple(show(one) for one in values)
    return found


def _glob(name: str, value: str) -> Iterator[Problem]:
    if "*" not in value:
        return
    if _matches_anybody(name, value):
        yield Problem(
            "role-glob-anything", name, value, f"the glob over {name} matches what anybody can name so",
            "write the owner in full, and bind the ids", "proven",
        )  # fmt: skip
    elif name == "sub" or "*" in value[:-1]:
        reason = f"the * takes separators along: other repositories, refs or events fit {name}, too"
        yield Problem("role-glob-sub", name, value, reason, "bind the single claims instead", "high")


def _matches_anybody(name: str, value: str) -> bool:
    """Whether no owner stands before the first star: `*`, `*/app`, `repo:*`, `octo*` for an owner."""
    before = value.partition("*")[0]
    if name in ("sub", "job_workflow_ref", "workflow_ref", "ci_config_ref_uri"):
        parts = [part for part in _PARTS.split(before) if part]
        fixed = {"repo", "project_path", "organization", "pipeline", "repository_owner", "https", "http", "org"}
        # The last part is whole only where a separator stands behind it.
        whole = parts if before.endswith((":", "/")) else parts[:-1]
        return not [part for part in whole if part not in fixed and "." not in part]
    if name in ("repository", "project_path"):
        return "/" not in before
    return not before or name in ("repository_owner", "namespace_path", "organization_slug")


def _literal(name: str, value: str) -> Iterator[Problem]:
    if "*" in value:
        yield Problem(
            "role-glob-literal", name, value, "bound_claims_type is string, so only a claim with this very star fits",
            "set bound_claims_type to glob with a pattern that names the owner, or write the value in full", "proven",
        )  # fmt: skip


def _names(claims: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    for name, ids in _IDS.items():
        if name in claims and not any(one in claims for one in ids):
            yield Problem(
                "role-name-without-id", name, show(list(claims[name])),
                f"{name} is a name: once it is given up or renamed, somebody else's jobs get this role",
                f"bind {ids[0]} as well", "medium",
            )  # fmt: skip


def _is_platform(claims: Collection[str], subject: str) -> bool:
    return bool(set(claims) & {*_IDS, *_ONE_REPOSITORY, "repository_owner_id", "namespace_id"}) or subject.startswith(
        ("repo:", "project_path:", "organization:")
    )


def _says_which_code(claims: Mapping[str, Sequence[str]], subject: str) -> bool:
    texts = [subject, *claims.get("sub", ())]
    named = any(re.search(r":(ref|environment|ref_type):", text) or text.startswith("sc://") for text in texts)
    return named or bool(set(claims) & _WHICH_CODE)


def takes_many_repositories(role: Role) -> bool:
    """Whether jobs of more than one repository can have this JWT role, although it is bound to something."""
    claims = _claims(role)
    one = [values for name, values in claims.items() if name in _ONE_REPOSITORY]
    return bool(claims) and not role.get("bound_subject") and not any(len(v) == 1 and "*" not in v[0] for v in one)


def bound_names(role: Role) -> frozenset[str]:
    """Return the claims that a token surely has: those that are bound."""
    return frozenset(_claims(role))


def _kubernetes(role: Role) -> Iterator[Problem]:
    names, spaces = (
        set(role.get(f"bound_service_account_{what}") or ()) for what in ("names", "namespaces")
    )
    any_name = "*" in names
    any_space = "*" in spaces
    if any_name and any_space:
        reason = "every service account of the cluster gets this role"
        yield Problem("role-unbound", "bound_service_account_names", "*", reason, "name service account and namespace", "proven")
    elif any_name or any_space:
        key = "bound_service_account_names" if any_name else "bound_service_account_namespaces"
        whose = "every service account of its namespaces" if any_name else "a service account of this name in any namespace"
        yield Problem("role-glob-anything", key, "*", f"{whose} gets this role", "name them", "high")
    if not role.get("audience"):
        reason = "a token made for any other service gets this role"
        yield Problem("role-no-audience", "audience", "", reason, "set audience, and project tokens for it", "high")


def _approle(role: Role) -> Iterator[Problem]:
    bound = role.get("secret_id_bound_cidrs") or role.get("token_bound_cidrs")
    if role.get("bind_secret_id") is False and not bound:
        reason = "whoever knows the role's id gets it, without any secret"
        yield Problem("role-unbound", "bind_secret_id", "false", reason, "set bind_secret_id to true", "proven")
    elif not _number(role, "secret_id_ttl") and not _number(role, "secret_id_num_uses"):
        reason = "a secret id is good for ever and for any number of logins"
        yield Problem("role-secret-id", "secret_id_ttl", "0", reason, "set secret_id_ttl and secret_id_num_uses")


def _token(role: Role, grants: Sequence[Grant], max_ttl_seconds: int) -> Iterator[Problem]:
    policies = role.get("token_policies") or role.get("policies") or ()
    if "root" in policies:
        yield Problem("role-root-policy", "token_policies", "root", "the policy root allows everything", "name another", "proven")
    kind = str(role.get("token_type") or "")
    if kind in ("batch", "default-batch"):
        leases = [grant.path for grant in grants if "/creds/" in f"{grant.path}/" or grant.path.startswith("database/")]
        also = f"; leases of {leases[0]} live as long" if leases else ""
        reason = f"a batch token cannot be revoked, so nothing ends before its TTL{also}"
        yield Problem("role-batch-token", "token_type", kind, reason, "set token_type to service", "proven")
    elif role.get("token_no_default_policy") and not _may_end_itself(grants):
        reason = "without the default policy its holder can neither look at, renew nor revoke the token"
        remedy = "set token_no_default_policy to false, or allow auth/token/revoke-self"
        yield Problem("role-no-revoke", "token_no_default_policy", "true", reason, remedy)
    yield from _life(role, max_ttl_seconds)
    if not role.get("token_bound_cidrs"):
        reason = "a token that leaks is good from any address"
        yield Problem("role-no-cidr", "token_bound_cidrs", "[]", reason, "set it where the runners' addresses are known", "low")


def _may_end_itself(grants: Sequence[Grant]) -> bool:
    return any(grant.writes and grant.matches("auth/token/revoke-self") for grant in grants)


def _life(role: Role, max_ttl_seconds: int) -> Iterator[Problem]:
    period, ttl = _number(role, "token_period"), _number(role, "token_ttl")
    limit = _number(role, "token_explicit_max_ttl")
    remedy = f"set token_ttl to {min(max_ttl_seconds, 600)}"
    if period and not limit:
        reason = "a periodic token can be renewed for ever"
        yield Problem("role-long-ttl", "token_period", str(period), reason, "set token_period to 0, or token_explicit_max_ttl")
    elif not (ttl or period or limit or _number(role, "token_max_ttl")):
        yield Problem("role-long-ttl", "token_ttl", "0", f"tokens live for {_SYSTEM_TTL}", remedy)
    elif min(filter(None, (ttl or period, limit, _number(role, "token_max_ttl")))) > max_ttl_seconds:
        reason = f"tokens live for {ttl or period or limit} s where nobody revokes them; more than {max_ttl_seconds} s"
        yield Problem("role-long-ttl", "token_ttl", str(ttl), reason, remedy)


def _number(role: Role, name: str) -> int:
    """Return a number of seconds or uses; exported roles may have it as text (`600`, `10m`)."""
    value = role.get(name)
    if isinstance(value, int | float):
        return int(value)
    found = re.fullmatch(r"(\d{1,12})(s|m|h|d)?", value) if isinstance(value, str) else None
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2] or "s"] if found else 0
