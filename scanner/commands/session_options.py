# SPDX-License-Identifier: Apache-2.0
"""The options of commands that log in and read secrets, and the session that they make."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from scanner.commands.identity_options import add_identity_options, policy_in
from scanner.commands.times import seconds
from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.model import Secret

if TYPE_CHECKING:
    from scanner.broker.connection import Settings
    from scanner.broker.login import Job, LogIn
    from scanner.broker.model import SecretRequest
    from scanner.platforms.platform import Platform
    from scanner.transport import Deadline

METHODS: Final = ("jwt", "kubernetes", "approle", "token")
_SET_KEYS: Final = ("secrets", "files")
Say = Callable[[str], None]


def add_session_options(parser: argparse.ArgumentParser, *, reads: bool = True, ttl: str = "5m") -> None:
    """Add where the server is, how to log in, and where the command `reads`, what to read."""
    server = parser.add_argument_group("server")
    server.add_argument(
        "--vault-addr", metavar="URL", action="append", default=[],
        help="the server; repeatable: nodes of one cluster (default: VAULT_ADDR, BAO_ADDR)",
    )  # fmt: skip
    server.add_argument("--vault-namespace", metavar="NS", help="where the secrets are (default: VAULT_NAMESPACE)")
    server.add_argument("--auth-namespace", metavar="NS", help="where the logins are (default: the same)")
    server.add_argument("--vault-ca", metavar="FILE", default="", help="certificates of its authority (default: VAULT_CACERT)")
    login = parser.add_argument_group("login")
    login.add_argument("--auth", choices=METHODS, default="jwt", help="the auth method (default: jwt)")
    login.add_argument("--mount", metavar="PATH", default="", help="where it is mounted (default: the method's name)")
    login.add_argument("--role", metavar="NAME", default="", help="the role to log in to")
    login.add_argument("--role-id", metavar="ID", default="", help="of an AppRole (default: VAULT_ROLE_ID)")
    login.add_argument("--secret-id-file", metavar="FILE", default="", help="of an AppRole (default: VAULT_SECRET_ID)")
    login.add_argument("--vault-token-file", metavar="FILE", default="", help="for --auth token (default: VAULT_TOKEN)")
    login.add_argument(
        "--ttl", metavar="TIME", type=seconds, default=seconds(ttl),
        help=f"how long all lives if nobody renews or revokes it: 90s, 5m, 1h (default: {ttl})",
    )  # fmt: skip
    if reads:
        _add_requests(parser)
    add_identity_options(parser)


def _add_requests(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("secrets")
    what.add_argument(
        "--secret", metavar="PATH#FIELD=VARIABLE", action="append", default=[],
        help="repeatable; PATH=PREFIX for all fields, PATH/**=PREFIX for a tree, PATH#FIELD@3=VARIABLE for a version, "
        "PATH{name=value}#FIELD=VARIABLE with options of the engine",
    )  # fmt: skip
    what.add_argument("--set", metavar="NAME", action="append", default=[], help="repeatable; a set of the configuration")


def requests_of(options: argparse.Namespace, section: Mapping[str, Any]) -> "list[SecretRequest]":
    """Return all that the options and the named sets ask for, checked together. Raises `ConfigError`."""
    from scanner.broker.request import check, parse_file, parse_secret

    sets = [_set_of(section, name) for name in options.set]
    secrets = [*(text for one in sets for text in one["secrets"]), *options.secret]
    names = [*(text for one in sets for text in one["files"]), *getattr(options, "file", ())]
    requests = [*map(parse_secret, secrets), *map(parse_file, names)]
    if not requests:
        raise ConfigError("nothing to read is named", "use --secret, --file or --set")
    check(requests)
    return requests


def _set_of(section: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    """Return one of `broker.sets`: `{secrets: [...], files: [...]}`, written as --secret and --file take them."""
    sets = section.get("sets", {})
    if not isinstance(sets, dict) or not all(isinstance(one, dict) for one in sets.values()):
        raise ConfigError("broker.sets: must be a mapping of names to mappings", "see docs/broker.md")
    if name not in sets:
        known = ", ".join(map(str, sets)) or "none"
        raise ConfigError(f"the configuration has no set {one_line(name)!r}", f"it has: {one_line(known)}")
    found = {}
    for key in sets[name]:
        if key not in _SET_KEYS:
            raise ConfigError(f"broker.sets.{name}: unknown key {key!r}", f"known: {', '.join(_SET_KEYS)}")
    for key in _SET_KEYS:
        value = sets[name].get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(f"broker.sets.{name}.{key}: must be a list of texts", "written as --secret and --file take them")
        found[key] = value
    return found


class Opening:
    """A session that can be opened, and what belongs to it: the job's tokens to mask, the names to keep from children."""

    def __init__(
        self,
        options: argparse.Namespace,
        environ: Mapping[str, str],
        section: Mapping[str, Any],
        *,
        checkpoint: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] | None = None,
        say: Say = lambda _: None,
    ) -> None:
        import time

        from scanner.broker.session import Session
        from scanner.broker.vault import Vault
        from scanner.platforms.choose import scrub_names
        from scanner.transport import Deadline

        deadline = Deadline(options.timeout)
        self.platform, self._job = None, None
        log_in = self._log_in(options, environ, section, deadline, say)
        self.settings = settings_of(options, environ)
        self.vault = Vault(self.settings, deadline, sleep=sleep or time.sleep)
        self.scrub = scrub_names(environ, self.platform)
        self.session = Session(
            self.vault, log_in, ttl_seconds=options.ttl, ours=options.auth != "token", checkpoint=checkpoint, say=say
        )

    platform: "Platform | None"
    _job: "Job | None"

    def secrets(self) -> list[Secret]:
        """Return all that is to be masked."""
        return [*self.session.secrets(), *(self._job.tokens if self._job else ())]

    def _log_in(
        self,
        options: argparse.Namespace,
        environ: Mapping[str, str],
        section: Mapping[str, Any],
        deadline: "Deadline",
        say: Say,
    ) -> "LogIn":
        from scanner.broker.login import AppRole, by_app_role, by_jwt, by_kubernetes, by_token

        if options.auth == "token":
            return by_token(_secret(options.vault_token_file, environ, ("VAULT_TOKEN", "BAO_TOKEN"), "--vault-token-file"))
        mount = options.mount or options.auth
        if options.auth == "approle":
            secret_id = _secret(options.secret_id_file, environ, ("VAULT_SECRET_ID", "BAO_SECRET_ID"), "--secret-id-file")
            role_id = options.role_id or environ.get("VAULT_ROLE_ID") or environ.get("BAO_ROLE_ID") or ""
            if not role_id:
                raise ConfigError("an AppRole needs its role id", "use --role-id or VAULT_ROLE_ID")
            return by_app_role(AppRole(role_id, secret_id), mount)
        if not options.role:
            raise ConfigError("which role to log in to is not said", "use --role")
        self._job = self._make_job(options, environ, section, deadline, say)
        return (by_jwt if options.auth == "jwt" else by_kubernetes)(self._job, mount, options.role)

    def _make_job(
        self,
        options: argparse.Namespace,
        environ: Mapping[str, str],
        section: Mapping[str, Any],
        deadline: "Deadline",
        say: Say,
    ) -> "Job":
        from scanner.broker.login import Job
        from scanner.broker.trust import trust_for
        from scanner.platforms.choose import choose
        from scanner.transport import Transport

        policy = policy_in(options, section)
        self.platform = choose(environ, platform=options.platform, token_file=options.token_file, token_env=options.token_env)
        trust = trust_for(self.platform, environ, issuers=options.issuer, audience=options.audience, policy=policy)
        transport = Transport(deadline, ca_file=options.issuer_ca)
        return Job(self.platform, environ, trust, transport, role=options.role, policy=policy, say=say)


def settings_of(options: argparse.Namespace, environ: Mapping[str, str]) -> "Settings":
    """Return where the server is: what the options say, and the environment where they say nothing."""
    from scanner.broker.vault import settings_from

    settings = settings_from(environ)
    namespace = settings.namespace if options.vault_namespace is None else options.vault_namespace.strip("/")
    return settings._replace(
        addresses=tuple(options.vault_addr) or settings.addresses,
        namespace=namespace,
        auth_namespace=namespace if options.auth_namespace is None else options.auth_namespace.strip("/"),
        ca_file=options.vault_ca or settings.ca_file,
    )


def _secret(file: str, environ: Mapping[str, str], names: tuple[str, ...], option: str) -> Secret:
    from scanner.platforms.token import from_file

    if file:
        return from_file(file)
    value = next((environ[name] for name in names if environ.get(name)), "")
    if not value:
        raise ConfigError(f"there is no {names[0]}", f"set it, or use {option}")
    return Secret(value.strip().encode())
