# SPDX-License-Identifier: Apache-2.0
"""A unified diff, as git, GNU diff and review tools write it: the new side of each hunk.

Format: POSIX diff -u; git's extensions as in git-diff(1), "Generating patch text with -p" and "Combined
diff format".
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import BinaryIO, Final, NamedTuple

from scanner.display import decode_path, human_size
from scanner.errors import ConfigError
from scanner.model import MAX_HELD_BYTES, Beside, Blob, Content, Extent, Gap, LargeBlob, Place, Provenance, Screen, Version

_HUNK: Final = re.compile(rb"^(@@+)((?: -\d+(?:,\d+)?)+) \+(\d+)(?:,(\d+))? @@+")
_OLD_COUNT: Final = re.compile(rb"-\d+(?:,(\d+))?")
_BINARY: Final = re.compile(rb"^Binary files (.+) and (.+) differ$")
_QUOTED: Final = re.compile(rb'^"((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPES: Final[Mapping[bytes, bytes]] = {
    b"a": b"\a",
    b"b": b"\b",
    b"t": b"\t",
    b"n": b"\n",
    b"v": b"\v",
    b"f": b"\f",
    b"r": b"\r",
    b'"': b'"',
    b"\\": b"\\",
}
_NOWHERE: Final = b"/dev/null"
# git's prefixes for old and new sides; the others come from diff.mnemonicPrefix.
_PREFIX: Final = re.compile(rb"^[abciow12]/")


class _Hunk(NamedTuple):
    """A hunk's header: the lines that each old side and the new side are said to have."""

    parents: int
    old_counts: list[int]
    start: int
    new_count: int


class _File:
    """What is known of the file that the current part of the diff speaks of."""

    def __init__(self, *, git_style: bool) -> None:
        self.git_style = git_style
        self.no_prefix = False
        self.named = b""
        self.old: bytes | None = None
        self.new: bytes | None = None
        self.mode = b""
        self.deleted = False

    @property
    def path(self) -> bytes:
        """The new side's path; empty where nothing named it."""
        if self.named:
            return self.named
        if self.new is None or self.new == _NOWHERE:
            return b""
        return self.new[2:] if self._prefixed(self.new) else self.new

    def _prefixed(self, path: bytes) -> bool:
        if self.no_prefix or not _PREFIX.match(path):
            return False
        if self.git_style:
            return True
        # Others than git have directories called a and b; only the pair of them is a sign of prefixes.
        return path.startswith(b"b/") and (self.old == _NOWHERE or (self.old or b"").startswith(b"a/"))


class DiffSource:
    """The new side of a unified diff; each hunk is a blob, its context lines there to be read, not reported."""

    extent: Extent = "change"

    def __init__(self, stream: BinaryIO, max_blob: int) -> None:
        self.gaps: list[Gap] = []
        self.commits = 0
        self._stream = stream
        self._max_blob = min(max_blob, MAX_HELD_BYTES)
        self._line: bytes = b""
        self._number = 0
        self._file = _File(git_style=False)
        self._seen_header = False
        self._seen_content = False
        self._old_sides: dict[tuple[bytes, int], bytes] = {}

    def blobs(self, _screen: Screen | None = None) -> Iterator[Blob | LargeBlob]:
        """Yield a blob for each hunk that has a new side; `ConfigError` for a stream that is no diff."""
        self._next()
        while self._line:
            header = _HUNK.match(self._line)
            if header:
                yield from self._hunk(_parse_hunk(header))
            else:
                self._header(self._line.rstrip(b"\r\n"))
                self._next()
        if self._seen_content and not self._seen_header:
            raise ConfigError("what was given to --diff is not a unified diff", "make it with git diff or diff -u")

    def previous(self, blob: Blob | LargeBlob) -> Iterator[Content]:
        """Yield the old side of the blob's hunk, if the hunk takes anything away."""
        if isinstance(blob, Blob) and blob.place is not None and blob.lines:
            old = self._old_sides.get((blob.place.path, abs(blob.lines[0])))
            if old is not None:
                yield old

    def trace(self, ids: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """Return nothing: every blob came with its place."""
        return {}

    def beside(self, names: Sequence[bytes]) -> Beside:
        """Return nothing: a diff shows parts of files."""
        return Beside()

    def earlier(self, paths: Collection[bytes]) -> Iterator[Version]:
        """Yield nothing: its old side is known to `previous`."""
        return iter(())

    def _next(self) -> None:
        self._line = self._stream.readline()
        self._number += 1

    def _header(self, line: bytes) -> None:
        """Take in a line that is not part of a hunk; what is not understood is prose between the files."""
        file = self._file
        if line.startswith(b"diff --"):
            self._begin(line)
        elif line.startswith(b"--- "):
            if file.old is not None or not file.git_style:
                self._file = file = _File(git_style=False)
            file.old = _parse_path(line[4:])
        elif line.startswith(b"+++ ") and file.old is not None:
            file.new = _parse_path(line[4:])
            self._seen_header = True
        elif line.startswith((b"rename to ", b"copy to ")) and file.git_style:
            file.named = _parse_path(line.split(b" ", 2)[2])
        elif line.startswith((b"new file mode ", b"new mode ", b"deleted file mode ")):
            file.mode = line.rsplit(b" ", 1)[1]
            file.deleted = line.startswith(b"deleted")
        elif line.startswith(b"index ") and line.count(b" ") == 2:
            file.mode = line.rsplit(b" ", 1)[1]
        elif line == b"GIT binary patch" or _BINARY.match(line):
            self._binary(line)
        elif line.strip():
            self._seen_content = True

    def _begin(self, line: bytes) -> None:
        self._seen_header = True
        self._file = file = _File(git_style=True)
        if line.startswith((b"diff --cc ", b"diff --combined ")):
            file.named = _parse_path(line.split(b" ", 2)[2])
            return
        names = line.removeprefix(b"diff --git ")
        half = len(names) // 2
        if names[:half] == names[half + 1 :] and names[half : half + 1] == b" ":
            # Two names that are the same have no prefix (diff.noprefix).
            file.no_prefix = True
            file.new = _parse_path(names[:half])
        elif names.endswith(b'"'):
            file.new = _parse_path(names[names.rfind(b' "') + 1 :])
        else:
            file.new = names[half + 1 :] if names[half : half + 1] == b" " else names

    def _binary(self, line: bytes) -> None:
        self._seen_header = True
        file = self._file
        names = _BINARY.match(line)
        if names and not file.git_style:
            file = _File(git_style=False)
            file.old, file.new = names[1], names[2]
        if not file.deleted and not (names and names[2] == _NOWHERE):
            self.gaps.append(Gap("undecodable", decode_path(file.path), "a binary file, whose content the diff omits"))

    def _hunk(self, hunk: _Hunk) -> Iterator[Blob]:
        number = self._number
        new, lines, old = self._sides(hunk)
        path = self._file.path
        if self._file.mode == b"160000":
            if not self._file.deleted:
                self.gaps.append(Gap("submodule", decode_path(path), "a repository of its own, not entered"))
            return
        if not new:
            return
        if not path:
            self.gaps.append(Gap("corrupt", f"line {number} of the diff", "a hunk without the name of its file"))
            path = b"unnamed"
        data = b"".join(new)
        if len(data) > self._max_blob:
            reason = f"a hunk of {human_size(len(data))} is over the size limit (--max-blob)"
            self.gaps.append(Gap("oversize", decode_path(path), reason))
            return
        if old is not None:
            self._old_sides[path, abs(lines[0])] = old
        yield Blob(data, None, Place(path, Provenance("diff")), tuple(lines))

    def _sides(self, hunk: _Hunk) -> tuple[list[bytes], list[int], bytes | None]:
        """Read a hunk; return its new side, the numbers of those lines, and its old side if it lost lines."""
        olds = list(hunk.old_counts)
        new: list[bytes] = []
        lines: list[int] = []
        old: list[bytes] = []
        removed = False
        self._next()
        while len(new) < hunk.new_count or any(count > 0 for count in olds):
            marks, text = self._marks(hunk.parents)
            if marks is None:
                self._truncated()
                break
            gone = b"-" in marks
            kept = b"-" if gone else b" "
            olds = [count - (marks[i : i + 1] == kept) for i, count in enumerate(olds)]
            if not gone:
                lines.append((hunk.start + len(new)) * (1 if b"+" in marks else -1))
                new.append(text)
            if b"+" not in marks:
                old.append(text)
                removed |= gone
            self._next()
            self._no_newline((old,) if gone else (new, old) if b"+" not in marks else (new,))
        return new, lines, b"".join(old) if removed else None

    def _marks(self, parents: int) -> tuple[bytes | None, bytes]:
        """Return the current line's marks and text; None where it cannot belong to a hunk."""
        line = self._line
        if line in (b"\n", b"\r\n"):  # mailers and editors strip the blank that marks an empty context line
            return b" " * parents, line
        marks = line[:parents]
        if len(marks) < parents or marks.strip(b" +-"):
            return None, b""
        return marks, line[parents:]

    def _no_newline(self, sides: Sequence[list[bytes]]) -> None:
        r"""Take the newline off the line before `\ No newline at end of file`."""
        if self._line.startswith(b"\\ "):
            for side in sides:
                side[-1] = side[-1].removesuffix(b"\n")
            self._next()

    def _truncated(self) -> None:
        what = decode_path(self._file.path) or "the diff"
        self.gaps.append(Gap("corrupt", what, f"the hunk that reaches line {self._number} of the diff is cut short"))


def _parse_hunk(header: re.Match[bytes]) -> _Hunk:
    marks, old, start, count = header.groups()
    old_counts = [int(number) if number else 1 for number in _OLD_COUNT.findall(old)]
    return _Hunk(len(marks) - 1, old_counts, int(start), int(count) if count is not None else 1)


def _parse_path(text: bytes) -> bytes:
    """Return a path from a header line: quoted as in C, or up to the tab before a time stamp."""
    quoted = _QUOTED.match(text)
    if quoted:
        return _ESCAPE.sub(_unescape, quoted[1])
    return text.partition(b"\t")[0]


def _unescape(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return _ESCAPES.get(code) or bytes([int(code, 8) & 0xFF])
