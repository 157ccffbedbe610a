# SPDX-License-Identifier: Apache-2.0
"""The floor on packs of every kind, and a whole run of the benchmark with a Sealgate that does nothing."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gitrepo import GitRepo

from bench.floor import Entry, inflate_all, measure, with_libdeflate, with_zlib
from bench.install import Installed, InstallError
from bench.results import Results
from bench.run import MODES, Run
from bench.target import TargetError
from bench.tools import FLOORS, Tool

_LINES = [f"a line that is like no other, {number * number}\n" for number in range(200)]

# Says which options it knows, leaves a report and what it was called with.
_SEALGATE = """#!/bin/sh
[ "$2" = --help ] && { echo '%s'; exit; }
for part; do case $part in jsonl=*) report=${part#jsonl=};; esac; done
echo '{"summary": {}}' >"$report"
echo "$@" >>"$HOME/calls"
"""


@pytest.fixture
def repo(git_repo: Callable[..., GitRepo]) -> GitRepo:
    """Return a repository with versions of a file that git stores as deltas."""
    return _fill(git_repo("source"))


def _fill(repo: GitRepo) -> GitRepo:
    for version in range(4):
        repo.commit(files={"a.py": "".join(_LINES[: 197 + version]), "empty": b""})
    return repo


class TestFloor:
    """Every blob entry, and nothing else, whatever the pack."""

    def _check(self, repo: GitRepo, inflate: Any = with_zlib) -> None:
        [index] = (repo.path / ".git" / "objects" / "pack").glob("*.idx")
        rows = [line.split() for line in repo.git("verify-pack", "-v", str(index)).splitlines()]
        sizes = [int(row[2]) for row in rows if len(row) > 4 and row[1] == "blob"]
        taken = measure(repo.path / ".git", inflate)
        # Four versions and an empty file; a delta counts by the size of its instructions.
        assert len(sizes) == taken["entries"] == 5
        assert sum(sizes) == taken["bytes"] < 12_000
        assert 0 <= taken["cpu_seconds"] < 10

    @pytest.mark.parametrize("to_offset", ["true", "false"])
    def test_deltas_by_offset_and_by_name(self, repo: GitRepo, to_offset: str) -> None:
        repo.git("-c", f"repack.useDeltaBaseOffset={to_offset}", "repack", "-adfq")
        self._check(repo)

    def test_ids_of_sha256(self, git_repo: Callable[..., GitRepo]) -> None:
        repo = _fill(git_repo("long", "--object-format=sha256"))
        repo.git("-c", "repack.useDeltaBaseOffset=false", "repack", "-adfq")
        self._check(repo)

    def test_libdeflate(self, repo: GitRepo) -> None:
        pytest.importorskip("deflate")
        repo.git("repack", "-adfq")
        self._check(repo, with_libdeflate())

    def test_bytes_that_are_missing(self) -> None:
        with pytest.raises(ValueError, match="9 bytes should have come out, 4 did"):
            inflate_all([(memoryview(b"abcd"), [Entry(0, 4, 9)])], lambda data, size: bytes(data))


class TestRun:
    """The modes: who takes part, with which options."""

    @pytest.fixture(autouse=True)
    def fakes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Install a script in place of Sealgate, and this interpreter for the floor."""

        class Fake(Installed):
            @property
            def script(self) -> Path:
                return tmp_path / "sealgate" if self._tool.package == "sealgate" else Path(sys.executable)

            def find(self, pattern: str) -> Path | None:
                return None

        def install(tool: Tool, checkout: Path) -> Installed:
            if tool.package == "gitleaks":
                raise InstallError("no such package")
            return Fake(tmp_path, tool)

        self._know(tmp_path, "--jobs --cache")
        monkeypatch.setattr("bench.run.install", install)
        monkeypatch.setattr("bench.run.FLOORS", FLOORS[:1])
        monkeypatch.setattr("bench.run._PERCENTS", (50, 100))

    def _know(self, folder: Path, options: str) -> None:
        (folder / "sealgate").write_text(_SEALGATE % options)
        (folder / "sealgate").chmod(0o700)

    def _run(self, target: Path, work: Path, mode: str, tools: str = "sealgate") -> tuple[Results, list[str]]:
        options = argparse.Namespace(
            target=target, name="demo", work=work / "work", tools=tools, checkout=work, mode=mode, runs=1, jobs=3
        )
        results = list(Run(options, lambda _: None).run())[-1]
        return results, (work / "work" / "home" / "sealgate" / "calls").read_text().splitlines()

    def test_history(self, repo: GitRepo, tmp_path: Path) -> None:
        results, calls = self._run(repo.path, tmp_path, "history", "sealgate,reference,gitleaks")
        [table] = results.benchmarks
        assert [series.name for series in table.series] == ["Sealgate", "Sealgate (reference engine)", "gitleaks"]
        assert [series.error for series in table.series] == [None, None, "not installed: no such package"]
        assert [(series.name, len(series.samples)) for series in table.floors] == [(FLOORS[0].name, 1)]
        assert table.start is not None
        assert table.start.error is None
        assert "`--jobs 3`" in table.note
        # A round that does not count, one that does, one for memory; by three.
        assert len(calls) == 9
        assert all(call.endswith("--jobs 3") for call in calls)
        assert sum("empty.git" in call for call in calls) == sum("--engine reference" in call for call in calls) == 3

    def test_a_version_without_workers(self, repo: GitRepo, tmp_path: Path) -> None:
        self._know(tmp_path, "--report")
        results, calls = self._run(repo.path, tmp_path, "history")
        assert "--jobs" not in results.benchmarks[0].note
        assert not any("--jobs" in call for call in calls)

    def test_cache(self, repo: GitRepo, tmp_path: Path) -> None:
        results, calls = self._run(repo.path, tmp_path, "cache")
        [table] = results.benchmarks
        assert [series.name for series in table.series] == [
            "First run, empty cache",
            "Second run, nothing new",
            "Without a cache",
        ]
        assert table.base == "first run"
        assert sum(call.endswith("/cache/fresh") for call in calls) == sum(call.endswith("/cache/full") for call in calls) == 3
        assert [call.count("--cache") for call in calls].count(0) == 3

    def test_a_version_without_a_cache(self, repo: GitRepo, tmp_path: Path) -> None:
        self._know(tmp_path, "--jobs")
        with pytest.raises(TargetError, match="has no --cache"):
            self._run(repo.path, tmp_path, "cache")
        results, _ = self._run(repo.path, tmp_path, "all")
        assert [table.title for table in results.benchmarks][-1] == "Directory"

    def test_growth(self, repo: GitRepo, tmp_path: Path) -> None:
        results, _ = self._run(repo.path, tmp_path, "growth")
        assert [(cut.percent, cut.commits, cut.scan.error, cut.floor.error) for cut in results.growth] == [
            (50, 2, None, None),
            (100, 4, None, None),
        ]
        assert [len(cut.floor.samples) for cut in results.growth] == [1, 1]

    def test_a_directory_has_no_history(self, tmp_path: Path) -> None:
        (tmp_path / "plain").mkdir()
        for mode in MODES:
            if mode != "directory":
                with pytest.raises(TargetError):
                    self._run(tmp_path / "plain", tmp_path, mode)
        results, _ = self._run(tmp_path / "plain", tmp_path, "all")
        assert [table.title for table in results.benchmarks] == ["Directory"]
