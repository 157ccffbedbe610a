# SPDX-License-Identifier: Apache-2.0
"""Kustomize's secretGenerator: literals are secrets in clear text, and so are the files that it names."""

import posixpath
from collections.abc import Iterator
from typing import Final

from scanner.model import Confidence
from scanner.sops.bearers.file import File
from scanner.sops.bearers.tree import Leaf
from scanner.sops.likely import may_be_value, names_secret, pairs
from scanner.sops.rules import Problem
from scanner.sops.standin import stands_for, strength

_GENERATOR: Final = "secretGenerator"
_SOURCES: Final = frozenset({"envs", "env", "files"})


def literals(file: File) -> Iterator[Problem]:
    """Yield the literals of a kustomization's Secrets."""
    for leaf in _leaves(file):
        if leaf.key != "literals":
            continue
        name, _, value = leaf.text.partition("=")
        value = value.strip().strip("\"'")
        if len(value) < 3 or stands_for(value) or not may_be_value(value):
            continue
        weak = strength(value) != "strong"
        if weak and names_secret(name) == "none":
            continue
        confidence: Confidence = "medium" if weak else "high"
        key = f"{_GENERATOR}.{name}"
        yield file.problem(key, value, (leaf.start, leaf.end), "literal of a secretGenerator", confidence, weak=weak)


def generated(file: File) -> Iterator[Problem]:
    """Yield what is in a file that a Secret is made of: lines of an environment file, or one value as it stands."""
    found = [(pair.key, pair.value, (pair.start, pair.end)) for pair in pairs(file.text)]
    if not found:
        found = [(file.name, file.text.strip(), (0, len(file.text)))]
    for name, value, where in found:
        if len(value) > 2 and not stands_for(value) and may_be_value(value):
            named = names_secret(name) != "none" or strength(value) == "strong"
            reason = "source of a secretGenerator, so that it is in clear text what will be a Secret"
            yield file.problem(name, value, where, reason, "high" if named else "low", weak=not named)


def sources(file: File) -> Iterator[str]:
    """Yield the paths of the files that a kustomization makes Secrets of, relative to the repository's root."""
    folder = posixpath.dirname(file.path)
    for leaf in _leaves(file):
        if leaf.key not in _SOURCES:
            continue
        target = leaf.text.strip()
        if leaf.key == "files":
            target = target.rpartition("=")[2]
        if not target or "://" in target or target.startswith("/") or stands_for(target):
            continue
        target = posixpath.normpath(posixpath.join(folder, target))
        if not target.startswith(".."):
            yield target


def _leaves(file: File) -> Iterator[Leaf]:
    if _GENERATOR not in file.text or not file.is_structured:
        return
    for leaf in file.tree.leaves:
        if _GENERATOR in leaf.path:
            yield leaf
