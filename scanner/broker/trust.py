# SPDX-License-Identifier: Apache-2.0
"""Whom a job's token has to come from and be for: the policy, options and the platform, put together."""

from collections.abc import Mapping, Sequence

from scanner.broker.claims import Claims, read_claims
from scanner.broker.identity import DEFAULT_ALGORITHMS, Identity, Trust
from scanner.broker.jwks import checked_issuer
from scanner.broker.policy import Policy
from scanner.display import log_safe
from scanner.errors import ConfigError
from scanner.platforms.platform import Platform


def trust_for(
    platform: Platform,
    environ: Mapping[str, str],
    *,
    issuers: Sequence[str] = (),
    audience: str = "",
    policy: Policy | None = None,
) -> Trust:
    """Return what to trust. A policy that names issuers has the last word; else it is the platform's and `issuers`.

    Raises `ConfigError` for an issuer that may not be asked or that the policy does not name.
    """
    for issuer in issuers:
        checked_issuer(issuer)
    trusted = (*platform.issuers(environ), *issuers)
    if policy is not None and policy.issuers:
        for issuer in issuers:
            if issuer not in policy.issuers:
                raise ConfigError(f"the policy does not trust the issuer {log_safe(issuer)}", "add it to the policy's issuers")
        trusted = tuple(policy.issuers)
    wanted = audience or (policy.audience if policy else "")
    algorithms = policy.algorithms if policy else DEFAULT_ALGORITHMS
    return Trust(tuple(dict.fromkeys(trusted)), (wanted,) if wanted else (), algorithms)


def claims_of(identity: Identity, platform: Platform | None, policy: Policy | None = None) -> Claims:
    """Return a verified identity's claims in the one vocabulary."""
    return read_claims(identity.claims, platform, policy.issuers if policy else None)
