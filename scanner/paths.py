# SPDX-License-Identifier: Apache-2.0
"""Globs over repository paths, the same in rules, configuration and baselines.

`*` and `?` stop at a slash, `**` does not; a glob without a slash is compared with the file's name; a
glob that ends in a slash stands for everything below that folder.
"""

import functools
import re


def glob_matches(globs: tuple[str, ...], path: bytes) -> bool:
    """Whether one of the globs matches this path (relative to the target, slashes as separators)."""
    text = path.decode("utf-8", "surrogateescape")
    name = text.rpartition("/")[2]
    return any(_compiled(glob).fullmatch(text if "/" in glob else name) for glob in globs)


@functools.lru_cache(maxsize=1024)
def _compiled(glob: str) -> re.Pattern[str]:
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
    return re.compile("".join(parts), re.DOTALL)


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
