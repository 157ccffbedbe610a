# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the SOPS checks: what it builds is genuine, and what it prints is whole. Nothing here is timed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sopsmaker import SopsMaker, missing

from bench import sops as bench

pytestmark = pytest.mark.skipif(bool(missing("sops", "gpg")), reason=missing("sops", "gpg"))


@pytest.fixture
def maker(tmp_path: Path) -> Iterator[SopsMaker]:
    with SopsMaker(tmp_path) as made:
        yield made


def test_the_large_file_is_one_that_sops_decrypts(maker: SopsMaker) -> None:
    large = bench.make_large(maker, 20_000)
    assert 20_000 < len(large) < 30_000
    assert b"    key19: value 19 of section0\n" in maker.decrypt(large, "yaml")


def test_the_large_file_has_no_problem_in_any_step(maker: SopsMaker) -> None:
    timings = bench.time_large(maker, bench.make_large(maker, 5_000))
    assert [timing.ratio for timing in timings][0] == 1.0
    assert all(timing.seconds > 0 for timing in timings)


def test_a_problem_of_the_large_file_is_no_timing(maker: SopsMaker) -> None:
    with pytest.raises(AssertionError, match="clear text"):
        bench.time_large(maker, b"extra: plain\n" + bench.make_large(maker, 5_000))


def test_the_table_says_who_finds_a_mutation_and_what_sops_accepts(maker: SopsMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    mutations = bench._tests("mutations").MUTATIONS
    names = ("value added", "two list items swapped", "encrypted one repeated")
    monkeypatch.setattr(bench._tests("mutations"), "MUTATIONS", [each for each in mutations if each.name in names])
    rows = list(bench.render_mutations(maker))
    assert rows[0] == "| | change | yaml | json | dotenv | ini | binary | `sops decrypt` accepts | why it cannot be told |"
    found = "without a key"
    assert rows[2] == f"| Clear text | value added | {found} | {found} | {found} | {found} | {found} | no |  |"
    assert rows[3] == "| Encrypted values | two list items swapped | with a key | with a key |  |  |  | no |  |"
    assert rows[4] == "| Comments | encrypted one repeated | – |  | – | – |  | yes | comments are not in the MAC, and the copy decrypts |"


def test_hostile_files_end_with_a_verdict_each(maker: SopsMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = bench.hostile_files(maker.encrypt(b"a: words\n", "yaml"))
    some = {name: files[name] for name in ("alias bomb with metadata", "3,000 nested lists")}
    monkeypatch.setattr(bench, "hostile_files", lambda _: some)
    rows = list(bench.measure_hostile(maker, b"", tmp_path))[2:]
    assert [row.split(" | ")[0] for row in rows] == ["| alias bomb with metadata", "| 3,000 nested lists", "| a link to itself"]
    assert [row.split(" | ")[4:] for row in rows] == [["1", "hostile and plain |"], ["1", "hostile and plain |"], ["1", "plain |"]]
