# SPDX-License-Identifier: Apache-2.0
"""Globs over repository paths, the same in rules, configuration and baselines.

`*` and `?` stop at a slash, `**` does not; a glob without a slash is compared with the file's name; a
glob that ends in a slash stands for everything below that folder, and one that begins with one for the top alone.
"""

import functools
import re


def glob_matches(globs: tuple[str, ...], path: bytes) -> bool:
    """Whether one of the globs matches this path (relative to the target, slashes as separators)."""
    of_names, of_paths = _compiled(globs)
    text = path.decode("utf-8", "surrogateescape")
    return bool(of_names.fullmatch(text.rpartition("/")[2]) or of_paths.fullmatch(text))


@functools.lru_cache(maxsize=1024)
def _compiled(globs: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what the globs without a slash match a name by, and the others a path."""
    of_names = [_expression(glob) for glob in globs if "/" not in glob]
    of_paths = [_expression(glob.removeprefix("/")) for glob in globs if "/" in glob]
    return _any(of_names), _any(of_paths)


def _any(expressions: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{expression})" for expression in expressions) or "(?!)", re.DOTALL)


def _expression(glob: str) -> str:
    if glob.endswith("/"):
        glob += "**"
    parts = []
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[(?!!\])[^]]+\]|.", glob, re.DOTALL):
        if part == "**/":
            parts.append("(?:.*/)?")
        elif part == "**":
            parts.append(".*")
        elif part == "*":
            parts.append("[^/]*")
        elif part == "?":
            parts.append("[^/]")
        elif len(part) > 1:
            parts.append(_class(part[1:-1]))
        else:
            parts.append(re.escape(part))
    return "".join(parts)


def _class(members: str) -> str:
    """Return a class as an expression; a range that ends before it begins has nothing in it."""
    negated = members.startswith("!")
    parts = []
    for low, high, single in re.findall(r"(.)-(.)|(.)", members[negated:], re.DOTALL):
        if single:
            parts.append(re.escape(single))
        elif low <= high:
            parts.append(f"{re.escape(low)}-{re.escape(high)}")
    if not parts:
        return "[^/]" if negated else r"[^\s\S]"
    return f"(?!/)[{'^' * negated}{''.join(parts)}]"
