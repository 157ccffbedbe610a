# SPDX-License-Identifier: Apache-2.0
"""What later steps get is exactly the value, and its mask is out before it; what a format would change is refused."""

import json
import os
import re
import secrets
import stat
import subprocess

import pytest
from githubrunner import runner_masks, runner_reads

from scanner.broker import export
from scanner.broker.spellings import MIN_LENGTH
from scanner.errors import ConfigError
from scanner.model import Secret
from scanner.platforms import PLATFORMS

MASK = PLATFORMS["github"].mask
AWKWARD = {
    "SPACES": "  two  \t",
    "QUOTES": """it's "quoted" \\ and $HOME `id` $(id) ${x} %41 ! # * ?""",
    "LINES": "first line\nsecond line\n\n  indented\r\nlast\n",
    "HEREDOC": "A<<EOF\nA=1\nEOF\n::add-mask::x",
    "EMPTY": "",
    "NEWLINE": "\n",
    "UNICODE": "pässwörd 🔑 \u2028 \x85 end",
    "EQUALS": "=a=b=",
}


def secret_values(values):
    return {name: Secret(value.encode()) for name, value in values.items()}


@pytest.fixture
def github(tmp_path):
    environ = {}
    for name in ("GITHUB_ENV", "GITHUB_OUTPUT"):
        environ[name] = str(tmp_path / name)
        (tmp_path / name).touch()
    return environ


def read(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return stream.read()


def test_github_gets_each_value_as_it_is_in_both_files(github):
    shown = []
    export.export_github(secret_values(AWKWARD), github, MASK, shown.append)
    assert runner_reads(read(github["GITHUB_ENV"])) == AWKWARD
    assert runner_reads(read(github["GITHUB_OUTPUT"])) == AWKWARD


@pytest.mark.parametrize("to", ["env", "output"])
def test_github_gets_one_file_where_one_is_asked_for(github, to):
    export.export_github(secret_values({"A": "value"}), github, MASK, [].append, to)
    written = {name for name, path in github.items() if os.path.getsize(path)}
    assert written == {f"GITHUB_{to.upper()}"}


def test_masks_are_out_before_the_files_are_touched(github):
    sizes = []
    export.export_github(secret_values({"A": "value"}), github, MASK, lambda _: sizes.append(os.path.getsize(github["GITHUB_ENV"])))
    assert sizes == [0]
    assert os.path.getsize(github["GITHUB_ENV"])


def test_every_line_and_every_text_of_json_is_masked():
    inner, deep, number = secrets.token_hex(8), secrets.token_hex(8), "123456"
    document = json.dumps({"password": inner, "list": [{"k": f"{deep}\nsecond%line"}], "n": int(number)}, indent=2)
    hidden = runner_masks(export.masks(secret_values({"J": document, "L": "line one\nline two\r\n"}), MASK).lines)
    assert {inner, deep, "second%line", number, "line one", "line two"} <= hidden


def test_nothing_short_is_masked_and_that_is_said():
    made = export.masks(secret_values({"SHORT": "ab", "JSON": '{\n"a": "xy",\n"b": "long enough"\n}', "LONG": "long enough"}), MASK)
    assert all(len(value) >= MIN_LENGTH for value in runner_masks(made.lines))
    assert {warning.partition(" ")[0] for warning in made.warnings} == {"SHORT", "JSON"}
    assert str(MIN_LENGTH) in made.warnings[0]
    assert "ab" not in made.warnings[0].split()


def test_a_platform_without_masks_gets_none_and_no_warning():
    assert export.masks(secret_values({"SHORT": "ab"}), PLATFORMS["gitlab"].mask) == ((), ())


def test_an_unfinished_line_of_another_command_is_ended_first(github):
    with open(github["GITHUB_ENV"], "w") as stream:
        stream.write("OTHER=kept")
    export.export_github(secret_values({"A": "value"}), github, MASK, [].append)
    assert runner_reads(read(github["GITHUB_ENV"])) == {"OTHER": "kept", "A": "value"}


def test_delimiters_are_never_the_same(github):
    export.export_github(secret_values({"A": "value", "B": "value"}), github, MASK, [].append)
    delimiters = re.findall("<<(.*)", read(github["GITHUB_ENV"]) + read(github["GITHUB_OUTPUT"]))
    assert len(set(delimiters[:2])) == 2
    assert all(len(delimiter) > 32 for delimiter in delimiters)


def test_a_value_with_the_delimiter_is_refused_before_anything_is_shown(github, monkeypatch):
    monkeypatch.setattr(export.secrets, "token_hex", lambda _: "guessed")
    shown = []
    with pytest.raises(ConfigError, match="delimiter"):
        export.export_github(secret_values({"A": "x\nsealgate_guessed\nPATH=/evil"}), github, MASK, shown.append)
    assert shown == []
    assert os.path.getsize(github["GITHUB_ENV"]) == 0


@pytest.mark.parametrize("missing", ["GITHUB_ENV", "GITHUB_OUTPUT"])
def test_without_the_runners_files_nothing_is_shown(github, missing):
    shown = []
    for broken in ({**github, missing: ""}, {**github, missing: "/nonexistent/file"}, {**github, missing: "/dev/null"}):
        with pytest.raises(ConfigError, match=missing):
            export.export_github(secret_values({"A": "value"}), broken, MASK, shown.append)
    assert shown == []


def test_a_link_at_the_place_of_the_runners_file_is_not_followed(github, tmp_path):
    (tmp_path / "target").touch()
    os.unlink(github["GITHUB_ENV"])
    os.symlink(tmp_path / "target", github["GITHUB_ENV"])
    with pytest.raises(ConfigError, match="GITHUB_ENV"):
        export.export_github(secret_values({"A": "value"}), github, MASK, [].append)
    assert os.path.getsize(tmp_path / "target") == 0


STEERING = (
    "PATH LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES BASH_ENV ENV NODE_OPTIONS PYTHONPATH PYTHONSTARTUP PERL5OPT RUBYOPT "
    "JAVA_TOOL_OPTIONS GIT_SSH_COMMAND GIT_CONFIG_COUNT GITHUB_TOKEN GITHUB_ENV RUNNER_TEMP ACTIONS_CACHE_URL CI CI_JOB_ID IFS "
    "HTTPS_PROXY https_proxy SSL_CERT_FILE NODE_EXTRA_CA_CERTS DOTNET_STARTUP_HOOKS path SEALGATE_FILES VAULT_ADDR BASH_FUNC_ls"
).split()


@pytest.mark.parametrize("name", STEERING)
def test_a_name_that_steers_later_steps_is_refused_in_every_format(name, github):
    values = secret_values({name: "value"})
    for refused in (
        lambda: export.export_github(values, github, MASK, [].append),
        lambda: export.gitlab_report(values),
        lambda: export.shell_file(values),
        lambda: export.json_file(values),
    ):
        with pytest.raises(ConfigError, match=name):
            refused()


@pytest.mark.parametrize("name", ["DB_PASSWORD", "PATHS", "MY_PATH", "GITHUBBER", "CIRCLE", "NODE", "_X1", "TOKEN", "GOLD"])
def test_ordinary_names_pass(name):
    export.check_names(secret_values({name: ""}))


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "A\nB", "A<<B", "Ä"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ConfigError, match="no name"):
        export.check_names(secret_values({name: ""}))


def gitlab_reads(report):
    """Read a report as GitLab does."""
    found = {}
    for line in report.decode().splitlines():
        name, _, value = line.partition("=")
        found[name.strip()] = value.strip()
    return found


def test_gitlab_gets_values_as_they_are():
    values = {"A": "it's \"quoted\" = \\ # %", "B": "pässwörd", "EMPTY": ""}
    assert gitlab_reads(export.gitlab_report(secret_values(values))) == values


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a\nb", "line end"), ("a\rb", "line end"), ("a\tb", "control"), (" secret-value", "white space"), ("a\u00a0", "white space"),
        ("pa$$word", "expand"), ("a\0b", "NUL"), ("x" * 5118, "5120"),
    ],
)  # fmt: skip
def test_gitlab_is_not_given_what_it_would_change(value, why):
    with pytest.raises(ConfigError, match=why) as refused:
        export.gitlab_report(secret_values({"A": value}))
    assert "--file" in refused.value.hint
    assert value not in str(refused.value)


def test_the_largest_report_that_gitlab_takes_passes():
    assert len(export.gitlab_report(secret_values({"A": "x" * (5119 - 3)}))) == 5119


def test_a_shell_gets_every_byte(tmp_path):
    values = {**{name: value.encode() for name, value in AWKWARD.items()}, "BYTES": bytes(range(1, 256))}
    path = tmp_path / "file"
    export.write_private(str(path), export.shell_file({name: Secret(value) for name, value in values.items()}))
    for name, value in values.items():
        script = f'. "{path}"; printf %s "${name}"'
        assert subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == value


def test_json_holds_every_text():
    assert json.loads(export.json_file(secret_values(AWKWARD))) == AWKWARD


@pytest.mark.parametrize("make", [export.json_file, export.gitlab_report])
def test_what_is_not_text_is_refused_where_text_is_needed(make):
    value = b"\xff\xfe" + secrets.token_hex(4).encode()
    with pytest.raises(ConfigError, match="not text"):
        make({"A": Secret(value)})


def test_a_file_is_its_owners_alone_whatever_stood_there(tmp_path):
    path, elsewhere = tmp_path / "file", tmp_path / "elsewhere"
    elsewhere.write_text("other")
    os.symlink(elsewhere, path)
    old = os.umask(0)
    try:
        export.write_private(str(path), b"new")
        os.chmod(path, 0o644)
        export.write_private(str(path), b"newer")
    finally:
        os.umask(old)
    assert path.read_bytes() == b"newer"
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert elsewhere.read_text() == "other"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "file"]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    with pytest.raises(ConfigError, match="cannot write"):
        export.write_private(str(tmp_path / "nowhere" / "file"), b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="cannot write"):
        export.write_private(str(tmp_path / "folder"), b"")
    assert os.listdir(tmp_path) == ["folder"]
