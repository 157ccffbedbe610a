# SPDX-License-Identifier: Apache-2.0
"""What the user's own GnuPG opens: the program decrypts, Sealgate never sees a private key.

A message comes from the repository, so nothing in it may make gpg ask, fetch or unpack without end.
"""

from collections.abc import Mapping
from typing import Final

from scanner.display import one_line, shorten
from scanner.sops.keyed.keyring.program import find_program, run_program
from scanner.sops.keyed.keyring.refusal import NoKey

_SECONDS: Final = 30.0
# A data key is 32 bytes; a compressed message could be gigabytes.
_MAX_OUTPUT: Final = "4096"


def open_pgp(fingerprint: str, wrapped: str, environ: Mapping[str, str]) -> bytes:
    """Return what a PGP message wraps. Raises `NoKey` where gpg cannot open it."""
    shown = shorten(one_line(fingerprint), 60)
    name = environ.get("SOPS_GPG_EXEC") or "gpg"
    program = find_program(name, environ)
    if program is None:
        raise NoKey(f"pgp: {shown} needs the program gpg, which is not installed")
    # The agent answers with a passphrase that it remembers; --pinentry-mode error keeps it from asking for one.
    argv = [program, "--batch", "--no-tty", "--quiet", "--pinentry-mode", "error", "--disable-dirmngr"]
    argv += ["--no-auto-key-retrieve", "--max-output", _MAX_OUTPUT, "--status-fd", "2", "--decrypt"]
    ended = run_program(argv, environ, wrapped.encode("utf-8", "replace"), _SECONDS)
    # gpg prints what a message holds that is not encrypted at all, and exits with zero.
    if ended is None or ended[0] or b"DECRYPTION_OKAY" not in ended[2]:
        raise NoKey(f"pgp: gpg does not open it with the key {shown}")
    return ended[1]
