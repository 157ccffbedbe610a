# SPDX-License-Identifier: Apache-2.0
"""Kubernetes: the token of a service account, projected into a file that the kubelet renews.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
"""

from collections.abc import Mapping
from typing import Any, Final

from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.platforms.token import from_file
from scanner.platforms.vocabulary import Claims, text
from scanner.transport import Deadline, Transport

# A volume with an audience of its own is better: the default token also opens the cluster's API.
_FILES: Final = ("/var/run/secrets/sealgate/token", "/var/run/secrets/kubernetes.io/serviceaccount/token")


class Kubernetes(Platform):
    """Pods of Kubernetes. A cluster's issuer has to be named, by --issuer or by the policy."""

    NAME = "kubernetes"

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a pod. Runners of other platforms are pods, too: those go first."""
        return bool(environ.get("SEALGATE_KUBERNETES_TOKEN_FILE") or environ.get("KUBERNETES_SERVICE_HOST"))

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Read the file anew: it is replaced when four fifths of the token's life are over."""
        import os

        named = environ.get("SEALGATE_KUBERNETES_TOKEN_FILE")
        return from_file(named or next((path for path in _FILES if os.path.exists(path)), _FILES[0]))

    def issued(self, issuer: str) -> bool:
        """Whether it is a cluster inside itself; all others look like anything."""
        return issuer == "https://kubernetes.default.svc.cluster.local"

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the claims of a token: the namespace is the owner, the service account the actor."""
        nested = claims.get("kubernetes.io")
        nested = nested if isinstance(nested, dict) else {}
        account = nested.get("serviceaccount")
        account = account if isinstance(account, dict) else {}
        return Claims(
            platform=self.NAME,
            issuer=text(claims, "iss") or "",
            subject=text(claims, "sub"),
            owner=text(nested, "namespace"),
            actor=text(account, "name"),
            actor_id=text(account, "uid"),
            raw=claims,
        )
