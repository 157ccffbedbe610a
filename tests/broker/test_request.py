# SPDX-License-Identifier: Apache-2.0
"""What people may write after `--secret` and `--file`, what they may not, and which names come out of it."""

import secrets
from pathlib import Path

import pytest

from scanner.broker.model import Lease, SecretRequest
from scanner.broker.names import check_variable, variable_of
from scanner.broker.request import check, fill, group, parse_file, parse_path, parse_secret
from scanner.errors import ConfigError
from scanner.model import Secret

GOOD = {
    "secret/ci/app#password=DB_PASSWORD": ("secret/ci/app", "password", "DB_PASSWORD", "variable", None, {}),
    "secret/ci/app=APP": ("secret/ci/app", "", "APP", "prefix", None, {}),
    "/secret/ci/app/=APP": ("secret/ci/app", "", "APP", "prefix", None, {}),
    "secret/ci/**=ALL": ("secret/ci/**", "", "ALL", "prefix", None, {}),
    "secret/**=ALL": ("secret/**", "", "ALL", "prefix", None, {}),
    "secret/ci/app#password@3=X": ("secret/ci/app", "password", "X", "variable", 3, {}),
    "secret/ci/app{version=3}=X": ("secret/ci/app", "", "X", "prefix", 3, {}),
    "secret/a@b/app#user@home=X": ("secret/a@b/app", "user@home", "X", "variable", None, {}),
    "secret/ci/app#a=b=X": ("secret/ci/app", "a=b", "X", "variable", None, {}),
    "secret/ci/app#a.b/c d=X": ("secret/ci/app", "a.b/c d", "X", "variable", None, {}),
    "secret/ci/a=b#c=X": ("secret/ci/a=b", "c", "X", "variable", None, {}),
    "secret/ci/ü%2e#c=X": ("secret/ci/ü%2e", "c", "X", "variable", None, {}),
    "pki/issue/ci{common_name=x.example;ttl=1h}#certificate=CERT": (
        "pki/issue/ci", "certificate", "CERT", "variable", None, {"common_name": "x.example", "ttl": "1h"},
    ),
    "transit/decrypt/k{ciphertext=vault:v1:aGk=}#plaintext=P": (
        "transit/decrypt/k", "plaintext", "P", "variable", None, {"ciphertext": "vault:v1:aGk="},
    ),
    "a/b{x=@@literal}#c=X": ("a/b", "c", "X", "variable", None, {"x": "@literal"}),
}  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_is_well_formed(text: str) -> None:
    request = parse_secret(text)
    assert (*request[:5], dict(request.options)) == GOOD[text]


@pytest.mark.parametrize(
    "text",
    [
        "", "=", "a/b", "a/b#c", "a/b#c=", "=X", "#c=X", "a/b#=X", "a=X", "/=X", "a//b#c=X", "a/../b#c=X", "a/./b#c=X", "../b#c=X", "a/..#c=X",
        "a/b?version=2#c=X", "a/b\\c#d=X", "a/b\n#c=X", "a/b\x1b[2J#c=X", "a/*/b#c=X", "a/**#c=X", "a/**/b=X", "a/b{x=1#c=X", "a/b}#c=X",
        "a/b{x}#c=X", "a/b{=1}#c=X", "a/b{x=1;x=2}#c=X", "a/b{x=1;}#c=X", "a/b{x=1\n}#c=X", "a/b{version=0}=X", "a/b{version=one}=X", "a/b#c@0=X",
        "a/b#c=1X", "a/b#c=X-Y", "a/b#c=X Y", "a/b#c=X;Y", "a/b#c=Ü", "a/b={x=1}",
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_not_well_formed(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_secret(text)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    "LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES BASH_ENV ENV PATH IFS NODE_OPTIONS PYTHONPATH PYTHONSTARTUP GIT_SSH_COMMAND GIT_DIR PERL5OPT "
    "RUBYOPT JAVA_TOOL_OPTIONS BASH_FUNC_x PS4 PROMPT_COMMAND GITHUB_ENV GITHUB_PATH SSLKEYLOGFILE HTTPS_PROXY https_proxy ld_preload SEALGATE_FILES "
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN npm_config_script_shell DOTNET_STARTUP_HOOKS".split(),
)
def test_names_that_change_what_runs_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="refused"):
        parse_secret(f"a/b#c={name}")


@pytest.mark.parametrize(
    "name", ["DB_PASSWORD", "_x", "GITHUB_TOKEN", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "NPM_TOKEN", "PATHS", "LDAP_PASSWORD"]
)
def test_ordinary_names_are_not(name: str) -> None:
    assert check_variable(name) == name


@pytest.mark.parametrize(
    ("prefix", "field"), [("LD", "preload"), ("BASH", "env"), ("GIT", "x"), ("NODE", "options"), ("PYTHON", "PATH")]
)
def test_no_prefix_and_field_together_make_a_refused_name(prefix: str, field: str) -> None:
    with pytest.raises(ConfigError, match="refused"):
        variable_of(prefix, field)


def test_a_refused_prefix_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ConfigError, match="refused"):
        parse_secret("a/b=GIT")


def test_files() -> None:
    request = parse_file("pki/issue/ci{common_name=x.example}#private_key=tls.key")
    assert (request.kind, request.field, request.target) == ("file", "private_key", "tls.key")


@pytest.mark.parametrize("name", ["../x", "a/b", ".bashrc", "-x", "x.", "x y", "x\n", "", "ü", "x" * 129, "NUL\0"])
def test_a_file_has_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigError):
        parse_file(f"a/b#c={name}")


def test_a_file_takes_a_field() -> None:
    with pytest.raises(ConfigError, match="names no field"):
        parse_file("a/b=name")


def test_a_path_may_be_given_by_itself() -> None:
    assert parse_path("/secret/ci/app/") == "secret/ci/app"


def test_an_option_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text("ssh-ed25519 AAAA somebody\n")
    assert parse_secret(f"ssh/sign/ci{{public_key=@{file}}}#signed_key=K").options == {"public_key": "ssh-ed25519 AAAA somebody"}
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff")
    for name in ("nothing", "large", "binary"):
        with pytest.raises(ConfigError, match=name):
            parse_secret(f"ssh/sign/ci{{public_key=@{tmp_path / name}}}#signed_key=K")


def test_an_error_does_not_show_the_values_of_options() -> None:
    value = secrets.token_hex(8)
    for text in (f"a/b{{x={value}", f"a/b{{x={value};x=2}}#c=X", f"a/b{{x={value}}}#c=", f"a{{x={value}}}#c=X"):
        with pytest.raises(ConfigError) as caught:
            parse_secret(text)
        assert value not in str(caught.value)


def test_two_requests_for_one_variable_or_file_are_an_error() -> None:
    check([parse_secret("a/b#c=X"), parse_secret("a/b#d=Y"), parse_file("a/b#c=X"), parse_secret("a/c=X")])
    for parse, what in ((parse_secret, "variable X"), (parse_file, "file X")):
        with pytest.raises(ConfigError, match=what):
            check([parse("a/b#c=X"), parse("a/c#c=X")])


def test_requests_for_one_path_are_read_together_unless_they_differ() -> None:
    texts = ["db/creds/ci#username=U", "a/b#c=X", "db/creds/ci#password=P", "a/b#c@2=Y", "a/b{x=1}#c=Z", "a/b=W"]
    groups = group(parse_secret(text) for text in texts)
    assert [[request.target for request in members] for members in groups] == [["U", "P"], ["X", "W"], ["Y"], ["Z"]]


def _lease(**values: str) -> Lease:
    return Lease("a/b", "kv", {name: Secret(value.encode()) for name, value in values.items()}, None, 0, False, None)


def test_values_go_where_they_were_asked_to_go() -> None:
    lease = _lease(user="u", password="p", **{"api.key": "k"})
    variables, files = fill(
        [(parse_secret("a/b#user=U"), lease), (parse_secret("a/b=app"), lease), (parse_file("a/b#password=p.txt"), lease)]
    )
    assert {name: value.reveal() for name, value in variables.items()} == {
        "U": b"u",
        "APP_USER": b"u",
        "APP_PASSWORD": b"p",
        "APP_API_KEY": b"k",
    }
    assert {name: value.reveal() for name, value in files.items()} == {"p.txt": b"p"}


def test_a_field_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"no field passwd .its fields: password, user"):
        fill([(parse_secret("a/b#passwd=P"), _lease(user="u", password="p"))])


def test_fields_that_would_have_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError, match="would both be X_A_B"):
        fill([(parse_secret("a/b=X"), _lease(**{"a.b": "1", "a_b": "2"}))])
    with pytest.raises(ConfigError, match="X_A would be both a/b#a and a/c#a"):
        fill([(parse_secret("a/b=X"), _lease(a="1")), (parse_secret("a/c#a=X_A"), _lease(a="2"))])


def test_a_field_cannot_choose_a_name_that_changes_what_runs() -> None:
    with pytest.raises(ConfigError, match="the variable NODE_OPTIONS is refused"):
        fill([(SecretRequest("a/b", "", "NODE", "prefix", None, {}), _lease(options="--require=/tmp/x.js"))])
