# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import scanner.git.kernel
from scanner.git import facts, trace
from scanner.git.headers import parse_commit, parse_tag
from scanner.git.trace import Graph

_WAYS = "scanner.git.kernel.ways"


def _ways(suffix: str) -> ModuleType:
    """Load the walks as they are, or compiled, wherever the kernel lies."""
    for folder in scanner.git.kernel.__path__:
        for path in sorted(Path(folder).glob(f"ways*{suffix}")):
            spec = importlib.util.spec_from_file_location(_WAYS, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            # Types of the module are looked up by its name.
            before = sys.modules.get(_WAYS)
            sys.modules[_WAYS] = module
            spec.loader.exec_module(module)
            if before is not None:
                sys.modules[_WAYS] = before
            return module
    pytest.skip("the kernel is not compiled here")


@pytest.fixture(params=["plain", "kernel", "mixed"], autouse=True)
def _either_facts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test without the kernel, with it, and with half of it."""
    if request.param != "plain":
        monkeypatch.setattr(trace, "make_facts", pytest.importorskip("scanner.git.kernel.facts").Facts)
    else:
        monkeypatch.setattr(trace, "make_facts", facts.Facts)
    monkeypatch.setattr(trace, "ways", _ways(".py" if request.param != "kernel" else ".so"))


def raw(number: int) -> bytes:
    return number.to_bytes(20, "big")


def hexed(number: int) -> str:
    return raw(number).hex()


def tree(*entries: tuple[bytes, bytes, int]) -> bytes:
    return b"".join(b"%s %s\0%s" % (mode, name, raw(number)) for mode, name, number in entries)


def commit(tree_number: int, *parents: int, when: int = 0, author: bytes = b"A <a@b.c>") -> bytes:
    lines = [b"tree " + hexed(tree_number).encode()]
    lines += [b"parent " + hexed(parent).encode() for parent in parents]
    lines += [b"author %s %d +0000" % (author, when), b"committer C <c@d.e> %d +0000" % when]
    return b"\n".join(lines) + b"\n\nmessage\nauthor Nobody <x@y> 1 +0000\n"


def graph(trees: dict[int, bytes], commits: dict[int, bytes], *, refs: list[int], head: int | None = None) -> Graph:
    made = Graph(20)
    for number, data in trees.items():
        assert made.add_tree(hexed(number), data)
    made.add_commits([(raw(number), data) for number, data in commits.items()])
    made.arrange(map(hexed, refs), [], None if head is None else hexed(head))
    return made


def test_parse_commit() -> None:
    parsed = parse_commit(commit(1, 2, 3, when=1_700_000_000, author=b"\xc3\x84 \xff <a@b>"))
    assert parsed.tree == hexed(1)
    assert parsed.parents == (hexed(2), hexed(3))
    assert parsed.author == b"\xc3\x84 \xff <a@b>"
    assert (parsed.date, parsed.committed) == ("2023-11-14T22:13:20+00:00", 1_700_000_000)


@pytest.mark.parametrize(
    ("person", "author", "date"),
    [
        (b"A <a> 0 -0730", b"A <a>", "1969-12-31T16:30:00-07:30"),
        (b"A <a> 1700000000 +0545", b"A <a>", "2023-11-15T03:58:20+05:45"),
        (b"<> 0 +0000", b"<>", "1970-01-01T00:00:00+00:00"),
        (b"A <a> 9999999999999999999 +0000", b"A <a>", None),
        (b"A <a> -5 +0000", b"A <a>", "1969-12-31T23:59:55+00:00"),
        (b"A <a>", b"", None),
    ],
)
def test_dates_and_people(person: bytes, author: bytes, date: str | None) -> None:
    parsed = parse_commit(b"tree " + b"0" * 40 + b"\nauthor " + person + b"\n\n")
    assert (parsed.author, parsed.date) == (author, date)


@pytest.mark.parametrize("data", [b"", b"\n\n", b"tree", b"parent x\n\n", b"tree \n\n"])
def test_malformed_objects_parse_to_nothing(data: bytes) -> None:
    assert parse_commit(data).parents == ()
    assert parse_tag(data).target == ""


def test_malformed_trees_are_told() -> None:
    made = Graph(20)
    assert made.add_tree(hexed(1), b"")
    assert not made.add_tree(hexed(2), b"100644 a\0short")
    assert not made.add_tree(hexed(3), tree((b"100644", b"a", 1)) + b"x")
    assert made.add_tree(hexed(4), tree((b"100644", b"\n", 0), (b"40000", b" ", 1)))
    assert not made.add_tree(hexed(5), tree((b"nomode", b"a", 1)))
    assert not made.add_tree(hexed(6), tree((b"", b"a", 1)))


def test_malformed_commits_are_told() -> None:
    made, good = Graph(20), commit(1, 2)
    assert made.add_commits([(raw(1), b""), (raw(2), good.replace(hexed(1).encode(), b"12"))]) == [raw(1), raw(2)]
    assert made.add_commits([(raw(3), good.replace(hexed(2).encode(), b"12"))]) == [raw(3)]
    assert made.add_commits([(raw(4), good), (raw(5), b"tree " + hexed(1).encode() + b"\n\n")]) == []
    assert made.commits == 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\n\nmessage", b"\ngpgsig -----\n line\n -----\n\nmessage"),
        (b"\n\nmessage", b"\nparent " + b"0" * 38 + b"07\n\nmessage"),
        (b"\n\nmessage", b"\nencoding x"),
        (b"\n\nmessage", b""),
        (b"7 +0000\ncommitter", b"7 +000\ncommitter"),
        (b"7 +0000\n\n", b"-7 +0000\n\n"),
        (b"7 +0000\n\n", b"99999999999999999999 +0000\n\n"),
        (b"7 +0000\n\n", b"9999999999999999999 -9999\n\n"),
        (b"A <a@b.c> 7", b"7"),
        (b"A <a@b.c> 7", b"A <a@b.c>7"),
        (b"A <a@b.c> 7", b" 7"),
        (b"C <c@d.e> 7", b"7"),
        (b"C <c@d.e> 7", b" 7"),
        (b"C <c@d.e> 7", b"7 7 7"),
        (b"author", b"author X <x> 1 +0000\nauthor"),
        (b"committer", b"committer X <x> 1 +0000\ncommitter"),
        (b"tree", b"Tree"),
    ],
)
def test_a_commit_is_read_the_same_way_at_a_glance(old: bytes, new: bytes) -> None:
    data = commit(1, 2, 3, when=7).replace(old, new, 1)
    made, parsed = Graph(20), parse_commit(data)
    made.add_commits([(raw(9), data)])
    known = made.facts
    made.arrange([], [], None)
    provenance = made.commit_place(hexed(9)).provenance
    assert (provenance.author or "", provenance.date) == (parsed.author.decode(), parsed.date)
    assert [known.id(number).hex() for number in known.parents] == list(parsed.parents)
    assert [known.id(number).hex() for number in known.roots if number != facts.NONE] == ([parsed.tree] if parsed.tree else [])
    assert list(known.times) == [parsed.committed]


def test_the_first_commit_of_each_path() -> None:
    made = graph(
        {
            1: tree((b"100644", b"a", 100)),
            2: tree((b"100644", b"a", 100), (b"40000", b"d", 3)),
            3: tree((b"100644", b"b", 100)),
            4: tree((b"100644", b"a", 101), (b"40000", b"d", 3)),
        },
        {10: commit(1, when=1), 11: commit(2, 10, when=2), 12: commit(4, 11, when=3)},
        refs=[12],
        head=12,
    )
    places, _ = made.places([hexed(100), hexed(101), hexed(102)])
    told = [(p.path, p.provenance.commit, p.provenance.order, p.provenance.at_head) for p in places[hexed(100)]]
    assert told == [(b"a", hexed(10), 0, False), (b"d/b", hexed(11), 1, True)]
    assert [p.provenance.commit for p in places[hexed(101)]] == [hexed(12)]
    assert places[hexed(102)] == []


def test_ancestors_come_before_descendants_whatever_their_dates() -> None:
    trees = {n: tree((b"100644", b"a", 100 + n)) for n in range(1, 5)}
    commits = {10: commit(1, when=900), 11: commit(2, 10, when=5), 12: commit(3, 10, when=4), 13: commit(4, 11, 12)}
    made = graph(trees, commits, refs=[13])
    assert [made.facts.id(made.facts.commits[commit]) for commit in made.order] == [raw(n) for n in (10, 12, 11, 13)]


def test_a_commit_amended_away_does_not_win() -> None:
    made = graph({1: tree((b"100644", b"a", 100))}, {10: commit(1, when=1), 11: commit(1, when=9)}, refs=[11])
    (place,) = made.places([hexed(100)])[0][hexed(100)]
    assert (place.provenance.commit, place.provenance.kind) == (hexed(11), "commit")
    assert made.commit_place(hexed(10)).provenance.kind == "unreachable"
    assert made.commit_place(hexed(11)).path == b".git/commit/" + hexed(11).encode()


def test_a_tree_that_no_commit_has() -> None:
    made = graph(
        {1: tree((b"40000", b"d", 2)), 2: tree((b"100644", b"a", 100))}, {10: commit(3, when=1)}, refs=[10], head=10
    )
    (place,) = made.places([hexed(100)])[0][hexed(100)]
    assert place.path == b"d/a"
    assert (place.provenance.kind, place.provenance.commit, place.provenance.at_head) == ("unreachable", None, False)


def test_what_is_missing() -> None:
    made = graph(
        {1: tree((b"100644", b"a", 100), (b"160000", b"sub", 101), (b"40000", b"d", 2))},
        {10: commit(1, 9), 11: commit(3, 10)},
        refs=[11],
    )
    for number in (1, 10, 11):
        made.facts.add(raw(number))
    assert made.missing_ids() == {raw(100), raw(2)}
    assert made.missing_ids({raw(2)}) == {raw(100)}
    assert made.missing_commits((), ()) == {hexed(9): f"commit {hexed(10)}", hexed(3): f"commit {hexed(11)}"}
    assert set(made.missing_commits((), {hexed(10)})) == {hexed(3)}
    assert set(made.missing_commits({raw(3)}, ())) == {hexed(9)}
    assert made.places([]) == ({}, [b"sub"])


def test_a_git_bomb_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_MAX_DIRECTORIES", 1000)
    monkeypatch.setattr(trace, "_MAX_STEPS", 1000)
    trees = {n: tree(*((b"40000", b"%d" % i, n + 1) for i in range(10))) for n in range(1, 12)}
    trees[12] = tree((b"100644", b"a", 100))
    made = graph(trees, {50: commit(1)}, refs=[50])
    made.places([hexed(100)])


def test_a_very_deep_tree_ends() -> None:
    trees = {n: tree((b"40000", b"d" * 200, n + 1)) for n in range(1, 5000)}
    trees[5000] = tree((b"100644", b"a", 100))
    made = graph(trees, {9000: commit(1)}, refs=[9000])
    assert made.places([hexed(100)]) == ({hexed(100): []}, [])


def test_copies_at_several_paths_and_modes_with_zeroes() -> None:
    made = graph(
        {
            1: tree((b"40000", b"x", 3), (b"40000", b"y", 2)),
            2: tree((b"040000", b"x", 3), (b"40000", b"z", 3)),
            3: tree((b"100755", b"a", 100), (b"120000", b"b", 100)),
        },
        {10: commit(1, when=1), 11: commit(3, 10, when=2)},
        refs=[11],
        head=11,
    )
    places = [(p.path, p.provenance.order, p.provenance.at_head) for p in made.places([hexed(100)])[0][hexed(100)]]
    assert places == [
        *((path, 0, False) for path in (b"x/a", b"x/b", b"y/x/a", b"y/x/b", b"y/z/a", b"y/z/b")),
        (b"a", 1, True),
        (b"b", 1, True),
    ]


def test_commits_of_one_second_are_in_the_order_of_their_ids() -> None:
    made = graph({1: b""}, {n: commit(1, when=5) for n in (12, 10, 13, 11)} | {9: commit(1, when=6)}, refs=[13, 12])
    ranked = [made.facts.id(made.facts.commits[commit]) for commit in made.order]
    assert ranked == [raw(n) for n in (12, 13, 10, 11, 9)]


def test_ids_that_are_chosen_make_no_circle() -> None:
    made = graph(
        {1: tree((b"40000", b"a", 2), (b"100644", b"f", 100)), 2: tree((b"40000", b"b", 1))},
        {10: commit(1, 11, when=1), 11: commit(2, 10, when=2)},
        refs=[10],
        head=10,
    )
    assert made.order == []
    made.places([hexed(100)])
    assert made.commit_place(hexed(10)).provenance.at_head is True
