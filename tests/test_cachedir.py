# SPDX-License-Identifier: Apache-2.0
"""A file of the cache is believed whole or not at all, and only where nobody else can have made it."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scanner.cachedir
from scanner.cachedir import KEY_VARIABLE, CacheFolder, open_cache
from scanner.errors import ConfigError

KEY = b"0123456789abcdef"
DIGEST = "rules and settings"
NEEDS_OWNERS = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners here")


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "cache")


def only_file(folder):
    (name,) = os.listdir(folder)
    return os.path.join(folder, name)


@pytest.mark.parametrize("key", [None, KEY])
@given(content=st.binary(max_size=300), digest=st.text(max_size=20))
def test_what_was_written_is_read_under_the_same_digest_alone(tmp_path_factory, key, content, digest):
    cache = CacheFolder(str(tmp_path_factory.mktemp("cache")), key)
    cache.write("verdicts", digest, content)
    assert cache.read("verdicts", digest) == content
    assert cache.read("results", digest) is None
    assert cache.read("verdicts", digest + "x") is None
    assert cache.notices == []


@pytest.mark.parametrize("key", [None, KEY])
def test_no_byte_may_be_another_one(folder, key):
    CacheFolder(folder, key).write("verdicts", DIGEST, b"clean: a, b and c")
    path = only_file(folder)
    with open(path, "rb") as stream:
        sound = stream.read()
    for at in range(len(sound)):
        for change in (1, 0x80, 0xFF):
            damaged = bytearray(sound)
            damaged[at] ^= change
            with open(path, "wb") as stream:
                stream.write(damaged)
            cache = CacheFolder(folder, key)
            assert cache.read("verdicts", DIGEST) is None
            assert "is damaged, or was not written with this key" in cache.notices[0]


@pytest.mark.parametrize("key", [None, KEY])
def test_nor_may_the_file_be_shorter_or_longer(folder, key):
    CacheFolder(folder, key).write("verdicts", DIGEST, b"clean: a, b and c")
    path = only_file(folder)
    with open(path, "rb") as stream:
        sound = stream.read()
    for content in (*(sound[:end] for end in range(len(sound))), sound + b"\0", sound + sound):
        with open(path, "wb") as stream:
            stream.write(content)
        assert CacheFolder(folder, key).read("verdicts", DIGEST) is None
    CacheFolder(folder, key).write("verdicts", DIGEST, b"anew")
    assert CacheFolder(folder, key).read("verdicts", DIGEST) == b"anew"


@pytest.mark.parametrize(("writer", "reader"), [(KEY, None), (None, KEY), (KEY, KEY[::-1])])
def test_another_key_has_other_files(folder, writer, reader):
    CacheFolder(folder, writer).write("verdicts", DIGEST, b"all clean")
    cache = CacheFolder(folder, reader)
    assert cache.read("verdicts", DIGEST) is None
    cache.write("verdicts", DIGEST, b"mine")
    assert CacheFolder(folder, writer).read("verdicts", DIGEST) == b"all clean"


@pytest.mark.parametrize("forger", [None, KEY[::-1]])
def test_a_forged_file_under_the_right_name_is_not_believed(folder, forger):
    CacheFolder(folder, KEY).write("verdicts", DIGEST, b"honest")
    path = only_file(folder)
    name = os.path.basename(path)
    with open(path, "wb") as stream:
        stream.write(CacheFolder(folder, forger)._seal(name, b"all clean") + b"all clean")
    assert CacheFolder(folder, KEY).read("verdicts", DIGEST) is None


def test_a_file_put_in_another_ones_place_is_not_believed(folder):
    cache = CacheFolder(folder, KEY)
    cache.write("verdicts", "old rules", b"all clean")
    old = only_file(folder)
    cache.write("verdicts", "new rules", b"little is clean")
    (new,) = {os.path.join(folder, name) for name in os.listdir(folder)} - {old}
    os.replace(old, new)
    assert cache.read("verdicts", "new rules") is None


@NEEDS_OWNERS
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_without_a_key_a_file_that_others_may_write_is_not_believed(folder, mode):
    CacheFolder(folder).write("verdicts", DIGEST, b"all clean")
    os.chmod(only_file(folder), mode)
    cache = CacheFolder(folder)
    assert cache.read("verdicts", DIGEST) is None
    assert "others may have written" in cache.notices[0]


@NEEDS_OWNERS
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o1777])
def test_without_a_key_a_folder_that_others_may_write_is_not_used(folder, mode):
    CacheFolder(folder).write("verdicts", DIGEST, b"all clean")
    os.chmod(folder, mode)
    cache = CacheFolder(folder)
    assert cache.read("verdicts", DIGEST) is None
    cache.write("verdicts", DIGEST, b"other")
    assert KEY_VARIABLE in cache.notices[0]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
def test_without_a_key_somebody_elses_file_or_folder_is_not_believed(folder):
    CacheFolder(folder).write("verdicts", DIGEST, b"all clean")
    os.chown(only_file(folder), 12345, 12345)
    assert CacheFolder(folder).read("verdicts", DIGEST) is None
    os.chown(only_file(folder), 0, 0)
    assert CacheFolder(folder).read("verdicts", DIGEST) == b"all clean"
    os.chown(folder, 12345, 12345)
    assert CacheFolder(folder).read("verdicts", DIGEST) is None


@NEEDS_OWNERS
def test_with_a_key_it_does_not_matter_who_may_write(folder):
    CacheFolder(folder, KEY).write("verdicts", DIGEST, b"sealed")
    os.chmod(only_file(folder), 0o666)
    os.chmod(folder, 0o777)
    assert CacheFolder(folder, KEY).read("verdicts", DIGEST) == b"sealed"


def test_without_a_key_nothing_is_believed_that_a_commit_could_bring(tmp_path):
    worktree = tmp_path / "work"
    (worktree / ".git").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    (worktree / "link").symlink_to(tmp_path / "beside")
    (tmp_path / "inwards").symlink_to(worktree)
    for inside in (worktree, worktree / "cache", worktree / "a/.git", worktree / "link/cache", tmp_path / "inwards/cache"):
        cache = CacheFolder(str(inside), None, str(worktree))
        cache.write("verdicts", DIGEST, b"all clean")
        assert cache.read("verdicts", DIGEST) is None
        assert KEY_VARIABLE in cache.notices[0]
        keyed = CacheFolder(str(inside), KEY, str(worktree))
        keyed.write("verdicts", DIGEST, b"sealed")
        assert keyed.read("verdicts", DIGEST) == b"sealed"
    for outside in (worktree / ".git/cache", tmp_path / "beside/cache", tmp_path / "workshop"):
        cache = CacheFolder(str(outside), None, str(worktree))
        cache.write("verdicts", DIGEST, b"clean")
        assert cache.read("verdicts", DIGEST) == b"clean"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("key", [None, KEY])
def test_nothing_but_a_regular_file_is_read(folder, tmp_path, key):
    CacheFolder(folder, key).write("verdicts", DIGEST, b"all clean")
    path = only_file(folder)
    os.replace(path, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", path)
    assert CacheFolder(folder, key).read("verdicts", DIGEST) is None
    os.unlink(path)
    os.mkfifo(path)
    assert CacheFolder(folder, key).read("verdicts", DIGEST) is None
    os.unlink(path)
    os.mkdir(path)
    cache = CacheFolder(folder, key)
    assert cache.read("verdicts", DIGEST) is None
    cache.write("verdicts", DIGEST, b"anew")
    assert os.listdir(folder) == [os.path.basename(path)]
    assert cache.notices


def test_a_folder_that_cannot_be_is_a_notice_and_no_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        cache = CacheFolder(str(path))
        cache.write("verdicts", DIGEST, b"clean")
        assert cache.read("verdicts", DIGEST) is None
        assert cache.notices


def test_only_so_many_files_are_kept_and_only_ours_are_removed(folder, monkeypatch):
    monkeypatch.setattr(scanner.cachedir, "KINDS", {"verdicts": 2, "results": 3})
    cache = CacheFolder(folder)
    others = ["README", "verdicts-short", "verdicts-" + "0" * 65, ".verdicts-" + "0" * 64 + ".0123456789abcdef"]
    for name in others:
        with open(os.path.join(folder, name), "wb"):
            pass
    for number in range(5):
        for kind in ("verdicts", "results"):
            cache.write(kind, str(number), b"content")
            path = os.path.join(folder, cache._name(kind, str(number)))
            os.utime(path, (1000 + number, 1000 + number))
    assert [number for number in range(5) if cache.read("verdicts", str(number))] == [3, 4]
    assert [number for number in range(5) if cache.read("results", str(number))] == [2, 3, 4]
    assert set(others) <= set(os.listdir(folder))
    # A run that died an hour ago does not finish what it wrote.
    os.utime(os.path.join(folder, others[-1]), (time.time() - 7200,) * 2)
    cache.write("verdicts", "9", b"")
    assert set(others) - set(os.listdir(folder)) == {others[-1]}


def test_the_folder_never_grows_over_its_bound(folder, monkeypatch):
    monkeypatch.setattr(scanner.cachedir, "MAX_FOLDER_BYTES", 1000)
    cache = CacheFolder(folder)
    for number in range(8):
        cache.write("results" if number % 2 else "verdicts", str(number), bytes(268))
        assert sum(entry.stat().st_size for entry in os.scandir(folder)) <= 1000
        assert cache.read("results" if number % 2 else "verdicts", str(number)) is not None
    monkeypatch.setattr(scanner.cachedir, "MAX_FILE_BYTES", 500)
    cache.write("results", "large", bytes(500))
    assert cache.read("results", "large") is None


def test_what_is_of_use_stays(folder, monkeypatch):
    monkeypatch.setattr(scanner.cachedir, "KINDS", {"verdicts": 2, "results": 2})
    cache = CacheFolder(folder)
    for number in range(2):
        cache.write("verdicts", str(number), b"content")
        os.utime(os.path.join(folder, cache._name("verdicts", str(number))), (1000 + number, 1000 + number))
    assert cache.read("verdicts", "0")
    cache.write("verdicts", "2", b"content")
    assert cache.read("verdicts", "0")
    assert cache.read("verdicts", "1") is None


def test_a_key_that_could_be_guessed_is_refused(folder):
    with pytest.raises(ConfigError, match="too short"):
        open_cache(folder, {KEY_VARIABLE: "secret"})
    assert open_cache(folder, {}).notices == []
    cache = open_cache(folder, {KEY_VARIABLE: KEY.decode()})
    cache.write("verdicts", DIGEST, b"sealed")
    assert CacheFolder(folder, KEY).read("verdicts", DIGEST) == b"sealed"


def test_whom_a_pipeline_gives_an_empty_key_it_does_not_trust(folder):
    CacheFolder(folder).write("verdicts", DIGEST, b"all clean")
    cache = open_cache(folder, {KEY_VARIABLE: ""})
    assert cache.read("verdicts", DIGEST) is None
    cache.write("verdicts", DIGEST, b"other")
    assert f"{KEY_VARIABLE} is empty" in cache.notices[0]
    assert CacheFolder(folder).read("verdicts", DIGEST) == b"all clean"


WRITER = """
import sys
from scanner.cachedir import CacheFolder
cache = CacheFolder(sys.argv[1], sys.argv[2].encode() or None)
for number in range(60):
    cache.write("verdicts", "shared", sys.argv[3].encode() * 20_000)
    content = cache.read("verdicts", "shared")
    assert content is not None and len(content) == 20_000 and len(set(content)) == 1, content
assert not cache.notices, cache.notices
"""


@pytest.mark.parametrize("key", ["", KEY.decode()])
def test_processes_that_write_at_once_never_see_a_half(folder, key):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, key, letter]) for letter in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(os.listdir(folder)) == 1
