# SPDX-License-Identifier: Apache-2.0
"""SSH: a certificate for a key (`ssh/sign/ROLE`), or a key with its certificate (`ssh/issue/ROLE`).

`sign` makes a key pair of its own (Ed25519) where no `public_key` is given, so that the private key never
is where others could read it. Fields: `signed_key`, `public_key`, `private_key` (OpenSSH's format),
`serial_number`. hvac's own call is of no use: it sends an empty `valid_principals`, which a role with a
default user refuses.
"""

from typing import Any, Final

from scanner.broker.engines import generic
from scanner.broker.engines.values import below, check_options, lease_of, missing, refuse_version, secrets_of
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Vault
from scanner.errors import ConfigError

_OPTIONS: Final = frozenset(("public_key", "ttl", "valid_principals", "cert_type", "key_id"))
_ISSUE_OPTIONS: Final = frozenset((*_OPTIONS - {"public_key"}, "key_type", "key_bits"))


def needs(mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
    """Return `update` on the path; what is neither `sign` nor `issue` (one-time passwords) is read as any engine."""
    refuse_version(mount, request)
    kind = below(mount, request.path).partition("/")[0]
    if kind not in ("sign", "issue"):
        return generic.needs(mount, request)
    check_options(mount, request, _OPTIONS if kind == "sign" else _ISSUE_OPTIONS)
    return ((request.path, "update"),)


def read(vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
    """Have a key signed, or made and signed."""
    needs(mount, request)
    kind = below(mount, request.path).partition("/")[0]
    if kind not in ("sign", "issue"):
        return generic.read(vault, mount, request)
    pair = _key_pair() if kind == "sign" and "public_key" not in request.options else {}
    sent = {**{name: value for name, value in pair.items() if name == "public_key"}, **request.options}
    reply = vault.write(request.path, sent, mount=mount.path, dynamic=True)
    if not reply.found or not isinstance(reply.data.get("signed_key"), str):
        raise missing(mount, request, "check the role's name")
    return lease_of(reply, mount, request, secrets_of({**pair, **reply.data}, request.path))


def _key_pair() -> dict[str, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise ConfigError(
            "making an SSH key needs cryptography", "pip install 'sealgate[broker]', or give a public_key"
        ) from None

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return {"private_key": private.decode(), "public_key": f"{public.decode()}\n"}
