# SPDX-License-Identifier: Apache-2.0
"""What a selector encrypts, held against what the real sops leaves in clear."""

import time

import pytest

from scanner.model import Span
from scanner.sops.ciphertext import parse_ciphertext
from scanner.sops.content import Item, Scalar
from scanner.sops.creation.policy import DEFAULT_SELECTOR, Selector
from scanner.sops.selector import selects
from scanner.sops.stores import read

YAML = b"""\
# top, to be sealed
plain: one
name_unencrypted: two
# sealed from here
# and this line too
next: 3
then: 4.5
outer:
    # inner word
    secret_key: five # sealed inline
    list:
        # first item
        - six
        # sealed item
        - seven
        - [eight, nine]
        - deep: ten
          deeper_unencrypted: [eleven, {twelve: 12}]
    # last of outer
after: true
# sealed map
data:
    a: x
    b:
        - y
    # within
    c: z
empty: ""
nothing: null
none: {}
end: w
---
# the second one
plain: once more
data: {k: sealed}
"""
JSON = b'{"plain": "a", "data": {"x": "b", "list": ["c", {"y_unencrypted": "d"}]}, "secret_key": "e", "n": 1, "z": null, "empty": ""}'
DOTENV = b"# sealed\nPLAIN=a\nsecret_key=b\n# other\nDATA=c\nX_unencrypted=d\n"
INI = b"[data]\n; sealed\nsecret_key = a\nplain = b\n\n[other]\nplain = c\n; word\nx_unencrypted = d\n"
SELECTORS = [
    DEFAULT_SELECTOR,
    Selector("unencrypted_suffix", "key"),
    Selector("encrypted_suffix", "_key"),
    Selector("encrypted_suffix", "data"),
    Selector("unencrypted_regex", "^data$"),
    Selector("unencrypted_regex", "(?i)DATA|e"),
    Selector("encrypted_regex", "^(data|secret_key)$"),
    Selector("encrypted_regex", "ai"),
    Selector("unencrypted_comment_regex", "sealed"),
    Selector("encrypted_comment_regex", "sealed"),
    Selector("encrypted_comment_regex", "inner|within"),
]


def _encrypted(item: Item) -> bool:
    return item.kind in ("value", "comment") and parse_ciphertext(item.scalar.text) is not None


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: f"{selector.kind}={selector.value}")
@pytest.mark.parametrize(("store", "document"), [("yaml", YAML), ("json", JSON), ("dotenv", DOTENV), ("ini", INI)])
def test_what_is_selected_is_what_sops_encrypts(sops_maker, store, document, selector):
    recipe = sops_maker.recipe(selector=tuple(selector))
    content = read(store, sops_maker.encrypt(document, store, recipe))
    assert [(item.path, item.kind) for item in content.items if _encrypted(item)] == [
        (item.path, item.kind) for item, selected in zip(content.items, selects(content.items, selector), strict=True) if selected
    ]


def _kind(item: Item) -> str:
    """A comment in a list becomes, encrypted, one of the list's values."""
    return "comment" if item.scalar.text.endswith("type:comment]") else item.kind


@pytest.mark.parametrize("selector", SELECTORS, ids=lambda selector: f"{selector.kind}={selector.value}")
def test_the_clear_document_is_judged_like_the_encrypted_one(sops_maker, selector):
    # Without inline comments and those at a map's end, which sops moves; each of the others stays where it is.
    clear = YAML.replace(b" # sealed inline", b"").replace(b"    # last of outer\n", b"")
    encrypted = read("yaml", sops_maker.encrypt(clear, "yaml", sops_maker.recipe(selector=tuple(selector))))
    before, after = (
        [(_kind(item), item.path, selected) for item, selected in zip(items, selects(items, selector), strict=True) if item.kind in ("value", "comment")]
        for items in (read("yaml", clear).items, encrypted.items)
    )
    assert before == after


def _item(kind, *path, text="v", type_="str", document=0):
    return Item(kind, path, Scalar(text, type_, Span(0, 0)), document)


def test_a_comment_counts_until_the_next_value_of_its_level():
    items = [
        _item("comment", text="seal"),
        _item("open", "a"),
        _item("value", "a", "x"),
        _item("value", "a", "y"),
        _item("close", "a"),
        _item("value", "b"),
    ]
    assert selects(items, Selector("encrypted_comment_regex", "seal")) == [False, False, True, True, False, False]


def test_null_and_what_is_empty_use_up_a_comment_and_are_not_encrypted():
    items = [_item("comment", text="seal"), _item("value", "a", text="", type_="null"), _item("value", "b")]
    assert selects(items, Selector("encrypted_comment_regex", "seal")) == [False, False, False]
    assert selects([_item("value", "a", text=""), _item("comment", text="")], DEFAULT_SELECTOR) == [False, False]


def test_a_comment_ends_with_its_document():
    items = [_item("comment", text="seal"), _item("value", "a", document=1)]
    assert selects(items, Selector("encrypted_comment_regex", "seal")) == [False, False]


def test_more_brackets_closed_than_opened_are_survived():
    items = [_item("close"), _item("close"), _item("comment", text="seal"), _item("value", "a")]
    assert selects(items, Selector("encrypted_comment_regex", "seal"))[-1]


@pytest.mark.parametrize("kind", ["encrypted_regex", "unencrypted_regex", "encrypted_comment_regex", "unencrypted_comment_regex"])
def test_nothing_passes_by_an_expression_that_does_not_compile(kind):
    assert selects([_item("open", "a"), _item("value", "a", "b"), _item("close", "a")], Selector(kind, "(?=x)")) == [False, True, False]


def test_a_key_that_is_no_unicode_is_searched_all_the_same():
    assert selects([_item("value", "data\udcff")], Selector("encrypted_regex", "^data.$")) == [True]


@pytest.mark.parametrize("selector", [DEFAULT_SELECTOR, Selector("encrypted_regex", "^(data|stringData)$"), Selector("encrypted_comment_regex", "seal")])
def test_a_hundred_thousand_items_are_quick(selector):
    items = [_item("comment" if number % 7 == 0 else "value", "data", f"key{number}", text="note") for number in range(100_000)]
    started = time.process_time()
    selects(items, selector)
    assert time.process_time() - started < 2
