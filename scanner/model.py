# SPDX-License-Identifier: Apache-2.0
"""The nouns of the pipe: what is scanned, what is found in it, where it came from, what was missed.

All of them are named tuples: immutable, and cheap to import (a dataclass drags in `inspect`, a fifth
of the time a pre-commit run may take). Git paths and contents are bytes until a report decodes them.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, NoReturn, Protocol

if TYPE_CHECKING:
    from array import array

Confidence = Literal["low", "medium", "high", "proven"]
Severity = Literal["low", "medium", "high", "critical"]
Family = Literal["secret", "sops", "broker"]

# Weakest first, so that an index is a rank.
CONFIDENCES: Final[tuple[Confidence, ...]] = ("low", "medium", "high", "proven")
SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "high", "critical")


class Secret:
    """A secret value that does not show itself: prints and formats as `<secret, N bytes>`.

    `reveal()` is the only way to the bytes, so that every place which may leak them can be found
    with grep. It refuses to be pickled.
    """

    __slots__ = ("__value",)

    def __init__(self, value: bytes) -> None:
        self.__value = value

    def reveal(self) -> bytes:
        """Return the raw value. The caller answers for where it goes."""
        return self.__value

    def __repr__(self) -> str:
        return f"<secret, {len(self.__value)} bytes>"

    __str__ = __repr__

    def __format__(self, format_spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Span(NamedTuple):
    """Half-open byte offsets into a blob."""

    start: int
    end: int


class Location(NamedTuple):
    """Lines and columns from 1; columns in characters of the decoded line, the end exclusive."""

    start_line: int
    start_column: int
    end_line: int
    end_column: int


class RuleInfo(NamedTuple):
    """What a reader of a report must know of a rule, whoever checked it."""

    id: str
    name: str
    severity: Severity
    family: Family
    help: str
    references: tuple[str, ...] = ()


class Provenance(NamedTuple):
    """Where a version of a file came from.

    `kind` is `commit`, `index`, `worktree`, `file`, `diff`, `stdin`, `unreachable` (an object in the
    repository that no commit reaches) or `server` (a role or policy, read from where it is in force).
    `commit` first brought this blob to its path; `author` is `Name <address>`, `date` ISO 8601 with its zone
    (the author's date). `at_head` is None where there is no HEAD to speak of. `order` ranks commits, ancestors
    first, to tell which version came first.
    """

    kind: str
    commit: str | None = None
    author: str | None = None
    date: str | None = None
    at_head: bool | None = None
    order: int = 0


class Place(NamedTuple):
    """A path at which a blob stands, and how it got there.

    A path that begins with `.git/` names an object rather than a file: `.git/commit/<id>` and
    `.git/tag/<id>` for messages, `.git/blob/<id>` for a blob that no tree names. `link` says that the
    content is the target of a symbolic link.
    """

    path: bytes
    provenance: Provenance
    link: bool = False


class Known(Protocol):
    """What is known of a content before anybody looked at it, as other versions of it were looked at.

    `candidates` are (end, rule) in ascending order, and what is known to lead nowhere is not among them; one of which
    is known what it leads to has that as its third part. Whoever finds out puts the longer tuple in its place, before
    the next content is asked for. `forms` are the ends of what may be encoded text, with their kinds.
    """

    @property
    def candidates(self) -> list[Any]:
        """Where rules may match."""
        ...

    @property
    def forms(self) -> list[tuple[int, int]]:
        """Where encoded text may be."""
        ...


# Is told of a rule, where its candidate begins (always 0) and ends, flags, and nothing.
Found = Callable[[int, int, int, int, object], None]


class Ledger(Protocol):
    """What is known of blobs from earlier runs: ids of clean ones, ascending, one after the other, and their sizes."""

    ids: bytes
    sizes: "array[int]"

    def size(self, name: bytes) -> int | None:
        """Return the size of a blob that is known to be clean; None for any other."""
        ...

    def saw(self, ids: bytes, sizes: "array[int]") -> None:
        """Take note of blobs that were read, given in the same way."""
        ...


class Screen(Protocol):
    """Tells content with something to look at from the rest, for a source that can look at much of it at once.

    A candidate hangs on at most `near` bytes before its end, or on `far` within its line, and one behind. What it leads
    to hangs on `margins[0][rule]` bytes before its end and `margins[1][rule]` behind, where `margins[2][rule]` is set
    those of its line alone. `memo` tells it by the rule, how far into these bytes the candidate ends, and the bytes.
    Besides, there is something to look at in content with one of the `heads`, bytes at an offset, or a zero byte among
    its first `probe` bytes, and in content of from `sizes[0]` to `sizes[1]` bytes.
    """

    near: int
    far: int
    margins: "tuple[array[int], array[int], bytes]"
    heads: tuple[tuple[int, bytes], ...]
    probe: int
    sizes: tuple[int, int]
    memo: dict[tuple[int, int, bytes], Any]

    def search(self, text: bytes, anchors: Found, forms: Found) -> None:
        """Tell what is found in a text."""
        ...

    def passed(self, count: int, size: int) -> bool:
        """Take note of so many contents of so many bytes without anything to look at; False where that is enough."""
        ...


class Blob(NamedTuple):
    """One piece of content to scan, whole.

    `id` is git's object id in hex, or None for what is not a git object. `place` is None where the
    source learns paths only for what has findings (`Source.trace`). `lines` gives each line of `data`
    its number in the real file, negative where the line is there as context only (a diff's hunks);
    None means lines count from 1 and all of them matter. `known` is there where the content was looked at already.
    """

    data: bytes
    id: str | None
    place: Place | None
    lines: tuple[int, ...] | None = None
    known: Known | None = None


# Larger content is not held, but read in pieces.
LARGE_BYTES: Final = 16 * 1024 * 1024
# What nobody can look at in pieces is held: files that SOPS encrypts, a hunk of a diff. Larger ones are a gap.
MAX_HELD_BYTES: Final = 128 * 1024 * 1024


class Pieces(Protocol):
    """Large content, piece by piece, each time that it is asked for them; a stream such as standard input once.

    `size` is None where only the end will tell. What cannot be read becomes a gap of the source on the way.
    """

    size: int | None

    def __iter__(self) -> Iterator[bytes]: ...


class LargeBlob(NamedTuple):
    """One piece of content to scan that is too large to be held; `id` and `place` as of a `Blob`.

    To be read before the source is asked for the next one.
    """

    pieces: Pieces
    id: str | None
    place: Place | None


Content = bytes | Pieces


def to_blob(content: Content, id_: str | None, place: Place | None) -> Blob | LargeBlob:
    """Return what a source yields for content of any size."""
    return Blob(content, id_, place) if isinstance(content, bytes) else LargeBlob(content, id_, place)


class Version(NamedTuple):
    """What stood at a path before; its provenance has a negative order where that was before all that is scanned."""

    path: bytes
    data: bytes
    provenance: Provenance


class Beside(NamedTuple):
    """Files that stand beside what is scanned, by path; `prefix` is where the paths of the content itself begin.

    The prefix is empty in a repository. On disk, where a configuration may stand above what was named, all
    paths here are absolute, without the first slash, and the prefix is the path of the target.
    """

    prefix: bytes = b""
    files: Mapping[bytes, bytes] = MappingProxyType({})


class Gap(NamedTuple):
    """Something that was not scanned: `kind` from `GAP_KINDS`, `what` as people would name it."""

    kind: str
    what: str
    reason: str
    count: int = 1  # type: ignore[assignment] # hides tuple.count, which nobody asks of a gap


# kind: (makes the run incomplete, what it means)
GAP_KINDS: Final[Mapping[str, tuple[bool, str]]] = {
    "shallow": (True, "history beyond a shallow boundary is not in this clone"),
    "promised": (True, "objects of a partial clone that were never fetched"),
    "missing": (True, "objects that the repository names and does not have"),
    "corrupt": (True, "objects, packs or trees that git cannot read"),
    "unreadable": (True, "files that could not be opened or read"),
    "oversize": (True, "content larger than --max-blob, or than can be held"),
    "undecodable": (True, "an archive or encoding that could not be opened"),
    "budget": (True, "decoding or unpacking stopped at its budget"),
    "timeout": (True, "the time limit --timeout was reached"),
    "worker": (True, "a worker process ended before it had read its part"),
    "unmerged": (True, "paths with unresolved merge conflicts in the index"),
    "key": (True, "encrypted files whose MAC no key at hand could check"),
    "rule": (True, "a rule gave up on a piece of content, or could not be carried over"),
    "archive": (False, "archives and compressed files, whose members are not looked into"),
    "submodule": (False, "submodules, which are repositories of their own"),
    "special": (False, "sockets, devices and pipes, which hold no content"),
}


# All that ever was; all files of one state; what a change brings.
Extent = Literal["history", "state", "change"]


class Source(Protocol):
    """One way to come by content. `gaps` and `commits` are complete once `blobs` is exhausted."""

    extent: Extent
    gaps: list[Gap]
    commits: int

    def blobs(self, screen: Screen | None = None, /) -> Iterator[Blob | LargeBlob]:
        """Yield everything that was asked for, each piece once.

        Where there is a screen, content without anything to look at may be left out; it is told of that.
        """
        ...

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield the versions that a change replaced; a secret that one of them has is not new."""
        ...

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return the places of blobs that were yielded without one."""
        ...

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return the files called so in the state that is scanned, changed or not; a name may begin with `*`.

        What cannot be read is a gap. `blobs` need not have been called.
        """
        ...

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield what stood at these paths before, as far back as the source reaches; after `blobs`."""
        ...


class Suppression(NamedTuple):
    """Why a finding does not count: `kind` is `inline`, `allowlist` or `baseline`."""

    kind: str
    reason: str


class Related(NamedTuple):
    """What belongs to a finding and stands near it, in the same version of its file: the other half of a credential.

    `role` is what it is to the finding: `identifier` (the key id of this secret key) or `secret` (the secret key of
    this id). It has a finding of its own, by that fingerprint.
    """

    role: Literal["identifier", "secret"]
    rule_id: str
    name: str
    location: Location
    fingerprint: str
    redacted: str
    reason: str


class Finding(NamedTuple):
    """One secret in one place, with everything a report needs, so that reports open no file.

    `excerpt` is the source line with every known secret in it redacted, cut to a readable length.
    `first` is where this secret first stood at this path; `provenance` belongs to the version that
    `location` and `blob` speak of (the one at HEAD if it is still there). `remedy` is what mends this very
    finding, a command mostly; where it is empty, the rule's help is all there is to say. `line_hash` is what GitHub
    recognises the line by (`scanner.linehash`), where somebody asked for it. `line` is the source line as it is, cut to
    some hundred bytes around the value. `related` is what belongs to it, nearest first.
    """

    rule: RuleInfo
    confidence: Confidence
    reason: str
    path: bytes
    location: Location
    fingerprint: str
    secret: Secret
    redacted: str
    excerpt: str
    blob: str | None
    provenance: Provenance
    first: Provenance
    occurrences: int = 1
    decoded_from: tuple[str, ...] = ()
    suppression: Suppression | None = None
    remedy: str = ""
    line_hash: str = ""
    line: Secret = Secret(b"")
    related: tuple[Related, ...] = ()


class Stats(NamedTuple):
    """What was read, in numbers. `files` counts content that came from disk rather than from git."""

    blobs: int
    bytes: int
    files: int
    commits: int
    seconds: float


class ScanResult(NamedTuple):
    """The outcome of a run: findings in a stable order, what was missed, and the counts.

    `notices` are remarks for people: expired or unused baseline entries and the like.
    """

    target: str
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    allowed_gaps: frozenset[str]
    stats: Stats
    notices: tuple[str, ...]
    ruleset: str
    fail_on: Confidence | Literal["never"]

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for was scanned, but for gaps allowed by name."""
        return not any(GAP_KINDS[gap.kind][0] and gap.kind not in self.allowed_gaps for gap in self.gaps)

    def fails(self, finding: Finding) -> bool:
        """Whether this finding is open and at or over the level that fails the gate."""
        if finding.suppression is not None or self.fail_on == "never":
            return False
        return CONFIDENCES.index(finding.confidence) >= CONFIDENCES.index(self.fail_on)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 3 incomplete; findings win, as who tolerates 3 must not tolerate 1."""
        if any(map(self.fails, self.findings)):
            return 1
        return 0 if self.complete else 3
