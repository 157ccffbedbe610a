# SPDX-License-Identifier: Apache-2.0
"""The proven end: leases and tokens revoked, and then looked for.

Revocation at Vault is asynchronous: the 204 that answers it says that it was noted. What proves an end is that
the server does not know the thing any more, and a lease is forgotten only once its engine has taken the
credentials back. An ordinary token may not revoke a lease, and after its own end nobody is left who could look. So,
while the token lives, each lease is renewed for one second, which every policy allows, and looked for until it is
gone; then the token is revoked, and asked who it is.
"""

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from scanner.broker.model import Deadline, End, Lease, VaultToken
from scanner.broker.vault import Vault
from scanner.errors import DeniedError, SealgateError
from scanner.model import Secret

# The whole end takes no longer than both, whatever the network does: a runner that cancels a job does not wait long.
_LEASES_SECONDS: Final = 5.0
_TOKENS_SECONDS: Final = 5.0
_LAST_SECOND: Final = 1
# From the end of a lease until the server has taken care of it.
_PATIENCE_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.05


class Held:
    """A lease, and until when it lives as far as the server has said (seconds since 1970)."""

    def __init__(self, lease: Lease, until: float) -> None:
        self.lease = lease
        self.until = until


class _Looked(NamedTuple):
    """What came of a lease before its token was revoked: `gone` is proof, `hastened` says that its end was asked for."""

    gone: bool = False
    hastened: bool = False


def moment(seconds: float) -> str:
    """Return a point in time as ISO 8601, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def close_all(
    vault: Vault, tokens: Sequence[VaultToken], token_until: float, leases: Sequence[Held], *, may_revoke: bool
) -> list[End]:
    """End the leases and then the tokens, and say for each how it ended; `tokens` is empty where the token is not ours.

    `may_revoke` says that the token may revoke leases itself. Lasts a few seconds at most.
    """
    revocable = [held for held in leases if held.lease.lease_id is not None]
    counted = any(token.uses for token in tokens)
    looked = {} if counted or not revocable else _end_leases(vault.within(Deadline(_LEASES_SECONDS)), revocable, may_revoke)
    # A look at a lease may have logged in again, if the first token was dead already.
    tokens = vault.tokens if tokens else ()
    view = vault.within(Deadline(_TOKENS_SECONDS))
    of_tokens = [_end_token(view, token, token_until, tokens.index(token) + 1, len(tokens)) for token in tokens]
    alive = next((end for end in of_tokens if end.state == "lives"), None)
    with_token = bool(tokens) and alive is None
    of_leases = [_end_of_lease(held, looked.get(id(held), _Looked()), with_token, token_until) for held in revocable]
    rest = [_end_of_rest(held) for held in leases if held.lease.lease_id is None and held.lease.ttl_seconds]
    return [*of_leases, *of_tokens, *rest]


def _end_leases(view: Vault, leases: Sequence[Held], may_revoke: bool) -> dict[int, _Looked]:
    looked: dict[int, _Looked] = {}
    try:
        for held in leases:
            looked[id(held)] = _hasten(view, held, may_revoke)
        hastened = [held for held in leases if looked[id(held)].hastened and not looked[id(held)].gone]
        end = time.monotonic() + _LAST_SECOND + _PATIENCE_SECONDS
        if hastened:
            time.sleep(_LAST_SECOND)
        while waiting := [held for held in hastened if not looked[id(held)].gone]:
            for held in waiting:
                if view.lookup_lease(_id(held)) is None:
                    looked[id(held)] = _Looked(gone=True, hastened=True)
            if time.monotonic() > end:
                break
            time.sleep(_POLL_SECONDS)
    except SealgateError:
        pass
    return looked


def _hasten(view: Vault, held: Held, may_revoke: bool) -> _Looked:
    """Have a lease ended, by its revocation where that is allowed, else by its last renewal."""
    try:
        if may_revoke:
            view.revoke_lease(_id(held))
            return _Looked(gone=True, hastened=True)
        if held.lease.renewable and view.renew_lease(_id(held), _LAST_SECOND) <= _LAST_SECOND:
            return _Looked(hastened=True)
    except DeniedError:
        pass
    return _Looked(gone=view.lookup_lease(_id(held)) is None)


def _end_token(view: Vault, token: VaultToken, until: float, number: int, count: int) -> End:
    what = "the token" if count == 1 else f"token {number} of {count}"
    try:
        view.revoke_self(token)
    except DeniedError:
        why = "a batch token cannot be revoked" if token.type == "batch" else "it may not revoke itself"
        return End(what, "lives", _moment_or_none(until), why)
    except SealgateError as error:
        return End(what, "lives", _moment_or_none(until), f"it could not be revoked: {error.message}")
    try:
        if not view.lives(token):
            return End(what, "ended", None, "revoked, and the server does not know it any more")
        return End(what, "lives", _moment_or_none(until), "the server still knows it after its revocation")
    except SealgateError:
        return End(what, "queued", _moment_or_none(until), "the server has taken its revocation and could not be asked again")


def _end_of_lease(held: Held, looked: _Looked, token_ended: bool, token_until: float) -> End:
    what = f"the lease of {held.lease.path}"
    if looked.gone:
        return End(what, "ended", None, "revoked, and the server does not know it any more")
    if looked.hastened:
        return End(what, "queued", moment(held.until), "its end was asked for, and the server has not confirmed it yet")
    if token_ended:
        return End(what, "queued", moment(held.until), "its token is revoked, and the server ends it with that")
    until = min(held.until, token_until) if token_until else held.until
    return End(what, "lives", moment(until), "its end could not be asked for")


def _end_of_rest(held: Held) -> End:
    """What has a life of its own and no lease: a certificate."""
    return End(f"what {held.lease.path} gave", "lives", moment(held.until), "nothing takes it back", revocable=False)


def _moment_or_none(until: float) -> str | None:
    return moment(until) if until else None


def _id(held: Held) -> Secret:
    assert held.lease.lease_id is not None
    return held.lease.lease_id
