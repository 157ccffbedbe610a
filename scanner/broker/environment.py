# SPDX-License-Identifier: Apache-2.0
"""The environment of the child: nothing in it that proves who the job is, and the secrets."""

import os
import re
from collections.abc import Collection, Mapping
from typing import Final

from scanner.broker.names import check_variable
from scanner.errors import ConfigError
from scanner.model import Secret

# With these one would be the job, or the broker. What the platforms add is in `scanner.platforms`.
SCRUBBED: Final = frozenset(
    f"{prefix}_{name}"
    for prefix in ("VAULT", "BAO")
    for name in ("TOKEN", "TOKEN_FILE", "JWT", "ROLE_ID", "SECRET_ID", "WRAPPED_TOKEN", "WRAP_TOKEN")
)
# What a program needs to run at all, for `pristine`.
_PLAIN: Final = re.compile(r"PATH|HOME|USER|LOGNAME|SHELL|PWD|TERM|COLORTERM|NO_COLOR|TZ|TMPDIR|LANG|LANGUAGE|LC_[A-Z]+")
_AS_FILE: Final = "take it as a file: --file 'PATH#FIELD=FILE-NAME'"


def closed_environment(
    environ: Mapping[str, str],
    variables: Mapping[str, Secret],
    *,
    scrub: Collection[str] = (),
    keep: Collection[str] = (),
    pristine: bool = False,
) -> dict[bytes, bytes]:
    """Return the child's environment: what is there without `SCRUBBED` and `scrub`, and the secrets.

    `pristine` leaves only what any program needs. `keep` names what stays in any case. Raises `ConfigError` for a
    variable that may not hold a secret, or cannot.
    """
    removed = SCRUBBED.union(scrub)
    closed = {
        os.fsencode(name): os.fsencode(value)
        for name, value in environ.items()
        if name in keep or (name not in removed and (not pristine or _PLAIN.fullmatch(name)))
    }
    for name, secret in variables.items():
        if b"\0" in secret.reveal():
            raise ConfigError(f"the value for {name} holds a NUL character, which no variable can", _AS_FILE)
        closed[check_variable(name).encode()] = secret.reveal()
    return closed
