# SPDX-License-Identifier: Apache-2.0
"""How a request is made, judged and repeated: by meaning, within one deadline, and with a clear last error.

hvac knows the API's paths, our transport carries its requests, `faults` says what a refusal means.
"""

import base64
import copy
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from scanner.broker.faults import Fault, Operation, Refusal, Remedy, classify, error_of
from scanner.errors import ConfigError, UnavailableError
from scanner.model import Secret
from scanner.transport import Deadline, Transport, TransportError, checked_origin

_FEW: Final = 4
_FIRST_WAIT_SECONDS: Final = 0.25
_LONGEST_WAIT_SECONDS: Final = 5.0
# With less than this, no answer can be expected any more.
_LAST_TRY_SECONDS: Final = 0.4
# Both servers forgive this much where exp, nbf or iat are off, unless the role says otherwise (clock_skew_leeway).
_LEEWAY_SECONDS: Final = 60
_LONGEST_SKEW_SECONDS: Final = 60


class Settings(NamedTuple):
    """Where the server is and how to reach it.

    The first of `addresses` is asked first, the others are nodes of the same cluster, asked where it fails; redirects
    may lead to any of them. `auth_namespace` is where logins happen, `namespace` where secrets are.
    """

    addresses: tuple[str, ...]
    namespace: str = ""
    auth_namespace: str = ""
    ca_file: str = ""
    client_certificate: tuple[str, str] | None = None
    proxy: str = ""


class Call(NamedTuple):
    """One request: `send` makes it with an hvac client for the namespace and the token, which may change between tries.

    It gives None instead of an error for the faults in `gone`; `refused` is told every refusal. `mend` holds what helps
    with a remedy that needs more than time (a new login, a new identity token), each used once; `jwt` is the identity token.
    """

    operation: Operation
    send: Callable[[Any], Any]
    namespace: str
    token: Callable[[], Secret | None]
    gone: Collection[str] = ()
    refused: Callable[[Refusal], None] = lambda _: None
    mend: Mapping[Remedy, Callable[[], bool]] = {}
    jwt: Callable[[], Secret | None] = lambda: None


class Connection:
    """The way to one cluster, whose nodes are asked in turn where one fails."""

    def __init__(self, settings: Settings, deadline: Deadline, sleep: Callable[[float], None] = time.sleep) -> None:
        if not settings.addresses:
            raise ConfigError("no address of Vault is given", "set VAULT_ADDR or BAO_ADDR, or use --vault-addr")
        self._bases = tuple(address.rstrip("/").removesuffix("/v1") for address in settings.addresses)
        for address in self._bases:
            checked_origin(address)
        try:
            import hvac  # noqa: F401  a missing library is said before anything is sent
        except ImportError:
            raise ConfigError("the broker needs hvac and PyJWT", "pip install 'sealgate[broker]'") from None
        self._sleep = sleep
        self._node = [0]
        self._transport = Transport(
            deadline,
            ca_file=settings.ca_file,
            client_certificate=settings.client_certificate,
            origins=settings.addresses,
            proxy=settings.proxy,
        )

    @property
    def deadline(self) -> Deadline:
        """The end of all waiting."""
        return self._transport.deadline

    def within(self, deadline: Deadline) -> "Connection":
        """Return a view with another deadline that shares the connections and knows which node answers."""
        view = copy.copy(self)
        view._transport = self._transport.within(deadline)  # noqa: SLF001  its own copy
        return view

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._transport.close()

    def run(self, call: Call) -> Any:
        """Make a call until it succeeds or cannot any more, and return the answer's document."""
        started, tries, done = time.monotonic(), 0, Counter[Remedy]()
        last: Fault | None = None
        while True:
            tries += 1
            try:
                return call.send(self._client(call.namespace, call.token()))
            except Exception as error:  # noqa: BLE001  sorted there; what it does not know goes on as it is
                if last is not None and isinstance(error, UnavailableError) and not self.deadline.remaining():
                    # The time ran out during this try: what the server said before tells more.
                    raise error_of(last, call.operation, tries=tries, seconds=time.monotonic() - started) from None
                refusal, said = _judged(error)
            call.refused(refusal)
            fault = _worded(classify(refusal, call.operation), said)
            if fault.id in call.gone:
                return None
            done[fault.remedy] += 1
            mend = call.mend.get(fault.remedy)
            if mend is not None and done[fault.remedy] == 1 and mend():
                continue
            left = self.deadline.remaining()
            wait = _wait_for(fault, refusal, done[fault.remedy], call.jwt(), left)
            if wait is None or wait >= left:
                spent = time.monotonic() - started
                raise error_of(fault, call.operation, tries=tries, seconds=spent, but=self._detail(fault))
            last = fault
            self._sleep(wait)
            self._node[0] = (self._node[0] + 1) % len(self._bases)

    def _detail(self, fault: Fault) -> str:
        """Return what else can be learnt for the last error: whether a sealed server was ever initialised."""
        if fault.id != "sealed":
            return ""
        try:
            status = self.within(Deadline(2))._client("", None).sys.read_seal_status()  # noqa: SLF001  its own copy
        except Exception:  # noqa: BLE001  a detail that is not to be had
            return ""
        return ": it was never initialised" if status.get("initialized") is False else ": it is sealed"

    def _client(self, namespace: str, token: Secret | None) -> Any:
        import hvac

        from scanner.broker.adapter import TransportAdapter

        def adapter(**_: Any) -> TransportAdapter:
            return TransportAdapter(self._transport, self._bases[self._node[0]], token, namespace)

        # An empty token: with None, hvac would look for one in the environment and in ~/.vault-token.
        return hvac.Client(url=self._bases[0], token="", adapter=adapter, verify=True)


def _judged(error: Exception) -> tuple[Refusal, TransportError | None]:
    """Return what a failed call means as a refusal; anything but a refusal or a fault of the way goes on as it is."""
    from scanner.broker.adapter import Refused

    if isinstance(error, Refused):
        return error.refusal, None
    if isinstance(error, TransportError):
        return Refusal(0, error.reason), error
    raise error


def _worded(fault: Fault, said: TransportError | None) -> Fault:
    """Return the fault with the transport's own words, which name the host, where the fault is the way's."""
    return fault if said is None or fault.id.endswith("-dynamic") else fault._replace(message=said.message)


def _wait_for(fault: Fault, refusal: Refusal, times: int, jwt: Secret | None, left: float) -> float | None:
    """Return the seconds to wait before another try, None where none helps; `left` are those until the deadline.

    With jitter over (nearly) the whole of a limit that doubles, so that jobs which failed together do not come back together.
    No wait but the server's own takes more than half of what is left, so that the last try is not long before the end.
    """
    if fault.remedy == "clock" and times == 1:
        return _until_valid(jwt, refusal.server_time)
    if left > _LAST_TRY_SECONDS and (fault.remedy == "retry" or (fault.remedy == "retry-few" and times < _FEW)):
        limit = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(times, 10), left / 2)
        return refusal.retry_after + random.uniform(limit / 10, limit)  # noqa: S311  spreads load, hides nothing
    return None


def _until_valid(jwt: Secret | None, server_time: float | None) -> float | None:
    """Return the seconds until a server accepts a token that is too new for its clock, None where that takes too long."""
    if jwt is None or server_time is None:
        return None
    part = jwt.reveal().split(b".")[1:2] or [b""]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part[0] + b"=" * (-len(part[0]) % 4)))
        since = max(float(claims.get(name) or 0) for name in ("nbf", "iat"))
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    wait = since - _LEEWAY_SECONDS - server_time + 1
    return max(wait, 0.5) if wait <= _LONGEST_SKEW_SECONDS else None
