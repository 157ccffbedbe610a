# SPDX-License-Identifier: Apache-2.0
"""The examples in docs/integrations.md, as they stand there, before the checkers that users have."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from checkers import WORKFLOW_CHECKERS, check_workflow
from pipeline import ROOT, Shell

from scanner import __version__

_DOCUMENT = (ROOT / "docs/integrations.md").read_text()
_EXAMPLES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", _DOCUMENT, re.DOTALL))


_WORKFLOWS = sorted(name for name in _EXAMPLES if name.startswith(".github/workflows/"))


@pytest.mark.parametrize("name", _WORKFLOWS)
@pytest.mark.parametrize("checker", WORKFLOW_CHECKERS)
def test_the_workflows_are_valid_and_safe(tmp_path: Path, checker: str, name: str) -> None:
    check_workflow(checker, _EXAMPLES[name], tmp_path)


def test_init_writes_the_workflow_that_is_shown() -> None:
    starter = (ROOT / "scanner/commands/starters/github.yaml").read_text()
    filled = starter.replace("@BRANCH@", "main").replace("@PIN@", f"<commit of the release> # v{__version__}")
    assert filled == _EXAMPLES[".github/workflows/sealgate.yml"]


def test_the_pre_commit_example_names_our_hooks(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / ".pre-commit-config.yaml"
    file.write_text(_EXAMPLES[".pre-commit-config.yaml"])
    valid = shell.run([sys.executable, "-m", "pre_commit", "validate-config", file], tmp_path)
    assert valid.code == 0, valid.output
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    (repository,) = yaml.safe_load(file.read_text())["repos"]
    # The hook for SOPS alone does what `sealgate` does as well: whoever has both runs it twice.
    assert [hook["id"] for hook in repository["hooks"]] == [hook["id"] for hook in hooks if hook["id"] != "sealgate-sops"]
    for hook in hooks:
        assert f"| `{hook['id']}` |" in _DOCUMENT


def test_the_actions_inputs_and_outputs_are_described() -> None:
    action = yaml.safe_load((ROOT / "actions/scan/action.yml").read_text())
    section = _section("Inputs and outputs")
    for name, one in action["inputs"].items():
        default = str(one.get("default", ""))
        shown = "the job's" if "{{" in default else f"`{default}`" if default else ""
        assert f"\n| `{name}` | {shown} | " in section
    assert all(f"\n| `{name}` | " in section for name in action["outputs"])
    assert section.count("\n| `") == len(action["inputs"]) + len(action["outputs"])


def _section(heading: str) -> str:
    return _DOCUMENT.partition(f"\n### {heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
