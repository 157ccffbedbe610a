# SPDX-License-Identifier: Apache-2.0
"""Identity tokens that a platform's own program prints."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from scanner.errors import ConfigError, DeniedError, UnavailableError
from scanner.model import Secret
from scanner.platforms.token import MAX_TOKEN_BYTES, looks_like_token
from scanner.transport import Deadline


def token_of(command: Sequence[str], environ: Mapping[str, str], deadline: Deadline) -> Secret:
    """Run the program and return the token it prints. What else it says is kept to itself: it may quote the token."""
    name = command[0]
    program = shutil.which(name, path=environ.get("PATH", ""))
    if program is None:
        raise ConfigError(f"the program {name} is not on PATH", "it comes with the platform's runner; or use --token-env")
    deadline.check(f"asking {name} for an identity token")
    try:
        done = subprocess.run(
            [program, *command[1:]],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=deadline.remaining(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{name} did not answer in time", "try again, or raise --timeout") from None
    except OSError as error:
        raise ConfigError(f"cannot run {name}: {error.strerror}", "check the program on PATH") from None
    hint = f"see what it says by itself: {' '.join(command)}"
    if done.returncode != 0:
        raise DeniedError(f"{name} gave no identity token and ended with {done.returncode}", hint)
    text = done.stdout[: MAX_TOKEN_BYTES + 1].decode("utf-8", "replace").strip()
    if len(text) > MAX_TOKEN_BYTES or not looks_like_token(text):
        raise DeniedError(f"{name} printed something that is no identity token", hint)
    return Secret(text.encode())
