# SPDX-License-Identifier: Apache-2.0
"""Shamir's secret sharing as SOPS uses it: each byte by itself over GF(256), a share's last byte is its x.

The field is that of AES (x^8 + x^4 + x^3 + x + 1), as in `shamir/shamir.go` of getsops/sops.
"""

from collections.abc import Sequence
from functools import cache


@cache
def _tables() -> tuple[bytes, bytes]:
    """Return powers of the generator 3 (twice round, so that sums of logarithms need no modulo) and logarithms."""
    powers, logarithms = bytearray(510), bytearray(256)
    value = 1
    for exponent in range(255):
        powers[exponent] = powers[exponent + 255] = value
        logarithms[value] = exponent
        value ^= value << 1
        if value & 0x100:
            value ^= 0x11B
    return bytes(powers), bytes(logarithms)


def _basis(xs: Sequence[int], index: int) -> int:
    """Return Lagrange's basis polynomial of one share at zero; subtraction is exclusive or."""
    powers, logarithms = _tables()
    exponent = 0
    for other, x in enumerate(xs):
        if other != index:
            exponent += logarithms[x] + 255 - logarithms[x ^ xs[index]]
    return powers[exponent % 255]


def combine(shares: Sequence[bytes]) -> bytes | None:
    """Return what the shares give together, or None for what cannot be shares of one secret.

    Too few shares give a wrong answer rather than none: nothing in a share tells how many are needed.
    """
    if len(shares) < 2 or len({len(share) for share in shares}) != 1 or len(shares[0]) < 2:
        return None
    xs = [share[-1] for share in shares]
    if 0 in xs or len(set(xs)) != len(xs):
        return None
    powers, logarithms = _tables()
    secret = bytearray(len(shares[0]) - 1)
    for index, share in enumerate(shares):
        basis = logarithms[_basis(xs, index)]
        for place in range(len(secret)):
            if share[place]:
                secret[place] ^= powers[logarithms[share[place]] + basis]
    return bytes(secret)
