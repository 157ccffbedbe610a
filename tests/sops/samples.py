# SPDX-License-Identifier: Apache-2.0
"""Genuine files of every store to be mutated, and the ways to change them: bytes in, bytes out."""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from sopsmaker import AgeKey, Recipe, SopsMaker, Store

STORES: tuple[Store, ...] = ("yaml", "json", "dotenv", "ini", "binary")
CIPHERTEXT = re.compile(rb"ENC\[AES256_GCM,data:([^,]*),iv:([^,]*),tag:([^,]*),type:(\w+)\]")
_METADATA = {"yaml": rb"^sops:\n", "json": rb'^\t"sops": \{\n', "dotenv": rb"^sops_", "ini": rb"^\[sops\]\n", "binary": rb'^\t"sops": \{\n'}
_FIELD = {
    "yaml": r"^(    %s: )(.*)()\n",
    "json": r'^(\t\t"%s": "?)([^"\n]*?)("?,?)\n',
    "dotenv": r"^(sops_%s=)(.*)()\n",
    "ini": r"^(%s *= )(.*)()\n",
    "binary": r'^(\t\t"%s": "?)([^"\n]*?)("?,?)\n',
}
_ARMOR = re.compile(rb"-----BEGIN (AGE ENCRYPTED FILE|PGP MESSAGE)-----.*?-----END \1-----", re.DOTALL)

DOCUMENTS: dict[Store, bytes] = {
    "yaml": b"""# note on top
name: alpha
port: 5432
flag: true
ratio: 1.5
lines:
    - first item
    - second item
    - third item
# note on the map
map:
    # note inside
    user: bob
    word: some plain words
text: |
    line one
    line two
colour_unencrypted: green
shape_unencrypted: round
empty: ""
nothing: null
last: omega
""",
    "json": b"""{"name": "alpha", "port": 5432, "flag": true, "ratio": 1.5, "lines": ["first item", "second item", "third item"],
"map": {"user": "bob", "word": "some plain words"}, "text": "line one\\nline two\\n", "colour_unencrypted": "green",
"shape_unencrypted": "round", "empty": "", "nothing": null, "last": "omega"}
""",
    "dotenv": b"""# note on top
NAME=alpha
PORT=5432
# note inside
WORD=some plain words
TEXT=line one\\nline two
COLOUR_unencrypted=green
SHAPE_unencrypted=round
EMPTY=
LAST=omega
""",
    "ini": b"""; note on top
name = alpha
port = 5432

[map]
; note inside
user = bob
word = some plain words

[rest]
colour_unencrypted = green
shape_unencrypted = round
empty =
last = omega
""",
    "binary": b"all that is in here\nis one value\n",
}
# The same shapes with other values: what other files and other documents hold.
OTHERS: dict[Store, bytes] = {store: data.replace(b"omega", b"sigma").replace(b"alpha", b"gamma") for store, data in DOCUMENTS.items()} | {
    "binary": b"all that is in there\nis another value\n"
}


class Change(NamedTuple):
    """What stands from `start` to `end` becomes `new`."""

    start: int
    end: int
    new: bytes


class Sample:
    """One genuine file: what it was made from, and where its parts stand."""

    def __init__(self, maker: SopsMaker, store: Store, variant: str, recipe: Recipe, clear: bytes, other: bytes) -> None:
        self.maker, self.store, self.variant, self.recipe, self.clear = maker, store, variant, recipe, clear
        self.data = maker.encrypt(clear, store, recipe)
        self._other = other

    @cached_property
    def other(self) -> "Sample":
        """A second genuine file by the same rule, with a data key of its own."""
        return Sample(self.maker, self.store, self.variant, self.recipe, self._other, self.clear)

    @cached_property
    def data_key(self) -> bytes:
        """What all values of this file are encrypted with."""
        return unwrap(self)[0]

    @property
    def is_json(self) -> bool:
        return self.store in ("json", "binary")

    @cached_property
    def metadata(self) -> tuple[int, int]:
        """Where the metadata of the first document stands: from its key to behind its last line."""
        begin = _search(_METADATA[self.store], self.data).start()
        ends = {"yaml": rb"\n(?=---\n)|\n\Z", "json": rb"\n\t\}(?=\n)", "binary": rb"\n\t\}(?=\n)"}
        end = re.compile(ends.get(self.store, rb"\n\Z")).search(self.data, begin)
        assert end is not None
        return begin, end.end()

    @cached_property
    def ciphertexts(self) -> list["re.Match[bytes]"]:
        """All values and comments of the first document, in order; the MAC is none of them."""
        return list(CIPHERTEXT.finditer(self.data, 0, self.metadata[0]))

    @cached_property
    def values(self) -> list["re.Match[bytes]"]:
        return [found for found in self.ciphertexts if found[4] != b"comment"]

    @cached_property
    def comments(self) -> list["re.Match[bytes]"]:
        return [found for found in self.ciphertexts if found[4] == b"comment"]

    def value(self, name: str) -> "re.Match[bytes] | None":
        """Return the ciphertext of the entry of this name, whatever its case."""
        entry = re.compile(rb'(?im)^[ \t"]*%s"?(?:: "?| *= ?)' % name.encode())
        found = entry.search(self.data, 0, self.metadata[0])
        return CIPHERTEXT.match(self.data, found.end()) if found else None

    def items(self) -> list["re.Match[bytes]"]:
        """Return the ciphertexts that stand in the list `lines`."""
        begin = self.data.find(b"lines")
        return [] if begin < 0 else [found for found in self.values if found.start() > begin][:3]

    def line(self, name: str) -> tuple[int, int] | None:
        """Return where the entry of this name stands, with its line's end."""
        entry = re.compile(rb'(?im)^[ \t"]*%s"?(?::| *=).*\n' % name.encode())
        found = entry.search(self.data, 0, self.metadata[0])
        return found.span() if found else None

    def edit(self, *changes: Change) -> bytes:
        """Return the file with these changes, which do not overlap."""
        data = self.data
        for change in sorted(changes, reverse=True):
            data = data[: change.start] + change.new + data[change.end :]
        return data

    def replace(self, old: "re.Match[bytes]", new: bytes, group: int = 0) -> bytes:
        """Return the file with a part of one ciphertext replaced."""
        return self.edit(Change(*old.span(group), new))

    def quote(self, text: str) -> bytes:
        """Return a string as this store writes it."""
        if self.is_json:
            import json

            return json.dumps(text).encode()
        if self.store == "ini" and "\n" in text:
            return b'"""' + text.encode() + b'"""'
        if self.store == "dotenv":
            return text.replace("\n", "\\n").encode()
        return text.encode() if "\n" not in text else b"|-\n    " + text.replace("\n", "\n    ").encode()

    def entry(self, name: str, literal: bytes) -> bytes:
        """Return an entry as a line of this store, the literal as it is."""
        before, after = {"yaml": (b"%s: ", b"\n"), "dotenv": (b"%s=", b"\n"), "ini": (b"%s = ", b"\n")}.get(self.store, (b'\t"%s": ', b",\n"))
        return before % name.encode() + literal + after

    def add(self, entry: bytes) -> bytes:
        """Return the file with this line as the last of its content, in front of the metadata."""
        begin = self.metadata[0]
        if self.store == "ini":
            begin -= 1  # An empty line stands before each section.
        return self.edit(Change(begin, begin, entry))

    def comment(self, text: str) -> bytes:
        """Return a comment line of this store."""
        return {"yaml": b"# %s\n", "dotenv": b"#%s\n", "ini": b"; %s\n"}[self.store] % text.encode()

    # The metadata

    def field(self, name: str) -> str:
        """Return a field of the metadata as it is written, without quotes."""
        return self._fields(name)[0][2].decode().strip('"')

    def with_field(self, name: str, text: str) -> bytes:
        """Return the file with another value of a field, in every document."""
        return self.edit(*(Change(*found.span(2), text.encode()) for found in self._fields(name)))

    def without_field(self, name: str) -> bytes:
        """Return the file without a field, in every document."""
        data = self.edit(*(Change(*found.span(), b"") for found in self._fields(name)))
        return re.sub(rb",(\n\t\})", rb"\1", data) if self.is_json else data

    def add_field(self, name: str, literal: bytes) -> bytes:
        """Return the file with another entry at the top of its metadata."""
        at = _search(_METADATA[self.store], self.data)
        form = {"yaml": b"    %s: %s\n", "dotenv": b"sops_%s=%s\n", "ini": b"%s = %s\n"}.get(self.store, b'\t\t"%s": %s,\n')
        place = at.start() if self.store == "dotenv" else at.end()
        return self.edit(Change(place, place, form % (name.encode(), literal)))

    def add_to_recipient(self, name: str, literal: bytes) -> bytes:
        """Return the file with another entry in its first age recipient."""
        line = re.compile(rb"^.*recipient.*\n", re.MULTILINE).search(self.data, self.metadata[0])
        assert line is not None
        forms = {
            "yaml": b"          %s: %s\n",
            "dotenv": b"sops_age__list_0__map_%s=%s\n",
            "ini": b"age__list_0__map_%s = %s\n",
        }
        entry = forms.get(self.store, b'\t\t\t\t\t"%s": %s,\n') % (name.encode(), literal)
        return self.edit(Change(line.end(), line.end(), entry))

    def armor(self, kind: str) -> str:
        """Return the first wrapped data key of this kind (`AGE`, `PGP`), its lines as in a file of its own."""
        found = self._armors(kind)[0]
        return "\n".join(part.strip() for part in found[0].decode().replace("\\n", "\n").split("\n")) + "\n"

    def with_armor(self, kind: str, text: str) -> bytes:
        """Return the file with another wrapped data key in the place of the first, in every document."""
        first = self._armors(kind)[0]
        separator = _search(rb"(\\n|\n *)-----END", first[0])[1]
        new = text.strip().encode().replace(b"\n", separator)
        return self.edit(*(Change(*found.span(), new) for found in self._armors(kind) if found[0] == first[0]))

    def _fields(self, name: str) -> list["re.Match[bytes]"]:
        pattern = re.compile((_FIELD[self.store] % name).encode(), re.MULTILINE)
        last_line_too = self.data if self.data.endswith(b"\n") else self.data + b"\n"
        found = list(pattern.finditer(last_line_too, self.metadata[0]))
        assert found, f"no {name} in the metadata"
        return found

    def _armors(self, kind: str) -> list["re.Match[bytes]"]:
        return [found for found in _ARMOR.finditer(self.data) if found[1].startswith(kind.encode())]


class Samples:
    """The genuine files of one session, each made when it is first asked for."""

    def __init__(self, maker: SopsMaker) -> None:
        self.maker = maker
        self._made: dict[tuple[Store, str], Sample] = {}

    def get(self, store: Store, variant: str) -> Sample:
        """Return the sample of a store in a variant of `VARIANTS`."""
        if (store, variant) not in self._made:
            recipe, clear, other = VARIANTS[variant](self.maker, store)
            self._made[store, variant] = Sample(self.maker, store, variant, recipe, clear, other)
        return self._made[store, variant]

    def of(self, variant: str) -> list[Sample]:
        """Return the samples of a variant, for every store that has it."""
        return [self.get(store, variant) for store in STORES if store not in _WITHOUT.get(variant, ())]


Variant = Callable[[SopsMaker, Store], tuple[Recipe, bytes, bytes]]


def _age(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    return maker.recipe(), DOCUMENTS[store], OTHERS[store]


def _pgp(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    recipients = {"age": [maker.age().recipient], "pgp": [maker.pgp().fingerprint]}
    return maker.recipe(recipients=recipients), DOCUMENTS[store], OTHERS[store]


def _groups(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    groups = [{"age": [maker.age(number).recipient]} for number in range(3)]
    return maker.recipe(groups=groups, threshold=3), DOCUMENTS[store], OTHERS[store]


def _regex(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    recipe = maker.recipe(selector=("encrypted_regex", "(?i)^(map|lines|word)$"))
    return recipe, _without_comments(DOCUMENTS[store]), _without_comments(OTHERS[store])


def _mac_only(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    return maker.recipe(mac_only_encrypted=True), DOCUMENTS[store], OTHERS[store]


def _documents(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    return maker.recipe(), DOCUMENTS[store] + b"---\n" + OTHERS[store], OTHERS[store]


def _comment_selector(maker: SopsMaker, store: Store) -> tuple[Recipe, bytes, bytes]:
    recipe = maker.recipe(selector=("encrypted_comment_regex", "note inside"))
    return recipe, DOCUMENTS[store], OTHERS[store]


VARIANTS: dict[str, Variant] = {
    "age": _age,
    "age and PGP": _pgp,
    "key groups": _groups,
    "encrypted_regex": _regex,
    "mac_only_encrypted": _mac_only,
    "documents": _documents,
    "encrypted_comment_regex": _comment_selector,
}

# Documents and comments are not everybody's, and a file of one value has nothing to select.
_WITHOUT: dict[str, tuple[Store, ...]] = {
    "documents": ("json", "dotenv", "ini", "binary"),
    "encrypted_comment_regex": ("json", "binary"),
    "encrypted_regex": ("binary",),
}


def flip(text: bytes, at: int = 0) -> bytes:
    """Return base64 with one character changed, still well-formed."""
    return text[:at] + (b"B" if text[at : at + 1] != b"B" else b"C") + text[at + 1 :]


def unwrap(sample: Sample) -> tuple[bytes, AgeKey]:
    """Return what the first age stanza of a file holds, and whose it is: INI keeps no order."""
    import pyrage

    armor = sample.armor("AGE").encode()
    for number in range(3):
        key = sample.maker.age(number)
        with contextlib.suppress(pyrage.DecryptError):
            return bytes(pyrage.decrypt(armor, [pyrage.x25519.Identity.from_str(key.identity)])), key
    raise AssertionError("no key of the maker unwraps it")


def wrap_for(data_key: bytes, keys: Iterable[AgeKey]) -> str:
    """Return a data key encrypted to all of these recipients in one age file, armored."""
    import pyrage

    recipients = [pyrage.x25519.Recipient.from_str(key.recipient) for key in keys]
    return bytes(pyrage.encrypt(data_key, recipients, armored=True)).decode()


def wrap_for_pgp(maker: SopsMaker, data_key: bytes, fingerprints: Sequence[str]) -> str:
    """Return a data key encrypted to all of these PGP keys in one message, armored."""
    to = [part for fingerprint in fingerprints for part in ("--recipient", fingerprint)]
    options = ("--batch", "--quiet", "--trust-model", "always", "--no-encrypt-to", "--armor")
    return maker.gpg(*options, *to, "--encrypt", stdin=data_key).decode()


def _without_comments(document: bytes) -> bytes:
    return re.sub(rb"(?m)^[ \t]*[#;].*\n", b"", document)


def _search(pattern: bytes, data: bytes) -> "re.Match[bytes]":
    found = re.compile(pattern, re.MULTILINE).search(data)
    assert found is not None
    return found
