# SPDX-License-Identifier: Apache-2.0
"""CircleCI: a token in the environment, and one with an audience of one's own from the job's `circleci` program.

https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/
https://circleci.com/docs/guides/permissions-authentication/oidc-tokens-with-custom-claims/
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.program import token_of
from scanner.platforms.token import from_variable
from scanner.platforms.vocabulary import Claims, ref_type, text, truth
from scanner.transport import Deadline, Transport

_NAMES: Final = ("CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN")

_ISSUER: Final = "https://oidc.circleci.com"
_PREFIX: Final = "oidc.circleci.com/"


class CircleCI(Platform):
    """Jobs of CircleCI."""

    NAME = "circleci"
    scrub = (*_NAMES, "CIRCLE_TOKEN")

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a job of CircleCI."""
        return environ.get("CIRCLECI") == "true"

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Return a token made for this audience; without one the default token, whose audience is the organization's id."""
        if audience and audience != environ.get("CIRCLE_ORGANIZATION_ID"):
            return token_of(["circleci", "run", "oidc", "get", "--claims", json.dumps({"aud": audience})], environ, deadline)
        for name in _NAMES:
            if environ.get(name):
                return from_variable(environ, name)
        raise ConfigError(
            "the job has no identity token",
            "a fork's job has one only where 'Pass secrets to builds from forked pull requests' is on; a server needs 4.4",
        )

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the organization's own issuer."""
        organization = environ.get("CIRCLE_ORGANIZATION_ID")
        return (f"{_ISSUER}/org/{organization}",) if organization else ()

    def issued(self, issuer: str) -> bool:
        """Whether CircleCI itself answers for this issuer."""
        return issuer == _ISSUER or issuer.startswith(_ISSUER + "/org/")

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token.

        A pull request's build carries the upstream project's id; only `vcs-origin` then names the fork. So whoever
        lets in what may be a fork binds `repository` besides.
        """
        ref = text(claims, _PREFIX + "vcs-ref")
        pull = ref is not None and re.fullmatch(r"refs/(heads/)?pull/.*", ref, re.DOTALL)
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            repository=text(claims, _PREFIX + "vcs-origin"),
            repository_id=text(claims, _PREFIX + "project-id"),
            owner_id=text(claims, _PREFIX + "org-id") or _organization(claims),
            ref=ref,
            ref_type="merge_request" if pull else ref_type(ref),
            from_fork=True if pull else None,
            workflow=text(claims, _PREFIX + "pipeline-definition-id"),
            actor_id=_user(claims),
            interactive=truth(claims, _PREFIX + "ssh-rerun"),
            raw=claims,
        )


def _organization(claims: Mapping[str, Any]) -> str | None:
    found = re.fullmatch(r"https://oidc\.circleci\.com/org/([0-9a-f-]+)", text(claims, "iss") or "")
    return found[1] if found else None


def _user(claims: Mapping[str, Any]) -> str | None:
    """The subject begins `org/ID/project/ID/user/ID` in both versions of the token."""
    found = re.match(r"org/[^/]+/project/[^/]+/user/([^/]+)(?:/|\Z)", text(claims, "sub") or "")
    return found[1] if found else None
