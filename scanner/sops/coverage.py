# SPDX-License-Identifier: Apache-2.0
"""The items of an encrypted file, one by one: ciphertext that SOPS can have written, or clear by the file's own selector.

What the selector leaves in clear is judged once more: a password under a key that nobody thought of is the most
usual way in which an encrypted file leaks.
"""

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from scanner.model import Secret, Span
from scanner.sops.ciphertext import Ciphertext, doubt, match_form, parse_ciphertext
from scanner.sops.content import Content, Item
from scanner.sops.creation.policy import Selector
from scanner.sops.likely import known_form, looks_secret, names_secret, pairs, secrets_within
from scanner.sops.rules import Problem
from scanner.sops.selector import selects
from scanner.sops.standin import stands_for, strength

# Where the secret detector finds something in a file at this path.
FindSecrets = Callable[[bytes, bytes], Sequence[Span]]

_EDIT: Final = "sops edit {file}, and take out or set again what is in clear; sops encrypts it on saving"
_TOKEN_LENGTH: Final = 16
_PASSWORD_LENGTH: Final = 8
# With marks that names do not have, and everything else that passwords are asked for.
_PASSWORD: Final = re.compile(r"(?=.*[!$%&?^~#|+])(?=.*[0-9])(?=.*[A-Z])(?=(?:[^a-z]*[a-z]){4}).{12}")
# So many values are worth a quicker look.
_MANY: Final = 500
# The base64 of a nonce of ASCII: every eighth bit is 0. Or one that begins as it goes on, as a tag may too.
_MADE_UP: Final = re.compile(
    r"\n(?:(....)\1|(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589].){10})"
)
# Of these `doubt` has more to say.
_RARE_TYPES: Final = frozenset({"bool", "int", "time", "comment"})


def cover(content: Content, selector: Selector, found: Sequence[Span] = ()) -> list[Problem]:
    """Return what is wrong with the items; `found` is where the secret detector saw something."""
    checker = _Checker(content, found)
    if checker.has_many:
        problems = _cover(content, selector, checker, quick=True)
        if checker.is_random():
            return problems
        checker = _Checker(content, found)
    return _cover(content, selector, checker, quick=False)


def _cover(content: Content, selector: Selector, checker: "_Checker", *, quick: bool) -> list[Problem]:
    problems: list[Problem] = []
    hidden = 0
    clear: Item | None = None
    is_plausible = checker.is_plausible
    enclosing: list[Item] = []
    for item, must in zip(content.items, selects(content.items, selector), strict=True):
        kind, path, scalar, _ = item
        if kind == "value":
            # Nearly every value of nearly every file ends here.
            if must and quick and is_plausible(scalar.text, path):
                hidden += 1
                continue
            in_list = bool(enclosing) and enclosing[-1].path == path
            problems += checker.value(item, must=must, in_list=in_list)
            if not _is_empty(item):
                hidden += must
                clear = clear or (None if must else item)
        elif kind == "comment":
            problems += checker.comment(item, must=must)
        elif kind == "open":
            enclosing.append(item)
            problems += checker.key(item)
        elif enclosing and enclosing.pop().scalar.span.end >= scalar.span.start:
            problems += checker.empty(item)
    if clear is not None and not hidden and not _names_empty(content.items, selector):
        reason = f"{selector.kind} {_quoted(selector.value)} matches nothing here: the whole file is in clear text"
        remedy = "mend the selector in .sops.yaml, then: sops decrypt -i {file} && sops encrypt -i {file}"
        problems.append(Problem("sops-selector", reason, clear.scalar.span, "matches nothing", remedy=remedy))
    return problems


def exposed(content: Content, selector: Selector) -> Item | None:
    """Return the first value in clear text that this selector would have encrypted."""
    for item, must in zip(content.items, selects(content.items, selector), strict=True):
        if must and item.kind == "value" and not _is_empty(item) and parse_ciphertext(item.scalar.text) is None:
            return item
    return None


def leaf_name(path: Sequence[str]) -> str:
    """Return a leaf's path for people; a key that could be a secret itself is cut."""
    return ".".join(f"{part[:4]}…" if _is_opaque(part) else part for part in path) or "the top level"


def _names_empty(items: Sequence[Item], selector: Selector) -> bool:
    """Whether the selector names something that has no value yet: it is no selector for nothing."""
    empty = [item for item in items if item.kind == "open" or (item.kind == "value" and _is_empty(item))]
    filled = [Item("value", item.path, item.scalar._replace(text="x", type="str")) for item in empty]
    return any(selects(filled, selector))


class _Checker:
    """Remembers what recurs from value to value."""

    def __init__(self, content: Content, found: Sequence[Span]) -> None:
        values = sum(item.kind == "value" for item in content.items)
        self.has_many = values > _MANY
        self._is_yaml = content.store == "yaml"
        self._values = values
        self._nonces: dict[str, tuple[tuple[str, ...], str]] = {}
        self._tags: dict[str, str] = {}
        self._passed_nonces: list[str] = []
        self._passed_tags: list[str] = []
        self._keys: dict[str, bool] = {}
        self._found = sorted(found)

    def is_plausible(self, text: str, path: tuple[str, ...]) -> bool:
        """Whether a value is ciphertext beyond doubt, told in the least time; `value` looks again at any other.

        For files with many values, and but for what `is_random` says of all of them together.
        """
        found = match_form(text)
        if found is None:
            return False
        data, iv, tag, type_ = found.groups()
        if len(data) % 4 or type_ in _RARE_TYPES or a2b_base64(data).isascii():
            return False
        key = path[-1] if path else ""
        if len(key) >= _TOKEN_LENGTH and self._is_secret_key(key):
            return False
        self._passed_nonces.append(iv)
        self._passed_tags.append(tag)
        return True

    def is_random(self) -> bool:
        """Whether no nonce that `is_plausible` passed, and no tag, looks made up or is there twice."""
        for passed, others in ((self._passed_nonces, self._nonces), (self._passed_tags, self._tags)):
            # The others were looked at one by one.
            different = set(passed)
            if len(different) < len(passed) or not different.isdisjoint(others) or _MADE_UP.search("\n".join(("", *passed))):
                return False
        return True

    def value(self, item: Item, *, must: bool, in_list: bool) -> Iterator[Problem]:
        """Yield what is wrong with a value."""
        text, span = item.scalar.text, item.scalar.span
        name = leaf_name(item.path)
        if _is_empty(item):
            yield from self.empty(item)
            return
        yield from self.key(item)
        value = parse_ciphertext(text)
        if value is not None:
            yield from self._ciphertext(value, item, name, "value", in_list=in_list)
            if not must:
                reason = f"{name} is encrypted, and the file's own selector leaves it out: SOPS would not decrypt it"
                yield Problem("sops-selector", reason, span, name, remedy=_REENCRYPT)
        elif "ENC[" in text.upper():
            reason = f"{name} looks encrypted and is not what SOPS writes: other text, or parts of wrong lengths"
            yield Problem("sops-fake-ciphertext", reason, span, name, Secret(text.encode("utf-8", "surrogatepass")), remedy=_EDIT)
        elif must:
            reason = f"{name} must be encrypted and is in clear text"
            yield Problem("sops-clear-value", reason, span, name, Secret(text.encode("utf-8", "surrogatepass")), remedy=_EDIT)
        else:
            yield from self._left_clear(item, name)

    def comment(self, item: Item, *, must: bool) -> Iterator[Problem]:
        """Yield what is wrong with a comment."""
        text, span = item.scalar.text.strip(), item.scalar.span
        if not text:
            return
        where = f"a comment in {leaf_name(item.path)}" if item.path else "a comment"
        value = parse_ciphertext(text)
        secret = Secret(text.encode("utf-8", "surrogatepass"))
        if value is not None:
            yield from self._ciphertext(value, item, where, "comment", in_list=False)
        elif must:
            yield Problem("sops-clear-comment", f"{where} is in clear text", span, where, secret, remedy=_EDIT)
        else:
            why = looks_secret("", text) or next((why for p in pairs(text) if (why := looks_secret(p.key, p.value))), "")
            if why or self._detected(span):
                reason = f"{where} stays in clear text by the selector and holds a secret: {why or 'the detector knows it'}"
                yield Problem("sops-clear-comment", reason, span, where, secret, remedy=_EDIT)

    def empty(self, item: Item) -> Iterator[Problem]:
        """Yield whether the key of an empty value or map is what is hidden there: keys are clear by design."""
        if item.path and _is_hidden_in(item.path[-1], item.path[:-1]):
            yield self._hidden_key(item, leaf_name(item.path), "an empty value under a key that looks like a secret")

    def key(self, item: Item) -> Iterator[Problem]:
        """Above a value a key may be anything that people count by (ids, digests), but no credential of a known form."""
        if item.path and len(item.path[-1]) >= _TOKEN_LENGTH and self._is_secret_key(item.path[-1]):
            yield self._hidden_key(item, leaf_name(item.path), "under a key that is a credential by its form")

    def _is_secret_key(self, key: str) -> bool:
        known = self._keys.get(key)
        if known is None:
            known = self._keys[key] = bool(known_form(key))
        return known

    def _hidden_key(self, item: Item, name: str, what: str) -> Problem:
        reason = f"{name} is {what}: keys are never encrypted"
        return Problem("sops-hidden-text", reason, item.scalar.span, name, remedy="keep secrets in values: sops edit {file}")

    def _ciphertext(self, value: Ciphertext, item: Item, name: str, kind: str, *, in_list: bool) -> Iterator[Problem]:
        why = doubt(value, self._values)
        # In a list of a YAML file sops itself makes an item of each comment, and keeps its type.
        may_be_comment = kind == "comment" or (self._is_yaml and in_list)
        if not why and (value.type != "comment" if kind == "comment" else value.type == "comment" and not may_be_comment):
            why = f"it is a {kind} with the type {value.type}"
        if not why and not self._is_first(item):
            why = "another value has the same nonce or tag"
        if why:
            yield Problem("sops-fake-ciphertext", f"SOPS cannot have written {name}: {why}", item.scalar.span, name, remedy=_EDIT)

    def _is_first(self, item: Item) -> bool:
        """Whether no other value has its nonce. sops takes one again for equal items of a list alone, after an edit."""
        found = match_form(item.scalar.text.strip())
        assert found is not None
        here = (item.path, found[1])
        return self._nonces.setdefault(found[2], here) == here and self._tags.setdefault(found[3], found[2]) == found[2]

    def _left_clear(self, item: Item, name: str) -> Iterator[Problem]:
        key = next((part for part in reversed(item.path)), "")
        why = looks_secret(key, item.scalar.text)
        if not why and self._detected(item.scalar.span):
            why = "the detector knows it"
        if why:
            reason = f"{name} stays in clear text by the selector and holds a secret: {why}"
            secret = Secret(item.scalar.text.encode("utf-8", "surrogatepass"))
            yield Problem("sops-clear-secret", reason, item.scalar.span, name, secret, remedy=_WIDEN)

    def _detected(self, span: Span) -> bool:
        return any(other.start < span.end and span.start < other.end for other in self._found)


_REENCRYPT: Final = "sops decrypt -i {file} && sops encrypt -i {file}"
_WIDEN: Final = "widen the selector in .sops.yaml, then: sops decrypt -i {file} && sops encrypt -i {file}; rotate the secret"


def _is_empty(item: Item) -> bool:
    return item.scalar.text == "" or item.scalar.type == "null"


def _is_opaque(key: str) -> bool:
    """Whether nobody would call a setting so: long, of letters and digits, without words."""
    if len(key) < _TOKEN_LENGTH or not any(map(str.isdigit, key)) or not any(map(str.isalpha, key)):
        return False
    return bool(looks_secret("token", key)) and " " not in key


def _is_hidden_in(key: str, above: Sequence[str]) -> bool:
    """Whether a key over nothing is a secret: by its look, by the key above it, or because it names and says one."""
    if _is_opaque(key) or any(True for _ in secrets_within(key)):
        return True
    words = key.split()
    if len(words) > 1:
        return any(names_secret(word) == "strong" for word in words) and any(map(_is_strong, words))
    return _is_strong(key) and bool(_PASSWORD.match(key) or (above and names_secret(above[-1]) == "strong"))


def _is_strong(word: str) -> bool:
    return len(word) >= _PASSWORD_LENGTH and strength(word) == "strong" and not stands_for(word)


def _quoted(text: str) -> str:
    return f"'{text[:60]}'"
