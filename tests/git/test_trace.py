# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from scanner.git import trace
from scanner.git.trace import Graph, parse_commit, parse_tag


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
    for number, data in commits.items():
        made.add_commit(hexed(number), data)
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
    assert made.order == [hexed(n) for n in (10, 12, 11, 13)]


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
    known = {raw(n) for n in (1, 10, 11)}
    assert made.missing_ids(known) == {raw(100), raw(2)}
    assert set(made.missing_commits(known, ())) == {hexed(9), hexed(3)}
    assert set(made.missing_commits(known, {hexed(10)})) == {hexed(3)}
    assert made.places([]) == ({}, [b"sub"])


def test_a_git_bomb_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_MAX_DIRECTORIES", 1000)
    trees = {n: tree(*((b"40000", b"%d" % i, n + 1) for i in range(10))) for n in range(1, 12)}
    trees[12] = tree((b"100644", b"a", 100))
    made = graph(trees, {50: commit(1)}, refs=[50])
    made.places([hexed(100)])


def test_a_very_deep_tree_ends() -> None:
    trees = {n: tree((b"40000", b"d" * 200, n + 1)) for n in range(1, 5000)}
    trees[5000] = tree((b"100644", b"a", 100))
    made = graph(trees, {9000: commit(1)}, refs=[9000])
    assert made.places([hexed(100)]) == ({hexed(100): []}, [])
