# SPDX-License-Identifier: Apache-2.0
"""Which job may have which role, in words that fit every platform.

A policy is a list of entries; a job may have a role if one entry for that role holds in all its conditions. It
fails closed: what a token does not say holds in no condition, a fork gets nothing unless an entry lets forks in, and
an entry that would let in everybody on a platform is an error. A value is exact; a `pattern` has to match the whole
value (`re.fullmatch`), so that neither `a|b` nor a final newline lets in more than is written.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from scanner.broker.claims import NAMES, TRUTHS, Claims
from scanner.broker.identity import DEFAULT_ALGORITHMS, audiences_of, trusted_algorithms
from scanner.broker.jwks import checked_issuer
from scanner.display import log_safe, shorten
from scanner.document import load_yaml
from scanner.errors import ConfigError
from scanner.platforms import PLATFORMS

HINT: Final = "see docs/broker.md"
# The keys of the `broker:` section that belong to the policy.
KEYS: Final = ("issuers", "audience", "algorithms", "audit", "allow")
ABSENT: Final = "absent"

_TEXTS: Final = tuple(name for name in NAMES if name not in TRUTHS)
_ENTRY_KEYS: Final = ("name", "role", "audience", *_TEXTS, "protected", "interactive", "forks", "claims")
# An entry has to say who: one of these, by more than a pattern that takes anything.
_WHO: Final = ("subject", "repository", "repository_id", "owner", "owner_id")
# Names that somebody else can have one day, and the ids that nobody else ever gets.
_RECYCLED: Final = {"repository": ("repository_id", "owner_id"), "owner": ("owner_id", "repository_id")}
_FORKS: Final = ("refuse", "unknown", "allow")
# Nobody is called so; a pattern that takes one of them takes anybody.
_PROBES: Final = ("q7xz9k", "q7-x/z9-k", "9175518220417", "repo:q7-x/z9-k:ref:refs/heads/zq8", "https://q7xz9k.example/z9k")
_MAX_VALUE_CHARACTERS: Final = 1024


class Wanted(NamedTuple):
    """One condition: any of these values, or a match of any of these patterns over the whole value."""

    values: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...] = ()

    def holds(self, value: str | None) -> bool:
        """Whether a value will do; an absent one never does."""
        if value is None or len(value) > _MAX_VALUE_CHARACTERS:
            return False
        return value in self.values or any(pattern.fullmatch(value) for pattern in self.patterns)

    def __str__(self) -> str:
        shown = [*self.values, *(f"/{pattern.pattern}/" for pattern in self.patterns)]
        return " or ".join(map(log_safe, shown))


class Comparison(NamedTuple):
    """One condition of an entry and what a token has for it, both fit to be shown."""

    name: str
    wanted: str
    got: str
    holds: bool


class Entry(NamedTuple):
    """One entry: the roles that it gives, and all that has to hold for it."""

    name: str
    roles: Wanted
    audience: Wanted | None
    texts: Mapping[str, Wanted]
    truths: Mapping[str, bool]
    forks: str
    claims: Mapping[str, Wanted]

    def compare(self, claims: Claims) -> list[Comparison]:
        """Compare every condition with what a token says."""
        found = []
        if self.audience is not None:
            got = audiences_of(claims.raw)
            found.append(Comparison("audience", str(self.audience), shown(", ".join(got)), any(map(self.audience.holds, got))))
        for name, wanted in self.texts.items():
            value = getattr(claims, name)
            found.append(Comparison(name, str(wanted), shown(value), wanted.holds(value)))
        for name, truth in self.truths.items():
            value = getattr(claims, name)
            found.append(Comparison(name, shown(truth), shown(value), value is truth))
        for name, wanted in self.claims.items():
            values = _as_texts(claims.raw.get(name))
            found.append(Comparison(f"claims.{name}", str(wanted), shown(", ".join(values)), any(map(wanted.holds, values))))
        return found + self._compare_caution(claims)

    def _compare_caution(self, claims: Claims) -> list[Comparison]:
        """What nobody wrote: no forks, and nobody with a shell in the job."""
        found = []
        if self.forks != "allow":
            holds = claims.from_fork is False or (self.forks == "unknown" and claims.from_fork is None)
            wanted = "false" if self.forks == "refuse" else "false or absent"
            found.append(Comparison("from_fork", wanted, shown(claims.from_fork), holds))
        if claims.interactive and "interactive" not in self.truths:
            found.append(Comparison("interactive", "false", "true", holds=False))
        return found


class Decision(NamedTuple):
    """Whether a job may have a role. `audited` says that it may only because the policy is on trial.

    `reasons` are all conditions that did not hold, by entry; empty where an entry holds, which is then `entry`.
    """

    allowed: bool
    entry: str
    reasons: tuple[str, ...]
    audited: bool = False


class Policy(NamedTuple):
    """A checked policy. `issuers` maps each issuer that it trusts to its platform's name, empty where that is not said."""

    entries: tuple[Entry, ...]
    issuers: Mapping[str, str] = {}
    audience: str = ""
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    audit: bool = False

    def decide(self, claims: Claims, role: str) -> Decision:
        """Say whether a job with these verified claims may have this role. Vault knows roles in lower case only."""
        entries = [entry for entry in self.entries if entry.roles.holds(role.lower())]
        reasons = []
        for entry in entries:
            failed = [one for one in entry.compare(claims) if not one.holds]
            if not failed:
                return Decision(allowed=True, entry=entry.name, reasons=())
            reasons += [f"{entry.name}: {one.name} is {one.got}, wanted {one.wanted}" for one in failed]
        if not entries:
            known = sorted({value for entry in self.entries for value in entry.roles.values})
            reasons = [f"no entry gives the role {log_safe(role)}" + (f", only {', '.join(known)}" if known else "")]
        return Decision(self.audit, "", tuple(reasons), audited=self.audit)

    def remarks(self) -> tuple[str, ...]:
        """Return what an owner of the policy should know: names without an id, which can change hands."""
        return tuple(
            f"{entry.name}: {name} can be given to somebody else after a rename or a deletion; add {ids[0]}"
            for entry in self.entries
            for name, ids in _RECYCLED.items()
            if name in entry.texts and not any(id_ in entry.texts for id_ in ids)
        )


def shown(value: str | bool | None) -> str:
    """Return a claim's value for people: cut, without anything that moves a cursor, and `absent` for nothing."""
    if isinstance(value, bool):
        return str(value).lower()
    return shorten(log_safe(value), 200) if value else ABSENT


def _as_texts(value: object) -> list[str]:
    """Return a claim's value, or a list's members, as texts; what is neither text, number nor truth value is left out."""
    items = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in items if isinstance(item, str | int)]


def load_policy(path: str) -> Policy:
    """Return the policy of a file: a mapping of `KEYS`, or a configuration with a `broker:` section that holds them.

    Raises `ConfigError`.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise ConfigError(f"cannot read the policy {path}: {error.strerror}", "check --policy") from None
    document, _ = load_yaml(data, path, HINT)
    if isinstance(document, dict) and isinstance(document.get("broker"), dict):
        return parse_policy({key: value for key, value in document["broker"].items() if key in KEYS}, f"{path}: broker")
    return parse_policy(document, path)


def parse_policy(document: object, where: str) -> Policy:
    """Return the policy of a mapping (see `KEYS`). Raises `ConfigError` naming file, entry and key."""
    if not isinstance(document, Mapping):
        raise ConfigError(f"{where}: a policy is a mapping", HINT)
    _check_keys(document, KEYS, where)
    audit = document.get("audit", False)
    if not isinstance(audit, bool):
        raise ConfigError(f"{where}.audit: must be true or false", HINT)
    allow = document.get("allow", [])
    if not isinstance(allow, list):
        raise ConfigError(f"{where}.allow: must be a list of entries", HINT)
    entries = tuple(_parse_entry(entry, f"{where}.allow[{index}]", index) for index, entry in enumerate(allow, 1))
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where}.allow: two entries are called {name!r}", "give each a name of its own")
    algorithms = _texts(document.get("algorithms", list(DEFAULT_ALGORITHMS)), f"{where}.algorithms")
    audience = document.get("audience", "")
    if not isinstance(audience, str):
        raise ConfigError(f"{where}.audience: must be text", HINT)
    issuers = _parse_issuers(document.get("issuers", {}), f"{where}.issuers")
    return Policy(entries, issuers, audience, trusted_algorithms(algorithms), audit)


def _parse_issuers(value: object, where: str) -> dict[str, str]:
    """A list of issuers, or a mapping of issuers to the platform whose claims they sign."""
    items = value if isinstance(value, Mapping) else dict.fromkeys(_texts(value, where), "")
    for issuer, platform in items.items():
        if not isinstance(issuer, str):
            raise ConfigError(f"{where}: an issuer is an address", HINT)
        checked_issuer(issuer)
        if platform and platform not in PLATFORMS:
            raise _unknown(f"{where}: there is no platform {platform!r}", str(platform), PLATFORMS)
    return {issuer: platform or "" for issuer, platform in items.items()}


def _parse_entry(entry: object, where: str, index: int) -> Entry:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: an entry is a mapping", f"with {', '.join(_ENTRY_KEYS[:8])} and others")
    _check_keys(entry, _ENTRY_KEYS, where)
    if "role" not in entry:
        raise ConfigError(f"{where}: which role it gives is not said", "give it a role")
    roles = _parse_wanted(entry["role"], f"{where}.role")
    texts = {name: _parse_wanted(entry[name], f"{where}.{name}") for name in _TEXTS if name in entry}
    claims = entry.get("claims", {})
    if not isinstance(claims, Mapping) or not all(isinstance(name, str) for name in claims):
        raise ConfigError(f"{where}.claims: must be a mapping of claims by the platform's own names", HINT)
    forks = entry.get("forks", "refuse")
    if forks not in _FORKS:
        raise ConfigError(f"{where}.forks: must be one of {', '.join(_FORKS)}", HINT)
    checked = Entry(
        name=str(entry.get("name", f"allow[{index}]")),
        roles=Wanted(tuple(value.lower() for value in roles.values), roles.patterns),
        audience=_parse_wanted(entry["audience"], f"{where}.audience") if "audience" in entry else None,
        texts=texts,
        truths={name: _parse_truth(entry[name], f"{where}.{name}") for name in ("protected", "interactive") if name in entry},
        forks=forks,
        claims={name: _parse_wanted(value, f"{where}.claims.{name}") for name, value in claims.items()},
    )
    _check_entry(checked, where)
    return checked


def _check_entry(entry: Entry, where: str) -> None:
    if "platform" not in entry.texts and "issuer" not in entry.texts:
        raise ConfigError(f"{where}: names mean something on one platform only", "add platform or issuer")
    platforms = entry.texts.get("platform", Wanted(())).values
    for platform in platforms:
        if platform not in PLATFORMS:
            raise _unknown(f"{where}.platform: there is no platform {platform!r}", platform, PLATFORMS)
    if "circleci" in platforms and entry.forks == "unknown" and "repository" not in entry.texts:
        raise ConfigError(f"{where}.forks: a fork's build on CircleCI has the upstream project's id", "add repository")
    if not any(name in entry.texts and not _takes_anything(entry.texts[name]) for name in _WHO):
        raise ConfigError(f"{where}: would allow everybody on the platform", f"add one of {', '.join(_WHO)}")
    for ref in entry.texts.get("ref", Wanted(())).values:
        if not ref.startswith("refs/"):
            raise ConfigError(f"{where}.ref: {ref!r} is no full name", f"write refs/heads/{ref} or refs/tags/{ref}")


def _takes_anything(wanted: Wanted) -> bool:
    return any(pattern.fullmatch(probe) for pattern in wanted.patterns for probe in _PROBES)


def _parse_wanted(value: object, where: str) -> Wanted:
    """One value, a mapping with a `pattern`, or a list of these."""
    values: list[str] = []
    patterns = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            patterns.append(_parse_pattern(item, where))
        elif (isinstance(item, str) and item) or (isinstance(item, int) and not isinstance(item, bool)):
            values.append(str(item))
        else:
            raise ConfigError(f"{where}: must be text, or {{pattern: ...}}, or a list of these", HINT)
    for text in values:
        if "*" in text:
            raise ConfigError(f"{where}: a * stands for itself in {text!r}", "write {pattern: REGULAR-EXPRESSION}")
    if not values and not patterns:
        raise ConfigError(f"{where}: an empty list lets in nobody", "leave the condition out, or fill it")
    return Wanted(tuple(values), tuple(patterns))


def _parse_pattern(item: Mapping[Any, Any], where: str) -> re.Pattern[str]:
    _check_keys(item, ("pattern",), where)
    pattern = item.get("pattern")
    if not isinstance(pattern, str) or not pattern:
        raise ConfigError(f"{where}.pattern: must be a regular expression", "it has to match the whole value")
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        raise ConfigError(f"{where}.pattern: {shorten(pattern, 80)!r} is no regular expression", "see Python's re") from None


def _parse_truth(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: must be true or false", HINT)
    return value


def _texts(value: object, where: str) -> list[str]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
        raise ConfigError(f"{where}: must be a list of texts", HINT)
    return items


def _check_keys(document: Mapping[Any, Any], known: Collection[str], where: str) -> None:
    for key in document:
        if key in ("from_fork", "fork") and "forks" in known:
            raise ConfigError(f"{where}: unknown key {key!r}", f"write forks, one of {', '.join(_FORKS)}")
        if key not in known:
            raise _unknown(f"{where}: unknown key {key!r}", str(key), known)


def _unknown(message: str, word: str, known: Collection[str]) -> ConfigError:
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1)
    return ConfigError(message, f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}")
