# SPDX-License-Identifier: Apache-2.0
"""A history read by several processes: the same report for any number, and nothing lost or left in silence."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import GitRepo
from planted import (
    AWS_KEY_ID,
    Outcome,
    clean_environ,
    clone_bundle,
    github_token,
    private_key,
    process,
    stripe_key,
    with_kernel,
)

pytest.importorskip("scanner.git.kernel.pack", reason="the kernel is not compiled here")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

Make = Callable[..., GitRepo]

# Runs the command line with one part of what a worker does replaced; `in_worker` tells where it is.
BEGIN = """
import os, signal, sys, time
from scanner import cli
from scanner.sources.history import HistorySource
started = os.getpid()
part = HistorySource.part

def in_worker():
    return os.getpid() != started

def replaced(*arguments):
    if in_worker():
        DO
    else:
        # The worker gets a part before there are none any more.
        time.sleep(0.05)
    yield from part(*arguments)

HistorySource.part = replaced
"""
RUN = "sys.exit(cli.main(sys.argv[1:]))\n"


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose files grow and change, in two packs that share objects, with loose objects, archives and marks."""
    source = random.Random(5)
    repo = GitRepo(tmp_path_factory.mktemp("jobs") / "repo")
    values = [AWS_KEY_ID, *map(github_token, range(4)), stripe_key(), private_key().replace("\n", "\n  ")]
    names = [f"{folder}/{name}" for folder in ("a", "b") for name in ("x.txt", "y.py", "z.js", "wide.txt")]
    lines = {name: [f"{name} line {i}, {source.random()}" for i in range(200)] for name in names}
    for version in range(60):
        for name in source.sample(names, 3):
            at = source.randrange(len(lines[name]))
            mark = "  # sealgate:allow reason=test" if version % 5 == 0 else ""
            lines[name][at:at] = [f"key_{version} = '{source.choice(values)}'{mark}", f"{source.random()}"]
            if version % 3 == 0:
                del lines[name][source.randrange(len(lines[name]))]
            encoding = "utf-16" if "wide" in name else "utf-8"
            repo.write(name, "\n".join(lines[name]).encode(encoding))
        repo.write(f"archive-{version % 7}.gz", b"\x1f\x8b\x08" + source.randbytes(300))
        repo.commit(f"version {version}")
        if version == 40:
            repo.git("repack", "-adfq")
    repo.git("repack", "-aq", "--depth=250", "-f")
    repo.commit(files={"loose.txt": github_token(9)})
    repo.write("untracked.txt", stripe_key())
    assert len(list((repo.path / ".git/objects/pack").glob("*.pack"))) == 2
    return repo.path


def _scan(target: Path, *options: str) -> Outcome:
    return process("scan", target, "--report", "jsonl", "--show-secrets", *options, cwd=target)


def _report(outcome: Outcome) -> list[Any]:
    """Return the lines of a report, but for the time it took."""
    lines = [json.loads(line) for line in outcome.out.splitlines()]
    assert lines, outcome.err
    lines[-1]["summary"].pop("seconds")
    return lines


def _with(do: str, target: Path, *options: str, run: str = RUN) -> Outcome:
    program = BEGIN.replace("DO", do.replace("\n", "\n        ")) + run
    arguments = [sys.executable, "-c", with_kernel(program), "scan", os.fspath(target), "--report", "jsonl", "--show-secrets", *options]
    done = subprocess.run(arguments, env=_environ(), capture_output=True, text=True, timeout=120, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def _environ() -> dict[str, str]:
    return clean_environ() | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_report_is_the_same_for_any_number(planted: Path) -> None:
    expected = _scan(planted, "--jobs", "1")
    assert len(expected.findings) > 20
    assert "archive" in expected.gaps
    for jobs in (2, 3, 7):
        outcome = _scan(planted, "--jobs", str(jobs))
        assert _report(outcome) == _report(expected)
        assert (outcome.code, outcome.err) == (expected.code, expected.err)
    reference = _scan(planted, "--engine", "reference", "--jobs", "3")
    assert _report(reference) == _report(expected)


@pytest.mark.parametrize("name", ["gitleaks", "leaky-repo"])
def test_the_report_on_a_real_repository_is_the_same(tmp_path: Path, name: str) -> None:
    clone = clone_bundle(name, tmp_path / name)
    if clone is None:
        pytest.skip(f"{name}.bundle is not beside this checkout")
    assert _report(_scan(clone, "--jobs", "3")) == _report(_scan(clone, "--jobs", "1"))


def test_workers_read_a_part(planted: Path) -> None:
    """So that the other tests here do not compare one process with itself."""
    do = "open(sys.argv[-1], 'a').write('part\\n')"
    log = planted.parent / "parts"
    run = "arguments = sys.argv[1:-1]\nsys.exit(cli.main(arguments))\n"
    outcome = _with(do, planted, "--jobs", "3", os.fspath(log), run=run)
    assert _report(outcome) == _report(_scan(planted, "--jobs", "1"))
    assert len(log.read_text().splitlines()) > 2


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_pack(planted: Path, git_repo: Make, seed: int) -> None:
    repo = git_repo("damaged", "--no-local", source=planted)
    repo.git("repack", "-adfq")
    [pack] = repo.path.glob(".git/objects/pack/*.pack")
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    source = random.Random(seed)
    for _ in range(3):
        content[source.randrange(len(content) // 10, len(content) - 20)] ^= 1 << source.randrange(8)
    pack.write_bytes(content)
    expected = _report(_scan(repo.path, "--jobs", "1", "--only", "secrets"))
    assert not expected[-1]["summary"]["complete"]
    for jobs in ("2", "5"):
        assert _report(_scan(repo.path, "--jobs", jobs, "--only", "secrets")) == expected


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "a worker process was ended by SIGKILL, as happens where memory runs out"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "a worker process was ended by SIGSEGV"),
        ("os._exit(0)", "a worker process ended with status 0 before it was done"),
        ("raise MemoryError", "a worker process failed: MemoryError at <string>:13"),
        ("raise ValueError('a value')", "a worker process failed: ValueError at <string>:13"),
    ],
)
def test_a_worker_that_does_not_come_back_makes_the_run_incomplete(planted: Path, do: str, reason: str) -> None:
    outcome = _with(do, planted, "--jobs", "2", "--fail-on", "never")
    assert (outcome.code, outcome.summary["complete"]) == (3, False)
    [gap] = [gap for gap in outcome.summary["unscanned"] if gap["kind"] == "worker"]
    assert gap["reason"] == reason
    everything = _report(_scan(planted, "--jobs", "1"))
    # What the others found is reported.
    assert 0 < len(outcome.findings) <= len(everything) - 1


@pytest.mark.parametrize("first", ["2", "1"])
def test_what_several_processes_read_is_remembered(planted: Path, git_repo: Make, tmp_path: Path, first: str) -> None:
    repo = git_repo("clone", "--no-local", source=planted)
    repo.git("repack", "-adfq")
    _scan(repo.path, "--cache", os.fspath(tmp_path / "cache"), "--jobs", first)
    repo.commit(files={"a/x.txt": f"new = '{github_token(20)}'\n"})
    repo.git("repack", "-adq")
    expected = _report(_scan(repo.path, "--jobs", "1"))
    for jobs in ("3", "1"):
        assert _report(_scan(repo.path, "--cache", os.fspath(tmp_path / "cache"), "--jobs", jobs)) == expected


def test_what_a_lost_worker_read_is_not_remembered(planted: Path, tmp_path: Path) -> None:
    cache = os.fspath(tmp_path / "cache")
    kill = "yield from part(*arguments)\nos.kill(os.getpid(), signal.SIGKILL)"
    assert "worker" in _with(kill, planted, "--jobs", "2", "--cache", cache).gaps
    assert _report(_scan(planted, "--cache", cache)) == _report(_scan(planted, "--jobs", "1"))


def test_a_slow_worker_is_waited_for(planted: Path) -> None:
    outcome = _with("time.sleep(0.5)", planted, "--jobs", "2")
    assert _report(outcome) == _report(_scan(planted, "--jobs", "1"))


def test_the_time_limit_holds_for_workers(planted: Path) -> None:
    started = time.monotonic()
    outcome = _with("time.sleep(1)", planted, "--jobs", "2", "--timeout", "0.5")
    assert time.monotonic() - started < 20
    assert outcome.gaps.count("timeout") == 1
    assert "worker" not in outcome.gaps


@pytest.mark.parametrize("whole_group", [True, False])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_the_run_ends_its_workers(planted: Path, number: int, whole_group: bool) -> None:
    do = "os.write(2, b'%d\\n' % os.getpid())\nwhile True: time.sleep(60)"
    program = BEGIN.replace("DO", do.replace("\n", "\n        ")) + RUN
    arguments = [sys.executable, "-c", with_kernel(program), "scan", os.fspath(planted), "--jobs", "3", "--report", "jsonl"]
    run = subprocess.Popen(arguments, env=_environ(), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert run.stderr is not None
    workers = [int(run.stderr.readline()) for _ in range(2)]
    (os.killpg if whole_group else os.kill)(run.pid, number)
    out, err = run.communicate(timeout=10)
    if number == signal.SIGINT:
        assert (run.returncode, err) == (130, b"sealgate: interrupted\n")
    else:
        assert run.returncode == -number
    assert out == b""
    for worker in workers:
        _wait_until_gone(worker)


def _wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat", "rb") as stream:
                if stream.read().rpartition(b")")[2].split()[0] == b"Z":
                    return  # whoever adopted it does not wait for it
        except FileNotFoundError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


def test_without_fork_one_process_reads_all(planted: Path) -> None:
    outcome = _with("raise ValueError", planted, "--jobs", "3", run="del os.fork\n" + RUN)
    assert _report(outcome) == _report(_scan(planted, "--jobs", "1"))


def test_a_small_history_is_read_by_one_process(planted: Path) -> None:
    outcome = _with("raise ValueError", planted)
    assert "worker" not in outcome.gaps


def test_many_packs(git_repo: Make) -> None:
    repo = git_repo()
    for version in range(60):
        repo.commit(files={"x.txt": f"{version} {github_token(version)}\n"})
        repo.git("repack", "-q")
    outcome = _scan(repo.path, "--jobs", "3")
    assert len(outcome.findings) == 60
    assert _report(outcome) == _report(_scan(repo.path, "--jobs", "1"))
