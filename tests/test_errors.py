# SPDX-License-Identifier: Apache-2.0
"""However a run goes wrong: one line, the right code, no traceback and nothing of what was scanned."""

import base64
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from planted import AWS_KEY_ID, ROOT, clean_environ, command, fill, github_token, process, sealgate

TOKEN = github_token()

# A bug, provoked from outside: the process's own `sitecustomize` breaks a function that the scan calls.
BUG = """
import scanner.detect.engine as engine
def broken(self, data, *others, **options):
    raise RuntimeError("while looking at " + repr(data))
engine.Detector.find = broken
"""


def _with_bug(folder: Path) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(BUG)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@pytest.fixture
def scanned(tmp_path: Path) -> Path:
    """Return a folder with one secret in it."""
    folder = tmp_path / "scanned"
    folder.mkdir()
    (folder / "a.py").write_text(f'key = "{TOKEN}"\n')
    return folder


def test_a_bug_is_seventy_with_type_and_place_only(tmp_path: Path, scanned: Path) -> None:
    done = process("scan", ".", cwd=scanned, env=_with_bug(tmp_path))
    assert (done.code, done.out) == (70, "")
    assert re.fullmatch(
        r"sealgate: a bug in Sealgate \S+: RuntimeError at sitecustomize.py:4 in broken "
        r"\(please report it; --verbose shows the way there\)\n",
        done.err,
    )


def test_a_bug_shows_its_frames_when_asked_and_never_its_message(tmp_path: Path, scanned: Path) -> None:
    done = process("scan", "--verbose", ".", cwd=scanned, env=_with_bug(tmp_path))
    assert (done.code, TOKEN in done.err, "while looking at" in done.err) == (70, False, False)
    assert re.search(r"^  reading\.py:\d+ in read$", done.err, re.MULTILINE)
    assert all(re.fullmatch(r"  \S+:\d+ in \S+", line) for line in done.err.splitlines()[1:])


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_an_interrupted_run_is_one_hundred_and_thirty(tmp_path: Path) -> None:
    running = subprocess.Popen(
        command("scan", "--stdin"), cwd=tmp_path, env=clean_environ() | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    # It waits for its input: the rules are loaded once it has read what a pipe holds.
    assert running.stdin is not None
    running.stdin.write(b"x" * 200_000)
    running.stdin.flush()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert (running.returncode, out, err) == (130, b"", b"sealgate: interrupted\n")


def test_a_reader_that_goes_away_is_no_traceback(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{number}.py").write_text(f'key = "{github_token(number)}"\n')
    running = subprocess.Popen(
        command("scan", "--report", "json", tmp_path), cwd=tmp_path, env=clean_environ() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert running.stdout is not None
    running.stdout.close()
    with running:
        err = running.stderr.read().decode() if running.stderr else ""
    assert (running.returncode, err.count("\n"), err.startswith("sealgate: standard output: the reader closed it")) == (2, 1, True)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["scan", "a.py"], ["scan", "--report", "sarif", "a.py"]])
def test_a_full_disk_behind_standard_output_fails_the_run(scanned: Path, arguments: list[str]) -> None:
    done = _to_full(arguments, scanned)
    assert (done.returncode, b"Traceback" in done.stderr, done.stderr.count(b"\n")) == (2, False, 1)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["rules", "list"], ["--help"], ["--version"], ["baseline", "create"]])
def test_a_full_disk_fails_every_other_command_too(scanned: Path, arguments: list[str]) -> None:
    done = _to_full(arguments, scanned)
    assert (done.returncode, b"Exception ignored" in done.stderr, done.stderr.count(b"\n")) == (2, False, 1)


def _to_full(arguments: list[str], cwd: Path) -> "subprocess.CompletedProcess[bytes]":
    with open("/dev/full", "wb") as full:
        environ = clean_environ() | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command(*arguments), cwd=cwd, env=environ, stdout=full, stderr=subprocess.PIPE, check=False)


def test_closed_standard_streams_are_no_traceback(scanned: Path) -> None:
    program = "import os, sys; [os.close(n) for n in (0, 1, 2)]; os.execv(sys.executable, [sys.executable, '-m', 'scanner', 'scan', '.'])"
    environ = clean_environ() | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=scanned, env=environ, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


HOSTILE = {
    "deep json": b"[" * 200_000,
    "half a pem": b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 20_000,
    "many pem heads": b"-----BEGIN RSA PRIVATE KEY-----\n" * 3000,
    "many anchors": b"password=" * 50_000,
    "dashes": b"-" * 500_000,
    "zeros": b"\0" * 500_000,
    "all bytes": bytes(range(256)) * 500,
    "lone surrogates": b"\xed\xa0\x80" * 1000 + b" " + TOKEN.encode(),
    "utf-16 rubbish": b"\xff\xfe" + b"\x00\xd8" * 5000,
    "escapes": b"\x1b[2J\x1b]0;x\x07 " + TOKEN.encode() + b"\r::error::x\n",
    "base64 in base64": base64.b64encode(base64.b64encode(base64.b64encode(TOKEN.encode() * 50))),
    "no end of line": TOKEN.encode() * 5000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_content_is_scanned_without_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.txt").write_bytes(HOSTILE[name])
    done = sealgate("scan", "--report", "jsonl", tmp_path)
    assert (done.code in (0, 1, 3), "bug" in done.err, "summary" in done.out.splitlines()[-1]) == (True, False, True)


@pytest.mark.parametrize("claims", [b'{"a":' + b"[" * 1100, b'{"a":' + b"9" * 5000 + b"}"])
def test_a_token_with_hostile_claims_is_scanned_without_an_error(tmp_path: Path, claims: bytes) -> None:
    head, body = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"HS256","typ":"JWT"}', claims))
    signature = fill("{{base64url:43}}").encode()
    (tmp_path / "x.txt").write_bytes(b"token: " + b".".join([head, body, signature]) + b"\n")
    done = sealgate("scan", tmp_path)
    assert (done.code in (0, 1), done.err) == (True, "")


def test_a_hostile_configuration_in_the_tree_is_an_error_of_one_line(tmp_path: Path) -> None:
    for text in ("a: " + "[" * 100_000, "allow:\n- path: '[z-a'\n", "fail_on: 2026-02-30", "\0", "%YAML 9.9\n---\n", "a: &a [*a]"):
        (tmp_path / ".sealgate.yaml").write_text(text)
        done = sealgate("scan", tmp_path)
        assert (done.code in (0, 2), done.err.count("\n") <= 1, "bug" in done.err) == (True, True, False)


def test_a_rule_file_nested_beyond_measure_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "deep.yaml").write_text("rules: " + "[" * 200_000 + "]" * 200_000)
    done = process("scan", "--rules", "deep.yaml", cwd=tmp_path)
    assert (done.code, done.err.count("\n")) == (2, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", ""], ["scan", "x" * 5000], ["scan", "--report", "json=" + "x" * 5000], ["scan", "--baseline", "."], ["scan", "--config", "."],
        ["scan", "--rules", os.devnull], ["scan", "--diff", "."], ["rules", "show", ""], ["scan", "--range", ""], ["scan", "--stdin", "--name", ""],
        ["scan", "\udcff"], ["\udcff"], ["scan", "--\udcff"], ["baseline", "audit"], ["scan", "--report", ""], ["scan", "--cache"],
    ],
    ids=lambda arguments: ascii(" ".join(arguments))[:30],
)  # fmt: skip
def test_odd_arguments_are_no_traceback(tmp_path: Path, arguments: list[str]) -> None:
    done = sealgate(*arguments, cwd=tmp_path)
    assert (done.code in (0, 2), "bug" in done.err) == (True, False)


@pytest.mark.parametrize("key", ["baseline", "rules", "disable"])
def test_a_name_with_a_zero_byte_is_an_error(tmp_path: Path, key: str) -> None:
    (tmp_path / ".sealgate.yaml").write_text(f'{key}: "a\\0b"\n')
    done = sealgate("scan", tmp_path)
    assert (done.code, "bug" in done.err) == (2, False)


def test_without_git_a_repository_is_an_error_and_a_directory_is_not(tmp_path: Path, scanned: Path) -> None:
    (scanned / ".git").mkdir()
    (scanned / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    environ = {"PATH": str(tmp_path)}
    assert process("scan", scanned, cwd=tmp_path, env=environ).err.startswith("sealgate: git was not found on PATH (install git")
    assert process("scan", scanned / "a.py", cwd=tmp_path, env=environ).code == 1


def test_an_empty_ruleset_folder_and_a_home_that_is_not_there_are_no_traceback(tmp_path: Path, scanned: Path) -> None:
    done = process("scan", scanned, cwd=tmp_path, env={"HOME": "/nonexistent/home"})
    assert (done.code, done.err) == (1, "")
    assert process("scan", "--rules", tmp_path / "nowhere", scanned, cwd=tmp_path).code == 2


def test_an_ordinary_run_says_nothing_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f'key = "{AWS_KEY_ID}"\n')
    done = process("scan", tmp_path, cwd=tmp_path, env={"PYTHONWARNINGS": "always", "PYTHONDEVMODE": "1"})
    assert (done.code, done.err) == (1, "")
