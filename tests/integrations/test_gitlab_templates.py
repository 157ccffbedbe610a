# SPDX-License-Identifier: Apache-2.0
"""What holds for every template in `gitlab/`: its inputs, and GitLab's schema of pipelines."""

import sys
from pathlib import Path

import pytest
import yaml
from pipeline import ROOT, Shell

TEMPLATES = sorted((ROOT / "gitlab").glob("*.yml"))


@pytest.mark.parametrize("template", TEMPLATES, ids=[path.stem for path in TEMPLATES])
def test_every_input_is_used_and_described(template: Path) -> None:
    header, _ = yaml.safe_load_all(template.read_text())
    body = template.read_text().partition("\n---\n")[2]
    for name, described in header["spec"]["inputs"].items():
        assert described["description"]
        assert f"$[[ inputs.{name} ]]" in body


@pytest.mark.parametrize("template", TEMPLATES, ids=[path.stem for path in TEMPLATES])
def test_the_schema_has_nothing_against_header_and_body(template: Path, shell: Shell, tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    if not program.exists():
        pytest.skip("check-jsonschema is not installed")
    # The header of a template is a document of its own; the checker takes files of one.
    parts = template.read_text().split("\n---\n")
    for name, part in zip(("header.yml", "body.yml"), parts, strict=True):
        (tmp_path / name).write_text(part)
    code, output = shell.run([program, "--builtin-schema", "vendor.gitlab-ci", "header.yml", "body.yml"], tmp_path)
    assert code == 0, output
