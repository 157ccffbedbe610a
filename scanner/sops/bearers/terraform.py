# SPDX-License-Identifier: Apache-2.0
"""Terraform and OpenTofu: state, which holds whatever providers returned, and files of variables."""

import re
from collections.abc import Iterator
from typing import Final

from scanner.model import Confidence, Span
from scanner.sops.bearers.file import ENCRYPT, File
from scanner.sops.likely import looks_secret, pairs
from scanner.sops.rules import Problem
from scanner.sops.standin import stands_for, strength

_HELD: Final = frozenset({"resources", "outputs", "modules", "values", "planned_values"})
_STATE: Final = re.compile(r".*\.tfstate(?:\.(?!lock\.info).*)?|tfstate(?:\.json)?|errored\.tfstate")
_VARIABLES: Final = re.compile(r".*\.tfvars(?:\.json)?")
_EXAMPLE: Final = re.compile(r"(?:.*[._-])?(?:example|sample|template)[._-].*|.*\.(?:example|sample|template)")
_SEALED: Final = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")
_REASON: Final = "Terraform state is kept in clear text"
_LIST: Final = re.compile(r"^[ \t]*([A-Za-z_][\w-]{0,80})[ \t]*=[ \t]*\[([^\]]{0,20000})\]", re.MULTILINE)
_QUOTED: Final = re.compile(r"\"([^\"\\\n]{1,4096})\"")
_COMMENT: Final = re.compile(r"^[ \t]*(?:#|//).*$", re.MULTILINE)


def is_terraform(name: str) -> bool:
    """Whether a file of this name (in lower case) is state or variables."""
    return ".tfstate" in name or ".tfvars" in name or name == "tfstate"


def terraform_secrets(file: File) -> Iterator[Problem]:
    """Yield what is secret in state or variables."""
    if _STATE.fullmatch(file.name):
        yield from _state(file)
    elif _VARIABLES.fullmatch(file.name) or (".tfvars." in file.name and not _EXAMPLE.fullmatch(file.name)):
        yield from _variables(file)


def _state(file: File) -> Iterator[Problem]:
    leaves = file.tree.leaves
    held = [leaf for leaf in leaves if leaf.path and leaf.path[0] in _HELD and stands_for(leaf.text) != "it is encrypted"]
    if not held:
        sealed = any(leaf.path == ("encrypted_data",) and _SEALED.fullmatch(leaf.text) for leaf in leaves)
        if sealed or not file.text.strip() or (leaves and all(leaf.path for leaf in leaves)):
            return
        whole = Span(0, min(len(file.data), 200))
        yield Problem("sops-uncovered", f"{_REASON}, and cannot be read", whole, "state", None, "medium", ENCRYPT)
        return
    count = 0
    sensitive = _sensitive_outputs(file)
    for leaf in held:
        key = leaf.key
        named = key if key != "value" or len(leaf.path) < 2 else leaf.path[-2]
        if looks_secret(named, leaf.text) or (leaf.path[:2] in sensitive and leaf.key not in ("sensitive", "type")):
            if stands_for(leaf.text):
                continue
            count += 1
            yield file.problem(".".join(leaf.path), leaf.text, (leaf.start, leaf.end), _REASON)
    if not count:
        # Nothing that is recognised: still nothing that belongs into a repository.
        yield Problem("sops-uncovered", _REASON, file.span(held[0].start, held[0].end), "state", None, "medium", ENCRYPT)


def _listed(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield the texts of lists: `tokens = ["…", "…"]`."""
    for found in _LIST.finditer(text):
        for value in _QUOTED.finditer(text, *found.span(2)):
            yield found[1], value[1], *value.span(1)


def _sensitive_outputs(file: File) -> set[tuple[str, ...]]:
    outputs = (leaf for leaf in file.tree.leaves if leaf.path[:1] == ("outputs",))
    return {leaf.path[:2] for leaf in outputs if leaf.key == "sensitive" and leaf.text == "true"}


def _variables(file: File) -> Iterator[Problem]:
    if file.is_structured:
        found = [(".".join(leaf.path), leaf.text, leaf.start, leaf.end) for leaf in file.tree.leaves]
    else:
        text = _COMMENT.sub(lambda comment: " " * len(comment[0]), file.text)
        found = [*pairs(text), *_listed(text)]
    for key, value, start, end in found:
        reason = looks_secret(key, value)
        if reason:
            weak = strength(value) != "strong"
            confidence: Confidence = "medium" if weak else "high"
            yield file.problem(key, value, (start, end), f"Terraform variables: {reason}", confidence, weak=weak)
