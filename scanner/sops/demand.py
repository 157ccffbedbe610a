# SPDX-License-Identifier: Apache-2.0
r"""Does a creation rule mean this file in clear text, or does its expression only happen to match the path?

People write `.*secret.*` and `kubernetes/.*\.ya?ml`, and beside the files that they mean these match a text on
how to send secrets, the public key of the recipients, a README in the folder of secrets, and each manifest.
What is secret in such a file is a violation all the same.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from scanner.model import Confidence, Secret, Span
from scanner.sops.content import Content, Item, Scalar
from scanner.sops.coverage import FindSecrets, leaf_name
from scanner.sops.creation.policy import DEFAULT_SELECTOR, CreationRule, Selector
from scanner.sops.likely import known_form, looks_secret, names_secret, secrets_within
from scanner.sops.rules import Problem
from scanner.sops.selector import selects
from scanner.sops.standin import stands_for, strength
from scanner.sops.wrapping.pgp import public_key_ids

# Texts for people, and programs: their names say what they are about.
_TEXTS: Final = (
    b".md", b".markdown", b".mdx", b".rst", b".adoc", b".asciidoc", b".org", b".tex", b".html", b".htm", b".ronn", b".pod",
)  # fmt: skip
_PROGRAMS: Final = (
    b".nix", b".py", b".go", b".rs", b".js", b".mjs", b".cjs", b".jsx", b".ts", b".tsx", b".rb", b".java", b".kt", b".scala",
    b".c", b".h", b".cc", b".cpp", b".hpp", b".cs", b".swift", b".lua", b".pl", b".php", b".hs", b".ex", b".exs", b".sh",
    b".bash", b".zsh", b".fish", b".bats", b".ps1", b".css", b".scss", b".vue", b".svelte", b".proto",
)  # fmt: skip
# What belongs to a folder and not to what it is for.
_COMPANION: Final = re.compile(
    rb"(?:readme|licen[cs]e)(?:\.\w{1,8})?|\.git(?:ignore|attributes|keep)|codeowners|default\.nix", re.IGNORECASE
)
_MOST_BYTES: Final = 100_000
_MOST_MISSED: Final = 20
_ENCRYPT: Final = "sops encrypt -i {file}, then rotate what it held"
# Kinds that hold ciphertext of their own, references, or descriptions.
_OF_OTHERS: Final = re.compile(
    r"(?!Sops).+Secrets?(?:Backend|Engine)?|.*SecretStore|SecretProviderClass|CustomResourceDefinition"
)
# Tests and pipelines: with passwords of their own, for nobody else.
_ORDINARY: Final = re.compile(
    rb"(?:^|/)(?:tests?|testdata|test[-_]data|fixtures?|__tests__|specs?|e2e|examples?|samples?|\.github|\.gitlab|\.circleci|\.forgejo)/"
)
_UNLIKELY: Final = b"qzxj"
_PUBLIC_KEYS: Final = re.compile(
    rb"\s*+(?:-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:(?:Version|Comment|Hash|Charset): [^\r\n]{0,80}\r?\n){0,8}+"
    rb"[A-Za-z0-9+/=\s]{40,}+-----END PGP PUBLIC KEY BLOCK-----\s*+)+"
)
# Of a manifest, and of those in a `kind: List`.
_KINDS: Final = (("kind",), ("items", "kind"))
# Words of a text; addresses and paths are none, whatever is in them.
_WORD: Final = re.compile(r"(?<!\S)[\"'`(]*+([^\s/\"'`()]{8,200})[\"'`).,;:]*+(?!\S)")


def is_text(path: bytes) -> bool:
    """Whether a file is a text for people by its name."""
    return path.lower().endswith(_TEXTS)


def is_public(data: bytes) -> bool:
    """Whether a file is public keys in armor and nothing else, as Flux has people keep beside what is encrypted to them."""
    return _PUBLIC_KEYS.fullmatch(data) is not None and bool(public_key_ids(data))


def confidence_of(path: bytes, data: bytes, rule: CreationRule, find: FindSecrets | None) -> Confidence:
    """Return how sure it is that the rule means a file that is in clear text: `low` if only its name, or place, does."""
    if not (_is_companion(path) or _is_named_after(path, rule)):
        return "high"
    text = data[:_MOST_BYTES].decode("utf-8", "replace")
    if known_form(text) or any(secrets_within(text)) or (find and find(data, path)):
        return "high"
    words = (found[1] for found in _WORD.finditer(text))
    return "high" if any(strength(word) == "strong" and not stands_for(word) for word in words) else "low"


def _is_companion(path: bytes) -> bool:
    return _COMPANION.fullmatch(path.rpartition(b"/")[2]) is not None


def _is_named_after(path: bytes, rule: CreationRule) -> bool:
    """Whether the rule matches a text or program by a part of its name, and would whatever kind of file it was."""
    if not path.lower().endswith(_TEXTS + _PROGRAMS) or not rule.matches(path):
        return False
    folder, slash, name = path.rpartition(b"/")
    stem, _, extension = name.rpartition(b".")
    by_name = not rule.matches(folder + slash + _UNLIKELY + b"." + extension)
    by_kind = not rule.matches(folder + slash + stem + b"." + _UNLIKELY)
    return by_name and not by_kind


def demand(content: Content, rule: CreationRule) -> Confidence | None:
    """Return how surely the rule means this file, None if it means only the secrets among files like it.

    A rule that encrypts some keys only (Flux: `^(data|stringData)$`) leaves all manifests in clear that are no Secret,
    a ConfigMap's `data` too, and a Secret that only refers to what is kept elsewhere. In what is no manifest it
    encrypts nothing at all where its keys are not there.
    """
    selector = rule.selector
    if selector is None or not selector.kind.startswith("encrypted_") or content.store not in ("yaml", "json"):
        return None if _is_kustomization(content) else "high"
    kinds = {item.scalar.text for item in content.items if item.kind == "value" and item.path in _KINDS}
    if kinds and "Secret" not in kinds:
        return None
    if any(_is_clear(item) for item in _selected(content, selector)):
        return "high"
    if kinds:
        return None
    if any(_may_be_secret(item) for item in content.items):
        return "high"
    return None if _is_kubernetes(selector) else "low"


def _selected(content: Content, selector: Selector) -> list[Item]:
    marked = zip(content.items, selects(content.items, selector), strict=True)
    return [item for item, must in marked if must and item.kind == "value"]


def _is_clear(item: Item) -> bool:
    """Whether a value says something, and not only where it is kept. A placeholder may be what it says."""
    return stands_for(item.scalar.text) not in ("it is empty", "it is encrypted", "it refers to a value that is kept elsewhere")


def _may_be_secret(item: Item) -> bool:
    """By its name alone, too: nobody else is going to look at it."""
    text = item.scalar.text
    if item.kind == "comment":
        return bool(known_form(text)) or any(secrets_within(text))
    if item.kind != "value" or item.scalar.type == "null":
        return False
    name = ".".join(item.path[-2:])
    return bool(looks_secret(name, text)) or (item.scalar.type == "str" and names_secret(name) == "strong" and _is_clear(item))


def _is_kubernetes(selector: Selector) -> bool:
    """Whether a selector is that for manifests."""
    return any(selects([Item("value", (name,), Scalar("x", "str", Span(0, 0))) for name in ("data", "stringData")], selector))


def _is_kustomization(content: Content) -> bool:
    """Kustomize reads its own file in clear text only; secrets in it are found by content."""
    values = [item for item in content.items if item.kind == "value"]
    own = {item.document for item in values if item.path == ("kind",) and item.scalar.text == "Kustomization"}
    return bool(own) and own == {item.document for item in values}


def _is_of_others(item: Item) -> bool:
    return item.kind == "value" and item.path[-1:] == ("kind",) and _OF_OTHERS.fullmatch(item.scalar.text) is not None


def missed(content: Content, path: bytes, rule: CreationRule, told: Sequence[Span]) -> Iterator[Problem]:
    """Yield the secrets that the rule would encrypt in a file which it only means if there are some.

    Secrets by name, and by values that look like no word: under a rule for everything most files are ordinary.
    `told` are the places of what was found already.
    """
    if _ORDINARY.search(path) or is_text(path) or any(map(_is_of_others, content.items)):
        return
    name: tuple[tuple[str, ...], str] = ((), "")
    count = 0
    for item in _selected(content, rule.selector or DEFAULT_SELECTOR):
        above, key, text, span = item.path[:-1], ".".join(item.path[-2:]), item.scalar.text, item.scalar.span
        if item.path[-1:] in (("name",), ("key",)):
            name = (above, text)
        if item.path[-1:] == ("value",) and name[0] == above:
            key = name[1]
        why = looks_secret(key, text)
        if not why or strength(text) != "strong" or any(span.start < other.end and other.start < span.end for other in told):
            continue
        reason = f"creation rule {rule.number} would encrypt {leaf_name(item.path)}, and it is in clear text: {why}"
        secret = Secret(text.encode("utf-8", "surrogatepass"))
        yield Problem("sops-uncovered", reason, span, leaf_name(item.path), secret, "medium", _ENCRYPT)
        count += 1
        if count >= _MOST_MISSED:
            return
