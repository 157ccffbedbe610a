# SPDX-License-Identifier: Apache-2.0
"""Programs that hold keys: found on the user's own PATH, run without a shell, and given up after a time."""

from collections.abc import Mapping, Sequence


def find_program(name: str, environ: Mapping[str, str]) -> str | None:
    """Return where a program is that PATH (or `name` itself, where it is a path) leads to, or None."""
    import shutil

    return shutil.which(name, path=environ.get("PATH", ""))


def run_program(argv: Sequence[str], environ: Mapping[str, str], given: bytes, seconds: float) -> tuple[int, bytes, bytes] | None:
    """Return exit code, output and error output, or None for what does not start or does not end in time."""
    import subprocess

    try:
        ended = subprocess.run(argv, input=given, capture_output=True, env=dict(environ), timeout=seconds, check=False)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        # A timeout carries what was printed so far, which may be a key: it ends here.
        return None
    return ended.returncode, ended.stdout, ended.stderr
