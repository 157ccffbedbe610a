# SPDX-License-Identifier: Apache-2.0
"""Values of Helm inside of manifests: what Flux, Argo CD and k3s install a chart with."""

from collections.abc import Iterator
from typing import Final

from scanner.sops.bearers.file import File
from scanner.sops.likely import looks_secret
from scanner.sops.rules import Problem
from scanner.sops.standin import strength

RELEASES: Final = ("HelmRelease", "HelmChart", "valuesObject")
_KINDS: Final = frozenset({"HelmRelease", "HelmChart", "HelmChartConfig", "Application", "ApplicationSet"})
# `valuesContent` is a text, and `values` may be one.
_VALUES: Final = frozenset({"values", "valuesObject", "valuesContent"})


def release_secrets(file: File) -> Iterator[Problem]:
    """Yield the secrets among the values of a release; a word may be a default, so what may be one is left out."""
    if not file.is_structured or not any(word in file.text for word in RELEASES):
        return
    leaves = file.tree.leaves
    if not any(leaf.key == "kind" and leaf.text in _KINDS for leaf in leaves):
        return
    names = {leaf.map: leaf.text for leaf in leaves if leaf.key == "name"}
    for leaf in leaves:
        if _VALUES.isdisjoint(leaf.path):
            continue
        key = ".".join(leaf.path)
        reason = looks_secret(names.get(leaf.map, key) if leaf.key == "value" else key, leaf.text)
        if reason and ("\n" in leaf.text or strength(leaf.text) == "strong"):
            yield file.problem(key, leaf.text, (leaf.start, leaf.end), f"values of a Helm release: {reason}", "medium")
