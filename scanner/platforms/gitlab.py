# SPDX-License-Identifier: Apache-2.0
"""GitLab CI: the tokens that `id_tokens:` defines stand in variables of the job's own naming.

https://docs.gitlab.com/ci/secrets/id_token_authentication/
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.token import from_variable, looks_like_token
from scanner.platforms.vocabulary import Claims, ref_type, runner_kind, text, truth
from scanner.transport import Deadline, Transport

# Names in use, ours first; any other is found by its end.
_NAMES: Final = ("SEALGATE_ID_TOKEN", "VAULT_ID_TOKEN", "OPENBAO_ID_TOKEN", "BAO_ID_TOKEN")

# Pipelines that only somebody who may push to the project can start.
_OWN_EVENTS: Final = frozenset(("push", "web", "schedule", "api", "trigger", "pipeline"))


class GitLab(Platform):
    """Jobs of GitLab CI."""

    NAME = "gitlab"
    scrub = (*_NAMES, "CI_JOB_TOKEN", "CI_JOB_JWT", "CI_JOB_JWT_V1", "CI_JOB_JWT_V2", "CI_REGISTRY_PASSWORD")

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a job of GitLab CI."""
        return environ.get("GITLAB_CI") == "true"

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Return the token of the first variable in use, or of the only one whose name ends in `_ID_TOKEN`."""
        for name in _NAMES:
            if environ.get(name):
                return from_variable(environ, name)
        found = [name for name in environ if name.endswith("_ID_TOKEN") and looks_like_token(environ[name])]
        if len(found) == 1:
            return from_variable(environ, found[0])
        if found:
            raise ConfigError(f"the job has several identity tokens: {', '.join(sorted(found))}", "choose with --token-env NAME")
        wanted = f" {{aud: {audience}}}" if audience else " {aud: ...}"
        raise ConfigError("the job has no identity token", f"define 'id_tokens: SEALGATE_ID_TOKEN:{wanted}' in the job")

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the instance's own address, which is its issuer."""
        return (environ.get("CI_SERVER_URL", "https://gitlab.com").rstrip("/"),)

    def issued(self, issuer: str) -> bool:
        """Whether it is gitlab.com; a self-managed instance can have any address."""
        return issuer == "https://gitlab.com"

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token.

        Since GitLab 18.2.2 `project_*` names the fork in a merge request's pipeline, whose code it is.
        """
        ref = _full_ref(claims)
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            repository=text(claims, "project_path"),
            repository_id=text(claims, "project_id"),
            owner=text(claims, "namespace_path"),
            owner_id=text(claims, "namespace_id"),
            ref=ref,
            ref_type=ref_type(ref),
            protected=truth(claims, "ref_protected"),
            environment=text(claims, "environment"),
            event=text(claims, "pipeline_source"),
            from_fork=_from_fork(claims),
            workflow=text(claims, "ci_config_ref_uri"),
            actor=text(claims, "user_login"),
            actor_id=text(claims, "user_id"),
            runner=runner_kind(claims),
            raw=claims,
        )


def _full_ref(claims: Mapping[str, Any]) -> str | None:
    """`ref` is short; `ref_path` is there since 16.0."""
    ref = text(claims, "ref_path")
    short = text(claims, "ref")
    if ref or not short or claims.get("pipeline_source") == "merge_request_event":
        return ref
    folder = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(str(claims.get("ref_type")))
    return folder + short if folder else None


def _from_fork(claims: Mapping[str, Any]) -> bool | None:
    """`job_project_id` (18.4) is where the job runs, `project_id` whose code it runs."""
    where, whose = text(claims, "job_project_id"), text(claims, "project_id")
    if where and whose:
        return where != whose
    return False if text(claims, "pipeline_source") in _OWN_EVENTS else None
