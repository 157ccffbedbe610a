# SPDX-License-Identifier: Apache-2.0
"""Files that log a program in: kubeconfig, Docker's `config.json`, Google's service accounts."""

import binascii
import re
from collections.abc import Iterator
from typing import Final

from scanner.model import Confidence
from scanner.sops.bearers.file import File
from scanner.sops.bearers.tree import Leaf
from scanner.sops.rules import Problem
from scanner.sops.standin import stands_for, strength

_KUBE_NAME: Final = re.compile(r"(?:.*[._-])?kubeconfig(?:[._-].*)?|.*\.kube/config|.*kubeconfigs?/[^/]*")
_KUBE_KIND: Final = re.compile(r"^kind: [\"']?Config\b", re.MULTILINE)
_KUBE_KEYS: Final = frozenset(
    {"client-key-data", "token", "password", "id-token", "refresh-token", "access-token", "client-secret"}
)
_KUBE_WORDS: Final = ("client-key-data", "current-context", "clusters")
_DOCKER_KEYS: Final = frozenset({"auth", "password", "identitytoken", "registrytoken"})
# Armor with base64 in it, cut short perhaps, rather than a word or an ellipsis.
_ARMOR: Final = re.compile(r"PRIVATE KEY-----\s{0,9}(?![A-Z_]{1,30}\s)[A-Za-z0-9+/]{8}")
_OMITTED: Final = re.compile(r"redacted|(?:data|base64).{0,3}omitted|omitted", re.IGNORECASE)


def is_login(path: str) -> bool:
    """Whether a file at this path (in lower case) is one of them by its name."""
    name = path.rpartition("/")[2]
    return "kubeconfig" in path or "dockerc" in name or path.endswith((".kube/config", ".docker/config.json"))


def login_secrets(file: File) -> Iterator[Problem]:
    """Yield the credentials of a kubeconfig, of Docker's configuration, of a service account."""
    text = file.text
    if _is_kubeconfig(file):
        yield from _kubeconfig(file)
    if ("auth" in text and "dockerc" in file.name) or ('"auths"' in text and file.is_structured):
        yield from _docker(file)
    if "service_account" in text and "private_key" in text and file.is_structured:
        yield from _service_account(file)


def _is_kubeconfig(file: File) -> bool:
    if _KUBE_NAME.fullmatch(file.lower) or _KUBE_NAME.fullmatch(file.name):
        return True
    is_named_so = file.is_structured or _KUBE_KIND.search(file.text) is not None
    return is_named_so and "users" in file.text and any(word in file.text for word in _KUBE_WORDS)


def _kubeconfig(file: File) -> Iterator[Problem]:
    for leaf in file.tree.leaves:
        if leaf.path[:1] != ("users",) or leaf.key not in _KUBE_KEYS:
            continue
        value = leaf.text.strip()
        if len(value) > 3 and not stands_for(value) and not _OMITTED.search(value[:40]):
            weak = strength(value) != "strong"
            confidence: Confidence = "medium" if weak else "high"
            where, reason = (leaf.start, leaf.end), "credential of a kubeconfig"
            yield file.problem(".".join(leaf.path), value, where, reason, confidence, weak=weak)


def _docker(file: File) -> Iterator[Problem]:
    for leaf in file.tree.leaves:
        if leaf.key not in _DOCKER_KEYS or not ("auths" in leaf.path or "dockercfg" in file.name):
            continue
        password = _basic_password(leaf) if leaf.key == "auth" else leaf.text.strip()
        if len(password) > 3 and not stands_for(password) and not stands_for(leaf.text):
            yield file.problem(".".join(leaf.path), leaf.text, (leaf.start, leaf.end), "credential of a container registry")


def _basic_password(leaf: Leaf) -> str:
    """Return the password of base64's `user:password`, or the value as it stands where it is not that."""
    try:
        return binascii.a2b_base64(leaf.text).decode().partition(":")[2]
    except ValueError:
        return leaf.text


def _service_account(file: File) -> Iterator[Problem]:
    if not any(leaf.key == "type" and leaf.text == "service_account" for leaf in file.tree.leaves):
        return
    for leaf in file.tree.leaves:
        if leaf.key == "private_key" and not stands_for(leaf.text) and _ARMOR.search(leaf.text):
            yield file.problem(".".join(leaf.path), leaf.text, (leaf.start, leaf.end), "key of a Google service account")
