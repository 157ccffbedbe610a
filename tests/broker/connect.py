# SPDX-License-Identifier: Apache-2.0
"""Connections for the tests of the broker: to the laboratory, or to a server that answers as it is told."""

from typing import Any

from fakeserver import FakeServer
from lab import Lab

from scanner.broker.connection import Settings
from scanner.broker.model import Deadline, VaultToken
from scanner.broker.vault import Vault
from scanner.model import Secret


def secret(text: str) -> Secret:
    return Secret(text.encode())


def connect(lab: Lab, seconds: float = 15, *, namespace: str = "", auth_namespace: str = "", **options: Any) -> Vault:
    return Vault(Settings((lab.address,), namespace, auth_namespace), Deadline(seconds), **options)


def logged_in(lab: Lab, role: str = "ci", seconds: float = 15, **claims: Any) -> Vault:
    """A connection with a fresh token."""
    vault = connect(lab, seconds)
    vault.login_jwt("jwt", role, secret(lab.issuer.mint(**claims)), lambda: secret(lab.issuer.mint(**claims)))
    return vault


def at_fake(*fakes: FakeServer, seconds: float = 3, token: str = "made-up") -> Vault:
    """A connection to fakes, with a token in use that nobody checked, and no waiting in earnest."""
    vault = Vault(Settings(tuple(fake.url for fake in fakes)), Deadline(seconds), sleep=lambda _: None)
    vault._state.tokens.append(VaultToken(secret(token), "accessor", 60, True, "service", ("default",), 0, ""))
    return vault
