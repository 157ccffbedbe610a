# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own arithmetic, parsing and tables. Nothing here asserts how fast anything is."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from gitrepo import GitRepo

# The benchmark is not part of the distribution. At the end of the path, so that an installed Sealgate stays
# the one that the other tests see.
from bench.corpus import make_corpus, parse_tree, spread_out
from bench.document import BEGIN, END, insert
from bench.install import InstallError, install, known_options
from bench.machine import describe_machine, parse_field
from bench.measure import Command, run, run_sampled
from bench.results import HISTORY, Benchmark, Cut, Results, Sample, Series, load_results, write_results
from bench.rounds import Contender, Job, environment, rotated, run_rounds
from bench.stats import cpu, memory_ratio, ratio, spread
from bench.summary import summarize
from bench.table import render, seconds, times
from bench.target import TargetError, count, describe, make_cut, make_directory, make_staged, prepare
from bench.tools import (
    SEALGATE,
    TOOLS,
    ReportError,
    Tool,
    clock_floor,
    count_betterleaks,
    count_floor,
    count_gitleaks,
    count_kingfisher,
    count_sealgate,
)

_WORKS = "import sys; open(sys.argv[1], 'w').write('[1, 2]')"
_CRASHES = "import sys; sys.exit('out of luck')"
_LIES = "pass"


def _tool(name: str, code: str) -> Tool:
    return Tool(
        name, name, None, "x", None, {"history": ("-c", code, "{report}")}, f"{name}.json", count_gitleaks, frozenset({0})
    )


def _series(name: str, *cpu: float) -> Series:
    return Series(name, [Sample(value, value, 20_000_000, 0, 7) for value in cpu], 30_000_000)


class TestStatistics:
    """Medians and ratios."""

    def test_spread_is_median_and_ends(self) -> None:
        assert spread([3.0, 1.0, 10.0]) == (3.0, 1.0, 10.0)
        with pytest.raises(ValueError, match="no values"):
            spread([])

    def test_ratio_is_taken_round_by_round(self) -> None:
        # A machine twice as slow in the second round does not change the ratio; medians of all would.
        assert ratio(_series("other", 2.0, 4.0, 2.0), _series("base", 1.0, 2.0, 1.0), cpu) == 2.0

    def test_ratio_less_what_any_run_takes(self) -> None:
        assert ratio(_series("scan", 5.0, 3.0), _series("floor", 2.0, 1.0), cpu, less=_series("start", 1.0, 1.0)) == 2.0
        assert ratio(_series("scan", 5.0), _series("floor", 2.0), cpu, less=_series("start")) is None

    def test_ratio_of_unequal_rounds(self) -> None:
        assert ratio(_series("other", 3.0), _series("base", 1.0, 100.0), cpu) == 3.0
        assert ratio(_series("other"), _series("base", 1.0), cpu) is None
        assert ratio(_series("other", 1.0), _series("base", 0.0), cpu) is None

    def test_memory_ratio(self) -> None:
        base = _series("base", 1.0)
        assert memory_ratio(Series("other", together_bytes=60_000_000), base) == 2.0
        assert memory_ratio(Series("other"), base) is None

    def test_every_contender_is_first_once(self) -> None:
        contenders = [Contender(name, SEALGATE, Path(name)) for name in "abc"]
        orders = ["".join(item.name for item in rotated(contenders, by)) for by in range(4)]
        assert orders == ["abc", "bca", "cab", "abc"]
        assert rotated([], 3) == []


class TestReports:
    """Counting findings, and not believing a report that says itself that it is not complete."""

    def test_sealgate(self) -> None:
        assert count_sealgate(b'{"rule_id": "a"}\n{"rule_id": "b"}\n{"summary": {}}\n') == 2
        with pytest.raises(ReportError, match="no summary"):
            count_sealgate(b'{"rule_id": "a"}\n')

    def test_gitleaks(self) -> None:
        assert count_gitleaks(b"[{}, {}]") == 2
        with pytest.raises(ReportError, match="not JSON"):
            count_gitleaks(b"[{}, ")
        with pytest.raises(ReportError, match="not a list"):
            count_gitleaks(b"{}")

    def test_betterleaks(self) -> None:
        assert count_betterleaks(b'{"findings": [{}], "scan": {"state": "complete"}}') == 1
        with pytest.raises(ReportError, match="the scan is partial"):
            count_betterleaks(b'{"findings": [], "scan": {"state": "partial"}}')
        with pytest.raises(ReportError, match="no findings"):
            count_betterleaks(b"[]")

    def test_kingfisher(self) -> None:
        finding = b'{"rule": {}, "finding": {}}\n{"findings": 1}\n'
        assert count_kingfisher(finding + b'{"audit": {"summary": {"scan_partial": 0}}}\n') == 1
        with pytest.raises(ReportError, match="scan partial"):
            count_kingfisher(b'{"audit": {"summary": {"scan_partial": 1}}}\n')
        with pytest.raises(ReportError, match="not an object"):
            count_kingfisher(b"[1]\n")

    def test_floor(self) -> None:
        report = b'{"cpu_seconds": 0.5, "wall_seconds": 0.75, "entries": 3, "bytes": 9}'
        assert count_floor(report) == 3
        assert clock_floor(report) == (0.5, 0.75)

    @pytest.mark.parametrize("name", TOOLS)
    def test_each_tool_writes_its_report_on_each_job(self, name: str) -> None:
        tool = TOOLS[name]
        assert "history" in tool.commands
        for mode in tool.commands:
            arguments = tool.arguments(mode, "REPORT", "TARGET")
            assert "TARGET" in arguments
            assert any("REPORT" in argument for argument in arguments)


class TestMeasure:
    """Running small commands."""

    def _command(self, folder: Path, code: str) -> Command:
        return Command([sys.executable, "-c", code], environment(folder), folder, folder / "errors.txt")

    def test_cpu_of_children_counts(self, tmp_path: Path) -> None:
        burn = "import time\\nwhile time.process_time() < 0.2: pass"
        usage = run(self._command(tmp_path, f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{burn}'])"))
        assert usage.exit_code == 0
        assert usage.cpu_seconds > 0.2
        assert usage.largest_bytes > 1_000_000

    def test_exit_code_folder_and_error_output(self, tmp_path: Path) -> None:
        usage = run(self._command(tmp_path, "import os, sys; print(os.getcwd(), file=sys.stderr); sys.exit(9)"))
        assert usage.exit_code == 9
        assert (tmp_path / "errors.txt").read_text().strip() == str(tmp_path.resolve())

    @pytest.mark.skipif(sys.platform != "linux", reason="memory is sampled from /proc")
    def test_memory_of_all_processes_together(self, tmp_path: Path) -> None:
        child = "import time; x = bytearray(40_000_000); time.sleep(0.5)"
        code = f"import subprocess, sys; x = bytearray(40_000_000); subprocess.run([sys.executable, '-c', '{child}'])"
        _, together = run_sampled(self._command(tmp_path, code))
        # Either process alone is half of it.
        assert 80_000_000 < together < 160_000_000

    @pytest.mark.skipif(sys.platform != "linux", reason="memory is sampled from /proc")
    def test_pages_that_forked_workers_share_count_once(self, tmp_path: Path) -> None:
        fork = "for _ in range(4):\n if not os.fork(): y = bytearray(b'y') * 10_000_000; time.sleep(0.6); os._exit(0)\n"
        code = f"import os, time\nx = bytearray(b'x') * 60_000_000\n{fork}for _ in range(4): os.wait()"
        _, together = run_sampled(self._command(tmp_path, code))
        # Once 60 MB, and four times 10.
        assert 100_000_000 < together < 150_000_000


class TestRounds:
    """Warm-up, rounds and failures."""

    def _run(self, tmp_path: Path, *, cold: bool = False, **codes: str) -> dict[str, Series]:
        contenders = [Contender(name, _tool(name, code), Path(sys.executable)) for name, code in codes.items()]
        job = Job("history", tmp_path, tmp_path, tmp_path, cold=cold)
        return {series.name: series for series in run_rounds(job, contenders, 2, lambda _: None)}

    def test_failures_are_kept_with_their_reason(self, tmp_path: Path) -> None:
        series = self._run(tmp_path, works=_WORKS, crashes=_CRASHES, lies=_LIES)
        assert [sample.findings for sample in series["works"].samples] == [2, 2]
        assert series["works"].error is None
        assert series["crashes"].error == "warm-up: exit code 1: out of luck"
        assert series["lies"].error == "warm-up: exit code 0 and no report: no message"

    def test_options_target_and_folder_of_a_contender(self, tmp_path: Path) -> None:
        code = "import os, sys; r, t, o = sys.argv[1:]; assert t == 'T', t; assert not os.listdir(o); open(o + '/x', 'w'); "
        tool = _tool("tool", code + "open(r, 'w').write('[]')")
        tool = replace(tool, commands={"history": (*tool.commands["history"], "{target}")})
        folder = tmp_path / "emptied"
        contender = Contender("tool", tool, Path(sys.executable), (str(folder),), Path("T"), folder)
        [series] = run_rounds(Job("history", tmp_path, tmp_path, tmp_path), [contender], 2, lambda _: None)
        assert series.error is None

    def test_a_tool_with_a_clock_of_its_own(self, tmp_path: Path) -> None:
        tool = replace(_tool("tool", _WORKS), clock=lambda report: (len(report), 9.0))
        job = Job("history", tmp_path, tmp_path, tmp_path)
        [series] = run_rounds(job, [Contender("tool", tool, Path(sys.executable))], 1, lambda _: None)
        assert [(sample.cpu_seconds, sample.wall_seconds) for sample in series.samples] == [(6, 9.0)]

    def test_a_program_that_is_not_there(self, tmp_path: Path) -> None:
        job = Job("history", tmp_path, tmp_path, tmp_path)
        [series] = run_rounds(job, [Contender("gone", _tool("gone", ""), tmp_path / "gone")], 1, lambda _: None)
        assert series.error is not None
        assert series.error.startswith("warm-up: ")

    def test_cold_runs_find_an_empty_home(self, tmp_path: Path) -> None:
        code = "import os, sys; h = os.environ['HOME']; assert not os.listdir(h); open(h + '/x', 'w'); " + _WORKS
        assert self._run(tmp_path, cold=True, tool=code)["tool"].error is None
        warm = self._run(tmp_path, tool=code)["tool"].error
        assert warm is not None
        assert "AssertionError" in warm


class TestTable:
    """Results as Markdown and JSON."""

    def _results(self) -> Results:
        failed = Series("gone", error="not installed: no such package")
        series = [_series("Sealgate", 2.0, 2.5), _series("other", 4.0, 5.0), failed]
        return Results("demo", {"CPU": "x86"}, {"other": "1.0"}, {"files": "3"}, 2, [Benchmark("Directory", "Note.", series)])

    def test_page(self) -> None:
        lines = render(self._results()).splitlines()
        assert lines[:5] == ["## demo", "", "- Machine: CPU x86", "- Tools: other 1.0", "- Target: files 3"]
        assert "### Directory" in lines
        assert "| other | 4.50 (4.00–5.00) | 2.00 | 4.50 (4.00–5.00) | 2.00 | 20 | 30 | 1.00 | 7 | 0 |" in lines
        assert any(line.startswith("| gone | failed: not installed: no such package |") for line in lines)
        assert len({line.count("|") for line in lines if line.startswith("|")}) == 1

    def _history(self) -> Results:
        series = [_series("Sealgate", 2.0), _series("other", 4.0), _series("one more", 3.0), Series("gone", error="x")]
        series.append(_series("Sealgate (reference engine)", 2.5))
        benchmark = Benchmark(HISTORY, "Note.", series, floors=[_series("zlib", 0.5), Series("none", error="x")])
        benchmark.start = _series("start", 1.0)
        results = Results("demo", {"CPU": "x86"}, {}, {"commits": "3", "packed": "1.0 MB"}, 1, [benchmark])
        results.growth = [Cut(50, 1, 2, 3_000_000, 1_000_000, _series("scan", 0.5), _series("floor", 0.1))]
        return results

    def test_floors(self) -> None:
        lines = render(self._history()).splitlines()
        assert "| zlib | 0.500 (0.500–0.500) | 4.00 times | 2.00 times | 0.500 (0.500–0.500) |" in lines
        assert "| none | failed: x |  |  |  |" in lines
        assert "| start | 1.00 (1.00–1.00) | 2.00 times |  | 1.00 (1.00–1.00) |" in lines

    def test_growth(self) -> None:
        row = "| 50% | 1 | 2 | 3.0 | 1.0 | 0.500 (0.500–0.500) | 500.0 | 5.00 | 0.500 (0.500–0.500) | 30 |"
        assert row in render(self._history()).splitlines()

    def test_overview_takes_the_best_of_the_others(self) -> None:
        rows = list(summarize([self._results(), self._history()]))
        best = "1.50 one more | 1.50 one more | 1.00 one more | 4.00 | 2.00 |"
        assert rows[2:] == [f"| demo | 3 | 1.0 MB | 2.00 (2.00–2.00) | {best}"]

    def test_overview_without_others(self) -> None:
        results = self._history()
        del results.benchmarks[0].series[1:]
        results.benchmarks[0].floors, results.benchmarks[0].start = [], None
        assert list(summarize([results]))[2:] == ["| demo | 3 | 1.0 MB | 2.00 (2.00–2.00) |  |  |  |  |  |"]

    def test_everyone_failed(self) -> None:
        results = self._results()
        results.benchmarks[0].series = [Series("Sealgate", error="x"), _series("other", 1.0)]
        assert "| other | 1.00 (1.00–1.00) |  | 1.00 (1.00–1.00) |  | 20 | 30 |  | 7 | 0 |" in render(results)

    def test_small_figures_have_milliseconds(self) -> None:
        assert seconds([0.0123]) == "0.012 (0.012–0.012)"
        assert seconds([12.345]) == "12.35 (12.35–12.35)" or seconds([12.345]) == "12.34 (12.34–12.34)"
        assert times(None) == ""

    def test_page_of_the_documentation(self) -> None:
        page = insert(f"above\n{BEGIN}\nold\n{END}\nbelow\n", [self._results()])
        assert page.startswith(f"above\n{BEGIN}\n\n### Whole histories\n")
        assert "\n\n### demo\n" in page
        assert page.endswith(f"\n{END}\nbelow\n")
        assert "old" not in page
        assert insert(page, [self._results()]) == page
        with pytest.raises(ValueError, match="no marks"):
            insert(BEGIN, [])

    def test_results_come_back_from_their_file(self, tmp_path: Path) -> None:
        path = tmp_path / "results" / "demo.json"
        write_results(self._results(), path)
        assert load_results(path) == self._results()
        write_results(self._history(), tmp_path / "history.json")
        assert load_results(tmp_path / "history.json") == self._history()
        assert [series.name for series in self._history().series()][-4:] == ["none", "start", "scan", "floor"]
        assert json.loads(path.read_text())["name"] == "demo"


class TestTarget:
    """Repositories, bundles and directories."""

    @pytest.fixture
    def repo(self, git_repo: Callable[..., GitRepo]) -> GitRepo:
        """Return a repository with two versions of a module."""
        repo = git_repo("source")
        repo.commit(files={"a.py": "x = 1\n" * 200, "logo.png": b"\0\1"})
        repo.commit(files={"a.py": "x = 2\n" * 200})
        return repo

    def test_bundle_and_repository_become_the_same_mirror(self, repo: GitRepo, tmp_path: Path) -> None:
        bundle = tmp_path / "source.bundle"
        repo.git("bundle", "create", str(bundle), "--all")
        targets = [prepare(path, None, tmp_path / path.suffix) for path in (repo.path, bundle)]
        assert [target.name for target in targets] == ["source", "source"]
        facts = [describe(target) for target in targets]
        assert [fact["commits"] for fact in facts] == ["2", "2"]
        assert [fact["blobs"] for fact in facts] == ["3", "3"]

    def test_staged_change_is_small_and_staged(self, repo: GitRepo, tmp_path: Path) -> None:
        target = prepare(repo.path, None, tmp_path)
        assert target.mirror is not None
        clone = GitRepo(make_staged(target.mirror, tmp_path))
        assert clone.git("diff", "--cached", "--stat").count("a.py") == 1

    def test_directory_out_of_history(self, repo: GitRepo, tmp_path: Path) -> None:
        folder = make_directory(prepare(repo.path, None, tmp_path), tmp_path)
        assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == ["0000/a.py", "0001/a.py"]
        assert make_corpus(repo.path, tmp_path / "few", files=1) == 1

    def test_cut_holds_what_its_commit_reaches(self, repo: GitRepo, tmp_path: Path) -> None:
        # Two files and two versions of one: the second commit adds a blob.
        counts = [count(make_cut(repo.path, percent, tmp_path)) for percent in (1, 50, 100)]
        assert [(part.commits, part.blobs) for part in counts] == [(1, 2), (1, 2), (2, 3)]
        assert 0 < counts[1].packed_bytes < counts[2].packed_bytes
        assert counts[2].blob_bytes == 2402

    def test_plain_directory(self, tmp_path: Path) -> None:
        (tmp_path / "plain").mkdir()
        (tmp_path / "plain" / "a").write_bytes(b"abc")
        target = prepare(tmp_path / "plain", "other", tmp_path)
        assert (target.name, target.mirror) == ("other", None)
        assert describe(target) == {"files": "1", "of together": "0.0 MB"}
        assert make_directory(target, tmp_path) == tmp_path / "plain"

    def test_nothing_there(self, tmp_path: Path) -> None:
        with pytest.raises(TargetError, match="there is no"):
            prepare(tmp_path / "gone", None, tmp_path)

    def test_commits_far_apart_come_first(self) -> None:
        commits = [str(number) for number in range(32)]
        order = list(spread_out(commits))
        assert order[:8] == ["0", "4", "8", "12", "16", "20", "24", "28"]
        assert sorted(order, key=int) == commits

    def test_tree_without_links_and_large_files(self) -> None:
        records = [
            b"100644 blob aa      12\tb/c.py",
            b"120000 blob bb       3\tlink",
            b"100644 blob cc 9999999\tbig",
            b"",
        ]
        assert [entry.path for entry in parse_tree(b"\0".join(records))] == ["b/c.py"]


def test_machine_is_described() -> None:
    facts = describe_machine()
    assert int(facts["cores"]) >= 1
    assert parse_field("a : 1\nmodel name\t: Fast\n", "model name") == "Fast"
    assert parse_field("", "model name") == ""


def test_options_that_a_version_knows(tmp_path: Path) -> None:
    fake = tmp_path / "sealgate"
    fake.write_text("#!/bin/sh\necho 'usage: [--jobs N] [--cache DIR]'\n")
    fake.chmod(0o700)
    assert known_options(fake) == {"--jobs", "--cache"}


def test_a_package_that_cannot_be_installed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "gone" / "bin").mkdir(parents=True)
    fake = tmp_path / "gone" / "bin" / "python"
    fake.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\nexit 1\n")
    fake.chmod(0o700)
    with pytest.raises(InstallError, match="No matching distribution"):
        install(_tool("gone", ""), tmp_path, tmp_path)
