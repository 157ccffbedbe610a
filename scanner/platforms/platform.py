# SPDX-License-Identifier: Apache-2.0
"""What every platform has to offer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from scanner.model import Secret
from scanner.platforms.vocabulary import Claims
from scanner.transport import Deadline, Transport


class Platform(ABC):
    """One platform that gives its jobs an identity.

    `NAME` is what options and policies call it. `scrub` names the variables with which one could get at the
    platform in the job's name: no child needs them.
    """

    NAME: ClassVar[str]
    scrub: tuple[str, ...] = ()

    @abstractmethod
    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether this environment is one of its jobs."""

    @abstractmethod
    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Return a token that says who the job is, for `audience` (empty: the platform's default) where that can be chosen.

        Raises `ConfigError`, `DeniedError`, `UnavailableError`, none of which quotes the token.
        """

    @abstractmethod
    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate the verified claims of a token."""

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return the issuers that are trusted in such a job without being named."""
        return ()

    def issued(self, issuer: str) -> bool:
        """Whether an issuer is this platform's for certain, by its address alone."""
        return False

    def mask(self, value: str) -> str:
        """Return the line that makes the platform hide a value in its log, or nothing where it knows no such line."""
        return ""
