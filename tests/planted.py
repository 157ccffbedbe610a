# SPDX-License-Identifier: Apache-2.0
"""What the tests of the whole pipe share: live-looking values made at run time, and ways to run `sealgate`.

No such value stands in this repository in plain text: its own gate and push protection would see it.
"""

import atexit
import contextlib
import gc
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import scanner
import scanner.git.kernel
from scanner.cli import main
from scanner.detect.rules import Vector
from scanner.detect.vectors import expand

ROOT = Path(scanner.__file__).parent.parent

AWS_KEY_ID = "AKIA" + "QYLPMN5HFIQR7XYA"
OTHER_AWS_KEY_ID = "AKIA" + "QYLPMN5HBVTWZ3KD"


def fill(template: str, seed: int = 0) -> str:
    """Return a rule vector's template with its generators filled in; another seed gives other values."""
    return expand(Vector("planted", False, seed, template, "")).data.decode()


def github_token(seed: int = 0) -> str:
    """Return a GitHub token whose checksum is right."""
    return fill("{{crc32:ghp_}}", seed)


def stripe_key(seed: int = 0) -> str:
    """Return a live key of Stripe's, by its form."""
    return fill("sk_" + "live_{{alnum:24}}", seed)


def private_key(seed: int = 0) -> str:
    """Return a PEM private key of several lines."""
    return fill("{{pem:RSA PRIVATE KEY}}", seed)


class Outcome(NamedTuple):
    """How a run ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[dict[str, Any]]:
        """The findings of a `--report jsonl`."""
        return [json.loads(line) for line in self.out.splitlines()[:-1]]

    @property
    def summary(self) -> dict[str, Any]:
        """The summary of a `--report jsonl`."""
        summary: dict[str, Any] = json.loads(self.out.splitlines()[-1])["summary"]
        return summary

    @property
    def gaps(self) -> list[str]:
        """The kinds of what was not scanned, of a `--report jsonl`."""
        return [gap["kind"] for gap in self.summary["unscanned"]]


_AMBIENT = ("CI", "GIT", "PRE_COMMIT", "PYTHON", "RUNNER_", "SEALGATE_", "XDG_")
_cache: list[str] = []


def clean_environ() -> dict[str, str]:
    """Return an environment in which nothing of the machine's matters; compiled rules are kept for this process."""
    if not _cache:
        _cache.append(tempfile.mkdtemp(prefix="sealgate-tests-"))
        atexit.register(shutil.rmtree, _cache[0], ignore_errors=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_AMBIENT)}
    return kept | {"HOME": _cache[0], "LC_ALL": "C.UTF-8"}


def sealgate(
    *arguments: "str | Path", cwd: Path | None = None, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Outcome:
    """Run `main` in this process, with standard streams of its own."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, clean_environ() | dict(env or {}), clear=True))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        stack.enter_context(mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))))
        if cwd:
            stack.enter_context(contextlib.chdir(cwd))
        stack.callback(gc.enable)
        try:
            code = main([os.fspath(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "backslashreplace"))  # type: ignore[attr-defined]
    return Outcome(code, *texts)


def with_kernel(program: str) -> str:
    """Return a program for `python -c` that finds the compiled kernel where these tests find it; the checkout has none."""
    found = list(scanner.git.kernel.__path__)
    return f"import scanner.git.kernel; scanner.git.kernel.__path__[:] = {found!r}\n{program.lstrip()}"


def command(*arguments: "str | Path | bytes") -> list["str | Path | bytes"]:
    """Return the command line that runs this checkout in a process of its own, as `python -m scanner` does."""
    return [sys.executable, "-c", with_kernel("from scanner.cli import run\nrun()"), *arguments]


def process(
    *arguments: "str | Path | bytes", cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> Outcome:
    """Run the command in a process of its own."""
    environ = clean_environ() | {"PYTHONPATH": str(ROOT), **(env or {})}
    done = subprocess.run(
        command(*arguments), cwd=cwd, env=environ, input=stdin, capture_output=True, check=False, timeout=120
    )
    return Outcome(
        done.returncode, done.stdout.decode("utf-8", "backslashreplace"), done.stderr.decode("utf-8", "backslashreplace")
    )


def clone_bundle(name: str, target: Path) -> Path | None:
    """Clone one of the real repositories beside the checkout, as a mirror; None where it is not there."""
    bundle = ROOT.parent / "shared" / "repos" / f"{name}.bundle"
    if not bundle.is_file():
        return None
    environ = clean_environ() | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(
        ["git", "clone", "-q", "--mirror", str(bundle), str(target)], env=environ, check=True, capture_output=True
    )
    return target
