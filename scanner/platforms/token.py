# SPDX-License-Identifier: Apache-2.0
"""Identity tokens that lie about already: in a file, in a variable."""

import re
from collections.abc import Mapping
from typing import Final

from scanner.errors import ConfigError
from scanner.model import Secret

MAX_TOKEN_BYTES: Final = 32 * 1024

_FORM: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


def from_file(path: str) -> Secret:
    """Read a token from a file, without the line ending it may have. Raises `ConfigError`, never quoting content."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the token file {path}: {error.strerror}", "check --token-file") from None
    return _checked(data, f"the token file {path}")


def from_variable(environ: Mapping[str, str], name: str) -> Secret:
    """Read a token from a variable. Raises `ConfigError`, never quoting content."""
    value = environ.get(name)
    if not value:
        raise ConfigError(f"the variable {name} is empty or not set", "check --token-env")
    return _checked(value.encode("utf-8", "surrogateescape"), f"the variable {name}")


def looks_like_token(value: str) -> bool:
    """Whether it has the form of a JWT in compact serialization (RFC 7515, section 7.1)."""
    return _FORM.fullmatch(value.strip()) is not None


def _checked(data: bytes, where: str) -> Secret:
    data = data.strip()
    if len(data) > MAX_TOKEN_BYTES:
        raise ConfigError(f"{where} holds more than {MAX_TOKEN_BYTES // 1024} KiB", "it is no identity token")
    if not data:
        raise ConfigError(f"{where} is empty", "it has to hold an identity token")
    return Secret(data)
