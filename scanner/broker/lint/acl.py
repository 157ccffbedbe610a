# SPDX-License-Identifier: Apache-2.0
"""ACL policies of Vault and OpenBao: read from HCL or JSON, and which paths their globs match.

A path ends in `*` for everything that begins like it, and holds `+` for any one part
(https://openbao.org/docs/concepts/policies/, "Policy syntax"). HCL here is what policies use of it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

_OLD_WORDS: Final = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}
_MAX_DEPTH: Final = 20
_TOKEN: Final = re.compile(
    r"""(?P<space>[\s,]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<sign>[{}\[\]=:])|(?P<word>[^\s,{}\[\]=:"]+)""",
    re.DOTALL,
)


class PolicyError(ValueError):
    """A policy that cannot be read."""


class Grant(NamedTuple):
    """What a policy allows on a path."""

    path: str
    capabilities: frozenset[str]

    @property
    def writes(self) -> bool:
        """Whether something can be made or changed."""
        return bool(self.capabilities & {"create", "update", "patch", "sudo"}) and "deny" not in self.capabilities

    @property
    def reads(self) -> bool:
        """Whether something can be learnt."""
        return bool(self.capabilities & {"read", "list", "scan", "sudo"}) and "deny" not in self.capabilities

    @property
    def allows(self) -> bool:
        """Whether anything is allowed."""
        return bool(self.capabilities) and "deny" not in self.capabilities

    def matches(self, path: str) -> bool:
        """Whether this is about an API path; `{{...}}` in it stands for any one part."""
        return re.fullmatch(_expression(self.path), path) is not None


def _expression(pattern: str) -> str:
    pattern, rest = (pattern[:-1], ".*") if pattern.endswith("*") else (pattern, "")
    parts = []
    for part in pattern.split("/"):
        pieces = re.split(r"\{\{.*?\}\}", part)
        parts.append("[^/]+" if part == "+" else "[^/]*".join(map(re.escape, pieces)))
    return "/".join(parts) + rest


def parse_policy(text: str) -> tuple[Grant, ...]:
    """Return what a policy grants, in its order. Raises `PolicyError`."""
    document = _parse_json(text) if text.lstrip().startswith("{") else _parse_hcl(text)
    paths = document.get("path", [])
    blocks = paths if isinstance(paths, list) else [paths]
    return tuple(grant for block in blocks for grant in _grants(block))


def _grants(block: Any) -> Iterator[Grant]:
    if not isinstance(block, dict):
        raise PolicyError("what stands under path is no block")
    for path, rules in block.items():
        for one in rules if isinstance(rules, list) else [rules]:
            if not isinstance(one, dict):
                raise PolicyError("a path without a block")
            named = one.get("capabilities", [])
            if not isinstance(named, list) or not all(isinstance(word, str) for word in named):
                raise PolicyError("capabilities are no list of words")
            yield Grant(path.removeprefix("/"), frozenset(named) | frozenset(_OLD_WORDS.get(str(one.get("policy")), ())))


def _parse_json(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise PolicyError("neither JSON nor HCL") from None
    if not isinstance(document, dict):
        raise PolicyError("no object")
    return document


def _parse_hcl(text: str) -> Mapping[str, Any]:
    tokens, end = [], 0
    while end < len(text):
        found = _TOKEN.match(text, end)
        if found is None:
            raise PolicyError("a character that HCL has not, or a text without its end")
        end = found.end()
        if found.lastgroup != "space":
            tokens.append(found[0])
    parser = _Parser(tokens)
    body = parser.body("")
    parser.expect("")
    return body


class _Parser:
    """Recursive descent over tokens; a block with labels becomes nested objects, repeated ones a list."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = self._depth = 0

    def _next(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        return token

    def expect(self, token: str) -> None:
        if self._next() != token:
            raise PolicyError(f"{token or 'the end'} is missing")

    def body(self, end: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self._peek() != end:
            key, value = self._member()
            if key in found and isinstance(value, dict):
                earlier = found[key]
                found[key] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
            else:
                found[key] = value
        return found

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _member(self) -> tuple[str, Any]:
        keys = []
        while (token := self._next()) not in ("=", ":", "{"):
            if token in ("", "}", "[", "]"):
                raise PolicyError("a name without a value")
            keys.append(_plain(token))
        if not keys:
            raise PolicyError("a value without a name")
        value = self._object() if token == "{" else self._value()  # noqa: S105  a brace
        for label in reversed(keys[1:]):
            value = {label: value}
        return keys[0], value

    def _object(self) -> dict[str, Any]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise PolicyError("nested too deep")
        found = self.body("}")
        self.expect("}")
        self._depth -= 1
        return found

    def _value(self) -> Any:
        token = self._next()
        if token == "{":  # noqa: S105  a brace
            return self._object()
        if token != "[":  # noqa: S105  a bracket
            if token in ("", "}", "]", "=", ":"):
                raise PolicyError("a value is missing")
            return _plain(token)
        found = []
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise PolicyError("nested too deep")
        while self._peek() not in ("]", ""):
            found.append(self._value())
        self.expect("]")
        self._depth -= 1
        return found


def _plain(token: str) -> str:
    if not token.startswith('"'):
        return token
    try:
        return str(json.loads(token))
    except ValueError:
        return token[1:-1]
