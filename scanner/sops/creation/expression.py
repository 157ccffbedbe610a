# SPDX-License-Identifier: Apache-2.0
r"""Regular expressions as SOPS reads them: those of Go's `regexp`, searched for and never anchored.

RE2 is the same language in nearly every corner, so it does the work; what it takes and Go refuses is refused here.
The other way round (`\p{ASCII}` and three more of Go 1.25) an expression counts as refused, which is reported.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, Final

# RE2's own default. It bounds compilation as well as search, and both stay linear in what they are given.
_MAX_MEMORY_BYTES: Final = 8 << 20
_MAX_LENGTH: Final = 10_000
_LOOK_AROUND: Final = re.compile(r"\(\?<?[=!]")
# `\C` is a byte to RE2 and nothing to Go; names of groups are ASCII to Go.
_RE2_ONLY: Final = re.compile(r"(?<!\\)(?:\\\\)*(?:\\C|\(\?P?<[^>]*[^\x00-\x7f>])")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_LONE: Final = re.compile("[\ud800-\udfff]")

Search = Callable[[bytes], bool]


@functools.lru_cache(maxsize=4096)
def compile_expression(pattern: str) -> Search | None:
    """Return whether-it-matches for an expression, None where Go refuses it. Texts are those of `as_text`."""
    if refusal(pattern):
        return None
    found = _compile(pattern).search
    return lambda text: found(text) is not None


@functools.lru_cache(maxsize=4096)
def refusal(pattern: str) -> str:
    """Return why Go refuses an expression, or nothing; the expression itself is not quoted."""
    if len(pattern) > _MAX_LENGTH or _LONE.search(pattern):
        return "it is too long or not Unicode"
    if _RE2_ONLY.search(pattern):
        return r"it uses \C or the name of a group that is not ASCII"
    try:
        _compile(pattern)
    except ValueError:
        if _LOOK_AROUND.search(pattern):
            return "it looks ahead or behind ((?=, (?!, (?<), and Go's regexp has no look-around"
        return "it is not in the syntax of Go's regexp (RE2)"
    return ""


def as_text(name: bytes | str) -> bytes:
    """Return a path or a key as the text that Go searches: a byte that is not UTF-8 counts as U+FFFD.

    Go's regexp decodes as it goes, and `.` matches what it cannot decode; RE2 matches nothing there.
    """
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
    return _LONE.sub(_REPLACEMENT, text).encode()


def _compile(pattern: str) -> Any:
    """Compile, or raise ValueError: the package's own error is none of Python's."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        return re2.compile(pattern.encode(), options)
    except re2.error:
        raise ValueError from None
