# SPDX-License-Identifier: Apache-2.0
"""Microsoft's SARIF Multitool (npm `@microsoft/sarif-multitool`), where it is on PATH: it knows GitHub's own rules."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("sarif-multitool")
needed = pytest.mark.skipif(PROGRAM is None, reason="sarif-multitool is not on PATH (npm install @microsoft/sarif-multitool)")


def multitool(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # Its launcher hands the arguments to a shell, which would end a command at a semicolon.
    quoted = [f'"{argument}"' for argument in arguments]
    environ = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "DOTNET_CLI_TELEMETRY_OPTOUT": "1"}
    return subprocess.run([str(PROGRAM), *quoted], cwd=cwd, env=environ, capture_output=True, text=True, timeout=300)


def findings_of(file: Path) -> list[dict[str, Any]]:
    """Return what the validation finds wrong in a log, by the standard's rules and by GitHub's."""
    done = multitool("validate", file.name, "--rule-kind", "Sarif;Ghas", "--output", "checked.sarif", "--log", "ForceOverwrite", cwd=file.parent)
    checked = json.loads((file.parent / "checked.sarif").read_text(encoding="utf-8-sig"))["runs"][0]
    assert all(invocation["executionSuccessful"] for invocation in checked["invocations"]), done.stdout
    results: list[dict[str, Any]] = checked.get("results", [])
    return results
