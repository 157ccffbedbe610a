# SPDX-License-Identifier: Apache-2.0
"""The second way to check a MAC: the `sops` program, for recipients that only it can ask (KMS and the like).

It gets a private copy of the encrypted file, and what it decrypts goes to nobody. Files that SOPS takes minutes and
gigabytes for are known (getsops/sops: aliases, many keys), so time and memory end.
"""

import os
from typing import Final

from scanner.sops.content import Store
from scanner.sops.keyed.keyring.program import find_program
from scanner.sops.keyed.keys import Keyring, NoKey
from scanner.sops.metadata import Metadata
from scanner.sops.rules import Problem

_SECONDS: Final = 60.0
_MAX_MEMORY: Final = 4 << 30
# Exit codes of getsops/sops `cmd/sops/codes/codes.go`.
_UNFIT: Final = {
    24: "sops cannot decrypt the MAC",
    25: "sops cannot decrypt a value",
    51: "sops finds that the MAC does not fit",
    52: "sops finds no MAC",
}
_NO_KEY: Final = 128


def verify_with_sops(data: bytes, store: Store, metadata: Metadata, keyring: Keyring) -> list[Problem]:
    """Return nothing for a file that `sops decrypt` accepts, else one problem.

    Raises `NoKey` where sops is not installed, has no key either, or gives up. Proves less than `verify_mac`: sops
    takes clear comments, text behind a ciphertext, and a forged recipient beside one that works.
    """
    program = find_program("sops", keyring.environ)
    if program is None:
        raise NoKey("the program sops is not installed")
    # sops sends the environment's token to whatever server a file names.
    if not keyring.may_ask(metadata):
        raise NoKey("the file names a Vault server that VAULT_ADDR and BAO_ADDR do not")
    code = _decrypt(program, data, store, keyring)
    if code == 0:
        return []
    if code in _UNFIT:
        return [Problem("sops-mac", _UNFIT[code], metadata.mac_span, "sops.mac", remedy="sops edit {file}")]
    raise NoKey("sops has no key for it either" if code == _NO_KEY else f"sops gave up ({code})")


def _decrypt(program: str, data: bytes, store: Store, keyring: Keyring) -> int:
    """Return the exit code of `sops decrypt`, negative where it was ended."""
    import subprocess
    import tempfile

    with tempfile.TemporaryDirectory(prefix="sealgate-") as folder:
        path = os.path.join(folder, "file")
        with open(path, "wb") as stream:
            stream.write(data)
        command = [program, "decrypt", "--input-type", store, "--output-type", store, path]
        nothing = subprocess.DEVNULL
        try:
            with subprocess.Popen(
                command, stdin=nothing, stdout=nothing, stderr=nothing, cwd=folder, env=dict(keyring.environ)
            ) as running:
                _limit_memory(running.pid)
                try:
                    return running.wait(_SECONDS)
                except subprocess.TimeoutExpired:
                    running.kill()
                    return -9
        except OSError:
            return -1


def _limit_memory(pid: int) -> None:
    """Limit the memory of a process, where the system can do that from outside (Linux)."""
    import resource

    if hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
        except (OSError, ValueError):
            return
