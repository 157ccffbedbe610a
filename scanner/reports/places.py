# SPDX-License-Identifier: Apache-2.0
"""Where a finding stands and since when, in the words that all reports for people use.

What is returned is not yet safe to show: each report escapes it for its medium.
"""

from collections.abc import Iterator
from typing import Final

from scanner.display import decode_path, plural, short_id, shorten
from scanner.model import Finding, Provenance, Related

_NAME_WIDTH: Final = 80
_MESSAGES: Final = (b".git/commit/", b".git/tag/")

_KINDS: Final = {
    "index": "staged",
    "worktree": "in the working tree, not committed",
    "diff": "added by the diff",
    "stdin": "from standard input",
    "unreachable": "in an object that no commit reaches",
}


def position(finding: Finding) -> str:
    """Return `path:line:column`, with `-` for content without a name."""
    place = finding.location
    return f"{decode_path(finding.path) or '-'}:{place.start_line}:{place.start_column}"


def is_file(finding: Finding) -> bool:
    """Return whether the path is that of a file, not of an object of git's such as a commit message."""
    return bool(finding.path) and not finding.path.startswith(b".git/")


def is_gone(finding: Finding) -> bool:
    """Return whether the line is not in the files that people see: it is in the history alone, or in no file."""
    return (finding.provenance.at_head is False and finding.provenance.kind in ("commit", "unreachable")) or not is_file(finding)


def state(finding: Finding) -> str:
    """Return in a few words whether it still stands there, nothing where that is not known."""
    provenance = finding.provenance
    if provenance.kind != "commit":
        return _KINDS.get(provenance.kind, "")
    if provenance.at_head is None:
        return ""
    return "still at HEAD" if provenance.at_head else "gone from HEAD, still in the history"


def details(finding: Finding) -> Iterator[str]:
    """Yield what is known besides the position: the commit, whether it is still there, how often, since when."""
    provenance, first = finding.provenance, finding.first
    if finding.path.startswith(_MESSAGES):
        yield "in a message"
    if provenance.kind == "commit":
        yield commit(provenance)
    if words := state(finding):
        yield words
    if finding.occurrences > 1:
        yield plural(finding.occurrences, "occurrence")
    if first.commit and first.commit != provenance.commit:
        yield f"first in {commit(first)}"
    if finding.decoded_from:
        yield f"decoded from {' > '.join(finding.decoded_from)}"
    yield from map(companion, finding.related)


def companion(related: Related) -> str:
    """Return what belongs to a finding and where that stands, in the same file; and what an identifier says of itself."""
    says = [part for part in related.reason.split("; ") if part.startswith("it ")] if related.role == "identifier" else []
    told = f" ({'; '.join(says)})" if says else ""
    return f"belongs with {related.name} {related.redacted} on line {related.location.start_line}{told}"


def commit(provenance: Provenance) -> str:
    """Return a commit as people name it, with its author and day."""
    words = [f"commit {short_id(provenance.commit)}" if provenance.commit else "an unknown commit"]
    if provenance.author:
        words.append(f"by {shorten(provenance.author, _NAME_WIDTH)}")
    if provenance.date:
        words.append(f"on {provenance.date[:10]}")
    return " ".join(words)
