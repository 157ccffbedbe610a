# SPDX-License-Identifier: Apache-2.0
"""YAML: items and comments as SOPS has them in its tree, types as go-yaml has them, and what SOPS never writes."""

import time

import pytest

from scanner.model import Span
from scanner.sops.ciphertext import parse_ciphertext
from scanner.sops.content import ListNode, MapNode, Scalar
from scanner.sops.stores import read
from scanner.sops.stores.resolve import resolve


def items(text: str) -> list[tuple[str, str, str]]:
    """Return kind, path and text of each item."""
    return [(item.kind, ".".join(item.path), item.scalar.text) for item in read("yaml", text.encode()).items]


def problems(text: str | bytes) -> list[tuple[str, str]]:
    """Return rule and place of each problem."""
    data = text if isinstance(text, bytes) else text.encode()
    return [(problem.rule, data[slice(*problem.span)].decode("utf-8", "replace")) for problem in read("yaml", data).problems]


# Every spelling that go-yaml gives a type of its own, or nearly.
SCALARS = (
    "true True TRUE tRue yes no on Off y n false ~ null Null NULL nUll 0 00 07 08 0777 0o17 0o18 0b101 0b2 0x1F 0xg 1_000 _1 1__0 +1 -1 +-1 "
    "9223372036854775807 9223372036854775808000 -9223372036854775808 0x7fffffffffffffff -0x1 -0b1 -0o7 1. .5 +.5 -.5 . .. 1.5 1e3 1e 1e+ 1E-2 "
    ".inf +.inf -.Inf .iNf .nan .NAN 1e309 -1e309 1.2.3 12:30:45 0.0.0.0 2001-12-14 2001-1-2 2001-13-01 2001-02-29 2000-02-29 1900-02-29 "
    "2001-12-14T21:59:43Z 2001-12-14t21:59:43.10-05:00 2001-12-14T1:2:3+01:00 2001-12-14T21:59:43 2001-12-14T24:00:00Z 01-12-14 2001- 2001-1 "
    "<< = 0x 0b 0o 1_2.5_0 1_e3 1e1_0 -_1 0_7 5_ 99999999999999999999 1,5 1e1000 2001-12-14T21:59:43,5Z ٣ Ⅷ n/a t f T"
).split()


def test_types_are_those_that_sops_encrypts(sops_maker):
    lines = [f"k{number}: {text}" for number, text in enumerate((*SCALARS, "2001-12-14 21:59:43.5", "2001-12-14  1:2:3", "2001-12-14 21:59:43 -5"))]
    encrypted = read("yaml", sops_maker.encrypt("\n".join(lines).encode(), "yaml"))
    clear = read("yaml", "\n".join(lines).encode())
    assert [item.path for item in clear.items] == [item.path for item in encrypted.items]
    for plain, sealed in zip(clear.items, encrypted.items, strict=True):
        found = parse_ciphertext(sealed.scalar.text)
        assert (plain.scalar.text, plain.scalar.type) == (plain.scalar.text, found.type if found else "null")


def test_a_quoted_scalar_is_a_string():
    assert {item.scalar.type for item in read("yaml", b"a: '1'\nb: \"true\"\nc: |-\n  1\nd: >-\n  null\ne: ''\n").items} == {"str"}


def test_numbers_too_long_to_convert():
    assert resolve("1" * 100_000) == "str"
    assert resolve("0x" + "f" * 17) == "str"


# Written by sops for `x_unencrypted` and the like, and nothing to complain of.
GENUINE = r"""# a comment
a_unencrypted: !!binary gIGC
b_unencrypted: "<<"
c_unencrypted: "tab\t nel\x85 ls\u2028 \U0001F600"
d_unencrypted: |
    several

    lines
e_unencrypted: "\n first is empty"
f_unencrypted: 2001-12-14
base: &base {k: v}
merged:
    <<: *base
"a key of more than a hundred and twenty-eight characters is written with a question mark, which is the only thing that it does so for": 1
"several\nlines": 1
"true": 1
"1": 1
"": 1
größe: 1
"#": 1
"- x": 1
lists: [[1, [2]], {a: {b: []}}]
nulls: [null, ~, {}, '']
---
second: document # inline
"""


def test_what_sops_writes_for_odd_documents(sops_maker):
    data = sops_maker.encrypt(GENUINE.encode(), "yaml")
    content = read("yaml", data)
    assert content.problems == ()
    assert content.documents == len(content.metadata) == 2
    assert b"!!binary" in data
    assert b"!!merge" in data
    texts = {item.path[-1]: item.scalar.text for item in content.items if item.kind == "value" and item.path}
    assert texts["a_unencrypted"] == "\udc80\udc81\udc82"
    assert texts["b_unencrypted"] == "<<"
    assert texts["c_unencrypted"] == "tab\t nel\x85 ls\u2028 \U0001f600"
    assert sum(item.kind == "comment" for item in content.items) >= 2


@pytest.mark.parametrize(
    ("encode", "mark"), [("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"), ("utf-8", b"")]
)
def test_encodings_and_their_spans(encode, mark):
    data = mark + "größe: 😀x # ü\r\n# ö\r\nb: 'y'\r\n".encode(encode)
    content = read("yaml", data)
    assert content.problems == ()
    places = [data[slice(*item.scalar.span)].decode(encode) for item in content.items]
    assert places == ["# ü", "😀x", "# ö", "'y'"]


@pytest.mark.parametrize(
    "data",
    [b"a: \xff\n", b"a: 1\0\n", b"\xff\xfea\0:\0 \0\xd8", b"a: \x7f\n", b"a: [1\n", b"a: 1\n  b: 2\n", b"\ta: 1\n", b"a: 1\n... word\n", b"%FOO x\n---\na: 1\n"],
)
def test_what_does_not_parse(data):
    assert problems(data)[0][0] == "sops-malformed"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &word 1\n", "&word "),
        ("a: &word\n  # words\n  b: 1\n", "&word\n  # words\n  "),
        ("a: !word 1\n", "!word "),
        ("a: ! 1\n", "! "),
        ("a: !!str 1\n", "!!str "),
        ("a: !<tag:yaml.org,2002:binary> aGk=\n", "!<tag:yaml.org,2002:binary> "),
        ("a: !!binary # words\n  aGk=\n", "!!binary # words\n  "),
        ("a: &x !!binary aGk=\n", "&x !!binary "),
        ("!word a: 1\n", "!word "),
        ("a: !word [1]\n", "!word "),
        ("a: !word {b: 1}\n", "!word "),
        ("--- !word\na: 1\n", "!word\n"),
        ("%TAG ! tag:word,2000:\n---\na: 1\n", "%TAG ! tag:word,2000:\n---"),
        ("%YAML 1.1\n# words\n---\na: 1\n", "%YAML 1.1\n# words\n---"),
        ("? [word]\n: 1\n", "["),
        ("? {word: 1}\n: 1\n", "{"),
        ("a: 1\na: 2\n", "a"),
        ("m:\n  a: 1\n  a: 2\n", "a"),
        ("l: [{a: 1, 'a': 2}]\n", "'a'"),
        ("sops:\n  a: 1\n  a: 2\n", "a"),
        ("sops: {}\nsops: {}\n", "sops"),
    ],
)
def test_where_text_hides(text, place):
    assert problems(text) == [("sops-hidden-text", place)]


def test_an_alias_is_never_followed():
    assert problems("a: &x [1]\nb: *x\nc:\n  <<: *x\n") == [
        ("sops-hidden-text", "&x "),
        ("sops-hidden-text", "*x"),
        ("sops-hidden-text", "*x"),
    ]


@pytest.mark.parametrize("text", ["1: x\n", "true: x\n", "~: x\n", "? \n: x\n", "2001-12-14: x\n", ": x\n"])
def test_keys_that_are_no_strings(text):
    assert [rule for rule, _ in problems(text)] == ["sops-malformed"]


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "--- |\n  words\n", "[]\n", "'x'\n"])
def test_documents_that_are_no_maps(text):
    assert [rule for rule, _ in problems(text)] == ["sops-malformed"]


@pytest.mark.parametrize(("text", "count"), [("", 0), ("# x\n", 0), ("---\n", 1), ("---\n---\n# x\n", 2), ("a: 1\n...\n---\nb: 2\n...\n", 2)])
def test_documents_are_counted(text, count):
    content = read("yaml", text.encode())
    assert (content.documents, content.problems) == (count, ())


COMMENTED = """\
# top
a: 1 # beside a
nest: # beside the key
    # in the map
    deep: 2 # beside deep
    # behind deep

    list: # beside the list's key
        # in the list
        - 3
        # between
        - x: 4
          # in the item
          y: 5
        - # beside the dash
          z: 6
    # end of nest
# before last
last: |+ # beside the bar
    text

# end
"""


def test_where_comments_stand():
    found = [(path, text.strip()) for kind, path, text in items(COMMENTED) if kind == "comment"]
    assert found == [
        ("", "top"),
        ("", "beside a"),
        ("", "beside the key"),
        ("nest", "in the map"),
        ("nest", "beside deep"),
        ("nest", "behind deep"),
        ("nest", "beside the list's key"),
        ("nest.list", "in the list"),
        ("nest.list", "between"),
        ("nest.list", "in the item"),
        ("nest.list", "beside the dash"),
        ("nest", "end of nest"),
        ("", "before last"),
        ("", "beside the bar"),
        ("", "end"),
    ]


def test_a_comment_stands_before_the_value_beside_it():
    assert [text.strip() for kind, _, text in items("a: 1 # x\nb: [2, # y\n 3]\n") if kind in ("value", "comment")] == ["x", "1", "y", "2", "3"]


def test_sops_puts_comments_where_the_reader_does(sops_maker):
    # Encrypted is what has `nest` in its path: the program's own word on where a comment belongs.
    config = sops_maker.recipe(selector=("encrypted_regex", "^(nest|last)$"))
    clear = [item.path[:1] == ("nest",) for item in read("yaml", COMMENTED.encode()).items if item.kind == "comment"]
    content = read("yaml", sops_maker.encrypt(COMMENTED.encode(), "yaml", config))
    # In lists, sops 3.11 turns comments into values of the type `comment`.
    sealed = [parse_ciphertext(item.scalar.text) for item in content.items]
    comments = [
        found is not None
        for item, found in zip(content.items, sealed, strict=True)
        if item.kind == "comment" or (found is not None and found.type == "comment")
    ]
    assert comments == clear


def test_a_comment_in_the_metadata_is_clear_for_good():
    text = "a: 1\nsops: # one\n    # two\n    mac: x # three\n    age:\n        # four\n        - recipient: y\n    version: 1 # five\n# six\n"
    content = read("yaml", text.encode())
    assert [(problem.rule, problem.value and problem.value.reveal()) for problem in content.problems] == [
        ("sops-clear-comment", word) for word in (b" one", b" two", b" three", b" four", b" five")
    ]
    assert [item.scalar.text for item in content.items if item.kind == "comment"] == [" six"]


def test_metadata_is_a_tree_with_its_places():
    data = b"a: 1\nsops:\n    kms: []\n    age:\n        - {recipient: x, enc: 'y'}\n    n: 2\n"
    (node,) = read("yaml", data).metadata
    assert isinstance(node, MapNode)
    (kms, empty), (age, keys), (name, number) = node.entries
    assert (kms.text, age.text, name.text) == ("kms", "age", "n")
    assert empty == ListNode((), Span(20, 22))
    assert isinstance(keys, ListNode)
    assert isinstance(keys.entries[0], MapNode)
    assert [(key.text, value.text, data[slice(*value.span)]) for key, value in keys.entries[0].entries] == [("recipient", "x", b"x"), ("enc", "y", b"'y'")]
    assert number == Scalar("2", "int", Span(data.rindex(b"2"), data.rindex(b"2") + 1))
    assert [item.path for item in read("yaml", data).items] == [("a",)]


@pytest.mark.parametrize("text", ["sops: hunter\n", "sops:\n", "sops: []\n", "a: 1\n---\nsops: x\n"])
def test_a_sops_entry_of_any_kind_is_metadata(text):
    content = read("yaml", text.encode())
    assert len(content.metadata) == 1
    assert all(item.path != ("sops",) for item in content.items)


def test_only_the_entry_of_the_root_is_metadata():
    assert read("yaml", b"a:\n  sops: {b: 1}\nl: [{sops: 2}]\n").metadata == ()


def test_metadata_nested_without_end_is_refused():
    content = read("yaml", b"sops: " + b"[" * 200 + b"]" * 200)
    assert [problem.rule for problem in content.problems] == ["sops-malformed"]


def test_lists_share_the_path_and_empty_ones_are_seen():
    assert items("a: [1, [2], {b: 3}]\nc: {}\nd: []\n") == [
        ("open", "a", ""),
        ("value", "a", "1"),
        ("open", "a", ""),
        ("value", "a", "2"),
        ("close", "a", ""),
        ("open", "a", ""),
        ("value", "a.b", "3"),
        ("close", "a", ""),
        ("close", "a", ""),
        ("open", "c", ""),
        ("close", "c", ""),
        ("open", "d", ""),
        ("close", "d", ""),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"{a: " * 3000 + b"1" + b"}" * 3000,
        b"a: " + b"[" * 3000 + b"]" * 3000,
        b"\n".join(b" " * depth + b"a:" for depth in range(3000)) + b" 1\n",
    ],
    ids=["maps", "lists", "blocks"],
)
def test_three_thousand_levels(data):
    assert read("yaml", data).problems == ()


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 1_000_000,
        b"{a: " * 4000 + b", ".join(b"b%d: 1" % number for number in range(50_000)),
        b"a: &a [1, 1]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (number, number) for number in range(3000)),
        b"".join(b" " * depth + b"a:\n" for depth in range(500)) + b" " * 500 + b"b: 1\n" + b"# x\n" * 200_000,
        b"- !a &b x\n" * 10_000,
        b"a: 1\n" + b" \n" * 500_000 + b"# x\n",
    ],
    ids=["brackets", "wide and deep", "aliases", "comments", "tags", "space"],
)
def test_hostile_files_take_no_longer_than_they_are(data):
    start = time.process_time()
    content = read("yaml", data)
    assert time.process_time() - start < 5
    assert content.problems or content.items
