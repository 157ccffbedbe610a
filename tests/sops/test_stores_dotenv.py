# SPDX-License-Identifier: Apache-2.0
"""dotenv as SOPS has it, and metadata that was flattened."""

import pytest

from scanner.model import Span
from scanner.sops.content import ListNode, MapNode, Scalar
from scanner.sops.stores import read
from scanner.sops.stores.flat import unflatten


def problems(data: bytes) -> list[tuple[str, bytes]]:
    return [(problem.rule, data[slice(*problem.span)]) for problem in read("dotenv", data).problems]


def test_lines_as_sops_splits_them():
    data = "# one\n#two\nA=x=y\nexport B='q'\n  C = \\n z \nE=\n\nÄ=ö#no comment\nA=again".encode()
    content = read("dotenv", data)
    assert content.problems == ()
    assert [(item.kind, item.path, item.scalar.text, data[slice(*item.scalar.span)].decode()) for item in content.items] == [
        ("comment", (), " one", "# one"),
        ("comment", (), "two", "#two"),
        ("value", ("A",), "x=y", "x=y"),
        ("value", ("export B",), "'q'", "'q'"),
        ("value", ("  C ",), " \n z ", " \\n z "),
        ("value", ("E",), "", ""),
        ("value", ("Ä",), "ö#no comment", "ö#no comment"),
        ("value", ("A",), "again", "again"),
    ]


def test_what_sops_makes_of_it(sops_maker):
    content = read("dotenv", sops_maker.encrypt(b"#c\nA=1\nA=2\nexport B='x'\n C =\n", "dotenv"))
    assert content.problems == ()
    assert [(item.kind, item.path) for item in content.items] == [
        ("comment", ()), ("value", ("A",)), ("value", ("A",)), ("value", ("export B",)), ("value", (" C ",))
    ]
    assert content.items[-1].scalar.text == ""


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"A=1\nword\n", b"word"), (b"A=1\n # x\n", b" # x"), (b"A=1\n \n", b" "), (b"A=\xff\n", b"A=\xff"), (b"#\xff\n", b"#\xff"), (b"A=1\r\n\r\nB=2\r\n", b"\r")],
)
def test_what_sops_cannot_read(data, place):
    assert problems(data)[0] == ("sops-malformed", place)


def test_a_returned_carriage_is_told_once_and_left_off_the_values():
    content = read("dotenv", b"A=1\r\n\r\nB=2\r\nsops_version=3\r\n")
    assert len(content.problems) == 1
    assert [item.scalar.text for item in content.items] == ["1", "2"]
    assert content.metadata[0].entries[0][1].text == "3"


def test_every_line_that_begins_with_sops_is_metadata():
    data = b"sops_age__list_0__map_enc=a\\nb\nA=1\nsops_=x\nsops_age__list_1__map_enc=c\nsops_kms__list_0__map_context__map_k=v\nsopsx=1\n"
    content = read("dotenv", data)
    assert [item.path for item in content.items] == [("A",), ("sopsx",)]
    (node,) = content.metadata
    names = {key.text: value for key, value in node.entries}
    assert list(names) == ["age", "", "kms"]
    assert isinstance(names["age"], ListNode)
    first, second = names["age"].entries
    assert isinstance(first, MapNode)
    assert isinstance(second, MapNode)
    assert first.entries[0] == (Scalar("enc", "str", Span(0, 25)), Scalar("a\nb", "str", Span(26, 30)))
    assert data[slice(*second.entries[0][1].span)] == b"c"
    assert content.problems == ()


def flat(*keys: str) -> tuple[list[str], object]:
    found = []
    span = Span(0, 1)
    node = unflatten([(Scalar(key, "str", span), Scalar(str(number), "str", span)) for number, key in enumerate(keys)], found)
    return [problem.rule for problem in found], node


@pytest.mark.parametrize(
    "keys",
    [
        ("a", "a"),
        ("a", "a__map_b"),
        ("a__map_b", "a"),
        ("a__map_b", "a__list_0"),
        ("a__list_0", "a__map_b"),
        ("a__list_x",),
        ("a__list_",),
        ("a__list_-1",),
        ("a__list_00",),
        ("a__list_9999999999",),
        ("__map_".join("a" * 100),),
    ],
)
def test_what_sops_cannot_have_flattened(keys):
    assert flat(*keys)[0] == ["sops-metadata"]


def test_lists_are_in_their_order_whatever_the_file_has():
    _, node = flat("a__list_1", "a__list_0")
    assert isinstance(node, MapNode)
    assert isinstance(node.entries[0][1], ListNode)
    assert [entry.text for entry in node.entries[0][1].entries] == ["1", "0"]


def test_nothing_flat_is_no_metadata():
    assert flat() == ([], None)
