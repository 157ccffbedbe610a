# SPDX-License-Identifier: Apache-2.0
"""What became of the tokens that a log speaks of: revoked, left to expire, or still alive at its end."""

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Final, NamedTuple

from scanner.broker.audit.log import Entry

_MAX_TOKENS: Final = 500_000


@dataclass(slots=True)
class Lives:
    """How many tokens somebody got, and how many of them ended how."""

    issued: int = 0
    revoked: int = 0
    expired: int = 0
    alive: int = 0


class _Token(NamedTuple):
    who: str
    expiry: float
    accessor: str


class Tokens:
    """Takes entries in the log's order; the memory it needs is that of the tokens alive at a time.

    `lives` is by whoever got the tokens, and final after `finish`; `full` counts tokens that were too many to follow.
    """

    def __init__(self) -> None:
        self.lives: defaultdict[str, Lives] = defaultdict(Lives)
        self.full: Counter[str] = Counter()
        self._tokens: dict[str, _Token] = {}
        self._by_accessor: dict[str, str] = {}
        self._expiries: list[tuple[float, str]] = []

    def follow(self, who: str, entry: Entry) -> None:
        """Take an entry of somebody's."""
        self._expire(entry.time)
        if entry.failed or entry.denied:
            return
        if entry.path.endswith("auth/token/revoke-self"):
            self._end(entry.token, revoked=True)
        elif "auth/token/revoke" in entry.path and isinstance(entry.sent, dict):
            self._end(str(entry.sent.get("token")), revoked=True)
            self._end(self._by_accessor.get(str(entry.sent.get("accessor")), ""), revoked=True)
        if entry.issued is not None:
            self._issue(who, entry)

    def finish(self) -> None:
        """Count those that are alive at the end of the log."""
        for token in self._tokens.values():
            self.lives[token.who].alive += 1

    def _issue(self, who: str, entry: Entry) -> None:
        """Take a new token, or the new end of one that was renewed."""
        issued = entry.issued or {}
        token, accessor, ttl = (issued.get(name) for name in ("client_token", "accessor", "token_ttl"))
        if not isinstance(token, str) or not isinstance(ttl, int) or ttl <= 0:
            return
        if token not in self._tokens:
            self.lives[who].issued += 1
            if len(self._tokens) >= _MAX_TOKENS:
                self.full["tokens"] += 1
                return
        else:
            who = self._tokens[token].who
        accessor = accessor if isinstance(accessor, str) else ""
        self._tokens[token] = _Token(who, entry.time + ttl, accessor)
        if accessor:
            self._by_accessor[accessor] = token
        heapq.heappush(self._expiries, (entry.time + ttl, token))

    def _expire(self, now: float) -> None:
        while self._expiries and self._expiries[0][0] < now:
            expiry, token = heapq.heappop(self._expiries)
            if token in self._tokens and self._tokens[token].expiry == expiry:
                self._end(token, revoked=False)

    def _end(self, name: str, *, revoked: bool) -> None:
        token = self._tokens.pop(name, None)
        if token is None:
            return
        self._by_accessor.pop(token.accessor, None)
        if revoked:
            self.lives[token.who].revoked += 1
        else:
            self.lives[token.who].expired += 1
