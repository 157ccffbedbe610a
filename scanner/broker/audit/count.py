# SPDX-License-Identifier: Apache-2.0
"""What an audit log says: who read what, and what in it is out of the ordinary.

Everything is counted as it streams by; the memory needed grows with the roles, paths and living tokens
that occur, each with a limit, and never with the log. A limit that is reached is said (`Audit.full`).
"""

import heapq
import ipaddress
import statistics
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from scanner.broker.audit.log import HASH, Entry
from scanner.broker.audit.served import find_values
from scanner.broker.audit.tokens import Lives, Tokens
from scanner.broker.audit.usual import NOTHING, Usual
from scanner.display import one_line, plural
from scanner.errors import ConfigError

# What can be out of the ordinary, and what it means.
KINDS: Final = {
    "served": "a secret that was looked for went over the wire",
    "raw": "the device writes values as they are (log_raw): the log itself is a secret",
    "unusual": "a path that is not among the role's usual ones",
    "burst": "far more reads in a minute than is usual for the role",
    "address": "requests from an address outside of those expected",
    "denied": "requests that the server refused",
    "unrevoked": "tokens that were left to expire instead of being revoked",
}
# Refused requests and forgotten tokens are everyday life: reported, and no alarm unless one asks for it.
ALARMS: Final = ("served", "raw", "unusual", "burst", "address")
By = Literal["role", "entity", "accessor"]

_MAX_ROWS: Final = 200_000
_MAX_NAMES: Final = 1_000
_READS: Final = frozenset(("read", "list"))
_MINUTE: Final = 60
# With fewer minutes of activity nothing is usual yet.
_MIN_MINUTES: Final = 5
_SHOWN_BURSTS: Final = 10


class Alert(NamedTuple):
    """One thing out of the ordinary: `what` is a path, an address or a minute; times are seconds since 1970."""

    kind: str
    who: str
    what: str
    count: int  # type: ignore[assignment] # hides tuple.count, which nobody asks of an alert
    first: float
    last: float
    detail: str = ""


class Access:
    """How often, how and when one role asked for one path; `times` counts by operation."""

    __slots__ = ("denied", "failed", "first", "last", "times")

    def __init__(self, time: float) -> None:
        self.times: Counter[str] = Counter()
        self.denied = self.failed = 0
        self.first = self.last = time

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.times[entry.operation] += 1
        self.denied += entry.denied
        self.failed += entry.failed and not entry.denied
        self.first, self.last = min(self.first, entry.time), max(self.last, entry.time)


class Actor:
    """One role (or entity, or accessor): its paths, addresses, entities, tokens, and its reads by the minute."""

    def __init__(self) -> None:
        self.paths: dict[str, Access] = {}
        self.addresses: Counter[str] = Counter()
        self.entities: set[str] = set()
        self.lives = Lives()
        # How many minutes had how many reads; the minutes with most; the minute that is being counted.
        self.rates: Counter[int] = Counter()
        self.busiest: list[tuple[int, int]] = []
        self._minute = self._reads = 0

    def count_read(self, time: float) -> None:
        """Count a read in its minute; entries that come late count in the minute they come in."""
        minute = int(time) // _MINUTE
        if minute > self._minute:
            self.end_minute()
            self._minute = minute
        self._reads += 1

    def end_minute(self) -> None:
        """Put the minute that is being counted to the others."""
        if self._reads:
            self.rates[self._reads] += 1
            heapq.heappush(self.busiest, (self._reads, self._minute))
            if len(self.busiest) > _SHOWN_BURSTS:
                heapq.heappop(self.busiest)
        self._reads = 0

    def usual_rate(self) -> float:
        """Return the median of reads in a minute in which there were any; 0 where there were too few such minutes."""
        if self.rates.total() < _MIN_MINUTES:
            return 0.0
        return float(statistics.median(self.rates.elements()))


class Options(NamedTuple):
    """What is expected: `usual` is paths by role, None where they are to be learnt from the log's first `learn_seconds`.

    `wanted` maps the server's HMAC of a value (and the value, for logs that were never hashed) to its label.
    A minute is a burst from `burst_reads` reads on, if they are `burst_factor` times the role's median.
    """

    by: By = "role"
    usual: Mapping[str, Collection[str]] | None = None
    learn_seconds: float = 0.0
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    wanted: Mapping[str, str] = {}
    burst_reads: int = 30
    burst_factor: float = 10.0


class Audit:
    """Takes entries one by one (`add`); then `alerts` has what is out of the ordinary, `actors` who did what."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.actors: dict[str, Actor] = {}
        self.first = self.last = 0.0
        self.entries = 0
        self.full: Counter[str] = Counter()
        self._rows = 0
        self._usual = {who: Usual(paths) for who, paths in (options.usual or {}).items()}
        self._found: dict[tuple[str, str, str, str], Alert] = {}
        self._tokens = Tokens()

    def add(self, entry: Entry) -> None:
        """Count an entry."""
        self.entries += 1
        self.first = min(self.first, entry.time) if self.entries > 1 else entry.time
        self.last = max(self.last, entry.time)
        who = self._who(entry)
        actor = self._actor(who)
        if entry.entity and len(actor.entities) < _MAX_NAMES:
            actor.entities.add(entry.entity)
        self._check_address(who, actor, entry)
        self._tokens.follow(who, entry)
        if entry.raw:
            self._alert("raw", "", "the log", entry, "")
        if self._options.wanted:
            self._look_for(who, entry)
        if entry.denied or (entry.login and entry.failed):
            self._alert("denied", who, f"{entry.operation} {entry.path}", entry, "")
        if not entry.own or entry.denied:
            self._count(who, actor, entry)

    def _who(self, entry: Entry) -> str:
        names = {"role": entry.role, "entity": entry.entity, "accessor": entry.accessor if _hashed(entry.accessor) else ""}
        if name := names[self._options.by]:
            return entry.home + name if self._options.by == "role" else name
        if entry.login and not entry.issued:
            return f"(failed login at {entry.path})"
        if entry.display or entry.policies:
            return f"{entry.display or 'token'} [{', '.join(entry.policies)}]"
        return "(no valid token)"

    def _actor(self, who: str) -> Actor:
        actor = self.actors.get(who)
        if actor is None:
            if len(self.actors) >= _MAX_ROWS:
                self.full["roles"] += 1
                return Actor()
            actor = self.actors[who] = Actor()
        return actor

    def _count(self, who: str, actor: Actor, entry: Entry) -> None:
        if entry.operation in _READS and not entry.denied:
            actor.count_read(entry.time)
        access = actor.paths.get(entry.path)
        if access is None:
            if self._rows >= _MAX_ROWS:
                self.full["paths"] += 1
                return
            self._rows += 1
            access = actor.paths[entry.path] = Access(entry.time)
        access.add(entry)
        if not entry.denied and self._options.usual is None and entry.time < self.first + self._options.learn_seconds:
            self._usual.setdefault(who, Usual(())).add(entry.path)
        elif not entry.denied and self._knows_usual and not self._usual.get(who, NOTHING).has(entry.path):
            detail = "" if who in self._usual else "nothing is known as usual for this role"
            self._alert("unusual", who, entry.path, entry, detail)

    @property
    def _knows_usual(self) -> bool:
        return self._options.usual is not None or self._options.learn_seconds > 0

    def _check_address(self, who: str, actor: Actor, entry: Entry) -> None:
        if not entry.address:
            return
        if entry.address in actor.addresses or len(actor.addresses) < _MAX_NAMES:
            actor.addresses[entry.address] += 1
        if self._options.networks and not _is_within(entry.address, self._options.networks):
            self._alert("address", who, entry.address, entry, "")

    def _look_for(self, who: str, entry: Entry) -> None:
        for data, how in ((entry.got, "served as"), (entry.sent, "sent as")):
            for field, label in find_values(data, self._options.wanted):
                self._alert("served", who, entry.path, entry, f"{label} {how} {field}")

    def _alert(self, kind: str, who: str, what: str, entry: Entry, detail: str) -> None:
        key = (kind, who, what, detail)
        known = self._found.get(key)
        if known is not None:
            first, last = min(known.first, entry.time), max(known.last, entry.time)
            self._found[key] = known._replace(count=known.count + 1, first=first, last=last)
        elif len(self._found) >= _MAX_ROWS:
            self.full[kind] += 1
        else:
            self._found[key] = Alert(kind, who, what, 1, entry.time, entry.time, detail)

    def finish(self) -> None:
        """Call once after the last entry."""
        self._tokens.finish()
        self.full += self._tokens.full
        for who, actor in self.actors.items():
            actor.end_minute()
            actor.lives = self._tokens.lives[who]

    def alerts(self) -> list[Alert]:
        """Return what is out of the ordinary, in the order of `KINDS`, then by role and path."""
        found = [*self._found.values(), *self._bursts(), *self._unrevoked()]
        order = list(KINDS)
        return sorted(found, key=lambda alert: (order.index(alert.kind), alert.who, alert.what))

    def _bursts(self) -> Iterator[Alert]:
        for who, actor in self.actors.items():
            usual = actor.usual_rate()
            for reads, minute in actor.busiest:
                if usual and reads >= max(self._options.burst_reads, self._options.burst_factor * usual):
                    start = float(minute * _MINUTE)
                    yield Alert("burst", who, "reads", reads, start, start + _MINUTE, f"{usual:g} in a minute are usual")

    def _unrevoked(self) -> Iterator[Alert]:
        for who, actor in self.actors.items():
            if actor.lives.expired:
                detail = f"of {plural(actor.lives.issued, 'token')}"
                yield Alert("unrevoked", who, "tokens", actor.lives.expired, self.first, self.last, detail)

    def usual(self) -> dict[str, list[str]]:
        """Return the paths of each role that were asked for and not refused, for a baseline."""
        return {
            who: paths
            for who, actor in sorted(self.actors.items())
            if (paths := sorted(path for path, access in actor.paths.items() if access.times.total() > access.denied))
        }


def _hashed(name: str) -> bool:
    """Whether a name may be shown: devices can be told to write accessors as they are."""
    return name.startswith(HASH)


def _is_within(address: str, networks: Collection[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


def parse_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network such as `10.0.0.0/8`, or one address. Raises `ConfigError`."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ConfigError(f"{one_line(text)!r} is no network", "write it as 10.0.0.0/8 or 2001:db8::/32") from None
