# SPDX-License-Identifier: Apache-2.0
"""What a secret looks like when a program prints it: its parts, and the ways in which each is written.

A log rarely shows a value as it is: it shows the line of a key, the password inside a JSON document, a
header in base64, a URL. Whatever is to be masked is masked in all of these spellings; what transforms a
value otherwise (compression, encryption, a cut, another character set) is beyond any mask. So are line ends
that base64 of a longer text puts into the middle of a value.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote_from_bytes, quote_plus, unquote_to_bytes

MIN_LENGTH: Final = 4
_MAX_DEPTH: Final = 4
# Words that a JSON secret may hold and that mean nothing: masking them would wreck any output.
_WORDS: Final = frozenset({b"true", b"false", b"null", b"none"})
_PASSWORD: Final = re.compile(rb"://[^\s/:@]*:([^\s/@]+)@")
_ARMOR: Final = re.compile(rb"-----(BEGIN|END) [A-Z0-9 ]+-----")
# The columns at which `base64` and MIME (76), and PEM (64) end their lines.
_COLUMNS: Final = (76, 64)
# What encodeURIComponent leaves alone, and what Go's PathEscape does (RFC 3986, section 3.3).
_UNQUOTED: Final = ("", "/", "!'()*", "$&+=:@")
# What bash puts a backslash before, and what Ruby's Shellwords does.
_SPECIAL: Final = (re.compile(rb"([] !\"$&'()*,;<>?[\\^`{|}])"), re.compile(rb"([^A-Za-z0-9_.,:+/@\n\x80-\xff-])"))
_IN_DOUBLE_QUOTES: Final = re.compile(rb'([$`"\\])')


def parts(value: bytes, min_length: int = MIN_LENGTH) -> frozenset[bytes]:
    """Return what of a value is secret by itself: the whole, its lines, the leaves of its JSON, a URL's password.

    Nothing shorter than `min_length` bytes is among them, no line that only begins or ends a PEM block, and no
    `true` or `null`.
    """
    found = {value, value.strip()}
    for text in (value, *_leaves(value, 0)):
        found.add(text)
        for password in _PASSWORD.findall(text):
            found |= {password, unquote_to_bytes(password)}
        if b"\n" in text or b"\r" in text:
            found.update(piece for line in text.splitlines() for piece in (line, line.strip()))
    return frozenset(part for part in found if _worth_masking(part, min_length))


def spellings(value: bytes, min_length: int = MIN_LENGTH) -> frozenset[bytes]:
    """Return all the ways in which a value and its parts are written, none shorter than `min_length` bytes."""
    found = {spelling for part in parts(value, min_length) for spelling in _spell(part)}
    return frozenset(spelling for spelling in found if _worth_masking(spelling, min_length))


def _worth_masking(part: bytes, min_length: int) -> bool:
    bare = part.strip()
    return len(bare) >= min_length and bare.lower() not in _WORDS and not _ARMOR.fullmatch(bare)


def _leaves(value: bytes, depth: int) -> Iterator[bytes]:
    """Yield the strings and numbers of a JSON document, and those of documents inside its strings."""
    if depth == _MAX_DEPTH or value.lstrip()[:1] not in (b"{", b"[", b'"'):
        return
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return
    waiting: list[Any] = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str):
            leaf = item.encode("utf-8", "surrogatepass")
            yield leaf
            yield from _leaves(leaf, depth + 1)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield json.dumps(item).encode()


def _spell(part: bytes) -> Iterator[bytes]:
    yield part
    yield part.hex().encode()
    yield part.hex().upper().encode()
    yield from _in_base64(part)
    yield from _in_urls(part)
    yield from _in_shells(part)
    if b"\n" in part:
        yield part.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        yield part.replace(b"\r\n", b"\n")
    try:
        text = part.decode()
    except UnicodeDecodeError:
        return
    yield from _in_programs(text)


def _in_base64(part: bytes) -> Iterator[bytes]:
    """Yield the encoding by itself, in lines too, and what of it stands wherever the value begins in a longer text.

    A character stands for six bits: behind one or two other bytes all characters differ, and at both ends one of
    them is shared with the neighbour.
    """
    whole = base64.b64encode(part)
    encodings = {whole, whole.rstrip(b"=")}
    for column in _COLUMNS:
        if len(whole) > column:
            encodings.update(whole[start : start + column] for start in range(0, len(whole), column))
    for shift in range(3):
        shifted = base64.b64encode(bytes(shift) + part)
        encodings.add(shifted[(8 * shift + 5) // 6 : 8 * (shift + len(part)) // 6])
    for encoding in encodings:
        yield encoding
        yield encoding.translate(_URL_SAFE)


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def _in_urls(part: bytes) -> Iterator[bytes]:
    quoted = {quote_from_bytes(part, safe) for safe in _UNQUOTED}
    quoted.add(quote_plus(part))
    for text in quoted:
        yield text.encode()
        yield re.sub("%..", lambda match: match[0].lower(), text).encode()


def _in_shells(part: bytes) -> Iterator[bytes]:
    """Yield what stands between single quotes, between double quotes, and without any (bash's `printf %q`)."""
    yield part.replace(b"'", rb"'\''")
    yield part.replace(b"'", b"'\"'\"'")
    yield _IN_DOUBLE_QUOTES.sub(rb"\\\1", part)
    for special in _SPECIAL:
        yield special.sub(rb"\\\1", part)


def _in_programs(text: str) -> Iterator[bytes]:
    """Yield the string in JSON (as Go, PHP and others write it, and JSON in JSON), in C, Python and HTML."""
    for plain in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        go = re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", plain)
        for written in (plain, go, plain.replace("/", r"\/"), json.dumps(plain)[1:-1]):
            yield written.encode("utf-8", "surrogatepass")
        yield plain.replace('\\"', '"').replace("'", r"\'").encode("utf-8", "surrogatepass")
    yield repr(text)[1:-1].encode()
    yield html.escape(text, quote=False).encode()
    yield html.escape(text).encode()
    yield html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").encode()
