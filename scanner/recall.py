# SPDX-License-Identifier: Apache-2.0
"""What scans of a repository leave for the next one: the outcome, for the very same state, and verdicts on blobs, for any.

What was found is kept as a report has it, redacted: no value of a secret is written. Whether a finding is open is not
kept: baseline, allowlist and dates are looked at anew in each run.
"""

import marshal
import zlib
from collections.abc import Callable
from typing import Any, Final

from scanner.cachedir import CacheFolder
from scanner.gate import Counts, Outcome
from scanner.model import Finding, Gap, Location, Provenance, Related, RuleInfo, Secret
from scanner.triage import Mark
from scanner.verdicts import Ledger, add_verdicts, load_verdicts

_KIND: Final = "results"
_MAX_BYTES: Final = 64 * 1024 * 1024
# Gaps that the state itself tells of, so that they are the same the next time; after any other the state is read again.
_LASTING: Final = frozenset({"archive", "oversize", "promised", "shallow", "submodule"})
_NO_SECRET: Final = Secret(b"")


class Recall:
    """What is kept of one repository in a folder.

    Verdicts stand under one digest, outcomes under that and another one with the state, as `census` tells it; None where
    it cannot be told, so that nothing is known of it.
    """

    def __init__(self, folder: CacheFolder, digest: str, more: str, census: Callable[[], str | None]) -> None:
        self._folder = folder
        self._digest = digest
        self._more = more
        self._census = census
        self._state: str | None = None
        self._ledger: Ledger | None = None

    @property
    def notices(self) -> list[str]:
        """Remarks for people on the folder."""
        return self._folder.notices

    def outcome(self) -> Outcome | None:
        """Return the outcome of an earlier scan of this state, or None."""
        self._state = self._census()
        if self._state is None:
            return None
        content = self._folder.read(_KIND, self._name(self._state))
        return None if content is None else _load(content)

    def ledger(self, id_bytes: int) -> Ledger:
        """Return what is known of blobs; a scan notes in it what it learns."""
        self._ledger = Ledger(load_verdicts(self._folder, self._digest, id_bytes))
        return self._ledger

    def keep(self, outcome: Outcome) -> None:
        """Keep what the scan learnt of blobs, and the outcome, if the state is still what it was before the scan."""
        if self._ledger is not None:
            add_verdicts(self._folder, self._digest, self._ledger.known, self._ledger.fresh)
        if self._state is None or any(gap.kind not in _LASTING for gap in outcome.gaps):
            return
        content = _dump(outcome)
        if self._census() == self._state:
            self._folder.write(_KIND, self._name(self._state), content)

    def _name(self, state: str) -> str:
        return f"{self._digest} {self._more} {state}"


def _dump(outcome: Outcome) -> bytes:
    rules = list(dict.fromkeys(finding.rule for finding in outcome.findings))
    numbers = {rule: number for number, rule in enumerate(rules)}
    plain = (
        [tuple(rule) for rule in rules],
        [_plain(finding, numbers[finding.rule]) for finding in outcome.findings],
        [(*key, [tuple(mark) for mark in marks]) for key, marks in outcome.marks.items()],
        [tuple(gap) for gap in outcome.gaps],
        tuple(outcome.counts),
        outcome.notices,
    )
    return zlib.compress(marshal.dumps(plain), 1)


def _plain(finding: Finding, rule: int) -> tuple[Any, ...]:
    """Return the finding without its secret, in parts that have no types of ours."""
    parts = finding._replace(rule=rule, secret=None, line=None)  # type: ignore[arg-type] # what stands for them here
    return tuple(map(_bare, parts))


def _bare(part: Any) -> Any:
    """Return tuples of ours as plain ones, to any depth."""
    return tuple(map(_bare, part)) if isinstance(part, tuple) else part


def _load(content: bytes) -> Outcome | None:
    """Return what `_dump` wrote; None where it is something else: whoever has the key may have another program."""
    try:
        plain = zlib.decompressobj().decompress(content, _MAX_BYTES)
        infos, findings, marks, gaps, counts, notices = marshal.loads(plain)  # noqa: S302 # sealed
        rules = [RuleInfo(*info) for info in infos]
        return Outcome(
            [_finding(Finding(*parts), rules) for parts in findings],
            {(fingerprint, path): [Mark(*mark) for mark in held] for fingerprint, path, held in marks},
            tuple(Gap(*gap) for gap in gaps),
            Counts(*counts),
            tuple(notices),
        )
    except (EOFError, IndexError, TypeError, ValueError, zlib.error):
        return None


def _finding(plain: Finding, rules: list[RuleInfo]) -> Finding:
    number: Any = plain.rule
    return plain._replace(
        rule=rules[number],
        secret=_NO_SECRET,
        line=_NO_SECRET,
        location=Location(*plain.location),
        provenance=Provenance(*plain.provenance),
        first=Provenance(*plain.first),
        related=tuple(_related(Related(*related)) for related in plain.related),
    )


def _related(plain: Related) -> Related:
    return plain._replace(location=Location(*plain.location))
