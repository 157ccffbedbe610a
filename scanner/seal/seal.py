# SPDX-License-Identifier: Apache-2.0
"""The SOPS half of the gate: content with its path through the SOPS checks, into findings.

The rules of SOPS go by path, so this half looks at one state of the files (what is staged, what a range ends with,
HEAD and the working tree) rather than at all of history; history is asked about encrypted files only.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.display import decode_path
from scanner.model import MAX_HELD_BYTES, Blob, Finding, Gap, LargeBlob, Place, Source, Version
from scanner.seal.rulebook import Rulebook
from scanner.seal.sighting import Sighting, merge, sight
from scanner.sops.screen import CONFIGURATIONS, may_concern
from scanner.triage import Mark

if TYPE_CHECKING:
    from scanner.sops.coverage import FindSecrets
    from scanner.sops.creation.policy import CreationRule
    from scanner.sops.history import Past
    from scanner.sops.keyed.keys import Keyring
    from scanner.sops.rules import Problem

# Of one file; who makes up more hides none by it.
_MOST_PROBLEMS: Final = 1_000
# Sources, media and the like: read where a rule covers them; else nothing in them would be for SOPS to encrypt.
_NEVER: Final = tuple(
    b".c .cc .cpp .cs .css .dart .ex .exs .erl .go .h .hpp .java .js .jsx .kt .less .lua .m .mjs .php .pl .pm .py .pyi .rb"
    b" .rs .scala .scss .swift .ts .tsx .vue .html .svg .png .jpg .jpeg .gif .ico .webp .woff .woff2 .ttf .eot .otf .pdf"
    b" .mp3 .mp4 .mov .avi .zip .gz .bz2 .xz .zst .jar .war .whl .so .dll .exe .wasm .map .lock .sum .snap .po .pot".split()
)


class _Encrypted(NamedTuple):
    """An encrypted file as it stands now."""

    blob: Blob
    place: Place


class Seal:
    """Checks content piece by piece (`check`), then what only shows between pieces (`findings`).

    With a keyring MACs are checked too. `scope` limits the checks to these paths and what is below them; `disabled`
    are ids of rules that are not wanted; `shallow` says that history ends before its beginning. `find` is the secret
    detector, for what encrypted files leave in clear; it is left out where the detector reports the same content itself.
    """

    def __init__(
        self,
        source: Source,
        *,
        find: "FindSecrets | None" = None,
        keyring: "Keyring | None" = None,
        scope: Sequence[bytes] = (),
        disabled: Sequence[str] = (),
        shallow: bool = False,
    ) -> None:
        self.source = source
        self.gaps: list[Gap] = []
        self._find = find
        self._keyring = keyring
        self._scope = tuple(scope)
        self._disabled = frozenset(disabled)
        self._rulebook = Rulebook(source)
        self._latest: dict[bytes, int] = {}
        self._sightings: list[Sighting] = []
        self._encrypted: dict[bytes, list[_Encrypted]] = {}
        self._shallow = shallow

    def wants(self, path: bytes) -> bool:
        """Whether a path may concern these checks; others need not be read."""
        return self._in_scope(path) and (not path.lower().endswith(_NEVER) or self._rulebook.rule(path) is not None)

    def _in_scope(self, path: bytes) -> bool:
        return not self._scope or any(path == part or path.startswith(part + b"/") for part in self._scope)

    def check_large(self, blob: LargeBlob, *, is_encrypted: bool) -> None:
        """Check a large file if a rule is for it or SOPS encrypted it; these checks need all of it at once."""
        place, size = blob.place, blob.pieces.size
        if place is None or not self._concerns(place) or not (is_encrypted or self._governs(place.path)):
            return
        if size is not None and size <= MAX_HELD_BYTES:
            self.check(Blob(b"".join(blob.pieces), blob.id, place))
        else:
            self.gaps.append(Gap("oversize", decode_path(place.path), "too large for the SOPS checks, which need all of it"))

    def _concerns(self, place: Place) -> bool:
        return not place.path.startswith(b".git/") and self._in_scope(place.path)

    def _governs(self, path: bytes) -> bool:
        """Whether a file at this path is a configuration, or is to be encrypted."""
        is_configuration = path.rpartition(b"/")[2] in CONFIGURATIONS
        return is_configuration or self._rulebook.rule(path) is not None or self._rulebook.makes_secret(path)

    def check(self, blob: Blob) -> None:
        """Check one file; what has no path of its own, or is shown in part only, is passed over."""
        place = blob.place
        if place is None or blob.lines is not None or not self._concerns(place):
            return
        path = place.path
        self._latest[path] = max(place.provenance.order, self._latest.get(path, place.provenance.order))
        self._add(list(self._rulebook.take(blob, place)), blob.data, blob.id, place)
        rule = self._rulebook.rule(path)
        if place.link:
            from scanner.sops.check import check_link

            self._add(check_link(blob.data, path, rule), blob.data, blob.id, place)
        elif rule is not None or self._rulebook.makes_secret(path) or may_concern(path, blob.data):
            self._check_content(blob, place, rule)

    def findings(self) -> list[tuple[Finding, list[Mark]]]:
        """Return one finding for each problem of each path, with the marks that speak of it."""
        self._compare()
        for problem, data, blob_id, place in list(self._rulebook.problems(self._latest)):
            self._add([problem], data, blob_id, place)
        self._trace()
        groups: dict[tuple[str, bytes], list[Sighting]] = {}
        for sighting in self._sightings:
            finding = sighting.finding
            # A version that was replaced within a range counts as the past of the last one.
            if finding.provenance.order >= self._latest.get(finding.path, 0) or finding.rule.id == "sops-was-clear":
                groups.setdefault((finding.fingerprint, finding.path), []).append(sighting)
        return [merge(group) for group in groups.values()]

    def notices(self) -> list[str]:
        """Return remarks for people."""
        if not self._shallow or not self._encrypted:
            return []
        return ["this clone is shallow: encrypted files were compared with their past as far as it is here"]

    def _check_content(self, blob: Blob, place: Place, rule: "CreationRule | None") -> None:
        from scanner.sops.check import Help, check_file

        given = Help(self._rulebook.public_keys, self._keyring, self._find)
        is_source = self._rulebook.makes_secret(place.path)
        outcome = check_file(blob.data, place.path, rule, given, is_source=is_source)
        self._add(outcome.problems, blob.data, blob.id, place)
        if outcome.unproven:
            self.gaps.append(Gap("key", decode_path(place.path), outcome.unproven))
        if outcome.is_encrypted:
            self._encrypted.setdefault(place.path, []).append(_Encrypted(blob, place))

    def _add(self, problems: "Sequence[Problem]", data: bytes, blob_id: str | None, place: Place) -> None:
        if problems:
            from scanner.lines import Lines

            lines = Lines(data)
            wanted = [problem for problem in problems if problem.rule not in self._disabled]
            if len(wanted) > _MOST_PROBLEMS:
                reason = f"{len(wanted) - _MOST_PROBLEMS} more violations of this file are not listed"
                wanted[_MOST_PROBLEMS:] = [wanted[_MOST_PROBLEMS]._replace(reason=reason, key="more", value=None)]
            self._sightings += [sight(problem, data, lines, blob_id, place) for problem in wanted]

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


def _order(item: "Past") -> int:
    return item.version.provenance.order
