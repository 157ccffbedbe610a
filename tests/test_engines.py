# SPDX-License-Identifier: Apache-2.0
"""The pack engine and the reference engine report the same, however a repository is packed."""

import base64
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import GitRepo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planted import AWS_KEY_ID, clone_bundle, github_token, private_key, sealgate, stripe_key

pytest.importorskip("scanner.git.kernel.delta", reason="the kernel is not compiled here")

Make = Callable[..., GitRepo]


def _report(target: Path, engine: str, *options: str) -> tuple[list[Any], dict[str, Any]]:
    outcome = sealgate(
        "scan", target, "--engine", engine, "--report", "jsonl", "--show-secrets", "--fail-on", "low", *options
    )
    assert outcome.code in (0, 1, 3), outcome.err
    assert outcome.out, outcome.err
    summary = outcome.summary
    del summary["seconds"]
    return outcome.findings, summary


def _same(target: Path, *options: str, engine: str = "pack") -> tuple[list[Any], dict[str, Any]]:
    packed = _report(target, engine, *options)
    assert packed == _report(target, "reference", *options)
    return packed


def _grown(repo: GitRepo, versions: int = 40, seed: int = 0) -> GitRepo:
    """Give a repository files that grow and change, with secrets that come, move, change and go."""
    source = random.Random(seed)
    values = [AWS_KEY_ID, github_token(), github_token(1), stripe_key(), private_key().replace("\n", "\n  ")]
    values += [base64.b64encode(f"token = {github_token(2)}\n".encode()).decode(), "nothing", "x" * 500]
    names = ["plain.txt", "crlf.txt", "one-line.js", "wide.txt", "wide-be.txt", "binary.bin", "bom.txt", "gone.txt"]
    lines = {name: [f"{name} line {i}, of no interest" for i in range(120)] for name in names}
    for version in range(versions):
        for name in source.sample(names, 3):
            here = lines[name]
            for _ in range(source.randint(1, 4)):
                at = source.randrange(len(here))
                action = source.randrange(5)
                if action == 0:
                    here.insert(at, f"key_{version} = '{source.choice(values)}'")
                elif action == 1:
                    del here[at]
                elif action == 2:
                    here[at] = f"changed {version} {source.choice(values)[: source.randint(1, 60)]}"
                elif action == 3:
                    here[at], here[0] = here[0], here[at]
                else:
                    here[at:at] = here[at : at + 5]
            repo.write(name, _written(name, here))
        repo.commit(f"version {version} {source.choice(values) if version % 9 == 0 else ''}")
    # A file that is a key and nothing else, among small ones that are none.
    repo.write("config/master.key", source.randbytes(16).hex().encode() + b"\n")
    repo.write("config/revision", source.randbytes(16).hex().encode() + b"\n")
    repo.commit("the key")
    repo.git("tag", "-f", "-a", "-m", f"tagged with {github_token(3)}", "v1")
    return repo


def _written(name: str, lines: list[str]) -> bytes:
    if name == "crlf.txt":
        return "\r\n".join(lines).encode()
    if name == "one-line.js":
        return ";".join(line.replace("\n", "") for line in lines).encode() * 3
    if name == "wide.txt":
        return "\n".join(lines).encode("utf-16")
    if name == "wide-be.txt":
        return "\n".join(lines).encode("utf-16-be")
    if name == "binary.bin":
        return b"\0\1\2\xff".join(line.encode() for line in lines)
    return (b"\xef\xbb\xbf" if name == "bom.txt" else b"") + "\n".join(lines).encode() + b"\n"


SHAPES = {
    "plain": [("repack", "-adfq")],
    "no deltas": [("repack", "-adfq", "--window=0")],
    "aggressive": [("gc", "--aggressive", "-q", "--prune=now")],
    "deep": [("repack", "-adfq", "--depth=4000", "--window=50")],
    "shallow chains": [("repack", "-adfq", "--depth=1", "--window=250")],
    "names of bases": [("-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")],
    "old index": [("-c", "pack.indexVersion=1", "repack", "-adfq")],
    "uncompressed": [("-c", "pack.compression=0", "repack", "-adfFq")],
    "many packs": [("-c", "pack.packSizeLimit=1m", "repack", "-adfq"), ("repack", "-aq", "--window=3")],
    "multi-pack index": [("repack", "-adfq"), ("multi-pack-index", "write"), ("commit-graph", "write", "--reachable")],
    "cruft": [
        ("reset", "-q", "--hard", "HEAD~9"),
        ("tag", "-d", "v1"),
        ("reflog", "expire", "--expire=now", "--all"),
        ("repack", "-dq", "--cruft"),
    ],
    "loosened": [("repack", "-adfq"), ("reset", "-q", "--hard", "HEAD~5"), ("tag", "-d", "v1"),
                 ("reflog", "expire", "--expire=now", "--all"), ("repack", "-Adfq", "--unpack-unreachable=now")],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_however_it_is_packed(git_repo: Make, shape: str) -> None:
    repo = _grown(git_repo())
    for arguments in SHAPES[shape]:
        repo.git(*arguments)
    findings, summary = _same(repo.path)
    assert len(findings) > 10
    assert summary["scanned"]["blobs"] > 100


def test_with_sha256(git_repo: Make) -> None:
    repo = _grown(git_repo("repo", "--object-format=sha256"), versions=15)
    repo.git("repack", "-adfq")
    assert _same(repo.path)[0]


def test_what_is_not_packed_yet(git_repo: Make) -> None:
    repo = _grown(git_repo(), versions=15)
    repo.git("repack", "-adfq")
    repo.commit(files={"plain.txt": f"{AWS_KEY_ID}\n", "new.txt": github_token(7)})
    repo.write("untracked.txt", github_token(8))
    assert _same(repo.path)[0]


def test_a_thin_pack_completed_and_a_bare_clone(git_repo: Make) -> None:
    first = _grown(git_repo("first"), versions=10)
    second = git_repo("second", source=first.path)
    _grown(first, versions=10, seed=1)
    second.git("-c", "fetch.unpackLimit=1", "-c", "transfer.unpackLimit=1", "fetch", "-q", "--force", "--tags", "origin")
    assert _same(second.path)[0]
    first.git("repack", "-adq")
    bare = git_repo("bare", "--mirror", source=first.path)
    assert _same(bare.path)[0]


def test_a_partial_and_a_shallow_clone(git_repo: Make) -> None:
    first = _grown(git_repo("first"), versions=10)
    first.git("config", "uploadpack.allowFilter", "true")
    for option in ("--filter=blob:none", "--filter=blob:limit=5k", "--depth=3"):
        clone = git_repo(f"clone{option}", "--no-local", option, source=f"file://{first.path}")
        findings, summary = _same(clone.path)
        assert not summary["complete"]


def test_alternates_and_worktrees(git_repo: Make, tmp_path: Path) -> None:
    first = _grown(git_repo("first"), versions=10)
    first.git("repack", "-adfq")
    second = git_repo("second", "--shared", source=first.path)
    second.commit(files={"plain.txt": AWS_KEY_ID})
    second.git("repack", "-adfq", "-l")
    second.git("worktree", "add", "-q", str(tmp_path / "tree"), "HEAD~3")
    assert _same(second.path)[0]
    assert _same(tmp_path / "tree")[0]


def test_limits_on_size(git_repo: Make) -> None:
    repo = _grown(git_repo(), versions=15)
    repo.git("repack", "-adfq")
    for limit in ("100", "5k", "6k", "20k"):
        packed, reference = (_report(repo.path, engine, "--max-blob", limit) for engine in ("pack", "reference"))
        for _, summary in (packed, reference):
            summary["unscanned"].sort(key=str)
        assert packed == reference
        assert bool(packed[1]["unscanned"]) == (limit != "20k")


def test_a_large_file_among_small_ones(git_repo: Make) -> None:
    repo = git_repo()
    lines = [f"line {i} of very many that stand here to fill it\n" for i in range(100_000)]
    for version in range(3):
        lines[version * 1000] = f"key = '{github_token(version)}'\n"
        repo.commit(files={"large.txt": "".join(lines), "half.txt": "".join(lines[:50_000])})
    repo.git("repack", "-adfq")
    assert len(_same(repo.path)[0]) == 6


@pytest.mark.parametrize("seed", range(16))
def test_a_damaged_pack(git_repo: Make, seed: int) -> None:
    repo = _grown(git_repo(), versions=10)
    repo.git("repack", "-adfq")
    [pack] = repo.path.glob(".git/objects/pack/*.pack")
    pack.chmod(0o600)
    content = bytearray(pack.read_bytes())
    source = random.Random(seed)
    at = source.randrange(len(content) // 10, len(content) - 20)
    content[at] ^= 1 << source.randrange(8)
    pack.write_bytes(content)
    packed, reference = (_report(repo.path, engine, "--only", "secrets") for engine in ("auto", "reference"))
    assert packed[0] == reference[0]
    assert packed[1]["complete"] == reference[1]["complete"]


def test_a_damaged_pack_beside_a_sound_one(git_repo: Make) -> None:
    repo = _grown(git_repo(), versions=10)
    repo.git("repack", "-adfq")
    repo.git("repack", "-aq", "--window=0", "-f")
    packs = sorted(repo.path.glob(".git/objects/pack/*.pack"))
    assert len(packs) == 2
    for number, pack in enumerate(packs):
        pack.chmod(0o600)
        content = bytearray(pack.read_bytes())
        for part in range(2, 6):
            content[len(content) * (part + number) // 9 + 3] ^= 16
        pack.write_bytes(content)
        packed, reference = (_report(repo.path, engine, "--only", "secrets") for engine in ("pack", "reference"))
        assert packed[0] == reference[0]
        assert packed[1]["scanned"] == reference[1]["scanned"]


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 30), st.integers(1, 25), st.integers(1, 60), st.integers(0, 30), st.booleans())
def test_random_repositories(seed: int, versions: int, depth: int, window: int, twice: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = _grown(GitRepo(Path(folder) / "repo"), versions, seed)
        repo.git("repack", "-adfq", f"--depth={depth}", f"--window={window}")
        if twice:
            _grown(repo, 5, seed + 1) if versions > 30 else repo.commit(files={"plain.txt": github_token(5)})
            repo.git("repack", "-q")
        _same(repo.path)


@pytest.mark.parametrize("name", ["attrs", "gitleaks", "leaky-repo", "noseyparker", "starlette"])
def test_real_repositories(tmp_path: Path, name: str) -> None:
    clone = clone_bundle(name, tmp_path / name)
    if clone is None:
        pytest.skip(f"{name}.bundle is not beside this checkout")
    _same(clone)


def test_it_says_which_engine_reads(git_repo: Make) -> None:
    repo = _grown(git_repo(), versions=3)
    assert "the reference engine" in sealgate("scan", repo.path, "--verbose").err
    refused = sealgate("scan", repo.path, "--engine", "pack")
    assert (refused.code, "the pack engine cannot" in refused.err) == (2, True)
    repo.git("repack", "-adq")
    said = sealgate("scan", repo.path, "--verbose").err
    assert said.count("the pack engine") == 1
    assert "engine" not in sealgate("scan", repo.path).err


_SLOW = r"""
rules:
  - {id: own-hex, name: Own, severity: high, confidence: medium, pattern: '\b(?P<secret>[0-9a-f]{32})\b', near: widget,
     slow: true, help: Nothing., references: ['https://example.org'], positive: [], negative: []}
  - {id: own-lines, name: Own, severity: high, confidence: medium, pattern: '[0-9]{9}\s{1,9}(?P<secret>[0-9A-F]{20,30})',
     slow: true, help: Nothing., references: ['https://example.org'], positive: [], negative: []}
"""


def test_rules_without_a_literal_find_the_same_however_a_history_is_read(git_repo: Make, tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(_SLOW)
    source = random.Random(7)
    repo = git_repo()
    lines = [f"line {i}, of no interest" for i in range(80)]
    for version in range(30):
        at = source.randrange(len(lines))
        small = "".join(source.choices("0123456789abcdef", k=32))
        large = "".join(source.choices("0123456789ABCDEF", k=24))
        lines[at : at + source.randrange(2)] = source.choice([[f"widget = {small}"], ["123456789", f"  {large}"], ["widget"], [small], []])
        repo.commit(f"version {version}", files={"a.txt": "\n".join(lines)})
    repo.git("gc", "-q", "--aggressive")
    findings, _ = _same(repo.path, "--rules", str(tmp_path / "slow.yaml"))
    assert {finding["rule_id"] for finding in findings} == {"own-hex", "own-lines"}
