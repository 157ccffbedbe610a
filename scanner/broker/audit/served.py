# SPDX-License-Identifier: Apache-2.0
"""Whether a value was ever served: the server's own HMAC of it is looked for, so no log needs to hold the value."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scanner.broker.audit.log import HASH
from scanner.display import one_line
from scanner.errors import DeniedError
from scanner.model import Secret

if TYPE_CHECKING:
    from scanner.broker.vault import Vault


def hash_values(vault: "Vault", device: str, values: Mapping[str, Secret]) -> dict[str, str]:
    """Return the HMAC with which this audit device writes each value, to the value's label.

    The token needs `update` on `sys/audit-hash/<device>`; a device has a salt of its own.
    """
    hashed = {}
    for label, value in values.items():
        reply = vault.write(f"sys/audit-hash/{device.strip('/')}", {"input": value.reveal().decode("utf-8", "replace")})
        found = reply.data.get("hash")
        if not isinstance(found, str) or not found.startswith(HASH):
            raise DeniedError(f"the server gives no hash of the audit device {one_line(device)}", "see 'bao audit list'")
        hashed[found] = label
    return hashed


def find_values(data: Any, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the field (`data.password`) and the label of each wanted text in an entry's data."""
    pending: list[tuple[str, Any]] = [("", data)]
    while pending:
        name, node = pending.pop()
        if isinstance(node, str):
            if node in wanted:
                yield name, wanted[node]
        elif isinstance(node, dict):
            pending += ((f"{name}.{key}" if name else str(key), value) for key, value in node.items())
        elif isinstance(node, list):
            pending += ((name, value) for value in node)
