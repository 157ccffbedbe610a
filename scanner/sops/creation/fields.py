# SPDX-License-Identifier: Apache-2.0
"""The fields of a configuration in YAML, read as Go's decoder reads them into SOPS's types, each with its place.

Nothing is constructed: nodes are looked at, so anchors cost nothing however often they are used. Go refuses a whole
file for a key that stands twice or a value of the wrong type, and passes over keys that it does not know.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from scanner.model import Confidence, Span
from scanner.sops.rules import Problem

_MAX_BYTES: Final = 1 << 20
_MAX_DEPTH: Final = 100
# Nodes looked at, counting again what is used again: aliases of aliases add up to anything.
_MAX_NODES: Final = 100_000
_TAG: Final = "tag:yaml.org,2002:"
# A key that leads to a problem costs as much as so many nodes.
_STRANGE_KEY: Final = 100
_NOWHERE: Final = Span(0, 0)
_MERGE: Final = f"{_TAG}merge"
# Plain words that are something else than text to Go's decoder (`resolve.go` of go-yaml 3); YAML 1.1 differs.
_TRUE: Final = re.compile(r"true|True|TRUE|y|Y|yes|Yes|YES|on|On|ON")
_FALSE: Final = re.compile(r"false|False|FALSE|n|N|no|No|NO|off|Off|OFF")
_INTEGER: Final = re.compile(r"[-+]?[0-9][0-9_]{0,17}(?:\.0*)?")
_NO_TEXT: Final = re.compile(
    r"true|True|TRUE|false|False|FALSE|[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|0[xob][0-9a-fA-F_]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?"
)
# What something is called elsewhere: in files, in key groups, by people.
_OTHER_NAMES: Final = {
    "azure_kv": "azure_keyvault",
    "hc_vault": "hc_vault_transit_uri",
    "hc_vault_transit_uri": "hc_vault",
    "path": "path_regex",
    "regex": "path_regex",
    "rules": "creation_rules",
    "threshold": "shamir_threshold",
}

Fields = dict[str, "Field"]


class UnreadableError(Exception):
    """Nothing more can be said for this file; the problem is among the problems."""


class Field(NamedTuple):
    """A key's place and its value's node."""

    span: Span
    node: Any


class FieldReader:
    """Reads one file; what is wrong with it gathers in `problems`, what SOPS fails on is counted in `failures`.

    `place` is what is being read, as people would name it.
    """

    def __init__(self, data: bytes) -> None:
        self.problems: list[Problem] = []
        self.failures = 0
        self.place = "the configuration"
        self._data = data
        self._offsets: list[int] | None = None
        self._seen: set[int] = set()
        self._nodes = 0

    def root(self) -> Any:
        """Return the first document's node, None where it is empty; raises UnreadableError."""
        import yaml

        if len(self._data) > _MAX_BYTES:
            self.unreadable("it is larger than 1 MiB and was not checked")
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            self._check_shape(yaml, loader)
            reader = loader(self._data)
            return reader.get_node() if reader.check_node() else None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            start = min(self._offset(mark.index), len(self._data)) if mark else 0
            end = self._data.find(b"\n", start)
            self.unreadable("it is not YAML, so every call of sops fails", Span(start, end if end >= 0 else len(self._data)))

    def span(self, node: Any) -> Span:
        """Return the bytes in which a node stands, on its first line if it has several."""
        start, end = self._offset(node.start_mark.index), self._offset(node.end_mark.index)
        line = self._data.find(b"\n", start, end)
        return Span(start, line if line > start else end)

    def refuse(self, span: Span, reason: str, key: str, remedy: str) -> None:
        """Add that SOPS fails on this."""
        self.failures += 1
        self.harm(span, reason, key, remedy)

    def harm(self, span: Span, reason: str, key: str, remedy: str) -> None:
        """Add that SOPS ignores this to the harm of the files."""
        self.problems.append(Problem("sops-config", reason, span, key, remedy=remedy))

    def doubt(self, span: Span, reason: str, key: str, remedy: str, confidence: Confidence = "low") -> None:
        """Add that this hardly says what is meant."""
        self.problems.append(Problem("sops-config-doubt", reason, span, key, confidence=confidence, remedy=remedy))

    def unreadable(self, reason: str, span: Span = _NOWHERE) -> NoReturn:
        """Add that nothing can be said for this file, and raise UnreadableError."""
        remedy = "mend {file}; until then nothing in this folder can be checked against its rules"
        self.refuse(span, reason, "unreadable", remedy)
        raise UnreadableError

    def fields(self, node: Any, what: str, known: Sequence[str] | None, *, others: bool = False) -> Fields | None:
        """Return a map's fields with what it merges in, None where it is no map.

        `known` are the keys that SOPS knows (None: any); `others` are welcome where they resemble none of these.

        Problems of a map that is used several times are told once.
        """
        if node.id != "mapping":
            self.refuse(self.span(node), f"{what} must be a map, so every call of sops fails", what, f"write {what} as a map")
            return None
        found: Fields = {}
        todo = [node]
        visited: set[int] = set()
        while todo:
            here = todo.pop()
            if id(here) in visited:
                continue
            visited.add(id(here))
            if id(here) not in self._seen:
                self._seen.add(id(here))
                self._check_keys(here, what, known, others=others)
            sources: list[Any] = []
            for key, value in self._spent(here.value):
                if key.tag == _MERGE:
                    sources += self._sources(value)
                elif _is_scalar(key):
                    found.setdefault(key.value, Field(self.span(key), value))
            todo += reversed(sources)  # what stands first in the map or the list of maps prevails
        return found

    def is_null(self, node: Any) -> bool:
        """Whether a node says nothing, which is as good as no field."""
        return _is_null(node)

    def text(self, field: Field | None, name: str) -> str:
        """Return what a field of text says, nothing where it is null or absent."""
        if field is None:
            return ""
        if not _is_scalar(field.node) or field.node.tag == f"{_TAG}binary":
            self._wrong_type(field, name, "text")
            return ""
        return "" if _is_null(field.node) else str(field.node.value)

    def number(self, field: Field | None, name: str) -> int:
        """Return a whole number, 0 where it is null or absent."""
        if field is None or _is_null(field.node):
            return 0
        if not _is_plain(field.node) or not _INTEGER.fullmatch(field.node.value):
            self._wrong_type(field, name, "a whole number, without quotes")
            return 0
        return int(field.node.value.partition(".")[0].replace("_", ""))

    def switch(self, field: Field | None, name: str) -> bool:
        """Return a truth value, False where it is null or absent."""
        if field is None or _is_null(field.node):
            return False
        if _is_plain(field.node) and _TRUE.fullmatch(field.node.value):
            return True
        if not _is_plain(field.node) or not _FALSE.fullmatch(field.node.value):
            self._wrong_type(field, name, "true or false, without quotes")
        return False

    def entries(self, field: Field | None, name: str) -> list[Any]:
        """Return the nodes of a list; Go's decoder drops null from a list of maps or texts."""
        if field is None or _is_null(field.node):
            return []
        if not _is_list(field.node):
            self._wrong_type(field, name, "a list")
            return []
        return [entry for entry in self._spent(field.node.value) if not _is_null(entry)]

    def texts(self, field: Field | None, name: str) -> list[tuple[str, Span]]:
        """Return a list of texts."""
        entries = [Field(self.span(entry), entry) for entry in self.entries(field, name)]
        return [(self.text(entry, name), entry.span) for entry in entries]

    def text_or_list(self, field: Field | None, name: str) -> list[tuple[str, Span]]:
        """Return what stands between the commas of a text, or of the texts of a list (`parseKeyField`, config.go)."""
        if field is None or _is_null(field.node):
            return []
        if _is_scalar(field.node):
            parts = (self._said(field.node, name) or "").split(",")
            return [(part.strip(), self.span(field.node)) for part in parts if part.strip()]
        if not _is_list(field.node):
            self._wrong_type(field, name, "a text or a list of texts")
            return []
        found = []
        for entry in self._spent(field.node.value):
            said = self._said(entry, name)
            if said is not None:
                found += [(part.strip(), self.span(entry)) for part in said.split(",")]
        return found

    def _said(self, node: Any, name: str) -> str | None:
        """Return what must be text: where a type is open Go takes an unquoted number for a number."""
        if not _is_scalar(node) or _is_number(node):
            self._wrong_type(Field(self.span(node), node), name, "text, in quotes if it looks like a number")
            return None
        return str(node.value)

    def _wrong_type(self, field: Field, name: str, wanted: str) -> None:
        reason = f"{name} of {self.place} must be {wanted}: sops fails on it"
        self.refuse(self.span(field.node), reason, f"{self.place}: {name}", f"write {name} as {wanted}")

    def _check_keys(self, node: Any, what: str, known: Sequence[str] | None, *, others: bool) -> None:
        keys = [key for key, _ in node.value if key.tag != _MERGE]
        names = [key.value for key in keys if _is_scalar(key)]
        told: set[str] = set()
        for key in keys:
            self._spend(_STRANGE_KEY if not _is_scalar(key) or key.value in told or key.value not in (known or names) else 1)
            if not _is_scalar(key):
                self.refuse(self.span(key), f"a key of {what} is no text, so every call of sops fails", what, "take it out")
            elif key.value in told:
                name = _shown(key.value)
                reason = f"{name} stands twice in {what}, so every call of sops fails"
                self.refuse(self.span(key), reason, f"{what}: {name}", "keep one of the two")
            elif known is not None and key.value not in known:
                self._unknown(key, what, known, names, others=others)
            told.add(key.value if _is_scalar(key) else "")

    def _unknown(self, key: Any, what: str, known: Sequence[str], beside: Sequence[str], *, others: bool) -> None:
        """SOPS passes over a key that it does not know, in silence: a slip of the pen changes what is encrypted."""
        name = _shown(key.value)
        reason = f"{name} in {what} is unknown to sops, which ignores it in silence"
        meant = _meant(key.value, known)
        if meant and meant not in beside:
            self.harm(self.span(key), f"{reason}; {meant} is meant", f"{what}: {name}", f"rename {name} to {meant}")
        elif not others:
            remedy = f"take it out, or name what is meant: {', '.join(known)}"
            self.doubt(self.span(key), reason, f"{what}: {name}", remedy)

    def _sources(self, value: Any) -> Iterator[Any]:
        """Yield the maps that a merge key names, in their order."""
        for source in self._spent(value.value if _is_list(value) else [value]):
            if _is_scalar(source) or _is_list(source):
                reason = "<< merges something that is no map, so every call of sops fails"
                self.refuse(self.span(source), reason, "<<", "merge a map, or a list of maps")
            else:
                yield source

    def _spent(self, nodes: Sequence[Any]) -> Iterator[Any]:
        for node in nodes:
            self._spend()
            yield node

    def _spend(self, nodes: int = 1) -> None:
        self._nodes += nodes
        if self._nodes > _MAX_NODES:
            self.unreadable("it has more in it, aliases counted each time, than can be checked")

    def _check_shape(self, yaml: Any, loader: Any) -> None:
        """Look for brackets that would overrun a stack, and for a second document; SOPS reads the first alone."""
        depth = 0
        events = yaml.parse(self._data, Loader=loader)
        for event in events:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    self.unreadable("it is nested too deeply")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif isinstance(event, yaml.DocumentEndEvent):
                break
        try:
            further = next(events, None)
        except (yaml.YAMLError, ValueError):
            further = None
        if isinstance(further, yaml.DocumentStartEvent):
            reason = "sops reads the first document of its configuration only: what stands in the second is ignored"
            self.harm(self.span(further), reason, "second document", "put everything into one document")

    def _offset(self, index: int) -> int:
        """Return the byte at which a character stands; the loader counts characters, without a byte order mark."""
        if self._offsets is None:
            codec, mark = _encoding(self._data)
            text = self._data[mark:].decode(codec, "replace")
            sizes = (len(character.encode(codec, "replace")) for character in text)
            self._offsets = list(itertools.accumulate(sizes, initial=mark))
        return min(self._offsets[min(index, len(self._offsets) - 1)], len(self._data))


def _encoding(data: bytes) -> tuple[str, int]:
    """Return a file's encoding, and the length of the mark that says so."""
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return codec, len(mark)
    return "utf-8", 0


def _is_list(node: Any) -> bool:
    return bool(node.id == "sequence")


def _is_scalar(node: Any) -> bool:
    return bool(node.id == "scalar")


def _is_plain(node: Any) -> bool:
    return _is_scalar(node) and not node.style


def _is_null(node: Any) -> bool:
    return _is_plain(node) and bool(node.tag == f"{_TAG}null")


def _is_number(node: Any) -> bool:
    if node.style:
        return node.tag in (f"{_TAG}int", f"{_TAG}float", f"{_TAG}binary")
    return bool(node.tag.startswith(_TAG) and _NO_TEXT.fullmatch(node.value)) or _is_null(node)


def _meant(key: str, known: Sequence[str]) -> str:
    """Return the known key that this one resembles, or nothing."""
    import difflib

    if _OTHER_NAMES.get(key) in known:
        return _OTHER_NAMES[key]
    plain = {_letters(name): name for name in known}
    alike = difflib.get_close_matches(_letters(key[:64]), plain, 1, 0.8)
    return plain[alike[0]] if alike else ""


def _letters(key: str) -> str:
    return re.sub(r"[^a-z]", "", key.lower())


def _shown(key: str) -> str:
    """Return a key as a message may quote it: not one that could be a secret by its length."""
    return key if len(key) <= 40 and key.isprintable() else f"{key[:8]!r}…"
