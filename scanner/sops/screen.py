# SPDX-License-Identifier: Apache-2.0
"""Is it worth loading the SOPS checks for this file? Asked of every file of every commit, so it costs next to nothing.

The answer errs on the side of yes: whatever `stores.sniff.has_metadata` or `bearing.may_bear` says yes to, this does too
(tests/sops/test_screen.py). Most commits are told here, without importing anything of what follows.
"""

import functools
from typing import Any, Final

# The second one SOPS does not read; whoever has it thinks that it does.
CONFIGURATIONS: Final = (b".sops.yaml", b".sops.yml")
_NAMES: Final = (
    b"env", b"dec", b"tfstate", b"tfvars", b"kube", b"dockerc", b".docker/", b"secret", b"cred", b"passw", b"vault", b"_vars/",
    b"value", b".asc", b".gpg", b".pgp", b".key", b".bin", b".kbx", b".dev.vars", b"kustomization",
    b".enc", b"-enc", b".sops", b"-sops", b".encrypted", b"-encrypted",
)  # fmt: skip
_MARKS: Final = (
    b"sops", b"AGE-SECRET-KEY-", b"PRIVATE KEY", b"PuTTY-User-Key-File-", b"secretGenerator", b"$ANSIBLE_VAULT", b'"auths"',
    b"client-key-data", b"current-context", b"HelmRelease", b"HelmChart", b"valuesObject",
)  # fmt: skip
# Signs that count together.
_KIND: Final = (b"kind", b"Secret", b"\\")
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")


def may_concern(path: bytes, data: bytes) -> bool:
    """Whether a file that no creation rule covers may be anything that the SOPS checks have to say something about."""
    lower = path.lower()
    if any(part in lower for part in _NAMES) or b"\0" in data[:4] or data.startswith(_UTF16):
        return True
    found: set[int] = set()
    _signs().scan(data, match_event_handler=lambda number, *_: found.add(number))
    kind, secret, escape = (len(_MARKS) + place in found for place in range(len(_KIND)))
    return bool(found) and (min(found) < len(_MARKS) or (kind and (secret or escape)))


@functools.cache
def _signs() -> Any:
    """Return a database of all signs: one pass, where a search for each takes five times as long."""
    import hyperscan

    texts = [*_MARKS, *_KIND]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    once = [hyperscan.HS_FLAG_SINGLEMATCH] * len(texts)
    database.compile(expressions=texts, ids=list(range(len(texts))), elements=len(texts), flags=once, literal=True)
    database.scratch = hyperscan.Scratch(database)
    return database
