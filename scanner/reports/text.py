# SPDX-License-Identifier: Apache-2.0
"""The report for people: what leaked, where it stands, what to do, and what was not looked at.

One heading for each secret, most urgent first, its places below it; the verdict is the last line, where a
CI log ends. Everything that comes from a repository passes through `display.log_safe`.

This module is on the path of every clean pre-commit run: it imports nothing but the model and `display`.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from scanner.display import decode_text, human_size, log_safe, plural, shorten
from scanner.model import GAP_KINDS, Finding, Gap, ScanResult
from scanner.reports.options import ReportOptions
from scanner.reports.places import details, position
from scanner.reports.weigh import Group, blocks, gaps_by_kind, open_groups

# So much can be read on a screen or two; `--verbose` shows all. What is left out is always counted.
_DETAILED_SECRETS: Final = 50
_PLACES: Final = 10
_GAPS_OF_A_KIND: Final = 10
_EXCERPT_WIDTH: Final = 160

# ECMA-48 "select graphic rendition".
_BOLD: Final = "1"
_DIM: Final = "2"
_RED: Final = "1;31"
_GREEN: Final = "1;32"
_YELLOW: Final = "1;33"
_SEVERITY_COLORS: Final = {"critical": _RED, "high": _RED, "medium": _YELLOW, "low": _BOLD}


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write the report; with `quiet`, nothing at all if the run is clean and complete."""
    if options.quiet and result.exit_code == 0:
        return
    out.writelines(f"{line}\n" for line in _lines(result, options))


def verdict(result: ScanResult) -> str:
    """Return the outcome in one line without colours, for where no report for people is written."""
    return "; ".join(part for part, _ in _verdict(open_groups(result), result))


def _lines(result: ScanResult, options: ReportOptions) -> Iterator[str]:
    groups = open_groups(result)
    yield from _findings(groups, result, options)
    if options.verbose:
        yield from _suppressed(result)
    yield from (f"note: {log_safe(notice)}" for notice in result.notices)
    if any(group.head.rule.family != "broker" for group in groups) and not options.quiet:
        yield (
            "False alarm? Write sealgate:allow in a comment on its line, "
            "or accept it with a reason: sealgate baseline update"
        )
    yield _scanned(result)
    yield from _not_scanned(result, options)
    yield from (_paint(part, color, options) for part, color in _verdict(groups, result))


def _findings(groups: Sequence[Group], result: ScanResult, options: ReportOptions) -> Iterator[str]:
    helped: set[str] = set()
    detailed = len(groups) if options.verbose else _DETAILED_SECRETS
    for group in groups[:detailed]:
        yield _heading(group, result, options)
        # What to do is said once for each rule: fifty keys of one kind want one procedure.
        yield from _advice(group.head, with_help=group.head.rule.id not in helped)
        helped.add(group.head.rule.id)
        yield from _places(group, options)
        yield ""
    if groups[detailed:]:
        yield f"{len(groups) - detailed:,} more, a line each (--verbose shows them in full):"
        yield from (_compact(group, options) for group in groups[detailed:])
        yield ""


def _heading(group: Group, result: ScanResult, options: ReportOptions) -> str:
    rule = group.head.rule
    severity = _paint(rule.severity.upper(), _SEVERITY_COLORS[rule.severity], options)
    name = _paint(log_safe(rule.name), _BOLD, options)
    verdict = "" if result.fails(group.head) else "(does not fail the gate)"
    return "  ".join(filter(None, (f"{severity} {group.head.confidence}", name, _value(group.head, options), verdict)))


def _value(finding: Finding, options: ReportOptions) -> str:
    if options.show_secrets:
        return log_safe(decode_text(finding.secret.reveal()))
    return log_safe(finding.redacted)


def _advice(finding: Finding, *, with_help: bool) -> Iterator[str]:
    yield f"  why: {log_safe(finding.reason)}"
    if finding.remedy:
        yield f"  do:  {log_safe(finding.remedy)}"
    elif with_help:
        yield f"  do:  {log_safe(finding.rule.help)}"
        yield from (f"  see: {log_safe(reference)}" for reference in finding.rule.references[:1])
    yield f"  id:  {log_safe(finding.fingerprint)}"


def _places(group: Group, options: ReportOptions) -> Iterator[str]:
    shown = len(group.places) if options.verbose else _PLACES
    for place in group.places[:shown]:
        yield f"  {_paint(_position(place), _BOLD, options)}"
        if place.excerpt:
            # The bar keeps the source line from standing at the start of a line of the log.
            yield f"    | {shorten(log_safe(place.excerpt.strip()), _EXCERPT_WIDTH)}"
        if more := ", ".join(details(place)):
            yield f"    {_paint(log_safe(more), _DIM, options)}"
    if group.places[shown:]:
        yield f"  and {plural(len(group.places) - shown, 'more place')} (--verbose shows all)"


def _compact(group: Group, options: ReportOptions) -> str:
    others = len(group.places) - 1
    head = group.head
    return (
        f"  {head.rule.severity} {head.confidence}  {log_safe(head.rule.name)}  {_value(head, options)}  "
        f"{_position(group.places[0])}" + (f" and {plural(others, 'more place')}" if others else "")
    )


def _position(finding: Finding) -> str:
    return log_safe(position(finding))


def _suppressed(result: ScanResult) -> Iterator[str]:
    for finding in result.findings:
        if finding.suppression is not None:
            kind, reason = finding.suppression
            yield (
                f"suppressed ({log_safe(kind)}): {_position(finding)}  {log_safe(finding.rule.name)}  "
                f"{log_safe(finding.redacted)}  {log_safe(reason)}".rstrip()
            )


def _scanned(result: ScanResult) -> str:
    stats = result.stats
    parts = [(stats.blobs, "blob"), (stats.files, "file"), (stats.commits, "commit")]
    amounts = [plural(count, noun) for count, noun in parts if count] or ["nothing"]
    return f"Scanned {', '.join(amounts)} ({human_size(stats.bytes)}) in {stats.seconds:.2f} s"


def _not_scanned(result: ScanResult, options: ReportOptions) -> Iterator[str]:
    for kind, gaps in gaps_by_kind(result.gaps):
        if blocks(gaps[0], result):
            mark = _paint("Not scanned", _YELLOW, options)
        else:
            mark = "Not scanned (allowed)" if kind in result.allowed_gaps else "Not scanned (not asked for)"
        count = sum(gap.count for gap in gaps)
        yield f"{mark}: {kind}, {count:,}: {GAP_KINDS[kind][1]}"
        yield from _gap_lines(gaps, len(gaps) if options.verbose else _GAPS_OF_A_KIND)


def _gap_lines(gaps: Sequence[Gap], shown: int) -> Iterator[str]:
    for gap in gaps[:shown]:
        times = f" ({gap.count:,} of them)" if gap.count > 1 else ""
        yield f"  - {log_safe(gap.what)}: {log_safe(gap.reason)}{times}"
    if gaps[shown:]:
        yield f"  and {len(gaps) - shown:,} more (--verbose shows all)"


def _verdict(groups: Sequence[Group], result: ScanResult) -> Iterator[tuple[str, str]]:
    """Yield each part of the verdict with its colour; the last one is why the run did not end as clean."""
    suppressed = sum(finding.suppression is not None for finding in result.findings)
    aside = f", {suppressed:,} suppressed" if suppressed else ""
    if groups:
        failing = sum(result.fails(group.head) for group in groups)
        yield f"{_found(groups)}, {_failing(failing, result)}{aside}", _RED if failing else _YELLOW
    elif result.complete:
        yield f"clean: {_clean(result)}{aside}", _GREEN
    elif aside:
        yield f"nothing open in what was scanned{aside}", _BOLD
    if not result.complete:
        yield _incomplete(result), _RED


def _found(groups: Sequence[Group]) -> str:
    parts = []
    for family, noun in (("secret", "secret"), ("sops", "SOPS violation"), ("broker", "role problem")):
        places = [len(group.places) for group in groups if group.head.rule.family == family]
        if places:
            parts.append(f"{plural(len(places), noun)} in {plural(sum(places), 'place')}")
    return " and ".join(parts)


def _failing(count: int, result: ScanResult) -> str:
    if count:
        return f"{count:,} {'fails' if count == 1 else 'fail'} the gate"
    return f"none fails the gate (--fail-on {result.fail_on})"


def _clean(result: ScanResult) -> str:
    """Return what may be said of a run without findings: only of what was really read."""
    allowed = sorted({gap.kind for gap in result.gaps if gap.kind in result.allowed_gaps})
    if allowed:
        return f"no findings in what was scanned, with gaps allowed ({', '.join(allowed)})"
    return "no findings"


def _incomplete(result: ScanResult) -> str:
    gaps = [gap for gap in result.gaps if blocks(gap, result)]
    kinds = ", ".join(kind for kind, _ in gaps_by_kind(gaps))
    return f"INCOMPLETE: {plural(sum(gap.count for gap in gaps), 'item')} asked for and not scanned ({kinds})"


def _paint(text: str, code: str, options: ReportOptions) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if options.color else text
