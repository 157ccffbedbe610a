# SPDX-License-Identifier: Apache-2.0
"""Untrusted text made safe to show: paths, source lines and messages come from whoever commits.

A path is bytes to git and may hold an escape sequence that repaints a terminal or a newline that
forges a line of a report. Nothing from a repository reaches a person without passing through here.
"""

from typing import Final

_KEEP: Final = {ord("\t"): " "}


def decode_path(path: bytes) -> str:
    r"""Return a path as text, losslessly: bytes that are not UTF-8 become `\xNN`."""
    return path.decode("utf-8", "backslashreplace")


def decode_text(data: bytes) -> str:
    """Return content as text for people; what is not UTF-8 becomes a replacement character."""
    return data.decode("utf-8", "replace")


def one_line(text: str) -> str:
    r"""Return the text without anything that could move a cursor or start a line of its own.

    Control characters (C0, C1, DEL), line and paragraph separators and bidirectional overrides
    (CVE-2021-42574) become escapes such as `\x1b`; a tab becomes a space.
    """
    text = text.translate(_KEEP)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def log_safe(text: str) -> str:
    r"""Return `one_line(text)` without anything that a CI system would take from its log as a command.

    GitHub's runner and Azure's agent read their job's output: `::name::` at the start of a line (after
    white space, too), and `##[name]`, `##vso[name]`, `##teamcity[name]` anywhere in it. The character that
    makes it a command becomes its escape: `\x3a`, `\x5b`.
    """
    text = one_line(text)
    if text.lstrip().startswith("::"):
        text = text.replace(":", r"\x3a", 1)
    # Every bracket after the first `##`, whatever word stands between: agents differ in what they accept.
    before, marker, after = text.partition("##")
    return before + marker + after.replace("[", r"\x5b") if marker else text


def redact(secret: bytes) -> str:
    """Return what may be shown of a secret: a fifth of it at most, and four characters at most."""
    text = decode_text(secret)
    shown = min(4, len(text) // 5)
    return one_line(text[:shown]) + "*" * min(12, len(text) - shown)


def replace_surrogates(text: str) -> str:
    r"""Return the text with each lone surrogate as `\udcNN`, so that it can be encoded."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shorten(text: str, width: int) -> str:
    """Return the text cut to `width` characters, the cut shown by an ellipsis."""
    return text if len(text) <= width else text[: width - 1] + "…"


def short_id(object_id: str) -> str:
    """Return a git object id as people quote it: ten digits, enough for repositories of any size seen."""
    return object_id[:10]


def plural(count: int, noun: str) -> str:
    """Return `1 file`, `2 files`, `12,345 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def human_size(size_bytes: float) -> str:
    """Return a size in the largest unit that keeps it at or over one: `12.3 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} GiB"
