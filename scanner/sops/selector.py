# SPDX-License-Identifier: Apache-2.0
"""What of a file SOPS encrypts: the six selectors, as the walk over its tree applies them (getsops/sops `sops.go`)."""

from collections.abc import Sequence

from scanner.sops.content import Item
from scanner.sops.creation.expression import Search, as_text, compile_expression
from scanner.sops.creation.policy import Selector


def selects(items: Sequence[Item], selector: Selector) -> list[bool]:
    """Return for each item whether SOPS encrypts it: values and comments; never null, what is empty, or a bracket.

    It holds for a file before and after encryption: a comment that a selector goes by stays clear itself. SOPS
    takes an expression that does not compile for one that matches nothing, which may leave a whole file in clear:
    here everything is selected then, so that nothing passes by a broken selector.
    """
    wanted = selector.kind.startswith("encrypted_")
    if selector.kind.endswith("_suffix"):
        return _by_path(items, wanted=wanted, suffix=selector.value)
    search = compile_expression(selector.value)
    if search is None:
        return [_has_text(item) for item in items]
    if selector.kind.endswith("_comment_regex"):
        return _by_comments(items, search, wanted=wanted)
    return _by_path(items, wanted=wanted, search=search)


def _has_text(item: Item) -> bool:
    """Whether there is anything to encrypt: SOPS leaves null and empty text as they are (`isEmpty`, aes/cipher.go)."""
    return item.kind in ("value", "comment") and item.scalar.type != "null" and bool(item.scalar.text)


def _by_path(items: Sequence[Item], *, wanted: bool, suffix: str = "", search: Search | None = None) -> list[bool]:
    """Any component of the path decides; a comment has the path of what it stands in, at the top none at all (#921)."""
    of_components: dict[str, bool] = {}
    of_paths: dict[tuple[str, ...], bool] = {}

    def marks(component: str) -> bool:
        known = of_components.get(component)
        if known is None:
            known = search(as_text(component)) if search else component.endswith(suffix)
            of_components[component] = known
        return known

    selected = []
    for _, path, (text, type_, _), _ in items:
        # Brackets have no text either (`_has_text`); this loop is most of what a selector costs.
        if not text or type_ == "null":
            selected.append(False)
            continue
        above = path[:-1]
        marked = of_paths.get(above)
        if marked is None:
            marked = of_paths[above] = any(map(marks, above))
        selected.append((marked or (bool(path) and marks(path[-1]))) == wanted)
    return selected


def _by_comments(items: Sequence[Item], search: Search, *, wanted: bool) -> list[bool]:
    """The comments since the last value count, those of each enclosing map or list as well.

    A comment that matches is itself left clear: for an `encrypted_comment_regex` it does not count for itself.
    """
    selected = []
    levels = [False]  # for the document, and each map and list that is open: did one of its comments match
    document = 0
    for item in items:
        if item.document != document:
            levels, document = [False], item.document
        # A level begins with what holds around it, so the last one says it all.
        if item.kind == "open":
            levels.append(levels[-1])
            selected.append(False)
            continue
        before = levels[-1]
        if item.kind == "comment":
            levels[-1] = before or search(as_text(item.scalar.text))
            marked = before if wanted else levels[-1]
            selected.append(_has_text(item) and marked == wanted)
            continue
        selected.append(item.kind == "value" and _has_text(item) and before == wanted)
        if item.kind == "close" and len(levels) > 1:
            levels.pop()
        levels[-1] = len(levels) > 1 and levels[-2]
    return selected
