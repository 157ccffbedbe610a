# SPDX-License-Identifier: Apache-2.0
"""Secret engines: the protocol that each module here satisfies, and which serves a mount, by the mount's type.

What is not in the table is served by `generic`, which knows nothing and so suits every engine of one request.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from scanner.broker.engines import creds, generic, kv, pki, ssh, transit
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Vault


class Engine(Protocol):
    """How secrets of one kind are read."""

    def needs(self, mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
        """Return the API paths that a read will ask, each with the capability it takes (`read`, `update`, `list`).

        Raises `ConfigError` where the path or an option does not suit the engine.
        """

    def read(self, vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
        """Read all fields of what the request names, in one request to the server, but for a KV tree."""


ENGINES: Final[Mapping[str, Engine]] = {
    "kv": kv,
    "generic": kv,
    "cubbyhole": kv,
    "database": creds,
    "rabbitmq": creds,
    "redis": creds,
    "pki": pki,
    "ssh": ssh,
    "transit": transit,
}
OTHERS: Final[Engine] = generic
