# SPDX-License-Identifier: Apache-2.0
"""Why a job's token does not fit a role, or a policy: wanted, got, and what to change, claim by claim.

A role of the JWT auth method is compared as the server's plugin compares it (OpenBao 2.7, Vault's plugin of 2026),
in the order in which it looks; a role of the Kubernetes method by its service account. The server stops at the
first fault and says little of it: here all of them are told, with the trap that is behind most.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from scanner.broker.claims import Claims
from scanner.broker.identity import Identity, audiences_of
from scanner.broker.policy import ABSENT, Policy
from scanner.display import log_safe, shorten

Verdict = Literal["ok", "wrong", "note"]

_LEEWAY_SECONDS: Final = 60
# GitHub's form for repositories made, renamed or transferred since 15 July 2026: names with ids behind them.
_IMMUTABLE: Final = re.compile(r"repo:([^/@:]+)@(\d+)/([^/@:]+)@(\d+):(.*)", re.DOTALL)
_FORMER: Final = re.compile(r"repo:[^/@:]+/[^/@:]+(:.*)?", re.DOTALL)
# Claims that name the project whose code runs since GitLab 18.2.2, and where the job runs since 18.4.
_GITLAB_FORK: Final = {
    "project_id": "job_project_id",
    "project_path": "job_project_path",
    "namespace_id": "job_namespace_id",
    "namespace_path": "job_namespace_path",
}


class Line(NamedTuple):
    """One thing that was compared. `change` says what to do about it, where there is something; all fit to be shown."""

    about: str
    wanted: str
    got: str
    verdict: Verdict
    change: str = ""


def explain_policy(policy: Policy, claims: Claims, role: str) -> list[Line]:
    """Compare a token with the entries of a policy for a role; one that holds makes the others notes."""
    decision = policy.decide(claims, role)
    entries = [entry for entry in policy.entries if entry.roles.holds(role.lower())]
    if not entries:
        return [Line("policy", f"an entry for the role {log_safe(role)}", "none", "wrong", decision.reasons[0])]
    lines = []
    for entry in entries:
        failing: Verdict = "note" if decision.entry or decision.audited else "wrong"
        for one in entry.compare(claims):
            change = "" if one.holds else _policy_change(one.name, one.got)
            lines.append(Line(f"{entry.name}: {one.name}", one.wanted, one.got, "ok" if one.holds else failing, change))
    return lines


def _policy_change(name: str, got: str) -> str:
    if name == "from_fork" and got == ABSENT:
        return "the token does not say whether a fork is behind it: 'forks: unknown' lets it in"
    if name == "from_fork":
        return "a fork's code runs in this job: it gets nothing, unless 'forks: allow' is what you want"
    if got == ABSENT:
        return "the token does not say it, and what is absent never holds"
    return ""


def explain_role(
    role: Mapping[str, Any], identity: Identity, where: str, config: Mapping[str, Any] | None, now: float
) -> list[Line]:
    """Compare a token with a role as the server keeps it; `where` is `auth/MOUNT/role/NAME`.

    `config` is the mount's configuration where that could be read. Nothing is believed or checked of the signature.
    """
    if "bound_service_account_names" in role:
        return _explain_kubernetes(role, identity.claims)
    claims = identity.claims
    lines = [_role_type(role, where)]
    if config is not None:
        lines += [*_issuer(config, identity), *_algorithm(config, identity)]
    lines += [
        *_times(claims, now),
        *_audience(role, identity, where),
        *_subject(role, claims, where),
        _user_claim(role, claims, where),
        *_groups(role, claims),
        *_bound_claims(role, claims, where),
        *_metadata(role, claims),
    ]
    cidrs = role.get("token_bound_cidrs")
    if cidrs:
        change = "from elsewhere the server says only 'permission denied'"
        lines.append(Line("token_bound_cidrs", _listed(cidrs), "not known here", "note", change))
    return lines


def _role_type(role: Mapping[str, Any], where: str) -> Line:
    kind = str(role.get("role_type") or "oidc")
    if kind == "jwt":
        return Line("role_type", "jwt", "jwt", "ok")
    change = f"oidc is for people with a browser, and the default: write {where} with role_type=jwt"
    return Line("role_type", "jwt", log_safe(kind), "wrong", change)


def _issuer(config: Mapping[str, Any], identity: Identity) -> list[Line]:
    wanted = config.get("bound_issuer")
    if not isinstance(wanted, str) or not wanted:
        return []
    got = identity.issuer
    if got == wanted:
        return [Line("issuer", _shown(wanted), _shown(got), "ok")]
    change = "they differ in the final slash only: write bound_issuer as the token has it"
    if got.rstrip("/") != wanted.rstrip("/"):
        change = "this mount is another platform's: log in at the mount that is set up for the token's issuer"
    return [Line("issuer", _shown(wanted), _shown(got), "wrong", change)]


def _algorithm(config: Mapping[str, Any], identity: Identity) -> list[Line]:
    wanted = config.get("jwt_supported_algs")
    if not isinstance(wanted, list) or not wanted:
        return []
    got = identity.header.get("alg")
    if got in wanted:
        return [Line("algorithm", _listed(wanted), _shown(got), "ok")]
    change = "add it to the mount's jwt_supported_algs, if it is one to trust"
    return [Line("algorithm", _listed(wanted), _shown(got), "wrong", change)]


def _times(claims: Mapping[str, Any], now: float) -> list[Line]:
    end = claims.get("exp")
    if not isinstance(end, int | float) or end + _LEEWAY_SECONDS > now:
        return []
    over = f"over since {now - max(end, 0):.0f} s"
    return [Line("exp", "not over yet", over, "wrong", "get a fresh token, and log in soon after")]


def _audience(role: Mapping[str, Any], identity: Identity, where: str) -> list[Line]:
    wanted, got = role.get("bound_audiences") or [], identity.audiences
    if not got and not wanted:
        return []
    if not wanted:
        change = f"write {where} with bound_audiences={_shown(got[0])}: without any, no token that has an audience is taken"
        return [Line("audience", ABSENT, _listed(got), "wrong", change)]
    if set(got) & set(wanted):
        return [Line("audience", _listed(wanted), _listed(got), "ok")]
    change = f"ask the platform for a token with --audience {_shown(wanted[0])}"
    if {_loose(one) for one in got} & {_loose(str(one)) for one in wanted}:
        change = "they differ in a final slash or in case, and have to be the same: " + change
    return [Line("audience", _listed(wanted), _listed(got), "wrong", change)]


def _subject(role: Mapping[str, Any], claims: Mapping[str, Any], where: str) -> list[Line]:
    wanted = role.get("bound_subject")
    if not isinstance(wanted, str) or not wanted:
        return []
    got = claims.get("sub")
    if got == wanted:
        return [Line("bound_subject", _shown(wanted), _shown(got), "ok")]
    if "*" in wanted:
        change = f"bound_subject knows no *: write {where} with bound_claims_type=glob and sub among bound_claims"
    else:
        change = _near("sub", wanted, got, claims)
    return [Line("bound_subject", _shown(wanted), _shown(got), "wrong", change)]


def _user_claim(role: Mapping[str, Any], claims: Mapping[str, Any], where: str) -> Line:
    name = str(role.get("user_claim") or "")
    value = find_claim(claims, name) if role.get("user_claim_json_pointer") else claims.get(name)
    wanted = f"the claim {_shown(name)}"
    if isinstance(value, str):
        return Line("user_claim", wanted, _shown(value), "ok")
    if value is not None:
        return Line("user_claim", wanted, _shown(value), "wrong", f"it has to be text: write {where} with another user_claim")
    change = f"write {where} with a user_claim that the token has" + _suggestion(name, claims)
    if name.startswith("/") and not role.get("user_claim_json_pointer"):
        change = f"write {where} with user_claim_json_pointer=true, or the slash is part of the name"
    return Line("user_claim", wanted, ABSENT, "wrong", change)


def _groups(role: Mapping[str, Any], claims: Mapping[str, Any]) -> list[Line]:
    name = role.get("groups_claim")
    if not name:
        return []
    value = find_claim(claims, str(name))
    items = value if isinstance(value, list) else [value]
    if value is not None and all(isinstance(item, str) for item in items):
        return [Line("groups_claim", f"texts in {_shown(name)}", _shown(value), "ok")]
    change = "take groups_claim out of the role, or name another"
    return [Line("groups_claim", f"texts in {_shown(name)}", _shown(value), "wrong", change)]


def _metadata(role: Mapping[str, Any], claims: Mapping[str, Any]) -> list[Line]:
    lines = []
    for name in role.get("claim_mappings") or {}:
        value = find_claim(claims, name)
        if value is not None and not isinstance(value, str):
            change = "only texts can be mapped: take it out"
            lines.append(Line(f"claim_mappings {_shown(name)}", "text", _shown(value), "wrong", change))
    return lines


def _bound_claims(role: Mapping[str, Any], claims: Mapping[str, Any], where: str) -> list[Line]:
    globs = role.get("bound_claims_type") == "glob"
    return [_bound_claim(name, wanted, claims, where, globs=globs) for name, wanted in (role.get("bound_claims") or {}).items()]


def _bound_claim(name: str, wanted: Any, claims: Mapping[str, Any], where: str, *, globs: bool) -> Line:
    value = find_claim(claims, name)
    expected, got = (item if isinstance(item, list) else [item] for item in (wanted, value))
    about, shown = f"bound_claims {_shown(name)}", _listed(expected)
    if value is None:
        return Line(about, shown, ABSENT, "wrong", "the token does not have this claim" + _suggestion(name, claims))
    if globs and not all(isinstance(one, str) for one in expected):
        return Line(about, shown, _shown(value), "wrong", f"a glob has to be text: write it in quotes in {where}")
    if any(_same(one, other, globs=globs) for one in expected for other in got):
        return Line(about, shown, _shown(value), "ok")
    if not globs and any(isinstance(one, str) and "*" in one for one in expected):
        change = f"a * stands for itself while bound_claims_type is string: write {where} with bound_claims_type=glob"
        return Line(about, shown, _shown(value), "wrong", change)
    return Line(about, shown, _shown(value), "wrong", _near(name, expected[0] if expected else None, value, claims))


def _same(wanted: Any, got: Any, *, globs: bool) -> bool:
    """Compare as the plugin does: types count, numbers are cut to whole ones, a glob knows `*` only."""
    if globs:
        pattern = ".*".join(map(re.escape, str(wanted).split("*")))
        return isinstance(got, str) and re.fullmatch(pattern, got, re.DOTALL) is not None
    if isinstance(got, float):
        got = int(got)
    return type(wanted) is type(got) and bool(wanted == got)


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by a JSON pointer (RFC 6901) where it begins with a slash; None where it is not."""
    if not name.startswith("/"):
        return claims.get(name)
    found: Any = claims
    for step in name[1:].split("/"):
        step = step.replace("~1", "/").replace("~0", "~")  # noqa: PLW2901  unescaped as RFC 6901 says, in this order
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step) < len(found):
            found = found[int(step)]
        else:
            return None
    return found


def _near(name: str, wanted: Any, got: Any, claims: Mapping[str, Any]) -> str:
    """Say what is behind a value that differs: the known traps, the likeliest first."""
    if not isinstance(got, list) and type(wanted) is not type(got) and str(wanted).lower() == str(got).lower():
        return f"the token has {_kind(got)}, the role {_kind(wanted)}: write it in the role as {_kind(got)}"
    if not isinstance(wanted, str) or not isinstance(got, str):
        return "change the role, if this job is one that should have it"
    if name == "sub":
        return _near_subject(wanted, got)
    where = claims.get(_GITLAB_FORK.get(name, ""))
    if where is not None and where != got:
        return (
            f"a fork's code runs here: since GitLab 18.2.2 {name} names the fork, and {_GITLAB_FORK[name]} where the job runs; "
            "a fork should not have the role"
        )
    if wanted.lower() == got.lower():
        return "they differ in case, and have to be the same"
    if got.endswith("/" + wanted) or wanted.endswith("/" + got):
        return f"one of them is not the full name: the token has {_shown(got)}"
    if wanted.strip() == got.strip() or wanted.rstrip("/") == got.rstrip("/"):
        return "they differ in white space or in a final slash, and have to be the same"
    return "change the role, if this job is one that should have it"


def _near_subject(wanted: str, got: str) -> str:
    found = _IMMUTABLE.fullmatch(got)
    if found and _FORMER.fullmatch(wanted):
        return (
            "GitHub writes ids into the subject of repositories made, renamed or transferred since 15 July 2026: "
            f"bind repository_id={found[4]} and repository_owner_id={found[2]} instead of the subject"
        )
    if _IMMUTABLE.fullmatch(wanted) and got.startswith("repo:"):
        return "the repository still has the subject without ids: bind repository_id and repository_owner_id instead"
    if ":environment:" in got and (":ref:" in wanted or wanted.endswith(":pull_request")):
        return "the job names an environment, which stands in the subject in place of the ref: bind ref by its own claim"
    if ":environment:" in wanted and ":environment:" not in got:
        return "the job names no environment: add it to the job"
    if got.endswith(":pull_request"):
        return "a pull request's job has no ref in its subject"
    if "%3A" in got:
        return "a colon within a value is written %3A"
    return "an organization may write its subjects in a form of its own; a claim such as repository_id is surer"


def _suggestion(name: str, claims: Mapping[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(name, [str(one) for one in claims], n=1)
    return f"; it has {_shown(close[0])}" if close else ""


def _explain_kubernetes(role: Mapping[str, Any], claims: Mapping[str, Any]) -> list[Line]:
    """Compare with a role of the Kubernetes method, whose lists may hold `*` and globs."""
    found = re.fullmatch(r"system:serviceaccount:([^:]*):([^:]*)", str(claims.get("sub")))
    namespace, name = found.groups() if found else (None, None)
    lines = []
    for about, got in (("bound_service_account_names", name), ("bound_service_account_namespaces", namespace)):
        wanted = role.get(about) or []
        holds = any(_same(one, got, globs=True) for one in wanted)
        change = "" if holds else "run the job as a service account that the role lets in, or add this one"
        lines.append(Line(about, _listed(wanted), _shown(got), "ok" if holds else "wrong", change))
    audience = role.get("audience")
    if audience:
        holds, got = audience in audiences_of(claims), _listed(audiences_of(claims))
        change = "" if holds else "project the token into the pod with this audience"
        lines.append(Line("audience", _shown(audience), got, "ok" if holds else "wrong", change))
    return lines


def _kind(value: object) -> str:
    kinds = {bool: "a truth value", str: "text", int: "a number", float: "a number"}
    return f"{kinds.get(type(value), 'something else')} ({_shown(value)})"


def _listed(values: Any) -> str:
    items = values if isinstance(values, list | tuple) else [values]
    return shorten(" or ".join(map(_shown, items)), 300) or ABSENT


def _loose(text: str) -> str:
    return text.rstrip("/").lower()


def _shown(value: object) -> str:
    """Return a value of a token or role as text for people, in JSON's notation where it is no text."""
    import json

    if value is None:
        return ABSENT
    return shorten(log_safe(value if isinstance(value, str) else json.dumps(value)), 200)
