# SPDX-License-Identifier: Apache-2.0
"""What a proof says, and the encodings that several of them read."""

import binascii
from typing import Final, Literal, NamedTuple

Outcome = Literal["proven", "plausible", "weakened", "doubtful", "refuted"]


class Proof(NamedTuple):
    """`proven` raises a finding, `plausible` leaves it, `doubtful` makes it low, `refuted` drops it.

    `weakened` is for what is of no use without a passphrase, and for what has the outside of a key alone: at most medium.
    """

    outcome: Outcome
    reason: str


def decode_base64(value: bytes) -> bytes | None:
    """Return the bytes of base64 or base64url, padded or not, or None where it is neither."""
    value = value.rstrip(b"=").translate(_TO_BASE64)
    try:
        return binascii.a2b_base64(value + b"=" * (-len(value) % 4), strict_mode=True)
    except ValueError:
        return None


_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")


def in_base(number: int, digits: bytes, length: int) -> bytes:
    """Return a number in the base of these digits, padded on the left with the first of them."""
    text = bytearray()
    while number:
        number, digit = divmod(number, len(digits))
        text.append(digits[digit])
    return bytes(reversed(text)).rjust(length, digits[:1])
