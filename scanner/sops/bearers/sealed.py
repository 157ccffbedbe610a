# SPDX-License-Identifier: Apache-2.0
"""Whole files that others than SOPS have encrypted: git-crypt, age, OpenPGP, ansible-vault.

The form is checked as far as it goes without a key: a header with clear text behind it is no ciphertext.
"""

import binascii
import re
from typing import Final

_GIT_CRYPT: Final = b"\0GITCRYPT\0"
_GIT_CRYPT_NONCE: Final = 12
_AGE: Final = re.compile(
    rb"age-encryption\.org/v1\n(?:-> [\x21-\x7e][^\n]*\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+--- [A-Za-z0-9+/]{43}\n"
)
_AGE_PAYLOAD: Final = 16 + 16
_ARMOR: Final = re.compile(
    rb"\s*-----BEGIN (?P<kind>AGE ENCRYPTED FILE|PGP MESSAGE)-----\r?\n(?:[A-Z][\w-]{2,20}: [^\r\n]{0,200}\r?\n){0,4}\s*"
    rb"(?P<body>[A-Za-z0-9+/=\r\n]{40,})-----END (?P=kind)-----\s*"
)
# Encrypted session keys and encrypted data begin a message, in the old and the new form (RFC 9580 section 4.2).
_PGP_PACKETS: Final = frozenset((0x84, 0x85, 0x86, 0x8C, 0x8D, 0xC1, 0xC3, 0xD2))
_VAULT: Final = re.compile(rb"\$ANSIBLE_VAULT;1\.[12];AES256(?:;[\w.@-]{1,100})?[ \t]*\r?\n(?P<body>[0-9a-f\s]+)")
_READABLE: Final = re.compile(rb"[\x20-\x7e\r\n\t]{64}")
_VAULT_DIGITS: Final = 96


def is_sealed(data: bytes) -> bool:
    """Whether these bytes are one ciphertext from beginning to end."""
    if data.startswith(_GIT_CRYPT):
        return len(data) > len(_GIT_CRYPT) + _GIT_CRYPT_NONCE and not _READABLE.search(data)
    if data.startswith(b"age-encryption.org/"):
        return _is_age(data)
    if data.startswith(b"$ANSIBLE_VAULT"):
        found = _VAULT.fullmatch(data)
        return found is not None and is_vault_text(found["body"])
    head = data[:200].lstrip()
    if head.startswith((b"-----BEGIN AGE", b"-----BEGIN PGP MESSAGE")):
        return _is_armored(data)
    return data[:1] != b"" and data[0] in _PGP_PACKETS and len(data) > 64 and not _READABLE.search(data)


def is_vault_text(digits: bytes) -> bool:
    """Whether hex stands for hex, as the lines of ansible-vault do."""
    joined = b"".join(digits.split())
    if len(joined) < _VAULT_DIGITS or len(joined) % 2:
        return False
    return re.fullmatch(rb"[0-9a-f\n]+", binascii.unhexlify(joined)) is not None


def _is_age(data: bytes) -> bool:
    found = _AGE.match(data)
    return found is not None and len(data) - found.end() >= _AGE_PAYLOAD and not _READABLE.search(data, found.end())


def _is_armored(data: bytes) -> bool:
    found = _ARMOR.fullmatch(data)
    if found is None:
        return False
    try:
        inner = binascii.a2b_base64(re.sub(rb"\n=[A-Za-z0-9+/]{4}\s*\Z", b"", found["body"]))
    except ValueError:
        return False
    return _is_age(inner) if found["kind"].startswith(b"AGE") else inner[:1] != b"" and inner[0] in _PGP_PACKETS
