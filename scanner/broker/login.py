# SPDX-License-Identifier: Apache-2.0
"""Who the job is, proven here first, and the login that makes it known to Vault."""

import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from scanner.broker.identity import Identity, Trust, verify
from scanner.broker.jwks import Keys
from scanner.broker.model import VaultToken
from scanner.broker.policy import Policy
from scanner.broker.trust import claims_of
from scanner.broker.vault import Vault
from scanner.display import log_safe
from scanner.errors import DeniedError
from scanner.model import Secret
from scanner.platforms.platform import Platform
from scanner.transport import Deadline, Transport

LogIn = Callable[[Vault], VaultToken]
# For a login long after the first one, when the time for opening is over.
_LATER_SECONDS: Final = 5.0
_EXPLAIN: Final = "'sealgate broker explain' compares the token with role and policy, claim by claim"


class Job:
    """Gets the job's identity tokens, and lets none go out that the issuer's keys or the policy do not bear out.

    `tokens` are all that it ever got: they are to be masked.
    """

    def __init__(
        self,
        platform: Platform,
        environ: Mapping[str, str],
        trust: Trust,
        transport: Transport,
        *,
        role: str,
        policy: Policy | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.tokens: list[Secret] = []
        self._platform = platform
        self._environ = environ
        self._trust = trust
        self._transport = transport
        self._role = role
        self._policy = policy
        self._say = say

    def identity_token(self) -> Secret:
        """Return a fresh token that was checked. Raises `DeniedError`, `UnavailableError`, `ConfigError`."""
        audience = next(iter(self._trust.audiences), "")
        transport = self._transport
        if not transport.deadline.remaining():
            transport = transport.within(Deadline(_LATER_SECONDS))
        token = self._platform.identity_token(self._environ, audience, transport, transport.deadline)
        self.tokens.append(token)
        identity = verify(token, self._trust, Keys(transport), time.time())
        self._check_policy(identity)
        return token

    def _check_policy(self, identity: Identity) -> None:
        if self._policy is None:
            return
        decision = self._policy.decide(claims_of(identity, self._platform, self._policy), self._role)
        if decision.allowed and not decision.audited:
            return
        why = "; ".join(decision.reasons)
        if not decision.allowed:
            raise DeniedError(f"the claims policy refuses the role {log_safe(self._role)}: {why}", _EXPLAIN)
        self._say(f"the claims policy, on trial, would refuse the role {log_safe(self._role)}: {why}")


class AppRole(NamedTuple):
    """What an application without an identity of its own logs in with."""

    role_id: str
    secret_id: Secret


def by_jwt(job: Job, mount: str, role: str) -> LogIn:
    """Return a login with the job's identity token at a JWT auth method."""
    return lambda vault: vault.login_jwt(mount, role, job.identity_token(), job.identity_token)


def by_kubernetes(job: Job, mount: str, role: str) -> LogIn:
    """Return a login with the service account's token at a Kubernetes auth method."""
    return lambda vault: vault.login_kubernetes(mount, role, job.identity_token(), job.identity_token)


def by_app_role(app_role: AppRole, mount: str) -> LogIn:
    """Return a login with a role id and a secret id."""
    return lambda vault: vault.login_approle(mount, app_role.role_id, app_role.secret_id)


def by_token(token: Secret) -> LogIn:
    """Return a login with a token that exists, and that is not ours to end."""
    return lambda vault: vault.login_token(token)
