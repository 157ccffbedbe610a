# SPDX-License-Identifier: Apache-2.0
"""What becomes of a finding: open, or suppressed and why.

A finding is silenced by a mark on its own line, by an allowlist entry of the configuration (rule, path
or fingerprint) or by an entry of the baseline. Each of them can carry a reason and a last day; past it
the finding is open again. What is silenced stays in the report and is counted.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from scanner.display import decode_path
from scanner.model import Family, Finding, Suppression
from scanner.paths import glob_matches


@functools.lru_cache(maxsize=4096)
def fingerprint(family: Family, secret: bytes) -> str:
    """Return the identity of a secret: 32 hex digits that depend on its value and family alone.

    Not on rule, path, line or commit: a rule that is renamed or refined, a file that moves and a rebase
    keep it, and another secret on the same line has another.
    """
    import hashlib  # only where something was found

    return hashlib.sha256(b"sealgate\0" + family.encode() + b"\0" + secret).hexdigest()[:32]


def is_date(text: str) -> bool:
    """Whether the text is a day of the calendar, as YYYY-MM-DD."""
    import datetime as dt  # only where something carries a date

    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class Mark(NamedTuple):
    """A pragma on a finding's line. `until` is an ISO date or empty, `rule` limits it to one rule.

    A last day that cannot be read is kept as it stands: it is no date, so the mark silences nothing.
    """

    name: str
    reason: str = ""
    until: str = ""
    rule: str = ""


# Compiled at first use: a clean change needs none of them.
_MARK: Final = (
    rb"(?P<own>sealgate:allow)(?P<options>(?:[ \t]{1,4}(?:rule|reason|until)="
    rb"(?:\"[^\"\r\n]{0,200}\"|'[^'\r\n]{0,200}'|[^\s\"']{1,200})){0,3})"
    rb"|(?P<other>gitleaks:allow|betterleaks:allow|trufflehog:ignore|kingfisher:(?:ignore|allow)|ggignore|ggshield:ignore"
    rb"|pragma:[ \t]?(?:allowlist|whitelist)[ \t]secret)"
)
_NEXT_LINE: Final = rb"pragma:[ \t]?(?:allowlist|whitelist)[ \t]nextline[ \t]secret"
_OPTION: Final = rb"(rule|reason|until)=(?:\"([^\"]*)\"|'([^']*)'|(\S+))"
_UNTIL: Final = rb"\buntil[ \t]{0,4}[=:]"
# A mark that stands further away than this in an endless line is nothing that people would see beside the value.
MARK_BYTES: Final = 1 << 16
# Longer lines are few, and would fill the memory.
_REMEMBERED: Final = 4096
_NEWLINE: Final = 10
# What closes a comment may stand right behind an option.
_CLOSING: Final = b"*/->,;)"
_UNREADABLE: Final = b"unreadable"


@functools.cache
def _compiled(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.IGNORECASE)


def find_mark(data: bytes, start: int, end: int) -> Mark | None:
    """Return the mark on the first or last line of data[start:end], or the one above it for its next line.

    Of a line, so much counts as stands within `MARK_BYTES` of the value, or of the line below.
    """
    first = _begin_of_line(data, start)
    last = data.find(b"\n", end, end + MARK_BYTES)
    above = data[_begin_of_line(data, first - 1) : first] if first and data[first - 1] == _NEWLINE else b""
    lines = data[first : last if last >= 0 else end + MARK_BYTES]
    return (_parse_mark if len(lines) + len(above) <= _REMEMBERED else _parse_mark.__wrapped__)(lines, above)


def _begin_of_line(data: bytes, offset: int) -> int:
    from_ = max(0, offset - MARK_BYTES)
    newline = data.rfind(b"\n", from_, offset)
    return newline + 1 if newline >= 0 else from_


@functools.lru_cache(maxsize=4096)
def _parse_mark(lines: bytes, above: bytes) -> Mark | None:
    """Return the mark of these lines; most recur from version to version."""
    found = _search_mark(lines.partition(b"\n")[0]) or _search_mark(lines.rpartition(b"\n")[2])
    if found and found["other"]:
        return Mark(found["other"].decode())
    if found:
        parts = _compiled(_OPTION).finditer(found["options"])
        options = {m[1].lower(): m[2] or m[3] or (m[4] or b"").rstrip(_CLOSING) for m in parts}
        if b"until" not in options and _compiled(_UNTIL).search(found.string, found.end()):
            options[b"until"] = _UNREADABLE
        return Mark("sealgate:allow", *(options.get(k, b"").decode("utf-8", "replace") for k in (b"reason", b"until", b"rule")))
    if b"nextline" in above.lower() and _compiled(_NEXT_LINE).search(above):
        return Mark("pragma: allowlist nextline secret")
    return None


def _search_mark(line: bytes) -> re.Match[bytes] | None:
    # Looked at for every match: most lines are told by searches for a word.
    lower = line.lower()
    if b":allow" in lower or b":ignore" in lower or b"ggignore" in lower or b"pragma:" in lower:
        return _compiled(_MARK).search(line)
    return None


class Allow(NamedTuple):
    """One allowlist entry: what is empty does not limit it; `where` names it in messages.

    `values` and `lines` are regular expressions searched for in the value and in its line, `commits` are ids of the
    commits that first brought the secret to its path.
    """

    where: str
    rules: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    reason: str = ""
    until: str = ""
    values: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()
    families: tuple[str, ...] = ()

    def covers(self, finding: Finding) -> bool:
        """Whether this entry speaks of the finding, were it not expired."""
        return (
            (not self.rules or glob_matches(self.rules, finding.rule.id.encode()))
            and (not self.paths or glob_matches(self.paths, finding.path))
            and (not self.fingerprints or finding.fingerprint in self.fingerprints)
            and (not self.families or finding.rule.family in self.families)
            and (not self.commits or finding.first.commit in self.commits)
            and (not self.values or _found_in(self.values, finding.secret.reveal()))
            and (not self.lines or _found_in(self.lines, finding.line.reveal()))
        )

    @property
    def looks_inside(self) -> bool:
        """Whether it asks for the value or its line, which no report and no cache has."""
        return bool(self.values or self.lines)


def _found_in(expressions: tuple[str, ...], content: bytes) -> bool:
    return any(_searched(expression).search(content) for expression in expressions)


@functools.lru_cache(maxsize=4096)
def _searched(expression: str) -> re.Pattern[bytes]:
    return re.compile(expression.encode())


class BaselineEntry(NamedTuple):
    """One accepted finding. The fingerprint decides; `path` limits it only where it is a glob."""

    fingerprint: str
    rule_id: str
    path: str
    reason: str = ""
    owner: str = ""
    expires: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether this entry speaks of the finding, were it not expired."""
        return "*" not in self.path or glob_matches((self.path,), finding.path)


class Triage:
    """Decides on findings one by one and remembers which entries were of use."""

    def __init__(self, today: str, allows: Sequence[Allow] = (), baseline: Iterable[BaselineEntry] = ()) -> None:
        self._today = today
        self._allows = allows
        self._baseline: dict[str, list[BaselineEntry]] = {}
        for entry in baseline:
            self._baseline.setdefault(entry.fingerprint, []).append(entry)
        self._used: set[Allow | BaselineEntry] = set()
        self._expired: dict[str, None] = {}

    def decide(self, finding: Finding, marks: Sequence[Mark]) -> Suppression | None:
        """Return why the finding is silenced, or None where it is open."""
        # One mark for each line that the secret stands on: all of them must hold.
        held = [mark for mark in marks if self._mark_holds(mark, finding)]
        if held and len(held) == len(marks):
            return Suppression("inline", held[0].reason or held[0].name)
        for allow in self._allows:
            if allow.covers(finding):
                self._used.add(allow)
                if self._holds(allow.until, allow.where):
                    return Suppression("allowlist", allow.reason or allow.where)
        for entry in self._baseline.get(finding.fingerprint, ()):
            if entry.covers(finding):
                self._used.add(entry)
                if self._holds(entry.expires, f"baseline entry {entry.fingerprint[:12]} ({entry.path})"):
                    return Suppression("baseline", entry.reason or "accepted in the baseline")
        return None

    def _mark_holds(self, mark: Mark, finding: Finding) -> bool:
        if mark.rule not in ("", finding.rule.id):
            return False
        return self._holds(mark.until, f"{mark.name} in {decode_path(finding.path)}")

    def _holds(self, until: str, what: str) -> bool:
        if not until or (until >= self._today and is_date(until)):
            return True
        why = f" expired on {until}: the finding is open again" if is_date(until) else ": its last day is not a date, YYYY-MM-DD"
        self._expired[what + why] = None
        return False

    def notices(self, *, whole: bool) -> list[str]:
        """Return remarks on expired entries and, where the run saw everything (`whole`), on unused ones."""
        notices = list(self._expired)
        if whole:
            idle = [allow for allow in self._allows if allow not in self._used]
            notices += [f"{allow.where} silences nothing any more: remove it" for allow in idle]
            unused = [e for entries in self._baseline.values() for e in entries if e not in self._used]
            notices += [f"baseline entry {e.fingerprint[:12]} ({e.path}) is no longer found: remove it" for e in unused]
        return notices

    def used(self) -> frozenset[Allow | BaselineEntry]:
        """Return the entries that spoke of a finding, expired or not."""
        return frozenset(self._used)
