# SPDX-License-Identifier: Apache-2.0
"""Verified claims in the vocabulary of the platform that issued them."""

from collections.abc import Mapping
from typing import Any, Final

from scanner.platforms import PLATFORMS
from scanner.platforms.platform import Platform
from scanner.platforms.vocabulary import NAMES, TRUTHS, Claims, of_subject

__all__ = ["NAMES", "TRUTHS", "UNKNOWN", "Claims", "read_claims", "show_claims"]

UNKNOWN: Final = "unknown"


def read_claims(
    claims: Mapping[str, Any], platform: Platform | None = None, issuers: Mapping[str, str] | None = None
) -> Claims:
    """Return verified claims in the one vocabulary.

    Whose words they are is told by the issuer, which the signature vouches for, and not by how they look: first by
    what the policy says of it (`issuers`, issuer to name of platform), then by the platforms whose own addresses
    these are, then by the platform the job runs on.
    """
    issuer = claims.get("iss")
    issuer = issuer if isinstance(issuer, str) else ""
    named = (issuers or {}).get(issuer)
    if named:
        return PLATFORMS[named].vocabulary(claims)
    for one in PLATFORMS.values():
        if one.issued(issuer):
            return one.vocabulary(claims)
    return platform.vocabulary(claims) if platform else of_subject(claims, UNKNOWN)


def show_claims(claims: Claims) -> dict[str, str | bool]:
    """Return what the token says, by the vocabulary's names; what it does not say is left out."""
    values = zip(NAMES, claims, strict=False)
    return {name: value for name, value in values if value is not None and not isinstance(value, Mapping)}
