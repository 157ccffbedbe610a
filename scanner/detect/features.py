# SPDX-License-Identifier: Apache-2.0
"""What can be said of a value on its line, in short names: the weights of `weights.py` belong to them.

Every name is general: it speaks of syntax, of what a name is made of, of the form of a value. How random a value looks is told
in coarse steps only, for people choose words.
"""

import functools
import re
from collections.abc import Iterator
from typing import Final

from scanner.detect.context import Context
from scanner.detect.likeness import surprise, words_of
from scanner.detect.names import FAMILIES, family_of, kind_of_word, meaning

_HEX: Final = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z_]*")
_DOTTED: Final = re.compile(r"[A-Za-z_][\w-]*(?:(?:\.|::|->|/)[A-Za-z_][\w-]*)+")
_PHRASE: Final = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)+\d{0,3}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TEXTS: Final = re.compile(r"[^\s\"\\,:{}\[\]]+")
_NUMBER: Final = re.compile(
    r"[-+]?\d*\.\d+|[<>=~^v]{0,2}\d+(?:\.\d+)+(?:[-+.]\w{1,12})*|[\w.-]+:\d+(?:\.\d+)+[\w.:-]*|\d{1,4}(?:[-:/]\d{1,4}){1,5}"
)
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]{1,12}://|www\.|mailto:", re.IGNORECASE)
_PATH: Final = re.compile(
    r"(?:[A-Za-z]:)?[~.]{0,2}[/\\][\w./\\-]*"
    r"|[\w.-]+\.(?:pem|key|json|ya?ml|txt|crt|cer|p12|jks|conf|cfg|ini|html?|js|py|sh|xml)"
)
_FORMAT: Final = re.compile(r"%[-+0-9.]*[sdvqxrf@]|\{[\w.:]{0,40}\}|\$\{?\w|#\{|<[%\w/]|\$\(|\{\{|%\w+%|@\{|\\\(")
_COMMENT: Final = re.compile(r"\s*(?:#|//|/\*|\*|--|;|<!--|%|rem\b|::|'|\")", re.IGNORECASE)
_COMMAND: Final = re.compile(
    r"(?:^|\s)(?:export|set|env|docker|curl|wget|kubectl|helm|mysql|psql|openssl|-[eDd]|-H|sudo|\$)(?:\s|$)", re.IGNORECASE
)
_EXPECT: Final = re.compile(r"\b(?:assert\w*|expect\w*|should|equal\w*|eq|must|require)\b|[=!]=", re.IGNORECASE)


def content_features(context: Context) -> Iterator[str]:
    """Yield the names of what holds for a value whatever file it stands in."""
    shape = shape_of(context.value)
    family = family_of(context.words)
    yield from _name(context, family)
    yield from _link(context)
    yield from _value(context, shape)
    yield from _around(context)
    yield f"{family} {shape}"
    yield f"{_enclosed(context)} {shape}"
    yield f"{family} {_length(inner(context.value))}"


def standing(context: Context) -> tuple[str, str, str]:
    """Return what the kind of a file says something about: what encloses a value, its shape, what joins it to its name."""
    return _enclosed(context), shape_of(context.value), f"{context.link or 'none'} {'spaced' if context.spaced else 'tight'}"


def place_features(stands: tuple[str, ...], kind: str, folders: tuple[str, ...]) -> Iterator[str]:
    """Yield the names of what holds for a value that stands so in a file of this kind, in these folders."""
    enclosed, shape, link = stands
    yield f"{kind} {enclosed}"
    yield f"{kind} {shape}"
    yield from (f"in {folder}" for folder in folders)
    if enclosed == "bare":
        yield f"{kind} {link}"


def _enclosed(context: Context) -> str:
    return "quoted" if context.quote else "string" if open_quote(context.before) else "bare"


def _name(context: Context, family: str) -> Iterator[str]:
    words = context.words
    if not words:
        yield "no name"
        return
    kinds = [kind_of_word(word) for word in words]
    yield f"name {family}"
    last = kinds[-1] if kinds[-1] not in FAMILIES else "secret"
    yield f"name ends {last}"
    if last == "thing" or words[-1] in _FREQUENT:
        yield f"ends {words[-1]}" if words[-1] in _FREQUENT else "ends thing"
    for place in ("thing", "deed", "trial", "whose", "public", "word"):
        if place in kinds[:-1]:
            yield f"name has {place}"
    yield "name alone" if len(words) == 1 else f"name of {min(len(words), 4)}"
    if context.link == "(":
        yield f"call of {_first(context.name)}"
    if words[0] in ("is", "has", "get", "set", "no", "forgot", "reset", "change", "invalid", "incorrect", "confirm"):
        yield f"begins {words[0]}"
    name = context.name.lstrip("-$@:")
    yield "upper" if name.isupper() else "camel" if re.search(r"[a-z][A-Z]", name) else "lower" if name.islower() else "capital"
    if context.name.startswith("-"):
        yield "option"
    if "." in name:
        yield "dotted"


def _first(name: str) -> str:
    """Return what a function's name begins with, as far as it says something: `user.setPassword` sets."""
    word = next(words_of(name.rpartition(".")[2]), "")
    return word if word in ("set", "get", "check", "verify", "new", "with", "create", "add") else kind_of_word(word)


# The words that say most by themselves.
_FREQUENT_WORDS: Final = (
    "id name file path url uri type field label text message title hash salt policy length key code header param "
    "placeholder error hint confirmation verifier signature nonce ref store"
)
_FREQUENT: Final = frozenset(_FREQUENT_WORDS.split())


def _link(context: Context) -> Iterator[str]:
    link = context.link or "none"
    yield f"link {link}"
    yield f"link {link} {'spaced' if context.spaced else 'tight'} {_enclosed(context)}"
    if context.call:
        yield f"call {context.call}" if context.call in _CALLS else "call"


_CALLS: Final = frozenset(("[", "(", "@", "string", "basic", "bearer", "[]byte", "[]byte{"))


def _value(context: Context, shape: str) -> Iterator[str]:
    value = context.value
    yield f"value {shape}"
    yield f"value {_length(inner(value))}"
    if any(char in inner(value) for char in "()[]{}<>"):
        yield "value brackets"
    if value[-1:] in ":.,?!" and value[-1:]:
        yield f"value ends {value[-1]}"
    if value[:1] in "$%<{@&*#/-.:+=!?~^|" and value[:1]:
        yield f"value begins {value[0]}"
    if not value.isascii():
        yield "value foreign"
    if "\\" in value:
        yield "value escapes"
    if value.isupper():
        yield "value upper"
    own = {word for word in words_of(value) if len(word) > 2}
    told = own & set(context.words)
    if told:
        yield "value repeats name"
    if any(meaning(word) == "secret" for word in own):
        yield "value names a secret"
    if any(meaning(word) in ("thing", "deed") for word in own):
        yield "value names a thing"
    if not own.isdisjoint(_TRIALS):
        yield "value of a trial"


_TRIAL_WORDS: Final = "test example sample demo dummy fake mock foo bar baz hello world some your my"
_TRIALS: Final = frozenset(_TRIAL_WORDS.split())


@functools.lru_cache(maxsize=2048)
def shape_of(value: str) -> str:
    """Return the form of a value, in one word."""
    value = inner(value)
    if " " in value or "\t" in value:
        return "sentence"
    if _UUID.fullmatch(value):
        return "uuid"
    if value.isdigit():
        return "digits"
    if _NUMBER.fullmatch(value):
        return "number"
    if _URL.match(value):
        return "url"
    if _PATH.fullmatch(value):
        return "path"
    if _FORMAT.search(value):
        return "format"
    if len(value) >= 16 and _HEX.fullmatch(value):
        return "hex"
    if _IDENTIFIER.fullmatch(value):
        return _letters(value)
    if _PHRASE.fullmatch(value):
        return "phrase" if surprise(value) < 5.2 else "random phrase"
    if _DOTTED.fullmatch(value):
        return "dotted" if surprise(value) < 5.2 else "random dotted"
    kinds = sum(any(test(char) for char in value) for test in (str.islower, str.isupper, str.isdigit))
    other = not value.isalnum()
    if len(value) >= 16 and kinds == 3 and re.fullmatch(r"[\w+/=-]+", value):
        return "machine"
    return ("mixed" if kinds > 1 else "plain") + (" signs" if other else "")


def inner(value: str) -> str:
    """Return the longest text within a value that is JSON itself, else the value."""
    if value[:1] in ("{", "[") and '"' in value:
        return max(_TEXTS.findall(value), key=len, default=value)
    return value


def _letters(value: str) -> str:
    bits = surprise(value)
    step = "word" if bits < 4.7 else "odd word" if bits < 5.3 else "letters"
    return f"camel {step}" if re.search(r"[a-z][A-Z]", value) else step


def _length(value: str) -> str:
    for most in (4, 6, 8, 12, 16, 24, 32, 48, 80, 160):
        if len(value) <= most:
            return f"to {most}"
    return "long"


def _around(context: Context) -> Iterator[str]:
    after = context.after
    yield f"then {_next(after)}"
    before = context.before
    if is_comment(before):
        yield "comment"
    if _COMMAND.search(before):
        yield "command"
    if _EXPECT.search(before):
        yield "expectation"
    if len(before) > 100:
        yield "far in the line"
    if not before.strip(" \t\"'-{(,[@:$/#*"):
        yield "first on the line"
    if "://" in before[-100:]:
        yield "in a URL"


def _next(after: str) -> str:
    text = after[:1]
    if not text or text in "\r\n":
        return "end"
    if text == " ":
        rest = after.strip()
        return "space word" if rest[:1].isalnum() else f"space {rest[:1]}" if rest else "end"
    return text if text in ",;)]}&<\"'`\\|.:" else "other"


def is_comment(before: str) -> bool:
    """Whether a line begins as a comment does, in one language or another."""
    return _COMMENT.match(before) is not None


def open_quote(text: str) -> str:
    """Return the quote of the string that is open at the end of a text, or nothing."""
    quote = ""
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif quote:
            if char == quote:
                quote = ""
        elif char in "\"'`":
            quote = char
        position += 1
    return quote
