# SPDX-License-Identifier: Apache-2.0
"""Vault or OpenBao: log in, read, write, renew, revoke, look.

Logins and the token's own life happen in the namespace of the logins, everything else in the namespace
of the secrets. Every method raises `DeniedError`, `UnavailableError` or `ConfigError`, and the message
says what was done, at which path, with which mount and role; never a token, a lease id or a server's text.
"""

import copy
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from scanner.broker.connection import Call, Connection, Settings
from scanner.broker.faults import Action, Operation, Refusal
from scanner.broker.model import Deadline, Mount, VaultToken
from scanner.errors import ConfigError, DeniedError
from scanner.model import Secret


def settings_from(environ: Mapping[str, str]) -> Settings:
    """Return what the variables say that Vault's and OpenBao's own programs read; `addresses` is empty where none does.

    Raises `ConfigError` where VAULT_X and BAO_X differ, and where they would switch the check of certificates off.
    """
    if _either(environ, "SKIP_VERIFY").lower() not in ("", "0", "f", "false"):
        raise ConfigError(
            "VAULT_SKIP_VERIFY would let anybody read the secrets", "name the authority's certificate: VAULT_CACERT"
        )
    address, namespace = _either(environ, "ADDR"), _either(environ, "NAMESPACE").strip("/")
    certificate, key = _either(environ, "CLIENT_CERT"), _either(environ, "CLIENT_KEY")
    if bool(certificate) != bool(key):
        raise ConfigError("a client certificate and its key go together", "set both VAULT_CLIENT_CERT and VAULT_CLIENT_KEY")
    return Settings(
        addresses=(address,) if address else (),
        namespace=namespace,
        auth_namespace=namespace,
        ca_file=_either(environ, "CACERT") or _either(environ, "CAPATH"),
        client_certificate=(certificate, key) if certificate else None,
        proxy=_either(environ, "PROXY_ADDR") or _either(environ, "HTTP_PROXY"),
    )


def token_from(environ: Mapping[str, str]) -> str:
    """Return VAULT_TOKEN or BAO_TOKEN, empty where neither is set; `ConfigError` where they differ."""
    return _either(environ, "TOKEN")


def _either(environ: Mapping[str, str], name: str) -> str:
    one, other = environ.get(f"VAULT_{name}", "").strip(), environ.get(f"BAO_{name}", "").strip()
    if one and other and one != other:
        raise ConfigError(f"VAULT_{name} and BAO_{name} differ", "unset one of them")
    return one or other


class Reply(NamedTuple):
    """A successful answer, or the 404 of a read: `found` is then False and `data` what the server said all the same."""

    found: bool
    data: Mapping[str, Any]
    lease_id: Secret | None
    ttl_seconds: int
    renewable: bool
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<reply, {len(self.data)} fields>"


class _State:
    """What all views of one connection share: the tokens, how the last one was got, the mounts by the path's beginning."""

    def __init__(self) -> None:
        self.tokens: list[VaultToken] = []
        self.login: Callable[[], VaultToken] | None = None
        self.mounts: list[Mount] = []


class Vault:
    """One cluster and the token in use. A second thread gets its own view (`within`)."""

    def __init__(self, settings: Settings, deadline: Deadline, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._connection = Connection(settings, deadline, sleep)
        self._namespace, self._auth_namespace = settings.namespace, settings.auth_namespace
        self._state = _State()

    def within(self, deadline: Deadline) -> "Vault":
        """Return a view with another deadline that shares connections, tokens and everything else learnt."""
        view = copy.copy(self)
        view._connection = self._connection.within(deadline)  # noqa: SLF001  its own copy
        return view

    @property
    def deadline(self) -> Deadline:
        """The end of all waiting."""
        return self._connection.deadline

    @property
    def token(self) -> VaultToken | None:
        """The token in use."""
        return self._state.tokens[-1] if self._state.tokens else None

    @property
    def tokens(self) -> tuple[VaultToken, ...]:
        """Every token that was ever in use, oldest first: all that logins gave must end."""
        return tuple(self._state.tokens)

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    # Logins

    def login_jwt(self, mount: str, role: str, jwt: Secret, fresh: Callable[[], Secret] | None = None) -> VaultToken:
        """Log in with an identity token. `fresh` gets another one: asked once where this one has expired."""
        path = mount = _auth_mount(mount)
        return self._login_with_jwt(mount, role, jwt, fresh, lambda client, held: client.auth.jwt.jwt_login(
            role, held, use_token=False, path=path))  # fmt: skip

    def login_kubernetes(self, mount: str, role: str, jwt: Secret, fresh: Callable[[], Secret] | None = None) -> VaultToken:
        """Log in with a service account's token; `fresh` reads its file again."""
        path = mount = _auth_mount(mount)
        return self._login_with_jwt(mount, role, jwt, fresh, lambda client, held: client.auth.kubernetes.login(
            role, held, use_token=False, mount_point=path))  # fmt: skip

    def login_approle(self, mount: str, role_id: str, secret_id: Secret) -> VaultToken:
        """Log in with a role id and a secret id."""
        mount = _auth_mount(mount)

        def send(client: Any) -> Any:
            return client.auth.approle.login(role_id, _text(secret_id), use_token=False, mount_point=mount)

        return self._login(lambda: Call(self._login_at(mount, ""), send, self._auth_namespace, lambda: None))

    def login_token(self, token: Secret) -> VaultToken:
        """Use a token that exists, after a look at what it is."""
        operation = Operation("lookup", "the given token", namespace=self._auth_namespace)
        call = Call(operation, lambda client: client.auth.token.lookup_self(), self._auth_namespace, lambda: token)
        data = _mapping(self._connection.run(call).get("data"))
        return self._use(token, {**data, "token_type": data.get("type"), "lease_duration": data.get("ttl")})

    def adopt(self, token: VaultToken) -> None:
        """Use a token that an earlier process got, without a look at it: it may have ended."""
        self._state.tokens.append(token)

    def _login_with_jwt(
        self, mount: str, role: str, jwt: Secret, fresh: Callable[[], Secret] | None, login: Callable[[Any, str], Any]
    ) -> VaultToken:
        held = [jwt]

        def renew() -> bool:
            if fresh is not None:
                held.append(fresh())
            return fresh is not None

        def call() -> Call:
            if self._state.login is not None:
                renew()
            return Call(
                self._login_at(mount, role),
                lambda client: login(client, _text(held[-1])),
                self._auth_namespace,
                lambda: None,
                mend={"new-jwt": renew},
                jwt=lambda: held[-1],
            )

        return self._login(call)

    def _login_at(self, mount: str, role: str) -> Operation:
        return Operation("login", f"auth/{mount}/login", mount, role, self._auth_namespace)

    def _login(self, call: Callable[[], Call]) -> VaultToken:
        """Log in, and remember how, for the day when the token is not known any more."""

        def log_in() -> VaultToken:
            made = call()
            auth = _mapping(self._connection.run(made).get("auth"))
            token = auth.get("client_token")
            if not isinstance(token, str) or not token:
                raise DeniedError(
                    f"{made.operation}: the server gave no token", "it may want a second factor, which a job has not"
                )
            return self._use(Secret(token.encode()), auth)

        self._state.login = None
        token = log_in()
        self._state.login = log_in
        return token

    def _use(self, secret: Secret, said: Mapping[str, Any]) -> VaultToken:
        token = VaultToken(
            secret=secret,
            accessor=str(said.get("accessor") or ""),
            ttl_seconds=_whole(said.get("lease_duration")),
            renewable=said.get("renewable") is True,
            type=str(said.get("token_type") or "service"),
            policies=tuple(str(policy) for policy in said.get("policies") or ()),
            uses=_whole(said.get("num_uses")),
            namespace=self._auth_namespace,
        )
        self._state.tokens.append(token)
        return token

    # Secrets

    def read(self, path: str, *, mount: str = "", dynamic: bool = False, version: int | None = None) -> Reply:
        """Read an API path such as `secret/data/ci/app`; a 404 is an answer, with `found` False.

        `dynamic` says that the read may make something; it is then not repeated where that is uncertain.
        """
        query = "" if version is None else f"?version={version}"
        return self._reply("dynamic" if dynamic else "read", path, mount, lambda client: client.adapter.get(_api(path) + query))

    def write(self, path: str, data: Mapping[str, Any], *, mount: str = "", dynamic: bool = False) -> Reply:
        """Write to an API path, as engines want it that sign, decrypt or issue."""
        action: Action = "dynamic" if dynamic else "write"
        return self._reply(action, path, mount, lambda client: client.adapter.post(_api(path), json=dict(data)))

    def list(self, path: str, *, mount: str = "") -> tuple[str, ...]:
        """Return the names below an API path, those of folders with a final slash; none where there is nothing."""
        reply = self._reply("list", path, mount, lambda client: client.adapter.get(_api(path) + "?list=true"))
        keys = reply.data.get("keys") if reply.found else ()
        return tuple(key for key in keys or () if isinstance(key, str))

    def mount_of(self, path: str) -> Mount:
        """Return the mount that serves a path as people write it, as the server states it; asked once a mount."""
        for mount in self._state.mounts:
            if f"{path}/".startswith(mount.path):
                return mount
        said = self._ask(
            "mount", path, lambda client: client.adapter.get(_api(f"sys/internal/ui/mounts/{path}")), gone=("not-found",)
        )
        data = _mapping(_mapping(said).get("data"))
        where, kind = data.get("path"), data.get("type")
        # In a path that begins with a namespace (`team-a/secret/app`) the server names the mount without it.
        start = f"/{path}/".find(f"/{where}") if isinstance(where, str) and where.endswith("/") else -1
        if not isinstance(kind, str) or start < 0:
            raise DeniedError(f"looking up the engine of {path}: the server names no mount for it", "check path and namespace")
        version = _mapping(data.get("options")).get("version") or "1"
        mount = Mount(path[:start] + str(where), kind, int(version) if kind == "kv" else None)
        self._state.mounts.append(mount)
        return mount

    def capabilities(self, paths: Collection[str]) -> dict[str, frozenset[str]]:
        """Return what the token may do at each API path, from one request."""
        wanted = list(dict.fromkeys(paths))
        said = self._ask("capabilities", "sys/capabilities-self", lambda client: client.sys.get_capabilities(paths=wanted))
        data = _mapping(said.get("data"))
        return {path: frozenset(str(one) for one in data.get(path) or ()) for path in wanted}

    def unwrap(self, wrapping: Secret) -> Reply:
        """Return what a response-wrapping token holds, which is possible once."""
        operation = Operation("unwrap", "sys/wrapping/unwrap", namespace=self._namespace)
        call = Call(operation, lambda client: client.sys.unwrap(), self._namespace, lambda: wrapping)
        return _reply_of(self._connection.run(call), found=True)

    # Tokens: our own ones, and others by accessor

    def lookup_self(self) -> Mapping[str, Any]:
        """Return what the server says of the token in use (ttl, policies, …); the token itself is left out."""
        return _without_id(self._on_token("lookup", "the token", lambda client: client.auth.token.lookup_self()))

    def renew_self(self, increment_seconds: int) -> int:
        """Renew the token in use and return the seconds it now has: what the server granted, not what was asked."""
        increment = f"{increment_seconds}s"
        said = self._on_token("renew", "the token", lambda client: client.auth.token.renew_self(increment=increment))
        return _whole(_mapping(said.get("auth")).get("lease_duration"))

    def revoke_self(self, token: VaultToken | None = None) -> bool:
        """Revoke a token of ours, the one in use unless another is named; return False where it was gone already.

        True means that the server has accepted it. Its leases are revoked later, perhaps never: look (`lookup_lease`).
        """
        said = self._on_token(
            "revoke", "the token", lambda client: client.auth.token.revoke_self(), gone=("token-refused",), token=token
        )
        return said is not None

    def lives(self, token: VaultToken) -> bool:
        """Whether the server still knows a token; takes one of its uses where these are counted.

        A token that may not even look at itself lives: the refusal is its policies' word.
        """
        try:
            said = self._on_token(
                "lookup", "the token", lambda client: client.auth.token.lookup_self(), gone=("token-refused",), token=token
            )
        except DeniedError:
            return True
        return said is not None

    def lookup_accessor(self, accessor: str) -> Mapping[str, Any] | None:
        """Return what the server says of the token with this accessor, None where there is none."""
        said = self._on_token(
            "lookup",
            "a token by its accessor",
            lambda client: client.auth.token.lookup_accessor(accessor),
            gone=("accessor-gone", "not-found"),
        )
        return None if said is None else _without_id(said)

    def revoke_accessor(self, accessor: str) -> bool:
        """Revoke the token with this accessor; return False where there is none."""
        said = self._on_token(
            "revoke",
            "a token by its accessor",
            lambda client: client.auth.token.revoke_accessor(accessor),
            gone=("accessor-gone", "not-found"),
        )
        # Where there is none, OpenBao answers 200 with nothing but a warning.
        return said is not None and not said.get("warnings")

    # Leases

    def lookup_lease(self, lease_id: Secret) -> Mapping[str, Any] | None:
        """Return what the server says of a lease (ttl, expire_time, renewable), None where it has ended."""
        said = self._ask("lookup", "a lease", lambda client: client.sys.read_lease(_text(lease_id)), gone=("lease-gone",))
        return None if said is None else _without_id(said)

    def renew_lease(self, lease_id: Secret, increment_seconds: int) -> int:
        """Renew a lease and return the seconds it now has: what the server granted."""
        said = self._ask("renew", "a lease", lambda client: client.sys.renew_lease(_text(lease_id), increment=increment_seconds))
        return _whole(said.get("lease_duration"))

    def revoke_lease(self, lease_id: Secret) -> None:
        """Revoke a lease and return once it has ended. Few policies allow it: the default one does not."""
        document = {"lease_id": _text(lease_id), "sync": True}
        self._ask(
            "revoke", "a lease", lambda client: client.adapter.put("/v1/sys/leases/revoke", json=document), gone=("lease-gone",)
        )

    # The two ways to ask: in the namespace of the secrets, with a new login where the token is not known; on a token itself

    def _ask(
        self,
        action: Action,
        path: str,
        send: Callable[[Any], Any],
        mount: str = "",
        *,
        gone: Collection[str] = (),
        refused: Callable[[Refusal], None] = lambda _: None,
    ) -> Any:
        operation = Operation(action, path, mount, namespace=self._namespace)
        in_use = self._in_use
        return self._connection.run(
            Call(
                operation, send, self._namespace, lambda: in_use().secret, gone, refused, mend={"login-again": self._login_again}
            )
        )

    def _on_token(
        self,
        action: Action,
        what: str,
        send: Callable[[Any], Any],
        *,
        gone: Collection[str] = (),
        token: VaultToken | None = None,
    ) -> Any:
        token = token or self._in_use()
        operation = Operation(action, what, namespace=token.namespace)
        return self._connection.run(Call(operation, send, token.namespace, lambda: token.secret, gone))

    def _reply(self, action: Action, path: str, mount: str, send: Callable[[Any], Any]) -> Reply:
        refused: list[Refusal] = []
        said = self._ask(action, path, send, mount, gone=("not-found",), refused=refused.append)
        return _reply_of(_mapping(refused[-1].document), found=False) if said is None else _reply_of(said, found=True)

    def _in_use(self) -> VaultToken:
        if self.token is None:
            raise DeniedError("there is no token of Vault's", "log in first")
        return self.token

    def _login_again(self) -> bool:
        if self._state.login is not None:
            self._state.login()
        return self._state.login is not None


def _reply_of(answer: Mapping[str, Any], *, found: bool) -> Reply:
    lease = answer.get("lease_id")
    return Reply(
        found=found,
        data=_mapping(answer.get("data")),
        lease_id=Secret(lease.encode()) if isinstance(lease, str) and lease else None,
        ttl_seconds=_whole(answer.get("lease_duration")),
        renewable=answer.get("renewable") is True,
        warnings=tuple(str(warning) for warning in answer.get("warnings") or ()),
    )


def _api(path: str) -> str:
    """Return the path below `/v1/`, quoted; a path was checked when it was parsed, this is the second look."""
    if any(part in ("", ".", "..") for part in path.strip("/").split("/")):
        raise ConfigError("a path at Vault holds an empty part, '.' or '..'", "write it in full")
    return "/v1/" + quote(path.strip("/"), safe="/")


def _auth_mount(mount: str) -> str:
    return mount.strip("/").removeprefix("auth/")


def _text(secret: Secret) -> str:
    return secret.reveal().decode("utf-8", "replace").strip()


def _without_id(said: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in _mapping(said.get("data")).items() if name != "id"}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0


__all__ = ["Reply", "Settings", "Vault", "settings_from", "token_from"]
