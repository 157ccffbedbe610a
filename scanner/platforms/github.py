# SPDX-License-Identifier: Apache-2.0
"""GitHub Actions: a job with `permissions: id-token: write` asks its runner's endpoint for a token.

https://docs.github.com/actions/reference/security/oidc
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.request import request_token
from scanner.platforms.vocabulary import Claims, ref_type, runner_kind, text, truth
from scanner.transport import Deadline, Transport

_PUBLIC: Final = "https://token.actions.githubusercontent.com"
# Events that run only what is in the repository already. All others can be set off by a fork, or run its code.
_OWN_EVENTS: Final = frozenset(
    ("push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "create", "delete", "deployment")
)


class GitHub(Platform):
    """Jobs of GitHub Actions."""

    NAME = "github"
    scrub = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_RUNTIME_TOKEN")

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a job of GitHub Actions."""
        return environ.get("GITHUB_ACTIONS") == "true"

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Ask for a token with this audience (the platform's default where it is empty)."""
        url, bearer = (environ.get(f"ACTIONS_ID_TOKEN_REQUEST_{part}", "") for part in ("URL", "TOKEN"))
        if not url or not bearer:
            raise ConfigError(
                "this job may not ask GitHub for an identity token",
                "give the workflow or the job 'permissions: id-token: write'; a pull request from a fork cannot have it",
            )
        if audience:
            url += ("&" if urlsplit(url).query else "?") + "audience=" + quote(audience, safe="")
        return request_token("GitHub", "GET", url, Secret(bearer.encode()), "value", transport, deadline)

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the issuer of github.com, of a `*.ghe.com` tenant, or of an Enterprise Server."""
        server = environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
        host = urlsplit(server).netloc.lower()
        if host == "github.com":
            return (_PUBLIC,)
        if host.endswith(".ghe.com"):
            return (f"https://token.actions.{host}",)
        return (f"{server}/_services/token",) if host else ()

    def issued(self, issuer: str) -> bool:
        """Whether GitHub itself answers for this issuer; an enterprise may have its slug behind it."""
        host = urlsplit(issuer).netloc.lower()
        tenant = host.startswith("token.actions.") and host.endswith(".ghe.com")
        return issuer == _PUBLIC or issuer.startswith(_PUBLIC + "/") or tenant

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token."""
        ref = text(claims, "ref")
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            repository=text(claims, "repository"),
            repository_id=text(claims, "repository_id"),
            owner=text(claims, "repository_owner"),
            owner_id=text(claims, "repository_owner_id"),
            ref=ref,
            ref_type=ref_type(ref),
            protected=truth(claims, "ref_protected"),
            environment=text(claims, "environment"),
            event=text(claims, "event_name"),
            from_fork=False if text(claims, "event_name") in _OWN_EVENTS else None,
            workflow=text(claims, "workflow_ref"),
            job_workflow=text(claims, "job_workflow_ref"),
            actor=text(claims, "actor"),
            actor_id=text(claims, "actor_id"),
            runner=runner_kind(claims),
            raw=claims,
        )

    def mask(self, value: str) -> str:
        """Return the workflow command that hides a value in the log, the value escaped as the runner unescapes it."""
        escaped = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        return f"::add-mask::{escaped}" if value else ""
