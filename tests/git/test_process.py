# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

from scanner.git.process import Process, unnamed_file


def python(code: str, stdin: bytes | None = None) -> Process:
    return Process([sys.executable, "-c", code], os.environ, stdin)


def test_output_status_and_errors() -> None:
    with python("import sys; print('out'); print('fatal: no\\x1b[2J', file=sys.stderr); sys.exit(3)") as process:
        assert process.stdout.read() == b"out\n"
        assert process.wait() == 3
    assert process.error_lines() == ["fatal: no\\x1b[2J"]
    assert process.complaint() == "no\\x1b[2J"


def test_much_input_output_and_complaint_cannot_deadlock() -> None:
    code = "import sys; d = sys.stdin.buffer.read(); sys.stderr.write('x' * 300_000); sys.stdout.buffer.write(d)"
    with python(code, b"y" * 1_000_000) as process:
        assert process.stdout.read() == b"y" * 1_000_000
        assert process.wait() == 0


def test_input_is_empty_unless_given() -> None:
    with python("import sys; print(len(sys.stdin.buffer.read()))") as process:
        assert process.stdout.read() == b"0\n"


def test_leaving_early_ends_the_child_and_leaks_nothing() -> None:
    before = len(os.listdir("/dev/fd"))
    with python("import time; print('x' * 100_000); time.sleep(600)") as process:
        assert process.stdout.readline()[:1] == b"x"
    assert process.returncode == -15
    assert len(os.listdir("/dev/fd")) == before


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_sigpipe_has_its_default_action_in_the_child() -> None:
    with Process(["/bin/sh", "-c", "grep SigIgn /proc/self/status"], os.environ) as shell:
        ignored = int(shell.stdout.read().split()[1], 16)
    assert not ignored >> 12 & 1


def test_a_program_that_is_not_there_raises_and_leaks_nothing() -> None:
    before = len(os.listdir("/dev/fd"))
    with pytest.raises(FileNotFoundError):
        Process(["/no/such/program"], os.environ)
    assert len(os.listdir("/dev/fd")) == before


def test_unnamed_file_without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    descriptor = unnamed_file(b"content")
    try:
        assert os.read(descriptor, 100) == b"content"
        assert os.fstat(descriptor).st_nlink == 0
    finally:
        os.close(descriptor)
