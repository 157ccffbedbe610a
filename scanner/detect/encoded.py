# SPDX-License-Identifier: Apache-2.0
"""What the literals of rules look like inside base64 and hex, so that encoded content is found by looking.

Decoding every run of letters and digits would cost more than the whole scan. But a literal that every match
of a rule begins with leaves its trace in base64: of the bits that lie wholly within it, three forms, one for
each way it can fall on the groups of three bytes (RFC 4648, section 4). Where such a form stands, the run
around it is decoded and scanned like any content.
"""

import base64
import re._constants as c  # type: ignore[import-not-found]
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from scanner.detect.anchor import parse
from scanner.detect.decode import HEX

# Shorter literals would be found by chance too often.
SHORTEST: Final = 4
# A pattern that begins in more ways than this is not followed into its encodings.
_MOST: Final = 64
_FEW: Final = 8
# So much of a literal tells it from chance; more only makes the database larger.
_LONGEST: Final = 7
_LONGEST_IN_HEX: Final = 5
_LONGEST_OF_UTF16: Final = 5
# Of shorter forms too little shows through a second encoding.
_SHORTEST_TWICE: Final = 6


def literals(pattern: str) -> frozenset[bytes]:
    """Return texts of which every match has one where the pattern is first literal; none where it never is."""
    return next(_literals(pattern), frozenset())


def _literals(pattern: str) -> Iterator[frozenset[bytes]]:
    """Yield sets of texts: every match has one of each set."""
    items: list[tuple[Any, Any]] = list(parse(pattern))
    while items:
        grown, _ = _grow(items)
        if all(len(text) >= SHORTEST for text in grown):
            yield frozenset(grown)
        op, value = items[0]
        items[:1] = list(value[3]) if op is c.SUBPATTERN else []


def beginnings(pattern: str, shortest: int) -> frozenset[bytes]:
    """Return texts of which every match begins with one; none where these are many, or one of them is too short."""
    grown, _ = _grow(list(parse(pattern)))
    return frozenset(grown) if all(len(text) >= shortest for text in grown) else frozenset()


def _grow(items: Sequence[tuple[Any, Any]]) -> tuple[list[bytes], bool]:
    """Return the texts that the items begin with as far as these are few, and whether that is all of them."""
    texts = [b""]
    for op, value in items:
        options, whole = _options(op, value)
        if not options or len(texts) * len(options) > _MOST:
            return texts, False
        texts = [text + option for text in texts for option in options]
        if not whole:
            return texts, False
    return texts, True


def _options(op: Any, value: Any) -> tuple[list[bytes], bool]:
    """Return the few texts that an item begins with, none where they are many, and whether they are all of it."""
    if op is c.LITERAL:
        return [bytes([value])], True
    if op in (c.AT, c.ASSERT, c.ASSERT_NOT):
        return [b""], True
    if op is c.SUBPATTERN:
        return _grow(value[3])
    if op is c.IN:
        return _members(value), True
    if op is c.BRANCH:
        branches = [_grow(branch) for branch in value[1]]
        return [text for texts, _ in branches for text in texts], all(whole for _, whole in branches)
    if op is c.MAX_REPEAT and value[:2] == (0, 1):
        inner, whole = _grow(value[2])
        return ([b"", *inner], True) if whole else ([], False)
    return [], False


def _members(members: Sequence[tuple[Any, Any]]) -> list[bytes]:
    codes: list[int] = []
    for kind, item in members:
        if kind is c.LITERAL:
            codes.append(item)
        elif kind is c.RANGE:
            codes += range(item[0], item[1] + 1)
        else:
            return []
    return [bytes([code]) for code in codes] if len(codes) <= _FEW else []


def spellings(text: bytes, *, ignore_case: bool) -> set[bytes]:
    """Return a text as it is written: in lower case, upper case or with a capital where case does not matter."""
    return {text, text.lower(), text.upper(), text.capitalize()} if ignore_case else {text}


class Form(NamedTuple):
    """A text to look for in encoded content. `kind` says where in its run it can end: see `decode.HEX`."""

    text: bytes
    kind: int

    @property
    def any_case(self) -> bool:
        """Whether it is looked for in capital and small letters alike."""
        return self.kind == HEX


def forms(patterns: Iterable[tuple[str, bool]]) -> list[Form]:
    """Return the forms of literals of these patterns (text, whether case is ignored), each once."""
    found: set[Form] = set()
    for text, ignore_case in _chosen(patterns):
        for spelling in spellings(text, ignore_case=ignore_case):
            found.update(_base64_forms(spelling[:_LONGEST], _LONGEST))
        # As commands for PowerShell are written. This and hex are rarer: as the rule writes it will do.
        found.update(_base64_forms(text[:_LONGEST].decode("latin-1").encode("utf-16-le"), _LONGEST_OF_UTF16))
        found.add(Form(text[:_LONGEST_IN_HEX].hex().encode(), HEX))
    once = _needed(found)
    # And all of that in base64 once more.
    twice = {form for known in once if len(known.text) >= _SHORTEST_TWICE for form in _base64_forms(known.text, _LONGEST)}
    return sorted(_needed(once | twice))


def _needed(found: set[Form]) -> set[Form]:
    """Return the forms without those that have another one within them, which leads to the same run."""
    return {form for form in found if not any(inner in found for inner in _within(form))}


def _chosen(patterns: Iterable[tuple[str, bool]]) -> set[tuple[bytes, bool]]:
    """Return texts of which every match of a pattern has one: its first ones, or such as are looked for anyway.

    A provider's name goes before `token` or `secret` in many rules, and all of these show by the second word.
    """
    ways = [([{(text, ignore_case) for text in texts} for texts in _literals(pattern)]) for pattern, ignore_case in patterns]
    chosen: set[tuple[bytes, bool]] = set()
    for sets in sorted(filter(None, ways), key=len):
        if not any(texts <= chosen for texts in sets):
            chosen |= sets[0]
    return chosen


def _within(form: Form) -> Iterator[Form]:
    """Yield the shorter forms that stand wherever this one does; in hex two digits are a byte."""
    text, kind = form
    step = 2 if kind == HEX else 1
    for start in range(0, len(text), step):
        for end in range(start + step, len(text) + 1, step):
            if end - start < len(text):
                yield Form(text[start:end], kind if kind == HEX else (kind - len(text) + end) % 4)


def _base64_forms(text: bytes, longest: int) -> Iterator[Form]:
    """Yield what of a text is the same in base64 whatever stands around it, of that no more than so many digits."""
    for lead in range(3):
        encoded = base64.b64encode(b"\0" * lead + text)
        first, last = -(-8 * lead // 6), 8 * (lead + len(text)) // 6
        last = min(last, first + longest)
        yield Form(encoded[first:last], last % 4)
