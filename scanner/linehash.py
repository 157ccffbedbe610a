# SPDX-License-Identifier: Apache-2.0
"""`primaryLocationLineHash`: how GitHub recognises an alert in code scanning when lines above it come and go.

GitHub's upload action computes it from the checkout where a report has none, and warns of one that differs from its own;
whoever uploads through the API has to bring it along. So it is computed here the same way, from the version at HEAD.

The value of a line: take the text from its beginning on, as UTF-16, without spaces and tabs, every line end as LF, behind
the last line the number 65,535 and then zeros. The first hundred numbers are the coefficients of a polynomial, the first
that of the highest power; its value at 37, modulo 2^64, in hexadecimal, is the hash. Behind a colon stands which line with
this hash it is, counted from 1.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate, chain, repeat
from typing import Final

from scanner.git.objects import read_objects
from scanner.git.repo import Repository
from scanner.model import Finding, Gap, ScanResult

_BLOCK: Final = 100
_BASE: Final = 37
_MASK: Final = (1 << 64) - 1
_OLDEST: Final = pow(_BASE, _BLOCK, 1 << 64)
_END: Final = 0xFFFF
_LF: Final = 0x0A
# A second of work. The action computes the value of what is larger, as before.
_MAX_BYTES: Final = 8 << 20


def line_hashes(data: bytes, wanted: Collection[int]) -> dict[int, str]:
    """Return the values of these lines, numbered from 1; lines that are not there are left out."""
    units = _units(data)
    last = max(wanted, default=0)
    found: dict[int, str] = {}
    seen: Counter[int] = Counter()
    # What goes in at one end of a block goes out at the other, a hundred numbers later.
    steps = zip(chain(units, repeat(0)), chain(repeat(0, _BLOCK), units), strict=False)
    values = accumulate(steps, _roll, initial=0)
    position = 0
    for number, start in enumerate(_starts(units), 1):
        if number > last:
            break
        value = 0
        # The hundred numbers from the line's beginning have gone in when so many values have come out.
        while position <= start + _BLOCK:
            value = next(values)
            position += 1
        seen[value] += 1
        if number in wanted:
            found[number] = f"{value:x}:{seen[value]}"
    return found


def _roll(value: int, entering_leaving: tuple[int, int]) -> int:
    entering, leaving = entering_leaving
    return (value * _BASE + entering - leaving * _OLDEST) & _MASK


def _units(data: bytes) -> "array[int]":
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    units = array("H")
    units.frombytes(text.translate({0x20: None, 0x09: None}).encode("utf-16-le"))
    if array("H", b"\1\0")[0] != 1:
        units.byteswap()
    units.append(_END)
    return units


def _starts(units: "array[int]") -> Iterator[int]:
    """Yield where lines begin; the end of the text is part of the last one, or a line of its own."""
    yield 0
    yield from (index + 1 for index, unit in enumerate(units) if unit == _LF)


def with_line_hashes(result: ScanResult, repository: Repository) -> ScanResult:
    """Return the result with the line hash of each finding whose file stands at HEAD as it was scanned.

    What cannot be read is left as it is: the scan has reported it.
    """
    lines: dict[str, set[int]] = {}
    for finding in result.findings:
        if _is_at_head(finding) and finding.blob:
            lines.setdefault(finding.blob, set()).add(finding.location.start_line)
    gaps: list[Gap] = []
    known = {
        blob: line_hashes(data, lines[blob])
        for blob, _, data in read_objects(repository, sorted(lines), gaps, max_bytes=_MAX_BYTES)
        if blob in lines
    }
    return result._replace(findings=tuple(_hashed(finding, known) for finding in result.findings))


def _is_at_head(finding: Finding) -> bool:
    provenance = finding.provenance
    return provenance.kind == "commit" and provenance.at_head is True and not finding.path.startswith(b".git/")


def _hashed(finding: Finding, known: Mapping[str, Mapping[int, str]]) -> Finding:
    if not _is_at_head(finding) or finding.blob is None or finding.blob not in known:
        return finding
    return finding._replace(line_hash=known[finding.blob].get(finding.location.start_line, ""))
