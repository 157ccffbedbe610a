# SPDX-License-Identifier: Apache-2.0
"""What the checks say of a file: with the rule that it was made by, without a key and with the maker's keys."""

from mutations import Expectation
from sopsmaker import EXTENSIONS, Recipe, SopsError, SopsMaker, Store, bao_program

from scanner.sops.creation.policy import CreationRule, load_policy
from scanner.sops.keyed.keys import Keyring
from scanner.sops.rules import Problem
from scanner.sops.verify import verify
from scanner.sops.wrapping.pgp import public_key_ids


def rule_of(recipe: Recipe) -> CreationRule:
    """Return the creation rule of a recipe, as the checks read it."""
    policy = load_policy(recipe.config().encode(), b".sops.yaml")
    assert policy.problems == ()
    rule = policy.rule_for(b"secrets/file")
    assert rule is not None
    return rule


class Judge:
    """Asks the checks; the age keys at hand are the maker's first three, so that a fourth can play the thief."""

    def __init__(self, maker: SopsMaker) -> None:
        self._maker = maker
        own = maker.folder / "own.txt"
        own.write_text("".join(f"{maker.age(number).identity}\n" for number in range(3)))
        if bao_program():
            maker.transit()  # The address and the token of the server are part of the environment.
        self._keyring = Keyring(maker.environ | {"SOPS_AGE_KEY_FILE": str(own)})
        exported = maker.gpg("--export", maker.pgp(0).fingerprint)
        self._public = public_key_ids(exported)

    def problems(self, data: bytes, store: Store, recipe: Recipe, *, keyed: bool) -> list[Problem]:
        """Return all problems of a file under the rule of this recipe."""
        keyring = self._keyring if keyed else None
        path = b"secrets/file" + EXTENSIONS[store].encode()
        return verify(data, path, rule_of(recipe), public_keys=self._public, keyring=keyring)

    def who(self, data: bytes, store: Store, recipe: Recipe) -> Expectation:
        """Return who finds a problem in the file."""
        if self.problems(data, store, recipe, keyed=False):
            return "keyless"
        return "keyed" if self.problems(data, store, recipe, keyed=True) else "never"

    def sops_accepts(self, data: bytes, store: Store) -> bool:
        """Return whether `sops decrypt` with all keys ends without an error."""
        try:
            self._maker.decrypt(data, store)
        except SopsError:
            return False
        return True
