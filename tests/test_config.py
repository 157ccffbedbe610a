# SPDX-License-Identifier: Apache-2.0
"""Settings: who wins over whom, and that nothing misspelt is passed over in silence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scanner.config import UNLIMITED, ReadFile, Settings, load_settings, parse_settings
from scanner.errors import ConfigError
from scanner.triage import Allow


def _reader(**files: str) -> ReadFile:
    names = {"yaml": ".sealgate.yaml", "yml": ".sealgate.yml", "toml": "pyproject.toml"}
    contents = {names[name]: text.encode() for name, text in files.items()}
    return contents.get


def _load(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None, **files: str) -> Settings:
    return load_settings(flags or {}, environ or {}, _reader(**files))


def _complaint(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None, **files: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(flags, environ, **files)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_anything_the_defaults_hold() -> None:
    assert _load() == Settings("medium", UNLIMITED, 0.0, 0, "", (), (), (), (), {}, "")


# For each key: its default, and four values, weakest place first.
_PLACES = {
    "fail_on": ("medium", ["low", "high", "proven", "never"]),
    "max_blob": (UNLIMITED, [1, 2, 3, 4]),
    "timeout": (0.0, [1.0, 2.0, 3.0, 4.0]),
    "jobs": (0, [1, 2, 3, 4]),
    "baseline": ("", ["a", "b", "c", "d"]),
    "rules": ((), [("a",), ("b",), ("c",), ("d",)]),
    "allow_gap": ((), [("shallow",), ("oversize",), ("timeout",), ("budget",)]),
}


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)


def _yaml(key: str, value: object) -> str:
    return f"{key}: {list(value) if isinstance(value, tuple) else _text(value)}\n"


@pytest.mark.parametrize("key", _PLACES)
def test_a_flag_wins_over_the_environment_over_a_named_file_over_the_trees_own(tmp_path: Path, key: str) -> None:
    default, (own, named, environ, flag) = _PLACES[key]
    file = tmp_path / "named.yaml"
    file.write_text(_yaml(key, named))
    flag_value = list(flag) if isinstance(flag, tuple) else _text(flag)
    flags: dict[str, Any] = {"config": None, key: None}
    environment: dict[str, str] = {}
    seen = [getattr(_load(flags, environment), key), getattr(_load(flags, environment, yaml=_yaml(key, own)), key)]
    flags["config"] = str(file)
    seen.append(getattr(_load(flags, environment, yaml=_yaml(key, own)), key))
    environment[f"SEALGATE_{key.upper()}"] = _text(environ)
    seen.append(getattr(_load(flags, environment, yaml=_yaml(key, own)), key))
    flags[key] = flag_value
    seen.append(getattr(_load(flags, environment, yaml=_yaml(key, own)), key))
    in_folder = {
        "baseline": lambda path: str(tmp_path / path),
        "rules": lambda paths: tuple(str(tmp_path / path) for path in paths),
    }
    assert seen == [default, own, in_folder.get(key, lambda value: value)(named), environ, flag]


def test_a_flag_that_names_a_file_wins_over_a_variable_that_does(tmp_path: Path) -> None:
    for name in ("flag", "variable"):
        (tmp_path / f"{name}.yaml").write_text(f"baseline: {name}\n")
    environ = {"SEALGATE_CONFIG": str(tmp_path / "variable.yaml")}
    assert _load({}, environ, yaml="baseline: own").baseline == str(tmp_path / "variable")
    assert _load({"config": str(tmp_path / "flag.yaml")}, environ).baseline == str(tmp_path / "flag")


def test_a_named_file_replaces_the_trees_own_and_is_not_mixed_with_it(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("timeout: 5\n")
    assert _load({"config": str(tmp_path / "x.yaml")}, yaml="fail_on: never") == Settings(timeout=5.0, config=str(tmp_path / "x.yaml"))


def test_what_is_no_setting_among_the_flags_is_left_alone() -> None:
    assert _load({"report": ["json"], "target": ".", "fail_on": "low"}) == Settings(fail_on="low")


def test_an_empty_file_sets_nothing() -> None:
    assert [_load(yaml=text) for text in ("", "# comment\n", "---\n", "{}")] == [Settings()] * 4


def test_the_table_of_a_pyproject_counts_where_there_is_no_file_of_ours() -> None:
    toml = '[tool.sealgate]\nfail_on = "high"\nallow = [{path = "docs/**", until = 2030-01-31}]\n'
    assert _load(toml=toml) == Settings(fail_on="high", allow=(Allow("pyproject.toml: tool.sealgate: allow[1]", paths=("docs/**",), until="2030-01-31"),))
    assert _load(toml=toml, yaml="timeout: 1") == Settings(timeout=1.0)


@pytest.mark.parametrize(
    "toml",
    [
        '[tool]\nsealgate.fail_on = "high"\n',
        '[tool]\nsealgate = {fail_on = "high"}\n',
        '["tool"."sealgate"]\nfail_on = "high"\n',
        '[ tool . sealgate ]\nfail_on = "high"\n',
    ],
)
def test_the_table_of_a_pyproject_counts_however_it_is_written(toml: str) -> None:
    assert _load(toml=toml).fail_on == "high"


def test_a_pyproject_that_does_not_speak_of_us_is_not_our_business() -> None:
    assert [_load(toml=text) for text in ("this is not toml [", "[tool.ruff]\nline-length = 100\n")] == [Settings()] * 2


def test_a_named_pyproject_is_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text('[tool.sealgate]\nfail_on = "low"\n')
    assert _load({"config": str(tmp_path / "x.toml")}).fail_on == "low"


def test_the_wrong_name_of_the_file_is_an_error() -> None:
    assert _complaint(yml="fail_on: low") == "the configuration is called .sealgate.yml (rename it to .sealgate.yaml)"


def test_a_named_file_that_is_not_there_is_an_error() -> None:
    assert _complaint({"config": "nowhere.yaml"}) == (
        "cannot read the configuration nowhere.yaml: No such file or directory (check --config)"
    )


@pytest.mark.parametrize(
    ("yaml", "complaint"),
    [
        ("fail-on: low", ".sealgate.yaml: unknown key 'fail-on' (did you mean 'fail_on'?)"),
        ("alow: []", ".sealgate.yaml: unknown key 'alow' (did you mean 'allow'?)"),
        ("zzz: 1", ".sealgate.yaml: unknown key 'zzz' (known: fail_on, max_blob, timeout, jobs, baseline, rules, disable, allow_gap, allow, broker)"),
        ("1: 1", ".sealgate.yaml: unknown key 1 (known: "),
        ("fail_on: urgent", ".sealgate.yaml: fail_on: unknown level 'urgent' (one of proven, high, medium, low, never)"),
        ("fail_on: no", ".sealgate.yaml: fail_on: unknown level 'False'"),
        ("fail_on: [low]", ".sealgate.yaml: fail_on: unknown level"),
        ("allow_gap: [shalow]", ".sealgate.yaml: allow_gap: there is no kind of gap 'shalow' (did you mean 'shallow'?)"),
        ("allow_gap: {}", ".sealgate.yaml: allow_gap: must be a list of texts"),
        ("rules: [1]", ".sealgate.yaml: rules: must be a list of texts"),
        ("rules: ['']", ".sealgate.yaml: rules: must be a list of texts"),
        ("baseline: 5", ".sealgate.yaml: baseline: must be text"),
        ("baseline: ''", ".sealgate.yaml: baseline: must be text"),
        ("max_blob: big", ".sealgate.yaml: max_blob: not a size: 'big' (write bytes or 500k, 20M, 1G)"),
        ("timeout: soon", ".sealgate.yaml: timeout: not a time: 'soon' (write seconds or 30s, 10m, 1h)"),
        ("- fail_on", ".sealgate.yaml: a configuration is a mapping"),
        ("text", ".sealgate.yaml: a configuration is a mapping"),
        ("a: [", ".sealgate.yaml:"),
        ("a: b\n\tc: d", ".sealgate.yaml:2: not valid YAML"),
        ("a: !!python/object/apply:os.system [id]", ".sealgate.yaml:1: not valid YAML"),
        ("allow: {}", ".sealgate.yaml: allow: must be a list of entries"),
        ("allow: [x]", ".sealgate.yaml: allow[1]: an entry is a mapping"),
        ("allow: [{path: x}, {pth: x}]", ".sealgate.yaml: allow[2]: unknown key 'pth' (did you mean 'path'?)"),
        ("allow: [{reason: x}]", ".sealgate.yaml: allow[1]: would allow everything (give it one of rule, path, fingerprint, value, line, commit)"),
        ("allow: [{}]", ".sealgate.yaml: allow[1]: would allow everything"),
        ("allow: [{path: []}]", ".sealgate.yaml: allow[1]: would allow everything"),
        ("allow: [{rule: [], path: [], fingerprint: []}]", ".sealgate.yaml: allow[1]: would allow everything"),
        ("allow: [{path: 5}]", ".sealgate.yaml: allow[1].path: must be a list of texts"),
        ("allow: [{path: x, until: soon}]", ".sealgate.yaml: allow[1].until: must be a date (write YYYY-MM-DD)"),
        ("allow: [{path: x, until: '2030-02-30'}]", ".sealgate.yaml: allow[1].until: must be a date (write YYYY-MM-DD)"),
        ("allow: [{path: x, reason: 5}]", ".sealgate.yaml: allow[1].reason: must be text"),
        ("allow:\n- {path: x, until: 2030-02-30}", ".sealgate.yaml: not valid YAML"),
        ("max_blob: " + "9" * 5000, ".sealgate.yaml: "),
        ("a: " + "[" * 200_000, ".sealgate.yaml: "),
        ("a: " + "{a: " * 50_000, ".sealgate.yaml: "),
        ("&a [*a]", ".sealgate.yaml: a configuration is a mapping"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named_by_its_place(yaml: str, complaint: str) -> None:
    assert _complaint(yaml=yaml).startswith(complaint)


def test_no_complaint_grows_with_what_it_complains_of() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(4)
    )
    for key in ("fail_on", "max_blob", "timeout"):
        text = _complaint(yaml=f"{key}: &z\n" + "".join(f"  {line}\n" for line in bomb.splitlines()))
        assert len(text) < 300


@pytest.mark.parametrize(
    ("toml", "complaint"),
    [
        ("[tool.sealgate]\nfail_on = \n", "pyproject.toml: not valid TOML"),
        ("[tool.sealgate]\nfial_on = 'low'\n", "pyproject.toml: tool.sealgate: unknown key 'fial_on' (did you mean 'fail_on'?)"),
        ("tool.sealgate = 5\n", "pyproject.toml: tool.sealgate: a configuration is a mapping"),
        ("[tool.sealgate]\nmax_blob = " + "9" * 5000, "pyproject.toml: "),
        ("[tool.sealgate]\nx = " + "[" * 50_000, "pyproject.toml: "),
    ],
)
def test_what_is_wrong_in_a_pyproject_is_named_by_its_place(toml: str, complaint: str) -> None:
    assert _complaint(toml=toml).startswith(complaint)


@pytest.mark.parametrize(
    ("flags", "environ", "complaint"),
    [
        ({"fail_on": "hihg"}, {}, "--fail-on: unknown level 'hihg'"),
        ({"max_blob": "-1"}, {}, "--max-blob: not a size: '-1'"),
        ({"max_blob": "0"}, {}, "--max-blob: not a size: '0'"),
        ({"timeout": "-5"}, {}, "--timeout: not a time: '-5'"),
        ({"allow_gap": ["oversise"]}, {}, "--allow-gap: there is no kind of gap 'oversise' (did you mean 'oversize'?)"),
        ({"baseline": ""}, {}, "--baseline: must be text"),
        ({}, {"SEALGATE_FAIL_ON": "x"}, "SEALGATE_FAIL_ON: unknown level 'x'"),
        ({}, {"SEALGATE_MAX_BLOB": "x"}, "SEALGATE_MAX_BLOB: not a size: 'x'"),
        ({}, {"SEALGATE_TIMEOUT": "x"}, "SEALGATE_TIMEOUT: not a time: 'x'"),
        ({}, {"SEALGATE_ALLOW_GAP": "shallow,x"}, "SEALGATE_ALLOW_GAP: there is no kind of gap 'x'"),
    ],
)
def test_what_is_wrong_in_a_flag_or_variable_is_named_by_it(flags: dict[str, Any], environ: dict[str, str], complaint: str) -> None:
    assert _complaint(flags, environ).startswith(complaint)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("500k", 512_000), ("20M", 20 << 20), ("1G", 1 << 30), ("1 GiB", 1 << 30), ("2kb", 2048), ("3mib", 3 << 20), ("7b", 7)],
)
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    assert _load({"max_blob": text}).max_blob == size


@pytest.mark.parametrize("text", ["", "1.5M", "M", "1T", "1e6", "0x10", "true", "1 000"])
def test_what_is_no_size_is_refused(text: str) -> None:
    assert _complaint({"max_blob": text}).startswith("--max-blob: not a size")


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("30", 30), ("1.5", 1.5), ("30s", 30), ("10m", 600), ("1h", 3600), ("0.5 h", 1800)])
def test_times_are_read_with_their_units(text: str, seconds: float) -> None:
    assert _load({"timeout": text}).timeout == seconds


@pytest.mark.parametrize("text", ["", "inf", "nan", "1e9", "1d", "-1", "1:30"])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert _complaint({"timeout": text}).startswith("--timeout: not a time")


@pytest.mark.parametrize(("text", "jobs"), [("1", 1), ("256", 256), ("auto", 0)])
def test_jobs_are_a_number_of_processes(text: str, jobs: int) -> None:
    assert _load({"jobs": text}).jobs == jobs


@pytest.mark.parametrize("text", ["", "0", "-1", "257", "1.5", "2x", "01", "\u0662", "all"])
def test_what_is_no_number_of_processes_is_refused(text: str) -> None:
    assert _complaint({"jobs": text}).startswith("--jobs: not a number of processes")


def test_an_allowlist_entry_arrives_whole() -> None:
    text = "allow:\n- {rule: a-*, path: [x, y/**], fingerprint: f, reason: because, until: 2030-01-31}\n- path: z\n"
    assert _load(yaml=text).allow == (
        Allow(".sealgate.yaml: allow[1]", ("a-*",), ("x", "y/**"), ("f",), "because", "2030-01-31"),
        Allow(".sealgate.yaml: allow[2]", paths=("z",)),
    )


def test_what_an_entry_looks_for_arrives_whole() -> None:
    text = f"allow: [{{value: [^a, b], line: c, commit: {'ab' * 20}, family: sops}}]\n"
    (allow,) = _load(yaml=text).allow
    assert allow[6:] == (("^a", "b"), ("c",), ("ab" * 20,), ("sops",))
    assert (allow.looks_inside, Allow("a", paths=("x",)).looks_inside) == (True, False)


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{value: '('}", "allow[1].value: not a regular expression"),
        ("{line: 'x*'}", "allow[1].line: an expression that fits everything"),
        ("{value: é}", "allow[1].value: an expression is written in ASCII"),
        ("{commit: abc}", "allow[1].commit: not the full id of a commit"),
        ("{family: broker, path: x}", "allow[1].family: there is no family 'broker'"),
        ("{family: sops}", "allow[1]: would allow everything"),
    ],
)
def test_what_an_entry_cannot_look_for_is_named(entry: str, complaint: str) -> None:
    assert _complaint(yaml=f"allow: [{entry}]").startswith(f".sealgate.yaml: {complaint}")


def test_a_setting_that_is_yes_is_no_size_and_no_time_and_no_number() -> None:
    for key in ("max_blob", "timeout", "jobs"):
        with pytest.raises(ConfigError, match=key):
            parse_settings({key: True}, "x")
