# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML page, for people who were not there: what leaked, where and since when, and what to do.

The page needs nothing but itself. Its security policy allows its own style and script by their hashes and no request
at all, so that neither a hostile path nor a mistake here can fetch, send or run anything; whatever comes from a
repository passes through `markup_text`. Values are redacted whatever was asked: a page like this is passed on.

Without its script the page shows everything; the script adds filters and keys.
"""

import base64
import hashlib
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, TextIO

from scanner import __version__
from scanner.display import human_size, plural, shorten
from scanner.model import CONFIDENCES, GAP_KINDS, SEVERITIES, Finding, Gap, RuleInfo, ScanResult
from scanner.reports.markup import markup_text as _text
from scanner.reports.options import ReportOptions
from scanner.reports.places import commit, details, position, state
from scanner.reports.text import verdict
from scanner.reports.weigh import Group, blocks, gaps_by_kind, open_groups

# Beyond these, places and gaps are folded away.
_PLACES: Final = 20
_GAPS_OF_A_KIND: Final = 20
_EXCERPT: Final = 300

_CONFIDENCE: Final = {name: name if name == "proven" else f"{name} confidence" for name in CONFIDENCES}
_STATES: Final = {
    "head": "still at HEAD",
    "history": "only in the history",
    "other": "not committed, or not known",
}
_STEPS: Final = (
    "Revoke or rotate the value where it was issued. Whoever had the repository has it: deleting the line is not enough.",
    "Look in the issuer's audit log for uses that were not yours, since the day it was first committed.",
    "Take the value out of the files that still have it, and read it from the environment or a vault instead.",
    "Rewriting history is worth its trouble only after that, and takes back nothing that was cloned.",
)


def write(result: ScanResult, out: TextIO, options: ReportOptions) -> None:
    """Write the page, a finding at a time."""
    style, script = _asset("page.css"), _asset("page.js")
    groups = open_groups(result)
    _write_head(verdict(result), style, script, out)
    out.writelines(_summary(groups, result, options))
    out.write("<main>\n")
    out.writelines(_gaps(result))
    out.writelines(_findings(groups, result))
    out.writelines(_suppressed(result))
    out.writelines(_notices(result))
    out.write(f"</main>\n<script>{script}</script>\n</body>\n</html>\n")


def _asset(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), name), encoding="ascii") as file:
        return file.read()


def _write_head(title: str, style: str, script: str, out: TextIO) -> None:
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    out.write('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    out.write(f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n')
    out.write('<meta name="referrer" content="no-referrer">\n')
    out.write('<meta name="viewport" content="width=device-width, initial-scale=1">\n')
    out.write(f"<title>Sealgate: {_text(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n")
    out.write('<a class="skip" href="#findings">Skip to the findings</a>\n')


def _hash(text: str) -> str:
    """Return the source expression for an inline element (Content Security Policy Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _summary(groups: Sequence[Group], result: ScanResult, options: ReportOptions) -> Iterator[str]:
    kind = {0: "good", 1: "bad"}.get(result.exit_code, "warn")
    stats = result.stats
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(max(0, int(options.finished))))
    yield f'<header>\n<h1>Sealgate report</h1>\n<p class="verdict {kind}">{_text(verdict(result))}</p>\n'
    yield f'<p class="faint">Target <code>{_text(result.target)}</code>, scanned {when} by Sealgate {_text(__version__)}'
    yield f", rules <code>{_text(result.ruleset)}</code></p>\n"
    severities = Counter(group.head.rule.severity for group in groups)
    yield '<ul class="numbers">\n'
    for severity in reversed(SEVERITIES):
        if severities[severity]:
            yield f'<li><b>{severities[severity]:,}</b> <span class="badge {severity}">{severity}</span></li>\n'
    amounts = [plural(stats.blobs, "blob"), plural(stats.files, "file"), plural(stats.commits, "commit")]
    yield f"<li>{', '.join(amounts)} ({human_size(stats.bytes)}) read in {stats.seconds:.1f} s</li>\n</ul>\n</header>\n"


def _gaps(result: ScanResult) -> Iterator[str]:
    missed = [gap for gap in result.gaps if blocks(gap, result)]
    known = [gap for gap in result.gaps if not blocks(gap, result)]
    if missed:
        yield '<section class="gaps" aria-labelledby="gaps-title">\n<h2 id="gaps-title">Not everything was scanned</h2>\n'
        yield "<p>This was asked for and not looked at. There may be secrets in it that are not in this report.</p>\n"
        yield from _gap_list(missed)
        yield "</section>\n"
    if known:
        yield '<section class="gaps allowed" aria-labelledby="known-title">\n<h2 id="known-title">Left out knowingly</h2>\n'
        yield from _gap_list(known)
        yield "</section>\n"


def _gap_list(gaps: Sequence[Gap]) -> Iterator[str]:
    for kind, same in gaps_by_kind(gaps):
        yield f"<p><b>{_text(kind)}</b>, {sum(gap.count for gap in same):,}: {_text(GAP_KINDS[kind][1])}</p>\n<ul>\n"
        yield from map(_gap, same[:_GAPS_OF_A_KIND])
        yield "</ul>\n"
        if rest := same[_GAPS_OF_A_KIND:]:
            yield f"<details><summary>and {len(rest):,} more</summary>\n<ul>\n"
            yield from map(_gap, rest)
            yield "</ul>\n</details>\n"


def _gap(gap: Gap) -> str:
    times = f" ({gap.count:,} of them)" if gap.count > 1 else ""
    return f"<li><code>{_text(gap.what)}</code>: {_text(gap.reason)}{times}</li>\n"


def _findings(groups: Sequence[Group], result: ScanResult) -> Iterator[str]:
    yield '<section id="findings" aria-labelledby="findings-title" tabindex="-1">\n<h2 id="findings-title">Findings</h2>\n'
    if not groups:
        yield "<p>Nothing is open in what was scanned.</p>\n</section>\n"
        return
    yield "<details open>\n<summary>What to do about a secret, in this order</summary>\n<ol>\n"
    yield from (f"<li>{_text(step)}</li>\n" for step in _STEPS)
    yield "</ol>\n</details>\n"
    yield from _filters(groups)
    for number, group in enumerate(groups):
        yield from _article(number, group, result)
    yield "</section>\n"


def _filters(groups: Sequence[Group]) -> Iterator[str]:
    """Yield the form that the script shows; without it, it would be of no use."""
    yield '<form id="filters" role="search" autocomplete="off" hidden>\n'
    yield '<label class="wide">Search in rules, paths, people, commits<input type="search" name="text"></label>\n'
    severities = Counter(group.head.rule.severity for group in groups)
    confidences = Counter(group.head.confidence for group in groups)
    states = Counter(map(_state, groups))
    yield _choice("severity", "Severity", [(name, name, severities[name]) for name in reversed(SEVERITIES)])
    yield _choice("confidence", "Confidence", [(name, name, confidences[name]) for name in reversed(CONFIDENCES)])
    yield _choice("state", "Exposed", [(name, words, states[name]) for name, words in _STATES.items()])
    yield '<label class="check"><input type="checkbox" name="fails"> Only what fails the gate</label>\n'
    yield '<button type="reset">Show all</button>\n</form>\n'
    yield f'<p id="count" class="faint" role="status">{plural(len(groups), "finding")}</p>\n'
    yield '<p id="keys" class="hint faint" hidden>Keys: <kbd>/</kbd> search, <kbd>Esc</kbd> clear it, '
    yield "<kbd>j</kbd> and <kbd>k</kbd> next and previous finding</p>\n"


def _choice(name: str, label: str, values: Sequence[tuple[str, str, int]]) -> str:
    options = "".join(f'<option value="{value}">{words} ({count:,})</option>' for value, words, count in values if count)
    return f'<label>{label}<select name="{name}"><option value="">all</option>{options}</select></label>\n'


def _state(group: Group) -> str:
    at_head = [place.provenance.at_head if place.provenance.kind == "commit" else None for place in group.places]
    if any(at_head):
        return "head"
    return "history" if all(value is False for value in at_head) else "other"


def _article(number: int, group: Group, result: ScanResult) -> Iterator[str]:
    head = group.head
    rule = head.rule
    fails = result.fails(head)
    yield f'<article id="s{number + 1}" class="{rule.severity}" tabindex="-1" aria-labelledby="t{number + 1}" '
    yield f'data-severity="{rule.severity}" data-confidence="{head.confidence}" data-state="{_state(group)}" '
    yield f'data-fails="{"yes" if fails else "no"}">\n<h3 id="t{number + 1}">'
    yield f'<span class="badge {rule.severity}">{rule.severity}</span> '
    yield f'<span class="badge plain">{_CONFIDENCE[head.confidence]}</span> '
    yield f"{_text(rule.name)} <code>{_text(head.redacted)}</code> "
    yield f'<a class="anchor" href="#s{number + 1}" aria-label="Link to this finding">#</a></h3>\n<dl>\n'
    yield _field("Where", plural(len(group.places), "place") + f", {_STATES[_state(group)]}")
    yield _field("Since", _since(group))
    yield _field("Why", head.reason + ("" if fails else " (does not fail the gate)"))
    yield f"<dt>What to do</dt><dd>{_text(head.remedy or rule.help)}{_links(rule)}</dd>\n"
    yield f"<dt>Rule</dt><dd><code>{_text(rule.id)}</code></dd>\n"
    yield f"<dt>Fingerprint</dt><dd><code>{_text(head.fingerprint)}</code></dd>\n</dl>\n"
    yield '<ul class="places">\n'
    yield from map(_place, group.places[:_PLACES])
    yield "</ul>\n"
    if rest := group.places[_PLACES:]:
        yield f'<details><summary>and {plural(len(rest), "more place")}</summary>\n<ul class="places">\n'
        yield from map(_place, rest)
        yield "</ul>\n</details>\n"
    yield "</article>\n"


def _field(name: str, value: str) -> str:
    return f"<dt>{name}</dt><dd>{_text(value)}</dd>\n"


def _since(group: Group) -> str:
    """Return the commit that first had it, of all its places."""
    committed = [place.first for place in group.places if place.first.commit]
    if not committed:
        return state(group.places[0]) or "not known"
    return commit(min(committed, key=lambda first: (first.order, first.date or "")))


def _links(rule: RuleInfo) -> str:
    links = [reference for reference in rule.references if reference.startswith(("https://", "http://"))]
    return "".join(f' <a href="{_text(link)}" rel="noopener noreferrer">{_text(link)}</a>' for link in links)


def _place(finding: Finding) -> str:
    excerpt = shorten(finding.excerpt.strip(), _EXCERPT)
    line = f"<pre>{_text(excerpt)}</pre>\n" if excerpt else ""
    kind = "high" if finding.provenance.at_head else "plain"
    words = state(finding)
    badge = f' <span class="badge {kind}">{_text(words)}</span>' if words else ""
    facts = ", ".join(fact for fact in details(finding) if fact != words)
    more = f'<p class="faint">{_text(facts)}</p>\n' if facts else ""
    return f"<li><p><code>{_text(position(finding))}</code>{badge}</p>\n{line}{more}</li>\n"


def _suppressed(result: ScanResult) -> Iterator[str]:
    count = sum(finding.suppression is not None for finding in result.findings)
    if not count:
        return
    yield '<section aria-labelledby="suppressed-title">\n<h2 id="suppressed-title">Suppressed</h2>\n'
    yield f"<details>\n<summary>{plural(count, 'finding')} that somebody accepted</summary>\n<ul>\n"
    for finding in result.findings:
        if finding.suppression is not None:
            kind, reason = finding.suppression
            yield f"<li><code>{_text(position(finding))}</code>: {_text(finding.rule.name)} "
            yield f"<code>{_text(finding.redacted)}</code>, by {_text(kind)}: {_text(reason or 'no reason given')}</li>\n"
    yield "</ul>\n</details>\n</section>\n"


def _notices(result: ScanResult) -> Iterator[str]:
    if result.notices:
        yield '<section aria-labelledby="notices-title">\n<h2 id="notices-title">Notices</h2>\n<ul>\n'
        yield from (f"<li>{_text(notice)}</li>\n" for notice in result.notices)
        yield "</ul>\n</section>\n"
