# SPDX-License-Identifier: Apache-2.0
"""What holds for every report: its golden file, no secret in it, nothing that could drive a terminal."""

import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from sample_result import PAT, RAW, finding, make_result

from scanner import __version__
from scanner.model import ScanResult
from scanner.reports import REPORTS
from scanner.reports.options import ReportOptions

GOLDEN = Path(__file__).parent.parent / "golden"
FORMATS = sorted(REPORTS)


def render(name: str, result: ScanResult, **options: bool) -> str:
    out = io.StringIO()
    REPORTS[name]().write(result, out, ReportOptions(**options))  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_golden(name: str, nasty: ScanResult) -> None:
    golden = GOLDEN / f"report.{name}"
    # A release must not change what the files are compared for.
    written = render(name, nasty).replace(f'"{__version__}"', '"VERSION"').encode()
    if os.environ.get("SEALGATE_UPDATE_GOLDEN") == "1":
        golden.write_bytes(written)
    assert written == golden.read_bytes()


def test_every_format_is_documented() -> None:
    text = (GOLDEN.parents[1] / "docs" / "reports.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    named = [name for heading in headings for name in heading.split("`")[1::2]]
    assert sorted(named) == FORMATS
    # And in the table on top, in the same words.
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| [`")]
    assert sorted(name for row in rows for name in row.partition("]")[0].split("`")[1::2]) == FORMATS


def test_no_golden_file_without_its_report() -> None:
    assert sorted(path.suffix[1:] for path in GOLDEN.glob("report.*")) == FORMATS


def raw_forms() -> list[str]:
    # Of a value with several lines, each line counts.
    return [line for raw in RAW.values() for line in raw.decode().split("\n") if "-----" not in line]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("verbose", [False, True])
def test_no_raw_secret(name: str, verbose: bool, nasty: ScanResult) -> None:
    written = render(name, nasty, verbose=verbose, include_suppressed=True)
    assert not [form for form in raw_forms() if form in written]


ON_REQUEST = ["text", "json", "jsonl"]


@pytest.mark.parametrize("name", ON_REQUEST)
def test_raw_secret_on_request(name: str, nasty: ScanResult) -> None:
    assert RAW["pat"].decode() in render(name, nasty, show_secrets=True)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ON_REQUEST])
def test_no_raw_secret_even_on_request(name: str, nasty: ScanResult) -> None:
    written = render(name, nasty, show_secrets=True, include_suppressed=True)
    assert not [form for form in raw_forms() if form in written]


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_characters(name: str, nasty: ScanResult) -> None:
    written = render(name, nasty, verbose=True, include_suppressed=True)
    ends = "\r\n" if name == "csv" else "\n"
    assert all(line.isprintable() for line in written.split(ends))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("text", "csv", "github")])
def test_machine_reports_are_ascii(name: str, nasty: ScanResult) -> None:
    assert render(name, nasty).isascii()


@pytest.mark.parametrize("name", FORMATS)
def test_report_of_nothing(name: str, clean: ScanResult) -> None:
    assert render(name, clean)


@pytest.mark.parametrize("name", FORMATS)
def test_deterministic(name: str) -> None:
    assert render(name, make_result()) == render(name, make_result())


class Counting(io.StringIO):
    """Forgets what is written, and knows the largest piece."""

    largest = total = 0

    def write(self, text: str) -> int:
        self.largest = max(self.largest, len(text))
        self.total += len(text)
        return len(text)


@pytest.mark.parametrize("name", FORMATS)
def test_many_results_are_streamed(name: str) -> None:
    many = tuple(
        finding(PAT, "pat", b"folder/%05d.py" % number, number + 1, fingerprint=f"{number:032x}") for number in range(25_000)
    )
    result = make_result(findings=many)
    out = Counting()
    report = REPORTS[name]()
    tracemalloc.start()
    try:
        report.write(result, out, ReportOptions())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert out.largest < 70_000
    # What is held is lists and groups of references, a few hundred bytes a finding; a report is ten times that.
    assert peak < 16_000_000


def test_text_imports_next_to_nothing() -> None:
    script = (
        "import sys; from scanner.reports import REPORTS; import scanner.reports.output; REPORTS['text']();"
        "print(*{'json', 'urllib', 'tempfile', 'dataclasses', 'pathlib', 'inspect'} & set(sys.modules))"
    )
    # Isolated and without site-packages: only what the modules themselves import is seen.
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {root!r}); {script}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == []
