# SPDX-License-Identifier: Apache-2.0
"""Untrusted text made safe to show."""

import pytest

from scanner import display


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain ünï 🔑", "plain ünï 🔑"),
        ("a\tb", "a b"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\nb", r"a\r\nb"),
        ("\x9b1m", r"\x9b1m"),
        ("\u2028\u2029\x85", r"\u2028\u2029\x85"),
        ("\u202e\u2066", r"\u202e\u2066"),
        ("\udce9", r"\udce9"),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert display.one_line(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("std::move", "std::move"),
        ("::error::x", r"\x3a:error::x"),
        (" \t::error::x", r"  \x3a:error::x"),
        ("a ##[group]", r"a ##\x5bgroup]"),
        ("[x] ##vso[task]", r"[x] ##vso\x5btask]"),
        ("## # ##teamcity[x [y", r"## # ##teamcity\x5bx \x5by"),
        ("# [link]", "# [link]"),
    ],
)
def test_log_safe(text: str, expected: str) -> None:
    assert display.log_safe(text) == expected


def test_replace_surrogates() -> None:
    assert display.replace_surrogates("é🔑\udce9") == r"é🔑\udce9"


def test_decode() -> None:
    assert display.decode_path("é".encode() + b"\xff/\n") == "é\\xff/\n"
    assert display.decode_text(b"\xffa") == "\ufffda"


def test_shorten() -> None:
    assert display.shorten("abcde", 5) == "abcde"
    assert display.shorten("abcdef", 5) == "abcd…"
    assert display.short_id("0123456789abcdef") == "0123456789"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 * 1024**2, "5.0 MiB"),
        (3000 * 1024**3, "3000.0 GiB"),
    ],
)
def test_human_size(size: int, expected: str) -> None:
    assert display.human_size(size) == expected


def test_plural() -> None:
    assert [display.plural(count, "file") for count in (0, 1, 12_345)] == [
        "0 files",
        "1 file",
        "12,345 files",
    ]
