# SPDX-License-Identifier: Apache-2.0
"""Blobs that an earlier run found clean are not read again, and the report is the same as if they were."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from gitrepo import GitRepo
from planted import AWS_KEY_ID, OTHER_AWS_KEY_ID, Outcome, github_token, private_key, sealgate, stripe_key
from test_engines import _grown
from test_recall import _archive

from scanner.cachedir import KEY_VARIABLE, CacheFolder
from scanner.detect.engine import Detector
from scanner.model import Gap
from scanner.sources.history import HistorySource
from scanner.verdicts import Verdicts, add_verdicts, make_verdicts

Make = Callable[..., GitRepo]
# And how many processes read.
ENGINES = (("pack", 1), ("pack", 3), ("reference", 1))
KEY = "a key that nobody guesses"


class Runs:
    """Runs that share verdicts and no results; `left_out` counts what the last one did not read."""

    def __init__(self, folder: Path, engine: str, jobs: int = 1) -> None:
        self.folder = folder
        self.engine = engine
        self.jobs = str(jobs)
        self.left_out = 0

    def __call__(self, target: Path, *options: "str | Path", **environ: str) -> Outcome:
        for path in self.folder.glob("results-*"):
            path.unlink()
        self.left_out = 0
        leave_out = HistorySource._leave_out

        def counting(source: HistorySource, screen: Any, ledger: Any) -> None:
            with mock.patch.object(screen, "passed", wraps=screen.passed) as passed:
                leave_out(source, screen, ledger)
            self.left_out += sum(call.args[0] for call in passed.call_args_list)

        with mock.patch.object(HistorySource, "_leave_out", counting):
            arguments = ["scan", target, "--engine", self.engine, "--jobs", self.jobs, "--cache", self.folder, "--report", "jsonl", *options]
            outcome = sealgate(*arguments, env=environ)
        assert outcome.code in (0, 1, 3), outcome.err
        return outcome

    def check(self, target: Path, *options: "str | Path", **environ: str) -> Outcome:
        """Scan with and without the cache, which must say the same."""
        outcome = self(target, *options, **environ)
        assert _result(outcome) == _result(sealgate("scan", target, "--engine", self.engine, "--report", "jsonl", *options))
        return outcome


def _result(outcome: Outcome) -> tuple[int, list[Any], dict[str, Any]]:
    summary = outcome.summary
    del summary["seconds"]
    return outcome.code, outcome.findings, summary


@pytest.fixture(params=ENGINES, ids=str)
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Runs:
    if request.param[0] == "pack":
        pytest.importorskip("scanner.git.kernel.known", reason="the kernel is not compiled here")
    return Runs(tmp_path / "cache", *request.param)


def _packed(repo: GitRepo, *options: str) -> Path:
    repo.git("repack", "-adfq", *options)
    return repo.path


def _blobs(repo: GitRepo) -> int:
    listed = repo.git("cat-file", "--batch-all-objects", "--batch-check=%(objecttype)")
    return listed.split().count("blob")


@pytest.mark.parametrize("options", [(), ("--depth=50", "--window=50"), ("--depth=0",)])
def test_a_history_with_much_in_it(runs: Runs, git_repo: Make, options: tuple[str, ...]) -> None:
    target = _packed(_grown(git_repo()), *options)
    runs.check(target)
    assert runs.left_out == 0
    runs.check(target)
    assert runs.left_out > 0


@pytest.mark.parametrize("folded", [True, False])
def test_only_what_is_new_is_read(runs: Runs, git_repo: Make, folded: bool) -> None:
    repo = git_repo()
    for number in range(12):
        repo.commit(files={f"{number}.txt": f"{number}\n" * 500, "grows.txt": "line\n" * (number + 1) * 90})
    runs.check(_packed(repo))
    blobs = _blobs(repo)
    # As a delta of a clean blob, or the clean ones as deltas of this.
    text = "line\n" * (12 * 90)
    repo.commit(files={"grows.txt": text + f"{AWS_KEY_ID}\n" if folded else f"{AWS_KEY_ID}\n" + text})
    outcome = runs.check(_packed(repo, "--depth=50") if folded else repo.path)
    assert runs.left_out == blobs
    assert [finding["path"] for finding in outcome.findings] == ["grows.txt"]
    repo.commit(files={"grows.txt": text})
    repo.commit(files={"more.txt": f"token = '{github_token()}'\n"})
    assert len(runs.check(_packed(repo, "--depth=50")).findings) == 2
    # All but the two with something in them and the new one.
    assert runs.left_out == blobs
    runs.check(repo.path)
    assert runs.left_out == _blobs(repo) - 2


def test_packs_loose_objects_and_alternates(runs: Runs, git_repo: Make, tmp_path: Path) -> None:
    repo = git_repo()
    for number in range(6):
        repo.commit(files={"a.txt": f"{number}\n" * 200, f"{number}.txt": f"number {number}"})
        if number % 2:
            repo.git("repack", "-q", *(["-d"] if number == 3 else []))
    repo.commit(files={"loose.txt": "loose", "secret.txt": AWS_KEY_ID})
    clone = git_repo("clone", "--shared", source=repo.path)
    clone.commit(files={"b.txt": "mine", "c.txt": OTHER_AWS_KEY_ID})
    for target, found in ((repo, 1), (clone, 2), (clone, 2)):
        assert len(runs.check(target.path).findings) == found
    assert runs.left_out == _blobs(clone) - 2


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_ids_of_both_lengths(runs: Runs, git_repo: Make, object_format: str) -> None:
    repo = git_repo("repo", f"--object-format={object_format}")
    repo.commit(files={"a.txt": "a", "b.txt": AWS_KEY_ID, "empty.txt": ""})
    for left_out in (0, 2):
        runs.check(_packed(repo))
        assert runs.left_out == left_out


def test_what_one_engine_learnt_the_other_one_knows(git_repo: Make, tmp_path: Path) -> None:
    pytest.importorskip("scanner.git.kernel.known", reason="the kernel is not compiled here")
    target = _packed(_grown(git_repo()))
    counts = []
    for engines in (("pack", "reference"), ("reference", "pack")):
        runs = Runs(tmp_path / engines[0], engines[0])
        runs.check(target)
        runs.engine = engines[1]
        runs.check(target)
        counts.append(runs.left_out)
    assert counts[0] == counts[1] > 0


def test_findings_archives_and_messages_are_looked_at_again(runs: Runs, git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(f"with {stripe_key()}", files={"a.zip": _archive(), "b.pem": private_key(), "c.txt": "clean"})
    repo.git("tag", "-a", "-m", f"with {github_token()}", "v1")
    for left_out in (0, 1):
        outcome = runs.check(_packed(repo))
        assert (runs.left_out, len(outcome.findings), outcome.gaps) == (left_out, 3, ["archive"])


def test_other_rules_and_limits_begin_anew(runs: Runs, git_repo: Make, tmp_path: Path) -> None:
    repo = git_repo()
    repo.commit(files={"a.txt": "the house word is clean", "large.txt": "clean " * 500})
    target = _packed(repo)
    runs.check(target)
    more = tmp_path / "more.yaml"
    more.write_text(
        "rules:\n  - id: house-word\n    name: House word\n    severity: low\n    confidence: high\n"
        "    pattern: 'house (?P<secret>word)'\n    help: none\n    references: [https://example.org]\n"
        "    positive: ['house word']\n    negative: ['house']\n"
    )
    assert runs.check(target, "--rules", more).findings
    assert runs.left_out == 0
    assert set(runs.check(target, "--max-blob", "1k").gaps) == {"oversize"}
    assert runs.left_out == 0
    # What is checked beside secrets makes no difference.
    runs.check(target, "--only", "secrets")
    assert runs.left_out == 2


def test_a_run_that_gave_up_knows_nothing(runs: Runs, git_repo: Make) -> None:
    target = _packed(_grown(git_repo(), 8))
    find = Detector.find

    def giving_up(detector: Detector, *arguments: Any) -> Any:
        detector.gaps.append(Gap("rule", "slow", "gave up"))
        return find(detector, *arguments)

    with mock.patch.object(Detector, "find", giving_up):
        assert "rule" in runs(target).gaps
    assert "timeout" in runs(target, "--timeout", "0.000001").gaps
    runs.check(target)
    assert runs.left_out == 0
    runs.check(target)
    assert runs.left_out > 0


def test_an_object_that_could_not_be_read_is_read_when_it_can(runs: Runs, git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.txt": "clean"})
    target = _packed(repo)
    repo.commit(files={"b.txt": AWS_KEY_ID})
    path = repo.loose(repo.id("HEAD:b.txt"))
    sound = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    assert "corrupt" in runs(target).gaps
    path.write_bytes(sound)
    assert len(runs.check(target).findings) == 1
    assert runs.left_out == 1


def test_a_cache_without_the_key_hides_nothing(runs: Runs, git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.txt": AWS_KEY_ID})
    target = _packed(repo)
    names = [bytes.fromhex(repo.id("HEAD:a.txt"))]
    poison = make_verdicts(20, dict.fromkeys(names, 20))
    content: list[bytes] = []
    with mock.patch.object(CacheFolder, "write", lambda _self, kind, _digest, data: content.append(data)):
        add_verdicts(CacheFolder(str(runs.folder)), "any", Verdicts(20), poison)
    runs(target, **{KEY_VARIABLE: KEY})
    repo.commit(files={"b.txt": "clean"})
    runs(target, **{KEY_VARIABLE: KEY})
    (path,) = runs.folder.glob("verdicts-*")
    path.write_bytes(CacheFolder(str(runs.folder))._seal(path.name, content[0]) + content[0])
    outcome = runs(target, **{KEY_VARIABLE: KEY})
    assert (outcome.code, runs.left_out) == (1, 0)
    # With the right seal it is believed, which is why the key matters.
    keyed = CacheFolder(str(runs.folder), KEY.encode())
    path.write_bytes(keyed._seal(path.name, content[0]) + content[0])
    assert (runs(target, **{KEY_VARIABLE: KEY}).code, runs.left_out) == (0, 1)


def test_a_working_tree_is_read_beside_it(runs: Runs, git_repo: Make) -> None:
    repo = git_repo()
    repo.commit(files={"a.txt": "clean", "b.txt": "clean too"})
    runs.check(_packed(repo))
    repo.write("a.txt", AWS_KEY_ID)
    repo.write("c.txt", OTHER_AWS_KEY_ID)
    assert len(runs.check(repo.path).findings) == 2
    assert runs.left_out == 2


def test_runs_of_several_repositories_share_a_folder(runs: Runs, git_repo: Make) -> None:
    one, other = _grown(git_repo("one"), 10, 1), _grown(git_repo("other"), 10, 2)
    for _ in range(2):
        runs.check(_packed(one))
        runs.check(_packed(other))
    assert runs.left_out > 0
    assert len(os.listdir(runs.folder)) == 2
    shutil.rmtree(runs.folder)
    runs.check(one.path)
    assert runs.left_out == 0
