# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import ConfigError
from scanner.model import Gap
from scanner.sources.diff import DiffSource

if TYPE_CHECKING:
    from gitrepo import GitRepo

Make = Callable[..., "GitRepo"]
Found = list[tuple[bytes, bytes, tuple[int, ...]]]


def parse(diff: bytes | str, max_blob: int = 1 << 20) -> tuple[Found, list[Gap]]:
    """Return path, data and line numbers of each hunk, and the gaps."""
    source = DiffSource(io.BytesIO(diff.encode() if isinstance(diff, str) else diff), max_blob)
    found = []
    for blob in source.blobs():
        assert blob.place is not None
        assert blob.lines is not None
        assert (blob.id, blob.place.provenance.kind) == (None, "diff")
        found.append((blob.place.path, blob.data, blob.lines))
    return found, source.gaps


def added(diff: bytes) -> dict[bytes, list[tuple[int, bytes]]]:
    """Return the added lines of each file with their numbers."""
    result: dict[bytes, list[tuple[int, bytes]]] = {}
    for path, data, lines in parse(diff)[0]:
        texts = data.split(b"\n")
        result.setdefault(path, []).extend((n, texts[i]) for i, n in enumerate(lines) if n > 0)
    return result


def test_a_git_diff() -> None:
    diff = """diff --git a/x b/x
index 1..2 100644
--- a/x
+++ b/x
@@ -1,3 +1,4 @@ heading
 one
-two
+2
+2.5
 three
@@ -10 +11 @@
-a
+b
"""
    found, gaps = parse(diff)
    assert found == [(b"x", b"one\n2\n2.5\nthree\n", (-1, 2, 3, -4)), (b"x", b"b\n", (11,))]
    assert gaps == []


def test_previous_is_the_old_side() -> None:
    diff = b"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n@@ -9,0 +9,1 @@\n+new\n"
    source = DiffSource(io.BytesIO(diff), 1000)
    assert [list(source.previous(blob)) for blob in source.blobs()] == [[b"one\ntwo\n"], []]


def test_lines_that_look_like_headers() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n--- a/old\n-@@ -1 +1 @@\n+++ b/new\n+diff --git a/y b/y\n+@@ -1 +1 @@\n"
    assert parse(diff)[0] == [(b"x", b"++ b/new\ndiff --git a/y b/y\n@@ -1 +1 @@\n", (1, 2, 3))]


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("--- a/x y\t\n+++ b/x y\t\n", b"x y"),
        ('--- "a/t\\tq\\"\\\\"\n+++ "b/t\\tq\\"\\\\"\n', b't\tq"\\'),
        ('--- "a/\\303\\274\\377"\n+++ "b/\\303\\274\\377"\n', b"\xc3\xbc\xff"),
        ("--- /dev/null\n+++ b/new\n", b"new"),
        ("--- old/x.c\t2024-01-01 00:00:00.000000000 +0000\n+++ new/x.c\t2024-01-01 00:00:00 +0000\n", b"new/x.c"),
        ("--- b/x\n+++ b/x\n", b"b/x"),
        ("diff --git b/x b/x\n--- b/x\n+++ b/x\n", b"b/x"),
        ("diff --git i/x w/x\n--- i/x\n+++ w/x\n", b"x"),
        ("diff --git a/o b/n\nrename from o\nrename to n\n--- a/o\n+++ b/n\n", b"n"),
        ("diff --git a/o b/n\ncopy from o\ncopy to b/n\n--- a/o\n+++ b/b/n\n", b"b/n"),
        ("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n--- a/x\n+++ b/x\n", b"x"),
        ("Index: x\n=====\n--- x\t(revision 1)\n+++ x\t(working copy)\n", b"x"),
        ("--- a/x\r\n+++ b/x\r\n", b"x"),
    ],
)
def test_names(header: str, path: bytes) -> None:
    found, gaps = parse(f"{header}@@ -1,0 +1 @@\n+new\n")
    assert (found, gaps) == ([(path, b"new\n", (1,))], [])


def test_no_newline_at_the_end() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n"
    assert parse(diff)[0] == [(b"x", b"a\nc", (-1, 2))]
    diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n+c\n-b\n a\n\\ No newline at end of file\n"
    assert parse(diff)[0] == [(b"x", b"c\na", (1, -2))]


def test_carriage_returns_stay() -> None:
    diff = b"--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n one\r\n+two\r\n"
    assert parse(diff)[0] == [(b"x", b"one\r\ntwo\r\n", (-1, 2))]


def test_an_empty_context_line_that_lost_its_blank() -> None:
    diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,3 @@\n a\n\n+b\n"
    assert parse(diff)[0] == [(b"x", b"a\n\nb\n", (-1, -2, 3))]


def test_deletions_bring_nothing() -> None:
    diff = "diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
    assert parse(diff) == ([], [])


def test_combined() -> None:
    diff = """diff --cc x
index 1,2..3
--- a/x
+++ b/x
@@@ -1,3 -1,3 +1,4 @@@
  both
- first
 -second
++evil
 +from first
+ from second
"""
    assert parse(diff) == ([(b"x", b"both\nevil\nfrom first\nfrom second\n", (-1, 2, 3, 4))], [])


def test_what_is_not_in_the_diff_is_a_gap() -> None:
    diff = """diff --git a/p b/p
index 1..2 100644
Binary files a/p and b/p differ
diff --git a/q b/q
new file mode 100644
index 0..2
GIT binary patch
literal 3
Kcmxxx

literal 0
HcmV?d00001

diff --git a/gone b/gone
deleted file mode 100644
Binary files a/gone and /dev/null differ
diff --git a/sub b/sub
index 1..2 160000
--- a/sub
+++ b/sub
@@ -1 +1 @@
-Subproject commit 1
+Subproject commit 2
"""
    found, gaps = parse(diff)
    assert found == []
    assert [(gap.kind, gap.what) for gap in gaps] == [("undecodable", "p"), ("undecodable", "q"), ("submodule", "sub")]
    _, gaps = parse("Binary files old/p and new/p differ\n")
    assert [(gap.kind, gap.what) for gap in gaps] == [("undecodable", "new/p")]


@pytest.mark.parametrize(
    "tail",
    [
        "@@ -1,3 +1,3 @@\n a\n+b\n",
        "@@ -1,3 +1,3 @@\n a\n+b\nrubbish\n",
        "@@ -1,3 +1,3 @@\n a\n+b\n@@ -9 +9 @@\n-x\n+y\n",
    ],
)
def test_a_hunk_cut_short_gives_what_it_has(tail: str) -> None:
    found, gaps = parse(f"--- a/x\n+++ b/x\n{tail}")
    assert found[0] == (b"x", b"a\nb\n", (-1, 2))
    assert len(found) == 1 + tail.count("+y")
    assert [(gap.kind, gap.what) for gap in gaps] == [("corrupt", "x")]


def test_a_hunk_without_a_file() -> None:
    found, gaps = parse("@@ -1 +1 @@\n-a\n+b\n")
    assert [data for _, data, _ in found] == [b"b\n"]
    assert [gap.kind for gap in gaps] == ["corrupt"]


def test_over_the_limit() -> None:
    found, gaps = parse("--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+" + "x" * 200 + "\n@@ -5,0 +6 @@\n+y\n", max_blob=100)
    assert [data for _, data, _ in found] == [b"y\n"]
    assert [(gap.kind, gap.what) for gap in gaps] == [("oversize", "x")]


@pytest.mark.parametrize("text", ["hello\n", "*** a\n--- b\n***************\n", "\0\1\2", "+++ x\n"])
def test_what_is_no_diff_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a unified diff"):
        parse(text)


@pytest.mark.parametrize("text", ["", "\n", "\n \n"])
def test_an_empty_diff_is_clean(text: str) -> None:
    assert parse(text) == ([], [])


def test_prose_around_diffs_is_passed_over() -> None:
    diff = "From 1 Mon\nSubject: x\n\n--- \n x | 1 +\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+y\n-- \n2.39\n"
    assert parse(diff) == ([(b"x", b"y\n", (1,))], [])


@pytest.mark.parametrize("options", [(), ("--no-prefix",), ("-U0",), ("--binary",), ("-M", "-C"), ("--src-prefix=i/",)])
def test_real_diffs_with_odd_names(git_repo: Make, options: tuple[str, ...]) -> None:
    repo = git_repo()
    names = [b"plain", b"with space", b'"q"', b"new\nline", b"\xff", b"b/x", "ü".encode(), b"tab\t", b"a b/c"]
    for name in names:
        repo.write(name, b"old\n")
    repo.commit()
    for name in names:
        repo.write(name, b"old\nof " + name.replace(b"\n", b"") + b"\n")
    diff = repo.git("diff", *options).encode("utf-8", "surrogateescape")
    assert added(diff) == {name: [(2, b"of " + name.replace(b"\n", b""))] for name in names}


def test_a_real_combined_diff(git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a b": "1\n2\n3\n"})
    repo.git("checkout", "-q", "-b", "side")
    repo.commit(files={"a b": "1\nside\n3\n"})
    repo.git("checkout", "-q", "main")
    repo.commit(files={"a b": "1\nmain\n3\n"})
    repo.git("merge", "-q", "side", check=False)
    repo.commit("merge", files={"a b": "1\nevil\n3\n"})
    assert added(repo.git("show", "-c").encode()) == {b"a b": [(2, b"evil")]}


LINES = st.lists(
    st.sampled_from([b"", b"a", b"b", b"c", b"-- x", b"++ y", b"\\ No", b"@@ -1 +1 @@", b"\r", b"\xff\xfe", b" "]),
    max_size=30,
)


def lines_of(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n")


@given(old=LINES, new=LINES, ends=st.tuples(st.booleans(), st.booleans()), context=st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_like_git(
    tmp_path_factory: pytest.TempPathFactory, old: list[bytes], new: list[bytes], ends: tuple[bool, bool], context: int
) -> None:
    """Every hunk is a stretch of the new file, and putting the added lines in makes the old one new."""
    directory: Path = tmp_path_factory.mktemp("diff")
    contents = []
    for name, lines, end in (("old", old, ends[0]), ("new", new, ends[1])):
        contents.append(b"\n".join(lines) + (b"\n" if end and lines else b""))
        (directory / name).write_bytes(contents[-1])
    command = ["git", "diff", "--no-index", "--text", f"-U{context}", "old", "new"]
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    diff = subprocess.run(command, cwd=directory, env=environ, capture_output=True, check=False).stdout
    found, gaps = parse(diff)
    assert gaps == []
    whole = lines_of(contents[1])
    plus = 0
    for path, data, numbers in found:
        assert path == b"new"
        texts = lines_of(data)
        assert len(texts) == len(numbers)
        assert [whole[abs(number) - 1] for number in numbers] == texts
        plus += sum(number > 0 for number in numbers)
    stat = subprocess.run([*command, "--numstat"], cwd=directory, env=environ, capture_output=True, check=False).stdout
    assert plus == (int(stat.split()[0]) if stat else 0)
