# SPDX-License-Identifier: Apache-2.0
"""Secrets masked in streams: every spelling, every cut, and nothing else touched."""

import base64
import html
import json
import secrets
import shutil
import subprocess
import urllib.parse
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.broker.redact import MARK, Mask, Redactor, maskable
from scanner.broker.spellings import parts, spellings
from scanner.model import Secret

# Everything that some spelling treats in its own way.
AWKWARD: Final = "p'a\"s$w`o\\r d/<&>+%é!~\N{SNOWMAN}="


def _redact(text: bytes, *values: bytes, min_length: int = 4) -> bytes:
    redactor = Redactor(map(Secret, values), min_length)
    return bytes(redactor.feed(text)) + redactor.flush()


def _expected(text: bytes, values: list[bytes], min_length: int) -> bytes:
    """The definition, by brute force: every byte of every occurrence, those that overlap as one mark."""
    covered = []
    for spelling in {s for value in values for s in spellings(value, min_length)}:
        start = text.find(spelling)
        while start >= 0:
            covered.append((start, start + len(spelling)))
            start = text.find(spelling, start + 1)
    shown, position = b"", 0
    for start, end in sorted(covered):
        if start >= position:
            shown += text[position:start] + MARK
        position = max(position, end)
    return shown + text[position:]


def _chunks(text: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in zip(edges, edges[1:], strict=False)]


# Few letters make values that overlap, nest and repeat.
_letters = st.binary(min_size=0, max_size=12).map(lambda data: bytes(b"ab\nc"[byte % 4] for byte in data))
_values = st.lists(st.one_of(_letters, st.binary(max_size=40).filter(lambda value: b"*" not in value)), max_size=4)


@st.composite
def _cases(draw: st.DrawFn) -> tuple[list[bytes], bytes, list[int], int]:
    values, min_length = draw(_values), draw(st.integers(1, 6))
    known = sorted({s for value in values for s in spellings(value, min_length)}) or [b""]
    piece = st.one_of(
        st.binary(max_size=6),
        _letters,
        st.sampled_from(known),
        st.tuples(st.sampled_from(known), st.integers(0, 20)).map(lambda pair: pair[0][: pair[1]]),
        st.tuples(st.sampled_from(known), st.integers(0, 20)).map(lambda pair: pair[0][pair[1] :]),
    )
    text = b"".join(draw(st.lists(piece, max_size=12)))
    return values, text, draw(st.lists(st.integers(0, 200), max_size=20)), min_length


@settings(max_examples=400, deadline=None)
@given(_cases(), st.booleans())
def test_the_stream_is_the_redaction_of_the_whole_however_it_is_cut(case: tuple, views: bool) -> None:
    values, text, cuts, min_length = case
    redactor = Redactor(map(Secret, values), min_length)
    shown = b"".join(bytes(redactor.feed(memoryview(chunk) if views else chunk)) for chunk in _chunks(text, cuts))
    shown += redactor.flush()
    assert shown == _expected(text, values, min_length)
    for piece in shown.split(MARK):
        assert not [s for value in values for s in spellings(value, min_length) if s in piece and MARK not in s]


@settings(max_examples=200, deadline=None)
@given(_cases())
def test_pauses_show_less_than_the_shortest_secret_and_the_rest_is_still_masked(case: tuple) -> None:
    values, text, cuts, min_length = case
    redactor, shown = Redactor(map(Secret, values), min_length), b""
    for chunk in _chunks(text, cuts):
        shown += bytes(redactor.feed(chunk)) + redactor.release()
        assert not redactor.pending
    shown += redactor.flush()
    if not any(MARK in s for value in values for s in spellings(value, min_length)):
        assert not [s for value in values for s in spellings(value, min_length) if s in shown]
    # Marks apart, nothing is lost and nothing comes twice.
    assert len(shown.replace(MARK, b"")) >= len(_expected(text, values, min_length).replace(MARK, b""))


def test_a_secret_printed_letter_by_letter_shows_three_of_them() -> None:
    value = secrets.token_hex(16).encode()
    redactor, shown = Redactor([Secret(value)]), b""
    for letter in value:
        shown += bytes(redactor.feed(bytes([letter]))) + redactor.release()
    assert shown + redactor.flush() == value[:3] + MARK


def test_a_prompt_is_out_at_once_and_a_line_too() -> None:
    redactor = Redactor([Secret(b"hunter2-and-more")])
    assert redactor.feed(b"a line\n") == b"a line\n"
    assert (redactor.feed(b"which"), redactor.pending, redactor.release()) == (b"whic", True, b"h")
    assert (redactor.feed(b"unter"), redactor.release()) == (b"", b"un")
    assert redactor.feed(b"s\n") == b"ters\n"


def test_what_needs_no_change_is_not_copied() -> None:
    chunk = memoryview(b"nothing to see here\n")
    assert Redactor([Secret(b"hunter2-and-more")]).feed(chunk) is chunk


def test_overlapping_values_leave_nothing_of_either() -> None:
    assert _redact(b"<abcdef>", b"abcd", b"cdef") == b"<***>"
    assert _redact(b"<abcdabcd>", b"abcd", b"abcdabcd") == b"<***>"
    assert _redact(b"<abcdabcd>", b"abcd") == b"<******>"


def _set_x(value: str) -> str:
    return _bash('set -x; : "$1"', value)


def _bash(script: str, value: str) -> str:
    if not shutil.which("bash"):
        pytest.skip("there is no bash")
    run = subprocess.run(["bash", "-c", script, "bash", value], capture_output=True, env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    return (run.stdout + run.stderr).decode()


WRITERS: Final[dict[str, Callable[[str], str]]] = {
    "itself": str,
    "json": json.dumps,
    "json, not ASCII": lambda value: json.dumps(value, ensure_ascii=False),
    "json in json": lambda value: json.dumps({"body": json.dumps({"key": value})}),
    "json as Go writes it": lambda value: json.dumps(value).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"),
    "json as PHP writes it": lambda value: json.dumps(value).replace("/", r"\/"),
    "python": lambda value: repr([value]),
    "html": html.escape,
    "html as Go writes it": lambda value: html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    "url": lambda value: "https://x.test/?k=" + urllib.parse.quote(value, safe="") + "&more",
    "url path": lambda value: "https://x.test/" + urllib.parse.quote(value),
    "form": lambda value: urllib.parse.urlencode({"k": value}),
    "url with small digits": lambda value: urllib.parse.quote(value, safe="").lower(),
    "encodeURIComponent": lambda value: urllib.parse.quote(value, safe="!'()*"),
    "hex": lambda value: value.encode().hex(),
    "hex in capitals": lambda value: value.encode().hex().upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 for URLs": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
    "basic authorization": lambda value: base64.b64encode(f"user:{value}".encode()).decode(),
    "base64 further on": lambda value: base64.b64encode(f"users:{value}, and more".encode()).decode(),
    "base64 still further on": lambda value: base64.b64encode(f"a user:{value}".encode()).decode(),
    "shlex": lambda value: "'" + value.replace("'", "'\"'\"'") + "'",
    "set -x": _set_x,
    "%q": lambda value: _bash("printf '%q' \"$1\"", value),
    "double quotes": lambda value: '"' + "".join(f"\\{c}" if c in '$`"\\' else c for c in value) + '"',
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("alphabet", ["plain", "awkward"])
def test_every_way_of_writing_is_masked(name: str, alphabet: str) -> None:
    value = secrets.token_urlsafe(24)
    if alphabet == "awkward":
        value = value[:12] + AWKWARD + value[12:]
        if name == "%q":
            value = value.replace("é", "").replace("\N{SNOWMAN}", "")
    if name == "url with small digits":
        value = value.lower()
    written = WRITERS[name](value)
    shown = _redact(f"before {written} after\n".encode(), value.encode()).decode()
    assert MARK.decode() in shown
    # All that is left is what would be there without the value; in base64 two letters at each side stand for neighbours too.
    left = shown.replace(MARK.decode(), "")
    assert len(left) <= len(f"before {WRITERS[name]('')} after\n") + 4


@pytest.mark.parametrize("columns", [76, 64])
def test_base64_in_lines_is_masked(columns: int) -> None:
    value = secrets.token_bytes(300)
    text = base64.b64encode(value)
    lines = b"".join(text[start : start + columns] + b"\n" for start in range(0, len(text), columns))
    assert set(_redact(lines, value).split()) == {MARK}


def test_each_line_of_a_value_is_masked_by_itself_but_the_armor_is_not() -> None:
    lines = [secrets.token_urlsafe(48) for _ in range(5)]
    value = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""]).encode()
    log = "".join(f"  > {line}\r\n" for line in [*lines, "-----BEGIN PRIVATE KEY-----"]).encode()
    assert _redact(log, value) == b"  > ***\r\n" * 5 + b"  > -----BEGIN PRIVATE KEY-----\r\n"
    assert _redact(value.replace(b"\n", b"\r\n"), value) == MARK


def test_leaves_of_json_are_masked_and_its_marks_and_words_are_not() -> None:
    inner, outer = secrets.token_hex(12), secrets.token_hex(12)
    document = {"a": {"b": [outer, True, None, 1.5, 12345678]}, "c": json.dumps({"d": inner}), "e": "{"}
    value = json.dumps(document, indent=2).encode()
    assert _redact(f"{inner} {outer} 12345678 true null {{ }}".encode(), value) == b"*** *** *** true null { }"


def test_the_password_of_a_url_is_masked_by_itself() -> None:
    password = secrets.token_hex(8) + "/é"
    url = f"postgresql://app:{urllib.parse.quote(password, safe='')}@db.test/app"
    assert _redact(f"{password} postgresql app".encode(), url.encode()) == b"*** postgresql app"


def test_short_values_are_left_alone_and_told() -> None:
    assert _redact(b"abc abcd", b"abc", b"abcd") == b"abc ***"
    assert not maskable(Secret(b"abc"))
    assert not maskable(Secret(b"a\nb\n"))
    assert not maskable(Secret(b"True"))
    assert maskable(Secret(b"abcd"))
    assert _redact(b"hunter2", b"hunter2", min_length=8) == b"hunter2"


@pytest.mark.parametrize("value", [b"", b"[" * 100_000, b'{"a":', b"\xff\xfe\x00\x01", b'"\\ud800 and more"'])
def test_values_that_are_no_text_or_no_json_are_values_nevertheless(value: bytes) -> None:
    assert _redact(b"<" + value + b">", value) == (b"<***>" if value else b"<>")
    assert parts(value) or not value


def test_a_long_value_is_found_in_small_pieces() -> None:
    value = secrets.token_bytes(60_000)
    redactor, text = Redactor([Secret(value)]), b"x" * 1000 + value + b"y"
    shown = b"".join(bytes(redactor.feed(text[start : start + 4096])) for start in range(0, len(text), 4096))
    assert shown + redactor.flush() == b"x" * 1000 + MARK + b"y"


def test_nothing_shows_itself() -> None:
    value = secrets.token_hex(16)
    mask = Mask([Secret(value.encode())])
    redactor = Redactor(mask)
    redactor.feed(value[:10].encode())
    assert value[:4] not in repr(mask) + repr(redactor) + str(mask)
