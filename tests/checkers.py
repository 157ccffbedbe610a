# SPDX-License-Identifier: Apache-2.0
"""What others check workflows, actions, scripts and container files with; a test skips where its checker is absent."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
WORKFLOW_CHECKERS: Final = ("check-jsonschema", "zizmor", "actionlint")
ACTION_CHECKERS: Final = ("check-jsonschema", "zizmor")
# Our own actions, as the documents name them.
_OURS: Final = re.compile(r"uses: sealgate/sealgate/(actions/[\w-]+)@<commit of the release> # v[\d.]+")


def program(name: str) -> str:
    """Return a checker's path, from the environment of the tests or from PATH."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def accepts(*command: str | Path, cwd: Path | None = None) -> None:
    """Fail unless the checker has nothing to say."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout


def check_workflow(checker: str, text: str, folder: Path, *, persona: str = "pedantic", labels: tuple[str, ...] = ()) -> None:
    """Have a checker look at a workflow, in a repository where our actions are what it calls by their commit."""
    path = program(checker)
    file = folder / ".github/workflows/workflow.yml"
    file.parent.mkdir(parents=True)
    if checker == "actionlint":
        # It knows inputs and outputs of actions that are there.
        shutil.copytree(ROOT / "actions", folder / "actions")
        (folder / ".github/actionlint.yaml").write_text(f"self-hosted-runner:\n  labels: [{', '.join(labels)}]\n")
        (folder / ".git").mkdir()
        text = _OURS.sub(r"uses: ./\1", text)
        assert "sealgate/sealgate/actions" not in text
    file.write_text(text.replace("<commit of the release>", "0123456789" * 4))
    if checker == "check-jsonschema":
        accepts(path, "--builtin-schema", "vendor.github-workflows", file)
    elif checker == "zizmor":
        accepts(path, "--offline", "--no-progress", f"--persona={persona}", file)
    else:
        accepts(path, "-no-color", file, cwd=folder)


def check_action(checker: str, action: Path) -> None:
    """Have a checker look at an action's description."""
    path, file = program(checker), action / "action.yml"
    if checker == "check-jsonschema":
        accepts(path, "--builtin-schema", "vendor.github-actions", file)
    else:
        accepts(path, "--offline", "--no-progress", "--persona=pedantic", file)
