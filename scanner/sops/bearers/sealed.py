# SPDX-License-Identifier: Apache-2.0
"""Whole files that others than SOPS have encrypted: git-crypt, age, OpenPGP, ansible-vault.

The form is checked as far as it goes without a key: a header with clear text behind it is no ciphertext.
"""

import binascii
import math
import re
from typing import Final

from scanner.sops.wrapping.pgp import is_encrypted_message

_GIT_CRYPT: Final = b"\0GITCRYPT\0"
_GIT_CRYPT_NONCE: Final = 12
_AGE: Final = re.compile(
    rb"age-encryption\.org/v1\n(?:-> [\x21-\x7e][^\n]*\n(?:[A-Za-z0-9+/]{64}\n)*[A-Za-z0-9+/]{0,63}\n)+--- [A-Za-z0-9+/]{43}\n"
)
_AGE_PAYLOAD: Final = 16 + 16
_ARMOR: Final = re.compile(
    rb"\s*-----BEGIN (?P<kind>AGE ENCRYPTED FILE|PGP MESSAGE)-----\r?\n"
    rb"(?:(?:Version|Comment|Charset|Hash|MessageID): [^\r\n]{0,80}\r?\n){0,4}\s*"
    rb"(?P<body>[A-Za-z0-9+/=\r\n]{40,})-----END (?P=kind)-----\s*"
)
_VAULT: Final = re.compile(rb"\$ANSIBLE_VAULT;1\.[12];AES256(?:;[\w.@-]{1,100})?[ \t]*\r?\n(?P<body>[0-9a-f\s]+)")
_VAULT_DIGITS: Final = 96
# Of 256 bytes 98 are text to a person; what of as many random bytes is text by chance is longer once in 100,000.
_SHARE: Final = -math.log(98 / 256)
_CHANCE: Final = math.log(100_000)
_UTF8_BYTES: Final = 40


def is_sealed(data: bytes) -> bool:
    """Whether these bytes are one ciphertext from beginning to end."""
    if data.startswith(_GIT_CRYPT):
        return len(data) > len(_GIT_CRYPT) + _GIT_CRYPT_NONCE and not _is_text(data[len(_GIT_CRYPT) :])
    if data.startswith(b"age-encryption.org/"):
        return _is_age(data)
    if data.startswith(b"$ANSIBLE_VAULT"):
        found = _VAULT.fullmatch(data)
        return found is not None and is_vault_text(found["body"])
    head = data[:200].lstrip()
    if head.startswith((b"-----BEGIN AGE", b"-----BEGIN PGP MESSAGE")):
        return _is_armored(data)
    return data[:1] >= b"\x80" and _is_message(data)


def is_vault_text(digits: bytes) -> bool:
    """Whether hex stands for hex, as the lines of ansible-vault do."""
    joined = b"".join(digits.split())
    if len(joined) < _VAULT_DIGITS or len(joined) % 2:
        return False
    inner = binascii.unhexlify(joined)
    if re.fullmatch(rb"[0-9a-f\n]+", inner) is None:
        return False
    # Salt, MAC and ciphertext are random bytes, each in hex again.
    digits = inner.replace(b"\n", b"")
    return not _is_text(binascii.unhexlify(digits[: len(digits) // 2 * 2]))


def _is_text(data: bytes) -> bool:
    """Whether there is text in what should be indistinguishable from random bytes."""
    if not data:
        return False
    run = math.ceil((math.log(len(data)) + _CHANCE) / _SHARE)
    if re.search(rb"[\x20-\x7e\r\n\t]{%d}" % run, data):
        return True
    # Text with other letters than those of ASCII has shorter runs.
    try:
        return len(data) >= _UTF8_BYTES and bool(data.decode())
    except UnicodeDecodeError:
        return False


def _is_age(data: bytes) -> bool:
    found = _AGE.match(data)
    return found is not None and len(data) - found.end() >= _AGE_PAYLOAD and not _is_text(data[found.end() :])


def _is_message(data: bytes) -> bool:
    return is_encrypted_message(data) and not _is_text(data)


def _is_armored(data: bytes) -> bool:
    found = _ARMOR.fullmatch(data)
    if found is None:
        return False
    try:
        inner = binascii.a2b_base64(re.sub(rb"\n=[A-Za-z0-9+/]{4}\s*\Z", b"", found["body"]))
    except ValueError:
        return False
    return _is_age(inner) if found["kind"].startswith(b"AGE") else _is_message(inner)
