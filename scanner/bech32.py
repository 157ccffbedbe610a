# SPDX-License-Identifier: Apache-2.0
"""Bech32 (BIP 173), in which age writes its keys: a prefix, a 1, five bits a character, a checksum of 30 bits."""

from typing import Final

CHARACTERS: Final = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES: Final = {character: value for value, character in enumerate(CHARACTERS)}
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def residue(prefix: bytes, characters: bytes) -> int:
    """Return the residue of the checksum, 1 if it is right; both in lower case, `ValueError` for any other character."""
    try:
        values = [_VALUES[character] for character in characters]
    except KeyError:
        raise ValueError("not a character of Bech32") from None
    check = 1
    for value in [*(byte >> 5 for byte in prefix), 0, *(byte & 31 for byte in prefix), *values]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            if top >> bit & 1:
                check ^= generator
    return check


def is_valid(text: bytes) -> bool:
    """Whether a text is Bech32 with a right checksum; upper case is what age writes identities in."""
    prefix, separator, characters = text.lower().rpartition(b"1")
    try:
        return bool(separator) and residue(prefix, characters) == 1
    except ValueError:
        return False


def decode(characters: bytes) -> list[int]:
    """Return the five-bit values of the characters, checksum included."""
    return [_VALUES[character] for character in characters]
