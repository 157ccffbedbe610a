# SPDX-License-Identifier: Apache-2.0
"""What the parts of the broker hand to one another: tokens, requests, leases, ends.

Everything secret in them is a `Secret`, lease ids too: whoever knows one may renew or look up the
lease with any token (the default policy allows it), so an id is a capability and not a name.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from scanner.model import Secret
from scanner.transport import Deadline

__all__ = ["Deadline", "End", "Lease", "Mount", "SecretRequest", "VaultToken"]


class VaultToken(NamedTuple):
    """A token of Vault's and what it is good for.

    `uses` is how many requests it allows, 0 for any number. A batch token can be neither renewed nor
    revoked and has no accessor. `namespace` is where it was made, and where it is renewed and revoked.
    """

    secret: Secret
    accessor: str
    ttl_seconds: int
    renewable: bool
    type: str
    policies: tuple[str, ...]
    uses: int
    namespace: str


class SecretRequest(NamedTuple):
    """One `--secret` or `--file`: what to read and where it goes.

    `path` has no slash at either end; one that ends in `/**` is a whole tree. An empty `field` is the whole
    secret. `target` is the name of a variable, the prefix of several, or the name of a file.
    """

    path: str
    field: str
    target: str
    kind: Literal["variable", "prefix", "file"]
    version: int | None
    options: Mapping[str, str]


class Mount(NamedTuple):
    """Where an engine is mounted: `path` ends in a slash; `version` is KV's, None for other engines."""

    path: str
    type: str
    version: int | None


class Lease(NamedTuple):
    """What one read gave: the values by field, and how long they live.

    `engine` is the mount's type. `lease_id` is None for what has no lease; `ttl_seconds` is then 0, or what the
    value itself states (a certificate). `version` is that of a KV v2 secret.
    """

    path: str
    engine: str
    values: Mapping[str, Secret]
    lease_id: Secret | None
    ttl_seconds: int
    renewable: bool
    version: int | None


class End(NamedTuple):
    """How one thing ended: revoked and checked, revoked and not yet checked, or alive until a time (ISO 8601).

    `what` and `detail` never hold a token or a lease id. `revocable` is False for what nothing could have ended, such as
    a signed certificate.
    """

    what: str
    state: Literal["ended", "queued", "lives"]
    until: str | None
    detail: str
    revocable: bool = True
