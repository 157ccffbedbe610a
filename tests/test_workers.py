# SPDX-License-Identifier: Apache-2.0
"""Worker processes: what they return arrives, what becomes of them is told, and none is left behind."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from scanner import workers
from scanner.cores import cores
from scanner.workers import Workers

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

# Processes of their own: a test runner has threads, and then there are no workers.
BEGIN = """
import hashlib, os, signal, sys, time
from scanner.workers import Done, Lost, Workers, can_fork

def compute(seconds):
    # One call into C, which looks at no signal's handler before it is done.
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", int(seconds * 3_000_000))

def run(work, shares):
    with Workers(work) as workers:
        assert all([workers.start(share) for share in shares])
        return workers.results()
"""

# Starts workers that compute for a long time, names them, and waits for them.
LONG = """
def work(share):
    os.write(1, b"%d\\n" % os.getpid())
    compute(600)

with Workers(work) as workers:
    workers.start(1)
    workers.start(2)
    workers.start(3)
    DO
"""


def run(program: str, **options) -> str:
    arguments = [sys.executable, "-c", BEGIN + program]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, **options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.strip()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # Dead, and nobody waits for it: whoever adopted it is not our business.
            return stream.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except FileNotFoundError:
        return False


def are_gone(pids: list[int], seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while any(map(is_alive, pids)):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def long_run():
    """A program with three workers that are at work, and their numbers; `do` is what it does itself."""
    started = []

    def start(do: str = "workers.results()", **options):
        program = BEGIN + LONG.replace("DO", do)
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options
        )
        started.append(process)
        return process, [int(process.stdout.readline()) for _ in range(3)]

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_results_come_in_the_order_of_the_shares():
    program = """
def work(share):
    time.sleep((3 - share) / 20)
    return share, os.getpid() != parent, (b"\\0\\xff", "ä", None, 1.5, [1], {"a": 2**80})

parent = os.getpid()
for result in run(work, range(4)):
    print(result.value)
"""
    value = (b"\0\xff", "ä", None, 1.5, [1], {"a": 2**80})
    assert run(program).splitlines() == [str((share, True, value)) for share in range(4)]


def test_what_the_caller_has_is_there_without_being_sent():
    assert run("held = object()\nprint(run(lambda share: share is held, [held])[0].value)") == "True"


def test_results_of_any_size_arrive():
    program = """
results = run(lambda share: (b"x" * share, share), [50_000_000, 0, 20_000_000])
print([(len(data), share) for (data, share), in results])
"""
    assert run(program) == "[(50000000, 50000000), (0, 0), (20000000, 20000000)]"


@pytest.mark.parametrize("number", ["SIGKILL", "SIGSEGV", "SIGTERM", "SIGALRM"])
def test_a_killed_worker_is_lost_and_the_others_are_not(number):
    program = f"""
signal.signal(signal.SIGALRM, lambda *_: None)
def work(share):
    if share == 1:
        os.kill(os.getpid(), signal.{number})
    return share
print(run(work, range(3)))
"""
    hint = ", as happens where memory runs out" if number == "SIGKILL" else ""
    lost = f"Lost(reason='a worker process was ended by {number}{hint}')"
    assert run(program) == f"[Done(value=0), {lost}, Done(value=2)]"


def test_a_worker_that_was_interrupted_interrupts_all():
    program = """
def work(share):
    os.kill(os.getpid(), signal.SIGINT)
try:
    print(run(work, [1]))
except KeyboardInterrupt:
    print("interrupted")
"""
    assert run(program) == "interrupted"


def test_a_worker_that_is_killed_while_it_sends_is_lost():
    program = """
def work(share):
    os.write(pipe, b"%d" % os.getpid())
    return b"x" * 10_000_000
ready, pipe = os.pipe()
with Workers(work) as workers:
    workers.start(1)
    pid = int(os.read(ready, 100))
    time.sleep(0.3)
    os.kill(pid, signal.SIGKILL)
    print([type(result).__name__ for result in workers.results()])
"""
    assert run(program) == "['Lost']"


def test_a_worker_that_ends_by_itself_is_lost():
    assert "ended with status 7 before" in run("print(run(lambda share: os._exit(7), [1]))")
    # Also with a status that promises success.
    assert "ended with status 0 before" in run("print(run(lambda share: os._exit(0), [1]))")


@pytest.mark.parametrize("error", ["ValueError", "MemoryError", "KeyboardInterrupt", "SystemExit", "TimeoutError"])
def test_an_exception_is_told_without_its_text(error):
    output = run(f"""
def work(share):
    raise {error}("a secret value")
print(run(work, [1]))
""")
    assert output.startswith(f"[Lost(reason='a worker process failed: {error} at <string>:")
    assert "secret" not in output


def test_memory_that_runs_out_is_told():
    pytest.importorskip("resource")
    output = run("""
import resource
def work(share):
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    return len(bytes(1 << 40))
print(run(work, [1]))
""")
    assert "MemoryError" in output


def test_what_cannot_be_sent_is_told():
    assert "ValueError" in run("print(run(lambda share: object(), [1]))")


def test_a_worker_writes_nothing_and_flushes_nothing():
    program = """
import atexit
atexit.register(print, "the end")
print("once")
def work(share):
    print("from a worker")
    print("from a worker", file=sys.stderr)
    return 1
run(work, [1, 2])
"""
    assert run(program) == "once\nthe end"


def test_a_worker_has_no_handlers_no_timer_and_no_blocked_signals():
    program = """
signal.signal(signal.SIGALRM, lambda *_: None)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
def work(share):
    time.sleep(0.3)
    names = [signal.getsignal(n) for n in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    return [int(name) for name in names], signal.getitimer(signal.ITIMER_REAL)[0], len(signal.pthread_sigmask(0, ()))
print(run(work, [1])[0].value, signal.pthread_sigmask(0, ()))
"""
    assert run(program) == "([0, 0, 0, 1], 0.0, 0) set()"


def test_an_alarm_can_be_set_in_a_worker():
    program = """
def tick(*_):
    raise TimeoutError
def work(share):
    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        time.sleep(10)
    except TimeoutError:
        return "in time"
signal.signal(signal.SIGALRM, tick)
print(run(work, [1]))
"""
    assert run(program) == "[Done(value='in time')]"


def test_nothing_is_left_open():
    program = """
def count():
    return len(os.listdir("/dev/fd"))
before = count()
def work(share):
    return count()
inside = [result.value for result in run(work, range(5))]
# The result's pipe and the lifeline, whoever was started before.
print({n - before for n in inside}, count() - before)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no child")
"""
    assert run(program).splitlines() == ["{2} 0", "no child"]


def test_leaving_the_block_ends_the_workers(long_run):
    process, pids = long_run("sys.stdin.readline(); raise ValueError", stdin=subprocess.PIPE)
    assert all(map(is_alive, pids))
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.wait(5) == 1
    assert are_gone(pids, 0)


@pytest.mark.parametrize("do", ["workers.results()", "time.sleep(600)"])
@pytest.mark.parametrize("whole_group", [True, False])
def test_an_interrupt_ends_all(long_run, do, whole_group):
    process, pids = long_run(do)
    started = time.monotonic()
    if whole_group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.kill(process.pid, signal.SIGINT)
    assert process.wait(5) == -signal.SIGINT
    assert are_gone(pids, 0.5)
    assert time.monotonic() - started < 2
    assert process.stderr.read().count(b"KeyboardInterrupt") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(long_run, number):
    process, pids = long_run()
    os.kill(process.pid, number)
    assert process.wait(5) == -number
    assert are_gone(pids)


def test_workers_end_while_the_process_computes_as_well(long_run):
    process, pids = long_run("compute(600)")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(5)
    assert are_gone(pids)


def test_where_children_are_not_waited_for():
    program = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    assert run(program + "print(run(lambda share: share, [1, 2]))") == "[Done(value=1), Done(value=2)]"
    assert "ended before it was done" in run(program + "print(run(lambda share: os._exit(0), [1]))")
    # Leaving the block with ended workers.
    assert run(program + "with Workers(len) as all_:\n    all_.start(())\n    time.sleep(0.3)\nprint('left')") == "left"


def test_counts_of_all_are_told_by_one():
    program = """
from scanner.workers import Tally
told = []
tally = Tally(3, lambda *counts: told.append(counts))
run(lambda number: tally.of(number)(number, 100 * number), [1, 2])
tally.of(0)(10, 1000)
print(told)
"""
    assert run(program) == "[(13, 1300)]"


def test_tickets_are_taken_once():
    program = """
from scanner.workers import MOST_TICKETS, Tickets
tickets = Tickets(MOST_TICKETS)
taken = [number for result in run(lambda _: list(tickets), range(4)) for number in result.value]
print(sorted([*taken, *tickets]) == list(range(MOST_TICKETS)), list(Tickets(0)))
"""
    assert run(program) == "True []"


def test_there_is_no_worker_beside_another_thread():
    program = """
import threading
wait = threading.Event()
thread = threading.Thread(target=wait.wait)
before = can_fork()
thread.start()
with Workers(len) as workers:
    print(before, can_fork(), workers.start(()), workers.results())
wait.set()
thread.join()
"""
    assert run(program) == "True False False []"


def test_there_is_no_worker_without_fork(monkeypatch):
    monkeypatch.delattr(os, "fork")
    with Workers(len) as group:
        assert not group.start(())
        assert group.results() == []


@pytest.mark.parametrize("broken", ["fork", "pipe"])
def test_a_worker_that_cannot_be_started_is_the_callers(monkeypatch, broken):
    def fail():
        raise BlockingIOError

    monkeypatch.setattr(workers, "can_fork", lambda: True)
    monkeypatch.setattr(os, broken, fail)
    before = len(os.listdir("/dev/fd"))
    with Workers(len) as group:
        assert not group.start(())
        assert group.results() == []
    assert len(os.listdir("/dev/fd")) == before


# Which cores may be used.


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A process with eight cores by its affinity, and the control groups that a test writes."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    def write(groups: str, mounts: list[str], files: dict[str, str]) -> int:
        process = tmp_path / "self"
        process.mkdir(exist_ok=True)
        (process / "cgroup").write_text(groups)
        lines = ["24 1 0:22 / /proc rw,nosuid - proc proc rw", *mounts]
        (process / "mountinfo").write_text("".join(f"{line}\n" for line in lines).replace("SYS", str(tmp_path)))
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return cores(str(process))

    return write


V2 = "31 23 0:28 / SYS/fs rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "31 23 0:28 / SYS/cpu rw,relatime shared:9 - cgroup cgroup rw,cpuacct,cpu"


def test_affinity_is_the_limit_without_groups(machine, tmp_path):
    assert cores(str(tmp_path)) == 8
    assert machine("0::/\n", [V2], {}) == 8


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("10000 100000", 1), ("9900000 100000", 8)],
)
def test_the_quota_of_a_group(machine, quota, expected):
    assert machine("0::/job\n", [V2], {"fs/job/cpu.max": quota + "\n"}) == expected


def test_the_smallest_quota_of_all_groups_around_counts(machine):
    files = {"fs/a/b/cpu.max": "max 100000\n", "fs/a/cpu.max": "300000 100000\n", "fs/cpu.max": "500000 100000\n"}
    assert machine("0::/a/b\n", [V2], files) == 3


def test_a_container_that_sees_its_group_as_the_root(machine):
    mounts = ["31 23 0:28 /docker/12\\04034 SYS/fs rw - cgroup2 cgroup2 rw"]
    assert machine("0::/docker/12 34\n", mounts, {"fs/cpu.max": "200000 100000\n"}) == 2
    # A process of another namespace, above what is mounted here.
    assert machine("0::/../..\n", [V2], {"fs/cpu.max": "100000 100000\n"}) == 1


def test_the_first_version_of_groups(machine):
    groups = "9:name=systemd:/\n2:cpuset:/x\n1:cpu,cpuacct:/job\n0::/\n"
    files = {"cpu/job/cpu.cfs_quota_us": "250000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}
    assert machine(groups, [V1], files) == 3
    assert machine(groups, [V1], {**files, "cpu/job/cpu.cfs_quota_us": "-1\n"}) == 8


@pytest.mark.parametrize("text", ["", "x y", "1 0", "max", "1 2 3", "-1 100000"])
def test_what_is_no_quota_is_none(machine, text):
    assert machine("0::/job\n", [V2], {"fs/job/cpu.max": text}) == 8


def test_another_system(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert cores(str(tmp_path)) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores(str(tmp_path)) == 1
