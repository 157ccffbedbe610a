# SPDX-License-Identifier: Apache-2.0
"""Decrypted copies, by the names that tools leave behind: helm-secrets `*.dec`, editors' `.decrypted~NAME`."""

import re
from collections.abc import Iterator
from typing import Final

from scanner.model import Confidence
from scanner.sops.bearers.file import REMOVE, File
from scanner.sops.likely import secrets_within
from scanner.sops.rules import Problem

_DATA: Final = r"(?:ya?ml|json|env|ini|toml|conf|cfg|properties|txt|xml|tfvars|tfstate|pem|key|crt|p12|sql|bin|asc)"
_CERTAIN: Final = re.compile(rf".*\.{_DATA}\.dec(?:rypted)?|.*\.decrypted~.*|.*\.dec(?:rypted)?\.{_DATA}|.*[._-]decrypted[~-].*")
_LIKELY: Final = re.compile(r".*\.dec(?:rypted)?|.*\.decrypted\..*|.*[._-]decrypted\." + _DATA)
_SECRET_WORD: Final = re.compile(r"secret|vault|cred|env|key|value|passw|token|prod|config")
_PROGRAM: Final = re.compile(r".*\.(?:py|js|mjs|ts|tsx|go|rs|java|rb|c|h|cc|cpp|hpp|cs|sh|php|md|rst|html|s|lua)")
# EDK II describes packages in files of this name.
_PACKAGE: Final = "DEC_SPECIFICATION"


def is_copy(name: str) -> bool:
    """Whether a file of this name (in lower case) is what a decryption leaves behind."""
    return "dec" in name and not _PROGRAM.fullmatch(name) and bool(_CERTAIN.fullmatch(name) or _LIKELY.fullmatch(name))


def decrypted_copies(file: File) -> Iterator[Problem]:
    """Yield that the file is a decrypted copy, at its first secret or its first line."""
    if not is_copy(file.name) or not file.text.strip() or _PACKAGE in file.text:
        return
    first = next(secrets_within(file.text), None)
    confidence: Confidence = "high"
    if first is None and not _CERTAIN.fullmatch(file.name):
        if "\0" in file.text[:8000]:
            return
        confidence = "medium" if _SECRET_WORD.search(file.name) else "low"
    if first is not None:
        where = (first[0].start, first[0].end)
    else:
        start = len(file.text) - len(file.text.lstrip())
        line = file.text.find("\n", start)
        where = (start, min(len(file.text) if line < 0 else line, start + 200))
    reason = "by its name a decrypted copy, and its content is clear text"
    yield Problem("sops-decrypted-copy", reason, file.span(*where), "decrypted copy", None, confidence, REMOVE)
