# SPDX-License-Identifier: Apache-2.0
"""The bytes that a value adds to the MAC: what SOPS makes of it in Go, written out again.

`ToBytes` of getsops/sops `sops.go`: strings as they are, integers in decimal, the shortest float without an exponent,
`True` and `False`, times in RFC 3339. What reads as nothing of its type adds its text, so that a doubt ends in a MAC
that does not fit.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from scanner.sops.content import Scalar, Store

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# strconv.ParseInt with base 0 after go-yaml took the underscores out: 017, 0o17, 0xf and 0b1 count as well.
_INTEGER: Final = re.compile(r"([+-]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>[0-9]+))")
_BASES: Final = {"x": 16, "b": 2, "o": 8, "d": 10}
# Longer ones are no int64, and Python takes quadratic time for them.
_MAX_INTEGER_TEXT: Final = 80
_FLOAT: Final = re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]+)?")
_SPECIAL_FLOATS: Final = {".inf": b"+Inf", "+.inf": b"+Inf", "-.inf": b"-Inf", ".nan": b"NaN"}
# What ParseFloat itself understands, as FormatFloat writes it into a ciphertext.
_GO_FLOATS: Final = {"+Inf": b"+Inf", "-Inf": b"-Inf", "NaN": b"NaN"}
_TIME: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:[Tt ](?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2})(?:[.,](?P<fraction>[0-9]+))?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def encode(text: str, store: Store) -> bytes:
    """Return a text's bytes in the file's own terms.

    The flat stores know bytes only, which a reader keeps as lone surrogates; where JSON escapes one, Go has U+FFFD.
    """
    try:
        return text.encode("utf-8", "surrogateescape" if store in ("dotenv", "ini") else "strict")
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text).encode()


def integer(text: str) -> bytes | None:
    """Return an int64 in decimal, or None."""
    found = _INTEGER.fullmatch(text) if len(text) <= _MAX_INTEGER_TEXT else None
    if found is None:
        return None
    base = found.lastgroup or "d"
    value = int(found[1] + found[base], _BASES[base])
    return b"%d" % value if -(2**63) <= value < 2**63 else None


def floating(text: str) -> bytes | None:
    """Return a float64 as `FormatFloat(v, 'f', -1, 64)` writes it, or None."""
    if text in _GO_FLOATS:
        return _GO_FLOATS[text]
    if not _FLOAT.fullmatch(text):
        return None
    value = float(text)
    if value in (float("inf"), float("-inf")):  # ParseFloat: out of range
        return None
    from decimal import Decimal

    return f"{Decimal(repr(value)):f}".removesuffix(".0").encode()


def boolean(text: str) -> bytes | None:
    """Return a bool as the first SOPS, which was written in Python, wrote it, or None."""
    return {"true": b"True", "false": b"False"}.get(text.lower())


def moment(text: str) -> bytes | None:
    """Return a time as `MarshalText` writes it (RFC 3339, nanoseconds without trailing zeros), or None."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (
        int(found[name] or 0) for name in ("year", "month", "day", "hour", "minute", "second")
    )
    if not (1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and hour < 24 and minute < 60 and second < 60):
        return None
    if (month, day) == (2, 29) and (year % 4 or (not year % 100 and year % 400)):
        return None
    fraction = (found["fraction"] or "")[:9].rstrip("0")
    zone = found["zone"] or "Z"
    if zone[1:] == "00:00":
        zone = "Z"
    written = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    return f"{written}{'.' if fraction else ''}{fraction}{zone}".encode()


def clear_bytes(scalar: Scalar, store: Store) -> bytes:
    """Return what a value in clear text adds to the MAC."""
    text, written = scalar.text, None
    if scalar.type == "null":
        return b""
    if scalar.type == "int":
        plain = text.replace("_", "")
        written = integer(plain) or floating(plain)
    elif scalar.type == "float":
        written = _SPECIAL_FLOATS.get(text.lower()) or floating(text.replace("_", ""))
    elif scalar.type == "bool":
        written = boolean(text)
    elif scalar.type == "time":
        written = moment(text)
    return encode(text, store) if written is None else written


_OPENED: Final[Mapping[str, Callable[[str], bytes | None]]] = {
    "int": integer,
    "float": floating,
    "bool": boolean,
    "time": moment,
}


def opened_bytes(plain: bytes, type_: str) -> bytes | None:
    """Return what a decrypted value adds to the MAC, or None where it is nothing of the type its ciphertext names.

    Neither the type nor its agreement with the value is authenticated, so SOPS itself fails here after tampering.
    """
    if type_ == "str":
        return plain
    if type_ == "comment":  # SOPS writes comments in lists as items of the list, and keeps them out of the MAC
        return b""
    convert = _OPENED.get(type_)
    try:
        return convert(plain.decode("ascii")) if convert else None
    except UnicodeDecodeError:
        return None
