# SPDX-License-Identifier: Apache-2.0
"""Changes of comments and of the document around the values; and those that change nothing."""

import re

from mutation import mutation, only
from mutations_of_values import TOKEN
from samples import DOCUMENTS, Change, Sample
from sopsmaker import Store

# --- Comments

COMMENTS = "Comments"
_COMMENTED: tuple[Store, ...] = ("yaml", "dotenv", "ini")


@mutation(COMMENTS, "in clear on top", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.comment("plain words") + s.data


@mutation(COMMENTS, "in clear above a value", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    line = s.line("word")
    return s.edit(Change(line[0], line[0], b"    " * (s.store == "yaml") + s.comment("plain words"))) if line else None


@mutation(COMMENTS, "in clear behind a value", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[0], s.values[0][0] + b" " + s.comment("plain words").rstrip(b"\n"))


@mutation(COMMENTS, "in clear at the end", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.data + s.comment("plain words")


@mutation(COMMENTS, "in clear in the metadata", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    at = s.data.index(b"\n", s.metadata[0]) + 1
    return s.edit(Change(at, at, s.comment("plain words")))


@mutation(COMMENTS, "in clear behind the mac", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.with_field("mac", s.field("mac") + " # plain words")


@mutation(COMMENTS, "in clear inside a flow list", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.add(b"extra: [ # plain words\n  ]\n")


@mutation(COMMENTS, "encrypted one replaced by clear text", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.replace(s.comments[0], b" plain words")


@mutation(COMMENTS, "clear text behind an encrypted one", "keyless")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.replace(s.comments[0], s.comments[0][0] + b" plain words")


@mutation(COMMENTS, "in clear in JSON", "keyless")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"{\n", b"{ // plain words\n", 1)


@mutation(COMMENTS, "random, well-formed", "keyed")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.replace(s.comments[0], s.other.comments[0][0])


@mutation(COMMENTS, "encrypted one moved to another map", "never", why="SOPS itself moves comments to a neighbouring map and back")
@only("yaml", "ini")
def _(s: Sample) -> bytes | None:
    top, inner = s.comments[0], s.comments[-1]
    return s.edit(Change(*top.span(), inner[0]), Change(*inner.span(), top[0]))


@mutation(COMMENTS, "encrypted one removed", "never", why="comments are not in the MAC")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.data[s.data.index(b"\n") + 1 :]


@mutation(COMMENTS, "encrypted one repeated", "never", why="comments are not in the MAC, and the copy decrypts")
@only(*_COMMENTED)
def _(s: Sample) -> bytes | None:
    return s.data[: s.data.index(b"\n") + 1] + s.data


@mutation(COMMENTS, "clear comment that selects, added above a clear value", "keyless", "encrypted_comment_regex")
@only("yaml")
def _(s: Sample) -> bytes | None:
    line = s.line("name")
    assert line is not None
    return s.edit(Change(line[0], line[0], b"# note inside\n"))


# --- Structure

STRUCTURE = "Structure"


@mutation(STRUCTURE, "entry twice, in clear first", "keyless")
def _(s: Sample) -> bytes | None:
    found = s.value("data" if s.store == "binary" else "last")
    assert found is not None
    at = s.data.rindex(b"\n", 0, found.start()) + 1
    name = s.data[at : found.start()].split(b"=")[0].split(b":")[0].strip(b' \t"').decode()
    return s.edit(Change(at, at, s.entry(name, s.quote("plain words"))))


@mutation(STRUCTURE, "entry twice, both encrypted", "keyless", dotenv="keyed")
def _(s: Sample) -> bytes | None:
    found = s.value("data" if s.store == "binary" else "last")
    assert found is not None
    begin, end = s.data.rindex(b"\n", 0, found.start()) + 1, s.data.index(b"\n", found.end()) + 1
    return s.edit(Change(begin, begin, s.data[begin:end]))


@mutation(STRUCTURE, "anchor", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[0], b"&plain " + s.values[0][0])


@mutation(STRUCTURE, "alias", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return re.sub(rb"(?m)^last: .*\n", b"last: *plain\n", s.replace(s.values[0], b"&plain " + s.values[0][0]))


@mutation(STRUCTURE, "merge key", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.add(b"<<: {extra: plain words}\n")


@mutation(STRUCTURE, "tag", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[0], b"!plain " + s.values[0][0])


@mutation(STRUCTURE, "directive", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return b"%TAG !p! tag:plain.words,2000:\n---\n" + s.data


@mutation(STRUCTURE, "clear document in front", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return b"extra: plain words\n---\n" + s.data


@mutation(STRUCTURE, "clear document behind", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data + b"---\nextra: plain words\n"


@mutation(STRUCTURE, "document with only a comment behind", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data + b"---\n# plain words\n"


@mutation(STRUCTURE, "document of another file behind", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data + b"---\n" + s.other.data


@mutation(STRUCTURE, "clear value in the second document", "keyless", "documents")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"\n---\n", b"\n---\nextra: plain words\n")


@mutation(STRUCTURE, "other metadata in the second document", "keyless", "documents")
@only("yaml")
def _(s: Sample) -> bytes | None:
    at = s.data.rindex(b"    version: ")
    return s.edit(Change(at, at, b"    note: plain words\n"))


@mutation(STRUCTURE, "second document without metadata", "keyless", "documents")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data[: s.data.rindex(b"sops:\n")]


@mutation(STRUCTURE, "documents swapped", "keyed", "documents")
@only("yaml")
def _(s: Sample) -> bytes | None:
    first, _, second = s.data.partition(b"\n---\n")
    return second + b"---\n" + first + b"\n"


@mutation(STRUCTURE, "metadata removed", "keyless")
def _(s: Sample) -> bytes | None:
    begin, end = s.metadata
    return s.edit(Change(begin, end, b"")).replace(b",\n\n}", b"\n}")


@mutation(STRUCTURE, "metadata moved below another key", "keyless")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    begin, end = s.metadata
    if s.store == "yaml":
        return s.data[:begin] + b"below:\n    " + s.data[begin:end].strip().replace(b"\n", b"\n    ") + b"\n"
    return s.data[:begin] + b'\t"below": {\n' + s.data[begin:end] + b"\n\t}" + s.data[end:]


@mutation(STRUCTURE, "metadata pasted onto a clear file", "keyless")
def _(s: Sample) -> bytes | None:
    block = s.data[slice(*s.metadata)]
    if s.is_json:
        clear = b'{"data": "plain words"}' if s.store == "binary" else s.clear
        return clear.rstrip().removesuffix(b"}") + b",\n" + block + b"\n}"
    return s.clear + block


@mutation(STRUCTURE, "metadata twice", "keyless")
def _(s: Sample) -> bytes | None:
    begin, end = s.metadata
    block = s.data[begin:end] + (b",\n" if s.is_json else b"")
    return s.edit(Change(begin, begin, block))


@mutation(STRUCTURE, "metadata in front", "never", why="the same file in another order, as formatters write it; SOPS reads it alike")
@only("yaml", "json", "dotenv", "ini")
def _(s: Sample) -> bytes | None:
    begin, end = s.metadata
    block, rest = s.data[begin:end], s.data[:begin]
    if s.store == "json":
        return b"{\n" + block + b"," + rest.removeprefix(b"{").rstrip().removesuffix(b",") + b"\n}\n"
    if s.store == "ini":
        # Entries that stand in no section would become the metadata's.
        top, _, sections = rest.partition(b"\n[")
        return top + b"\n" + block + b"\n[" + sections
    return block + rest


@mutation(STRUCTURE, "conflict markers", "keyless")
def _(s: Sample) -> bytes | None:
    begin, end = s.values[-1].span()
    begin, end = s.data.rindex(b"\n", 0, begin) + 1, s.data.index(b"\n", end) + 1
    line = s.data[begin:end]
    return s.edit(Change(begin, end, b"<<<<<<< HEAD\n" + line + b"=======\n" + line + b">>>>>>> other\n"))


@mutation(STRUCTURE, "text behind the end", "keyless")
def _(s: Sample) -> bytes | None:
    return s.data.rstrip(b"\n") + b"\nplain words\n"


@mutation(STRUCTURE, "second JSON value behind the end", "keyless")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    return s.data + b'\n{"extra": "plain words"}\n'


@mutation(STRUCTURE, "NUL byte and text behind the end", "keyless")
def _(s: Sample) -> bytes | None:
    return s.data + b"\0plain words"


@mutation(STRUCTURE, "invalid UTF-8 in a value", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b'"\xff\xfe"'))


@mutation(STRUCTURE, "nested in a list", "keyless")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    return b"[" + s.data + b', "plain words"]'


@mutation(STRUCTURE, "whole file of the store before", "keyless")
@only("dotenv", "ini")
def _(s: Sample) -> bytes | None:
    return DOCUMENTS[s.store].replace(b"#", b"").replace(b";", b"") + s.data


@mutation(STRUCTURE, "another genuine file in its place", "never", why="anybody can encrypt to a public key; history tells who changed it")
def _(s: Sample) -> bytes | None:
    return s.other.data


# --- Harmless

HARMLESS = "Harmless"


@mutation(HARMLESS, "line ends CR LF", "never", why="a checkout on Windows; SOPS decrypts it alike", dotenv="keyless")
@only("yaml", "json", "dotenv", "binary")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"\n", b"\r\n")


@mutation(HARMLESS, "empty lists of the other services added", "never", why="what SOPS up to 3.7 wrote")
@only("yaml", "json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add_field("kms", b"[]")


@mutation(HARMLESS, "written anew without line breaks", "never", why="formatting is not content")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    import json

    return json.dumps(json.loads(s.data), separators=(",", ":")).encode()


@mutation(HARMLESS, "values in quotes", "never", why="formatting is not content")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return re.sub(rb"(?m)^(\w+: )(ENC\[.*\])$", rb"\1'\2'", s.data)


# --- What only one store has

SYNTAX = "Syntax of one store"


@mutation(SYNTAX, "YAML: clear text below a ciphertext in a block", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"|-\n    " + s.values[-1][0] + b"\n    plain words")


@mutation(SYNTAX, "YAML: clear text on the next line of a plain scalar", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][0] + b"\n    plain words")


@mutation(SYNTAX, "YAML: text behind the end of the document", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data + b"...\nplain words\n"


@mutation(SYNTAX, "YAML: comment behind the end of the document", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data + b"... # plain words\n"


@mutation(SYNTAX, "YAML: comment behind the start of the document", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return b"--- # plain words\n" + s.data


@mutation(SYNTAX, "YAML: comment in the header of a block", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"enc: |\n", b"enc: | # plain words\n")


@mutation(SYNTAX, "YAML: a map as a key", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.add(b'? {plain: words}\n: ""\n')


@mutation(SYNTAX, "YAML: bytes in base64", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.add(b"extra: !!binary cGxhaW4gd29yZHM=\n")


@mutation(SYNTAX, "YAML: UTF-16 with a clear value", "keyless")
@only("yaml")
def _(s: Sample) -> bytes | None:
    return s.add(b"extra: plain words\n").decode().encode("utf-16")


@mutation(SYNTAX, "JSON: a second `sops`, its name escaped", "keyless")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add(b'\t"\\u0073ops": {"note": "plain words"},\n')


@mutation(SYNTAX, "JSON: a ciphertext escaped", "never", why="formatting is not content")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"\\u0045" + s.values[-1][0][1:])


@mutation(SYNTAX, "JSON: a lone surrogate", "keyless")
@only("json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b'"\\ud800 plain words"'))


@mutation(SYNTAX, "dotenv: clear value with export", "keyless")
@only("dotenv")
def _(s: Sample) -> bytes | None:
    return s.add(b"export EXTRA=plain words\n")


@mutation(SYNTAX, "dotenv: blanks behind a ciphertext", "keyless")
@only("dotenv")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][0] + b" ")


@mutation(SYNTAX, "INI: clear value in a section of its own", "keyless")
@only("ini")
def _(s: Sample) -> bytes | None:
    return s.add(b"\n[extra]\nextra = plain words\n")


@mutation(SYNTAX, "INI: section twice", "keyless")
@only("ini")
def _(s: Sample) -> bytes | None:
    return s.add(b"\n[map]\nextra = plain words\n")


@mutation(SYNTAX, "INI: clear text behind a backslash at the line's end", "keyless")
@only("ini")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][0] + b"\\\nplain words")


@mutation(SYNTAX, "INI: comment behind the name of a section", "keyless")
@only("ini")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"[map]\n", b"[map] ; plain words\n")


@mutation(SYNTAX, "INI: secret as the name of a section", "keyless")
@only("ini")
def _(s: Sample) -> bytes | None:
    return s.add(b"\n[" + TOKEN.encode() + b"]\n")
