# SPDX-License-Identifier: Apache-2.0
"""The options of commands that ask a server with a token which is there already: VAULT_TOKEN or a file."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from scanner.errors import ConfigError
from scanner.model import Secret

if TYPE_CHECKING:
    from scanner.broker.vault import Vault


def add_vault_options(parser: argparse.ArgumentParser) -> None:
    """Add where the server is, and the token's file."""
    group = parser.add_argument_group("server")
    group.add_argument("--vault-addr", metavar="URL", default="", help="the server (default: VAULT_ADDR, BAO_ADDR)")
    group.add_argument("--vault-namespace", metavar="NS", default="", help="the namespace (default: VAULT_NAMESPACE)")
    group.add_argument("--vault-ca", metavar="FILE", default="", help="certificates of its authority (default: VAULT_CACERT)")
    group.add_argument("--vault-token-file", metavar="FILE", default="", help="a token (default: VAULT_TOKEN, BAO_TOKEN)")
    group.add_argument(
        "--vault-timeout", metavar="SECONDS", type=float, default=60.0, help="for all requests together (default: 60)"
    )


def open_vault(options: argparse.Namespace, environ: Mapping[str, str]) -> "Vault":
    """Return a connection with the token looked up. Raises `ConfigError`, `DeniedError`, `UnavailableError`."""
    from scanner.broker.vault import Vault, settings_from, token_from
    from scanner.platforms.token import from_file
    from scanner.transport import Deadline

    settings = settings_from(environ)
    namespace = options.vault_namespace or settings.namespace
    settings = settings._replace(
        addresses=(options.vault_addr,) if options.vault_addr else settings.addresses,
        namespace=namespace,
        auth_namespace=namespace,
        ca_file=options.vault_ca or settings.ca_file,
    )
    token = token_from(environ)
    if not token and not options.vault_token_file:
        raise ConfigError("there is no token to ask the server with", "set VAULT_TOKEN, or name a file: --vault-token-file")
    vault = Vault(settings, Deadline(options.vault_timeout))
    vault.login_token(from_file(options.vault_token_file) if options.vault_token_file else Secret(token.encode()))
    return vault
