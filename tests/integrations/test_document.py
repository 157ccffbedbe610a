# SPDX-License-Identifier: Apache-2.0
"""The examples in docs/integrations.md, as they stand there, before the checkers that users have."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml
from pipeline import ROOT, Shell

_DOCUMENT = (ROOT / "docs/integrations.md").read_text()
_EXAMPLES = {
    name: text.replace("<commit of the release>", "0123456789" * 4)
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", _DOCUMENT, re.DOTALL)
}


def program(name: str) -> Path:
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"{name} is not installed")
    return path


@pytest.mark.parametrize("name", [".github/workflows/sealgate.yml", ".github/workflows/sealgate-history.yml"])
@pytest.mark.parametrize("persona", ["regular", "pedantic"])
def test_the_workflows_are_valid_and_safe(shell: Shell, tmp_path: Path, persona: str, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(_EXAMPLES[name])
    schema = shell.run([program("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", file], tmp_path)
    assert schema.code == 0, schema.output
    checked = shell.run([program("zizmor"), "--offline", "--no-progress", f"--persona={persona}", file], tmp_path)
    assert checked.code == 0, checked.output


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


def test_the_actions_inputs_and_outputs_are_named() -> None:
    action = yaml.safe_load((ROOT / "actions/scan/action.yml").read_text())
    for name in (*action["inputs"], *action["outputs"]):
        assert f"`{name}`" in _DOCUMENT
