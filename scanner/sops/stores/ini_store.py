# SPDX-License-Identifier: Apache-2.0
"""INI as go-ini reads it for SOPS (getsops/sops `stores/ini/store.go`; go-ini `parser.go`).

go-ini drops text behind a section's bracket and behind a closing quote without a word: that is hidden text here.
Of a key that stands twice it keeps the last value: the first is hidden as well. Sections may stand twice.
"""

from typing import Final

from scanner.model import Secret, Span
from scanner.sops.content import Content, Item, ItemKind, Scalar
from scanner.sops.rules import Problem
from scanner.sops.stores.flat import unflatten
from scanner.sops.stores.text import Text

# unicode.IsSpace of Go; Python's `strip` takes more.
_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_DEFAULT: Final = "DEFAULT"
_METADATA: Final = "sops"
_KEY_QUOTES: Final = ('"""', '"', "`")
_VALUE_QUOTES: Final = ('"""', "`")


def read_ini(data: bytes) -> Content:
    """Read an INI file; keys before any section are those of `DEFAULT`."""
    text = Text(data)
    reader = _Reader(text)
    if text.bad_at >= 0 or text.at(0) == 2:
        reader.problems.append(Problem("sops-malformed", "It is not UTF-8", Span(max(text.bad_at, 0), len(data))))
    reader.read()
    metadata = unflatten(reader.flat, reader.problems)
    nodes = () if metadata is None else (metadata,)
    return Content("ini", tuple(reader.items), nodes, 1, tuple(reader.problems))


class _Reader:
    """Goes line by line; `comments` wait for the section or key that they stand before, which is whose go-ini makes them."""

    def __init__(self, text: Text) -> None:
        self.source = text
        self.text = text.text
        self.position = 0
        self.items: list[Item] = []
        self.problems: list[Problem] = []
        self.flat: list[tuple[Scalar, Scalar]] = []
        self.comments: list[tuple[int, int]] = []
        self.section = _DEFAULT
        self.keys: set[str] = set()
        self.is_open = False
        self.sections_of_sops = 0
        self.unnamed = 0

    def read(self) -> None:
        """Take all lines."""
        while self.position < len(self.text):
            start, end = self._line()
            line = self.text[start:end]
            if line.startswith(("#", ";")):
                self.comments.append((start, end))
            elif line.startswith("["):
                self._begin_section(start, end)
            elif line:
                self._entry(start, end)
        self._flush_comments()
        self._end_section(len(self.text))

    def _line(self) -> tuple[int, int]:
        """Return where the next line's text begins and ends, without the space around it."""
        end = self.text.find("\n", self.position)
        end = len(self.text) if end < 0 else end
        start, self.position = self.position, end + 1
        return self._trim(start, end)

    def _trim(self, start: int, end: int) -> tuple[int, int]:
        """Take space off both ends of a run of text."""
        run = self.text[start:end]
        left = len(run) - len(run.lstrip(_SPACE))
        return start + left, max(start + left, start + len(run.rstrip(_SPACE)))

    def _begin_section(self, start: int, end: int) -> None:
        close = self.text.rfind("]", start, end)
        if close < 0 or close == start + 1:
            self._malformed("A section without a name or a closing bracket", start, end)
            return
        self._end_section(start)
        self.section = self.text[start + 1 : close]
        self.keys = set()
        if self.section == _METADATA:
            self.sections_of_sops += 1
            if self.sections_of_sops > 1:
                self._hidden("The section `sops` stands twice", start, end)
        else:
            self._open(start, close + 1)
        self._rest(close + 1, end, "Text behind the bracket of a section")
        self._flush_comments()

    def _open(self, start: int, end: int) -> None:
        self.is_open = True
        self._item("open", (self.section,), "", start, end)

    def _end_section(self, at: int) -> None:
        if self.is_open:
            self._item("close", (self.section,), "", at, at)
        self.is_open = False

    def _entry(self, start: int, end: int) -> None:
        """Take a line `key = value`, and the lines that belong to its value."""
        found = self._key(start, end)
        if found is None:
            return
        key, key_end, value_start = found
        value, value_start, value_end = self._value(value_start, end)
        if key == "-":
            self.unnamed += 1
            key = f"#{self.unnamed}"
        if key in self.keys:
            self._hidden("The key stands twice in its section; readers keep one of the two", start, key_end, key)
        self.keys.add(key)
        if self.section == _METADATA:
            scalar = Scalar(value.replace("\\n", "\n"), "str", self.source.span(value_start, value_end))
            self.flat.append((Scalar(key, "str", self.source.span(start, key_end)), scalar))
        else:
            if not self.is_open:
                self._open(start, start)
            self._item("value", (self.section, key), value, value_start, value_end)
        self._flush_comments()

    def _key(self, start: int, end: int) -> tuple[str, int, int] | None:
        """Return a line's key, where it ends and where its value begins."""
        text = self.text
        name_start, name_end, after = start, -1, start
        quote = next((mark for mark in _KEY_QUOTES if text.startswith(mark, start)), "")
        if quote:
            name_start = start + len(quote)
            name_end = text.find(quote, name_start, end)
            after = name_end + len(quote)
            if name_end < 0:
                self._malformed("A key whose quotes are not closed", start, end)
                return None
        delimiters = [at for at in (text.find(mark, after, end) for mark in "=:") if at >= 0]
        if not delimiters:
            self._malformed("A line that is neither a section nor an entry", start, end)
            return None
        delimiter = min(delimiters)
        if quote:
            self._rest(after, delimiter, "Text between a quoted key and its value")
        else:
            name_end = delimiter
        key = text[name_start:name_end].strip(_SPACE)
        if not key:
            self._malformed("An entry without a key", start, end)
            return None
        return key, name_end, delimiter + 1

    def _value(self, start: int, end: int) -> tuple[str, int, int]:
        """Return the value that begins in this line: its text, where it begins and where it ends."""
        text = self.text
        start, end = self._trim(start, end)
        quote = next((mark for mark in _VALUE_QUOTES if text.startswith(mark, start) and start < end), "")
        if quote:
            return self._quoted(quote, start, end)
        if text.endswith("\\", start, end):
            return self._continued(start, end)
        marks = [at for at in (text.find(mark, start, end) for mark in "#;") if at >= 0]
        if marks:
            self.comments.append((min(marks), end))
            start, end = self._trim(start, min(marks))
        value = text[start:end]
        for mark in "'\"":
            if len(value) > 1 and value[0] == value[-1] == mark and value.count(mark) == 2:
                return value[1:-1], start, end
        return value, start, end

    def _quoted(self, quote: str, start: int, end: int) -> tuple[str, int, int]:
        """Read a value in back-quotes or triple quotes: to the last such quote of the first line that has one more."""
        inner = start + len(quote)
        close = self.text.rfind(quote, inner, end)
        while close < 0:
            if self.position >= len(self.text):
                self._malformed("A value whose quotes are not closed", start, end)
                return self.text[inner:end], start, end
            begin = self.position
            end = self._line()[1]
            close = self.text.rfind(quote, begin, max(begin, end))
        self._rest(close + len(quote), end, "Text behind the closing quote of a value")
        return self.text[inner:close], start, close + len(quote)

    def _continued(self, start: int, end: int) -> tuple[str, int, int]:
        """Read a value whose lines end with backslashes."""
        parts = [self.text[start : end - 1]]
        while self.position < len(self.text):
            first, end = self._line()
            line = self.text[first:end]
            parts.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                break
        return "".join(parts), start, end

    def _rest(self, start: int, end: int, reason: str) -> None:
        """Account for what stands behind something complete: space, a comment, or text that go-ini drops."""
        marks = [at for at in (self.text.find(mark, start, end) for mark in "#;") if at >= 0]
        if marks:
            self.comments.append((min(marks), end))
            end = min(marks)
        start, end = self._trim(start, end)
        if start < end:
            self._hidden(f"{reason}, which SOPS does not read", start, end)

    def _flush_comments(self) -> None:
        for start, end in self.comments:
            words = self.text[start:end].lstrip(self.text[start] + " ")
            if self.section == _METADATA:
                span = self.source.span(start, end)
                reason = "A comment in the metadata; SOPS neither writes nor encrypts any there"
                self.problems.append(Problem("sops-clear-comment", reason, span, "sops", Secret(words.encode())))
            else:
                self._item("comment", (self.section,), words, start, end)
        self.comments.clear()

    def _item(self, kind: ItemKind, path: tuple[str, ...], text: str, start: int, end: int) -> None:
        self.items.append(Item(kind, path, Scalar(text, "str", self.source.span(start, end))))

    def _hidden(self, reason: str, start: int, end: int, key: str = "") -> None:
        self.problems.append(Problem("sops-hidden-text", reason, self.source.span(start, end), key))

    def _malformed(self, reason: str, start: int, end: int) -> None:
        self.problems.append(Problem("sops-malformed", reason, self.source.span(start, end)))
