# SPDX-License-Identifier: Apache-2.0
"""PKI: a certificate with its key and chain (`pki/issue/ROLE{common_name=x.example}`), or one that is there (`pki/cert/…`).

Fields: `certificate`, `private_key`, `issuing_ca`, `ca_chain` (PEM, one after the other), `bundle` (the
certificate and its chain, as servers want it), `serial_number`, `expiration` (seconds since 1970), `private_key_type`.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

from scanner.broker.engines import generic
from scanner.broker.engines.values import below, check_options, lease_of, missing, refuse_version, secrets_of
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Vault
from scanner.errors import ConfigError

_OPTIONS: Final = frozenset(
    ("common_name", "alt_names", "ip_sans", "uri_sans", "other_sans", "ttl", "not_after", "user_ids", "exclude_cn_from_sans",
     "remove_roots_from_chain", "private_key_format", "csr")
)  # fmt: skip
_MAKES: Final = ("issue", "sign")


def needs(mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
    """Return `update` where a certificate is made, `read` where one is read."""
    refuse_version(mount, request)
    if not _is_made(mount, request):
        return generic.needs(mount, request)
    check_options(mount, request, _OPTIONS)
    wanted = "csr" if below(mount, request.path).startswith("sign/") else "common_name"
    if wanted not in request.options:
        raise ConfigError(f"{request.path} takes the option {wanted}", f"write it as {request.path}{{{wanted}=…}}#certificate=…")
    return ((request.path, "update"),)


def read(vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
    """Have a certificate made, and return it with its key and chain. It lives until it expires, lease or not."""
    needs(mount, request)
    if not _is_made(mount, request):
        return generic.read(vault, mount, request)
    reply = vault.write(request.path, {"format": "pem", **request.options}, mount=mount.path, dynamic=True)
    if not reply.found or not isinstance(reply.data.get("certificate"), str):
        raise missing(mount, request, "check the role's name")
    lease = lease_of(reply, mount, request, secrets_of(_fields(reply.data), request.path))
    end = reply.data.get("expiration")
    left = int(end - time.time()) if isinstance(end, int) else 0
    return lease if lease.lease_id is not None else lease._replace(ttl_seconds=max(left, 0))


def _is_made(mount: Mount, request: SecretRequest) -> bool:
    return below(mount, request.path).partition("/")[0] in _MAKES


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer's fields with the chain as one text, and certificate and chain together."""
    chain = [part.strip() for part in data.get("ca_chain") or [data.get("issuing_ca") or ""] if isinstance(part, str) and part]
    text = "".join(f"{part}\n" for part in chain)
    return {**data, "ca_chain": text, "bundle": f"{data['certificate'].strip()}\n{text}"}
