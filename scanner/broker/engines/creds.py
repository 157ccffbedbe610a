# SPDX-License-Identifier: Apache-2.0
"""Database, RabbitMQ, Redis and their like: a user and a password for as long as a lease lasts.

`MOUNT/creds/ROLE` makes a new user, `MOUNT/static-creds/ROLE` gives the one that the engine rotates. Each
read is one request, so that user and password are of one lease however many fields are taken.
"""

from typing import Final

from scanner.broker.engines.values import below, check_options, lease_of, missing, refuse_version, secrets_of
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Vault
from scanner.errors import ConfigError

_KINDS: Final = ("creds", "static-creds")


def needs(mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
    """Return `read` on the path of the credentials."""
    refuse_version(mount, request)
    check_options(mount, request, ())
    kind, slash, role = below(mount, request.path).partition("/")
    if kind not in _KINDS or not slash or not role:
        forms = " or ".join(f"{mount.path}{kind}/ROLE" for kind in _KINDS)
        raise ConfigError(f"{request.path} names no credentials of the {mount.type} engine", f"write it as {forms}")
    return ((request.path, "read"),)


def read(vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
    """Have a user made, and return its name and password with their lease."""
    needs(mount, request)
    reply = vault.read(request.path, mount=mount.path, dynamic=True)
    if not reply.found:
        raise missing(mount, request, "check the role's name")
    return lease_of(reply, mount, request, secrets_of(reply.data, request.path))
