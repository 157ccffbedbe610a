# SPDX-License-Identifier: Apache-2.0
"""Runs of `sealgate broker exec`: started, watched, ended, and everything that they left to be seen."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lab import Lab

SERVER: Final = str(Path(__file__).with_name("forkserver.py"))


class Broker:
    """One run."""

    def __init__(self, brokers: "Brokers", pid: int, folder: Path) -> None:
        self.pid = pid
        self.folder = folder
        self._brokers = brokers
        self._code: int | None = None

    @property
    def output(self) -> str:
        return (self.folder / "out").read_text()

    @property
    def errors(self) -> str:
        return (self.folder / "err").read_text()

    @property
    def ends(self) -> dict[str, Any]:
        """The report of the end, as --report-end writes it."""
        return json.loads((self.folder / "end.json").read_text())

    @property
    def states(self) -> list[tuple[str, str]]:
        return [(end["what"], end["state"]) for end in self.ends["ends"]]

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def until(self, word: str, seconds: float = 20) -> str:
        """Wait until the output holds a word; return the output."""
        end = time.monotonic() + seconds
        while word not in self.output:
            assert self.runs, f"{self.output}\n{self.errors}"
            assert time.monotonic() < end, f"{self.output}\n{self.errors}"
            time.sleep(0.02)
        return self.output

    @property
    def runs(self) -> bool:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def wait(self, seconds: float = 40) -> int:
        """Return the exit code, negative where a signal ended the broker itself."""
        end = time.monotonic() + seconds
        while self.runs:
            assert time.monotonic() < end, f"it does not end: {self.output}\n{self.errors}"
            time.sleep(0.02)
        if self._code is None:
            self._code = self._brokers.ask({"wait": self.pid})
        return self._code


class Brokers:
    """Starts runs; the parent of all of them is one process that has imported everything."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._lock = threading.Lock()
        self._server = subprocess.Popen([sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._server.stdin
        assert self._server.stdout
        self._jobs, self._answers = self._server.stdin, self._server.stdout

    def ask(self, job: Mapping[str, Any]) -> int:
        with self._lock:
            self._jobs.write(json.dumps(job) + "\n")
            self._jobs.flush()
            return int(self._answers.readline())

    def start(self, *args: str, environ: Mapping[str, str], cwd: str = "/", out: str = "") -> Broker:
        """Start `sealgate ARGS`; the output goes to a file of its own, or to `out`."""
        with self._lock:
            self._count += 1
            folder = self._folder / str(self._count)
        folder.mkdir()
        for name in ("out", "err"):
            (folder / name).touch()
        paths = {"out": out or str(folder / "out"), "err": str(folder / "err"), "cwd": cwd}
        args = tuple(arg.replace("FOLDER", str(folder)) for arg in args)
        return Broker(self, self.ask({"args": args, "env": dict(environ), **paths}), folder)

    def exec(
        self, lab: Lab, *options: str, command: tuple[str, ...] = ("true",), role: str = "ci", environ: Mapping[str, str] | None = None,
        cwd: str = "/", out: str = "", **claims: Any,
    ) -> Broker:  # fmt: skip
        """Start `sealgate broker exec` with the identity of a job of the laboratory's."""
        environ = {**lab.environ(), "IDENTITY": lab.issuer.mint(**claims), "HOME": "/nonexistent", **(environ or {})}
        identity = ("--token-env", "IDENTITY", "--issuer", lab.issuer.url, "--audience", lab.audience)
        login = ("--role", role, "--report-end", "FOLDER/end.json")
        return self.start("broker", "exec", *identity, *login, *options, "--", *command, environ=environ, cwd=cwd, out=out)

    def stop(self) -> None:
        self._jobs.close()
        self._server.wait(20)
        self._answers.close()
