# SPDX-License-Identifier: Apache-2.0
"""The options of commands that look at the job's identity token, and the claims policy that it has to meet."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scanner.commands.times import seconds
from scanner.errors import ConfigError

if TYPE_CHECKING:
    from scanner.broker.policy import Policy


def add_identity_options(parser: argparse.ArgumentParser) -> None:
    """Add what tells where the job's identity token comes from and whom to trust."""
    group = parser.add_argument_group("identity")
    group.add_argument("--platform", metavar="NAME", default="", help="take this platform, whatever the environment looks like")
    group.add_argument("--token-file", metavar="FILE", default="", help="read the identity token from a file, anew each time")
    group.add_argument("--token-env", metavar="NAME", default="", help="read the identity token from a variable")
    group.add_argument("--audience", metavar="AUD", default="", help="whom the token has to be for")
    group.add_argument("--issuer", metavar="URL", action="append", default=[], help="trust this issuer, too (repeatable)")
    group.add_argument("--issuer-ca", metavar="FILE", default="", help="certificates of the issuer's and platform's authority")
    group.add_argument("--policy", metavar="FILE", default="", help="a claims policy (default: the configuration's)")
    group.add_argument("--config", metavar="FILE", help="the configuration (default: .sealgate.yaml here)")
    group.add_argument("--timeout", metavar="TIME", type=seconds, default=60, help="for everything together (default: 60s)")


def claims_policy(options: argparse.Namespace, environ: Mapping[str, str]) -> "Policy | None":
    """Return the policy that --policy names, else the one in the configuration, if there is any."""
    return policy_in(options, broker_section(options, environ))


def broker_section(options: argparse.Namespace, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the `broker:` section of the configuration, empty where there is none."""
    from scanner.config import load_settings

    return load_settings({"config": options.config}, environ, _read_here).broker


def _read_here(name: str) -> bytes | None:
    try:
        with open(name, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {name}: {error.strerror}", "check its permissions") from None


def policy_in(options: argparse.Namespace, section: Mapping[str, Any]) -> "Policy | None":
    """Return the policy that --policy names, else the one of this section; None where neither has one."""
    from scanner.broker.policy import KEYS, load_policy, parse_policy

    if options.policy:
        return load_policy(options.policy)
    own = {key: value for key, value in section.items() if key in KEYS}
    return parse_policy(own, "the configuration: broker") if own else None
