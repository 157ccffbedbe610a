# SPDX-License-Identifier: Apache-2.0
"""Compare the job's identity token with a role at the server and with the claims policy, claim by claim.

Examples:
  sealgate broker explain --role deploy --audience https://vault.example.org
  sealgate broker explain --role deploy --role-file deploy.json     without asking the server

The role is read with VAULT_TOKEN or BAO_TOKEN (or --vault-token-file), which have to allow that, or comes from
--role-file: what 'bao read -format=json auth/jwt/role/NAME' writes. The token is not sent to the server.
Exits with 0 where everything fits, with 4 where something does not.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from scanner.commands.broker_token import show_identity
from scanner.commands.identity_options import add_identity_options, claims_policy
from scanner.errors import OK, REFUSED, ConfigError, DeniedError

if TYPE_CHECKING:
    from scanner.broker.explain import Line
    from scanner.broker.server_role import ServerRole
    from scanner.transport import Deadline


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_identity_options(parser)
    group = parser.add_argument_group("role")
    group.add_argument("--role", metavar="NAME", required=True, help="the role that the job wants")
    group.add_argument("--role-file", metavar="FILE", default="", help="the role as JSON, instead of the server's")
    group.add_argument("--mount", metavar="PATH", default="jwt", help="where the auth method is mounted (default: jwt)")
    group.add_argument("--vault-addr", metavar="URL", default="", help="the server (default: VAULT_ADDR, BAO_ADDR)")
    group.add_argument("--auth-namespace", metavar="NS", default="", help="the mount's namespace (default: VAULT_NAMESPACE)")
    group.add_argument("--vault-ca", metavar="FILE", default="", help="certificates of its authority (default: VAULT_CACERT)")
    group.add_argument("--vault-token-file", metavar="FILE", default="", help="a token that may read roles")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for people, or for programs (default: text)")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print what was compared; 4 where something does not fit."""
    from scanner.broker.explain import Line, explain_policy, explain_role
    from scanner.broker.identity import peek, verify
    from scanner.broker.jwks import Keys
    from scanner.broker.trust import claims_of, trust_for
    from scanner.platforms.choose import choose
    from scanner.transport import Deadline, Transport

    policy = claims_policy(options, environ)
    platform = choose(environ, platform=options.platform, token_file=options.token_file, token_env=options.token_env)
    trust = trust_for(platform, environ, issuers=options.issuer, audience=options.audience, policy=policy)
    deadline = Deadline(options.timeout)
    transport = Transport(deadline, ca_file=options.issuer_ca)
    token = platform.identity_token(environ, next(iter(trust.audiences), ""), transport, deadline)
    identity, now = peek(token), time.time()
    try:
        verify(token, trust, Keys(transport), now)
        lines = [Line("token", "good", "good", "ok")]
    except DeniedError as error:
        lines = [Line("token", "good", error.message, "wrong", error.hint)]
    claims = claims_of(identity, platform, policy)
    server = _role(options, environ, deadline, alone=policy is None)
    lines += server.lines if server else ()
    if server and server.role is not None:
        where = f"auth/{options.mount}/role/{options.role.lower()}"
        lines += explain_role(server.role, identity, where, server.config, now)
    if policy is not None:
        lines += explain_policy(policy, claims, options.role)
        lines += [Line("policy", "", "", "note", remark) for remark in policy.remarks()]
    _show(lines, show_identity(claims, identity.claims), options.format)
    return REFUSED if any(line.verdict == "wrong" for line in lines) else OK


def _role(
    options: argparse.Namespace, environ: Mapping[str, str], deadline: "Deadline", *, alone: bool
) -> "ServerRole | None":
    from scanner.broker.server_role import RoleReader, ServerRole, load_role
    from scanner.broker.vault import settings_from, token_from
    from scanner.model import Secret
    from scanner.platforms.token import from_file
    from scanner.transport import Transport

    if options.role_file:
        return ServerRole(load_role(options.role_file), None)
    settings, token = settings_from(environ), token_from(environ)
    address = options.vault_addr or next(iter(settings.addresses), "")
    namespace = options.auth_namespace or settings.auth_namespace
    ca_file = options.vault_ca or settings.ca_file
    if options.vault_token_file:
        secret = from_file(options.vault_token_file)
    elif token:
        secret = Secret(token.encode())
    elif not alone:
        return None
    else:
        raise ConfigError("nothing to compare with: no role and no policy", "set VAULT_TOKEN, or give --role-file or --policy")
    if not address:
        raise ConfigError("which server has the role is not said", "set VAULT_ADDR, or give --vault-addr or --role-file")
    return RoleReader(Transport(deadline, ca_file=ca_file), address, secret, namespace).read(options.mount, options.role)


def _show(lines: "Sequence[Line]", token: Mapping[str, object], form: str) -> None:
    wrong = sum(line.verdict == "wrong" for line in lines)
    if form == "json":
        print(json.dumps({"fits": not wrong, "token": token, "compared": [line._asdict() for line in lines]}))
        return
    for line in lines:
        mark = {"ok": "ok   ", "wrong": "WRONG", "note": "note "}[line.verdict]
        what = f": {line.got}" if line.verdict == "ok" else f": wanted {line.wanted}, got {line.got}" if line.wanted else ""
        print(f"{mark}  {line.about}{what}")
        if line.change:
            print(f"       -> {line.change}")
    print("the token fits" if not wrong else f"the token does not fit: {wrong} to change")
