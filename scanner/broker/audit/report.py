# SPDX-License-Identifier: Apache-2.0
"""An audit for people and for programs. Nothing of it is trusted: paths and names come from whoever could ask."""

import time
from collections.abc import Iterator
from typing import Final

from scanner.broker.audit.count import KINDS, Access, Actor, Alert, Audit
from scanner.broker.audit.log import LogReader
from scanner.display import log_safe, plural

_SHOWN: Final = 20


def document(audit: Audit, log: LogReader) -> dict[str, object]:
    """Return everything as JSON has it; times are ISO 8601."""
    return {
        "complete": is_complete(audit, log),
        "log": {
            "requests": log.requests,
            "responses": log.responses,
            "first": _iso(audit.first),
            "last": _iso(audit.last),
            "damaged": log.damage.count,
            "first_damaged": log.damage.first,
            "not_counted": dict(audit.full),
        },
        "alerts": [
            {**alert._asdict(), "first": _iso(alert.first), "last": _iso(alert.last)} for alert in audit.alerts()
        ],
        "actors": [{"who": who, **_actor(actor)} for who, actor in sorted(audit.actors.items())],
    }


def is_complete(audit: Audit, log: LogReader) -> bool:
    """Whether all of the log was read and counted."""
    return not log.damage.count and not audit.full


def _actor(actor: Actor) -> dict[str, object]:
    lives = actor.lives
    return {
        "entities": sorted(actor.entities),
        "addresses": dict(actor.addresses.most_common()),
        "tokens": {"issued": lives.issued, "revoked": lives.revoked, "expired": lives.expired, "alive": lives.alive},
        "usual_reads_a_minute": actor.usual_rate(),
        "paths": [{"path": path, **_access(access)} for path, access in sorted(actor.paths.items())],
    }


def _access(access: Access) -> dict[str, object]:
    return {
        "operations": dict(access.times),
        "denied": access.denied,
        "failed": access.failed,
        "first": _iso(access.first),
        "last": _iso(access.last),
    }


def lines(audit: Audit, log: LogReader, *, verbose: bool = False) -> Iterator[str]:
    """Yield the report for people, what is out of the ordinary and the verdict at its end."""
    for who, actor in sorted(audit.actors.items(), key=lambda item: -_total(item[1])):
        if actor.paths:
            yield from _about(who, actor, None if verbose else _SHOWN)
            yield ""
    alerts = audit.alerts()
    for kind, meaning in KINDS.items():
        of_kind = [alert for alert in alerts if alert.kind == kind]
        if of_kind:
            yield f"{kind.upper()}: {meaning}"
            yield from _some([_alert(alert) for alert in of_kind], None if verbose else _SHOWN)
            yield ""
    yield from _verdict(audit, log, alerts)


def _about(who: str, actor: Actor, shown: int | None) -> Iterator[str]:
    lives = actor.lives
    parts = []
    if actor.addresses:
        parts.append(f"from {_few(list(actor.addresses))}")
    if actor.entities:
        parts.append(f"as {_few(sorted(actor.entities))}")
    if lives.issued:
        ends = {"revoked": lives.revoked, "expired": lives.expired, "alive at the end": lives.alive}
        said = ", ".join(f"{count:,} {how}" for how, count in ends.items() if count)
        parts.append(f"with {plural(lives.issued, 'token')} ({said})")
    yield f"{log_safe(who)} {', '.join(parts)}".rstrip()
    rows = sorted(actor.paths.items(), key=lambda item: -item[1].times.total())
    yield from _some([_row(path, access) for path, access in rows], shown)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 1:,} more" if names[1:] else ""
    return log_safe(names[0]) + more


def _row(path: str, access: Access) -> str:
    operations = ", ".join(f"{operation} {count:,}" for operation, count in access.times.most_common())
    ends = "".join(f", {count:,} {how}" for how, count in (("denied", access.denied), ("failed", access.failed)) if count)
    return f"  {log_safe(path)}: {log_safe(operations)}{ends}; {_span(access.first, access.last)}"


def _alert(alert: Alert) -> str:
    who = f"{log_safe(alert.who)}: " if alert.who else ""
    detail = f" ({log_safe(alert.detail)})" if alert.detail else ""
    return f"  {who}{log_safe(alert.what)}, {alert.count:,} times{detail}; {_span(alert.first, alert.last)}"


def _some(rows: list[str], shown: int | None) -> Iterator[str]:
    yield from rows[:shown]
    if shown is not None and rows[shown:]:
        yield f"  and {len(rows) - shown:,} more (--verbose shows all)"


def _verdict(audit: Audit, log: LogReader, alerts: list[Alert]) -> Iterator[str]:
    for where in log.damage.first:
        yield f"not read: {log_safe(where)}"
    for what, count in audit.full.items():
        yield f"not counted: {count:,} {what}, which are more than memory is spent on"
    missing = log.requests - log.responses
    if missing > 0:
        yield f"note: {plural(missing, 'request')} without a response in the log"
    said = ", ".join(f"{kind} {count:,}" for kind in KINDS if (count := sum(alert.kind == kind for alert in alerts)))
    span = f" from {_iso(audit.first)} to {_iso(audit.last)}" if audit.entries else ""
    yield f"{plural(audit.entries, 'request')} answered{span}: {said or 'nothing out of the ordinary'}"
    if not is_complete(audit, log):
        yield f"INCOMPLETE: {plural(log.damage.count, 'line')} not read, {audit.full.total():,} entries not counted"


def _total(actor: Actor) -> int:
    return sum(access.times.total() for access in actor.paths.values())


def _span(first: float, last: float) -> str:
    return _iso(first) if _iso(first) == _iso(last) else f"{_iso(first)} to {_iso(last)}"


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
