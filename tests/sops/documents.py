# SPDX-License-Identifier: Apache-2.0
"""Random documents of every store, for the real sops to encrypt (strategies of hypothesis).

They hold all that SOPS takes: nested maps and lists, every type and spelling, comments wherever they may stand, empty
values, several documents. They hold nothing that the checks are meant to report although SOPS wrote it; the cases of
that are listed in `test_differential.py`.
"""

import json
from typing import Any

from hypothesis import strategies as st
from sopsmaker import Store

# Kind and value of each selector, with an entry that it encrypts: a selector that matches nothing is reported.
SELECTORS: dict[Store, tuple[tuple[str, str] | None, ...]] = {
    "yaml": (
        None,
        ("unencrypted_suffix", "_open"),
        ("encrypted_suffix", "_s"),
        ("unencrypted_regex", "^(meta|open)"),
        ("encrypted_regex", "(?i)^(data|.*_S)$"),
        ("unencrypted_comment_regex", "^ *open"),
        ("encrypted_comment_regex", "closed"),
    )
}
SELECTORS |= {"dotenv": SELECTORS["yaml"], "ini": SELECTORS["yaml"], "json": SELECTORS["yaml"][:5], "binary": (None,)}

_WORDS = ("alpha", "beta", "gamma delta", "größe", "naïve café", "日本語", "a: b", "x # y", "- dash", "it's", 'say "hi"', "ENC", "#", "tab\there")
_NAMES = ("name", "meta", "meta_data", "open", "size_open", "data", "colour_s", "label_unencrypted", "größe", "with space", "a.b", "UPPER", "k1", "y", "no")
_COMMENTS = ("one", "open words", "closed words", "größe", "it is: so", "# two", "[brackets]", "-", "")
# Printable, and whatever the stores must escape; no surrogates, which no UTF-8 has.
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), max_codepoint=0x2FFFF), max_size=12)


def documents(store: Store) -> st.SearchStrategy[bytes]:
    """Return documents of a store; each ends with an entry that every selector of `SELECTORS` encrypts."""
    return {"yaml": _yaml_file, "json": _json_file, "dotenv": _dotenv_file, "ini": _ini_file, "binary": st.binary}[store]()


# --- YAML: written out by hand, as a library would use few of its spellings

_PLAIN = (
    *("0", "12", "-7", "+3", "0x1F", "0o17", "017", "0b101", "1_000", "9223372036854775807", "99999999999999999999"),
    *("1.5", "-0.25", "1e3", "6.02e23", "1E-7", ".5", "2.", ".inf", "-.INF", ".nan", "123456.789e-3"),
    *("true", "false", "True", "FALSE", "yes", "no", "on", "off", "y", "null", "Null", "~", "", '""', "''"),
    *("2020-01-02", "2001-12-14t21:59:43.10-05:00", "2020-01-02T03:04:05Z", "2020-01-02 03:04:05", "12:30:45", "1.2.3", "0.0.0.0/0"),
    *("plain", "two words", "http://example.org/a?b=c", "größe", "a#b", "-x", "<<", "=", "@", "%", "{}", "[]", "{a: 1, b: [x, y]}", "[1, two, [3]]"),
)
_PLAIN_SAFE = tuple(text for text in _PLAIN if text not in ("@", "%"))  # reserved: no plain scalar begins so


def _double(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def _scalar(draw: st.DrawFn, indent: int) -> str:
    """A scalar as it stands behind `key:` or `-`, without the line's end."""
    style = draw(st.sampled_from(("plain", "plain", "single", "double", "escaped", "literal", "folded")))
    if style == "plain":
        return draw(st.sampled_from(_PLAIN_SAFE))
    if style in ("single", "double"):
        text = draw(st.sampled_from(_WORDS) | _TEXT)
        return _single(text) if style == "single" else _double(text)
    if style == "escaped":
        return draw(st.sampled_from(('"\\u00fc\\n\\t"', '"\\x41\\0"', '"a\\\n' + " " * indent + 'b"', '"\\""', '"line one\\nline two\\n"')))
    lines = draw(st.lists(st.sampled_from(("line", "more of it", "", "  deeper", "# no comment", "a: b", "größe")), min_size=1, max_size=4))
    head = ("|" if style == "literal" else ">") + draw(st.sampled_from(("", "-", "+")))
    body = "\n".join(" " * indent + line if line else "" for line in ["begin", *lines])
    return f"{head}\n{body}"


@st.composite
def _comment_lines(draw: st.DrawFn, indent: int) -> str:
    texts = draw(st.lists(st.sampled_from(_COMMENTS), max_size=2)) if draw(st.integers(0, 2)) == 0 else []
    blank = "\n" if draw(st.integers(0, 9)) == 0 else ""
    return blank + "".join(f"{' ' * indent}# {text}".rstrip() + "\n" for text in texts)


@st.composite
def _yaml_map(draw: st.DrawFn, depth: int, indent: int, *, top: bool = False) -> str:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=0 if top else 1, max_size=5 if top else 3, unique=True))
    text = ""
    for name in names:
        key = name if draw(st.booleans()) else draw(st.sampled_from((_single, _double)))(name)
        text += draw(_comment_lines(indent)) + " " * indent + f"{key}:" + draw(_yaml_value(depth, indent))
    return text + (draw(_comment_lines(indent)) if names else "")


@st.composite
def _yaml_list(draw: st.DrawFn, depth: int, indent: int) -> str:
    text = ""
    for _ in range(draw(st.integers(1, 3))):
        text += draw(_comment_lines(indent)) + " " * indent + "-" + draw(_yaml_value(depth, indent, in_list=True))
    return text


@st.composite
def _yaml_value(draw: st.DrawFn, depth: int, indent: int, *, in_list: bool = False) -> str:
    kind = draw(st.sampled_from(("scalar", "scalar", "scalar", "map", "list"))) if depth else "scalar"
    if kind == "scalar":
        text = draw(_scalar(indent + 2))
        inline = f" # {draw(st.sampled_from(_COMMENTS))}".rstrip() if "\n" not in text and draw(st.integers(0, 5)) == 0 else ""
        return f" {text}".rstrip(" ") + inline + "\n"
    step = draw(st.sampled_from((2, 4)))
    nested = draw(_yaml_map(depth - 1, indent + step) if kind == "map" else _yaml_list(depth - 1, indent + step))
    first = nested.lstrip(" ")
    if in_list and not nested.startswith(("\n", " " * (indent + step) + "#")) and draw(st.booleans()):
        return " " * (step - 1) + first  # `- key: value`, the map beginning on the item's own line
    return "\n" + nested


@st.composite
def _yaml_document(draw: st.DrawFn) -> str:
    text = draw(_yaml_map(3, 0, top=True))
    # Selected by the regex and the suffix, and by the comment; not by what leaves clear.
    return text + draw(_comment_lines(0)) + "# closed\nlast_s: words\n"


@st.composite
def _yaml_file(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(_yaml_document(), min_size=1, max_size=3)) if draw(st.integers(0, 3)) == 0 else [draw(_yaml_document())]
    start = "---\n" if draw(st.integers(0, 5)) == 0 else ""
    return (start + "---\n".join(parts)).encode()


# --- JSON

_JSON_NAMES = st.sampled_from(_NAMES) | _TEXT.filter(lambda name: name != "sops")
_JSON_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(("", *_WORDS, "line one\nline two\n", "\x00\x1f")),
    _TEXT,
)


@st.composite
def _json_file(draw: st.DrawFn) -> bytes:
    values: st.SearchStrategy[Any] = st.recursive(
        _JSON_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_JSON_NAMES, inner, max_size=3), max_leaves=8
    )
    document = draw(st.dictionaries(_JSON_NAMES, values, max_size=5)) | {"last_s": "words"}
    indent = draw(st.sampled_from((None, 2, "\t")))
    return json.dumps(document, indent=indent, ensure_ascii=draw(st.booleans())).encode()


# --- dotenv and INI

_FLAT_NAMES = st.sampled_from(("NAME", "meta", "META_DATA", "open", "size_open", "data", "colour_s", "label_unencrypted", "a.b", "k1"))
_FLAT_VALUES = st.sampled_from(
    ("", "x", "1", "true", "two words", '"quoted"', "'single'", "a=b", "größe", "a\\nb", "a\\\\nb", " lead", "trail ", "$VAR", "http://example.org/#x", "日本語")
)


@st.composite
def _dotenv_file(draw: st.DrawFn) -> bytes:
    lines = []
    for name in draw(st.lists(_FLAT_NAMES, max_size=6, unique=True)):
        if draw(st.integers(0, 2)) == 0:
            lines.append("#" + draw(st.sampled_from((" ", ""))) + draw(st.sampled_from(_COMMENTS)))
        if draw(st.integers(0, 5)) == 0:
            lines.append("")
        prefix = "export " if draw(st.integers(0, 5)) == 0 else ""
        lines.append(f"{prefix}{name}={draw(_FLAT_VALUES)}")
    return ("\n".join([*lines, "# closed", "last_s=words"]) + "\n").encode()


@st.composite
def _ini_file(draw: st.DrawFn) -> bytes:
    lines = []
    sections = draw(st.lists(st.sampled_from(("", "one", "two words", "data", "meta", "größe", "a.b")), max_size=3, unique=True))
    for section in sorted(sections):
        if section:
            if draw(st.integers(0, 3)) == 0:
                lines.append("; " + draw(st.sampled_from(_COMMENTS)))
            lines.append(f"[{section}]")
        for name in draw(st.lists(_FLAT_NAMES, max_size=4, unique=True)):
            if draw(st.integers(0, 3)) == 0:
                lines.append(draw(st.sampled_from(("; ", "# ", ";"))) + draw(st.sampled_from(_COMMENTS)))
            between = draw(st.sampled_from((" = ", "=", ": ")))
            value = draw(_FLAT_VALUES | st.just('"""line one\nline two"""'))
            lines.append(f"{name}{between}{value}")
    return ("\n".join([*lines, "[last]", "; closed", "before = words", "last_s = words"]) + "\n").encode()
