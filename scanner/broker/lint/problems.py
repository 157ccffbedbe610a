# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with roles and policies, and how it is told: as findings, like everything else that Sealgate finds."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from scanner.display import one_line, shorten
from scanner.model import Confidence, Finding, Location, Provenance, RuleInfo, Secret, Severity
from scanner.triage import fingerprint

_SEE: Final = "https://openbao.org/docs/auth/jwt/"
_SEE_POLICIES: Final = "https://openbao.org/docs/concepts/policies/"


class Document(NamedTuple):
    """A role or a policy. `path` is that of the API or of its file; `text` is the file's, empty for a server's."""

    path: str
    name: str
    text: str = ""


class Problem(NamedTuple):
    """One thing wrong: `key` is the setting it is about, `shown` what stands there, `remedy` what mends it."""

    rule: str
    key: str
    shown: str
    reason: str
    remedy: str
    confidence: Confidence = "high"


def _rule(id_: str, name: str, severity: Severity, help_: str, see: str = _SEE) -> tuple[str, RuleInfo]:
    return id_, RuleInfo(id_, name, severity, "broker", help_, (see,))


RULES: Final[Mapping[str, RuleInfo]] = dict((
    _rule("role-unbound", "Role that anybody can have", "critical",
          "Bind the role to claims that only your jobs have: bound_claims with repository and owner by id, and bound_audiences"),
    _rule("role-glob-anything", "Glob that matches anything", "critical",
          "A glob's * takes / and : along; write the value in full, or bind another claim that has no such characters"),
    _rule("role-glob-sub", "Glob over a subject of several parts", "high",
          "Bind the single claims (repository_id, ref, environment) instead of a pattern over sub, whose parts others choose"),
    _rule("role-glob-literal", "Star that is no glob", "medium",
          "Set bound_claims_type to glob, or write the value in full: in a string a star stands for itself"),
    _rule("role-no-audience", "Role without an audience", "high",
          "Set bound_audiences to an address of your own, and request tokens for it: tokens meant for others then do not work"),
    _rule("role-name-without-id", "Names without ids", "medium",
          "Bind the id too (repository_id and repository_owner_id, project_id and namespace_id): a name that is given up can be "
          "taken by somebody else"),
    _rule("role-any-ref", "Role for any branch, pull requests too", "medium",
          "Bind ref, ref_protected, environment or job_workflow_ref, so that not every branch and pull request gets the secrets"),
    _rule("role-user-per-run", "One entity for each run", "medium",
          "Set user_claim to something that stays: repository, project_path, sub of a service account"),
    _rule("role-batch-token", "Tokens that cannot be revoked", "medium",
          "Set token_type to service: a batch token lives to its end, whatever happens"),
    _rule("role-no-revoke", "Tokens that may not revoke themselves", "medium",
          "Set token_no_default_policy to false, or allow update on auth/token/revoke-self in a policy"),
    _rule("role-long-ttl", "Tokens that live long", "medium",
          "Set token_ttl to some minutes: the broker renews while the job runs; token_explicit_max_ttl ends it in any case"),
    _rule("role-no-cidr", "Tokens good from anywhere", "low",
          "Set token_bound_cidrs to your runners' addresses where they are known"),
    _rule("role-leeway", "Expired tokens accepted", "low",
          "Leave clock_skew_leeway, expiration_leeway and not_before_leeway at their defaults"),
    _rule("role-root-policy", "Role with the root policy", "critical",
          "Give the role a policy with the paths that its jobs need"),
    _rule("role-shared", "Jobs that can read one another's secrets", "medium",
          "One role a repository, or paths that hold the entity's metadata ({{identity.entity.aliases...}})", _SEE_POLICIES),
    _rule("role-template-claim", "Policy name from a claim that may be absent", "medium",
          "Bind the claim too: a token without it cannot log in, and the server answers 500"),
    _rule("role-secret-id", "Secret id that lives for ever", "medium",
          "Set secret_id_ttl and secret_id_num_uses: a secret id without an end is a password in a file",
          "https://openbao.org/docs/auth/approle/"),
    _rule("policy-everything", "Policy for everything", "critical",
          "Name the paths that the job needs, from the mount on", _SEE_POLICIES),
    _rule("policy-admin", "Policy that can make itself larger", "critical",
          "A job's policy has nothing to write under sys/, auth/ and identity/", _SEE_POLICIES),
    _rule("policy-sudo", "Policy with sudo", "high", "Leave sudo out: no job needs it", _SEE_POLICIES),
    _rule("policy-revokes-others", "Policy that can end what others got", "high",
          "Leave it out: revoke-self ends the job's own token and all its leases", _SEE_POLICIES),
    _rule("policy-whole-mount", "Policy for a whole mount", "medium",
          "Name the folder of the team or job below the mount", _SEE_POLICIES),
    _rule("policy-template", "Path with metadata that nobody sets", "medium",
          "Map the claim in the role's claim_mappings, or the path never matches", _SEE_POLICIES),
    _rule("policy-unused", "Path that is not used", "medium", "Take the path out of the policy", _SEE_POLICIES),
    _rule("policy-wider", "Path wider than what is used", "low", "Name the paths that are used", _SEE_POLICIES),
))  # fmt: skip


def finding_of(problem: Problem, document: Document) -> Finding:
    """Return the finding; its fingerprint depends on rule, document and setting, not on where it stands in a file."""
    path = document.path.encode("utf-8", "surrogateescape")
    place = Provenance("file" if document.text else "server")
    shown = shorten(one_line(problem.shown), 120)
    identity = "\0".join([problem.rule, document.name, problem.key, problem.shown]).encode("utf-8", "surrogatepass")  # noqa: FLY002
    return Finding(
        rule=RULES[problem.rule],
        confidence=problem.confidence,
        reason=one_line(problem.reason),
        path=path,
        location=_locate(document.text, problem),
        fingerprint=fingerprint("broker", identity),
        secret=Secret(b""),
        redacted=shown,
        excerpt=shorten(one_line(f"{problem.key} = {problem.shown}" if problem.key else problem.shown), 200),
        blob=None,
        provenance=place,
        first=place,
        remedy=one_line(problem.remedy),
    )


def _locate(text: str, problem: Problem) -> Location:
    """Return where the setting stands in a file; its first line where it does not, and for a server's document."""
    for words in (problem.shown, problem.key):
        found = re.search(f'"{re.escape(words)}"', text) if words else None
        if found:
            line = text.count("\n", 0, found.start()) + 1
            column = found.start() - text.rfind("\n", 0, found.start())
            return Location(line, column, line, column + len(found[0]))
    return Location(1, 1, 1, 2)


def show(value: Any) -> str:
    """Return a setting's value for people."""
    return value if isinstance(value, str) else json.dumps(value)
