# SPDX-License-Identifier: Apache-2.0
"""Which platform this job runs on, and where its token comes from."""

from collections.abc import Mapping
from typing import Any, Final

from scanner.display import one_line
from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms import PLATFORMS
from scanner.platforms.platform import Platform
from scanner.platforms.token import from_file, from_variable
from scanner.platforms.vocabulary import Claims, of_subject
from scanner.transport import Deadline, Transport

# What a file or variable is called that no platform stands behind.
GIVEN: Final = "given"


class Given(Platform):
    """A token that the caller names, in a file (read anew each time) or a variable; `under` is the platform it runs on."""

    NAME = GIVEN

    def __init__(self, file: str, variable: str, under: Platform | None) -> None:
        self._file = file
        self._variable = variable
        self._under = under
        self.scrub = ((variable,) if variable else ()) + (under.scrub if under else ())

    def detect(self, environ: Mapping[str, str]) -> bool:
        """Whether the variable is there; a file is only looked at when it is read."""
        return bool(self._file or environ.get(self._variable))

    def identity_token(self, environ: Mapping[str, str], audience: str, transport: Transport, deadline: Deadline) -> Secret:
        """Read the token; its audience is what it is."""
        return from_file(self._file) if self._file else from_variable(environ, self._variable)

    def issuers(self, environ: Mapping[str, str]) -> tuple[str, ...]:
        """Return those of the platform it runs on."""
        return self._under.issuers(environ) if self._under else ()

    def issued(self, issuer: str) -> bool:
        """Whether the platform it runs on says so."""
        return self._under is not None and self._under.issued(issuer)

    def vocabulary(self, claims: Mapping[str, Any]) -> Claims:
        """Translate as the platform it runs on does."""
        return self._under.vocabulary(claims) if self._under else of_subject(claims, GIVEN)

    def mask(self, value: str) -> str:
        """Return the line of the platform it runs on."""
        return self._under.mask(value) if self._under else ""


def choose(environ: Mapping[str, str], *, platform: str = "", token_file: str = "", token_env: str = "") -> Platform:
    """Return the platform that was named or that the environment shows, and with it where the token comes from.

    Raises `ConfigError` where none can be told, or more than one.
    """
    if token_file and token_env:
        raise ConfigError("--token-file and --token-env exclude each other", "give one of them")
    found = _named(platform) if platform else _detected(environ)
    if token_file or token_env:
        return Given(token_file, token_env, found[0] if len(found) == 1 else None)
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(one.NAME for one in found)
        raise ConfigError(f"the environment looks like {names} at once", "choose with --platform, --token-file or --token-env")
    raise ConfigError(
        f"this is no job of a platform that is known ({', '.join(PLATFORMS)})",
        "name the identity token with --token-file or --token-env",
    )


def scrub_names(environ: Mapping[str, str], platform: Platform | None = None) -> frozenset[str]:
    """Return every variable of any platform that carries a token, whichever one this is; `platform` adds its own."""
    names = {name for one in PLATFORMS.values() for name in one.scrub} | set(platform.scrub if platform else ())
    return frozenset(names | {name for name in environ if name.endswith("_ID_TOKEN")})


def _named(name: str) -> list[Platform]:
    if name not in PLATFORMS:
        raise ConfigError(f"there is no platform {one_line(name)!r}", f"known: {', '.join(PLATFORMS)}")
    return [PLATFORMS[name]]


def _detected(environ: Mapping[str, str]) -> list[Platform]:
    """Runners of other platforms run on Kubernetes, too: it counts only where there is no other."""
    found = [platform for platform in PLATFORMS.values() if platform.detect(environ)]
    return [platform for platform in found if platform.NAME != "kubernetes"] or found
