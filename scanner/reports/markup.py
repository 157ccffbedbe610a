# SPDX-License-Identifier: Apache-2.0
"""Untrusted text inside markup: XML, HTML and the Markdown of platforms, in ASCII.

Everything that is not plain becomes a numeric character reference. All three know those, none of them takes one for
markup, and a document without a byte beyond ASCII cannot be read in a wrong encoding.
"""

import re
from typing import Final

from scanner.display import one_line

# XML 1.0, section 2.4, and both kinds of quotation mark, so that an attribute's value is safe too.
_MARKUP: Final = re.compile(r"""[&<>"']|[^\x20-\x7e]""")
# Markdown gives a meaning to most of ASCII, and platforms add theirs: @name, #1, !1, www.example.com, :sign:, $x$.
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9 ]")


def markup_text(text: str) -> str:
    """Return text for XML and HTML, in elements and in quoted attributes."""
    return _MARKUP.sub(_reference, one_line(text))


def markdown_text(text: str) -> str:
    """Return text that stays text in any Markdown: no link, mention, image or table cell is made of it."""
    return _NOT_PLAIN.sub(_reference, one_line(text))


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"
