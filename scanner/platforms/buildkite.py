# SPDX-License-Identifier: Apache-2.0
"""Buildkite: the agent asks for a token. All organizations share one issuer: bind the organization's id.

https://buildkite.com/docs/agent/v3/cli-oidc
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.program import token_of
from scanner.platforms.vocabulary import Claims, ref_type, runner_kind, text
from scanner.transport import Deadline, Transport

_ISSUER: Final = "https://agent.buildkite.com"


class Buildkite(Platform):
    """Jobs of Buildkite."""

    NAME = "buildkite"
    scrub = ("BUILDKITE_AGENT_ACCESS_TOKEN", "BUILDKITE_AGENT_TOKEN", "BUILDKITE_AGENT_JOB_API_TOKEN")

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a job of Buildkite."""
        return environ.get("BUILDKITE") == "true"

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Ask the agent for a token, with the ids that names can be bound by."""
        command = ["buildkite-agent", "oidc", "request-token", "--claim", "organization_id,pipeline_id"]
        return token_of([*command, "--audience", audience] if audience else command, environ, deadline)

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the one issuer there is."""
        return (_ISSUER,)

    def issued(self, issuer: str) -> bool:
        """Whether it is Buildkite's."""
        return issuer == _ISSUER

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token; a pipeline stands for the repository, which no claim names."""
        owner, pipeline = text(claims, "organization_slug"), text(claims, "pipeline_slug")
        branch, tag = text(claims, "build_branch"), text(claims, "build_tag")
        ref = f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else None
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            repository=f"{owner}/{pipeline}" if owner and pipeline else None,
            repository_id=text(claims, "pipeline_id"),
            owner=owner,
            owner_id=text(claims, "organization_id"),
            ref=ref,
            ref_type=ref_type(ref),
            event=text(claims, "build_source"),
            # A fork's branch may be shown as `owner:branch`, which no branch of git can be called.
            from_fork=True if branch and ":" in branch else None,
            job_workflow=text(claims, "step_key"),
            runner=runner_kind(claims),
            raw=claims,
        )
