# SPDX-License-Identifier: Apache-2.0
"""What a refusal of Vault's means: the one table from (status, text, operation) to what to do and what to say.

The status alone does not tell: a 400 may be the issuer's short outage, a 500 a policy that can never
match, a 403 an expired token or a missing mount. The texts are OpenBao's, and HashiCorp Vault's where
they are known to differ; none of them is quoted in a message, but for names of claims.
"""

import re
from collections.abc import Collection
from typing import Any, Final, Literal, NamedTuple

from scanner.errors import ConfigError, DeniedError, SealgateError, UnavailableError

Action = Literal["login", "read", "dynamic", "write", "list", "capabilities", "mount", "lookup", "renew", "revoke", "unwrap"]
# `retry`: until the deadline. `retry-few`: a few times. `new-jwt`: once, with a fresh identity token. `login-again`: once,
# with a fresh Vault token. `clock`: once, when the token has become valid, if that is soon. `stop`: nothing gets better.
Remedy = Literal["retry", "retry-few", "new-jwt", "login-again", "clock", "stop"]


class Operation(NamedTuple):
    """What was asked of Vault, for messages; `path` is the API's, without `/v1/`.

    A `dynamic` operation makes something at the server (a database user, a certificate), perhaps even where no answer
    arrives; it is not repeated unless the server has said that it refuses it.
    """

    action: Action
    path: str
    mount: str = ""
    role: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        text = _DOING[self.action].format(path=self.path)
        details = {"mount": self.mount, "role": self.role, "namespace": self.namespace}
        named = ", ".join(f"{name} {value}" for name, value in details.items() if value)
        return f"{text} ({named})" if named else text


_DOING: Final[dict[Action, str]] = {
    "login": "login at {path}",
    "read": "reading {path}",
    "dynamic": "reading {path}",
    "write": "writing to {path}",
    "list": "listing {path}",
    "capabilities": "asking what the token may do",
    "mount": "looking up the engine of {path}",
    "lookup": "looking at {path}",
    "renew": "renewing {path}",
    "revoke": "revoking {path}",
    "unwrap": "unwrapping a response",
}


class Refusal(NamedTuple):
    """An answer that is not a success. Status 0: there was none, and `text` is the reason of the `TransportError`.

    `document` is the answer's JSON, where it has any; `server_time` its `Date`, in seconds since 1970.
    """

    status: int
    text: str
    document: Any = None
    retry_after: float = 0.0
    server_time: float | None = None

    def __repr__(self) -> str:
        return f"<refusal, status {self.status}>"


class Fault(NamedTuple):
    """A row of the table: which refusals it is about, what to do, what to say. The first row that fits counts.

    `actions` is empty for any. In `message`, `{claim}` and `{said}` are groups of the pattern `text`.
    """

    id: str
    status: tuple[int, ...]
    text: str
    actions: tuple[Action, ...]
    remedy: Remedy
    error: type[SealgateError]
    message: str
    hint: str


_LOGIN: Final[tuple[Action, ...]] = ("login",)
_TOKEN: Final[tuple[Action, ...]] = ("lookup", "renew", "revoke")
_EXPLAIN: Final = "'sealgate broker explain' shows the job's own value beside what the role wants"
_CLAIM: Final = r'claim "(?P<claim>[\w.:/@-]{1,80})"'
_MAYBE_MADE: Final = "whether the server made a lease is not known; it lives no longer than the token"

_NO_KEYS: Final = "fetching keys|get keys failed|keyset configuration|error configuring token validator"
_BAD_SIGNATURE: Final = "failed to verify id token signature|error verifying token signature|no known key"
_NO_BACKEND: Final = "unable to start transaction|failed to connect|verifying connection|dial tcp|connection refused"
_NO_ACTIVE_NODE: Final = "active (cluster )?node|no leader|not active|context deadline exceeded"
FAULTS: Final[tuple[Fault, ...]] = (
    # The server or the way to it is not well: it gets better by itself, or another node answers.
    Fault("sealed", (503,), "sealed|not (yet )?initiali[sz]ed", (), "retry", UnavailableError,
          "the server is sealed or not initialised", "an operator must unseal it"),
    Fault("standby-redirect", (0,), "^redirect$", (), "retry", UnavailableError,
          "the server redirects to an address that is not configured, as a standby does whose active node is gone",
          "wait for the failover, or list the other node's address"),
    Fault("unreachable", (0,), "^unreachable$", (), "retry", UnavailableError,
          "the server takes no connection", "check the address, that the server runs, and the network"),
    Fault("no-answer-dynamic", (0,), "^(timeout|broken)$", ("dynamic",), "stop", UnavailableError,
          f"the connection ended without an answer; {_MAYBE_MADE}", "end the token and begin anew"),
    Fault("no-answer", (0,), "^(timeout|broken)$", (), "retry", UnavailableError,
          "the connection ended without an answer", "the server or its network is slow or stuck"),
    Fault("not-json", (0,), "^not-json$", (), "stop", UnavailableError,
          "the answer is not Vault's JSON", "a proxy or captive portal answers in its place, or the address is not Vault's"),
    Fault("oversize", (0,), "^oversize$", (), "stop", UnavailableError,
          "the answer is too large", "ask for less at a time"),
    Fault("replication-lag", (412,), "", (), "retry", UnavailableError,
          "this node has not yet seen what was written at another", "it catches up within seconds as a rule"),
    Fault("rate-limit", (429,), "", (), "retry", UnavailableError,
          "the server's rate limit is used up", "fewer jobs at a time, or a larger quota"),
    Fault("other-node", (472, 473), "", (), "retry", UnavailableError,
          "this node is a secondary or standby that does not answer such requests", "address the primary cluster's active node"),
    Fault("gateway-dynamic", (502, 504), "", ("dynamic",), "stop", UnavailableError,
          f"a proxy gave up before the server answered; {_MAYBE_MADE}", "end the token and begin anew"),
    Fault("gateway", (502, 503, 504), "", (), "retry", UnavailableError,
          "the server or a proxy before it is not available", "check the server and its load balancer"),
    Fault("issuer-down", (400, 500), _NO_KEYS, _LOGIN, "retry", UnavailableError,
          "the server could not fetch the keys of the token's issuer",
          "check that the server reaches the issuer, and the mount's oidc_discovery_url or jwks_url"),
    # What the login refuses.
    Fault("policy-template", (500,), "failed to template policy", _LOGIN, "stop", DeniedError,
          "the role's policy template needs a claim that the token has not",
          "give the job that claim, or change the role's token_policies"),
    Fault("token-expired", (400,), r"\(exp\) claim|token is expired", _LOGIN, "new-jwt", DeniedError,
          "the identity token has expired", "request it right before the login; check the clocks"),
    Fault("token-early", (400,), r"not yet valid|issued in the future|\((nbf|iat)\) claim", _LOGIN, "clock", DeniedError,
          "the identity token is not yet valid at the server", "the clocks of issuer and server differ by more than the leeway"),
    Fault("audience-unbound", (400,), "no audiences bound to the role", _LOGIN, "stop", DeniedError,
          "the token has an audience and the role names none", "set bound_audiences on the role"),
    Fault("audience", (400,), r"\(aud\) claim", _LOGIN, "stop", DeniedError,
          "the token is for another audience than the role's bound_audiences", f"request it with --audience; {_EXPLAIN}"),
    Fault("issuer", (400,), r"\(iss\) claim", _LOGIN, "stop", DeniedError,
          "the token is of another issuer than the mount's bound_issuer", "they are compared exactly, a final slash included"),
    Fault("subject", (400,), r"\(sub\) claim", _LOGIN, "stop", DeniedError,
          "the token's sub is not the role's bound_subject", f"GitHub's sub has an immutable form since July 2026; {_EXPLAIN}"),
    Fault("algorithm-forbidden", (400,), "unexpected signature algorithm", _LOGIN, "stop", DeniedError,
          "the token's header names an algorithm that no issuer signs with",
          "such a token is forged: look into where it came from"),
    Fault("algorithm", (400,), "signed with unexpected algorithm|unsupported.*algorithm", _LOGIN, "stop", DeniedError,
          "the token is signed with an algorithm that the mount does not allow", "see jwt_supported_algs of the mount"),
    Fault("signature", (400,), _BAD_SIGNATURE, _LOGIN, "stop", DeniedError,
          "the token's signature does not verify with the issuer's keys",
          "another issuer's token, a key that was withdrawn, or a changed token"),
    Fault("claim-differs", (400,), f"{_CLAIM} does not match", _LOGIN, "stop", DeniedError,
          "the token's claim {claim} has none of the values that the role wants", _EXPLAIN),
    Fault("claim-missing", (400,), f"{_CLAIM} is missing", _LOGIN, "stop", DeniedError,
          "the role wants the claim {claim}, which the token has not", _EXPLAIN),
    Fault("user-claim", (400,), f"{_CLAIM} not found in token", _LOGIN, "stop", DeniedError,
          "the token lacks the claim {claim}, by which the role names its users",
          "set the role's user_claim to one that all tokens have"),
    Fault("role-unknown", (400,), r'role ".*" could not be found|missing role|invalid role name', _LOGIN, "stop", DeniedError,
          "there is no such role", "check --role, --mount and the login namespace; names are in lower case"),
    Fault("role-type", (400,), "role with oidc role_type", _LOGIN, "stop", DeniedError,
          "the role is for people's logins, not for tokens", "set role_type to jwt on the role; it is oidc unless set"),
    Fault("cel", (400,), r"blocked authorization with message: (?P<said>.*)", _LOGIN, "stop", DeniedError,
          "the role's program refuses the token, saying: {said}", _EXPLAIN),
    Fault("app-role", (400,), "invalid role or secret id|invalid (role|secret)[ _]id", _LOGIN, "stop", DeniedError,
          "role id or secret id is not valid", "a secret id expires and may be good for one login only"),
    Fault("service-account", (403,), "service account|namespace not authorized", _LOGIN, "stop", DeniedError,
          "the role does not allow this service account", "see the role's bound_service_account_names and _namespaces"),
    Fault("login-denied", (403,), "", _LOGIN, "stop", DeniedError,
          "permission denied",
          "there may be no such auth mount here (--mount, --auth-namespace), or the role is bound to other addresses"),
    # What a request with a token refuses.
    Fault("namespace", (404,), "namespace not found", (), "stop", ConfigError,
          "there is no such namespace", "check VAULT_NAMESPACE, --vault-namespace and --auth-namespace"),
    Fault("wrapping", (400,), "wrapping token is not valid", (), "stop", DeniedError,
          "the wrapping token has expired or was used before",
          "if it has not expired, somebody else has read what it held: treat that as stolen"),
    Fault("batch", (400,), "batch tokens cannot be", _TOKEN, "stop", DeniedError,
          "a batch token can be neither renewed nor revoked; it lives until its end", "set token_type to service on the role"),
    Fault("lease-gone", (400, 404), "lease not found|invalid lease", _TOKEN, "stop", DeniedError,
          "there is no such lease", "it has ended; read the secret anew"),
    Fault("accessor-gone", (400, 403), "invalid accessor", _TOKEN, "stop", DeniedError,
          "there is no token with this accessor", "it has ended"),
    Fault("not-renewable", (400,), "not renewable", _TOKEN, "stop", DeniedError,
          "it cannot be renewed", "read the secret anew"),
    Fault("no-mount", (403,), "preflight capability check", (), "stop", DeniedError,
          "nothing is mounted there, or the token's policies allow nothing below it",
          "check path and namespace, then the role's policies"),
    Fault("policy", (403,), r"^\s*1 error occurred:\s*\* permission denied\s*$", (), "stop", DeniedError,
          "the token's policies do not allow it", "check path and namespace, then the role's token_policies"),
    Fault("token-refused", (401, 403), "", (), "login-again", DeniedError,
          "the server does not know the token: expired, revoked, used up, or of another namespace",
          "log in anew; see the role's TTL and uses"),
    Fault("no-token", (400,), "missing client token", (), "login-again", DeniedError,
          "no token was sent", "log in first"),
    Fault("database-down", (500,), _NO_BACKEND, (), "retry-few", UnavailableError,
          "the server cannot reach the engine's backend", "check the database and the mount's connection"),
    Fault("no-active-node", (500,), _NO_ACTIVE_NODE, (), "retry", UnavailableError,
          "the server has no active node at the moment", "wait for the failover"),
    Fault("engine-role", (400,), "unknown role|role .*not found|encryption key not found", (), "stop", ConfigError,
          "the engine has no such role or key", "check the last part of the path"),
    Fault("invalid-request", (400,), "", (), "stop", ConfigError,
          "the engine refuses the request as invalid", "check its options against the engine's role"),
    Fault("not-found", (404,), "", (), "stop", ConfigError,
          "nothing is there", "check path, mount and namespace"),
    Fault("method", (405,), "", (), "stop", ConfigError,
          "the path does not support this operation", "check the path, and which options it takes"),
    Fault("too-large", (413,), "", (), "stop", ConfigError,
          "the request is larger than the server takes", "send less"),
    Fault("server-error", (), "", (), "retry-few", UnavailableError,
          "the server failed with status {status}", "its log says why"),
)  # fmt: skip


def classify(refusal: Refusal, operation: Operation) -> Fault:
    """Return the row that fits, its message filled in."""
    for fault in FAULTS:
        if fault.status and refusal.status not in fault.status:
            continue
        if fault.actions and operation.action not in fault.actions:
            continue
        if found := re.search(fault.text, refusal.text, re.IGNORECASE | re.DOTALL):
            words = {name: harmless(text) for name, text in found.groupdict().items()}
            return fault._replace(message=fault.message.format(status=refusal.status, **words))
    raise AssertionError("the last row fits everything")


def harmless(text: str) -> str:
    """Return a server's words cut down to what can be no secret: short, on one line, without long runs of letters and digits."""
    text = re.sub(r"[A-Za-z0-9+/_=.~-]{20,}", "…", " ".join(text.split()))
    return "".join(letter for letter in text if letter.isprintable())[:120]


def error_of(fault: Fault, operation: Operation, *, tries: int = 1, seconds: float = 0.0, but: str = "") -> SealgateError:
    """Return the error to raise: what was done, what is wrong, how often it was tried, and the remedy."""
    often = f"; tried {tries} times in {seconds:.1f} s" if tries > 1 else ""
    return fault.error(f"{operation}: {fault.message}{but}{often}", fault.hint)


def text_of(document: Any) -> str:
    """Return the errors of an answer as one text, whatever shape they have."""
    errors = document.get("errors") if isinstance(document, dict) else None
    parts: Collection[Any] = errors if isinstance(errors, list) else [errors] if errors else []
    return "\n".join(part for part in parts if isinstance(part, str))
