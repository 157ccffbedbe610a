# SPDX-License-Identifier: Apache-2.0
"""No byte of a file gets lost: a word put in anywhere is an item's, a key's, the metadata's or a problem's."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sopsmaker import Store

from scanner.sops.content import Content, ListNode, MapNode, Node, Scalar
from scanner.sops.stores import READERS, read

WORD = "Zq9word"
DOCUMENTS: dict[Store, bytes] = {
    "yaml": (
        b'# head\na: one\nnest: # on the key\n    # inner\n    list:\n        - 1 # inline\n        - {x: 2}\n    text: |\n        two\n        lines\nkept_unencrypted: "quoted"\n'
        b"folded_unencrypted: |\n    some\n    lines\nempty: ''\nnothing:\n# foot\n---\nsecond: 2\n# last\n"
    ),
    "json": b'{"a": "one", "list": [1, true, null, {"b": 2.5}], "kept_unencrypted": "x\\ny", "e": "", "m": {}}',
    "dotenv": b"# head\nA=one\n\nexport B='two'\nC_unencrypted=x=y\nE=\n#last\n",
    "ini": b"top = 0\n; head\n[db]\nuser = x\n# of pass\npass = `a#b`\nkept_unencrypted = 'q'\ne =\n[empty]\n",
    "binary": b"anything at all\n",
}
# How a word may be dressed to slip into a place.
DRESSES = ("{}", " {} ", " #{}\n", "\n#{}\n", "\n{}\n", "\n{}: {}\n", "&{} ", "!{} ", "*{} ", "\n%{} x\n---\n", "\n...\n{}\n", ", {} ", "\n;{}\n", '"{}"', "{}=", "[{}]", "?{} ")


def words(content: Content) -> list[str]:
    """Return every text that the reader gives to those who judge."""
    found = [part for item in content.items for part in (*item.path, item.scalar.text)]
    todo: list[Node] = list(content.metadata)
    while todo:
        node = todo.pop()
        if isinstance(node, Scalar):
            found.append(node.text)
        elif isinstance(node, MapNode):
            todo += [part for entry in node.entries for part in entry]
        else:
            todo += node.entries
    return found


def is_accounted_for(content: Content, data: bytes, word: str) -> bool:
    """Tell whether a word of the file is in what was read of it, or in the place of a problem."""
    if any(problem.rule == "sops-malformed" for problem in content.problems):
        return True
    if any(word.encode() in data[problem.span.start : problem.span.end] for problem in content.problems):
        return True
    return any(word in text for text in words(content))


def boundaries(data: bytes) -> list[int]:
    """Return the places between tokens, and a few inside of long runs of letters."""
    inside = {place for run in re.finditer(rb"[\w+/=]{9,}", data) for place in range(run.start() + 3, run.end() - 3)}
    return [place for place in range(len(data) + 1) if place not in inside]


@pytest.fixture(scope="module", params=list(DOCUMENTS))
def encrypted(request, sops_maker):
    store: Store = request.param
    return store, sops_maker.encrypt(DOCUMENTS[store], store)


def test_what_sops_writes_has_no_problems(encrypted):
    store, data = encrypted
    content = read(store, data)
    assert content.problems == ()
    assert len(content.metadata) == content.documents
    assert any(item.scalar.text.startswith("ENC[") for item in content.items)


def test_a_word_put_in_anywhere_is_accounted_for(encrypted):
    store, data = encrypted
    lost = []
    for number, place in enumerate(boundaries(data)):
        for dress in (DRESSES[number % len(DRESSES)], DRESSES[(number * 7 + 3) % len(DRESSES)]):
            changed = data[:place] + dress.format(*[WORD] * dress.count("{}")).encode() + data[place:]
            if not is_accounted_for(read(store, changed), changed, WORD):
                lost.append((dress, changed[max(place - 30, 0) : place + 40]))
    assert lost == []


@pytest.mark.parametrize("dress", DRESSES)
def test_every_dress_at_every_end_of_a_line(encrypted, dress):
    store, data = encrypted
    lines = [found.start() for found in re.finditer(rb"\n|$", data)]
    for place in lines:
        changed = data[:place] + dress.format(*[WORD] * dress.count("{}")).encode() + data[place:]
        assert is_accounted_for(read(store, changed), changed, WORD), changed[max(place - 30, 0) : place + 40]


def test_spans_hold_what_they_speak_of(encrypted):
    store, data = encrypted
    for item in read(store, data).items:
        if item.scalar.text.startswith("ENC["):
            assert item.scalar.text.encode() in data[slice(*item.scalar.span)]


def test_the_metadata_is_whole(encrypted):
    store, data = encrypted
    metadata = read(store, data).metadata[0]
    assert isinstance(metadata, MapNode)
    names = {key.text: node for key, node in metadata.entries}
    assert {"age", "lastmodified", "mac", "version"} <= names.keys()
    keys = names["age"]
    assert isinstance(keys, ListNode)
    assert isinstance(keys.entries[0], MapNode)
    parts = {key.text: node.text for key, node in keys.entries[0].entries}
    assert parts["recipient"].startswith("age1")
    assert parts["enc"].startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")


@pytest.mark.parametrize("store", READERS)
@given(data=st.one_of(st.binary(max_size=60), st.text("ab:#-?,[]{}&*!|>'\"%@` \n\r\t\\=;.0é\ufeff\0", max_size=40).map(str.encode)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
def test_nothing_makes_a_reader_raise(store, data):
    content = read(store, data)
    for item in content.items:
        assert 0 <= item.scalar.span.start <= item.scalar.span.end <= len(data)
    for problem in content.problems:
        assert 0 <= problem.span.start <= problem.span.end <= len(data)


@pytest.mark.parametrize("store", READERS)
def test_a_table_has_every_store(store):
    assert read(store, b"").store == store
