# SPDX-License-Identifier: Apache-2.0
"""Bitbucket Pipelines: a step with `oidc: true` has its token in a variable.

https://support.atlassian.com/bitbucket-cloud/docs/integrate-pipelines-with-resource-servers-using-oidc/
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.token import from_variable
from scanner.platforms.vocabulary import Claims, ref_type, text
from scanner.transport import Deadline, Transport

_NAME: Final = "BITBUCKET_STEP_OIDC_TOKEN"

_ISSUER: Final = "https://api.bitbucket.org/2.0/workspaces/{}/pipelines-config/identity/oidc"


class Bitbucket(Platform):
    """Steps of Bitbucket Pipelines."""

    NAME = "bitbucket"
    scrub = (_NAME,)

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a step of Bitbucket Pipelines."""
        return bool(environ.get("BITBUCKET_BUILD_NUMBER") and environ.get("BITBUCKET_WORKSPACE"))

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Return the step's token."""
        if not environ.get(_NAME):
            hint = "give the step 'oidc: true'" + (f", or 'oidc: {{audiences: [{audience}]}}'" if audience else "")
            raise ConfigError("the step has no identity token", hint)
        return from_variable(environ, _NAME)

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the workspace's own issuer."""
        workspace = environ.get("BITBUCKET_WORKSPACE")
        return (_ISSUER.format(workspace),) if workspace else ()

    def issued(self, issuer: str) -> bool:
        """Whether Bitbucket itself answers for this issuer."""
        before, _, after = _ISSUER.partition("{}")
        return issuer.startswith(before) and issuer.endswith(after)

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token. Names are not in it, only UUIDs in braces.

        A fork's pipelines run in the fork: https://support.atlassian.com/bitbucket-cloud/docs/pipeline-start-conditions/
        """
        branch = text(claims, "branchName")
        ref = f"refs/heads/{branch}" if branch else None
        repository = text(claims, "repositoryUuid")
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            repository_id=repository,
            owner_id=text(claims, "workspaceUuid"),
            ref=ref,
            ref_type=ref_type(ref),
            environment=text(claims, "deploymentEnvironmentUuid"),
            from_fork=False if repository else None,
            actor_id=text(claims, "accountUuid"),
            raw=claims,
        )
