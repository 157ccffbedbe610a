# SPDX-License-Identifier: Apache-2.0
"""What the figures were taken on, without a date or a name that would change from run to run."""

import platform
import subprocess

from bench.install import python_version
from scanner.cores import cores


def describe_machine() -> dict[str, str]:
    """Return processor, cores, memory, kernel, and versions of Python and git."""
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True)
    return {
        "CPU": parse_field(_read("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": str(cores()),
        "memory": _gigabytes(parse_field(_read("/proc/meminfo"), "MemTotal")),
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": python_version(),
        "git": git.stdout.removeprefix("git version ").strip(),
    }


def parse_field(text: str, name: str) -> str:
    """Return the first value of a field in a file of `name : value` lines, empty where it is not there."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _gigabytes(kilobytes: str) -> str:
    return f"{int(kilobytes.split(maxsplit=1)[0]) / 1024**2:.0f} GiB" if kilobytes else "unknown"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read()
