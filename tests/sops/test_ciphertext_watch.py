# SPDX-License-Identifier: Apache-2.0
"""Ciphertext that passes by in pieces has the spans of ciphertext that is held."""

import base64
import random

from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Span
from scanner.sops import ciphertext
from scanner.sops.ciphertext import CiphertextWatch, ciphertext_spans


def _ciphertext(dice: random.Random, length: int) -> bytes:
    data, iv, tag = (base64.b64encode(dice.randbytes(n)) for n in (length, 32, 16))
    return b"ENC[AES256_GCM,data:" + data + b",iv:" + iv + b",tag:" + tag + b",type:str]"


def _parts() -> list[bytes]:
    dice = random.Random(5)
    whole = [_ciphertext(dice, length) for length in (1, 2, 3, 40, 900)]
    broken = [one.replace(b",iv:", b";iv:") for one in whole[:3]] + [
        one[:cut] for one in whole[3:] for cut in (9, 20, 40, len(one) - 1)
    ]
    return [
        *whole,
        *broken,
        b"ENC[AES256_GCM,data:",
        b"=",
        b"==",
        b"Aa+/",
        b"x" * 150,
        b" ",
        b"\n",
        b"sops:\n",
        b"ENC[",
        b",data:",
    ]


PARTS = _parts()


def _watched(data: bytes, size: int) -> tuple[CiphertextWatch, list[Span]]:
    watch = CiphertextWatch()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(watch.watch(pieces)) == pieces
    return watch, [Span(*span) for span in zip(watch._starts, watch._ends, strict=True)]


@given(st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join), st.integers(1, 400))
def test_any_pieces(data: bytes, size: int) -> None:
    watch, spans = _watched(data, size)
    expected = list(ciphertext_spans(data))
    assert spans == expected
    assert watch.is_encrypted == bool(expected and b"sops" in data)
    for start, end in expected:
        assert watch.covers(Span(start, end))
        assert watch.covers(Span(start + 5, end - 5))
        assert not watch.covers(Span(start, end + 1))
        assert not start or not watch.covers(Span(start - 1, end))


def test_what_is_long_ago_is_let_go_of_but_for_what_is_long(monkeypatch) -> None:
    monkeypatch.setattr(ciphertext, "_KEPT_BYTES", 3000)
    monkeypatch.setattr(ciphertext, "_LONG_BYTES", 2000)
    dice = random.Random(1)
    parts = [_ciphertext(dice, 30) + b"\n", _ciphertext(dice, 2000) + b"\n", *(_ciphertext(dice, 30) + b"\n" for _ in range(100))]
    data = b"".join(parts)
    watch, spans = _watched(data, 100)
    assert len(spans) < 40
    long = list(ciphertext_spans(data))[1]
    assert [watch.covers(long), watch.covers_at_last(long)] == [False, True]
    assert not watch.covers_at_last(Span(0, 10))
