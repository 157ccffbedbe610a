# SPDX-License-Identifier: Apache-2.0
"""Packs, their indexes and deltas: read as git reads them, and never outside of what is there."""

import contextlib
import hashlib
import sys
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packmaker import back, entry, instructions, pack_of, result

from scanner.git.facts import KNOWN, Facts
from scanner.git.packindex import map_pack, release
from scanner.git.packs import LARGE, open_packs
from scanner.git.repo import open_repository

patch = pytest.importorskip("scanner.git.kernel.patch", reason="the kernel is not compiled here")
Pack = pytest.importorskip("scanner.git.kernel.pack").Pack
Reader = pytest.importorskip("scanner.git.kernel.reader").Reader

NAMES = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}


def name(number):
    return number.to_bytes(20, "big")


def a_pack():
    base = b"one line\nanother\n"
    root = entry(3, base)
    child = instructions(len(base), [(0, 9), b"new\n", (9, 8)])
    grandchild = instructions(21, [(9, 12)])
    second = entry(6, child, before=back(len(root)))
    third = entry(7, grandchild, before=name(1))
    return [root, second, third], [base, b"one line\nnew\nanother\n", b"new\nanother\n"]


def contents(pack, kind=3):
    held = {}
    for number in pack.walk(kind):
        base = pack.base(number)
        held[number] = pack.read(number) if base < 0 else pack.apply(number, held[base])
    return [held[number] for number in sorted(held)]


def test_both_kinds_of_deltas():
    entries, expected = a_pack()
    assert contents(pack_of(entries)) == expected


def test_a_base_is_let_go_by_its_largest_family():
    base = b"x" * 100
    entries = [entry(3, base)]
    for before in (0, 0, 2, 3, 0):
        offset = sum(len(e) for e in entries)
        entries.append(entry(6, instructions(100, [(0, 100)]), before=back(offset - sum(len(e) for e in entries[:before]))))
    pack = pack_of(entries)
    walk = list(pack.walk(3))
    assert walk[0] == 0
    assert walk[-3:] == [2, 3, 4]
    assert [pack.is_last(n) for n in range(6)] == [False, False, True, True, True, False]
    assert [pack.is_base(n) for n in range(6)] == [True, False, True, True, False, False]


def test_circles_and_lost_bases_are_of_no_kind():
    one = entry(7, instructions(4, [(0, 4)]), before=name(1))
    two = entry(7, instructions(4, [(0, 4)]), before=name(0))
    lost = entry(7, instructions(4, [(0, 4)]), before=name(9))
    self = entry(7, instructions(4, [(0, 4)]), before=name(3))
    after = entry(7, instructions(4, [(0, 4)]), before=name(2))
    pack = pack_of([one, two, lost, self, after, entry(3, b"data")])
    assert list(pack.walk(3)) == [5]
    assert len(pack.ids(0)) == 5


def test_a_walk_in_a_circle_is_refused():
    # No pack's own walk has such an entry in it: the way to what it is made of would have no end.
    pack = pack_of([entry(7, instructions(4, [(0, 4)]), before=name(other)) for other in (1, 0)])
    with pytest.raises(ValueError, match="another pack"):
        Reader(pack, array("i", [0]), 0, 0, (array("I"), array("I"), b""))


def test_what_was_read_is_given_back():
    small, block, count = entry(3, b"data"), 1 << 16, 600
    content = bytearray(count * block + 20)
    for number in range(count):
        content[12 + number * block : 12 + number * block + len(small)] = small
    released = []
    places = array("Q", range(12, count * block, block))
    names = b"".join(map(name, range(count)))
    pack = Pack(bytes(content), names, places, 20, 1000, lambda: released.append(1))
    assert len(released) == 1  # every header was read, and 512 blocks are as many as may be mapped
    assert {pack.read(number) for number in pack.walk(3)} == {b"data"}
    assert len(released) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="what is mapped is told by /proc")
def test_pages_of_a_mapped_file_are_given_back(tmp_path):
    for suffix in ("idx", "pack"):
        (tmp_path / f"x.{suffix}").write_bytes(bytes(range(256)) * 4096)
    _, content = map_pack(str(tmp_path / "x.idx"))

    def mapped_kib():
        with open("/proc/self/smaps", encoding="ascii", errors="replace") as stream:
            lines = iter(stream)
            while "x.pack" not in next(lines):
                pass
            return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))

    before = hashlib.sha1(content).digest()
    assert mapped_kib() == 1024
    release(content)
    assert mapped_kib() == 0
    assert hashlib.sha1(content).digest() == before


@pytest.mark.parametrize(
    "delta",
    [
        b"",
        b"\x04",
        b"\x04\x04",
        b"\x04\x04\x00",
        b"\x04\x04\x90\x05",  # more than the base has
        b"\x04\x04\x91\x03\x04",  # from too late
        b"\x04\x02\x90\x04",  # more than it says
        b"\x04\x05\x90\x04",  # less than it says
        b"\x05\x04\x90\x04",  # of another base
        b"\x04\x04\x04ab",  # ends in an insertion
        b"\x04\x04\xff\x00",  # ends in a copy
        b"\x80" * 12 + b"\x04\x04",
        b"\x04" + b"\xff" * 7 + b"\x7f" + b"\x90\x04",
    ],
)
def test_a_delta_that_does_not_fit_is_refused(delta):
    pack = pack_of([entry(3, b"data")])
    with pytest.raises(ValueError):
        pack.patch(delta, b"data")


@pytest.mark.parametrize("number", range(6))
def test_entries_that_lie_are_refused(number):
    good = entry(3, b"data")
    bad = [
        entry(3, b"data", size=3),
        entry(3, b"data", size=5),
        entry(3, b"data", size=1 << 40),
        good[:-6],
        good[:1],
        good[:3] + b"\0" + good[4:],
    ][number]
    with pytest.raises(ValueError):
        pack_of([bad]).read(0)


@pytest.mark.parametrize("offsets", [[11], [1 << 40], [0], [(1 << 64) - 1], [31]])
def test_an_offset_outside_of_the_pack_is_refused(offsets):
    with pytest.raises(ValueError):
        pack_of([entry(3, b"data")[:19]], offsets=offsets)


OPS = st.lists(
    st.one_of(st.binary(min_size=1, max_size=127), st.tuples(st.integers(0, 400), st.integers(1, 400))), max_size=12
)


@given(st.binary(max_size=400), OPS)
def test_deltas_against_their_definition(base, ops):
    ops = [op for op in ops if isinstance(op, bytes) or op[0] + op[1] <= len(base)]
    pack, delta = pack_of([entry(3, b"")]), patch.Copies()
    made = pack.patch(instructions(len(base), ops), base, delta)
    assert made == result(base, ops)
    for at, source, size in delta.copies():
        assert made[at : at + size] == base[source : source + size]


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_bytes_are_a_delta_or_refused(delta, base):
    with contextlib.suppress(ValueError):
        pack_of([entry(3, b"")]).patch(delta, base)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_pack_is_read_or_refused(data):
    entries, expected = a_pack()
    joined = bytearray(b"".join(entries))
    for _ in range(data.draw(st.integers(1, 4))):
        joined[data.draw(st.integers(0, len(joined) - 1))] = data.draw(st.integers(0, 255))
    cuts = [0, len(entries[0]), len(entries[0]) + len(entries[1]), len(joined)]
    damaged = [bytes(joined[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]
    pack = pack_of(damaged)
    for kind in range(8):
        for number in pack.walk(kind):
            with contextlib.suppress(ValueError):
                base = pack.base(number)
                pack.read(number) if base < 0 else pack.apply(number, expected[base])


def objects(repo, environ, max_bytes=LARGE):
    """All objects by id: those of the packs with their content, and the ids that are left to git."""
    opened = open_repository(str(repo.path), environ=environ)
    packs = open_packs(opened, max_bytes)
    if packs is None:
        return None
    found, failed = {}, []
    for kind in NAMES.values():
        for object_id, content, _ in packs.read(kind, failed):
            assert object_id not in found
            found[object_id] = (kind, content)
        assert found.items() >= searched(packs, kind, failed).items()
    return found, {*packs.others, *failed}, packs


class Everything:
    """A screen for which there is something in all that is not empty."""

    near, far, margins, heads, probe, memo = 20, 40, (array("I"), array("I"), b""), ((0, b""),), 0, {}
    sizes = 1, 0

    def search(self, text, anchors, forms):
        for end in range(1, len(text) + 1, 97):
            anchors(1, 0, end, 0, None)
            forms(2, 0, end, 0, None)


def searched(packs, kind, failed):
    """All objects of a kind, read as texts; every one of them must come back, once."""
    seen, given, again = {}, {}, []

    def take(reader):
        assert reader.count == 0
        for raw, content in reader.contents():
            assert raw.hex() not in seen
            seen[raw.hex()] = (kind, content)
        return True

    for object_id, content, _ in packs.search(kind, Everything(), again, take):
        given[object_id] = (kind, content)
    assert given == seen
    assert set(again) <= set(failed)
    return seen


def check(repo, environ, algorithm=hashlib.sha1):
    """Assert that the packs' objects are what their ids say, and that together with the rest they are all there is."""
    found, others, packs = objects(repo, environ)
    for object_id, (kind, content) in found.items():
        assert algorithm(b"%s %d\0" % (kind.encode(), len(content)) + content).hexdigest() == object_id
    listed = repo.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split()
    assert set(found) | others == set(listed)
    facts = Facts(20)
    packs.number(facts)
    known = {facts.id(number).hex() for number in range(len(facts.flags)) if facts.flags[number] & KNOWN}
    assert known | set(packs.others) == set(listed)
    return found, others


def history(git_repo, *init, name="repo", versions=30):
    repo = git_repo(name, *init)
    lines = [f"line {i} of a file that grows\n" for i in range(60)]
    for i in range(versions):
        lines[i * 7 % 60] = f"version {i}\n"
        repo.commit(f"change {i}", files={"a.txt": "".join(lines), f"dir/{i % 5}.txt": f"{i}\n" * 20})
    repo.git("tag", "-a", "-m", "a tag", "v1")
    return repo


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
@pytest.mark.parametrize("delta", ["true", "false"])
def test_indexes_of_both_versions_and_lengths(git_repo, environ, version, object_format, delta):
    repo = history(git_repo, f"--object-format={object_format}")
    settings = ("-c", f"pack.indexVersion={version}", "-c", f"repack.useDeltaBaseOffset={delta}")
    repo.git(*settings, "repack", "-adq", "--depth=50")
    found, others = check(repo, environ, hashlib.sha256 if object_format == "sha256" else hashlib.sha1)
    assert len(found) > 100
    assert not others


def test_offsets_of_64_bits(git_repo, environ):
    repo = history(git_repo)
    repo.git("-c", "pack.indexVersion=2", "repack", "-adq")
    pack = next(repo.path.glob(".git/objects/pack/*.pack"))
    index = pack.with_suffix(".idx")
    index.chmod(0o600)
    index.unlink()
    # Every offset over the second number is written as one of 64 bits.
    repo.git("index-pack", "--index-version=2,0x200", str(pack))
    found, others = check(repo, environ)
    assert found
    assert not others


def test_loose_objects_are_left_to_git_and_packed_ones_are_not(git_repo, environ):
    repo = history(git_repo, versions=5)
    assert objects(repo, environ) is None
    repo.git("repack", "-adq")
    repo.commit("one more", files={"loose": "loose\n"})
    found, others = check(repo, environ)
    assert len(others) == 3
    assert found


def test_objects_of_several_packs_are_read_once(git_repo, environ):
    repo = history(git_repo, versions=10)
    repo.git("repack", "-q")
    repo.commit("more", files={"a.txt": "other\n"})
    repo.git("repack", "-q")
    repo.git("-c", "pack.indexVersion=1", "repack", "-aq", "--window=0")
    assert len(list(repo.path.glob(".git/objects/pack/*.pack"))) == 3
    found, others = check(repo, environ)
    assert found
    assert not others


def test_alternates(git_repo, environ):
    first = history(git_repo, name="first", versions=10)
    first.git("repack", "-adq")
    second = git_repo("second", "--shared", source=first.path)
    second.commit("more", files={"b": "b\n"})
    third = git_repo("third", "--shared", source=second.path)
    third.commit("and more", files={"c": "c\n"})
    found, others = check(third, environ)
    assert len(found) > 20
    assert len(others) == 6


@pytest.mark.parametrize("damage", ["index", "pack", "count", "trailer", "alternates", "no pack"])
def test_what_is_odd_is_left_to_git_altogether(git_repo, environ, damage):
    repo = history(git_repo, versions=5)
    repo.git("repack", "-adq")
    pack = next(repo.path.glob(".git/objects/pack/*.pack"))
    file = pack if damage in ("pack", "count", "trailer") else pack.with_suffix(".idx")
    file.chmod(0o600)
    content = bytearray(file.read_bytes())
    if damage == "index":
        content[20] = 0xFF  # the fan-out table
    elif damage == "pack":
        content = content[:10]
    elif damage == "count":
        content[11] += 1
    elif damage == "trailer":
        content[-1] ^= 1
    file.write_bytes(content)
    if damage == "alternates":
        repo.write(".git/objects/info/alternates", '"quoted"\n')
    if damage == "no pack":
        pack.unlink()
    assert objects(repo, environ) is None


def test_a_large_object_and_what_is_made_of_it_are_left_to_git(git_repo, environ):
    repo = git_repo()
    lines = "".join(f"line {i} of many that stand here\n" for i in range(2000))
    for i in range(4):
        repo.commit(files={"large": lines + f"{i}\n" * (i + 1), "small": f"{i}\n"})
    repo.git("repack", "-adfq")
    found, others, _ = objects(repo, environ, max_bytes=1000)
    assert len(others) == 4
    assert sorted(content for kind, content in found.values() if kind == "blob") == [b"0\n", b"1\n", b"2\n", b"3\n"]
