# SPDX-License-Identifier: Apache-2.0
"""Rule packs: what is wrong with one is said with file, line and rule; what is right comes out whole."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from scanner.detect.rules import (
    PackFile,
    Rule,
    Vector,
    builtin_directory,
    dump_rule,
    load_rules,
    load_vectors,
    parse_rule,
    read_packs,
)
from scanner.errors import ConfigError

ENTRY: dict[str, Any] = {
    "id": "test-token",
    "name": "Test token",
    "severity": "high",
    "confidence": "medium",
    "pattern": "(?P<secret>tst_[0-9a-z]{8})",
    "help": "Revoke it\n  and look for its use.",
    "references": ["https://example.org"],
    "positive": ["«tst_{{base36:8}}»"],
    "negative": ["tst_"],
}


def _pack(*entries: object, name: str = "my.yaml") -> PackFile:
    return PackFile(name, yaml.safe_dump({"rules": list(entries)}, allow_unicode=True, sort_keys=False).encode())


def _complaint(pack: PackFile) -> str:
    with pytest.raises(ConfigError) as caught:
        load_vectors([pack]) if load_rules([pack]) else None
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_an_entry_becomes_a_rule_with_defaults() -> None:
    assert load_rules([_pack(ENTRY)]) == (
        Rule("test-token", "Test token", "high", "medium", ENTRY["pattern"], "Revoke it and look for its use.", ("https://example.org",)),
    )


def test_every_optional_key_arrives() -> None:
    options = {
        "ignore_case": True, "entropy": 3, "proof": "jwt", "near": "acme", "allow": ["demo.*"], "paths": ["*.tf"],
    }  # fmt: skip
    [rule] = load_rules([_pack(ENTRY | options)])
    assert (rule.ignore_case, rule.entropy, rule.proof, rule.near, rule.allow, rule.paths) == (
        True, 3.0, "jwt", "acme", ("demo.*",), ("*.tf",),
    )  # fmt: skip


def test_a_rule_survives_being_kept_as_json() -> None:
    rules = load_rules(read_packs([builtin_directory()]))
    assert tuple(parse_rule(dump_rule(rule)) for rule in rules) == rules


def test_vectors_are_numbered_and_may_name_a_path() -> None:
    entry = ENTRY | {"positive": ["«a»", {"path": "x/y.env", "text": "«b»"}]}
    assert load_vectors([_pack(entry)]) == (
        Vector("test-token", True, 1, "«a»", ""),
        Vector("test-token", True, 2, "«b»", "x/y.env"),
        Vector("test-token", False, 1, "tst_", ""),
    )


@pytest.mark.parametrize("key", ["name", "severity", "confidence", "pattern", "help", "references", "positive", "negative"])
def test_a_missing_key_is_named_with_file_line_and_rule(key: str) -> None:
    entry = {name: value for name, value in ENTRY.items() if name != key}
    assert _complaint(_pack(ENTRY | {"id": "first"}, entry)) == (
        f"my.yaml:{2 + _lines(ENTRY)}: rule test-token: {key!r} is missing (see docs/rules.md)"
    )


def _lines(entry: dict[str, Any]) -> int:
    return _pack(entry).data.count(b"\n") - 1


def test_a_rule_without_an_id_is_named_by_its_line() -> None:
    entry = {name: value for name, value in ENTRY.items() if name != "id"}
    assert _complaint(_pack(entry)) == "my.yaml:2: rule (no id): 'id' is missing (see docs/rules.md)"


def test_an_unknown_key_is_an_error_with_a_suggestion() -> None:
    assert _complaint(_pack(ENTRY | {"entrophy": 3})) == (
        "my.yaml:2: rule test-token: unknown key 'entrophy' (did you mean 'entropy'?)"
    )


def test_an_id_that_occurs_twice_is_named_at_its_second_place() -> None:
    first, second = _pack(ENTRY, name="a.yaml"), _pack(ENTRY, name="b.yaml")
    with pytest.raises(ConfigError, match="^b.yaml:2: rule test-token is defined twice"):
        load_rules([first, second])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "Test_Token"}, "id must be lower case, digits and single hyphens"),
        ({"id": "test--token"}, "id must be lower case, digits and single hyphens"),
        ({"severity": "urgent"}, "severity must be one of low, medium, high, critical"),
        ({"confidence": "proven"}, "confidence must be one of low, medium, high"),
        ({"references": "https://example.org"}, "references must be a list of strings"),
        ({"allow": "x"}, "allow must be a list of strings"),
        ({"allow": [1]}, "allow must be a list of strings"),
        ({"paths": {"a": 1}}, "paths must be a list of strings"),
        ({"entropy": "high"}, "entropy must be a number"),
        ({"near": 5}, "near must be text"),
        ({"proof": ["jwt"]}, "proof must be text"),
        ({"name": ["x"]}, "name must be text"),
        ({"pattern": 7}, "pattern must be text"),
        ({"pattern": "(?P<value>abc)"}, "pattern needs a group (?P<secret>...)"),
        ({"pattern": "(?P<secret>abc"}, "not a regular expression: missing ), unterminated subpattern (at position 0)"),
        ({"near": "a{2,1}"}, "not a regular expression: min repeat greater than max repeat (at position 2)"),
        ({"allow": ["ok", "*"]}, "not a regular expression: nothing to repeat (at position 0)"),
        ({"pattern": "(?P<secret>schlüssel)"}, "patterns are written in ASCII"),
        ({"positive": "x"}, "positive must be a list"),
        ({"negative": ["x", 5]}, "negative vector 2 must be text"),
        ({"negative": [""]}, "negative vector 1 must be text"),
        ({"positive": [{"path": 5, "text": "x"}]}, "positive vector 1 must be text"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_file_line_and_rule(change: dict[str, Any], message: str) -> None:
    complaint = _complaint(_pack(ENTRY | change))
    assert complaint.startswith(f"my.yaml:2: rule {change.get('id', 'test-token')}: {message}")


def test_an_id_that_is_a_number_is_an_error() -> None:
    assert _complaint(_pack(ENTRY | {"id": 7})).startswith("my.yaml:2: rule 7: ")


def test_ignore_case_that_is_text_is_an_error() -> None:
    assert "ignore_case" in _complaint(_pack(ENTRY | {"ignore_case": "no"}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"rules:\n  - id: [\n", "my.yaml:3: not valid YAML: "),
        (b"rules:\n\t- id: x\n", "my.yaml:2: not valid YAML: "),
        (b"rules: &a\n  - !!python/object/apply:os.system [ls]\n", "my.yaml:2: not valid YAML: "),
        (b"rules: []\n---\nrules: []\n", "my.yaml:"),
        (b"\xff\xfe\xfd", "my.yaml: not valid YAML: "),
        (b"[]", "my.yaml: a rule file has one key, 'rules', with a list"),
        (b"rule: []", "my.yaml: a rule file has one key, 'rules', with a list"),
        (b"rules: {}", "my.yaml: a rule file has one key, 'rules', with a list"),
        (b"rules: []\nversion: 1", "my.yaml: a rule file has one key, 'rules', with a list"),
        (b"rules:\n  - just text\n", "my.yaml:2: a rule is a mapping"),
        (b"rules: " + b"[" * 500 + b"]" * 500, "my.yaml: nested too deeply"),
        (b"rules:\n  - {}\n  - []\n", "my.yaml:2: rule (no id): 'id' is missing"),
    ],
)
def test_a_file_that_is_no_rule_pack_is_an_error(data: bytes, message: str) -> None:
    assert _complaint(PackFile("my.yaml", data)).startswith(message)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"# nothing but a comment\n",
        b"rules:\n  - {}\nrules: []\n",
        b"rules:\n  - entropy: " + b"9" * 5000 + b"\n",
        b"rules:\n  - name: 2026-02-30\n",
    ],
    ids=["empty", "comment", "key twice", "endless number", "impossible date"],
)
def test_an_odd_file_is_an_error_too(data: bytes) -> None:
    assert _complaint(PackFile("my.yaml", data)).startswith("my.yaml")


def test_packs_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.txt"):
        (tmp_path / name).write_text(name)
    assert [(os.path.basename(pack.name), pack.data) for pack in read_packs([str(tmp_path)])] == [("a.yaml", b"a.yaml"), ("b.yml", b"b.yml")]


def test_a_folder_without_rules_and_a_path_that_is_not_there_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^no rule files in {tmp_path}"):
        read_packs([str(tmp_path)])
    with pytest.raises(ConfigError, match="^cannot read rules from nowhere.yaml: No such file or directory"):
        read_packs(["nowhere.yaml"])
