# SPDX-License-Identifier: Apache-2.0
"""Is a value that is given to a telling name a secret? What its syntax rules out first, then a sum of weights.

Twice: without the path, as history is read, only what no path could make a secret is dropped; where the path is known,
the file's own syntax decides. The weights and the levels are made by `python -m bench.train`, see docs/accuracy.md.
"""

import functools
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from scanner.detect.context import Context, read_context
from scanner.detect.features import content_features, is_comment, open_quote, place_features, standing
from scanner.detect.likeness import surprise, words_of
from scanner.detect.names import family_of, meaning
from scanner.detect.syntax import KINDS, folders_of, kind_of
from scanner.detect.weights import HIGH, LOW, MEDIUM, WEIGHTS
from scanner.model import Confidence

# So many reasons are told.
_TOLD: Final = 4


class Weighed(NamedTuple):
    """`confidence` is None for what is no secret; the reason is given either way."""

    confidence: Confidence | None
    reason: str


class _Content(NamedTuple):
    """What a line says of a value, whatever file it stands in: why it is none, or its features and what they weigh."""

    context: Context
    denial: str
    told: tuple[str, ...] = ()
    weight: float = 0.0
    stands: tuple[str, str, str] = ("", "", "")


# A value is weighed without its path, then with it.
@functools.lru_cache(maxsize=8192)
def _content(line: bytes, start: int, end: int) -> _Content:
    context = read_context(line, start, end)
    reason = denial(context)
    if reason:
        return _Content(context, reason)
    told = tuple(content_features(context))
    return _Content(context, "", told, sum(WEIGHTS.get(name, 0.0) for name in told), standing(context))


def weigh_anywhere(line: bytes, start: int, end: int) -> Weighed:
    """Weigh a value whose path is not known yet: what no path could make a secret is dropped."""
    content = _content(line, start, end)
    if content.denial:
        return Weighed(None, content.denial)
    best = content.weight + _FOLDERS + _best_place(*content.stands)
    if best < MEDIUM:
        return Weighed(None, _told(content.told, best))
    return _FITS


@functools.lru_cache(maxsize=1024)
def _best_place(*stands: str) -> float:
    """Return what the kind of file adds that is best for a value that stands so."""
    return max(sum(WEIGHTS.get(name, 0.0) for name in place_features(stands, kind, ())) for kind in KINDS)


@functools.lru_cache(maxsize=8192)
def weigh_at(line: bytes, start: int, end: int, kind: str, folders: tuple[str, ...]) -> Weighed:
    """Weigh a value in a file of a kind (`syntax.kind_of`), in folders that tell something (`syntax.folders_of`)."""
    content = _content(line, start, end)
    reason = content.denial or denial_here(content.context, kind)
    if reason:
        return Weighed(None, reason)
    placed = tuple(place_features(content.stands, kind, folders))
    total = content.weight + sum(WEIGHTS.get(name, 0.0) for name in placed)
    reason = _told((*content.told, *placed), total)
    level = next((name for name, least in _LEVELS if total >= least), None)
    if level is not None and _names_what_is_wanted(content.context.value):
        return Weighed("low", f"it may be the password that was there from the start; {reason}")
    return Weighed(level, reason)


def weigh(line: bytes, start: int, end: int, path: bytes) -> Weighed:
    """Weigh a value at a path."""
    return weigh_at(line, start, end, *_place(path))


@functools.lru_cache(maxsize=4096)
def _place(path: bytes) -> tuple[str, tuple[str, ...]]:
    return kind_of(path), folders_of(path)


_FITS: Final = Weighed("medium", "its name and its form fit")
_LEVELS: Final[tuple[tuple[Confidence, float], ...]] = (("high", HIGH), ("medium", MEDIUM), ("low", LOW))
# What a folder can add.
_FOLDERS: Final = max(WEIGHTS.get(f"in {name}", 0.0) for name in ("test", "example", "docs", "vendor"))


def _told(features: Iterable[str], total: float) -> str:
    """Return the sum and what counted most in it."""
    order = sorted(set(features), key=lambda name: (-abs(WEIGHTS.get(name, 0.0)), name))
    parts = (f"{name} {WEIGHTS[name]:+.1f}" for name in order[:_TOLD] if name in WEIGHTS)
    return f"weighs {total:+.1f} ({', '.join(parts)})"


# Words that stand where a value could: nothing, a type, a setting.
_NO_VALUE_WORDS: Final = (
    "true false yes no on off null none nil undefined void string str text number integer int bool boolean object array "
    "any char varchar bytes required optional unset empty default disabled enabled ascii utf8 base64 hex md5 sha1 sha256 "
    "sha512 plain plaintext bearer basic"
)
_NO_VALUE: Final = frozenset(_NO_VALUE_WORDS.split())
_REFERENCE: Final = re.compile(
    r"\$\{?[A-Za-z_]\w{0,80}\}?(?:[:/@*.-]{1,4}\$\{?[A-Za-z_]\w{0,80}\}?)*|.*%[A-Za-z_]\w{0,40}%.*|@?/dev/\w+|\$\(.*|`.*"
)
# Ids of AWS, public keys, certificates.
_IDENTIFIER: Final = re.compile(
    r"A(?:KIA|SIA|ROA|IDA|GPA|NPA)[A-Z0-9]{16,17}\Z|arn:aws|ssh-(?:rsa|ed25519) "
    r"|-----BEGIN (?:PUBLIC|CERT|RSA PUB)|MII[BCDEFGH]\w{3}ANBgkqhkiG"
)
_PATH: Final = re.compile(r"(?:~|\.{0,2})(?:/[\w.-]+){2,}/?")
# Bits of surprise a letter: random letters have more.
_LIKE_WORDS: Final = 5.2
_JOINING: Final = frozenset(["the", "a", "an", "my", "your", "our", "new", "old", "some", "any", "this", "that", "no"])


_DENIALS: Final = (
    (re.compile(r"(?s).*(.)\1{7}|.*(?:^|[^A-Za-z])[xX]{3,}\Z"), "it repeats the same character"),
    (re.compile(r".*(?:\[\^|\\[swdbSWD][+*\])\]]|\{\d+,\d*\}|\[[a-z0-9]-[a-z0-9]|\(\?[:P<=!]|\[[A-Z]-Z)"), "it is a pattern"),
    (re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d[\w:.+-]*)?"), "it is a time"),
)
# `config.get("password")`, `os.getenv("TOKEN")`, `t("wrong password")`.
_LOOKUP: Final = re.compile(r"get\w{0,20}|env|environ|fetch|lookup|find|load|read|ask|prompt|t|_|gettext|translate|message|input")
# The name of a variable or a constant.
_CONSTANT: Final = re.compile(r"[A-Z]{2,}(?:_[A-Z]{2,})+")
_INTERPOLATED: Final = re.compile(r"\{[A-Za-z_][\w.]*(?:[\[(!:][^{}]*)?\}")


def denial(context: Context) -> str:
    """Return why a value is no secret wherever it stands, or nothing."""
    value = context.value
    if not value or value.lower() in _NO_VALUE:
        return "it is a word for no value or for a type"
    if _REFERENCE.fullmatch(value):
        return "it refers to a value that is kept elsewhere"
    if _IDENTIFIER.match(value):
        return "it is a name of something, or public"
    if not {"public", "pub"}.isdisjoint(context.words):
        return "what is public is no secret"
    if context.words and family_of(context.words) == "other":
        return "its name says nothing of a secret"
    if _LOOKUP.fullmatch(context.call.rpartition(".")[2]):
        return "it is the name of what is looked up"
    for expression, reason in _DENIALS:
        if expression.match(value):
            return reason
    if _names_what_is_wanted(value) and not _is_set(context):
        return "it only names what is wanted"
    return _wordy(value)


def _names_what_is_wanted(value: str) -> bool:
    if any(char.isdigit() for char in value):
        return False
    kinds = {"" if word in _JOINING else meaning(word) for word in words_of(value)}
    return "secret" in kinds and kinds <= {"secret", "whose", ""}


def _is_set(context: Context) -> bool:
    """Whether a variable of the environment is given a password here: `DB_PASSWORD=db_password` is one that works."""
    assigned = context.link == "=" and not context.spaced and not context.quote and context.name.isupper()
    return assigned and family_of(context.words) == "password" and _JOINING.isdisjoint(words_of(context.value))


def _wordy(value: str) -> str:
    """Return why a value in words is none, or nothing."""
    if surprise(value) >= _LIKE_WORDS:
        return ""
    if _PATH.fullmatch(value):
        return "it is a path"
    return "it is a variable's name" if _CONSTANT.fullmatch(value) else ""


def denial_here(context: Context, kind: str) -> str:
    """Return why a value is none in the syntax of its file, or nothing."""
    quote = context.quote
    if kind == "shell" and quote == "`" and " " in context.value:
        return "it is what a command prints"
    if kind not in ("code", "data"):
        return ""
    if not quote and not open_quote(context.before) and not is_comment(context.before):
        return "a bare word is an expression here"
    if context.between[-1:] in ("f", "F", "$") and _INTERPOLATED.search(context.value):
        return "it is put together of other values"
    if quote in ("'", '"') and open_quote(context.before + context.name + context.between) == quote:
        return "it stands between two strings"
    return ""
