# SPDX-License-Identifier: Apache-2.0
"""A clean pre-commit run starts fast because of what it does not import."""

import os
import subprocess
import sys

HEAVY = (
    "asyncio",
    "click",
    "dataclasses",
    "hvac",
    "inspect",
    "json",
    "jwt",
    "logging",
    "pathlib",
    "pygit2",
    "regex",
    "scanner.detect.judge",
    "scanner.detect.vectors",
    "scanner.reports.sarif",
    "socket",
    "subprocess",
    "tempfile",
    "urllib",
    "yaml",
)

PROGRAM = """
import sys
from scanner.cli import main
code = main(["scan", "--staged", "--quiet"])
print(code, *sorted(set(sys.modules) & set(sys.argv[1:])), file=sys.stderr)
"""


def test_a_clean_staged_scan_imports_no_heavy_module(git_repo, tmp_path):
    repository = git_repo()
    repository.write("notes.txt", b"hello\n")
    repository.git("add", "notes.txt")
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    arguments = [sys.executable, "-c", PROGRAM, *HEAVY]
    # The first run compiles the rules, which is what the second one must do without.
    subprocess.run(arguments, cwd=repository.path, env=environ, check=True, capture_output=True)
    done = subprocess.run(arguments, cwd=repository.path, env=environ, check=True, capture_output=True, text=True)
    assert done.stderr.split() == ["0"]
