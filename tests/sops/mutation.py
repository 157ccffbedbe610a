# SPDX-License-Identifier: Apache-2.0
"""A way to change a genuine file, and who can tell: a row of the table behind docs/sops.md.

A mutation takes a sample and returns the file's new bytes, or None where a store has no such thing. Each is expected
to be found `keyless` (by anybody), `keyed` (only by who holds a key), or `never` (the reason stands with it). What one
store can tell and another cannot is said store by store.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from samples import Sample
from sopsmaker import Store

Expectation = Literal["keyless", "keyed", "never"]
Mutate = Callable[[Sample], bytes | None]


class Mutation(NamedTuple):
    """One row of the table. `why` says why it can never be proven, where that is so."""

    group: str
    name: str
    mutate: Mutate
    expected: Mapping[Store, Expectation] | Expectation
    variant: str
    why: str

    def expectation(self, store: Store) -> Expectation:
        """Return who can tell in this store."""
        return self.expected if isinstance(self.expected, str) else self.expected.get(store, self.expected["*"])  # type: ignore[index]


MUTATIONS: list[Mutation] = []


def mutation(
    group: str, name: str, expected: Expectation, variant: str = "age", why: str = "", **stores: Expectation
) -> Callable[[Mutate], Mutate]:
    """Put a function into the table; `yaml="keyed"` and the like where one store differs."""

    def register(function: Mutate) -> Mutate:
        assert (expected == "never" or "never" in stores.values()) == bool(why), name
        by_store: Mapping[Store, Expectation] | Expectation = {"*": expected, **stores} if stores else expected  # type: ignore[dict-item]
        MUTATIONS.append(Mutation(group, name, function, by_store, variant, why))
        return function

    return register


def only(*stores: Store) -> Callable[[Mutate], Mutate]:
    """Restrict a mutation to the stores that have such a thing."""

    def restrict(function: Mutate) -> Mutate:
        return lambda sample: function(sample) if sample.store in stores else None

    return restrict
