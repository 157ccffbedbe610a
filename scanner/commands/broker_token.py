# SPDX-License-Identifier: Apache-2.0
"""Check the job's identity token and show what it says, in the words that policies use.

Examples:
  sealgate broker token --audience https://vault.example.org
  sealgate broker token --token-file job.jwt --issuer https://issuer.example.org --format json

The token itself is never printed; --raw writes it to a file that only its owner can read.
"""

import argparse
import json
import time
from collections.abc import Mapping
from typing import Final

from scanner.commands.identity_options import add_identity_options, claims_policy
from scanner.display import log_safe, shorten

# The end of the year 9999.
_MAX_TIME: Final = 253_402_300_799


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_identity_options(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how to show the claims (default: text)")
    parser.add_argument("--raw", metavar="FILE", help="write the token itself to a file with mode 0600")


def run(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the claims; 0 where the token is good."""
    from scanner.broker.identity import verify
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
    identity = verify(token, trust, Keys(transport), time.time())
    claims = claims_of(identity, platform, policy)
    document = show_identity(claims, identity.claims)
    if options.format == "json":
        print(json.dumps(document))
    else:
        for name, value in document.items():
            print(f"{name + ':':<15} {shorten(log_safe(value if isinstance(value, str) else json.dumps(value)), 300)}")
    if options.raw:
        from scanner.broker.export import write_private

        write_private(options.raw, token.reveal())
    return 0


def show_identity(claims: object, raw: Mapping[str, object]) -> dict[str, object]:
    """Return what to show of a token: the vocabulary, audience and times (ISO 8601)."""
    from scanner.broker.claims import Claims, show_claims

    shown: dict[str, object] = dict(show_claims(claims)) if isinstance(claims, Claims) else {}
    shown["audience"] = raw.get("aud")
    for name, claim in (("issued", "iat"), ("expires", "exp")):
        value = raw.get(claim)
        if isinstance(value, int | float) and 0 <= value < _MAX_TIME:
            shown[name] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
    return shown
