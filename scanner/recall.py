# SPDX-License-Identifier: Apache-2.0
"""The outcome of a scan, kept for the next scan of the very same state.

What was found is kept as a report has it, redacted: no value of a secret is written. Whether a finding is open is not
kept: baseline, allowlist and dates are looked at anew in each run.
"""

import marshal
import zlib
from collections.abc import Callable
from typing import Any, Final

from scanner.cachedir import CacheFolder
from scanner.gate import Counts, Outcome
from scanner.model import Finding, Gap, Location, Provenance, RuleInfo, Secret
from scanner.triage import Mark

_KIND: Final = "results"
_MAX_BYTES: Final = 64 * 1024 * 1024
# Gaps that the state itself tells of, so that they are the same the next time; after any other the state is read again.
_LASTING: Final = frozenset({"archive", "oversize", "promised", "shallow", "submodule"})
_NO_SECRET: Final = Secret(b"")


class Recall:
    """The outcome under one digest; `census` tells what it has to belong to, None where nothing can."""

    def __init__(self, folder: CacheFolder, digest: str, census: Callable[[], str | None]) -> None:
        self._folder = folder
        self._digest = digest
        self._census = census
        self._state: str | None = None

    @property
    def notices(self) -> list[str]:
        """Remarks for people on the folder."""
        return self._folder.notices

    def outcome(self) -> Outcome | None:
        """Return the outcome of an earlier scan of this state, or None."""
        self._state = self._census()
        if self._state is None:
            return None
        content = self._folder.read(_KIND, f"{self._digest} {self._state}")
        return None if content is None else _load(content)

    def keep(self, outcome: Outcome) -> None:
        """Keep the outcome, if the state is still what it was before the scan."""
        if self._state is None or any(gap.kind not in _LASTING for gap in outcome.gaps):
            return
        content = _dump(outcome)
        if self._census() == self._state:
            self._folder.write(_KIND, f"{self._digest} {self._state}", content)


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
    parts = finding._replace(rule=rule, secret=None)  # type: ignore[arg-type] # what stands for them here
    return tuple(tuple(part) if isinstance(part, tuple) else part for part in parts)


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
        location=Location(*plain.location),
        provenance=Provenance(*plain.provenance),
        first=Provenance(*plain.first),
    )
