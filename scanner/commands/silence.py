# SPDX-License-Identifier: Apache-2.0
"""Why nothing is found in a line: the rules whose pattern matches there, and what each of them lacks."""

from collections.abc import Iterator
from typing import Final

from scanner.config import Settings
from scanner.display import log_safe
from scanner.errors import ConfigError

# A line of code has less; of what has more, this much is looked at.
_LINE_BYTES: Final = 1 << 20
_OTHERWISE: Final = "another finding has this value, or it stands in what SOPS has encrypted"


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
    from scanner.detect.rules import load_rules
    from scanner.detect.silent import near_misses
    from scanner.runner import rule_files

    expressions = Expressions()
    # Disabled rules as well: that may be the reason.
    rules = load_rules(rule_files(settings).packs)
    said: dict[str, None] = {}
    with expressions.watched():
        for rule_id, reason in near_misses(rules, expressions, line, path):
            why = reason or ("the settings disable it" if rule_id in settings.disable else _OTHERWISE)
            said[f"{rule_id} matches, and is not reported: {log_safe(why)}"] = None
    yield from said or [f"none of {len(rules)} rules matches: no known format, and no value under a name that tells of a secret"]
