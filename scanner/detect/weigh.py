# SPDX-License-Identifier: Apache-2.0
"""Is a value that is given to a telling name a secret? By syntax first, then by a sum of weights."""

import re
from typing import Final

from scanner.detect.context import Context
from scanner.detect.features import inside_string, open_quote, _FAMILIES, _MEANING, _MODIFIERS, _COMMENT
from scanner.detect.judge import placeholder

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")



_TYPES = frozenset("true false yes no on off null none nil undefined void string str text number integer int bool boolean object array any char varchar bytes password* required optional unset empty default disabled enabled ascii utf8 base64 hex md5 sha1 sha256 sha512 plain plaintext bearer basic".split())
_VAR = re.compile(r"\$\{?[A-Za-z_]\w*\}?(?:[:/@*.-]*\$\{?[A-Za-z_]\w*\}?)*|.*%[A-Za-z_]\w*%.*|@?/dev/\w+|\$\(.*|`.*")
_BRACED = re.compile(r"[\\^]?[({\[<].{0,80}[)}\]>][+*?$]?")
def denial(context: Context, kind: str) -> str:
    value = context.value
    reason = placeholder(value.encode())
    if reason:
        return reason
    words = [w.lower() for w in _WORD.findall(value)]
    if value.lower() in _TYPES:
        return "it is a word for no value or a type"
    if _VAR.fullmatch(value):
        return "it refers to a value that is kept elsewhere"
    if words and not any(c.isdigit() for c in value) and all(_MEANING.get(w) in _FAMILIES or w in _MODIFIERS for w in words) and any(_MEANING.get(w) in _FAMILIES for w in words):
        return "it only names what is wanted"
    if {"public", "pub"} & set(context.words):
        return "what is public is no secret"
    if not context.quote and kind in ("code", "data") and not inside_string(context.before) and not _COMMENT.match(context.before):
        return "an expression"
    if context.quote == "`" and kind == "shell" and " " in value:
        return "the output of a command"
    if kind in ("code", "data") and context.quote in ("'", '"') and open_quote(context.before + context.name + context.between) == context.quote:
        return "between two strings"
    return ""
