# SPDX-License-Identifier: Apache-2.0
r"""dotenv as SOPS reads it (getsops/sops `stores/dotenv/store.go`), which is not as shells do.

`KEY=value` is split at the first `=`, the key kept as it stands (`export A`), quotes belong to the value, `\n` is a
line break, `#` begins a comment in the first column only, and every line that begins with `sops_` is metadata.
"""

from typing import Final

from scanner.model import Span
from scanner.sops.content import Content, Item, Scalar
from scanner.sops.rules import Problem
from scanner.sops.stores.flat import unflatten

_PREFIX: Final = "sops_"


def read_dotenv(data: bytes) -> Content:
    """Read a dotenv file. A key may stand twice: SOPS keeps and encrypts both."""
    items: list[Item] = []
    problems: list[Problem] = []
    flat: list[tuple[Scalar, Scalar]] = []
    start, returns = 0, False
    for raw in data.split(b"\n"):
        line = raw.removesuffix(b"\r")
        end = start + len(line)
        if line != raw and not returns:
            problems.append(Problem("sops-malformed", "Lines end with CR LF, which SOPS takes for text", Span(end, end + 1)))
        returns = returns or line != raw
        if line:
            _take(line, start, items, flat, problems)
        start += len(raw) + 1
    metadata = unflatten(flat, problems)
    return Content("dotenv", tuple(items), () if metadata is None else (metadata,), 1, tuple(problems))


def _take(line: bytes, start: int, items: list[Item], flat: list[tuple[Scalar, Scalar]], problems: list[Problem]) -> None:
    """Put one line where it belongs."""
    span = Span(start, start + len(line))
    raw_key, equals, raw_value = line.partition(b"=")
    key, value = (_text(raw, span, problems) for raw in (raw_key, raw_value))
    if line.startswith(b"#"):
        items.append(Item("comment", (), Scalar(_text(line[1:], span, problems), "str", span)))
    elif equals:
        scalar = Scalar(value.replace("\\n", "\n"), "str", Span(start + len(raw_key) + 1, span.end))
        if key.startswith(_PREFIX):
            flat.append((Scalar(key.removeprefix(_PREFIX), "str", Span(start, start + len(raw_key))), scalar))
        else:
            items.append(Item("value", (key,), scalar))
    else:
        problems.append(Problem("sops-malformed", "A line without `=`", span))


def _text(raw: bytes, line: Span, problems: list[Problem]) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        problems.append(Problem("sops-malformed", "A line that is not UTF-8", line))
        return raw.decode("utf-8", "replace")
