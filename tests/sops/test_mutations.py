# SPDX-License-Identifier: Apache-2.0
"""The table of mutations: genuine files pass, and each single change is found by whom it is said to be found."""

import pytest
from judge import Judge
from mutations import MUTATIONS, Mutation
from samples import STORES, VARIANTS, Samples
from sopsmaker import SopsMaker, missing

pytestmark = pytest.mark.skipif(bool(missing("sops", "gpg")), reason=missing("sops", "gpg"))


@pytest.fixture(scope="session")
def samples(sops_maker: SopsMaker) -> Samples:
    return Samples(sops_maker)


@pytest.fixture(scope="session")
def judge(sops_maker: SopsMaker) -> Judge:
    return Judge(sops_maker)


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_mutated_is_without_a_problem_before(variant: str, samples: Samples, judge: Judge) -> None:
    for sample in samples.of(variant):
        problems = judge.problems(sample.data, sample.store, sample.recipe, keyed=True)
        assert problems == [], sample.store


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.group}: {mutation.name}")
def test_each_mutation_is_found_by_whom_the_table_says(mutation: Mutation, samples: Samples, judge: Judge) -> None:
    found, expected = {}, {}
    for sample in samples.of(mutation.variant):
        data = mutation.mutate(sample)
        if data is not None:
            assert data != sample.data, sample.store
            expected[sample.store] = mutation.expectation(sample.store)
            found[sample.store] = judge.who(data, sample.store, sample.recipe)
    assert expected
    assert found == expected


def test_no_store_goes_without_mutations_of_any_group(samples: Samples) -> None:
    groups = {mutation.group for mutation in MUTATIONS}
    applied = {
        (mutation.group, sample.store)
        for mutation in MUTATIONS
        for sample in samples.of(mutation.variant)
        if mutation.mutate(sample) is not None
    }
    lacking = {(group, store) for group in groups for store in STORES} - applied
    assert lacking == {("Harmless", "ini")}
