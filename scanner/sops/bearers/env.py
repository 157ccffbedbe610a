# SPDX-License-Identifier: Apache-2.0
"""Environment files: `.env` and what is named after it, direnv's `.envrc`.

Only what looks like a secret counts; `PORT=8080` may stay. In an example a value must look like no word at all.
"""

import re
from collections.abc import Iterator
from typing import Final

from scanner.model import Confidence
from scanner.sops.bearers.file import File
from scanner.sops.likely import looks_secret
from scanner.sops.rules import Problem
from scanner.sops.standin import strength

_NAME: Final = re.compile(
    r"\.?env(?:[._~-].*)?|.*\.env(?:\.[a-z]+)?|.*\.envrc|\.envrc\..*|\.flaskenv|\.dev\.vars(?:\..*)?|\.secrets(?:\.env)?"
)
# Programs and schemas that are only called so, and what holds ciphertext by design.
_NOT: Final = re.compile(
    r".*\.(?:[cm]?js|ts|[jt]sx|py|go|rs|java|rb|php|c|h|cpp|cs|sh|ps1|bat|lua|md|rst|html|css|vue|svelte|kt|lock|schema)"
    r"|\.?env\.vault"
)
_EXAMPLE: Final = re.compile(r"(?:.*[._-])?(?:example|examples|sample|template|tmpl|tpl|dist|defaults?|skel|stub)(?:[._-].*)?")
_TEST: Final = re.compile(r".*[._-](?:tests?|testing|ci|dev|development|local|e2e)(?:[._-].*)?")
_LINE: Final = re.compile(
    r"^[ \t]*(?P<comment>#[ \t]*)?(?:(?:export|set|declare -x)[ \t]+)?(?P<key>[A-Za-z_][\w.-]{0,200})[ \t]*(?:=|:[ \t])[ \t]*"
    r"(?P<value>\"(?>(?:[^\"\\]|\\.){0,20000})\"|'(?>[^']{0,20000})'|[^\n]*)",
    re.MULTILINE,
)
# What images come with: passwords all the same, and nobody's secret.
_DEFAULTS: Final = frozenset({"postgres", "root", "admin", "guest", "mysql", "minio", "minioadmin", "rabbitmq", "redis", "mongo"})
_MIN_LENGTH: Final = 3


def is_env(name: str) -> bool:
    """Whether a file of this name (in lower case) is an environment file."""
    return _NAME.fullmatch(name) is not None and _NOT.fullmatch(name) is None


def env_secrets(file: File) -> Iterator[Problem]:
    """Yield what looks secret in an environment file."""
    if not is_env(file.name):
        return
    is_example = _EXAMPLE.fullmatch(file.name) is not None
    is_test = _TEST.fullmatch(file.name) is not None
    for found in _LINE.finditer(file.text):
        key, value = found["key"], _unquoted(found["value"])
        reason = looks_secret(key, value)
        if not reason or len(value) < _MIN_LENGTH:
            continue
        weak = strength(value) != "strong"
        if weak and (is_example or found["comment"]):
            continue
        confidence: Confidence = "medium" if weak or is_example or found["comment"] else "high"
        if weak and (is_test or value.lower() in _DEFAULTS):
            confidence = "low"
        yield file.problem(key, value, found.span("value"), f"environment file: {reason}", confidence, weak=weak)


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] in "\"'" and value[:1] == value[-1:]:
        return value[1:-1]
    return re.split(r"[ \t]#", value, maxsplit=1)[0].strip()
