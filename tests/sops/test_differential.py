# SPDX-License-Identifier: Apache-2.0
"""What the real sops writes passes, whatever the document, the selector, the keys and the command.

`SEALGATE_EXPLORE=1000` tries that many new documents of each store instead of the usual few.
"""

import os

import pytest
from documents import SELECTORS, documents
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from judge import Judge, rule_of
from samples import DOCUMENTS, STORES
from sopsmaker import Recipe, SopsMaker, Store, bao_program, missing

from scanner.sops.verify import verify

pytestmark = pytest.mark.skipif(bool(missing("sops", "gpg")), reason=missing("sops", "gpg"))

_EXPLORE = int(os.environ.get("SEALGATE_EXPLORE", "0"))
_SETTINGS = settings(
    max_examples=_EXPLORE or 50,
    derandomize=not _EXPLORE,
    deadline=None,
    # Fixtures of the session hold keys only, and sops takes its time.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="session")
def judge(sops_maker: SopsMaker) -> Judge:
    return Judge(sops_maker)


def _recipients(maker: SopsMaker) -> dict[str, tuple[dict[str, list[str]], ...]]:
    """Return key groups of each kind that can be had without a cloud."""
    age = [maker.age(number).recipient for number in range(3)]
    fingerprint = maker.pgp().fingerprint
    kinds: dict[str, tuple[dict[str, list[str]], ...]] = {
        "age": ({"age": age[:1]},),
        "three of age": ({"age": age},),
        "PGP": ({"pgp": [fingerprint]},),
        "age and PGP": ({"age": age[:2], "pgp": [fingerprint]},),
        "groups": ({"age": age[:1]}, {"age": age[1:]}, {"pgp": [fingerprint]}),
    }
    if bao_program():
        transit = maker.transit()
        kinds |= {"transit": ({"hc_vault": [transit]},), "groups with transit": ({"age": age[:1]}, {"hc_vault": [transit]})}
    return kinds


@pytest.mark.parametrize("store", STORES)
def test_random_documents_pass(store: Store, sops_maker: SopsMaker, judge: Judge) -> None:
    @_SETTINGS
    @given(documents(store), st.sampled_from(SELECTORS[store]), st.booleans(), st.sampled_from(("", "", "set", "edit", "rotate")))
    def passes(document: bytes, selector: tuple[str, str] | None, mac_only: bool, command: str) -> None:
        recipe = sops_maker.recipe(selector=selector, mac_only_encrypted=mac_only)
        data = sops_maker.encrypt(document, store, recipe)
        # go-yaml writes some comments into another list or map than it read them from, where a comment selector makes
        # another choice: sops 3.11 does not decrypt such a file of its own.
        fragile = store == "yaml" and selector is not None and "comment" in selector[0]
        assume(not fragile or judge.sops_accepts(data, store))
        if command and store != "binary":
            data = _changed(sops_maker, data, store, command)
            assume(not fragile or judge.sops_accepts(data, store))
        assert judge.problems(data, store, recipe, keyed=False) == [], data.decode()
        assert judge.problems(data, store, recipe, keyed=True) == [], data.decode()

    passes()


def _changed(maker: SopsMaker, data: bytes, store: Store, command: str) -> bytes:
    index = '["last"]["last_s"]' if store == "ini" else '["last_s"]'
    if command == "set":
        return maker.set(data, store, index, '"other words"')
    if command == "edit":
        # Saved with a change, so that sops encrypts everything again, with the nonces that it remembers.
        return maker.edit(data, store, "path.write_bytes(path.read_bytes().replace(b'words', b'more words'))")
    return maker.rotate(data, store)


@pytest.mark.parametrize("store", STORES)
def test_every_kind_of_key_passes(store: Store, sops_maker: SopsMaker, judge: Judge) -> None:
    document = {"yaml": b"a: words\n", "json": b'{"a": "words"}', "dotenv": b"A=words\n", "ini": b"[a]\nb = words\n", "binary": b"words"}
    for kind, groups in _recipients(sops_maker).items():
        for threshold in (None, len(groups) - 1) if len(groups) > 2 else (None,):
            recipe = Recipe(groups, threshold=threshold)
            data = sops_maker.encrypt(document[store], store, recipe)
            assert judge.problems(data, store, recipe, keyed=False) == [], kind
            assert judge.problems(data, store, recipe, keyed=True) == [], kind
            updated = sops_maker.updatekeys(sops_maker.encrypt(document[store], store), store, recipe)
            if len(groups) == 1:  # sops does not update from one group to several
                assert judge.problems(updated, store, recipe, keyed=True) == [], kind


# What sops writes and the checks report all the same: name, store, document, selector, the rules that speak up, why.
EXCEPTIONS: tuple[tuple[str, Store, bytes, tuple[str, str] | None, set[str]], ...] = (
    # getsops/sops#921: a comment at the top has no path that an encrypted_… selector could match. As long as it says
    # nothing secret that is taken as meant; a secret in it is in clear text.
    ("secret in a comment that a selector leaves out", "yaml", b"# password: %b\ndata: x\n", ("encrypted_regex", "^data$"), {"sops-clear-comment"}),
    ("secret in a value that a selector leaves out", "yaml", b"password: %b\ndata: x\n", ("encrypted_regex", "^data$"), {"sops-clear-secret"}),
    ("secret under the suffix that stays clear", "json", b'{"password_unencrypted": "%b", "a": "x"}', None, {"sops-clear-secret"}),
    # jkroepke/helm-secrets#143: a selector that matches nothing, and a MAC that fits.
    ("selector that matches nothing", "yaml", b"colour: green\n", ("encrypted_regex", "^data$"), {"sops-selector"}),
    # Keys are never encrypted, and under an empty value nothing else is.
    ("token as a key", "yaml", b"%b: ''\na: x\n", None, {"sops-hidden-text"}),
    ("token as a key", "dotenv", b"%b=\nA=x\n", None, {"sops-hidden-text"}),
    # The last one counts for most readers; sops keeps both.
    ("key twice", "json", b'{"a": "x", "a": "y"}', None, {"sops-hidden-text"}),
)


@pytest.mark.parametrize(("name", "store", "document", "selector", "rules"), EXCEPTIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_sops_leaves_in_clear_is_reported_exactly(
    name: str, store: Store, document: bytes, selector: tuple[str, str] | None, rules: set[str], sops_maker: SopsMaker, judge: Judge
) -> None:
    secret = b"Vq8" + b"rT2mX9p" + b"Lw4kZ7nB5c"
    recipe = sops_maker.recipe(selector=selector)
    data = sops_maker.encrypt(document.replace(b"%b", secret), store, recipe)
    problems = judge.problems(data, store, recipe, keyed=False)
    assert {problem.rule for problem in problems} == rules
    assert all(secret.decode() not in problem.reason for problem in problems)


@pytest.mark.parametrize("store", STORES)
def test_a_file_with_the_extension_of_another_store_passes(store: Store, sops_maker: SopsMaker) -> None:
    # Files written with --output-type: what they are shows in the content, but for INI and dotenv only by the name.
    data = sops_maker.encrypt(DOCUMENTS[store], store)
    names = {"yaml": (b"a.yml", b"a.conf"), "json": (b"a.conf", b"a.yaml"), "binary": (b"a.pem", b"a"), "dotenv": (b".env", b"prod.env"), "ini": (b"a.ini",)}
    for name in names[store]:
        assert verify(data, name, rule_of(sops_maker.recipe())) == [], name
