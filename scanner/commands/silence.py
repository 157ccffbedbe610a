# SPDX-License-Identifier: Apache-2.0
"""Why nothing is found in a line: the rules whose pattern matches there, and what each of them lacks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from scanner.config import Settings
from scanner.display import log_safe
from scanner.errors import ConfigError
from scanner.paths import glob_matches

if TYPE_CHECKING:
    from scanner.detect.rules import Rule

# A line of code has less; of what has more, this much is looked at.
_LINE_BYTES: Final = 1 << 20


def read_line(file: str, number: int) -> bytes:
    """Return a line of a file, without its end. Raises `ConfigError` where the file has no such line."""
    count = 0
    try:
        with open(file, "rb") as stream:
            for count, line in enumerate(stream, 1):
                if count == number:
                    return line.rstrip(b"\r\n")[:_LINE_BYTES]
    except OSError as error:
        raise ConfigError(f"cannot read {log_safe(file)}: {error.strerror}", "name a file as it is on disk") from None
    raise ConfigError(f"{log_safe(file)} has no line {number}", f"it has {count}")


def why_silent(line: bytes, path: bytes, settings: Settings) -> Iterator[str]:
    """Yield for each rule whose pattern matches in this line why it reports nothing; if none does, what that means."""
    from scanner.detect.expression import Expressions
    from scanner.detect.rules import builtin_directory, load_rules, read_packs

    expressions = Expressions()
    rules = load_rules(read_packs([builtin_directory(), *settings.rules]))
    said: dict[str, None] = {}
    for rule in rules:
        search = expressions.compile(rule.pattern, ignore_case=rule.ignore_case)
        with expressions.watched():
            for match in search(line, 0, len(line), len(line)):
                reason = _reason(rule, line, match.span("secret"), path, settings)
                said[f"{rule.id} matches, and is not reported: {log_safe(reason)}"] = None
    yield from said or [f"none of {len(rules)} rules matches: no known format, and no value under a name that tells of a secret"]


def _reason(rule: "Rule", line: bytes, span: tuple[int, int], path: bytes, settings: Settings) -> str:
    """Return why a match is no finding, by the steps that a scan takes."""
    from scanner.detect.engine import NEAR_BYTES
    from scanner.detect.judge import judge
    from scanner.detect.weigh import weigh

    start, end = span
    first = max(0, start - NEAR_BYTES)
    near = line[first : end + NEAR_BYTES]
    verdict = judge(rule, line[start:end], near, start - first)
    if verdict.confidence is None:
        return verdict.reason
    if rule.weigh:
        weighed = weigh(near, start - first, end - first, path)
        if weighed.confidence is None:
            return weighed.reason
    if rule.id in settings.disable:
        return "the settings disable it"
    if rule.paths and not glob_matches(rule.paths, path):
        return f"it is for {', '.join(rule.paths)}"
    return "another finding has this value, or it stands in what SOPS has encrypted"
