# SPDX-License-Identifier: Apache-2.0
"""How a value stands on its line: the name it is given to, what joins the two, what encloses it and what follows."""

import re
from typing import Final, NamedTuple

from scanner.detect.likeness import words_of
from scanner.detect.names import family_of


class Context(NamedTuple):
    """A value and its surroundings, taken apart.

    `words` are the name's parts in lower case (`dbPassWord_2` gives `db`, `pass`, `word`); `link` is the delimiter in one
    of few spellings, empty where there is none; `quote` what opens the value, empty for a bare one; `call` the function
    around it. `before` is the line up to the name, `after` what follows the value and its closing quote.
    """

    name: str
    words: tuple[str, ...]
    link: str
    spaced: bool
    call: str
    quote: str
    value: str
    before: str
    between: str
    after: str


_QUOTES: Final = ('\\"', "\\'", "&quot;", "&#34;", "&#39;", '"', "'", "`")
# The name and all that stands between it and the value, as the last thing on what precedes the value.
_LEFT: Final = re.compile(
    r"""(?P<name>[-$@:]{0,2}[A-Za-z0-9_][A-Za-z0-9_.$-]{0,80}+)
        (?P<close>(?:\\?['"`\])}*]|\[\]|&quot;|&\#3[49];){0,3})
        (?P<type>,[ ](?:_|err|ok)(?=[ ]:?=)|[ \t]?:[ \t]?[A-Za-z][A-Za-z0-9_<>.\[\]?|]{0,24}(?=[ \t]{0,4}=)
            |[ \t]{1,4}(?:\[\])?(?:[Ss]tring|text|char|byte|str)(?:\[\])?(?=[ \t]*=))?
        (?P<gap>[ \t]*)
        (?P<link>:=|=>|->|[=!]={1,2}|=|:|,(?:[ \t]{0,2}[A-Za-z]{2,8}[:=])?|\(|%3D|>
            |(?:['"][ \t]+)?(?:value|content)[ \t]?=|(?:eq|is|to|by)\b|)
        (?P<space>[ \t]*)
        (?P<call>(?:new[ ])?[A-Za-z][A-Za-z0-9_.:]*\(|\[\]byte[({]|@|\[|(?:[Ss]tring|[Bb]asic|[Bb]earer)[ ]|)
        (?P<prefix>[A-Za-z@$]{0,2})\Z""",
    re.VERBOSE,
)
_NAME: Final = re.compile(r"[-$@:]{0,2}[A-Za-z0-9_][A-Za-z0-9_.$-]{0,80}+")
# What a line of 200 bytes or less may hold of a name and its link.
_REACH: Final = 140


# A name and its value in two fields, `name: X` and `value: Y`, apart by the end of a line or a comma; and a value that
# begins in the line behind its name: a block of YAML's, a here-document, a text in three quotes.
_TWO_FIELDS: Final = re.compile(
    r"""(?i)["']?(?:name|key)["']?[ \t]*[:=][ \t]*["']?([\w.-]{1,90})["']?[ \t]*(?:,|,?[ \t]*\r?\n)\s*"""
    r"""["']?value["']?[ \t]*[:=][ \t]*(["']?)\Z|<name>([\w.-]{1,90})</name>\s*<value>\Z"""
)
_NEXT_LINE: Final = re.compile(
    r"""([\w.-]{1,90}["']?[ \t]*[:=][ \t]*)(?:[|>][+-]?|<<[-~]?["']?\w+["']?|(["'])\2\2)[ \t]*\r?\n[ \t]*\Z"""
)


def _folded(left: str) -> str:
    """Return what precedes a value with its name next to it, as if they stood in one line."""
    if "alue" not in left and "\n" not in left:
        return left
    found = _TWO_FIELDS.search(left)
    if found:
        return f"{left[: found.start()]}{found[1] or found[3]}: {found[2] or ''}"
    found = _NEXT_LINE.search(left)
    return f"{left[: found.start()]}{found[1]}{found[2] or ''}" if found else left


def read_context(line: bytes, start: int, end: int) -> Context:
    """Take a line apart around the value at these offsets."""
    left = _folded(line[max(0, start - _REACH) : start].decode("utf-8", "replace"))
    value = line[start:end].decode("utf-8", "replace")
    after = line[end : end + _REACH].decode("utf-8", "replace")
    quote = next((quote for quote in _QUOTES if left.endswith(quote)), "")
    bare = left[: len(left) - len(quote)] if quote else left
    found = _joined(bare)
    if found is None:
        return Context("", (), "", False, "", quote, value, bare, "", after.removeprefix(quote))
    link = found["link"].strip("'\" \t")
    if not link and found["gap"]:
        link = " "
    name = found["name"]
    words = tuple(words_of(name))
    call = found["call"].rstrip("( ").lower()
    spaced = bool(found["gap"] or found["space"])
    before, between = bare[: found.start()], bare[found.end("name") :]
    return Context(name, words, link, spaced, call, quote, value, before, between, after.removeprefix(quote))


def _joined(text: str) -> re.Match[str] | None:
    """Return the nearest name before a value that is joined to it and says that it is a secret, else the nearest of all."""
    nearest = None
    for name in reversed(list(_NAME.finditer(text))):
        found = _LEFT.match(text, name.start())
        if found is None:
            continue
        if nearest is None:
            nearest = found
        if family_of(tuple(words_of(found["name"]))) != "other":
            return found
    return nearest
