# SPDX-License-Identifier: Apache-2.0
"""An OIDC issuer for tests: discovery, keys that rotate, tokens of every kind, faults on demand.

It also answers as GitHub's token endpoint does (`/token?audience=…` with a bearer token) and as a
Kubernetes API server does when Vault asks it whose a service-account token is.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "https://vault.example.test"


class Issuer:
    """A server on a free loopback port.

    `fail_with` is a status that discovery and keys answer with instead, `delay` how long every answer takes, `hits`
    counts requests by path. `published` are the ids of the keys that it shows; `keys` all that it ever had.
    """

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.published: list[str] = []
        self.fail_with = 0
        self.delay = 0.0
        self.hits: Counter[str] = Counter()
        self.request_token = secrets.token_hex(20)
        self.service_accounts: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  a client that goes away is no news
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.rotate("RS256")
        self.rotate("ES256")
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, algorithm: str = "RS256", *, publish: bool = True) -> str:
        """Make a key, the one that tokens of this algorithm are signed with from now on; return its id."""
        kid = f"{algorithm.lower()}-{len(self.keys) + 1}"
        key = ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else rsa.generate_private_key(65537, 2048)
        self.keys[kid] = (algorithm, key)
        if publish:
            self.published.append(kid)
        return kid

    def withdraw(self, kid: str) -> None:
        self.published.remove(kid)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a GitHub job on a protected branch; a change to None leaves the claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300, "jti": secrets.token_hex(8),
            "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "repository": "octo-org/octo-repo", "repository_id": "74",
            "repository_owner": "octo-org", "repository_owner_id": "65", "repository_visibility": "private", "ref": "refs/heads/main",
            "ref_type": "branch", "ref_protected": "true", "event_name": "push", "workflow": "deploy", "environment": "production",
            "workflow_ref": "octo-org/octo-repo/.github/workflows/deploy.yml@refs/heads/main", "actor": "octocat", "actor_id": "12",
            "run_id": "30433642", "run_number": "10", "run_attempt": "1", "runner_environment": "github-hosted", "head_ref": "",
            "base_ref": "", "sha": "e" * 40,
        }  # fmt: skip
        return {name: value for name, value in (claims | changes).items() if value is not None}

    def mint(self, algorithm: str = "RS256", *, kid: str = "", claims: Mapping[str, Any] | None = None, **changes: Any) -> str:
        """Return a token signed with the newest key for the algorithm, or with the key `kid`."""
        kid = kid or [name for name, (kind, _) in self.keys.items() if kind == algorithm][-1]
        kind, key = self.keys[kid]
        return jwt.encode(dict(claims or self.claims(**changes)), key, algorithm=kind, headers={"kid": kid})

    def mint_unsigned(self, algorithm: str = "none", **changes: Any) -> str:
        """Return a token whose header says `none` (or a spelling of it) and that nobody signed."""
        return ".".join([_part({"alg": algorithm, "typ": "JWT"}), _part(self.claims(**changes)), ""])

    def mint_confused(self, **changes: Any) -> str:
        """Return a token signed by HMAC with the public RSA key as the secret: the old confusion of algorithms."""
        kid = next(name for name, (kind, _) in self.keys.items() if kind == "RS256")
        public = self.keys[kid][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        signed = f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': kid})}.{_part(self.claims(**changes))}"
        return f"{signed}.{_base64(hmac.new(public, signed.encode(), hashlib.sha256).digest())}"

    def jwks(self) -> dict[str, Any]:
        return {"keys": [self._jwk(kid) for kid in self.published]}

    def _jwk(self, kid: str) -> dict[str, Any]:
        kind, key = self.keys[kid]
        algorithm = ECAlgorithm if kind == "ES256" else RSAAlgorithm
        return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", "alg": kind}

    def answer(self, path: str, query: Mapping[str, list[str]], bearer: str, body: bytes) -> tuple[int, Any]:
        """Return status and JSON for a request."""
        if path == "/token":
            if bearer != self.request_token:
                return 401, {"message": "bad credentials"}
            token = self.mint(aud=query.get("audience", ["https://github.com/octo-org"])[0])
            return 200, {"count": len(token), "value": token}
        if path == "/apis/authentication.k8s.io/v1/tokenreviews":
            return 201, self._review(json.loads(body)["spec"]["token"])
        if self.fail_with:
            return self.fail_with, {"error": "told to fail"}
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url, "jwks_uri": f"{self.url}/keys", "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            }  # fmt: skip
        return (200, self.jwks()) if path == "/keys" else (404, {"error": "not found"})

    def _review(self, token: str) -> dict[str, Any]:
        account = self.service_accounts.get(token)
        status: dict[str, Any] = {"authenticated": account is not None}
        if account is not None:
            user = {"username": f"system:serviceaccount:{account}", "uid": "b3d3e8f0", "groups": ["system:serviceaccounts"]}
            status |= {"user": user, "audiences": [AUDIENCE]}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}

    def mint_service_account(self, account: str) -> str:
        """Return a token for `NAMESPACE:NAME` that the token review knows."""
        namespace, name = account.split(":")
        about = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "b3d3e8f0"}}
        token = self.mint(claims=self.claims(aud=[AUDIENCE], sub=f"system:serviceaccount:{account}") | {"kubernetes.io": about})
        self.service_accounts[token] = account
        return token


def _part(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in two pieces, and Nagle's algorithm would wait 40 ms between them.
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            issuer.hits[parts.path] += 1
            time.sleep(issuer.delay)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, document = issuer.answer(parts.path, parse_qs(parts.query), bearer, body)
            data = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _answer  # noqa: N815  the names that http.server looks for

    return Handler
