# SPDX-License-Identifier: Apache-2.0
"""Secrets in files: where they lie, who may read them, and that they are gone at every end."""

import os
import secrets
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from scanner.broker import files
from scanner.broker.files import PrivateFiles
from scanner.errors import ConfigError
from scanner.model import Secret

CHECKOUT: Final = str(Path(__file__).parents[2])


@pytest.fixture(autouse=True)
def _on_disk_unless_said(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What `/dev/shm` is depends on the machine; the tests use a directory of their own, and say what it is."""
    memory = getattr(request, "param", None)
    if memory is not False:
        monkeypatch.setattr(files, "_is_in_memory", lambda path: memory is not None and path == str(memory))


def _private(tmp_path: Path, **values: str) -> PrivateFiles:
    made = PrivateFiles({"TMPDIR": str(tmp_path)})
    made.write({name: Secret(value.encode()) for name, value in values.items()})
    return made


def _modes(made: PrivateFiles) -> dict[str, int]:
    return {name: stat.S_IMODE(os.stat(os.path.join(made.path, name)).st_mode) for name in os.listdir(made.path)}


def test_files_are_private_whatever_the_umask_is(tmp_path: Path) -> None:
    for mask in (0, 0o077):
        before = os.umask(mask)
        try:
            made = _private(tmp_path, key="one", other="two")
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat(made.path).st_mode) == 0o700
        assert _modes(made) == {"key": 0o600, "other": 0o600}
        assert Path(made.path, "key").read_text() == "one"
        assert made.remove() == ""
        assert list(tmp_path.iterdir()) == []


def test_memory_is_preferred_and_a_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    memory.mkdir()
    disk.mkdir()
    monkeypatch.setattr(files, "_is_in_memory", lambda path: path == str(memory))
    made = PrivateFiles({"XDG_RUNTIME_DIR": str(memory), "TMPDIR": str(disk)})
    assert (made.in_memory, os.path.dirname(made.path)) == (True, str(memory))
    made.remove()
    made = PrivateFiles({"XDG_RUNTIME_DIR": str(tmp_path / "none"), "TMPDIR": str(disk)})
    assert (made.in_memory, os.path.dirname(made.path)) == (False, str(disk))
    made.remove()


@pytest.mark.parametrize("_on_disk_unless_said", [False], indirect=True)
def test_the_system_says_what_is_memory() -> None:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()] if sys.platform.startswith("linux") else []
    known = {"tmpfs": True, "ext4": False, "proc": False, "xfs": False, "overlay": False}
    seen = {path: known[kind] for _, path, kind, *_ in mounts if kind in known and "\\" not in path and os.path.isdir(path)}
    if not seen:
        pytest.skip("no file system of a kind that is known here")
    # The last one mounted at a path is what one sees there.
    assert {path: files._is_in_memory(path) for path in seen} == seen
    assert not files._is_in_memory("/no/such/directory")


def test_on_a_disk_they_are_overwritten_before_they_go(tmp_path: Path) -> None:
    made = _private(tmp_path, key="a secret value")
    kept = os.open(os.path.join(made.path, "key"), os.O_RDONLY)
    try:
        made.remove()
        assert os.read(kept, 100) == bytes(14)
    finally:
        os.close(kept)


def test_what_the_command_has_put_there_goes_too_and_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Path(outside, "kept").write_text("kept")
    made = _private(tmp_path, key="one", linked="two", hard="three")
    for name in ("linked", "hard"):
        os.unlink(os.path.join(made.path, name))
    os.symlink(outside / "kept", os.path.join(made.path, "linked"))
    os.link(outside / "kept", os.path.join(made.path, "hard"))
    os.symlink(outside, os.path.join(made.path, "folder-link"))
    Path(made.path, "deep", "er").mkdir(parents=True)
    os.symlink(outside, os.path.join(made.path, "deep", "er", "link"))
    Path(made.path, "deep", "file").write_text("x")
    assert made.remove() == ""
    assert list(tmp_path.iterdir()) == [outside]
    assert Path(outside, "kept").read_text() == "kept"


def test_a_link_in_the_place_of_the_directory_is_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Path(outside, "key").write_text("kept")
    made = _private(tmp_path, key="one")
    os.rename(made.path, tmp_path / "moved")
    os.symlink(outside, made.path)
    made.remove()
    assert Path(outside, "key").read_text() == "kept"
    assert os.listdir(tmp_path / "moved") == []


def test_removing_twice_and_what_is_gone_already_is_no_error(tmp_path: Path) -> None:
    made = _private(tmp_path, key="one")
    Path(made.path, "key").unlink()
    assert (made.remove(), made.remove()) == ("", "")


@pytest.mark.parametrize("name", ["../key", "a/b", ".", "..", "", ".hidden", "a\nb"])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    made = _private(tmp_path)
    with pytest.raises(ConfigError):
        made.write({name: Secret(b"value")})
    made.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_name_twice_is_refused_without_the_value(tmp_path: Path) -> None:
    value = secrets.token_hex(8)
    made = _private(tmp_path, key=value)
    with pytest.raises(ConfigError) as raised:
        made.write({"key": Secret(value.encode())})
    assert value not in str(raised.value)
    made.remove()


def test_where_there_is_no_place_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no private directory"):
        PrivateFiles({"TMPDIR": str(tmp_path / "none")})


KILLED: Final = """
import os, signal, sys
from scanner.broker import files
from scanner.model import Secret
files._is_in_memory = lambda path: False
made = files.PrivateFiles({"TMPDIR": sys.argv[1]})
made.write({"key": Secret(b"value")})
print(made.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_behind_the_next_one_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": CHECKOUT})
    left = Path(done.stdout.strip())
    assert done.returncode == -signal.SIGKILL
    living = _private(tmp_path, key="two")
    assert left.exists()  # it may be one that is just being made
    monkeypatch.setattr(files, "_SETTLED_SECONDS", -1.0)
    other = _private(tmp_path)
    assert (left.exists(), Path(living.path, "key").read_text()) == (False, "two")
    living.remove()
    other.remove()
    assert list(tmp_path.iterdir()) == []
