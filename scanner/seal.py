# SPDX-License-Identifier: Apache-2.0
"""The SOPS half of the gate: content with its path through the SOPS checks, into findings.

The rules of SOPS go by path, so this half looks at one state of the files (what is staged, what a range ends with,
HEAD and the working tree) rather than at all of history; history is asked about encrypted files only.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.display import decode_path, one_line, redact
from scanner.model import Blob, Finding, Gap, Place, Provenance, Secret, Source, Version
from scanner.sops.screen import may_concern
from scanner.triage import Mark, find_mark, fingerprint

if TYPE_CHECKING:
    from scanner.lines import Lines
    from scanner.sops.coverage import FindSecrets
    from scanner.sops.creation.policy import CreationRule, Policy
    from scanner.sops.history import Past
    from scanner.sops.keyed.keys import Keyring
    from scanner.sops.rules import Problem

CONFIGURATIONS: Final = (b".sops.yaml", b".sops.yml")
# Kustomize, which makes Secrets of files that it names.
_KUSTOMIZATIONS: Final = (b"kustomization.yaml", b"kustomization.yml", b"Kustomization")
_KEY_FILES: Final = (b"*.asc", b"*.gpg", b"*.pgp")
# Of one file; who makes up more hides none by it.
_MOST_PROBLEMS: Final = 1_000
_NOTHING: Final = Secret(b"")
# Sources, media and the like: read where a rule covers them; else nothing in them would be for SOPS to encrypt.
_NEVER: Final = tuple(
    b".c .cc .cpp .cs .css .dart .ex .exs .erl .go .h .hpp .java .js .jsx .kt .less .lua .m .mjs .php .pl .pm .py .pyi .rb"
    b" .rs .scala .scss .swift .ts .tsx .vue .html .svg .png .jpg .jpeg .gif .ico .webp .woff .woff2 .ttf .eot .otf .pdf"
    b" .mp3 .mp4 .mov .avi .zip .gz .bz2 .xz .zst .jar .war .whl .so .dll .exe .wasm .map .lock .sum .snap .po .pot".split()
)


class _Sighting(NamedTuple):
    """A problem at a place, with what the file's content was needed for."""

    finding: Finding
    mark: Mark | None


class _Encrypted(NamedTuple):
    """An encrypted file as it stands now."""

    blob: Blob
    place: Place
    content: object


class Seal:
    """Checks content piece by piece (`check`), then what only shows between pieces (`findings`).

    With a keyring MACs are checked too. `scope` limits the checks to these paths and what is below them; `disabled`
    are ids of rules that are not wanted; `shallow` says that history ends before its beginning. `find` is the secret
    detector, for what encrypted files leave in clear; it is not set where the detector reports the same content itself.
    """

    def __init__(
        self,
        source: Source,
        *,
        keyring: "Keyring | None" = None,
        scope: Sequence[bytes] = (),
        disabled: Sequence[str] = (),
        shallow: bool = False,
    ) -> None:
        self.source = source
        self.gaps: list[Gap] = []
        self.find: FindSecrets | None = None
        self._keyring = keyring
        self._scope = tuple(scope)
        self._disabled = frozenset(disabled)
        self._prefix = b""
        self._policies: dict[bytes, Policy] | None = None
        self._files: Mapping[bytes, bytes] = {}
        self._configurations: dict[bytes, tuple[Blob, Place]] = {}
        self._doubtful: set[bytes] = set()
        self._generated: set[bytes] = set()
        self._paths: list[bytes] = []
        self._latest: dict[bytes, int] = {}
        self._sightings: list[_Sighting] = []
        self._encrypted: dict[bytes, list[_Encrypted]] = {}
        self._public_keys = _PublicKeys(source)
        self._shallow = shallow

    def wants(self, path: bytes) -> bool:
        """Whether a path may concern these checks; others need not be read."""
        return self._in_scope(path) and (not path.lower().endswith(_NEVER) or self._rule(path) is not None)

    def _in_scope(self, path: bytes) -> bool:
        return not self._scope or any(path == part or path.startswith(part + b"/") for part in self._scope)

    def check(self, blob: Blob) -> None:
        """Check one file; what has no path of its own, or is shown in part only, is passed over."""
        place = blob.place
        if place is None or blob.lines is not None or place.path.startswith(b".git/") or not self._in_scope(place.path):
            return
        self._load()
        path = place.path
        self._latest[path] = max(place.provenance.order, self._latest.get(path, place.provenance.order))
        self._paths.append(self._prefix + path)
        if path.rpartition(b"/")[2] in CONFIGURATIONS:
            self._check_configuration(blob, place)
        rule = self._rule(path)
        if place.link:
            from scanner.sops.check import check_link

            self._add(check_link(blob.data, path, rule), blob.data, blob.id, place)
        elif rule is not None or self._prefix + path in self._generated or may_concern(path, blob.data):
            self._check_content(blob, place, rule)

    def findings(self) -> list[tuple[Finding, list[Mark]]]:
        """Return one finding for each problem of each path, with the marks that speak of it."""
        self._compare()
        self._lint()
        self._compare_rules()
        self._trace()
        groups: dict[tuple[str, bytes], list[_Sighting]] = {}
        for sighting in self._sightings:
            finding = sighting.finding
            # A version that was replaced within a range counts as the past of the last one.
            if finding.provenance.order >= self._latest.get(finding.path, 0) or finding.rule.id == "sops-was-clear":
                groups.setdefault((finding.fingerprint, finding.path), []).append(sighting)
        return [_merge(group) for group in groups.values()]

    def notices(self) -> list[str]:
        """Return remarks for people."""
        if not self._shallow or not self._encrypted:
            return []
        return ["this clone is shallow: encrypted files were compared with their past as far as it is here"]

    # One file ------------------------------------------------------------------------------------------------------

    def _load(self) -> "dict[bytes, Policy]":
        """Return the configurations by path; they are asked for once, when there is content to check."""
        if self._policies is None:
            self._prefix, self._files = self.source.beside((*CONFIGURATIONS, *_KUSTOMIZATIONS))
            self._policies = {}
            if self._files:
                self._read_beside()
        return self._policies

    def _read_beside(self) -> None:
        from scanner.sops.bearing import secret_generator_sources
        from scanner.sops.creation.policy import load_policy

        assert self._policies is not None
        for path, data in self._files.items():
            name = path.rpartition(b"/")[2]
            if name in _KUSTOMIZATIONS:
                self._generated.update(secret_generator_sources(path, data))
            elif name == CONFIGURATIONS[0]:
                self._policies[path] = load_policy(data, path)

    def _rule(self, path: bytes) -> "CreationRule | None":
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

    def _check_content(self, blob: Blob, place: Place, rule: "CreationRule | None") -> None:
        from scanner.sops.check import Help, check_file

        given = Help(self._public_keys, self._keyring, self.find)
        is_source = self._prefix + place.path in self._generated
        outcome = check_file(blob.data, place.path, rule, given, is_source=is_source)
        self._add(outcome.problems, blob.data, blob.id, place)
        if outcome.unproven:
            self.gaps.append(Gap("key", decode_path(place.path), outcome.unproven))
        if outcome.content is not None:
            self._encrypted.setdefault(place.path, []).append(_Encrypted(blob, place, outcome.content))

    def _check_configuration(self, blob: Blob, place: Place) -> None:
        self._configurations[self._prefix + place.path] = (blob, place)
        if place.path.endswith(b".sops.yaml"):
            from scanner.sops.creation.policy import load_policy

            self._add(load_policy(blob.data, self._prefix + place.path).problems, blob.data, blob.id, place)

    def _add(self, problems: "Sequence[Problem]", data: bytes, blob_id: str | None, place: Place) -> None:
        if problems:
            from scanner.lines import Lines

            lines = Lines(data)
            wanted = [problem for problem in problems if problem.rule not in self._disabled]
            if len(wanted) > _MOST_PROBLEMS:
                reason = f"{len(wanted) - _MOST_PROBLEMS} more violations of this file are not listed"
                wanted[_MOST_PROBLEMS:] = [wanted[_MOST_PROBLEMS]._replace(reason=reason, key="more", value=None)]
            self._sightings += [_sighting(problem, data, lines, blob_id, place) for problem in wanted]

    # Between files -------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Compare encrypted files with what stood at their paths before."""
        if not self._encrypted:
            return
        from scanner.sops.history import Past, compare, former_names, take_snapshot

        former = {path: [name for name in former_names(path) if name not in self._latest] for path in self._encrypted}
        asked = dict.fromkeys((*self._encrypted, *(name for names in former.values() for name in names)))
        earlier: dict[bytes, list[Past]] = {}
        for version in self.source.earlier(list(asked)):
            earlier.setdefault(version.path, []).append(Past(version, take_snapshot(version.path, version.data)))
        for path, now in self._encrypted.items():
            past = sorted(earlier.get(path, ()), key=_order)
            others = sorted((known for name in former[path] for known in earlier.get(name, ())), key=_order)
            for file in now:
                if (past or others) and file.place.provenance.order >= self._latest[path]:
                    self._compare_file(file, compare(take_snapshot(path, file.blob.data), past, others))

    def _compare_file(self, file: _Encrypted, found: "Iterator[tuple[Problem, Version | None]]") -> None:
        for problem, version in found:
            if version is None:
                self._add([problem], file.blob.data, file.blob.id, file.place)
            else:
                self._add([problem], version.data, None, Place(file.place.path, version.provenance))

    def _trace(self) -> None:
        """Name the commits that brought the versions with findings, where the source did not know them yet."""
        ids = {s.finding.blob for s in self._sightings if s.finding.blob}
        traced = self.source.trace(sorted(ids)) if ids else {}
        for index, sighting in enumerate(self._sightings):
            finding = sighting.finding
            for place in traced.get(finding.blob or "", ()):
                if place.path == finding.path:
                    changed = finding._replace(provenance=place.provenance, first=place.provenance)
                    self._sightings[index] = sighting._replace(finding=changed)

    def _lint(self) -> None:
        """Look at the configurations together, with the paths they are for."""
        policies = self._load()
        if not policies and not self._configurations:
            return
        from scanner.sops.creation.lint import lint

        for path, problem in lint(policies, self._paths if self.source.extent == "state" else ()):
            if path in self._configurations:
                blob, place = self._configurations[path]
                self._add([problem], blob.data, blob.id, place)
        # One that did not change and cannot be used: what it governs cannot be judged by it.
        for path in self._doubtful - self._configurations.keys():
            name = os.path.relpath(b"/" + path, b"/" + self._prefix) if self._prefix else path
            place = Place(name, Provenance("file", order=self._latest.get(name, 0)))
            self._add(policies[path].problems, self._files[path], None, place)


    def _compare_rules(self) -> None:
        """Compare the configurations with those before the change: by its own rules a change may do what it likes."""
        if self.source.extent != "change" or not self._paths:
            return
        asked = {folder + CONFIGURATIONS[0] for path in self._paths for folder in _folders(path)}
        first: dict[bytes, Version] = {}
        for version in self.source.earlier(list(asked)):
            if version.path not in first or version.provenance.order < first[version.path].provenance.order:
                first[version.path] = version
        if not first and not self._configurations:
            return
        from scanner.sops.creation.change import loosened
        from scanner.sops.creation.policy import load_policy

        now = self._load()
        before = {path: policy for path, policy in now.items() if path not in self._configurations}
        before |= {path: load_policy(version.data, path) for path, version in first.items()}
        for path, problem in loosened(before, now, list(dict.fromkeys(self._paths))):
            if path in self._configurations:
                blob, place = self._configurations[path]
                self._add([problem], blob.data, blob.id, place)
            elif path in first:
                # It stands for what is now.
                place = Place(path, first[path].provenance._replace(order=self._latest.get(path, 0)))
                self._add([problem], first[path].data, None, place)


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


def _sighting(problem: "Problem", data: bytes, lines: "Lines", blob_id: str | None, place: Place) -> _Sighting:
    import shlex  # only where there is something to mend

    from scanner.sops.rules import RULES

    start, end = problem.span
    identity = b"\0".join((problem.rule.encode(), place.path, problem.key.encode("utf-8", "surrogatepass")))
    value = problem.value or _NOTHING
    shown = redact(value.reveal())
    finding = Finding(
        rule=RULES[problem.rule],
        confidence=problem.confidence,
        reason=one_line(problem.reason),
        path=place.path,
        location=lines.locate(start, max(end, start + 1)),
        fingerprint=fingerprint("sops", identity),
        secret=value,
        redacted=shown,
        # Not the line itself: in a file in clear text its other values are as secret as this one.
        excerpt=one_line(f"{problem.key}: {shown}" if shown and problem.key else problem.key or shown),
        blob=blob_id,
        provenance=place.provenance,
        first=place.provenance,
        remedy=problem.remedy.replace("{file}", shlex.quote(decode_path(place.path))),
    )
    return _Sighting(finding, find_mark(data, start, end))


def _merge(group: Sequence[_Sighting]) -> tuple[Finding, list[Mark]]:
    """Return the finding for one problem: what is at HEAD speaks for it, and a mark on every place silences it."""
    chosen = min(group, key=_rank)
    marks = list(dict.fromkeys(sighting.mark for sighting in group if sighting.mark))
    held = marks if all(sighting.mark for sighting in group) else []
    return chosen.finding._replace(occurrences=len(group)), held


def _rank(sighting: _Sighting) -> tuple[bool, int, object]:
    finding = sighting.finding
    return not finding.provenance.at_head, -finding.provenance.order, finding.location


def _order(item: "Past") -> int:
    return item.version.provenance.order
