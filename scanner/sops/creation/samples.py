# SPDX-License-Identifier: Apache-2.0
"""Texts that an expression matches, made from the expression: what a rule would see if there were such files.

RE2 has the last word on every one of them, so a sample may be missing but is never wrong. Classes and escapes are
not understood here: RE2 says which characters they take.
"""

import re
from typing import Any, Final

from scanner.sops.creation.expression import as_text, compile_expression

_SAMPLES: Final = 96
_MAX_LENGTH: Final = 400
_MAX_DEPTH: Final = 40
_MAX_STEPS: Final = 5_000
_CHARACTERS: Final = "qzxjkvwabcdefghilmnoprstuyQZXABCDEFGHIJKLMNOPRSTUVWY0123456789-_./ +@=:,~%#é"
_BEFORE: Final = ("", "qz", "zq/", "xj/wv/")
_BEHIND: Final = ("", ".yaml", ".json", ".env", "/qz", "/xj.yaml", ".wk", "zq.ini")
_TOKEN: Final = re.compile(
    r"\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]"  # a class
    r"|\\(?:Q[\s\S]*?(?:\\E|$)|[pP]\{[^}]*\}|[pP].|x\{[^}]*\}|x[0-9a-fA-F]{2}|[\s\S])"
    r"|\(\?(?P<flags>[a-zA-Z-]*)(?P<scope>[:)])|\(\?P?<\w+>"
    r"|(?P<repeat>[*+?]\??|\{(?P<low>\d+)(?:,(?P<high>\d*))?\}\??)|[\s\S]"
)

# A choice between sequences of (what to repeat, least, most); what to repeat is text, characters to choose from, a choice.
_Part = tuple[Any, int, int]


class _OutOfReachError(Exception):
    """The expression is beyond what is understood here."""


def samples(pattern: str) -> list[bytes]:
    """Return texts that an expression matches, different ones; none where it is beyond what is understood here.

    The same expression always gives the same texts. Not all are paths: see `is_path`.
    """
    import random

    search = compile_expression(pattern)
    if search is None:
        return []
    try:
        tree = _parse(pattern)
    except _OutOfReachError:
        return []
    chance = random.Random(0)  # noqa: S311 - samples, no secrets
    found: dict[bytes, None] = {}
    for _ in range(_SAMPLES):
        core = _spell(tree, chance)
        for before, behind in (("", ""), ("", chance.choice(_BEHIND)), (chance.choice(_BEFORE), chance.choice(_BEHIND))):
            text = as_text(before + core + behind)
            if core and len(core) <= _MAX_LENGTH and search(text):
                found[text] = None
    return list(found)


def is_path(text: bytes) -> bool:
    """Whether this can be a path as SOPS compares it: counted from a folder, on one line."""
    return not {b"", b".", b".."} & set(text.split(b"/")) and b"\n" not in text


def _parse(pattern: str) -> list[list[_Part]]:
    """Return the choices at the top; flags and anchors say nothing here."""
    top: list[list[_Part]] = [[]]
    stack = [top]
    for token in _TOKEN.finditer(pattern):
        text, sequence = token[0], stack[-1][-1]
        if text == "(" or token["scope"] == ":" or text.startswith(("(?P<", "(?<")):
            choice: list[list[_Part]] = [[]]
            sequence.append((choice, 1, 1))
            stack.append(choice)
            if len(stack) > _MAX_DEPTH:
                raise _OutOfReachError
        elif text == ")":
            if len(stack) == 1:
                raise _OutOfReachError
            stack.pop()
        elif text == "|":
            stack[-1].append([])
        elif token["repeat"]:
            if sequence:
                sequence[-1] = (sequence[-1][0], *_bounds(token))
        elif text not in ("^", "$", r"\A", r"\z", r"\b", r"\B") and not token["scope"]:
            sequence += [(part, 1, 1) for part in _characters(text)]
    if len(stack) > 1:
        raise _OutOfReachError
    return top


def _bounds(token: re.Match[str]) -> tuple[int, int]:
    if token["low"] is None:
        return (1 if token["repeat"][0] == "+" else 0), (1 if token["repeat"][0] == "?" else 5)
    low = int(token["low"])
    high = low if token["high"] is None else int(token["high"] or low + 4)
    if low > _MAX_LENGTH:
        raise _OutOfReachError
    return low, min(high, low + 4)


def _characters(text: str) -> list[str]:
    """Return what a token without structure stands for: for each of its places the characters that may stand there."""
    if text.startswith(r"\Q"):
        return list(text[2:].removesuffix(r"\E"))
    if len(text) == 1 and text != ".":
        return [text]
    if len(text) == 2 and text[0] == "\\" and not text[1].isalnum():
        return [text[1]]
    search = compile_expression(f"^(?:{text})$")
    for characters in (_CHARACTERS, "\n\t\r"):
        taken = "".join(filter(lambda character: search is not None and search(as_text(character)), characters))
        if taken:
            return [taken]
    raise _OutOfReachError


def _spell(tree: list[list[_Part]], chance: Any) -> str:
    """Return one text out of those that the tree stands for, cut where it grows too long."""
    spelt: list[str] = []
    todo: list[Any] = [tree]
    for _ in range(_MAX_STEPS):
        if not todo or len(spelt) > _MAX_LENGTH:
            break
        here = todo.pop()
        if isinstance(here, str):
            # A slash is one character of many, and the one that matters most.
            spelt.append("/" if "/" in here and chance.random() < 0.15 else chance.choice(here))
        elif isinstance(here, tuple):
            part, low, high = here
            todo += [part] * chance.randint(low, high)
        else:
            todo += reversed(chance.choice(here))
    return "".join(spelt)
