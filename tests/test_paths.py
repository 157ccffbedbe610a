# SPDX-License-Identifier: Apache-2.0
"""Globs over repository paths."""

import pytest

from scanner.paths import glob_matches


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("*.py", b"a.py", True),
        ("*.py", b"deep/down/a.py", True),
        ("*.py", b"a.pyc", False),
        ("src/*.py", b"src/a.py", True),
        ("src/*.py", b"src/deep/a.py", False),
        ("src/*.py", b"lib/src/a.py", False),
        ("src/**", b"src/deep/a.py", True),
        ("src/", b"src/deep/a.py", True),
        ("src/", b"src", False),
        ("**/test/*.py", b"test/a.py", True),
        ("**/test/*.py", b"x/y/test/a.py", True),
        ("**/test/*.py", b"x/y/contest/a.py", False),
        ("a/**/b", b"a/b", True),
        ("a/**/b", b"a/x/y/b", True),
        ("a/**/b", b"a/xb", False),
        ("?.txt", b"a.txt", True),
        ("?.txt", b"ab.txt", False),
        ("a?b/c", b"a/b/c", False),
        ("[abc].txt", b"b.txt", True),
        ("[!abc].txt", b"b.txt", False),
        ("[!abc].txt", b"d.txt", True),
        ("[a-c]x", b"bx", True),
        ("a[!b]c/d", b"a/c/d", False),
        ("a.txt", b"A.txt", False),
        ("a.txt", b"axtxt", False),
        ("a+b(c).txt", b"a+b(c).txt", True),
        (".env*", b"app/.env.local", True),
        ("new*line", b"new\nline", True),
        ("*", b"\xff\xfe", True),
        ("/a.txt", b"a.txt", True),
        ("/a.txt", b"b/a.txt", False),
        ("/a/", b"a/b/c", True),
        ("/**a**", b"x/ya/b", True),
        ("r\u00e9sum\u00e9", "r\u00e9sum\u00e9".encode(), True),
        ("", b"x", False),
        ("[x", b"[x", True),
    ],
)
def test_a_glob_matches_as_it_reads(glob: str, path: bytes, matches: bool) -> None:
    assert glob_matches((glob,), path) == matches


def test_one_of_several_globs_is_enough() -> None:
    assert [glob_matches(globs, b"b.txt") for globs in ((), ("a*", "b*"), ("a*", "c*"))] == [False, True, False]


@pytest.mark.parametrize(("glob", "path"), [("[z-a]", b"m"), ("[!]x", b"ax"), ("[[a]x", b"bx"), ("[a&&b]x", b"cx"), ("[\\d]x", b"5x")])
def test_an_odd_class_is_no_error_and_matches_nothing_by_accident(glob: str, path: bytes) -> None:
    assert not glob_matches((glob,), path)


def test_an_odd_class_matches_the_characters_in_it() -> None:
    assert [glob_matches(("[[&^~-]x",), name) for name in (b"[x", b"&x", b"^x", b"~x", b"-x", b"ax")] == [True] * 5 + [False]
