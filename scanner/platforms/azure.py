# SPDX-License-Identifier: Apache-2.0
"""Azure Pipelines: a POST to the job's own endpoint gives a token of the pipeline or of a service connection.

https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.request import request_token
from scanner.platforms.vocabulary import Claims, ref_type, text
from scanner.transport import Deadline, Transport

_ISSUER: Final = "https://vstoken.dev.azure.com/"
# What other tools call the service connection's id.
_CONNECTIONS: Final = (
    "SEALGATE_AZURE_SERVICE_CONNECTION_ID",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "ARM_OIDC_AZURE_SERVICE_CONNECTION_ID",
)


class Azure(Platform):
    """Jobs of Azure Pipelines."""

    NAME = "azure"
    scrub = ("SYSTEM_ACCESSTOKEN", "SYSTEM_OIDCREQUESTURI", "ARM_OIDC_REQUEST_TOKEN", "ARM_OIDC_TOKEN", "idToken")

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a job of Azure Pipelines."""
        return environ.get("TF_BUILD", "").lower() == "true"

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Ask for a token; its audience cannot be chosen."""
        url, bearer = environ.get("SYSTEM_OIDCREQUESTURI", ""), environ.get("SYSTEM_ACCESSTOKEN", "")
        if not url or not bearer:
            raise ConfigError(
                "this job may not ask Azure DevOps for an identity token",
                "map it into the step: 'env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}'",
            )
        url += "?api-version=7.1"
        connection = next((environ[name] for name in _CONNECTIONS if environ.get(name)), "")
        if connection:
            url += "&serviceConnectionId=" + quote(connection, safe="")
        return request_token("Azure DevOps", "POST", url, Secret(bearer.encode()), "oidcToken", transport, deadline)

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the organization's own issuer; a service connection's of Entra has to be named by --issuer."""
        organization = environ.get("SYSTEM_COLLECTIONID")
        return (_ISSUER + organization.lower(),) if organization else ()

    def issued(self, issuer: str) -> bool:
        """Whether Azure DevOps itself answers for this issuer."""
        return issuer.startswith(_ISSUER)

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token: a pipeline's (`p://`), or a service connection's, which has only a subject."""
        ref = text(claims, "rpo_ref")
        own = ref is not None and ref.startswith(("refs/heads/", "refs/tags/"))
        found = re.match(r"(?:p|sc)://([^/]+)/", text(claims, "sub") or "")
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            repository=text(claims, "rpo_uri"),
            repository_id=text(claims, "rpo_id"),
            owner=found[1] if found else None,
            owner_id=text(claims, "org_id"),
            ref=ref,
            ref_type=ref_type(ref),
            from_fork=False if own else None,
            workflow=text(claims, "def_id"),
            raw=claims,
        )

    def mask(self, value: str) -> str:
        """Return the logging command that hides a value, escaped as the agent unescapes it."""
        escaped = value.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A")
        return f"##vso[task.setsecret]{escaped}" if value else ""
