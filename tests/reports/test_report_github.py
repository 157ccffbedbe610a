# SPDX-License-Identifier: Apache-2.0
"""Workflow commands: read back as GitHub's runner reads them, within the numbers that GitHub shows."""

import io
import re
from collections import Counter
from typing import NamedTuple

import pytest
from sample_result import PAT, finding, make_result

from scanner.model import ScanResult
from scanner.reports import github
from scanner.reports.options import ReportOptions


class Command(NamedTuple):
    name: str
    properties: dict[str, str]
    message: str


def unescape(text: str, *, value: bool = False) -> str:
    if value:
        text = text.replace("%3A", ":").replace("%2C", ",")
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def parse(line: str) -> Command:
    """Read a line as the runner does: the first `::` behind the properties ends them, a comma ends one."""
    found = re.fullmatch(r"::([a-z]+) (.*?)::(.*)", line)
    assert found
    name, properties, message = found.groups()
    pairs = (pair.partition("=") for pair in properties.split(","))
    return Command(name, {key: unescape(value, value=True) for key, _, value in pairs}, unescape(message))


def lines(result: ScanResult) -> list[str]:
    out = io.StringIO()
    github.write(result, out, ReportOptions(show_secrets=True))
    return out.getvalue().splitlines()


def commands(result: ScanResult) -> list[Command]:
    return [parse(line) for line in lines(result)[:-1]]


def test_levels_are_the_gates_verdict(nasty: ScanResult) -> None:
    levels = [command.name for command in commands(nasty)]
    assert levels == ["error", *["error"] * 6, "warning"]
    assert [c.name for c in commands(nasty._replace(fail_on="never", gaps=()))] == ["warning"] * 7


def test_the_weightiest_come_first(nasty: ScanResult) -> None:
    titles = [command.properties["title"] for command in commands(nasty)]
    assert titles[:2] == ["Sealgate: the scan is incomplete", "GitHub personal access token (classic) (critical, proven)"]


def test_properties(nasty: ScanResult) -> None:
    by_file = {command.properties.get("file"): command.properties for command in commands(nasty)}
    assert by_file["a:b c/#?%.pem"] == {"file": "a:b c/#?%.pem", "line": "1", "endLine": "3", "title": "Private key (high, high)"}
    assert by_file["deploy/\U0001f511.enc.yaml"]["col"] == "9"
    assert by_file["deploy/\U0001f511.enc.yaml"]["endColumn"] == "49"


def test_what_is_gone_is_on_no_line_of_today(nasty: ScanResult) -> None:
    placeless = [command.message.splitlines()[0] for command in commands(nasty)[1:] if "file" not in command.properties]
    # The first would begin with `::` itself, were it not escaped.
    assert placeless == [r"\x3a:error::caf\xe9/\xff.txt:7:9", f".git/commit/{'2' * 40}:4:9", "-:1:9"]


@pytest.mark.parametrize("path", [b"a,line=1::error::b", b"a\n::error::b", b"%0A::error::b", b"a%3Ab", b"x::stop-commands::y"])
def test_nothing_gets_out_of_its_field(path: bytes) -> None:
    found = finding(PAT, "pat", path, 1, reason="x\r\n::set-env name=A::b", excerpt="")
    (only,) = commands(make_result(findings=(found,), gaps=()))
    assert only.properties["file"] == path.decode().replace("\n", r"\n")
    assert only.name == "error"


def test_limits(nasty: ScanResult) -> None:
    many = tuple(finding(PAT, "pat", b"f%d" % n, 1, fingerprint=f"{n:032}") for n in range(30))
    weak = tuple(finding(PAT, "pat", b"w%d" % n, 1, fingerprint=f"{n:032}", confidence="low") for n in range(15))
    found = commands(nasty._replace(findings=(*weak, *many)))
    assert Counter(command.name for command in found) == {"error": 10, "warning": 10, "notice": 1}
    assert found[0].properties["title"] == "Sealgate: the scan is incomplete"
    assert found[-1].message.startswith("26 findings more than GitHub shows")


def test_the_last_line_is_the_verdict_and_no_command(nasty: ScanResult, clean: ScanResult) -> None:
    assert lines(nasty)[-1].startswith("Sealgate: 4 secrets in 6 places")
    assert lines(clean) == ["Sealgate: clean: no findings"]
