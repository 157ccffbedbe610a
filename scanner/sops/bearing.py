# SPDX-License-Identifier: Apache-2.0
"""Files that bear secrets although no creation rule singles them out: by what they are, not by where they stand.

Each family in `bearers/` knows one kind of file. This module says which of them look at a file, and keeps what
they say short; whoever calls has seen to it that the file is not encrypted with SOPS.
"""

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from scanner.sops.bearers.copies import decrypted_copies, is_copy
from scanner.sops.bearers.env import env_secrets, is_env
from scanner.sops.bearers.file import File
from scanner.sops.bearers.helm import RELEASES, release_secrets
from scanner.sops.bearers.keys import OPENPGP_NAME, private_keys, sops_keys
from scanner.sops.bearers.kubernetes import secrets
from scanner.sops.bearers.kustomize import generated, literals, sources
from scanner.sops.bearers.logins import is_login, login_secrets
from scanner.sops.bearers.sealed import is_sealed
from scanner.sops.bearers.settings import is_settings, setting_secrets
from scanner.sops.bearers.terraform import is_terraform, terraform_secrets
from scanner.sops.rules import Problem

# In this order: what an earlier family says of a value, no later one says again.
_FAMILIES: Final[tuple[Callable[[File], Iterator[Problem]], ...]] = (
    sops_keys,
    secrets,
    login_secrets,
    literals,
    release_secrets,
    terraform_secrets,
    env_secrets,
    setting_secrets,
    private_keys,
)
_MOST_PROBLEMS: Final = 20
# Of these only keys of SOPS count: what else a program holds is for the secret detector.
_PROGRAMS: Final = (
    ".py", ".pyi", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".go", ".rs", ".java", ".kt", ".scala", ".rb",
    ".php", ".c", ".h", ".cc", ".cpp", ".hpp", ".cs", ".swift", ".m", ".mm", ".lua", ".pl", ".pm", ".ex", ".exs",
    ".erl", ".hs", ".ml", ".clj", ".dart", ".zig", ".nim", ".vue", ".svelte", ".css", ".scss", ".less", ".sql",
    ".map", ".svg", ".lock", ".sum", ".snap", ".ipynb", ".proto",
)
_SOPS_KEYS: Final = (b"AGE-SECRET-KEY-", b"PGP PRIVATE KEY")
_MARKS: Final = (
    b"AGE-SECRET-KEY-",
    b"PRIVATE KEY",
    b"PuTTY-User-Key-File-",
    b"secretGenerator",
    b"$ANSIBLE_VAULT",
    b'"auths"',
    b"client-key-data",
    b"current-context",
    *(word.encode() for word in RELEASES),
)
_YAML: Final = (".yaml", ".yml", ".json", ".tpl")
# Letters of `kind: Secret` written as numbers, which YAML and JSON allow.
_ESCAPE: Final = re.compile(rb"\\(?:x|u00|U000000)[4-7]")
_CONFIGURATIONS: Final = frozenset({".sops.yaml", ".sops.yml"})


def is_program(path: bytes) -> bool:
    """Whether a file is a program by its name: what it holds of SOPS or of manifests is an example, mostly of a test."""
    return path.decode("utf-8", "replace").lower().endswith(_PROGRAMS)


def may_bear(path: bytes, data: bytes) -> bool:
    """Whether it is worth a closer look at this file; asked of every file, so by name and a few searches only."""
    lower = path.decode("utf-8", "replace").lower()
    if lower.endswith(_PROGRAMS):
        return any(mark in data for mark in _SOPS_KEYS)
    name = lower.rpartition("/")[2]
    if is_env(name) or is_copy(name) or is_terraform(name) or is_login(lower) or is_settings(lower):
        return True
    if name.endswith(OPENPGP_NAME) or any(mark in data for mark in _MARKS):
        return True
    if b"\0" in data[:4] or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True  # UTF-16, in which no mark would be found
    if b"users" in data and b"clusters" in data:
        return True
    if b"kind" in data and (b"Secret" in data or (b"\\" in data and name.endswith(_YAML))):
        return True
    return name.endswith(_YAML) and _ESCAPE.search(data) is not None


def secret_bearing(path: bytes, data: bytes, *, is_source: bool = False) -> list[Problem]:
    """Return the secrets in clear text that a file not encrypted with SOPS holds, at most some twenty; never raises.

    `is_source` says that a kustomization makes a Secret of this file, so that everything in it is one.
    """
    file = File(path, data)
    if file.name in _CONFIGURATIONS or not file.text.strip() or is_sealed(data):
        return []
    copies = list(decrypted_copies(file))
    if copies:
        return copies + list(islice(sops_keys(file), _MOST_PROBLEMS))
    families = (sops_keys,) if file.lower.endswith(_PROGRAMS) else _FAMILIES
    problems: list[Problem] = []
    for family in (*families, generated) if is_source else families:
        for problem in family(file):
            if not any(_overlap(problem, other) for other in problems):
                problems.append(problem)
                if len(problems) >= _MOST_PROBLEMS:
                    return problems
    return problems


def secret_generator_sources(path: bytes, data: bytes) -> list[bytes]:
    """Return the files, from the repository's root, that a kustomization makes Secrets of."""
    if b"secretGenerator" not in data:
        return []
    return [source.encode("utf-8", "surrogateescape") for source in sources(File(path, data))]


def _overlap(one: Problem, other: Problem) -> bool:
    return one.span.start < other.span.end and other.span.start < one.span.end
