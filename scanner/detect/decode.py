# SPDX-License-Identifier: Apache-2.0
"""Content that is written in another encoding than its rules are.

UTF-16 and UTF-32, with and without a byte order mark, are turned into UTF-8 as a whole: lines and
columns are counted in characters, so they are the same in both.
"""

from typing import Final

_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_PROBE_BYTES: Final = 1024


def transcode(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the data in UTF-8, and the name of the encoding it was in where that was another one."""
    head = data[:_PROBE_BYTES]
    if 0 not in head:
        return data, ()
    encoding = _encoding(head)
    if not encoding:
        return data, ()
    return data.decode(encoding, "replace").encode("utf-8", "replace"), (encoding,)


def _encoding(head: bytes) -> str:
    """Return the encoding that a byte order mark names, or that zero bytes at every other place suggest."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2], head[1::2]
    if len(head) < 8:
        return ""
    if odd.count(0) > len(odd) * 0.8 and even.count(0) < len(even) * 0.1:
        return "utf-16-le"
    if even.count(0) > len(even) * 0.8 and odd.count(0) < len(odd) * 0.1:
        return "utf-16-be"
    return ""
