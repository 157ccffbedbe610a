# SPDX-License-Identifier: Apache-2.0
"""Whatever stands in another scanner's file: it is refused by a clear error, or what comes of it can be used."""

import copy
import json
import random
import tomllib
from typing import Any

import pytest
import yaml
from foreign import CONFIG, RULES, TRUFFLEHOG, baseline

from scanner.config import parse_settings
from scanner.detect.rules import load_rules
from scanner.errors import ConfigError
from scanner.importers import detect_secrets, gitleaks, rulefiles, trufflehog
from scanner.importers.plan import Plan

OWN = ("gitlab-pat", "generic-secret-bare", "aws-access-key-id")
JUNK = (None, 5, -1, "", [], {}, "x", ["a", 5], {"a": 1}, True, 3.5, "(", ["("], "\\", [[]], [{}], "é")


def _mutated(document: Any, rng: random.Random) -> Any:
    """Return a document in which something is something else."""
    document = copy.deepcopy(document)
    for _ in range(rng.randrange(1, 3)):
        here = document
        while isinstance(here, dict | list) and here:
            key = rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(len(here))
            if not (isinstance(here[key], dict | list) and here[key] and rng.random() < 0.75):
                here[key] = copy.deepcopy(rng.choice(JUNK))
                break
            here = here[key]
    return document


def _read(tool: str, document: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    if tool == "gitleaks":
        # There is no writer of TOML to make a file with.
        monkeypatch.setattr(gitleaks.tomllib, "loads", lambda _: document)
        gitleaks.read_config(plan, "x.toml", b"", OWN)
    elif tool == "detect-secrets":
        detect_secrets.read_baseline(plan, "x.json", json.dumps(document).encode(), OWN)
    elif tool == "trufflehog":
        trufflehog.read_config(plan, "x.yaml", yaml.safe_dump(document).encode())
    else:
        rulefiles.read_rules(plan, "x.yaml", yaml.safe_dump(document).encode())


@pytest.mark.parametrize("tool", ["gitleaks", "detect-secrets", "trufflehog", "kingfisher"])
def test_junk_is_refused_or_noted(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = {
        "gitleaks": lambda: tomllib.loads(CONFIG.replace("{commit}", "a" * 40)),
        "detect-secrets": lambda: json.loads(baseline()),
        "trufflehog": lambda: yaml.safe_load(TRUFFLEHOG),
        "kingfisher": lambda: yaml.safe_load(RULES),
    }[tool]()
    used, complaints = 0, []
    for seed in range(60):
        plan = Plan(tool, OWN)
        try:
            _read(tool, _mutated(base, random.Random(seed)), plan, monkeypatch)
        except ConfigError as error:
            complaints.append(str(error))
            continue
        parse_settings(plan.settings(), "x")
        load_rules(plan.packs("x"))
        used += 1
    assert used > 20
    assert [text for text in complaints if not text.startswith("x.")] == []
