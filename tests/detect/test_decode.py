# SPDX-License-Identifier: Apache-2.0
"""Content in another encoding: recognised by its mark or its zero bytes, and left alone where it is neither."""

import pytest

from scanner.detect.decode import transcode

TEXT = "name = wert\nключ = 😀 value of some length\n"
ASCII = "name = value\nkey = another value of some length\n"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_names_the_encoding(encoding: str) -> None:
    assert transcode(("\ufeff" + TEXT).encode(encoding)) == (("\ufeff" + TEXT).encode(), (encoding,))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_zero_bytes_at_every_other_place_tell_the_encoding(encoding: str) -> None:
    assert transcode(ASCII.encode(encoding)) == (ASCII.encode(), (encoding,))


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_zero_bytes_at_three_of_four_places_tell_the_encoding(encoding: str) -> None:
    assert transcode(ASCII.encode(encoding)) == (ASCII.encode(), (encoding,))


@pytest.mark.parametrize(
    "data",
    [b"", TEXT.encode(), b"\xef\xbb\xbf" + TEXT.encode(), b"\0", b"\0" * 2000, b"\x7fELF\2\1\1" + b"\0" * 60, b"ab\0cd", bytes(range(256))],
)
def test_what_is_in_no_other_encoding_is_left_alone(data: bytes) -> None:
    assert transcode(data) == (data, ())


def test_broken_pairs_become_replacement_characters() -> None:
    data = b"\xff\xfe" + "ab".encode("utf-16-le") + b"\x00\xd8" + "cd".encode("utf-16-le")
    assert transcode(data)[0].decode() == "\ufeffab\ufffdcd"
