# SPDX-License-Identifier: Apache-2.0
"""Changes of values: clear text among them, values exchanged, ciphertext of a wrong form."""

import base64
import hashlib
import re

from mutation import mutation, only
from samples import Change, Sample, flip

# Put together here, so that nothing in this file looks like a secret that lives.
TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1" + "zLmqkw"
PASSWORD = "Vq8" + "rT2-mX" + "9pLw4"


def _noise(size: int) -> bytes:
    return hashlib.sha512(b"noise").digest()[:size]


# --- Clear text among the values

CLEAR = "Clear text"


@mutation(CLEAR, "value added", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", s.quote("plain words")))


@mutation(CLEAR, "integer added", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b"4711"))


@mutation(CLEAR, "bool added", "keyless")
@only("yaml", "json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b"true"))


@mutation(CLEAR, "list added", "keyless")
@only("yaml", "json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b'["plain words"]'))


@mutation(CLEAR, "map added", "keyless")
@only("yaml", "json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b'{"word": "plain words"}'))


@mutation(CLEAR, "text of several lines added", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", s.quote("plain words\nand more of them")))


@mutation(CLEAR, "value replaced", "keyless")
def _(s: Sample) -> bytes | None:
    name = "data" if s.store == "binary" else "word"
    found = s.value(name)
    return s.replace(found, b"some plain words") if found else None


@mutation(CLEAR, "list item replaced", "keyless")
def _(s: Sample) -> bytes | None:
    items = s.items()
    return s.replace(items[1], b"second item") if items else None


@mutation(CLEAR, "list item added", "keyless")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    at = s.data.index(b"\n", s.items()[0].end()) + 1
    return s.edit(Change(at, at, b"    - plain words\n" if s.store == "yaml" else b'\t\t"plain words",\n'))


@mutation(CLEAR, "never encrypted", "keyless")
def _(s: Sample) -> bytes | None:
    return s.clear


@mutation(CLEAR, "value added where the regex selects", "keyless", "encrypted_regex")
@only("yaml", "json", "ini")
def _(s: Sample) -> bytes | None:
    found = s.value("word") or s.values[0]
    at = s.data.rindex(b"\n", 0, found.start()) + 1
    entries = {"yaml": b"    extra: plain words\n", "ini": b"extra = plain words\n", "json": b'\t\t"extra": "plain words",\n'}
    return s.edit(Change(at, at, entries[s.store]))


@mutation(CLEAR, "secret added where the selector leaves clear", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("token_unencrypted", s.quote(TOKEN))) if s.store != "binary" else None


@mutation(CLEAR, "secret added, mac_only_encrypted", "keyless", "mac_only_encrypted")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("password_unencrypted", s.quote(PASSWORD))) if s.store != "binary" else None


@mutation(
    CLEAR,
    "harmless value added, mac_only_encrypted",
    "never",
    "mac_only_encrypted",
    why="with mac_only_encrypted clear values are outside of the MAC; what looks like a secret is reported",
)
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("size_unencrypted", s.quote("large"))) if s.store != "binary" else None


@mutation(CLEAR, "harmless value added where the selector leaves clear", "keyed")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("size_unencrypted", s.quote("large"))) if s.store != "binary" else None


@mutation(CLEAR, "clear value changed where the selector leaves clear", "keyed")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"green", b"olive") if s.store != "binary" else None


@mutation(
    CLEAR,
    "harmless value decrypted under a name that stays clear",
    "never",
    why="the MAC covers values, not names: the value is the same; what looks like a secret is reported",
)
def _(s: Sample) -> bytes | None:
    line = s.line("name")
    return s.edit(Change(*line, s.entry("name_unencrypted", s.quote("alpha")).lstrip(b"\n"))) if line else None


@mutation(CLEAR, "secret as a map key", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry(TOKEN, s.quote("")))


@mutation(CLEAR, "password as a map key", "keyless")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("Vq8" + "rT&2mX9pLw4", s.quote(""))) if s.store != "binary" else None


@mutation(CLEAR, "password as a map key, below its name or behind it", "keyless")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("password", b'{"%s": null}' % PASSWORD.encode()) if s.is_json else s.entry(f'"password is {PASSWORD}"', b"{}"))


@mutation(CLEAR, "token as the key of a map", "keyless")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry(TOKEN, b'{"x": null}'))


@mutation(CLEAR, "empty value added", "never", why="SOPS neither encrypts empty values nor counts them in the MAC")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b'""' if s.store in ("yaml", "json", "binary") else b""))


@mutation(CLEAR, "null, empty map and empty list added", "never", why="SOPS counts no null, map or list in the MAC")
@only("yaml", "json", "binary")
def _(s: Sample) -> bytes | None:
    return s.add(s.entry("extra", b"null") + s.entry("extra2", b"{}") + s.entry("extra3", b"[]"))


@mutation(CLEAR, "bytes moved between two clear neighbours", "never", why="the MAC hashes values without a mark between them")
def _(s: Sample) -> bytes | None:
    return s.data.replace(b"green", b"gree").replace(b"round", b"nround") if s.store != "binary" else None


@mutation(CLEAR, "name of a clear entry changed", "never", why="the MAC covers values, not the names of clear ones")
def _(s: Sample) -> bytes | None:
    return re.sub(rb"(?i)colour_unencrypted", b"tint_unencrypted", s.data) if s.store != "binary" else None


# --- Values that are encrypted

VALUES = "Encrypted values"


@mutation(VALUES, "two values swapped", "keyed")
def _(s: Sample) -> bytes | None:
    one, two = s.value("name"), s.value("last")
    return s.edit(Change(*one.span(), two[0]), Change(*two.span(), one[0])) if one and two else None


@mutation(VALUES, "two list items swapped", "keyed")
def _(s: Sample) -> bytes | None:
    items = s.items()
    return s.edit(Change(*items[0].span(), items[1][0]), Change(*items[1].span(), items[0][0])) if items else None


@mutation(VALUES, "list item removed", "keyed")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    item = s.items()[0]
    return s.edit(Change(s.data.rindex(b"\n", 0, item.start()), s.data.index(b"\n", item.end()), b""))


@mutation(VALUES, "list item repeated", "keyed")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    item = s.items()[0]
    begin, end = s.data.rindex(b"\n", 0, item.start()), s.data.index(b"\n", item.end())
    return s.edit(Change(end, end, s.data[begin:end]))


@mutation(VALUES, "entry removed", "keyed")
def _(s: Sample) -> bytes | None:
    line = s.line("name")
    return s.edit(Change(*line, b"")) if line else None


@mutation(VALUES, "entry renamed", "keyed")
def _(s: Sample) -> bytes | None:
    found = s.line("name")
    return re.sub(rb"(?im)^([\t\"]*)name\b", rb"\1mane", s.data, count=1) if found else None


@mutation(VALUES, "entries reordered", "keyed")
def _(s: Sample) -> bytes | None:
    one, two = s.line("name"), s.line("port")
    return s.edit(Change(one[0], two[1], s.data[slice(*two)] + s.data[slice(*one)])) if one and two else None


@mutation(VALUES, "value emptied", "keyed")
def _(s: Sample) -> bytes | None:
    found = s.value("data" if s.store == "binary" else "last")
    return s.replace(found, b'""' if s.store == "yaml" else b"") if found else None


@mutation(VALUES, "value pasted from another file", "keyed")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.other.values[-1][0])


@mutation(VALUES, "value pasted from another entry", "keyless")
def _(s: Sample) -> bytes | None:
    one, two = s.value("name"), s.value("last")
    return s.replace(two, one[0]) if one and two else None


@mutation(VALUES, "value moved into another map", "keyed")
@only("yaml", "ini")
def _(s: Sample) -> bytes | None:
    line, user = s.line("last"), s.line("user")
    assert line is not None
    assert user is not None
    moved = (b"    " if s.store == "yaml" else b"") + s.data[slice(*line)]
    return s.edit(Change(*line, b""), Change(user[0], user[0], moved))


@mutation(VALUES, "value wrapped in a list", "never", why="a list is not in the path that a value is bound to, nor in the MAC")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    found = s.value("last")
    assert found is not None
    if s.store == "yaml":
        return s.replace(found, b"[" + found[0] + b"]".replace(b",", b", ")) and s.replace(found, b"\n    - " + found[0])
    return s.edit(Change(found.start() - 1, found.end() + 1, b'["' + found[0] + b'"]'))


@mutation(VALUES, "path written as one name", "never", why="a value is bound to its path joined by colons, which `map:user` spells too")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    if s.store == "yaml":
        return re.sub(rb"(?m)^map:\n((?: +#?- .*\n| +#.*\n)*)    user: (.*)\n    word: (.*)\n", rb"map:user: \2\nmap:word: \3\n", s.data)
    return re.sub(rb'(?m)^\t"map": \{\n\t\t"user": (.*),\n\t\t"word": (.*)\n\t\}', rb'\t"map:user": \1,\n\t"map:word": \2', s.data)


# --- The form of a ciphertext

FORM = "Form of a ciphertext"


@mutation(FORM, "text behind the bracket", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][0] + b" plain words")


@mutation(FORM, "text in front", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"plain words " + s.values[-1][0])


@mutation(FORM, "two in one value", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][0] * 2)


@mutation(FORM, "lower case", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][0].replace(b"ENC[AES256_GCM", b"enc[aes256_gcm"))


@mutation(FORM, "clear text in the brackets", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"ENC[plain words]")


@mutation(FORM, "data of a length that base64 cannot have", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][1][:-1], 1)


@mutation(FORM, "data truncated to other base64", "keyed")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][1][:-4], 1)


@mutation(FORM, "data empty", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"", 1)


@mutation(FORM, "data is base64 of clear text", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode(b"some plain words that anybody reads"), 1)


@mutation(FORM, "data is base64 of a short clear text", "keyed")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode(b"plain"), 1)


@mutation(FORM, "data is base64 of a number, or of a word with digits", "keyless")
def _(s: Sample) -> bytes | None:
    digits = s.replace(s.values[-1], base64.b64encode(b"83746152"), 1)
    return digits if s.store in ("yaml", "ini") else s.replace(s.values[-1], base64.b64encode(b"hunter2" + b"hunter2"), 1)


@mutation(FORM, "data is base64 of text with letters beyond ASCII, or of UTF-16", "keyless")
def _(s: Sample) -> bytes | None:
    text = "pässwörd für álle".encode() if s.store in ("yaml", "ini") else PASSWORD.encode("utf-16-le")
    return s.replace(s.values[-1], base64.b64encode(text), 1)


@mutation(FORM, "data longer than its type has any", "keyless")
def _(s: Sample) -> bytes | None:
    old, long = s.values[-1], base64.b64encode(_noise(40))
    return s.replace(old, b"ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:%s]" % (long, old[2], old[3], b"int" if s.store != "ini" else b"time"))


@mutation(FORM, "bits set that base64 has to spare", "keyless")
def _(s: Sample) -> bytes | None:
    tag = s.values[-1][3]
    spare = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return s.replace(s.values[-1], tag[:21] + spare[spare.index(tag[21]) + 1 :][:1] + b"==", 3)


@mutation(FORM, "nonce of readable bytes", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode((PASSWORD * 3).encode()[:32]), 2)


@mutation(FORM, "tag of readable bytes", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode((PASSWORD * 3).encode()[:16]), 3)


@mutation(FORM, "nonce that counts up, or of few bytes", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode(bytes(range(160, 192)) if s.is_json else b"\xb1\x7f\xe0\x02" * 8), 2)


@mutation(FORM, "tag of another value", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[0][3], 3) if len(s.values) > 1 else None


@mutation(FORM, "data, nonce or tag changed by a bit", "keyed")
def _(s: Sample) -> bytes | None:
    part = {"yaml": 1, "json": 2, "dotenv": 3, "ini": 1, "binary": 2}[s.store]
    return s.replace(s.values[-1], flip(s.values[-1][part]), part)


@mutation(FORM, "nonce shortened", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][2][4:], 2)


@mutation(FORM, "tag shortened", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[-1][3][4:], 3)


@mutation(FORM, "nonce of zeros", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode(bytes(32)), 2)


@mutation(FORM, "tag of zeros", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], base64.b64encode(bytes(16)), 3)


@mutation(FORM, "nonce of another value", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], s.values[0][2], 2) if len(s.values) > 1 else None


@mutation(FORM, "random, well-formed", "keyed")
def _(s: Sample) -> bytes | None:
    old = s.values[-1]
    fake = b"ENC[AES256_GCM,data:%s,iv:%s,tag:%s,type:str]" % tuple(s.other.values[0][part] for part in (1, 2, 3))
    return s.replace(old, fake)


@mutation(FORM, "type unknown", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"text", 4)


@mutation(FORM, "type bytes", "keyless")
def _(s: Sample) -> bytes | None:
    return s.replace(s.values[-1], b"bytes", 4)


@mutation(FORM, "type of text changed to int", "keyed")
def _(s: Sample) -> bytes | None:
    found = s.value("name")
    return s.replace(found, b"int", 4) if found else None


@mutation(FORM, "type of text changed to bool", "keyless")
def _(s: Sample) -> bytes | None:
    found = s.value("word")
    return s.replace(found, b"bool", 4) if found else None


@mutation(FORM, "type of a number changed to str", "never", why="the type is not authenticated, and the MAC hashes the same digits")
@only("yaml", "json")
def _(s: Sample) -> bytes | None:
    found = s.value("port")
    assert found is not None
    return s.replace(found, b"str", 4)


@mutation(FORM, "type of a list item changed to comment", "keyless", yaml="keyed")
def _(s: Sample) -> bytes | None:
    items = s.items()
    return s.replace(items[0], b"comment", 4) if items else None


@mutation(FORM, "type of a value changed to comment", "keyless")
def _(s: Sample) -> bytes | None:
    found = s.value("data" if s.store == "binary" else "last")
    return s.replace(found, b"comment", 4) if found else None
