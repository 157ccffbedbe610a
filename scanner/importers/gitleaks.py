# SPDX-License-Identifier: Apache-2.0
"""gitleaks: `.gitleaks.toml` (v8, with `[extend]` and allowlists old and new), `.gitleaksignore`, JSON reports as baselines.

The format: https://github.com/gitleaks/gitleaks#configuration. Keys are compared in lower case, as its reader does.
"""

import json
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from scanner.errors import ConfigError
from scanner.importers.plan import Accepted, Plan, Wanted, literal_search

TOOL: Final = "gitleaks"
CONFIG_NAME: Final = ".gitleaks.toml"
IGNORE_NAME: Final = ".gitleaksignore"
# As deep as gitleaks itself follows `[extend]`.
_MAX_EXTENDS: Final = 2
_HINT: Final = "see docs/migrating.md"
_KNOWN: Final = ("title", "description", "minversion", "extend", "rules", "allowlist", "allowlists")
_RULE_KEYS: Final = (
    "id", "description", "path", "regex", "secretgroup", "entropy", "keywords", "tags", "allowlist", "allowlists", "required",
    "skipreport",
)  # fmt: skip
_ALLOW_KEYS: Final = ("description", "condition", "commits", "paths", "regextarget", "regexes", "stopwords", "targetrules")
# Rules of gitleaks' own that ours of the first word's provider do not stand for.
_EQUALS: Final[Mapping[str, tuple[str, ...]]] = {
    "generic-api-key": ("generic-*",),
    "private-key": ("private-key-*",),
    "aws-access-token": ("aws-access-key-id",),
    "gcp-api-key": ("google-api-key",),
    "curl-auth-user": ("curl-user-password",),
    "curl-auth-header": ("http-basic-header", "http-bearer-header"),
    "kubernetes-secret-yaml": ("generic-*",),
}

ReadText = Callable[[str], bytes]


def is_config(document: Mapping[str, Any]) -> bool:
    """Whether a TOML document is a configuration of gitleaks."""
    keys = {key.lower() for key in document}
    return bool(keys & {"rules", "allowlist", "allowlists", "extend"}) and "tool" not in keys


def read_config(plan: Plan, name: str, data: bytes, own: Collection[str]) -> None:
    """Add what a configuration says; `own` are the ids of Sealgate's rules. Raises `ConfigError` for what is no TOML."""
    _Config(plan, own).read(name, data)


def _lower(value: Any) -> Any:
    if isinstance(value, dict):
        return {key.lower(): _lower(item) for key, item in value.items()}
    return [_lower(item) for item in value] if isinstance(value, list) else value


def _headers(text: str, name: str) -> list[int]:
    """Return the lines on which tables of this name begin."""
    found = re.compile(rf"^[ \t]*\[+[ \t]*{name}[ \t]*\]+", re.IGNORECASE | re.MULTILINE).finditer(text)
    return [text.count("\n", 0, match.start()) + 1 for match in found]


class _Config:
    def __init__(self, plan: Plan, own: Collection[str]) -> None:
        self.plan = plan
        self.own = own
        self.rules: dict[str, dict[str, Any]] = {}
        self.allowlists: list[dict[str, Any]] = []
        self.default = False

    def read(self, name: str, data: bytes) -> None:
        self._load(name, data, 0, frozenset())
        for rule in self.rules.values():
            self._rule(rule)
        for allowlist in self.allowlists:
            self._allowlist(allowlist, self._targets(allowlist))
        if not self.default:
            self.plan.note("changed", name, "the rules", "Sealgate's own rules hold as well: it has none without them")

    def _load(self, name: str, data: bytes, depth: int, disabled: frozenset[str]) -> None:
        text = data.decode("utf-8", "replace")
        try:
            document = _lower(tomllib.loads(text))
        except (ValueError, RecursionError):
            raise ConfigError(f"{name}: not valid TOML", _HINT) from None
        for key in document:
            if key not in _KNOWN:
                self.plan.note("dropped", name, key, "it is not known")
        lines = _headers(text, "rules")
        for number, rule in enumerate(_tables(document, "rules", name)):
            self._add(rule, f"{name}:{lines[number]}" if number < len(lines) else name, disabled)
        for key in ("allowlist", "allowlists"):
            lines = _headers(text, key)
            for number, allowlist in enumerate(_tables(document, key, name)):
                at = f"{name}:{lines[number]}" if number < len(lines) else name
                self.allowlists.append({**allowlist, "at": f"{at}: {key} {number + 1}"})
        extend = document.get("extend", {})
        if not isinstance(extend, dict):
            raise ConfigError(f"{name}: extend must be a table", _HINT)
        self._extend(extend, name, depth, disabled)

    def _add(self, rule: dict[str, Any], at: str, disabled: frozenset[str]) -> None:
        """Add a rule, or what the one that is extended has and its extension has not."""
        id_ = rule.get("id")
        if not isinstance(id_, str) or not id_:
            self.plan.note("dropped", at, "the rule", "it has no id")
            return
        if id_ in disabled:
            return
        at = f"{at}: rule {id_}"
        for key in rule:
            if key not in _RULE_KEYS:
                self.plan.note("dropped", at, key, "it is not known")
        allowlists = [{**each, "at": f"{at}: allowlist {n}"} for n, each in enumerate(
            [*_tables(rule, "allowlists", at), *_tables(rule, "allowlist", at)], 1)]  # fmt: skip
        here = {**{key: value for key, value in rule.items() if value}, "at": at, "allow": allowlists}
        above = self.rules.get(id_)
        if above is None:
            self.rules[id_] = here
            return
        above["allow"] = [*allowlists, *above["allow"]]
        above["keywords"] = [*self.plan.texts(here, "keywords", at), *self.plan.texts(above, "keywords", above["at"])]
        self.rules[id_] = {**here, **above}

    def _extend(self, extend: Mapping[str, Any], name: str, depth: int, disabled: frozenset[str]) -> None:
        if extend.get("url"):
            self.plan.note("dropped", name, "extend.url", "gitleaks itself does not read it")
        names = frozenset(self.plan.texts(extend, "disabledrules", name))
        if extend.get("usedefault"):
            self.default = True
            for id_ in sorted(names):
                self._disable(id_, name)
        path = extend.get("path")
        if not path or not isinstance(path, str):
            return
        if depth == _MAX_EXTENDS:
            self.plan.note("dropped", name, "extend.path", f"gitleaks follows {_MAX_EXTENDS} of them and no more")
            return
        data, found = _read_extended(path, name)
        if data is None:
            self.plan.note("dropped", name, "extend.path", "there is no such file, neither here nor beside this one")
            return
        self._load(found, data, depth + 1, disabled | names)

    def _disable(self, id_: str, name: str) -> None:
        equals = self._equals(id_)
        what = f"extend.disabledRules: {id_}"
        if not equals:
            self.plan.note("unneeded", name, what, "Sealgate has no rule for what it finds")
            return
        self.plan.add_allow(f"{id_} is disabled in {name}", rule=equals)
        if list(equals) != [id_]:
            self.plan.note("changed", name, what, f"silences Sealgate's {', '.join(equals)}, which find the same and more")

    def _equals(self, id_: str) -> tuple[str, ...]:
        """Return which of our rules stand for one of gitleaks' own, as globs."""
        if id_ in self.own:
            return (id_,)
        if id_ in _EQUALS:
            return _EQUALS[id_]
        provider = id_.partition("-")[0]
        return (f"{provider}-*",) if any(own.startswith(f"{provider}-") for own in self.own) else ()

    def _targets(self, allowlist: Mapping[str, Any]) -> list[str] | None:
        """Return our rules that an allowlist speaks of, none for all of them; None where there are none of them."""
        names = self.plan.texts(allowlist, "targetrules", allowlist["at"])
        rules: list[str] = []
        for name in names:
            ours = self.plan.ids.get(name) or self._equals(name)
            if not ours:
                self.plan.note("unneeded", allowlist["at"], f"target rule {name}", "Sealgate has no rule for what it finds")
            rules += ours
        return rules if rules or not names else None

    def _rule(self, rule: Mapping[str, Any]) -> None:
        at, id_ = rule["at"], rule["id"]
        regex, path = rule.get("regex"), rule.get("path")
        if rule.get("skipreport"):
            self.plan.note("unneeded", at, "the rule", "it reports nothing by itself (skipReport)")
            return
        if rule.get("tags"):
            self.plan.note("unneeded", at, "tags", "rules of Sealgate have none")
        carried = False
        if regex:
            paths = self.plan.globs([path], "go", at) if path else []
            if path and not paths:
                self.plan.note("changed", at, "path", "the rule holds for all paths")
            carried = self.plan.add_rule(
                Wanted(
                    id=id_,
                    name=str(rule.get("description") or id_),
                    regex=regex,
                    dialect="go",
                    where=at,
                    group=int(self.plan.number(rule, "secretgroup", at)) or None,
                    entropy=self.plan.number(rule, "entropy", at),
                    keywords=self.plan.texts(rule, "keywords", at),
                    near=self._required(rule),
                    paths=paths,
                )
            )
        elif path:
            self.plan.note("dropped", at, "the rule", "it tells files by their paths alone; Sealgate reports what a file holds")
        else:
            self._refine(rule)
            return
        for allowlist in rule["allow"] if carried else ():
            self._allowlist(allowlist, self.plan.ids[id_])

    def _refine(self, rule: Mapping[str, Any]) -> None:
        """Carry over what is said of a rule of gitleaks' own to those of ours that stand for it."""
        at, equals = rule["at"], self._equals(rule["id"])
        if not equals:
            self.plan.note("unneeded", at, "the rule", "it refines one of gitleaks' own that Sealgate has no equal for")
            return
        for key in ("entropy", "secretgroup", "keywords", "description"):
            if rule.get(key):
                self.plan.note("dropped", at, key, "it refines a rule of gitleaks' own, whose place Sealgate's own rules take")
        if rule["allow"]:
            self.plan.note("changed", at, "allowlists", f"hold for Sealgate's {', '.join(equals)}")
        for allowlist in rule["allow"]:
            self._allowlist(allowlist, list(equals))

    def _required(self, rule: Mapping[str, Any]) -> list[str]:
        """Return what other rules must find near this one's value."""
        from scanner.importers.spelling import search_text

        near = []
        for required in _tables(rule, "required", rule["at"]):
            other = self.rules.get(str(required.get("id")), {})
            parsed = self.plan.read(other.get("regex"), "go", rule["at"], f"required rule {required.get('id')}")
            if parsed is not None:
                near.append(f"(?-i:{search_text(parsed)})")
                self.plan.note(
                    "changed", rule["at"], f"required rule {required.get('id')}",
                    "what it finds must stand within 200 bytes of the value, however many lines or columns these are",
                )  # fmt: skip
        return near

    def _allowlist(self, allowlist: Mapping[str, Any], rules: list[str] | None) -> None:
        at = allowlist["at"]
        if rules is None:
            return
        for key in allowlist:
            if key not in (*_ALLOW_KEYS, "at"):
                self.plan.note("dropped", at, key, "it is not known")
        reason = str(allowlist.get("description") or f"an allowlist of {os.path.basename(at.partition(':')[0])}")
        asked = [key for key in ("commits", "paths", "regexes", "stopwords") if allowlist.get(key)]
        commits = self._commits(allowlist, at)
        paths = self.plan.globs(self.plan.texts(allowlist, "paths", at), "go", at)
        values, lines = self._regexes(allowlist, at)
        stops = literal_search(self.plan.texts(allowlist, "stopwords", at))
        if str(allowlist.get("condition") or "or").lower() in ("and", "&&"):
            had = {"commits": commits, "paths": paths, "regexes": values or lines, "stopwords": stops}
            if not all(had[key] for key in asked):
                self.plan.note("dropped", at, "the allowlist", "it wants all of its conditions, and not all have an equal")
                return
            if values and stops:
                values, stops = [rf"\A(?=[\s\S]*?(?:{'|'.join(values)}))[\s\S]*?(?:{'|'.join(stops)})"], []
            self.plan.add_allow(reason, rule=rules, path=paths, commit=commits, value=values or stops, line=lines)
            return
        for limits in ({"path": paths}, {"commit": commits}, {"value": [*values, *stops]}, {"line": lines}):
            if any(limits.values()):
                self.plan.add_allow(reason, rule=rules, **limits)

    def _commits(self, allowlist: Mapping[str, Any], at: str) -> list[str]:
        full = []
        for commit in self.plan.texts(allowlist, "commits", at):
            name = commit.strip().lower()
            if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name):
                full.append(name)
            else:
                self.plan.note("dropped", at, "a commit", "it is not the full id, so gitleaks does not know it either")
        return full

    def _regexes(self, allowlist: Mapping[str, Any], at: str) -> tuple[list[str], list[str]]:
        """Return what is searched for in the value, and what in the line."""
        found = self.plan.searches(self.plan.texts(allowlist, "regexes", at), "go", at)
        target = str(allowlist.get("regextarget") or "secret").lower()
        if target == "match" and found:
            self.plan.note("changed", at, "regexTarget = match", "the whole line is compared, not what the rule matched of it")
        return (found, []) if target == "secret" else ([], found)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _tables(table: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    value = table.get(key) or []
    tables = [value] if isinstance(value, dict) else value
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise ConfigError(f"{where}: {key} must be tables", _HINT)
    return tables


def _read_extended(path: str, name: str) -> tuple[bytes | None, str]:
    """Read a file that is extended: named from where gitleaks is called, mostly the folder of the file that names it."""
    for candidate in (path, os.path.join(os.path.dirname(name), path)):
        try:
            with open(candidate, "rb") as stream:
                return stream.read(), candidate
        except OSError:
            continue
    return None, path


def read_ignore(plan: Plan, name: str, data: bytes) -> None:
    """Add the fingerprints of a `.gitleaksignore`: [commit:]file:rule:line."""
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        text, where = line.strip(), f"{name}:{number}"
        if not text or text.startswith("#"):
            continue
        parts = text.split(":")
        if len(parts) not in (3, 4) or not parts[-1].isdecimal():
            plan.note("dropped", where, "the entry", "it is not [commit:]file:rule:line")
            continue
        commit = parts[0] if len(parts) == 4 else ""
        path, rule, at = parts[-3].replace("\\", "/"), parts[-2], int(parts[-1])
        if commit and not re.fullmatch(r"[0-9a-fA-F]{40}|[0-9a-fA-F]{64}", commit):
            plan.note("dropped", where, "the entry", "its commit is not a full id")
            continue
        plan.accepted.append(Accepted(where, path, at, at, rule, commit.lower(), reason=f"in {os.path.basename(name)}"))


def read_report(name: str, data: bytes) -> list[Accepted]:
    """Return the findings of a JSON report of gitleaks. Raises `ConfigError` for what is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not valid JSON", "write it with --report-format json") from None
    if not isinstance(document, list) or not all(isinstance(entry, dict) for entry in document):
        raise ConfigError(f"{name}: not a report of gitleaks: it is no list of findings", "write it with --report-format json")
    return [_finding(entry, f"{name}: finding {number}") for number, entry in enumerate(document, 1)]


def _finding(entry: Mapping[str, Any], where: str) -> Accepted:
    line, end = _number(entry.get("StartLine")), _number(entry.get("EndLine"))
    texts = {key: entry.get(key) or "" for key in ("File", "RuleID", "Commit", "Secret")}
    if not all(isinstance(text, str) for text in texts.values()) or not texts["File"]:
        raise ConfigError(f"{where} has no file", "it must be a report of gitleaks, in JSON")
    secret = "" if "REDACTED" in texts["Secret"] or texts["Secret"].endswith("...") else texts["Secret"]
    reason = f"in {os.path.basename(where.partition(':')[0])}"
    return Accepted(where, texts["File"], line, max(line, end), texts["RuleID"], texts["Commit"], secret, reason=reason)
