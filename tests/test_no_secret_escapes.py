# SPDX-License-Identifier: Apache-2.0
"""No planted secret may be read from anything that a run leaves behind or shows."""

import base64
import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, Outcome, fill, github_token, private_key, process, sealgate, stripe_key

from scanner.model import Secret
from scanner.reports import REPORTS

# One of each kind: with a proof, without, of several lines, generic, with odd characters, in a URL.
PLANTED = {
    "token": github_token(),
    "key": stripe_key(),
    "id": AWS_KEY_ID,
    "pem": private_key(),
    "password": fill("{{print:18}}"),
    "quoted": 'p"a\\ss\u00fcw\t' + fill("{{alnum:12}}"),
    "url": fill("{{alnum:20}}"),
    "encoded": github_token(7),
    "wide": github_token(8),
    "message": github_token(9),
    "marked": github_token(10),
    "staged": github_token(11),
}


def _forms(secret: str) -> Iterator[bytes]:
    """Yield what a secret may look like where it escaped."""
    raw = secret.encode()
    yield raw
    yield base64.b64encode(raw)[:-4]
    yield raw.hex().encode()
    yield json.dumps(secret)[1:-1].encode()
    yield repr(secret)[1:-1].encode()
    yield repr(raw)[2:-1].encode()
    yield secret.encode("utf-16-le")
    for line in raw.split(b"\n"):
        if len(line) > 30 and not line.startswith(b"-----"):
            yield line


def _escaped(text: bytes) -> list[str]:
    """Return the names of the secrets that stand in the text, in any form, whole or by their latter half."""
    found = [name for name, secret in PLANTED.items() if any(form in text for form in _forms(secret))]
    return found + [f"half of {name}" for name, secret in PLANTED.items() if secret[-max(10, len(secret) // 2) :].encode() in text and name != "pem"]


def test_the_search_would_find_an_escaped_secret() -> None:
    for name, secret in PLANTED.items():
        for form in (secret.encode(), json.dumps(secret).encode(), repr(secret).encode(), base64.b64encode(secret.encode())):
            assert name in _escaped(b"before " + form + b" after")


@pytest.fixture
def repo(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """Return a repository with every planted secret in it, in history, index and working tree."""
    repo = git_repo()
    encoded = base64.b64encode(f"token={PLANTED['encoded']}".encode()).decode()
    repo.commit(
        f"deploy {PLANTED['message']}",
        files={
            "a.py": f'token = "{PLANTED["token"]}"; other = "{PLANTED["key"]}"\naws = "{PLANTED["id"]}"\n',
            "key.pem": PLANTED["pem"] + "\n",
            ".env": f"DB_PASSWORD={PLANTED['password']}\nURL=postgres://app:{PLANTED['url']}@db.internal.net:5432/app\n",
            "b.json": json.dumps({"password": PLANTED["quoted"]}) + "\n",
            "wide.txt": f"token = {PLANTED['wide']}\r\n".encode("utf-16"),
            "encoded.yaml": f"data: {encoded}\n",
            "marked.py": f'token = "{PLANTED["marked"]}"  # sealgate:allow until=2020-01-01\n',
        },
    )
    repo.write("a.py", f'\ntoken = "{PLANTED["token"]}", "{PLANTED["staged"]}"\n')
    repo.git("add", "a.py")
    return repo


_MODES = [[], ["--worktree"], ["--staged"], ["--range", "HEAD"]]


def _seen(outcome: Outcome) -> bytes:
    return (outcome.out + outcome.err).encode("utf-8", "surrogateescape")


def test_the_planted_secrets_are_found(repo: GitRepo) -> None:
    shown = sealgate("scan", "--report", "jsonl", "--show-secrets", "--fail-on", "low", cwd=repo.path)
    found = {finding["secret"] for finding in shown.findings}
    assert sorted(name for name, secret in PLANTED.items() if secret not in found) == ["quoted"]


@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("mode", _MODES, ids=lambda mode: " ".join(mode) or "history")
def test_no_report_shows_a_secret(repo: GitRepo, report: str, mode: list[str]) -> None:
    outcome = sealgate("scan", *mode, "--report", report, "--verbose", cwd=repo.path)
    assert outcome.code == 1
    assert _escaped(_seen(outcome)) == []


def test_no_report_in_a_file_shows_a_secret_and_nothing_else_is_left(repo: GitRepo, tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    reports = [option for name in REPORTS for option in ("--report", f"{name}={folder / name}")]
    assert sealgate("scan", *reports, cwd=repo.path).code == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted(REPORTS)
    assert [name for name in REPORTS if _escaped((folder / name).read_bytes())] == []


def test_a_diff_and_a_stream_show_no_secret(repo: GitRepo) -> None:
    diff = repo.git("show", "--format=").encode("utf-8", "surrogateescape")
    for mode in (["--diff", "-"], ["--stdin"]):
        assert _escaped(_seen(sealgate("scan", *mode, "--verbose", cwd=repo.path, stdin=diff))) == []


def test_no_baseline_holds_a_secret(repo: GitRepo) -> None:
    outcomes = [sealgate("baseline", command, "--force" if command == "create" else "--verbose", cwd=repo.path) for command in ("create", "update", "audit")]
    assert _escaped((repo.path / ".sealgate-baseline.jsonl").read_bytes()) == []
    assert [_escaped(_seen(outcome)) for outcome in outcomes] == [[], [], []]


def test_no_cache_holds_a_secret(repo: GitRepo, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert process("scan", "--report", "json", cwd=repo.path, env={"HOME": str(home)}).code == 1
    files = [path for path in home.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert [path.name for path in files if _escaped(path.read_bytes())] == []


@pytest.mark.parametrize("option", ["--config", "--baseline", "--rules", "--diff"])
@pytest.mark.parametrize("file", ["key.pem", "a.env", "list.yaml"])
def test_a_secret_file_named_by_mistake_is_not_quoted(tmp_path: Path, option: str, file: str) -> None:
    """Whoever names the wrong file as configuration, rules, baseline or diff must not find it in the log."""
    (tmp_path / "key.pem").write_text(PLANTED["pem"])
    (tmp_path / "a.env").write_text(f"PASSWORD={PLANTED['password']}\nTOKEN: {PLANTED['token']}\n")
    (tmp_path / "list.yaml").write_text(f"- {PLANTED['token']}\n- {PLANTED['key']}\n")
    outcome = process("scan", option, file, "--verbose", cwd=tmp_path)
    assert (outcome.code, _escaped(_seen(outcome))) == (2, [])


BUG = """
import scanner.placing as placing
def broken(*arguments, **options):
    raise ValueError(*arguments)
placing._finding = broken
"""


def test_a_crash_with_secrets_at_hand_shows_none(repo: GitRepo, tmp_path: Path) -> None:
    from planted import ROOT

    (tmp_path / "sitecustomize.py").write_text(BUG)
    outcome = process("scan", "--verbose", cwd=repo.path, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert (outcome.code, _escaped(_seen(outcome))) == (70, [])


def test_a_secret_shows_its_length_and_nothing_more() -> None:
    secret = Secret(PLANTED["token"].encode())
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", "%s %r" % (secret, secret), repr([secret]), repr({"a": secret})]  # noqa: UP031
    assert [text.replace("<secret, 40 bytes>", "") for text in shown] == ["", "", "", "", " ", "[]", "{'a': }"]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="a secret is not pickled"):
        pickle.dumps(Secret(b"x"), protocol)


def test_a_secret_is_not_copied_or_turned_into_json() -> None:
    for turn in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            turn(Secret(b"x"))
    with pytest.raises(TypeError) as caught:
        json.dumps({"a": Secret(PLANTED["token"].encode())})
    assert _escaped(str(caught.value).encode()) == []
    with pytest.raises(TypeError):
        bytes(Secret(b"x"))  # type: ignore[call-overload]


def test_a_secret_in_an_exception_or_log_record_does_not_show(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(PLANTED["token"].encode())
    with caplog.at_level(logging.DEBUG):
        try:
            raise ValueError(secret)
        except ValueError:
            logging.getLogger("x").exception("with %s", secret)
            text = traceback.format_exc()
    assert _escaped((text + caplog.text).encode()) == []


def test_secrets_are_equal_by_value_and_differ_from_bytes() -> None:
    assert Secret(b"x") == Secret(b"x")
    assert len({Secret(b"x"), Secret(b"x"), Secret(b"y")}) == 2
    assert Secret(b"x") != b"x"
    assert Secret(b"x").reveal() == b"x"
