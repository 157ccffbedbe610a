# SPDX-License-Identifier: Apache-2.0
"""Transit: what the server's own keys decrypt, encrypt, sign or authenticate.

    transit/decrypt/KEY{ciphertext=vault:v1:…}#plaintext=VARIABLE
    transit/sign/KEY{input=text}#signature=VARIABLE
    transit/encrypt/KEY{plaintext=text}#ciphertext=VARIABLE
    transit/hmac/KEY{input=text}#hmac=VARIABLE

What the API wants or gives in base64 (`plaintext`, `input`) is plain here. Such an answer has no lease.
"""

import base64
from typing import Any, Final

from scanner.broker.engines.values import below, check_options, lease_of, missing, refuse_version, secrets_of
from scanner.broker.model import Lease, Mount, SecretRequest
from scanner.broker.vault import Vault
from scanner.errors import ConfigError
from scanner.model import Secret

# The operation, the option that it takes, and the others that it knows.
_OPERATIONS: Final = {
    "decrypt": ("ciphertext", {"context"}),
    "encrypt": ("plaintext", {"context", "key_version"}),
    "sign": ("input", {"key_version", "hash_algorithm", "signature_algorithm", "marshaling_algorithm", "salt_length", "context"}),
    "hmac": ("input", {"key_version", "algorithm"}),
}
_PLAIN: Final = ("plaintext", "input")


def needs(mount: Mount, request: SecretRequest) -> tuple[tuple[str, str], ...]:
    """Return `update` on the operation's path."""
    refuse_version(mount, request)
    operation, slash, key = below(mount, request.path).partition("/")
    if operation not in _OPERATIONS or not slash or not key:
        raise ConfigError(f"{request.path} is no operation of transit's", f"one of {', '.join(_OPERATIONS)}, then a key's name")
    wanted, others = _OPERATIONS[operation]
    check_options(mount, request, {wanted, *others})
    if wanted not in request.options:
        raise ConfigError(f"{request.path} takes the option {wanted}", f"write it as {request.path}{{{wanted}=…}}#…")
    return ((request.path, "update"),)


def read(vault: Vault, mount: Mount, request: SecretRequest) -> Lease:
    """Have the operation done."""
    needs(mount, request)
    sent = {name: _base64(value) if name in _PLAIN else value for name, value in request.options.items()}
    reply = vault.write(request.path, sent, mount=mount.path)
    if not reply.found:
        raise missing(mount, request, "check the key's name")
    values = secrets_of(reply.data, request.path)
    if "plaintext" in values:
        values["plaintext"] = _decoded(reply.data["plaintext"], request.path)
    return lease_of(reply, mount, request, values)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _decoded(value: Any, path: str) -> Secret:
    try:
        return Secret(base64.b64decode(value, validate=True))
    except (ValueError, TypeError):
        raise ConfigError(f"{path}: the plaintext is not base64", "the server is no transit engine as it is known") from None
