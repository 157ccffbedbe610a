# SPDX-License-Identifier: Apache-2.0
"""What stands beside the content and says how it must be: creation rules, kustomizations, public keys.

Paths are the source's own; the configurations' begin where `Source.beside` says, as one may stand above what is scanned.
"""

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.model import Blob, Place, Provenance, Source, Version
from scanner.sops.screen import CONFIGURATIONS

if TYPE_CHECKING:
    from scanner.sops.creation.policy import CreationRule, Policy
    from scanner.sops.rules import Problem

# Kustomize, which makes Secrets of files that it names.
_KUSTOMIZATIONS: Final = (b"kustomization.yaml", b"kustomization.yml", b"Kustomization")
_KEY_FILES: Final = (b"*.asc", b"*.gpg", b"*.pgp")


class Placed(NamedTuple):
    """A problem of a configuration, with the content and the place that it is about."""

    problem: "Problem"
    data: bytes
    blob: str | None
    place: Place


class Rulebook:
    """The configurations of one source; they are asked for once, when there is content to check."""

    def __init__(self, source: Source) -> None:
        self.public_keys: Mapping[str, frozenset[str]] = _PublicKeys(source)
        self._source = source
        self._prefix = b""
        self._policies: dict[bytes, Policy] | None = None
        self._files: Mapping[bytes, bytes] = {}
        self._scanned: dict[bytes, tuple[Blob, Place]] = {}
        self._doubtful: set[bytes] = set()
        self._generated: set[bytes] = set()
        self._paths: list[bytes] = []

    def rule(self, path: bytes) -> "CreationRule | None":
        """Return the creation rule that governs a path."""
        policies = self._load()
        if not policies:
            return None
        from scanner.sops.creation.policy import nearest

        governing = nearest(self._prefix + path, policies)
        if governing is None:
            return None
        rule = policies[governing].rule_for(self._prefix + path)
        if not policies[governing].usable or (rule is not None and rule.broken):
            self._doubtful.add(governing)
        return rule

    def makes_secret(self, path: bytes) -> bool:
        """Whether a kustomization makes a Secret of this file."""
        self._load()
        return self._prefix + path in self._generated

    def take(self, blob: Blob, place: Place) -> "Iterator[Problem]":
        """Note a file that is scanned; of a configuration, yield what is wrong with it by itself."""
        self._load()
        path = self._prefix + place.path
        self._paths.append(path)
        if path.rpartition(b"/")[2] in CONFIGURATIONS:
            self._scanned[path] = (blob, place)
            if path.endswith(CONFIGURATIONS[0]):
                from scanner.sops.creation.policy import load_policy

                yield from load_policy(blob.data, path).problems

    def problems(self, latest: Mapping[bytes, int]) -> Iterator[Placed]:
        """Yield what only shows once all is scanned; `latest` is the order of the last version at each path."""
        policies = self._load()
        if policies or self._scanned:
            yield from self._lint(policies, latest)
        if self._source.extent == "change" and self._paths:
            yield from self._changes(policies, latest)

    def _load(self) -> "dict[bytes, Policy]":
        if self._policies is None:
            self._prefix, self._files = self._source.beside((*CONFIGURATIONS, *_KUSTOMIZATIONS))
            self._policies = {}
            if self._files:
                self._read(self._policies)
        return self._policies

    def _read(self, policies: "dict[bytes, Policy]") -> None:
        from scanner.sops.bearing import secret_generator_sources
        from scanner.sops.creation.policy import load_policy

        for path, data in self._files.items():
            name = path.rpartition(b"/")[2]
            if name in _KUSTOMIZATIONS:
                self._generated.update(secret_generator_sources(path, data))
            elif name == CONFIGURATIONS[0]:
                policies[path] = load_policy(data, path)

    def _lint(self, policies: "Mapping[bytes, Policy]", latest: Mapping[bytes, int]) -> Iterator[Placed]:
        """Look at the configurations together, with the paths they are for."""
        from scanner.sops.creation.lint import lint

        for path, problem in lint(policies, self._paths if self._source.extent == "state" else ()):
            if path in self._scanned:
                blob, place = self._scanned[path]
                yield Placed(problem, blob.data, blob.id, place)
        # One that did not change and cannot be used: what it governs cannot be judged by it.
        for path in sorted(self._doubtful - self._scanned.keys()):
            name = os.path.relpath(b"/" + path, b"/" + self._prefix) if self._prefix else path
            place = Place(name, Provenance("file", order=latest.get(name, 0)))
            for problem in policies[path].problems:
                yield Placed(problem, self._files[path], None, place)

    def _changes(self, policies: "Mapping[bytes, Policy]", latest: Mapping[bytes, int]) -> Iterator[Placed]:
        """Compare the configurations with those before the change: by its own rules a change may do what it likes."""
        asked = {folder + CONFIGURATIONS[0] for path in self._paths for folder in _folders(path)}
        first: dict[bytes, Version] = {}
        for version in self._source.earlier(list(asked)):
            if version.path not in first or version.provenance.order < first[version.path].provenance.order:
                first[version.path] = version
        if not first and not self._scanned:
            return
        from scanner.sops.creation.change import loosened
        from scanner.sops.creation.policy import load_policy

        before = {path: policy for path, policy in policies.items() if path not in self._scanned}
        before |= {path: load_policy(version.data, path) for path, version in first.items()}
        for path, problem in loosened(before, policies, list(dict.fromkeys(self._paths))):
            if path in self._scanned:
                blob, place = self._scanned[path]
                yield Placed(problem, blob.data, blob.id, place)
            elif path in first:
                # It stands for what is now.
                place = Place(path, first[path].provenance._replace(order=latest.get(path, 0)))
                yield Placed(problem, first[path].data, None, place)


def _folders(path: bytes) -> Iterator[bytes]:
    """Yield the folders of a path, with their slashes; of the repository's root, nothing."""
    end = path.rfind(b"/")
    while end >= 0:
        yield path[: end + 1]
        end = path.rfind(b"/", 0, end)
    yield b""


class _PublicKeys(Mapping[str, frozenset[str]]):
    """The key ids of PGP fingerprints, from the public keys that stand in the tree; read when first asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._known: dict[str, frozenset[str]] | None = None

    def __getitem__(self, fingerprint_: str) -> frozenset[str]:
        return self._load()[fingerprint_]

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())

    def _load(self) -> dict[str, frozenset[str]]:
        if self._known is None:
            from scanner.sops.wrapping.wrapped import public_key_ids

            self._known = {}
            for data in self._source.beside(_KEY_FILES).files.values():
                self._known.update(public_key_ids(data))
        return self._known
