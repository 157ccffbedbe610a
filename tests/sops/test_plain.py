# SPDX-License-Identifier: Apache-2.0
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Span
from scanner.sops.content import Scalar, Store, ValueType
from scanner.sops.keyed.plain import clear_bytes, encode, floating, opened_bytes


def clear(text: str, type_: ValueType, store: Store = "yaml") -> bytes:
    return clear_bytes(Scalar(text, type_, Span(0, 0)), store)


# What go-yaml reads and strconv.Itoa, FormatFloat(v, 'f', -1, 64) and MarshalText write.
@pytest.mark.parametrize(
    ("type_", "text", "written"),
    [
        ("int", "5432", b"5432"),
        ("int", "-7", b"-7"),
        ("int", "+7", b"7"),
        ("int", "0x1F", b"31"),
        ("int", "-0x1f", b"-31"),
        ("int", "0o17", b"15"),
        ("int", "017", b"15"),
        ("int", "0b101", b"5"),
        ("int", "1_000_000", b"1000000"),
        ("int", "9223372036854775807", b"9223372036854775807"),
        ("int", "9" * 30, b"1" + b"0" * 30),
        ("int", "9" * 5000, b"9" * 5000),
        ("float", "1.50", b"1.5"),
        ("float", "1e3", b"1000"),
        ("float", "1e21", b"1" + b"0" * 21),
        ("float", "1.5E-7", b"0.00000015"),
        ("float", "-0.0", b"-0"),
        ("float", ".5", b"0.5"),
        ("float", "5.", b"5"),
        ("float", ".inf", b"+Inf"),
        ("float", "-.INF", b"-Inf"),
        ("float", ".NaN", b"NaN"),
        ("float", "1e999", b"1e999"),
        ("bool", "true", b"True"),
        ("bool", "FALSE", b"False"),
        ("null", "~", b""),
        ("str", "grün", b"gr\xc3\xbcn"),
        ("time", "2024-02-29", b"2024-02-29T00:00:00Z"),
        ("time", "2024-1-2 3:4:5.60", b"2024-01-02T03:04:05.6Z"),
        ("time", "2024-01-02T03:04:05+00:00", b"2024-01-02T03:04:05Z"),
        ("time", "2024-01-02t03:04:05.123456789123+05:30", b"2024-01-02T03:04:05.123456789+05:30"),
        ("time", "2023-02-29", b"2023-02-29"),
        ("time", "2024-01-02T25:00:00Z", b"2024-01-02T25:00:00Z"),
    ],
)
def test_a_clear_value_adds_what_go_writes(type_: ValueType, text: str, written: bytes) -> None:
    assert clear(text, type_) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_shortest_and_without_an_exponent(value: float) -> None:
    written = floating(repr(value))
    assert written is not None
    assert b"e" not in written
    assert not written.endswith((b".", b".0"))
    assert struct.pack("d", float(written)) == struct.pack("d", value)


@pytest.mark.parametrize(
    ("type_", "plain", "adds"),
    [
        ("str", b"\xff\x00", b"\xff\x00"),
        ("int", b"42", b"42"),
        ("float", b"0.1", b"0.1"),
        ("float", b"+Inf", b"+Inf"),
        ("bool", b"True", b"True"),
        ("time", b"2024-01-02T03:04:05Z", b"2024-01-02T03:04:05Z"),
        ("int", b"word", None),
        ("float", b"word", None),
        ("bool", b"yes", None),
        ("time", b"noon", None),
        ("int", b"\xff", None),
        ("comment", b"word", b""),
        ("bytes", b"word", None),
    ],
)
def test_a_decrypted_value_is_of_its_type_or_adds_nothing(type_: str, plain: bytes, adds: bytes | None) -> None:
    assert opened_bytes(plain, type_) == adds


def test_bytes_that_are_no_text_are_kept_where_the_store_knows_bytes_only() -> None:
    assert encode(b"\xff\xfe".decode("utf-8", "surrogateescape"), "dotenv") == b"\xff\xfe"
    assert encode("\ud800x", "json") == "\ufffdx".encode()
    assert encode("\ud800x", "ini") == "\ufffdx".encode()
