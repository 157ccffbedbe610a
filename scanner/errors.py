# SPDX-License-Identifier: Apache-2.0
"""Every error Sealgate raises on purpose, and the one table of exit codes.

A message says what and where; a hint says what to do about it. Neither ever quotes scanned
content, a token or a server's answer: an error text ends in CI logs that many people read.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OK: Final = 0
FINDINGS: Final = 1
USAGE: Final = 2
INCOMPLETE: Final = 3
REFUSED: Final = 4
UNAVAILABLE: Final = 5
BUG: Final = 70
INTERRUPTED: Final = 130

# The order is the order of the help page and of the README, both checked against this table.
EXIT_CODES: Final[Mapping[int, str]] = MappingProxyType(
    {
        OK: "clean and complete",
        FINDINGS: "the gate failed: findings or violations at or over the level",
        USAGE: "usage or configuration error",
        INCOMPLETE: "incomplete: something asked for was not scanned",
        REFUSED: "refused: identity, claims or policy",
        UNAVAILABLE: "a needed service is unavailable",
        BUG: "a bug in Sealgate",
        INTERRUPTED: "interrupted",
    }
)


class SealgateError(Exception):
    """An expected failure: shown as one line, `message` and then `hint`, and never as a traceback."""

    exit_code: int = BUG

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(SealgateError):
    """A flag, rule pack, configuration or baseline that cannot be used as it stands."""

    exit_code = USAGE


class SourceError(SealgateError):
    """What was asked for could not be read at all; a part that could not be read is a `Gap`."""

    exit_code = INCOMPLETE


class ReportError(SealgateError):
    """A report could not be written whole; the run fails, as whoever waits for it has nothing."""

    exit_code = USAGE


class DeniedError(SealgateError):
    """Identity, claims or policy refuse it, here or at the server; asking again changes nothing."""

    exit_code = REFUSED


class UnavailableError(SealgateError):
    """A service that is needed does not answer, or not in time, after all the retries there are."""

    exit_code = UNAVAILABLE
