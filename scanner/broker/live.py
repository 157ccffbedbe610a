# SPDX-License-Identifier: Apache-2.0
"""Whether what was found in a repository is a secret that is in use now: compared with what Vault holds.

For `scan --vault-check PATH`, the one exception to "no network", and only where it is asked for. What is found is never
sent: the secrets of the given KV paths are read and compared here, in memory, by digests under a key of the run's own,
so that no comparison takes longer the more of a value fits.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from scanner.broker.engines import kv
from scanner.broker.model import Lease, SecretRequest
from scanner.broker.request import parse_path
from scanner.broker.spellings import parts
from scanner.broker.vault import Vault
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.model import ScanResult, Secret

# A part of a value is no proof where it is so short that it stands in many.
_MIN_PART: Final = 8
_SHOWN: Final = 3
_KV: Final = ("kv", "generic", "cubbyhole")


def live_secrets(vault: Vault, paths: Sequence[str], values: Mapping[str, Secret]) -> dict[str, str]:
    """Return where each of the values (by fingerprint) is live, as `path#field`; those that are not are left out.

    `paths` are KV secrets (`secret/ci/app`) or trees (`secret/ci/**`), of both versions. A value that holds a whole
    secret, or is a line, JSON text or URL's password within one, counts, and that is said. Only the newest version of
    a secret is live. Raises `ConfigError`, `DeniedError`, `UnavailableError`: nothing asked for is passed over.
    """
    key = secrets.token_bytes(32)
    wanted: dict[bytes, list[tuple[str, str]]] = {}
    for fingerprint, value in values.items():
        whole = value.reveal()
        for part in {whole, *parts(whole, _MIN_PART)}:
            wanted.setdefault(_digest(key, part), []).append((fingerprint, "" if part == whole else " (within what was found)"))
    found: dict[str, dict[str, None]] = {}
    for path in paths:
        for place, secret in _fields(vault, path):
            whole = secret.reveal()
            for part in {whole, *parts(whole, _MIN_PART)} if whole else ():
                for fingerprint, how in wanted.get(_digest(key, part), ()):
                    said = how if part == whole else " (a part of it)"
                    found.setdefault(fingerprint, {})[place + said] = None
    return {fingerprint: _said(list(places)) for fingerprint, places in found.items()}


def _digest(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(value, key=key, digest_size=32).digest()


def _fields(vault: Vault, text: str) -> list[tuple[str, Secret]]:
    """Read what a path names; each field with its place."""
    path = parse_path(text)
    mount = vault.mount_of(path.removesuffix("/**"))
    if mount.type not in _KV:
        raise ConfigError(f"{one_line(path)} is no KV path: the engine there is {one_line(mount.type)}", "name KV paths")
    lease: Lease = kv.read(vault, mount, SecretRequest(path, "", "", "prefix", None, {}))
    if not path.endswith("/**"):
        return [(f"{path}#{one_line(field)}", value) for field, value in lease.values.items()]
    return [(_place(path.removesuffix("/**"), name), value) for name, value in lease.values.items()]


def _place(folder: str, name: str) -> str:
    """A tree's fields are called `sub/path/field`."""
    inner, _, field = name.rpartition("/")
    return one_line(f"{folder}/{inner}#{field}")


def _said(places: list[str]) -> str:
    shown = ", ".join(places[:_SHOWN])
    return shown + (f" and {len(places) - _SHOWN} more" if places[_SHOWN:] else "")


def mark_live(result: ScanResult, live: Mapping[str, str]) -> ScanResult:
    """Return the result with the findings that are live proven, and saying where; a suppressed one is open again.

    Whatever reason there was to accept it (revoked, a test's), it is in use now.
    """
    findings = tuple(
        finding._replace(
            confidence="proven",
            reason=f"{finding.reason}; in use now: Vault has it at {live[finding.fingerprint]}",
            remedy=f"change it, there first; then: {finding.remedy or finding.rule.help}",
            suppression=None,
        )
        if finding.fingerprint in live
        else finding
        for finding in result.findings
    )
    return result._replace(findings=findings)
