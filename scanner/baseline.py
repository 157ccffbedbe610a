# SPDX-License-Identifier: Apache-2.0
"""`.sealgate-baseline.jsonl`: accepted findings, one JSON object a line, sorted by fingerprint.

No line numbers and no timestamps, so that two branches that add entries merge without conflict.
"""

import json
import re
from collections.abc import Iterable
from typing import Final

from scanner.display import decode_path
from scanner.errors import ConfigError
from scanner.model import Finding
from scanner.triage import BaselineEntry, is_date

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}")


def parse_baseline(data: bytes, name: str) -> tuple[BaselineEntry, ...]:
    """Return the entries of a baseline file. Raises `ConfigError` naming file and line."""
    entries = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            entries.append(_entry(line, f"{name}:{number}"))
    return tuple(entries)


def _entry(line: bytes, where: str) -> BaselineEntry:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise ConfigError(f"{where}: not a JSON object", "a baseline has one JSON object a line") from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ConfigError(f"{where}: a baseline entry is an object of texts", "see docs/baseline.md")
    for key in values:
        if key not in BaselineEntry._fields:
            from scanner.detect.rules import suggest

            raise ConfigError(f"{where}: unknown key {key!r}", suggest(key, BaselineEntry._fields) or "see docs/baseline.md")
    for key in ("fingerprint", "rule_id", "path"):
        if key not in values:
            raise ConfigError(f"{where}: {key!r} is missing", "see docs/baseline.md")
    if not _FINGERPRINT.fullmatch(values["fingerprint"]):
        raise ConfigError(f"{where}: the fingerprint must be 32 hex digits", "copy it from a report")
    if values.get("expires") and not is_date(values["expires"]):
        raise ConfigError(f"{where}: expires must be a date, YYYY-MM-DD", "or leave it empty")
    return BaselineEntry(**values)


def dump_baseline(entries: Iterable[BaselineEntry]) -> str:
    """Return the text of a baseline file, sorted, each entry once."""
    return "".join(json.dumps(entry._asdict()) + "\n" for entry in sorted(set(entries)))


def accept(finding: Finding, reason: str, owner: str, expires: str) -> BaselineEntry:
    """Return the entry that accepts a finding."""
    return BaselineEntry(finding.fingerprint, finding.rule.id, decode_path(finding.path), reason, owner, expires)
