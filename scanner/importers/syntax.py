# SPDX-License-Identifier: Apache-2.0
"""Regular expressions of other scanners, read into a tree: what Go's `regexp` (RE2) and Rust's `regex` have in common.

Both match UTF-8 text; Sealgate's rules match bytes. So a character beyond ASCII becomes its bytes, a class is a set of
bytes in which all beyond ASCII are alike, and flags are gone: a letter for which case does not matter is a class of two.
See https://github.com/google/re2/wiki/Syntax and https://docs.rs/regex/latest/regex/#syntax.
"""

import re
import string
from typing import Any, Final, NamedTuple

ALL: Final = (1 << 256) - 1
NEWLINE: Final = 1 << 10
_BEYOND: Final = ALL & ~((1 << 128) - 1)  # every byte of a character beyond ASCII
_MAX_DEPTH: Final = 100


class NotReadError(ValueError):
    """An expression that cannot be read, or not carried over; the text says why and where, never what it holds."""


class Bytes(NamedTuple):
    """One byte out of a set, a number with a bit for each."""

    mask: int


class Edge(NamedTuple):
    r"""A place between bytes: `^` and `$` of a line, `\A` and `\Z` of the text, `\b` or `\B`."""

    kind: str


class Sequence(NamedTuple):
    """One part after the other."""

    parts: tuple[Any, ...]


class Choice(NamedTuple):
    """One of the branches, the first that fits."""

    branches: tuple[Any, ...]


class Repeat(NamedTuple):
    """A part again and again; `high` is None where there is no limit."""

    part: Any
    low: int
    high: int | None
    lazy: bool


class Group(NamedTuple):
    """A capturing group, counted from 1."""

    number: int
    name: str
    part: Any


Tree = Bytes | Edge | Sequence | Choice | Repeat | Group


class Parsed(NamedTuple):
    """An expression as a tree; `folded` says that case was told not to matter somewhere, `remarks` what is not exact."""

    tree: Tree
    groups: int
    folded: bool
    remarks: tuple[str, ...]


def mask_of(characters: str) -> int:
    """Return a set of ASCII characters."""
    return sum(1 << ord(character) for character in set(characters))


DIGITS: Final = mask_of(string.digits)
WORD: Final = mask_of(string.digits + string.ascii_letters + "_")
SPACE: Final = mask_of(" \t\n\r\f\v")
_UPPER: Final = mask_of(string.ascii_uppercase)
_LOWER: Final = mask_of(string.ascii_lowercase)

_PERL: Final = {"d": DIGITS, "w": WORD, "s": SPACE}
_POSIX: Final = {
    "alnum": DIGITS | _UPPER | _LOWER,
    "alpha": _UPPER | _LOWER,
    "ascii": ALL & ~_BEYOND,
    "blank": mask_of(" \t"),
    "cntrl": (1 << 32) - 1 | 1 << 127,
    "digit": DIGITS,
    "graph": mask_of(string.digits + string.ascii_letters + string.punctuation),
    "lower": _LOWER,
    "print": mask_of(string.digits + string.ascii_letters + string.punctuation + " "),
    "punct": mask_of(string.punctuation),
    "space": SPACE,
    "upper": _UPPER,
    "word": WORD,
    "xdigit": mask_of(string.hexdigits),
}
# What of Unicode's general categories is in ASCII; scripts but Latin have nothing there.
_UNICODE: Final = {
    "L": _UPPER | _LOWER, "Lu": _UPPER, "Ll": _LOWER, "Latin": _UPPER | _LOWER, "N": DIGITS, "Nd": DIGITS,
    "P": mask_of("!\"#%&'()*,-./:;?@[\\]_{}"), "S": mask_of("$+<=>^`|~"), "Z": mask_of(" "), "Zs": mask_of(" "),
}  # fmt: skip
_CONTROLS: Final = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_COUNT: Final = re.compile(r"\{(\d{1,4})(?:(,)(\d{1,4})?)?\}")
_FLAGS: Final = re.compile(r"\(\?([a-zA-Z]*)(?:-([a-zA-Z]+))?([:)])")
_NAME: Final = re.compile(r"\(\?P?<([A-Za-z_][A-Za-z0-9_]*)>")
_KNOWN_FLAGS: Final = {"go": "imsU", "rust": "imsUxu"}


def fold(mask: int) -> int:
    """Return a set with the other case of every letter in it."""
    return mask | (mask & _UPPER) << 32 | (mask & _LOWER) >> 32


def parse(text: str, dialect: str) -> Parsed:
    """Read an expression in the syntax of `go` or `rust`. Raises `NotReadError`."""
    reader = _Reader(text, dialect)
    tree = reader.alternatives()
    if reader.at < len(text):
        raise reader.fault("a closing parenthesis without an opening one")
    return Parsed(tree, reader.groups, reader.folded, tuple(dict.fromkeys(reader.remarks)))


class _Reader:
    def __init__(self, text: str, dialect: str) -> None:
        self.text = text
        self.dialect = dialect
        self.at = 0
        self.groups = 0
        self.folded = False
        self.remarks: list[str] = []
        self._flags = frozenset[str]()
        self._depth = 0

    def fault(self, what: str) -> NotReadError:
        return NotReadError(f"{what}, at character {self.at + 1} of the expression")

    def alternatives(self) -> Tree:
        """Read up to the end, or to the parenthesis that closes this group; flags hold up to there."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.fault("too many groups within each other")
        flags, branches = self._flags, [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence())
        self._flags = flags
        self._depth -= 1
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _sequence(self) -> Tree:
        parts: list[Tree] = []
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            if self._skip_blank():
                continue
            if self.text.startswith(r"\Q", self.at):
                parts += self._quoted()
                continue
            part = self._atom()
            if part is not None:
                parts.append(self._counted(part))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _skip_blank(self) -> bool:
        """Skip what stands for nothing: comments, and blanks where the flag x is on."""
        expression = r"\(\?#[^)]*\)" if self.dialect == "rust" else r"(?!)"
        expression += r"|\s+|#[^\n]*" if "x" in self._flags else ""
        found = re.compile(expression).match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found is not None

    def _quoted(self) -> list[Tree]:
        end = self.text.find(r"\E", self.at)
        text = self.text[self.at + 2 : end if end >= 0 else len(self.text)]
        self.at = end + 2 if end >= 0 else len(self.text)
        parts = [self._literal(character) for character in text]
        if parts:
            parts[-1] = self._counted(parts[-1])
        return parts

    def _atom(self) -> Tree | None:
        """Read one part; None for flags, which stand for nothing."""
        character = self.text[self.at]
        if character == "(":
            return self._group()
        if character == "[":
            return Bytes(self._class())
        if character == "\\":
            return self._escape()
        if character in "*+?":
            raise self.fault("nothing to repeat")
        self.at += 1
        if character == ".":
            return Bytes(ALL if "s" in self._flags else ALL & ~NEWLINE)
        if character == "^":
            return Edge("^" if "m" in self._flags else r"\A")
        if character == "$":
            return Edge("$" if "m" in self._flags else r"\Z")
        return self._literal(character)

    def _literal(self, character: str) -> Tree:
        parts = tuple(Bytes(self._cased(1 << byte)) for byte in character.encode("utf-8", "replace"))
        return parts[0] if len(parts) == 1 else Sequence(parts)

    def _cased(self, mask: int) -> int:
        if "i" not in self._flags:
            return mask
        folded = fold(mask)
        self.folded = self.folded or bool(folded & (_UPPER | _LOWER))
        return folded

    def _counted(self, part: Tree) -> Tree:
        """Read the count behind a part, if there is one."""
        while True:
            if self._skip_blank():
                continue
            sign = self._peek()
            if sign and sign in "*+?":
                low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
                self.at += 1
            elif sign == "{" and (found := _COUNT.match(self.text, self.at)):
                low = int(found[1])
                high = low if not found[2] else int(found[3]) if found[3] else None
                if high is not None and high < low:
                    raise self.fault("a count that ends before it begins")
                self.at = found.end()
            else:
                return part
            if isinstance(part, Edge):
                raise self.fault("a count for a place between characters")
            lazy = self._peek() == "?"
            self.at += lazy
            if self._peek() == "+" or (self._peek() == "*" and self.dialect == "go"):
                raise self.fault("a count behind a count")
            part = Repeat(part, low, high, lazy != ("U" in self._flags))

    def _group(self) -> Tree | None:
        number, name = 0, ""
        if self.text.startswith("(?", self.at):
            found = _NAME.match(self.text, self.at) or _FLAGS.match(self.text, self.at)
            if found is None:
                raise self.fault("a group of a kind that is not known (look-around, a condition)")
            if found.re is _NAME:
                name = found[1]
            else:
                return self._flagged(found)
            self.at = found.end()
        else:
            self.at += 1
        self.groups += 1
        number = self.groups
        return Group(number, name, self._inside())

    def _flagged(self, found: re.Match[str]) -> Tree | None:
        on, off = found[1], found[2] or ""
        for flag in on + off:
            if flag not in _KNOWN_FLAGS[self.dialect]:
                raise self.fault(f"the flag {flag}, which is not known")
        self.at = found.end()
        outside = self._flags
        self._flags = (outside | set(on)) - set(off)
        if found[3] == ")":
            return None
        part = self._inside()
        self._flags = outside
        return part

    def _inside(self) -> Tree:
        part = self.alternatives()
        if self._peek() != ")":
            raise self.fault("a group that is not closed")
        self.at += 1
        return part

    def _escape(self) -> Tree:
        letter = self.text[self.at + 1 : self.at + 2]
        edges = {"b": r"\b", "B": r"\B", "A": r"\A", "z": r"\Z"}
        if letter in edges:
            self.at += 2
            if self._peek() == "{" and self.dialect == "rust":
                raise self.fault("a boundary of a kind that rules do not have")
            return Edge(edges[letter])
        mask = self._shorthand()
        if mask is not None:
            return Bytes(self._cased(mask))
        return self._literal(self._escaped_character())

    def _shorthand(self) -> int | None:
        r"""Read a class that has a name: `\d`, `\W`, `\pL`, `\p{Greek}`."""
        letter = self.text[self.at + 1 : self.at + 2]
        if letter and letter in "dwsDWS":
            self.at += 2
            mask = _PERL[letter.lower()]
            return mask if letter.islower() else ALL & ~mask
        if not letter or letter not in "pP":
            return None
        found = re.compile(r"\\[pP](?:\{(\^?)([A-Za-z_]+)\}|([A-Z]))").match(self.text, self.at)
        if found is None:
            raise self.fault("a class of Unicode without a name")
        self.at = found.end()
        mask = _UNICODE.get(found[2] or found[3], 0) | _BEYOND
        self.remarks.append("of classes of Unicode, all characters beyond ASCII belong to each")
        return (ALL & ~mask) | _BEYOND if (letter == "P") != bool(found[1]) else mask

    def _escaped_character(self) -> str:
        rest = self.text[self.at + 1 :]
        if not rest:
            raise self.fault("a backslash at the end")
        letter = rest[0]
        number = re.match(r"x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2})", rest)
        if letter in _CONTROLS:
            self.at += 2
            return chr(_CONTROLS[letter])
        if number:
            self.at += 1 + number.end()
            code = int(number[3], 8) if number[3] else int(number[1] or number[2], 16)
            if code > 0x10FFFF:
                raise self.fault("a character that does not exist")
            return chr(code)
        if (letter.isascii() and letter.isalnum()) or (letter in "<>" and self.dialect == "rust"):
            raise self.fault(f"the escape \\{letter}, which is not known")
        self.at += 2
        return letter

    def _class(self) -> int:
        self.at += 1
        negated = self._peek() == "^"
        self.at += negated
        mask, first = 0, True
        while first or self._peek() != "]":
            if self.at >= len(self.text):
                raise self.fault("a class that is not closed")
            first = False
            mask |= self._member()
        self.at += 1
        mask = self._cased(mask)
        return (ALL & ~mask) | _BEYOND if negated else mask

    def _member(self) -> int:
        if "x" in self._flags and self._peek().isspace():
            self.at += 1
            return 0
        if self.dialect == "rust" and self.text.startswith(("&&", "--", "~~"), self.at):
            raise self.fault("a class made of classes")
        if self._peek() == "[":
            found = re.compile(r"\[:(\^?)([a-z]+):\]").match(self.text, self.at)
            if found and found[2] in _POSIX:
                self.at = found.end()
                return ALL & ~_POSIX[found[2]] if found[1] else _POSIX[found[2]]
            if found or self.dialect == "rust":
                raise self.fault("a class within a class")
        if self._peek() == "\\":
            mask = self._shorthand()
            if mask is not None:
                return mask
        low = self._class_character()
        if self._peek() != "-" or self.text[self.at + 1 : self.at + 2] in ("]", ""):
            return self._range(low, low)
        self.at += 1
        high = self._class_character()
        if high < low:
            raise self.fault("a range that ends before it begins")
        return self._range(low, high)

    def _class_character(self) -> int:
        if self._peek() == "\\":
            return ord(self._escaped_character())
        if not self._peek():
            raise self.fault("a class that is not closed")
        self.at += 1
        return ord(self.text[self.at - 1])

    def _range(self, low: int, high: int) -> int:
        mask = (1 << min(high, 127) + 1) - (1 << low) if low < 128 else 0
        if high > 127:
            self.remarks.append("in classes, all characters beyond ASCII are alike")
            mask |= _BEYOND
        return mask
