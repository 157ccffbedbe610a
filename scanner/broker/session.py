# SPDX-License-Identifier: Apache-2.0
"""A session with Vault: log in, look before reading, read, and hold what was got until its proven end.

A session is closed in any case, also one that could not be opened: whatever a failed opening has got already is
ended too. The token is made short right after the login and renewed while it is needed: if nobody is left to
renew it (the job was killed, its machine is gone), the server ends it and all that came from it.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from scanner.broker.closing import Held, close_all, moment
from scanner.broker.engines import ENGINES, OTHERS
from scanner.broker.login import LogIn
from scanner.broker.model import Deadline, End, Lease, Mount, SecretRequest, VaultToken
from scanner.broker.renewal import Renewable
from scanner.broker.request import fill, group
from scanner.broker.vault import Vault
from scanner.errors import DeniedError
from scanner.model import Secret

_REVOKE_PATH: Final = "sys/leases/revoke"
_MAY: Final = {"read": {"read"}, "list": {"list"}, "update": {"update", "create"}}


class _Planned(NamedTuple):
    """One read: all requests that it serves, and the mount that answers."""

    requests: tuple[SecretRequest, ...]
    mount: Mount


class Kept(NamedTuple):
    """What a session has to end: as `close_all` takes it."""

    tokens: tuple[VaultToken, ...]
    token_until: float
    leases: tuple[Held, ...]
    may_revoke: bool


class Session:
    """What one login gave. `ours` says whether the token is the session's to make short, renew and revoke.

    `checkpoint` is called between requests and may raise; `say` gets remarks for people.
    """

    def __init__(
        self,
        vault: Vault,
        log_in: LogIn,
        *,
        ttl_seconds: int = 300,
        ours: bool = True,
        checkpoint: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.variables: Mapping[str, Secret] = {}
        self.files: Mapping[str, Secret] = {}
        self.leases: list[Held] = []
        self._vault = vault
        self._log_in = log_in
        self._ttl = ttl_seconds
        self._ours = ours
        self._checkpoint = checkpoint
        self._say = say
        self._token_until = 0.0
        self._may_revoke = False

    def __repr__(self) -> str:
        return f"<session, {len(self.leases)} leases>"

    def open(self, requests: Iterable[SecretRequest]) -> None:
        """Log in and read everything. Raises `DeniedError`, `UnavailableError`, `ConfigError`; `close` it in any case."""
        self._checkpoint()
        token = self._log_in(self._vault)
        self._token_until = time.time() + token.ttl_seconds
        self._checkpoint()
        self._make_short(token)
        read: list[tuple[SecretRequest, Lease]] = []
        for planned in self._look_ahead(group(requests)):
            self._checkpoint()
            asked = time.time()
            engine = ENGINES.get(planned.mount.type, OTHERS)
            lease = engine.read(self._vault, planned.mount, planned.requests[0])
            self.leases.append(Held(lease, asked + lease.ttl_seconds))
            read += [(request, lease) for request in planned.requests]
        self.variables, self.files = fill(read)

    def secrets(self) -> list[Secret]:
        """Return everything that is to be masked: the values, the tokens, the ids of leases."""
        ids = [held.lease.lease_id for held in self.leases if held.lease.lease_id is not None]
        return [*self.variables.values(), *self.files.values(), *(token.secret for token in self._vault.tokens), *ids]

    def renewables(self) -> list[Renewable]:
        """Return what has to be renewed for as long as the session is used, each with the way to do it."""
        found = []
        token = self._vault.token
        if token is not None and token.uses:
            return []
        if token is not None and self._ours and token.renewable:
            found.append(Renewable("the token", min(self._ttl, token.ttl_seconds), self._token_until, self._renew_token))
        found += [
            Renewable(f"the lease of {held.lease.path}", held.lease.ttl_seconds, held.until, _renewing(self._vault, held))
            for held in self.leases
            if held.lease.lease_id is not None and held.lease.renewable
        ]
        return found

    def close(self) -> list[End]:
        """End all there is, look whether it has ended, and say so for each. Raises nothing that is not a bug."""
        tokens = self._vault.tokens if self._ours else ()
        try:
            return close_all(self._vault, tokens, self._token_until, self.leases, may_revoke=self._may_revoke)
        finally:
            self._vault.close()

    def kept(self) -> Kept:
        """Return what another process needs to end this session; of a token that is not ours nothing is kept."""
        return Kept(self._vault.tokens if self._ours else (), self._token_until, tuple(self.leases), self._may_revoke)

    def leave(self) -> None:
        """Close the connections and leave everything alive, for whoever has what `kept` returned."""
        self._vault.close()

    def _renew_token(self, seconds: int) -> int:
        granted = self._vault.within(Deadline(_RENEWAL_SECONDS)).renew_self(seconds)
        self._token_until = time.time() + granted
        return granted

    def _make_short(self, token: VaultToken) -> None:
        """A token that lives no longer than it is needed: the dead man's switch."""
        if token.type == "batch":
            self._say(f"the role gives batch tokens: nothing can end one before {moment(self._token_until)}")
        if token.uses and self._ours:
            self._say(f"the role counts a token's uses: nothing is renewed, and all ends by {moment(self._token_until)}")
        if not self._ours or not token.renewable or token.uses or 0 < token.ttl_seconds <= self._ttl:
            return
        try:
            self._token_until = time.time() + self._vault.renew_self(self._ttl)
        except DeniedError:
            self._say(f"the token cannot be made short: if this job is killed, it lives until {moment(self._token_until)}")

    def _look_ahead(self, groups: Sequence[tuple[SecretRequest, ...]]) -> list[_Planned]:
        """Find the engines, and refuse before anything is made what the token may not read."""
        planned = []
        for requests in groups:
            self._checkpoint()
            planned.append(_Planned(requests, self._vault.mount_of(requests[0].path)))
        # What makes nothing first: if it fails, nothing was made for nothing.
        planned.sort(key=lambda one: one.mount.version is None)
        wanted = [need for one in planned for need in _needs(one)]
        token = self._vault.token
        if token is not None and token.uses:
            _check_uses(token, planned)
            return planned
        self._checkpoint()
        try:
            may = self._vault.capabilities([*(path for path, _ in wanted), _REVOKE_PATH])
        except DeniedError:
            self._say("what the token may do cannot be asked: its role gives no default policy")
            return planned
        self._may_revoke = bool(may[_REVOKE_PATH] & {"update", "root"})
        denied = {path: need for path, need in wanted if not may[path] & (_MAY.get(need, {need}) | {"root"})}
        if denied:
            what = ", ".join(f"{need} {path}" for path, need in denied.items())
            rule = "; ".join(f'path "{path}" {{ capabilities = ["{need}"] }}' for path, need in denied.items())
            raise DeniedError(f"the token's policies do not let it {what}", f"check the paths, or add to a policy: {rule}")
        return planned


_RENEWAL_SECONDS: Final = 5.0


def _renewing(vault: Vault, held: Held) -> Callable[[int], int]:
    def renew(seconds: int) -> int:
        lease_id = held.lease.lease_id
        granted = vault.within(Deadline(_RENEWAL_SECONDS)).renew_lease(lease_id, seconds) if lease_id else 0
        held.until = time.time() + granted
        return granted

    return renew


def _needs(planned: _Planned) -> tuple[tuple[str, str], ...]:
    return ENGINES.get(planned.mount.type, OTHERS).needs(planned.mount, planned.requests[0])


def _check_uses(token: VaultToken, planned: Sequence[_Planned]) -> None:
    """With its last use a token ends, and its leases with it: there must be one left to revoke it with."""
    mounts = len({one.mount.path for one in planned})
    needed = mounts + len(planned) + 1
    if token.uses < needed:
        raise DeniedError(
            f"the role gives tokens of {token.uses} uses, and this takes {needed}",
            f"give the role token_num_uses={needed}, or 0 for any number",
        )


def ends_as_document(ends: Sequence[End], *, code: int) -> dict[str, Any]:
    """Return the report of an end for machines: nothing secret is in it."""
    return {"proven": is_proven(ends), "exit_code": code, "ends": [end._asdict() for end in ends]}


def is_proven(ends: Sequence[End]) -> bool:
    """Whether all that can be revoked has ended, or the server has at least taken it in hand."""
    return not any(end.state == "lives" and end.revocable for end in ends)

