# SPDX-License-Identifier: Apache-2.0
"""Verdicts come back as they were given, and under nothing but what they were given under."""

import os
import shutil
import struct
import subprocess
import sys
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner.verdicts
from scanner.cachedir import CacheFolder
from scanner.verdicts import Verdicts, add_verdicts, engine_digest, load_verdicts, make_verdicts

IDS = st.binary(min_size=20, max_size=20)
SIZES = st.integers(0, (1 << 32) - 1)
GIVEN = st.dictionaries(IDS, SIZES, max_size=60)


@pytest.fixture
def folder(tmp_path):
    return CacheFolder(str(tmp_path / "cache"))


def named(*numbers, width=20):
    return {bytes([number]) * width: number for number in numbers}


@given(GIVEN, st.lists(IDS, max_size=5))
def test_an_object_is_clean_if_it_was_said_to_be(sizes, others):
    verdicts = make_verdicts(20, sizes)
    assert len(verdicts) == len(sizes)
    assert dict(verdicts.items()) == sizes
    assert list(verdicts.items()) == sorted(sizes.items())
    for name in (*sizes, *others):
        assert verdicts.size(name) == sizes.get(name)
        assert verdicts.size(name[:-1]) is None
        assert verdicts.size(name + b"\0") is None


@given(st.sets(IDS, max_size=40), st.sets(IDS, max_size=40), st.sets(IDS, max_size=40), st.sampled_from([1, 1000]))
def test_two_together_say_what_either_says(one, other, both, few):
    scanner.verdicts._FEW, before = few, scanner.verdicts._FEW
    joined = make_verdicts(20, {name: name[0] for name in one | both}).joined(
        make_verdicts(20, {name: name[0] for name in other | both})
    )
    scanner.verdicts._FEW = before
    assert list(joined.items()) == [(name, name[0]) for name in sorted(one | other | both)]


@given(st.sets(IDS, max_size=40), st.sets(IDS, max_size=20), st.integers(0, 50))
def test_some_may_be_taken_out(one, other, count):
    verdicts = make_verdicts(20, {name: name[0] for name in one})
    assert list(verdicts.without(other | set(sorted(one)[::3])).items()) == [
        (name, name[0]) for name in sorted(one - other - set(sorted(one)[::3]))
    ]
    assert list(verdicts.first(count).items()) == [(name, name[0]) for name in sorted(one)[:count]]


@given(GIVEN)
def test_they_are_kept(tmp_path_factory, sizes):
    folder = CacheFolder(str(tmp_path_factory.mktemp("cache")))
    add_verdicts(folder, "rules", Verdicts(20), make_verdicts(20, sizes))
    assert dict(load_verdicts(folder, "rules", 20).items()) == sizes
    assert len(load_verdicts(folder, "other rules", 20)) == 0
    assert len(load_verdicts(folder, "rules", 32)) == 0


def test_those_of_another_run_stay(folder):
    used = load_verdicts(folder, "rules", 20)
    add_verdicts(folder, "rules", used, make_verdicts(20, named(1, 2)))
    add_verdicts(folder, "rules", used, make_verdicts(20, named(2, 3)))
    assert dict(load_verdicts(folder, "rules", 20).items()) == named(1, 2, 3)


def test_long_ids_and_large_objects(folder):
    add_verdicts(folder, "rules", Verdicts(32), make_verdicts(32, named(1, 2, width=32)))
    assert dict(load_verdicts(folder, "rules", 32).items()) == named(1, 2, width=32)
    assert len(make_verdicts(20, {bytes(20): 1 << 32})) == 0
    assert len(make_verdicts(20, {b"short": 1})) == 0


def test_of_too_many_those_that_are_of_use_stay(folder, monkeypatch):
    add_verdicts(folder, "rules", Verdicts(20), make_verdicts(20, named(*range(1, 40))))
    monkeypatch.setattr(scanner.verdicts, "_MAX_FILLING", 900)
    add_verdicts(folder, "rules", make_verdicts(20, named(7, 8)), make_verdicts(20, named(100)))
    assert dict(load_verdicts(folder, "rules", 20).items()) == named(7, 8, 100)
    # A repository of more blobs than that has at least these.
    add_verdicts(folder, "rules", Verdicts(20), make_verdicts(20, named(*range(1, 60))))
    assert dict(load_verdicts(folder, "rules", 20).items()) == named(*range(1, 38))


def test_nothing_new_writes_nothing(folder, tmp_path):
    add_verdicts(folder, "rules", Verdicts(20), Verdicts(20))
    assert os.listdir(tmp_path / "cache") == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SGV1",
        struct.pack("<4sBxxxQ", b"SGV0", 20, 0),
        struct.pack("<4sBxxxQ", b"SGV1", 32, 0),
        struct.pack("<4sBxxxQ", b"SGV1", 20, 1) + bytes(23),
        struct.pack("<4sBxxxQ", b"SGV1", 20, 1) + bytes(25),
        struct.pack("<4sBxxxQ", b"SGV1", 20, (1 << 64) - 1) + bytes(24),
    ],
)
def test_what_is_no_list_of_verdicts_is_none(folder, content):
    folder.write("verdicts", scanner.verdicts._digest("rules", 20), content)
    assert len(load_verdicts(folder, "rules", 20)) == 0
    add_verdicts(folder, "rules", Verdicts(20), make_verdicts(20, named(1)))
    assert len(load_verdicts(folder, "rules", 20)) == 1


@given(st.binary(max_size=200).map(lambda ids: ids[: len(ids) // 20 * 20]), st.binary(min_size=20, max_size=20))
def test_even_ids_out_of_order_make_nothing_clean_that_is_not_named(ids, asked):
    # Whoever has the key may be wrong, but not so that another object is meant.
    verdicts = Verdicts(20, ids, array("I", [1] * (len(ids) // 20)))
    if verdicts.size(asked) is not None:
        assert asked in {ids[at : at + 20] for at in range(0, len(ids), 20)}


def test_other_parts_or_another_program_have_another_digest(tmp_path, monkeypatch):
    digests = {engine_digest(parts) for parts in ([], ["a"], ["b"], ["a", "b"], ["ab"], ["a", "", "b"])}
    assert len(digests) == 6
    assert engine_digest(["a"]) == engine_digest(["a"])
    package = os.path.dirname(scanner.verdicts.__file__)
    copy = tmp_path / "scanner"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(scanner.verdicts, "__file__", str(copy / "verdicts.py"))
    assert engine_digest([]) in digests
    for changed in ("gate.py", "detect/judge.py", "git/packs.py", "sources/history.py", "sops/likely.py"):
        with open(copy / changed, "ab") as stream:
            stream.write(b"\n")
        assert (digest := engine_digest([])) not in digests
        digests.add(digest)


WRITER = """
import sys
from scanner.cachedir import CacheFolder
from scanner.verdicts import *
folder, first = CacheFolder(sys.argv[1]), int(sys.argv[2])
for number in range(first, first + 40):
    used = load_verdicts(folder, "rules", 20)
    mine = {bytes([first]) * 18 + number.to_bytes(2, "big"): number}
    add_verdicts(folder, "rules", used, make_verdicts(20, mine))
    assert load_verdicts(folder, "rules", 20).size(bytes(20)) == 77
assert not folder.notices, folder.notices
"""


def test_runs_that_add_at_once_lose_at_most_each_others_last(folder, tmp_path):
    add_verdicts(folder, "rules", Verdicts(20), make_verdicts(20, {bytes(20): 77}))
    path = str(tmp_path / "cache")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, path, str(100 + number)]) for number in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    kept = dict(load_verdicts(folder, "rules", 20).items())
    assert kept.pop(bytes(20)) == 77
    assert kept
    assert all(int.from_bytes(name[-2:], "big") == size for name, size in kept.items())


def test_a_clean_start_needs_none_of_this():
    program = "import sys, scanner.cli; print({'scanner.verdicts', 'scanner.cachedir'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
