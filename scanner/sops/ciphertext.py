# SPDX-License-Identifier: Apache-2.0
"""`ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`: the only thing that SOPS writes for a value.

The grammar is that of getsops/sops `aes/cipher.go`, narrowed to what its encryption can produce: a nonce of 32
bytes, a tag of 16, data that is never empty. SOPS itself ignores what stands behind the bracket; here nothing may.
"""

import re
from binascii import a2b_base64
from collections.abc import Iterator
from typing import Final, NamedTuple

from scanner.model import Span

_MARKER: Final = b"ENC[AES256_GCM,"
# Possessive: 20 MB of a binary file took 0.9 GB for the ways back, and three seconds.
_FORM: Final = (
    r"ENC\[AES256_GCM,data:([A-Za-z0-9+/]++={0,2}),iv:([A-Za-z0-9+/]{43}=),tag:([A-Za-z0-9+/]{22}==),"
    r"type:(str|int|float|bool|time|comment)\]"
)
# Its groups are data, iv, tag (base64) and type; the length of data is for the caller to check.
match_form: Final = re.compile(_FORM).fullmatch
# Chance that so many random bytes are all printable: (95/256)^12, below 1 in 100,000.
READABLE_BYTES: Final = 12


class Ciphertext(NamedTuple):
    """A well-formed value; `data`, `iv` and `tag` in bytes."""

    data: bytes
    iv: bytes
    tag: bytes
    type: str


def parse_ciphertext(text: str) -> Ciphertext | None:
    """Return the parts of a text that is a ciphertext from beginning to end, else None."""
    found = match_form(text)
    if found is None:
        return None
    data, iv, tag, type_ = found.groups()
    if len(data) % 4:
        return None
    return Ciphertext(a2b_base64(data), a2b_base64(iv), a2b_base64(tag), type_)


def doubt(value: Ciphertext, readable_bytes: int = READABLE_BYTES) -> str:
    """Return why SOPS cannot have written this well-formed value, or nothing.

    `readable_bytes` of printable data are no chance any more; one more byte makes it e times less likely, about.
    """
    if value.type == "bool" and len(value.data) not in (4, 5):
        return "a bool is encrypted as four or five bytes (True, False)"
    if len(set(value.iv)) == 1 or len(set(value.tag)) == 1:
        return "its nonce or tag is one byte over and over"
    if len(value.data) >= readable_bytes and all(0x20 <= byte < 0x7F for byte in value.data):
        return "its data is readable text in base64"
    return ""


def ciphertext_spans(data: bytes) -> Iterator[Span]:
    """Yield where well-formed ciphertext stands in a file, whatever the file is."""
    if _MARKER in data:
        for found in re.compile(_FORM.encode()).finditer(data):
            yield Span(*found.span())
