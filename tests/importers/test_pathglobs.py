# SPDX-License-Identifier: Apache-2.0
"""An expression for paths and the globs made of it match the same paths, as RE2 says."""

import random

import pytest
import re2

from scanner.importers.pathglobs import globs_of
from scanner.importers.syntax import NotReadError, parse
from scanner.paths import glob_matches

NAMES = ["go.sum", "Xgo.sum", "go.sum.bak", "a", "vendor", "myvendor", "node_modules", "x.jpg", "img.gif.txt", "package-lock.json", "package",
         "lock", "json", "README.md", "readme", "foobar", "foo", "bar", "testdata", ".secrets.baseline", "test", "docs", "v1.lock", "fo", "x[1].py",
         "docs.md"]  # fmt: skip


def paths() -> list[str]:
    rng = random.Random(3)
    return NAMES + ["/".join(rng.choices(NAMES, k=k)) for k in (2, 3, 4) for _ in range(300)]


@pytest.mark.parametrize(
    ("expression", "globs"),
    [
        (r"go\.sum$", ("*go.sum",)),
        (r"^go\.sum$", ("/go.sum",)),
        (r"(^|/)node_modules/", ("**/node_modules/",)),
        (r"(.*?)(jpg|gif|doc)$", ("*jpg", "*gif", "*doc")),
        (r"^vendor/", ("vendor/",)),
        (r"^(?:docs|test)/[^/]+\.md$", ("docs/?*.md", "test/?*.md")),
        (r"go\.sum", None),
        (r"package-lock.json", None),
        (r"vendor/.*", None),
        (r"foo.*/bar", None),
        (r"foo.*bar", None),
        (r"/foo", None),
        (r"/foo/", None),
        (r"(?i)README", None),
        (r".*", None),
        (r"^foo.*", None),
        (r"foo/?bar", None),
        (r"^[^/]*$", None),
        (r"test(data|s)?/.*\.jpg$", None),
        (r"^a$|^b$", None),
        (r"^.*/foo$", None),
        (r".+foo", None),
        (r".*/foo/.*/bar", None),
        (r"foo$|^bar", None),
        (r"a?b?/foo", None),
        (r"/$", None),
        (r"\[1\]", None),
        (r"[^/]+/foo$", None),
        (r"[f-h]oo[^b]", None),
    ],
)
def test_the_globs_match_the_same_paths(expression: str, globs: tuple[str, ...] | None) -> None:
    ours = globs_of(parse(expression, "go"))
    theirs = re2.compile(expression)
    assert globs in (None, ours)
    assert [path for path in paths() if (theirs.search(path) is not None) != glob_matches(ours, path.encode())] == []


@pytest.mark.parametrize("expression", [r"\w+/x", r"\bfoo", "(?:ab){9}", "(?:a|b|c|d|e|f|g|h)(?:a|b|c|d|e|f|g|h)", "é[à-ü]"])
def test_what_globs_cannot_say_is_not_guessed(expression: str) -> None:
    with pytest.raises(NotReadError):
        globs_of(parse(expression, "go"))
