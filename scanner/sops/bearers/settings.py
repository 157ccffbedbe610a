# SPDX-License-Identifier: Apache-2.0
"""Settings that are secret by the name of their file: Helm values, `secrets.yaml`, Ansible's vault files.

What stands in a file named after secrets is one if it looks like no word, whatever its key; elsewhere (a chart's
`values.yaml`, group variables) the key has to say so.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.model import Confidence
from scanner.sops.bearers.file import ENCRYPT, File
from scanner.sops.bearers.sealed import is_vault_text
from scanner.sops.likely import HOLDS_MANIFEST, looks_secret, may_be_value, names_secret, pairs
from scanner.sops.rules import Problem
from scanner.sops.standin import stands_for, strength

_FORMATS: Final = frozenset(
    {".yaml", ".yml", ".json", ".toml", ".ini", ".properties", ".conf", ".cfg", ".tmpl", ".gotmpl", ".j2", ".txt", ""}
)
_SECRET_NAME: Final = re.compile(r"(?:.*[._-])?(?:secrets?|credentials?|creds|passwords?)(?:[._-].*)?")
# Where people put what must be encrypted, and what they call it then.
_SECRET_FOLDER: Final = re.compile(r"(?:^|/)\.?secrets?/")
_SEALED_NAME: Final = re.compile(r".+[.-](?:enc|encrypted|sops)")
_VAULT_NAME: Final = re.compile(r"(?:.*[._-])?vault(?:ed)?(?:[._-].*)?")
_VARIABLES: Final = re.compile(r"(?:^|/)(?:group_vars|host_vars)/")
_VALUES_NAME: Final = re.compile(r"(?:.*[._-])?values?(?:[._-].*)?\.(?:ya?ml|ya?ml\.gotmpl|json)")
_EXAMPLE: Final = re.compile(r"(?:.*[._-])?(?:example|sample|template|tmpl|dist|schema|baseline)(?:[._-].*)?")
_WORKFLOW: Final = re.compile(r"(?:^|/)\.(?:github|gitlab|circleci|gitea|forgejo|semaphore|buildkite)/")
# Opaque and public: digests, images, versions, dates, addresses, names of resources.
_PUBLIC: Final = re.compile(
    r"v?\d+[\d.]+[\w.+-]*|\d{4}-\d\d-\d\d.*|.*@sha256:.*|[\w.-]+(?:/[\w.-]+)+(?::[\w.-]+)?|[^\s@]+@[\w-]+(?:\.[\w-]+)+"
    r"|[\w-]+(?:\.[\w-]+){2,}|arn:.*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|.*\s.*",
    re.IGNORECASE | re.DOTALL,
)
_PUBLIC_KEY: Final = re.compile(
    r".*(?:id|sha|digest|hash|checksum|version|tag|image|name|url|revision|commit|fingerprint|date|time|pub\w*)", re.IGNORECASE
)
_HEADER: Final = re.compile(r"\$ANSIBLE_VAULT;1\.[12];AES256(?:;[\w.@-]{1,100})?[ \t]*\r?\n")


class _Kind(NamedTuple):
    """What a file is taken for by its name, and how much its values are believed."""

    what: str
    named: bool
    strong: Confidence
    weak: Confidence


_SECRETS: Final = _Kind("file of secrets", named=True, strong="high", weak="medium")
_ANSIBLE: Final = _Kind("Ansible vault in clear text", named=True, strong="high", weak="medium")
_FOLDER: Final = _Kind("file in a folder of secrets", named=False, strong="high", weak="low")
_VALUES: Final = _Kind("values in clear text", named=False, strong="medium", weak="low")


def is_settings(path: str) -> bool:
    """Whether a file at this path (in lower case) is one of them by its name."""
    return _kind(path) is not None


def setting_secrets(file: File) -> Iterator[Problem]:
    """Yield what is secret in files of settings."""
    yield from _vaults(file)
    kind = _kind(file.lower)
    if kind is None or file.text.lstrip().startswith("$ANSIBLE_VAULT"):
        return
    is_example = _EXAMPLE.fullmatch(file.name) is not None
    for key, value, where in _entries(file):
        reason = looks_secret(key, value) or (_opaque(key, value) if kind.named and not is_example else "")
        if not reason or reason == HOLDS_MANIFEST:
            continue  # a manifest inside is judged as one, value by value
        weak = strength(value) != "strong"
        if weak and is_example:
            continue
        confidence = kind.weak if weak or (kind.named and names_secret(key) == "none") else kind.strong
        yield file.problem(key, value, where, f"{kind.what}: {reason}", confidence, weak=weak)


def _kind(path: str) -> _Kind | None:
    name = path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    if extension in ("enc", "encrypted", "sops"):
        return _SECRETS
    if (dot + extension if dot else "") not in _FORMATS or _WORKFLOW.search(path):
        return None
    if extension in ("tmpl", "gotmpl", "j2"):
        stem = stem.rpartition(".")[0]
    if _VAULT_NAME.fullmatch(stem or name) and extension != "txt":
        return _ANSIBLE
    if _SECRET_NAME.fullmatch(stem or name) or _SEALED_NAME.fullmatch(stem):
        return _SECRETS
    if _VARIABLES.search(path):
        return _ANSIBLE if "vault" in path else _VALUES
    if _SECRET_FOLDER.search(path):
        return _FOLDER
    return _VALUES if _VALUES_NAME.fullmatch(name) else None


def _entries(file: File) -> Iterator[tuple[str, str, tuple[int, int]]]:
    if not file.is_structured:
        for pair in pairs(file.text):
            yield pair.key, pair.value, (pair.start, pair.end)
        return
    tree = file.tree
    manifests = {leaf.path[0] for leaf in tree.leaves if leaf.path in (("apiVersion",), ("kind",))} == {"apiVersion", "kind"}
    if manifests or "$schema" in file.text[:500]:
        return  # Kubernetes' own kinds are judged as such; a schema describes
    names = {leaf.map: leaf.text for leaf in tree.leaves if leaf.key in ("name", "key")}
    for leaf in tree.leaves:
        if leaf.tag == "!vault":
            continue
        path = ".".join(leaf.path)
        key = names.get(leaf.map, path) if leaf.key == "value" else path
        yield key, leaf.text, (leaf.start, leaf.end)


def _opaque(key: str, value: str) -> str:
    if strength(value) != "strong" or len(value) < 10 or stands_for(value) or not may_be_value(value):
        return ""
    if _PUBLIC.fullmatch(value[:500]) or _PUBLIC_KEY.fullmatch(key):
        return ""
    return "value that looks like no word"


def _vaults(file: File) -> Iterator[Problem]:
    """A header of ansible-vault with something else behind it encrypts nothing."""
    if "$ANSIBLE_VAULT" not in file.text or file.is_prose:
        return
    for found in _HEADER.finditer(file.text):
        before = file.text[file.text.rfind("\n", 0, found.start()) + 1 : found.start()]
        if before.strip() or not (file.is_structured or not before):
            continue  # quoted in a program
        if not _is_vault_body(file.text, found.end(), before):
            reason = "it begins as an Ansible vault and is not encrypted"
            yield Problem("sops-uncovered", reason, file.span(*found.span()), "ansible-vault", None, "high", ENCRYPT)


def _is_vault_body(text: str, position: int, indent: str) -> bool:
    """Whether hex follows that stands for hex, until the end of the file or of the block."""
    digits = []
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].strip()
        if not re.fullmatch(r"[0-9a-f]+", line):
            if line and (not indent or text[position:end].startswith(indent)):
                return False
            if line:
                break
        digits.append(line)
        position = end + 1
    return is_vault_text("".join(digits).encode())
