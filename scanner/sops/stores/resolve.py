# SPDX-License-Identifier: Apache-2.0
"""What a plain YAML scalar is to SOPS: the rules of go-yaml v3 (`resolve.go`), which are neither YAML 1.1's nor 1.2's.

`yes` is a string and `0777` an octal number; base 60 is unknown; underscores count for nothing in numbers.
"""

import re
from typing import Final

from scanner.sops.content import ValueType

# What the first character must be for a scalar to be anything but a string; the empty one is null.
HINTS: Final = frozenset(("", *"+-.0123456789~yYnNtTfFoO"))
_WORDS: Final[dict[str, ValueType]] = {
    **dict.fromkeys(("true", "True", "TRUE", "false", "False", "FALSE"), "bool"),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), "null"),
    **dict.fromkeys((sign + word for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")), "float"),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), "float"),
}
_INT: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_BASES: Final = {2: 16, 3: 2, 4: 8, 5: 10}
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_CLOCK: Final = r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?"
_TIME: Final = re.compile(
    rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:[Tt]{_CLOCK}(?:Z|[-+][0-9]{{2}}:[0-9]{{2}})|[ ]+{_CLOCK})?"
)
# No 64-bit number needs more digits in any base; longer ones are not worth the conversion.
_MAX_DIGITS: Final = 70


def resolve(text: str) -> ValueType:
    """Return the type of a scalar that stands without quotes and tag."""
    known = _WORDS.get(text)
    if known is not None:
        return known
    first = text[0]
    if first == ".":
        return "float" if _is_float(text) else "str"
    if not (first.isdigit() or first in "+-"):
        return "str"
    if _is_time(text):
        return "time"
    number = text.replace("_", "")
    if _is_int(number):
        return "int"
    return "float" if _is_float(number) else "str"


def _is_int(text: str) -> bool:
    """Signed or unsigned, what does not fit into 64 bits is none."""
    found = _INT.fullmatch(text)
    if found is None or found.lastindex is None:
        return False
    digits = found[found.lastindex].lstrip("0")
    if len(digits) > _MAX_DIGITS:
        return False
    value = int(digits or "0", _BASES[found.lastindex])
    if found[1] == "-":
        return value <= 1 << 63
    return value < 1 << (63 if found[1] else 64)


def _is_float(text: str) -> bool:
    """Go refuses what is beyond a float's range, Python makes it infinite."""
    return _FLOAT.fullmatch(text) is not None and abs(float(text)) != float("inf")


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    year, month, day = (int(found[group]) for group in (1, 2, 3))
    hour, minute, second = (int(found[group] or found[group + 3] or 0) for group in (4, 5, 6))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60
