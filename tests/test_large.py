# SPDX-License-Identifier: Apache-2.0
"""Large content is reported as it is where it is held: here all over 20 kB is large, and pieces are small."""

import base64
import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, Outcome, github_token, private_key, sealgate, stripe_key

from scanner import large, reading, triage
from scanner.detect import decode, kubernetes, pieces
from scanner.git import objects
from scanner.git.repo import open_repository
from scanner.model import Gap, LargeBlob, Pieces
from scanner.seal import seal
from scanner.sops import ciphertext
from scanner.sources import disk, history
from scanner.sources.files import FileSource, StreamSource

Make = Callable[..., GitRepo]
LARGE = 20_000
CHUNK = 1500


@pytest.fixture(autouse=True)
def _short_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_MAX_RUN_BYTES", 2048)
    monkeypatch.setattr(kubernetes, "REACH_BYTES", 600)
    monkeypatch.setattr(triage, "MARK_BYTES", 300)
    monkeypatch.setattr(large, "_CONTEXT_BYTES", 602)
    monkeypatch.setattr(ciphertext, "_LONG_BYTES", 1024)
    monkeypatch.setattr(ciphertext, "_KEPT_BYTES", 50_000)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes content large from here on."""

    def set_limits() -> None:
        for module in (objects, disk, history):
            monkeypatch.setattr(module, "LARGE_BYTES", LARGE)
        for module in (objects, disk):
            monkeypatch.setattr(module, "_CHUNK_BYTES", CHUNK)
        monkeypatch.setattr(pieces, "PIECE_BYTES", 2000)

    return set_limits


def _ciphertext(inside: str, length: int) -> str:
    dice = random.Random(3)
    fill = base64.b64encode(dice.randbytes(length)).decode().rstrip("=")
    iv, tag = (base64.b64encode(dice.randbytes(n)).decode() for n in (32, 16))
    data = fill[: len(fill) // 2] + inside + fill[len(fill) // 2 :]
    return f"ENC[AES256_GCM,data:{data[: len(data) // 4 * 4]},iv:{iv},tag:{tag},type:str]"


def _text(seed: int = 0, more: str = "") -> str:
    """A text with all that pieces could lose: marks, long values, encoded runs, ciphertext, one endless line."""
    dice = random.Random(seed)
    parts = [
        f"token = '{github_token(seed)}'",
        f"token = '{github_token(seed + 1)}'  # sealgate:allow reason=made",
        private_key(seed),
        "encoded: " + base64.encodebytes(f"stripe = {stripe_key(seed)}\n".encode() * 60).decode(),
        f"key: {_ciphertext(f'/{AWS_KEY_ID}/', 60_000)}",
        f"key: {_ciphertext(f'/{AWS_KEY_ID}/', 60)} {AWS_KEY_ID}",
        ";".join(f"var x{n} = 'é{n}'" for n in range(2500)) + f"; t = '{github_token(seed + 2)}';",
        more,
    ]
    filler = [f"{n} rows of nothing much, {dice.random()}" for n in range(1500)]
    return "\n".join("\n".join([part, *filler[at * 150 : at * 150 + 150]]) for at, part in enumerate(parts))


def _files(seed: int = 0) -> dict[str, bytes]:
    text = _text(seed)
    return {
        "dump.sql": text.encode(),
        "wide.txt": text.encode("utf-16"),
        "bom.txt": b"\xef\xbb\xbf" + text.encode(),
        "crlf.txt": text.replace("\n", "\r\n").encode(),
        "small.txt": f"token = {github_token(7)}\n".encode(),
        "archive.zip": b"PK\3\4" + text.encode(),
    }


def _told(done: Outcome) -> tuple[int, list[Any], dict[str, Any]]:
    assert done.out, done.err
    summary = done.summary
    del summary["seconds"]
    return done.code, done.findings, summary


def _check(run: Callable[[], Outcome], small: Callable[[], None]) -> tuple[list[Any], dict[str, Any]]:
    held = _told(run())
    small()
    assert _told(run()) == held
    return held[1], held[2]


OPTIONS = ("--report", "jsonl", "--show-secrets", "--fail-on", "low")


def test_a_directory(tmp_path: Path, small: Callable[[], None]) -> None:
    for name, data in _files().items():
        (tmp_path / name).write_bytes(data)
    findings, summary = _check(lambda: sealgate("scan", tmp_path, *OPTIONS), small)
    assert len(findings) > 20
    assert [gap["kind"] for gap in summary["unscanned"]] == ["archive"]
    assert {finding["rule_id"] for finding in findings if finding["path"] == "dump.sql"} >= {"private-key-pem"}
    # Within ciphertext it does not count, beside it does.
    assert sum(finding["secret"] == AWS_KEY_ID for finding in findings if finding["path"] == "dump.sql") == 1


def test_one_file_and_standard_input(tmp_path: Path, small: Callable[[], None]) -> None:
    data = _files()["dump.sql"]
    (tmp_path / "dump.sql").write_bytes(data)
    _check(lambda: sealgate("scan", tmp_path / "dump.sql", *OPTIONS), small)
    streamed = sealgate("scan", "--stdin", "--name", "dump.sql", *OPTIONS, stdin=data)
    named = sealgate("scan", tmp_path / "dump.sql", *OPTIONS)
    places = [[(f["fingerprint"], f["start_line"], f["start_column"], f["end_column"]) for f in done.findings] for done in (streamed, named)]
    assert places[0] == places[1] != []


@pytest.fixture
def grown(git_repo: Make) -> GitRepo:
    """Two versions of each file in history, another one staged, and one on disk."""
    repo = git_repo()
    repo.commit("one", files=_files())
    repo.commit("two", files={name: data + b"\n" + _text(10).encode() for name, data in _files().items()})
    repo.write("dump.sql", _files()["dump.sql"] + f"\nstaged = {github_token(70)}\n".encode())
    repo.write("new.sql", _text(20))
    repo.git("add", "-A")
    repo.write("later.sql", _text(30))
    return repo


@pytest.mark.parametrize(
    "options",
    [
        ("--engine", "reference"),
        ("--engine", "auto"),
        ("--staged",),
        ("--range", "HEAD~1..HEAD", "--only", "secrets"),
        ("--worktree",),
        ("--only", "secrets"),
    ],
)
def test_a_repository(grown: GitRepo, small: Callable[[], None], options: tuple[str, ...]) -> None:
    findings, _ = _check(lambda: sealgate("scan", grown.path, *options, *OPTIONS), small)
    assert findings


def test_a_packed_repository(grown: GitRepo, small: Callable[[], None]) -> None:
    grown.git("repack", "-adq")
    for engine in ("reference", "auto"):
        _check(lambda engine=engine: sealgate("scan", grown.path, "--engine", engine, *OPTIONS), small)


def test_the_hook_that_names_files(grown: GitRepo, small: Callable[[], None]) -> None:
    names = ["dump.sql", "later.sql", "crlf.txt"]
    _check(lambda: sealgate("hook", "pre-commit", *OPTIONS[:2], "--fail-on", "low", *names, cwd=grown.path), small)


def test_what_was_there_before_is_not_new(grown: GitRepo, small: Callable[[], None]) -> None:
    small()
    done = sealgate("scan", grown.path, "--staged", *OPTIONS)
    assert [f["secret"] for f in done.findings if f["path"] == "dump.sql"] == [github_token(70)]


def test_a_stream_is_read_as_far_as_the_limit(small: Callable[[], None]) -> None:
    small()
    token = f"t = {github_token()}\n".encode()
    stream = token + b"x\n" * 20_000 + token.replace(b"t = ", b"u = ") + b"y\n" * 30_000
    for limit, expected in (("200k", (1, [])), ("30k", (1, ["oversize"])), ("19k", (3, ["oversize"]))):
        done = sealgate("scan", "--stdin", "--max-blob", limit, "--report", "jsonl", stdin=stream)
        assert (done.code, done.gaps) == expected, limit
    exact = StreamSource(io.BytesIO(b"x" * 40_000), b"name", 40_000)
    assert _lengths(exact.blobs()) == [40_000]
    assert exact.gaps == []
    over = StreamSource(io.BytesIO(b"x" * 40_001), b"name", 40_000)
    assert _lengths(over.blobs()) == [40_000]
    assert [gap.kind for gap in over.gaps] == ["oversize"]


def _lengths(blobs: Iterator[Any]) -> list[int]:
    return [sum(map(len, blob.pieces)) if isinstance(blob, LargeBlob) else len(blob.data) for blob in blobs]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, small: Callable[[], None]) -> None:
    small()
    path = tmp_path / "file"
    path.write_bytes(b"x" * 30_000)
    source = FileSource(str(path), 40_000)
    (blob,) = source.blobs()
    assert isinstance(blob, LargeBlob)
    assert (sum(map(len, blob.pieces)), blob.pieces.size, source.gaps) == (30_000, 30_000, [])
    path.write_bytes(b"x" * 50_000)
    assert sum(map(len, blob.pieces)) <= 40_000
    assert [gap.kind for gap in source.gaps] == ["oversize"]
    path.unlink()
    assert list(blob.pieces) == []
    path.symlink_to("/etc/passwd")
    assert list(blob.pieces) == []
    path.unlink()
    path.mkdir()
    assert list(blob.pieces) == []
    assert [gap.kind for gap in source.gaps] == ["oversize", *["unreadable"] * 3]


def test_an_object_is_read_from_the_answer_once_and_anew_then(
    git_repo: Make, environ: dict[str, str], small: Callable[[], None]
) -> None:
    small()
    repo = git_repo()
    data = [bytes(random.Random(n).choices(b"abc\n", k=30_000)) for n in range(3)]
    repo.commit(files={f"{n}": each for n, each in enumerate(data)} | {"small": b"x"})
    ids = [repo.id(f"HEAD:{name}") for name in ("0", "small", "1", "2")]
    opened = open_repository(str(repo.path), environ=environ)
    assert opened is not None
    gaps: list[Gap] = []
    found = []
    for _, kind, content in objects.read_contents(opened, ids, gaps):
        assert kind == "blob"
        if isinstance(content, bytes):
            found.append(content)
        else:
            assert content.size == 30_000
            # Read to its end, left in the middle, never begun.
            if len(found) == 0:
                assert b"".join(content) == data[0]
            elif len(found) == 2:
                next(iter(content))
            found.append(content)
    assert found[1] == b"x"
    again = [b"".join(content) for content in found if not isinstance(content, bytes)]
    assert (again, gaps) == (data, [])
    repo.loose(ids[0]).unlink()
    assert b"".join(found[0]) == b""
    assert [gap.kind for gap in gaps] == ["corrupt"]


def test_a_large_object_that_is_damaged_is_a_gap(git_repo: Make, small: Callable[[], None]) -> None:
    small()
    repo = git_repo()
    dice = random.Random(0)
    repo.commit(files={"big": dice.randbytes(50_000), "other": f"t = {github_token()}\n" + "x\n" * 20_000})
    path = repo.loose(repo.id("HEAD:big"))
    damaged = bytearray(path.read_bytes())
    damaged[30_000:30_100] = bytes(100)
    path.chmod(0o644)
    path.write_bytes(damaged)
    (repo.path / "big").unlink()
    done = sealgate("scan", repo.path, "--only", "secrets", "--report", "jsonl")
    assert done.gaps == ["corrupt"]
    assert len(done.findings) == 1


@pytest.fixture
def ruled(git_repo: Make) -> GitRepo:
    """A large file in clear text that a creation rule wants encrypted, and one that SOPS encrypted without a rule."""
    repo = git_repo()
    clear = "".join(f"password{n}: {random.Random(n).randbytes(9).hex()}\n" for n in range(1000))
    sealed = "".join(f"key{n}: {_ciphertext('', 30)}\n" for n in range(300)) + "sops:\n    version: 3.9.0\n"
    recipient = "age1" + "q" * 58
    rules = f"creation_rules:\n  - path_regex: secrets/.*\n    age: {recipient}\n"
    repo.commit(files={".sops.yaml": rules, "secrets/a.yaml": clear, "other.yaml": sealed})
    return repo


@pytest.mark.parametrize("options", [(), ("--worktree",), ("--only", "sops"), ("--range", "HEAD")])
def test_what_concerns_sops_is_held(ruled: GitRepo, small: Callable[[], None], options: tuple[str, ...]) -> None:
    findings, _ = _check(lambda: sealgate("scan", ruled.path, *options, *OPTIONS), small)
    assert {finding["path"] for finding in findings} >= {"other.yaml", "secrets/a.yaml"}


def test_what_cannot_be_held_is_a_gap(
    ruled: GitRepo, small: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    small()
    monkeypatch.setattr(seal, "MAX_HELD_BYTES", LARGE + 1)
    done = sealgate("scan", ruled.path, *OPTIONS)
    assert [(gap["kind"], gap["what"]) for gap in done.summary["unscanned"]] == [
        ("oversize", "other.yaml"),
        ("oversize", "secrets/a.yaml"),
    ]


def test_the_time_limit_holds_within_a_blob(small: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    small()
    token = f"t = {github_token()}\n".encode()
    stream = token + b"x\n" * 200_000
    clock = iter(range(10**9))
    monkeypatch.setattr(reading, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    done = sealgate("scan", "--stdin", "--timeout", "30s", "--report", "jsonl", stdin=stream)
    assert done.gaps == ["timeout"]
    assert len(done.findings) == 1
    assert 20_000 < done.summary["scanned"]["bytes"] < 100_000


def test_pieces_are_pieces() -> None:
    """The classes that give pieces are what the model asks for."""
    given: list[type[Pieces]] = [objects.LargeObject, disk.LargeFile]
    assert all(hasattr(kind, "__iter__") for kind in given)
