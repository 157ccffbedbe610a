# SPDX-License-Identifier: Apache-2.0
"""GitHub's line hash: against its definition, against another implementation, and on a repository."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from gitrepo import GitRepo
from hypothesis import given
from hypothesis import strategies as st
from multitool import multitool, needed
from planted import github_token, sealgate

from scanner.linehash import line_hashes

ALL = range(1, 10_000)


def defined(data: bytes) -> dict[int, str]:
    """Return all values by the definition, number by number: slow, and without a rolling sum."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").replace(" ", "").replace("\t", "")
    encoded = text.encode("utf-16-be")
    units = [int.from_bytes(encoded[index : index + 2], "big") for index in range(0, len(encoded), 2)]
    units += [65535]
    starts = [0, *(index + 1 for index, unit in enumerate(units) if unit == 10)]
    found: dict[int, str] = {}
    seen: dict[int, int] = {}
    for number, start in enumerate(starts, 1):
        block = [*units[start : start + 100], *[0] * 100][:100]
        value = sum(unit * 37 ** (99 - index) for index, unit in enumerate(block)) % 2**64
        seen[value] = seen.get(value, 0) + 1
        found[number] = f"{value:x}:{seen[value]}"
    return found


def test_vectors() -> None:
    # 65535 * 37^99 modulo 2^64: an empty file is one line, its end.
    empty = f"{65535 * 37**99 % 2**64:x}:1"
    assert line_hashes(b"", ALL) == {1: empty}
    # An empty last line is a line too, and looks like an empty file.
    assert line_hashes(b"a\n", ALL) == {1: f"{(97 * 37**99 + 10 * 37**98 + 65535 * 37**97) % 2**64:x}:1", 2: empty}


@given(st.lists(st.sampled_from([" ", "\t", "\n", "\r", "\r\n", "a", "é", "\U0001f511", "\ufeff", "\0", "x" * 60]), max_size=60))
def test_definition_on_text(parts: list[str]) -> None:
    data = "".join(parts).encode()
    assert line_hashes(data, ALL) == defined(data)


@given(st.binary(max_size=300))
def test_definition_on_anything(data: bytes) -> None:
    assert line_hashes(data, ALL) == defined(data)


def test_equal_lines_are_counted() -> None:
    found = line_hashes(b"the same line\n" * 20, {1, 5, 9})
    first, fifth, ninth = (found[number].split(":") for number in (1, 5, 9))
    assert first[0] == fifth[0] == ninth[0]
    assert [first[1], fifth[1], ninth[1]] == ["1", "5", "9"]


def test_spaces_and_line_ends_do_not_matter() -> None:
    plain = line_hashes(b"if x:\n    y = 1\n", ALL)
    assert line_hashes(b"if  x:\r\n\ty\t=\t1\r\n", ALL) == plain
    assert line_hashes(b"if x:\r    y = 1\r", ALL) == plain


@pytest.mark.parametrize("wanted", [set(), {0}, {99}, {-1}])
def test_lines_that_are_not_there(wanted: set[int]) -> None:
    assert line_hashes(b"a\nb\n", wanted) == {}


@needed
def test_another_implementation_agrees(tmp_path: Path) -> None:
    chance = random.Random(7)
    words = ["token", "=", "value", "\t", "  ", "{", "}", "é", "x" * 40, ""]
    text = "\n".join(" ".join(chance.choices(words, k=chance.randrange(6))) for _ in range(150))
    (tmp_path / "file.txt").write_text(text, encoding="utf-8")
    lines = text.count("\n") + 1
    results = [
        {
            "ruleId": "R",
            "message": {"text": "x"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": (tmp_path / "file.txt").as_uri()}, "region": {"startLine": line}}}],
        }
        for line in range(1, lines + 1)
    ]
    log = {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": results}]}
    (tmp_path / "in.sarif").write_text(json.dumps(log))
    arguments = ("--insert", "RollingHashPartialFingerprints", "--output", "out.sarif", "--log", "ForceOverwrite")
    done = multitool("rewrite", "in.sarif", *arguments, cwd=tmp_path)
    rewritten = json.loads((tmp_path / "out.sarif").read_text(encoding="utf-8-sig"))["runs"][0]["results"]
    theirs = [result["partialFingerprints"]["primaryLocationLineHash"] for result in rewritten]
    ours = line_hashes(text.encode(), range(1, lines + 1))
    assert theirs == [ours[line] for line in range(1, lines + 1)], done.stdout


def test_a_scan_says_it_of_what_is_at_head(git_repo: Callable[..., GitRepo], tmp_path: Path) -> None:
    repo = git_repo()
    repo.commit("one", files={"gone.py": f'token = "{github_token(3)}"\n', "kept.py": "\n"})
    kept = f'import os\n\n\ntoken = "{github_token(4)}"\nprint(token)\n'
    repo.commit("two", files={"gone.py": "pass\n", "kept.py": kept})
    repo.write("draft.py", f'token = "{github_token(5)}"\n')
    report = tmp_path / "out.sarif"
    assert sealgate("scan", "--report", f"sarif={report}", cwd=repo.path).code == 1
    results = json.loads(report.read_text())["runs"][0]["results"]
    hashes = {
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: result["partialFingerprints"].get("primaryLocationLineHash")
        for result in results
    }
    assert hashes["kept.py"] == defined(kept.encode())[4]
    assert hashes["gone.py"].endswith(":1")
    assert hashes["gone.py"] not in defined(b"pass\n").values()
    assert hashes["draft.py"] is None
