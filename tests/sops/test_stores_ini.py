# SPDX-License-Identifier: Apache-2.0
"""INI as go-ini reads it: what it takes for keys, values and comments, and what it drops."""

import time

import pytest

from scanner.sops.ciphertext import parse_ciphertext
from scanner.sops.stores import read


def problems(data: str | bytes) -> list[tuple[str, str]]:
    data = data.encode() if isinstance(data, str) else data
    return [(problem.rule, data[slice(*problem.span)].decode("utf-8", "replace")) for problem in read("ini", data).problems]


def leaves(text: str) -> list[tuple[str, str, str]]:
    return [(item.kind, "|".join(item.path), item.scalar.text) for item in read("ini", text.encode()).items if item.kind in ("value", "comment")]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("a=1", "a", "1"),
        ("a : 1", "a", "1"),
        ("\t a b =  1  ", "a b", "1"),
        ("a", "", ""),
        ("a=b=c:d", "a", "b=c:d"),
        ("a='q'", "a", "q"),
        ('a="q"', "a", "q"),
        ("a='q' x", "a", "'q' x"),
        ("a='it''s'", "a", "'it''s'"),
        ("a=`b ; c`", "a", "b ; c"),
        ('a="""b # c"""', "a", "b # c"),
        ("`a=b`=1", "a=b", "1"),
        ('"a:b" = 1', "a:b", "1"),
        ('"""a`b""" = 1', "a`b", "1"),
        ("a=", "a", ""),
        ("a=ö", "a", "ö"),
        ("a=1\\\n  2", "a", "12"),
        ("a=1\\\n  2\\\n3", "a", "123"),
        ("a=`1\n 2\n3`", "a", "1\n 2\n3"),
        ('a="""1\n2"""', "a", "1\n2"),
        ("- = x", "#1", "x"),
    ],
)
def test_entries(line, key, value, sops_maker):
    text = f"[s]\n{line}\nlast=1\n"
    found = leaves(text)
    if not key:
        assert [rule for rule, _ in problems(text)] == ["sops-malformed"]
        return
    assert found == [("value", f"s|{key}", value), ("value", "s|last", "1")]
    assert problems(text) == []


ODD = """\
top = 0
# first of two
; second of two
[one] ; beside
a = 1
; of b
b : 2 # beside b
`k=y` = `3;4`
\"\"\"k`z\"\"\" = 5
quoted = 'six'
long = \"\"\"seven
eight\"\"\"
joined = nine \\
   ten
empty =
[one]
a = again
[nothing]
"""


def test_sops_reads_it_as_the_reader_does(sops_maker):
    clear = read("ini", ODD.encode())
    data = sops_maker.encrypt(ODD.encode(), "ini")
    sealed = read("ini", data)
    assert clear.problems == sealed.problems == ()
    assert [item.path for item in sealed.items if item.kind == "value"] == [item.path for item in clear.items if item.kind == "value"]
    back = read("ini", sops_maker.decrypt(data, "ini"))
    assert [item.scalar.text for item in back.items if item.kind == "value"] == [item.scalar.text for item in clear.items if item.kind == "value"]
    found = [parse_ciphertext(item.scalar.text) for item in sealed.items if item.kind == "comment"]
    assert found
    assert all(cipher is not None and cipher.type == "comment" for cipher in found)


def test_comments_belong_to_what_follows_and_stand_behind_their_key():
    assert leaves("; a\n[s]\n# b\n;; c \nk = 1 ; d\n; e\n[t] # f\n; g\n") == [
        ("comment", "s", "a"),
        ("value", "s|k", "1"),
        ("comment", "s", "b"),
        ("comment", "s", "c"),
        ("comment", "s", "d"),
        ("comment", "t", "e"),
        ("comment", "t", "f"),
        ("comment", "t", "g"),
    ]


def test_sections_are_opened_and_closed():
    content = read("ini", b"k = 1\n[a]\n[b]\nk = 1\n[sops]\nmac = x\n[a]\n")
    assert [(item.kind, item.path[0]) for item in content.items if item.kind != "value"] == [
        ("open", "DEFAULT"), ("close", "DEFAULT"), ("open", "a"), ("close", "a"), ("open", "b"), ("close", "b"), ("open", "a"), ("close", "a")
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[s] word\nk=1\n", "word"),
        ("[s] word ; c\nk=1\n", "word"),
        ("k = `x` word\n", "word"),
        ('k = """x""" word\n', "word"),
        ("k = `x\ny` word\n", "word"),
        ("`k` word = 1\n", "word"),
        ('"k"word : 1\n', "word"),
        ("[s]\nk = 1\nk = 2\n", "k "),
        ("[s]\nk = 1\n`k` = 2\n", "`k"),
        ("[sops]\na = 1\n[sops]\nb = 2\n", "[sops]"),
    ],
)
def test_where_text_hides(text, place):
    assert problems(text) == [("sops-hidden-text", place)]


@pytest.mark.parametrize("text", ["word\n", "[s\n", "[]\n", "= 1\n", "`` = 1\n", '"k = 1\n', "k = `x\n", 'k = """x\ny\n', b"k = \xff\n", b"\xff\xfek\0=\0"])
def test_what_go_ini_cannot_read(text):
    assert "sops-malformed" in {rule for rule, _ in problems(text)}


def test_metadata_is_flat_and_its_line_breaks_escaped():
    data = b"\xef\xbb\xbf[a]\r\nk = 1\r\n\r\n[sops]\r\nage__list_0__map_enc = x\\ny\r\n; word\r\nmac = z\r\n"
    content = read("ini", data)
    ((age, keys), (mac, value)) = content.metadata[0].entries
    assert (age.text, mac.text, value.text) == ("age", "mac", "z")
    assert keys.entries[0].entries[0][1].text == "x\ny"
    assert data[slice(*value.span)] == b"z"
    assert [(problem.rule, problem.value and problem.value.reveal()) for problem in content.problems] == [("sops-clear-comment", b"word")]


@pytest.mark.parametrize("line", [b"[a]\n", b"a=`\n", b"a=\\\n", b"[a;;;", b";\n", b'a="""\n'])
def test_hostile_files_take_no_longer_than_they_are(line):
    start = time.process_time()
    read("ini", line * 100_000)
    assert time.process_time() - start < 5
