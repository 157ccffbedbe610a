# SPDX-License-Identifier: Apache-2.0
"""Any engine that answers one request: AWS, Azure, GCP, TOTP, Kubernetes, Consul …

Without options the path is read; with options it is written to, and they are what is sent: so
`aws/creds/ROLE`, and `aws/sts/ROLE{ttl=15m}` or `kubernetes/creds/ROLE{kubernetes_namespace=ci}`. The
option `method` says it otherwise: `{method=write}` without anything to send. Every answer is taken for
dynamic: a request whose answer is lost is not repeated.
"""

from scanner.broker.engines.values import below, lease_of, missing, refuse_version, secrets_of
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Vault
from scanner.errors import ConfigError


def needs(mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
    """Return `read` on the path, or `update` where something is sent."""
    refuse_version(mount, request)
    below(mount, request.path)
    return ((request.path, "update" if _writes(request) else "read"),)


def read(vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
    """Read the path or write the options to it, and return all fields of the answer."""
    needs(mount, request)
    if _writes(request):
        data = {name: value for name, value in request.options.items() if name != "method"}
        reply = vault.write(request.path, data, mount=mount.path, dynamic=True)
    else:
        reply = vault.read(request.path, mount=mount.path, dynamic=True)
    if not reply.found or not reply.data:
        raise missing(mount, request, "check the path, and whether the engine wants options there")
    return lease_of(reply, mount, request, secrets_of(reply.data, request.path))


def _writes(request: SecretRequest) -> bool:
    method = request.options.get("method", "write" if request.options else "read")
    if method not in ("read", "write") or (method == "read" and len(request.options) > 1):
        raise ConfigError(f"{request.path}: the option method is read or write", "options can be sent with write only")
    return method == "write"
