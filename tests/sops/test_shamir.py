# SPDX-License-Identifier: Apache-2.0
import itertools
import random

import pytest

from scanner.sops.keyed.shamir import combine


def multiply(a: int, b: int) -> int:
    """Multiply in the field of AES, bit by bit: independent of the tables under test."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= 0x11B
        b >>= 1
    return product


def split(secret: bytes, shares: int, threshold: int, rng: random.Random) -> list[bytes]:
    """Split as `shamir.Split` of getsops/sops does: a polynomial for each byte, x from 1 as the last byte."""
    polynomials = [[byte, *(rng.randrange(256) for _ in range(threshold - 1))] for byte in secret]
    made = []
    for x in range(1, shares + 1):
        share = bytearray()
        for polynomial in polynomials:
            value = 0
            for coefficient in reversed(polynomial):
                value = multiply(value, x) ^ coefficient
            share.append(value)
        made.append(bytes(share) + bytes([x]))
    return made


@pytest.mark.parametrize(("shares", "threshold"), [(2, 2), (3, 2), (5, 3), (4, 4)])
def test_any_shares_that_are_enough_give_the_secret(shares: int, threshold: int) -> None:
    rng = random.Random(shares * 10 + threshold)
    secret = bytes(rng.randrange(256) for _ in range(32))
    made = split(secret, shares, threshold, rng)
    for count in range(threshold, shares + 1):
        for chosen in itertools.permutations(made, count):
            assert combine(chosen) == secret


def test_as_many_shares_as_there_can_be() -> None:
    secret = bytes(range(0, 256, 15))
    made = split(secret, 255, 20, random.Random(1))
    assert combine(made[200:220]) == secret
    assert combine(made) == secret


def test_too_few_shares_give_something_else() -> None:
    secret = b"k" * 32
    assert combine(split(secret, 5, 3, random.Random(2))[:2]) != secret


@pytest.mark.parametrize(
    "shares",
    [[], [b"a\x01"], [b"ab\x01", b"a\x02"], [b"\x01", b"\x02"], [b"a\x01", b"b\x01"], [b"a\x00", b"b\x01"]],
    ids=["none", "one", "lengths differ", "nothing but x", "the same x twice", "x is zero"],
)
def test_what_cannot_be_shares_gives_nothing(shares: list[bytes]) -> None:
    assert combine(shares) is None
