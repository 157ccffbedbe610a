# SPDX-License-Identifier: Apache-2.0
"""Where reports go: whole or not at all, and a lost one fails the run."""

import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TextIO

import pytest

from scanner.errors import ReportError
from scanner.reports.output import write_report

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files")


def hello(out: TextIO) -> None:
    out.write("hello …\n")


def broken(out: TextIO) -> None:
    out.write("half a rep")
    raise RuntimeError("a bug in a writer")


def test_new_file(tmp_path: Path) -> None:
    target = tmp_path / "report"
    write_report(str(target), hello)
    assert target.read_bytes() == "hello …\n".encode()
    assert os.listdir(tmp_path) == ["report"]


@posix
def test_permissions(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        write_report(str(tmp_path / "new"), hello)
        write_report(str(tmp_path / "private"), hello, private=True)
        (tmp_path / "old").write_text("old")
        (tmp_path / "old").chmod(0o604)
        write_report(str(tmp_path / "old"), hello, private=True)
    finally:
        os.umask(umask)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "private": 0o600, "old": 0o604}


def test_failure_keeps_the_old_report(tmp_path: Path) -> None:
    target = tmp_path / "report"
    target.write_text("old")
    with pytest.raises(RuntimeError):
        write_report(str(target), broken)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["report"]


def test_failure_at_the_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "report"
    target.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportError, match=r"report: the report cannot be written: No space left on device"):
        write_report(str(target), hello)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["report"]


@pytest.mark.parametrize("name", ["missing/report", "file/report", "directory", "nul\0", ""])
def test_impossible_targets(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    with pytest.raises(ReportError) as caught:
        write_report(name, hello)
    assert caught.value.hint
    assert sorted(os.listdir(tmp_path)) == ["directory", "file"]


def test_unwritable_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # By a patch: whoever runs the tests as root may write everywhere.
    def denied(*args: object, **keywords: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(ReportError, match="Permission denied") as caught:
        write_report(str(tmp_path / "re\x1b[1mport"), hello)
    assert r"re\x1b[1mport" in caught.value.message


@posix
def test_link_is_replaced_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    link = tmp_path / "report"
    link.symlink_to(victim)
    write_report(str(link), hello)
    assert victim.read_text() == "precious"
    assert not link.is_symlink()
    assert link.read_text() == "hello …\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_full_device() -> None:
    with pytest.raises(ReportError, match="/dev/full: the report cannot be written: No space left"):
        write_report("/dev/full", hello)


@posix
def test_device_is_written_in_place() -> None:
    write_report("/dev/null", hello)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@posix
def test_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    write_report(str(pipe), hello)
    reader.join(timeout=30)
    assert read == ["hello …\n"]


@posix
def test_descriptor() -> None:
    reading, writing = os.pipe()
    write_report(f"/dev/fd/{writing}", hello)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        assert pipe.read() == "hello …\n"


def python(
    script: str, stdout: IO[bytes] | int, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    start = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom scanner.reports.output import write_report\n"
    )
    command = [sys.executable, "-c", start + script]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=env)


REPORTING = """
from scanner.errors import ReportError
try:
    write_report(TARGET, lambda out: [out.write("x" * 1000 + "\\n") for _ in range(1000)])
except ReportError as error:
    sys.exit(str(error))
"""


@posix
@pytest.mark.parametrize("target", ["-", "/dev/stdout"])
def test_stdout_appends_where_the_shell_stands(tmp_path: Path, target: str) -> None:
    with open(tmp_path / "out", "wb") as out:
        out.write(b"before\n")
        out.flush()
        assert python(f"write_report({target!r}, lambda out: out.write('x\\n'))", stdout=out).returncode == 0
        out.seek(0, os.SEEK_END)
        out.write(b"after\n")
    assert (tmp_path / "out").read_bytes() == b"before\nx\nafter\n"


@posix
def test_stdout_closed_by_its_reader() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = python(REPORTING.replace("TARGET", "'-'"), stdout=writing)
    os.close(writing)
    assert done.returncode == 1
    # One line, and no complaint of the interpreter's at exit.
    assert done.stderr == b"standard output: the reader closed it before the report was complete\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_stdout_full() -> None:
    with open("/dev/full", "wb") as full:
        done = python(REPORTING.replace("TARGET", "'-'"), stdout=full)
    assert done.returncode == 1
    assert done.stderr.startswith(b"standard output: the report cannot be written: No space left on device (")
    assert done.stderr.count(b"\n") == 1


def test_stdout_that_is_not_utf8() -> None:
    script = "write_report('-', lambda out: out.write('\\u2026 \\udce9'))"
    done = python(
        script, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert done.returncode == 0
    assert done.stdout == rb"\u2026 \udce9"


def test_stdout_closed_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(ReportError, match="standard output: the report cannot be written: it is closed"):
        write_report("-", hello)


def test_stdout_without_reconfigure(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    write_report("-", hello)
    assert out.getvalue() == "hello …\n"
