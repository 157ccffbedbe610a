# SPDX-License-Identifier: Apache-2.0
"""JSON and the binary store: one object, every key once, and not a byte beside it."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.model import Span
from scanner.sops.content import ListNode, MapNode, Scalar
from scanner.sops.stores import read


def problems(data: str | bytes, store="json") -> list[tuple[str, bytes]]:
    data = data.encode() if isinstance(data, str) else data
    return [(problem.rule, data[slice(*problem.span)]) for problem in read(store, data).problems]


def test_items_in_order_with_paths_types_and_places():
    data = '{"a": "é\\n\\u0041", "l": [1, [2.5], {"b": true, "c": null}], "m": {}, "e": ""}'.encode()
    content = read("json", data)
    assert content.problems == ()
    assert [(item.kind, ".".join(item.path), item.scalar.text, item.scalar.type) for item in content.items if item.kind == "value"] == [
        ("value", "a", "é\nA", "str"),
        ("value", "l", "1", "int"),
        ("value", "l", "2.5", "float"),
        ("value", "l.b", "true", "bool"),
        ("value", "l.c", "null", "null"),
        ("value", "e", "", "str"),
    ]
    assert [(item.kind, ".".join(item.path)) for item in content.items if item.kind != "value"] == [
        ("open", "l"), ("open", "l"), ("close", "l"), ("open", "l"), ("close", "l"), ("close", "l"), ("open", "m"), ("close", "m")
    ]
    assert [data[slice(*item.scalar.span)] for item in content.items if item.kind == "value"][:2] == ['"é\\n\\u0041"'.encode(), b"1"]


@pytest.mark.parametrize(
    ("number", "kind"),
    [("0", "int"), ("-1", "int"), ("9223372036854775807", "int"), ("9223372036854775808", "float"), ("-9223372036854775808", "int"), ("1e2", "float"), ("1.0", "float"), ("1" * 9999, "float")],
)
def test_types_of_numbers(number, kind):
    assert read("json", f'{{"a": {number}}}'.encode()).items[0].scalar.type == kind


def test_half_of_a_surrogate_pair_is_no_text():
    text = read("json", rb'{"a": "\ud83d\ude00 \ud83d x"}').items[0].scalar.text
    assert text == "😀 \ufffd x"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(document=st.dictionaries(st.text(max_size=5).filter(lambda key: key != "sops"), _VALUES, max_size=4), indent=st.sampled_from((None, 0, "\t")), ascii_only=st.booleans())
@settings(max_examples=100, deadline=None, database=None)
def test_whatever_python_writes(document, indent, ascii_only):
    data = json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    content = read("json", data)
    assert content.problems == ()

    def leaves(value):
        if isinstance(value, dict):
            return [leaf for inner in value.values() for leaf in leaves(inner)]
        if isinstance(value, list):
            return [leaf for inner in value for leaf in leaves(inner)]
        return [value]

    read_back = [item.scalar.text if item.scalar.type == "str" else json.loads(item.scalar.text) for item in content.items if item.kind == "value"]
    assert read_back == leaves(document)


@pytest.mark.parametrize(
    "data",
    [
        "", " ", "null", "[]", '"x"', "1", "[1]", "{", "}", '{"a"}', '{"a":}', '{"a":1,}', "{,}", '{"a":1 "b":2}', '{"a":[1,]}', '{"a":[,1]}', '{"a":1]', '{"a":[1}', "{'a':1}", "{a:1}",
        '{"a":01}', '{"a":+1}', '{"a":1.}', '{"a":.5}', '{"a":1e}', '{"a":NaN}', '{"a":tru}', '{"a":truex}', '{"a":"\t"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"x}', '{"a" 1}', '{"a"::1}', "{1:2}",
        '{"a":1} x', '{"a":1}{}', '{"a":1},', '{"a":1} // words', '// words\n{"a":1}', '{"a": /* words */ 1}', '{"a":1}\0', '\ufeff{"a":1}', "{\u00a0}", '{"a":1-}', '{"a":12x}',
    ],
)  # fmt: skip
def test_what_is_no_json_object(data):
    assert "sops-malformed" in {rule for rule, _ in problems(data)}


@pytest.mark.parametrize("data", [b'{"a": "\xff"}', b"\xff\xfe{\0}\0", b'{"a": "\xed\xa0\x80"}'])
def test_what_is_no_utf_8(data):
    assert "sops-malformed" in {rule for rule, _ in problems(data)}


def test_data_behind_the_value_is_shown_whole():
    assert problems('{"a": 1}\n{"word": 2}\n') == [("sops-malformed", b'{"word": 2}\n')]


@pytest.mark.parametrize("data", ['{"a": 1, "a": 2}', '{"x": {"a": 1, "a": 2}}', '{"x": [{"a": 1, "\\u0061": 2}]}', '{"sops": {"a": 1, "a": 2}}', '{"sops": {}, "sops": {}}'])
def test_a_key_that_stands_twice(data):
    assert [rule for rule, _ in problems(data)] == ["sops-hidden-text"]


def test_metadata_is_a_tree_with_its_places():
    data = b'{"sops": {"age": [{"enc": "x"}], "n": 2}, "a": {"sops": 1}}'
    content = read("json", data)
    ((age, keys), (name, number)) = content.metadata[0].entries
    assert (age.text, name.text) == ("age", "n")
    assert isinstance(keys, ListNode)
    assert isinstance(keys.entries[0], MapNode)
    assert keys.entries[0].entries[0][1] == Scalar("x", "str", Span(26, 29))
    assert number == Scalar("2", "int", Span(38, 39))
    assert [item.path for item in content.items if item.kind == "value"] == [("a", "sops")]


def test_formatters_do_no_harm(sops_maker):
    data = sops_maker.encrypt(b'{"a": "x", "l": [1, {"b": 2}], "n": null}', "json")
    document = json.loads(data)
    for text in (json.dumps(document), json.dumps(dict(reversed(document.items())), indent=3), json.dumps(document, separators=(",", ":"))):
        content = read("json", text.encode())
        assert content.problems == ()
        assert {item.path for item in content.items} == {("a",), ("l",), ("l", "b"), ("n",)}
        assert len(content.metadata) == 1


def test_the_binary_store_has_two_keys():
    assert problems('{"data": "x", "sops": {}}', "binary") == []
    assert problems('{"data": "x", "word": "y", "sops": {}}', "binary") == [("sops-hidden-text", b'"y"')]
    assert problems('{"data": "x", "word": {"a": [1, 2]}, "sops": {}}', "binary") == [("sops-hidden-text", b"{")]
    assert [rule for rule, _ in problems('{"data": {"a": 1}, "sops": {}}', "binary")] == ["sops-hidden-text"]
    assert [rule for rule, _ in problems('{"data": [1], "sops": {}}', "binary")] == ["sops-hidden-text"]
    assert [rule for rule, _ in problems("-----BEGIN", "binary")] == ["sops-malformed"]


@pytest.mark.parametrize(
    "data",
    [b"[" * 1_000_000, b'{"a":' * 100_000, b'{"a": "' + b"\\n" * 500_000 + b'"}', b'{"a": "' + b"x" * 1_000_000, b'{"a": ' + b"1" * 1_000_000 + b"}", b" " * 1_000_000 + b"x"],
    ids=["lists", "maps", "escapes", "unclosed", "digits", "space"],
)
def test_hostile_files_take_no_longer_than_they_are(data):
    start = time.process_time()
    read("json", data)
    assert time.process_time() - start < 3


def test_three_thousand_levels():
    assert read("json", b'{"a":' * 3000 + b"1" + b"}" * 3000).problems == ()
