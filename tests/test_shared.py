# SPDX-License-Identifier: Apache-2.0
"""Real repositories: complete runs, and findings that hold when git is asked about them."""

import atexit
import csv
import functools
import io
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from planted import Outcome, clean_environ, clone_bundle, sealgate

# name: (least number of findings, least number of blobs)
REPOSITORIES: Final = {"leaky-repo": (40, 80), "gitleaks": (100, 5_000), "starlette": (0, 10_000)}
# Of leaky-repo's own list: files with secrets of which at least one finding is reported. Raise it, never lower it.
LEAKY_FLOOR: Final = 24


@functools.cache
def _clone(name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sealgate-shared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    clone = clone_bundle(name, folder / name)
    if clone is None:
        pytest.skip(f"{name}.bundle is not beside this checkout")
    return clone


@functools.cache
def _scan(name: str) -> Outcome:
    return sealgate("scan", "--report", "jsonl", "--show-secrets", "--fail-on", "low", _clone(name))


def _git(name: str, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ["git", "-C", str(_clone(name)), *arguments]
    return subprocess.run(command, env=clean_environ(), input=stdin, capture_output=True, check=True).stdout


def _blobs(name: str, ids: list[str]) -> dict[str, bytes]:
    """Return the content of objects, asked of git."""
    output = io.BytesIO(_git(name, "cat-file", "--batch", stdin="".join(f"{i}\n" for i in ids).encode()))
    contents = {}
    for _ in ids:
        object_id, _kind, size = output.readline().decode().split()
        contents[object_id] = output.read(int(size))
        output.read(1)
    return contents


@pytest.mark.parametrize("name", REPOSITORIES)
def test_a_real_repository_is_scanned_whole(name: str) -> None:
    outcome = _scan(name)
    findings, blobs = REPOSITORIES[name]
    blocking = [gap for gap in outcome.summary["unscanned"] if not gap["allowed"]]
    assert (blocking, outcome.summary["complete"]) == ([], True)
    assert len(outcome.findings) >= findings
    assert outcome.summary["scanned"]["blobs"] >= blobs
    assert outcome.summary["scanned"]["commits"] == int(_git(name, "rev-list", "--all", "--count"))


def _slice(data: bytes, finding: dict[str, Any]) -> str:
    """Return what stands at a finding's location, by splitting its blob anew."""
    lines = [line.decode("utf-8", "replace") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    first, last = finding["start_line"] - 1, finding["end_line"] - 1
    if first == last:
        return lines[first][finding["start_column"] - 1 : finding["end_column"] - 1]
    parts = [lines[first][finding["start_column"] - 1 :], *lines[first + 1 : last], lines[last][: finding["end_column"] - 1]]
    return "\n".join(parts)


@pytest.mark.parametrize("name", REPOSITORIES)
def test_each_secret_stands_where_its_finding_says(name: str) -> None:
    findings = [f for f in _scan(name).findings if f["blob"]]
    blobs = _blobs(name, sorted({f["blob"] for f in findings}))
    plain = [f for f in findings if not f["decoded_from"] and f["family"] == "secret"]
    assert [(f["path"], f["start_line"], f["rule_id"]) for f in plain if _slice(blobs[f["blob"]], f) != f["secret"]] == []


@pytest.mark.parametrize("name", REPOSITORIES)
def test_each_commit_has_the_blob_at_the_path_that_its_finding_names(name: str) -> None:
    findings = [f for f in _scan(name).findings if f["source"] == "commit" and not f["path"].startswith(".git/")]
    questions = "".join(f"{f['commit']}:{f['path']}\n{f['first_commit']}:{f['path']}\n" for f in findings)
    answers = _git(name, "cat-file", "--batch-check=%(objectname)", stdin=questions.encode()).decode().split("\n")[:-1]
    assert [(f["path"], f["commit"]) for f, answer in zip(findings, answers[::2], strict=True) if answer != f["blob"]] == []
    assert [answer for answer in answers[1::2] if answer.endswith("missing")] == []


@pytest.mark.parametrize("name", REPOSITORIES)
def test_what_is_said_to_be_at_head_is(name: str) -> None:
    tree = _git(name, "ls-tree", "-r", "-z", "HEAD").decode("utf-8", "backslashreplace").split("\0")[:-1]
    at_head = {(entry.split("\t")[1], entry.split()[2]) for entry in tree}
    files = [f for f in _scan(name).findings if not f["path"].startswith(".git/")]
    assert [(f["path"], f["at_head"]) for f in files if f["at_head"] != ((f["path"], f["blob"]) in at_head)] == []


def test_files_of_the_catalogue_of_leaks_are_reported() -> None:
    rows = list(csv.reader(_git("leaky-repo", "show", "HEAD:.leaky-meta/secrets.csv").decode().splitlines()))
    listed = {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit() and int(row[1])}
    reported = {f["path"] for f in _scan("leaky-repo").findings}
    missed = sorted(set(listed) - reported)
    print(f"{len(listed) - len(missed)} of {len(listed)} files; without a finding: {', '.join(missed)}")
    assert len(listed) - len(missed) >= LEAKY_FLOOR
