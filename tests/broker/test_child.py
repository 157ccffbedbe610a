# SPDX-License-Identifier: Apache-2.0
"""The command under the broker: what it gets, what becomes of its output and its end, and what every signal does."""

import hashlib
import os
import pty
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scanner.broker.child import CommandError, run_child
from scanner.broker.environment import closed_environment
from scanner.broker.redact import Mask
from scanner.broker.signals import Signals
from scanner.errors import ConfigError
from scanner.model import Secret

RUNNER: Final = str(Path(__file__).with_name("childrunner.py"))
PYTHON: Final = sys.executable
Run = Callable[..., "subprocess.Popen[bytes]"]

# Says the name of every signal that it gets; ends at SIGTERM, or after a while.
LISTENER: Final = """
import os, signal, sys, time
def heard(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    if number == signal.SIGTERM:
        os._exit(7)
for name in "TERM INT HUP QUIT USR1 USR2 WINCH".split():
    signal.signal(getattr(signal, "SIG" + name), heard)
os.write(1, b"ready\\n")
end = time.monotonic() + 20
while time.monotonic() < end:
    time.sleep(0.05)
"""


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a function that starts a command under the runner, in a session of its own; what is left of it is ended."""
    started = []

    def start(*command: str, kill_after: float = 10, values: str = "", **options: Any) -> "subprocess.Popen[bytes]":
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True} | options
        process = subprocess.Popen([PYTHON, RUNNER, str(kill_after), values, *command], **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def _finish(process: "subprocess.Popen[bytes]", data: bytes | None = None, timeout: float = 30) -> tuple[int, bytes, bytes]:
    output, errors = process.communicate(data, timeout)
    return process.returncode, output, errors


def _python(code: str) -> tuple[str, str, str]:
    return (PYTHON, "-c", code)


@pytest.mark.parametrize("code", [0, 1, 3, 125, 255])
def test_the_exit_code_is_the_commands(run: Run, code: int) -> None:
    assert _finish(run("sh", "-c", f"exit {code}"))[0] == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "PIPE"])
def test_the_end_by_a_signal_is_128_and_its_number(run: Run, name: str) -> None:
    assert _finish(run("sh", "-c", f"kill -{name} $$"))[0] == 128 + getattr(signal, f"SIG{name}")


def test_what_cannot_be_run_is_126_and_127(run: Run, tmp_path: Path) -> None:
    plain, lost = tmp_path / "plain", tmp_path / "lost"
    plain.write_text("#!/bin/sh\n")
    lost.write_text("#!/nowhere/at/all\n")
    lost.chmod(0o755)
    for command, code in ((str(plain), 126), (str(tmp_path), 126), (str(lost), 127), (str(tmp_path / "none"), 127), ("no-such-command-", 127), ("", 127)):
        ended, output, errors = _finish(run(command))
        assert (ended, output) == (code, b""), command
        assert errors.startswith(b"error: "), command


def test_an_environment_that_is_too_large_is_said_to_be() -> None:
    with Signals() as signals, pytest.raises(CommandError, match="too large.*as files") as raised:
        run_child(["true"], {b"PATH": b"/bin", b"BIG": b"x" * 200_000}, lambda: Mask(()), signals)
    assert raised.value.exit_code == 126


def test_input_goes_in_and_output_comes_out(run: Run) -> None:
    assert _finish(run("sh", "-c", "cat; echo error >&2; exit 4"), b"some input") == (4, b"some input", b"error\n")


def test_both_outputs_are_redacted_across_writes(run: Run) -> None:
    value = secrets.token_hex(16)
    code = f"import os,time\nfor fd in (1,2):\n os.write(fd,b'a {value[:9]}'); time.sleep(.2); os.write(fd,b'{value[9:]} z\\n')"
    assert _finish(run(*_python(code), values=value)) == (0, b"a *** z\n", b"a *** z\n")


def test_a_large_output_passes_whole(run: Run) -> None:
    value = secrets.token_hex(16)
    code = (
        "import os,random,hashlib,sys\nrandom.seed(7)\nblock=random.randbytes(1<<20)\nwhole=hashlib.sha256()\n"
        "for n in range(24):\n part=block[n*1000:]+b'\\n'; whole.update(part)\n"
        "  \n sys.stdout.buffer.write(part)\nsys.stderr.write(whole.hexdigest())"
    ).replace("\n  \n", "\n")
    ended, output, errors = _finish(run(*_python(code), values=value))
    assert (ended, hashlib.sha256(output).hexdigest()) == (0, errors.decode())


def test_at_a_terminal_a_prompt_is_shown_before_it_is_answered() -> None:
    value = "passphrase-of-the-day"
    script = f"printf 'Your pass'; read -r answer; echo; echo \"got $answer\"; printf {value[:9]}; sleep 0.3; echo {value[9:]}"
    pid, terminal = pty.fork()
    if not pid:
        os.execv(PYTHON, [PYTHON, RUNNER, "10", value, "sh", "-c", script])
    try:
        # `pass` begins the secret: three letters of it may be shown.
        assert _read_until(terminal, b"Your pas") == b"Your pas"
        os.write(terminal, b"yes\n")
        assert _read_until(terminal, b"got yes").split() == [b"yes", b"s", b"got", b"yes"]
        assert _read_until(terminal, b"*").strip() == b"pas***"
    finally:
        os.waitpid(pid, 0)
        os.close(terminal)


def test_processes_left_behind_do_not_hang_the_end(run: Run) -> None:
    started = time.monotonic()
    code, output, errors = _finish(run("sh", "-c", "sleep 30 & echo $!; exit 5"))
    try:
        assert (code, b"left processes behind" in errors) == (5, True)
        assert 1.5 < time.monotonic() - started < 10
    finally:
        os.kill(int(output), signal.SIGKILL)


def test_what_is_left_behind_and_ends_soon_is_waited_for(run: Run) -> None:
    assert _finish(run("sh", "-c", "(sleep 0.4; echo late) & exit 5")) == (5, b"late\n", b"")


def test_a_command_that_closes_its_output_is_waited_for(run: Run) -> None:
    started = time.monotonic()
    assert _finish(run("sh", "-c", "exec >&- 2>&-; sleep 0.7; exit 6"))[0] == 6
    assert time.monotonic() - started > 0.7


def test_a_reader_that_goes_away_ends_the_writer(run: Run) -> None:
    process = run("yes")
    assert process.stdout
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(20) == 128 + signal.SIGPIPE


def test_a_full_disk_is_said(run: Run) -> None:
    with open("/dev/full", "wb") as full:
        process = run("sh", "-c", "echo output; sleep 0.2; echo more", stdout=full)
        assert b"standard output cannot be written: No space left" in _finish(process)[2]


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"])
def test_every_signal_reaches_the_command_once(run: Run, name: str) -> None:
    process = run(*_python(LISTENER))
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    assert process.stdout.readline() == f"SIG{name}\n".encode()
    if name != "TERM":
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"SIGTERM\n"
    assert _finish(process) == (7, b"", b"")


def test_signals_reach_what_the_command_has_started(run: Run) -> None:
    # A shell that waits for what it runs does not end before it.
    process = run("sh", "-c", f"trap : USR1 TERM; {PYTHON} -c '{LISTENER}'; exit 9")
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == b"SIGUSR1\n"
    process.send_signal(signal.SIGTERM)
    assert _finish(process)[:2] == (9, b"SIGTERM\n")


def test_who_does_not_end_is_killed(run: Run) -> None:
    process = run(*_python(LISTENER.replace("os._exit(7)", "pass")), kill_after=0.5)
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    code, output, errors = _finish(process, timeout=10)
    assert (code, output, b"was killed" in errors) == (128 + signal.SIGKILL, b"SIGTERM\n", True)


def test_a_signal_gets_through_although_nobody_reads(run: Run) -> None:
    process = run("yes", kill_after=0.5)
    assert process.stdout
    process.stdout.read(1)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 128 + signal.SIGTERM


def test_a_signal_that_is_ignored_stays_so(run: Run) -> None:
    process = run(*_python(LISTENER.replace(" HUP", "")), preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    assert process.stdout
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert _finish(process)[:2] == (7, b"SIGTERM\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_the_command_ends_when_the_broker_is_killed(run: Run) -> None:
    process = run(*_python(LISTENER.replace('b"ready\\n"', 'str(os.getpid()).encode() + b"\\n"')))
    assert process.stdout
    child = int(process.stdout.readline())
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < end:
        if "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a matter of Linux")
def test_the_broker_cannot_be_looked_into_and_the_command_can(run: Run) -> None:
    ask = "import ctypes; print(ctypes.CDLL(None).prctl(3))"  # PR_GET_DUMPABLE
    assert _finish(run(*_python(ask)))[1] == b"1\n"
    hardened = [PYTHON, "-c", f"from scanner.broker.child import harden; harden(); {ask}"]
    environ = {"PYTHONPATH": str(Path(RUNNER).parents[2])}
    assert subprocess.run(hardened, env=environ, capture_output=True).stdout == b"0\n"


def test_the_command_gets_standard_streams_only(run: Run) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("there is no /proc")
    _, output, _ = _finish(run(*_python("import os\nprint(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:-1])")))
    assert output == b"[0, 1, 2]\n"


def test_at_a_terminal_its_keys_reach_the_command_once() -> None:
    pid, terminal = pty.fork()
    if not pid:
        os.execv(PYTHON, [PYTHON, RUNNER, "10", "", PYTHON, "-c", LISTENER])
    try:
        shown = _read_until(terminal, b"ready")
        os.write(terminal, b"\x03")
        shown += _read_until(terminal, b"SIGINT")
        os.write(terminal, b"\x1c")
        shown += _read_until(terminal, b"SIGQUIT")
        os.kill(pid, signal.SIGTERM)
        shown += _read_until(terminal, b"SIGTERM")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        pid = 0
        assert [shown.count(name) for name in (b"SIGINT", b"SIGQUIT", b"SIGTERM")] == [1, 1, 1]
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(terminal)


def _read_until(terminal: int, word: bytes) -> bytes:
    shown, end = b"", time.monotonic() + 10
    while word not in shown and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 1000)
    assert word in shown
    return shown


VARIABLES: Final = {"PATH": "/bin", "HOME": "/root", "LC_ALL": "C", "VAULT_TOKEN": "t", "BAO_TOKEN": "t", "VAULT_ADDR": "a", "ID": "jwt", "OTHER": "o"}


def test_the_environment_has_the_secrets_and_no_tokens() -> None:
    closed = closed_environment(VARIABLES, {"OTHER": Secret(b"new"), "KEY": Secret(b"\xff\n")}, scrub=("ID",))
    assert closed == {b"PATH": b"/bin", b"HOME": b"/root", b"LC_ALL": b"C", b"VAULT_ADDR": b"a", b"OTHER": b"new", b"KEY": b"\xff\n"}


def test_a_pristine_environment_has_what_any_program_needs_and_what_is_kept() -> None:
    closed = closed_environment(VARIABLES, {"KEY": Secret(b"k")}, scrub=("ID",), keep=("OTHER", "ID"), pristine=True)
    assert closed == {b"PATH": b"/bin", b"HOME": b"/root", b"LC_ALL": b"C", b"OTHER": b"o", b"ID": b"jwt", b"KEY": b"k"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "path", "BASH_ENV", "NODE_OPTIONS", "GITHUB_ENV", "9x", "a=b", ""])
def test_no_secret_goes_to_a_variable_that_steers(name: str) -> None:
    with pytest.raises(ConfigError):
        closed_environment({}, {name: Secret(b"value")})


def test_a_value_that_no_variable_can_hold_is_refused_without_being_shown() -> None:
    value = secrets.token_bytes(8) + b"\0"
    with pytest.raises(ConfigError) as raised:
        closed_environment({}, {"KEY": Secret(value)})
    assert "KEY" in str(raised.value)
    assert repr(value)[2:-1] not in str(raised.value)
