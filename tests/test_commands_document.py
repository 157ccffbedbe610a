# SPDX-License-Identifier: Apache-2.0
"""Help pages fit a screen, and docs/commands.md says what they say."""

import re
import shlex

import pytest
from planted import ROOT, sealgate

from scanner.cli import COMMANDS
from scanner.commands import document
from scanner.commands.interface import EXAMPLES, make_parser

LINES, COLUMNS = 40, 100


def test_the_document_is_up_to_date() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    assert page == document.render().rstrip("\n") + "\n", "write it anew: python -m scanner.commands.document > docs/commands.md"


def test_the_document_links_to_every_command_where_it_stands() -> None:
    page = document.render()
    anchors = {re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^## (.*)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) == anchors
    assert len(anchors) == len(COMMANDS)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_the_help_fits_a_screen_and_has_examples(name: str) -> None:
    page = sealgate(*name.split(), "--help")
    lines = page.out.splitlines()
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= COLUMNS
    assert f"\n{EXAMPLES}" in page.out or not name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_whole_page_has_every_option(name: str) -> None:
    short, whole = (sealgate(*name.split(), option) for option in ("--help", "--help-all"))
    assert (whole.code, whole.err) == (0, "")
    assert max(map(len, whole.out.splitlines())) <= COLUMNS
    for action in make_parser(name)[0].named:
        for option in action.option_strings:
            assert re.search(rf"^  .*{option}\b", whole.out, re.MULTILINE)
            assert option in short.out


def examples() -> list[str]:
    """Return the commands of all examples, without what the page says of them."""
    found = []
    for name in COMMANDS:
        (part,) = [part for part in (make_parser(name)[0].description or "").split("\n\n") if part.startswith(EXAMPLES)]
        found += [re.split(r" {2,}", line.strip())[0] for line in part.splitlines()[1:]]
    return [line[line.index("sealgate ") :] for line in found if "sealgate " in line]


@pytest.mark.parametrize("line", examples())
def test_every_example_is_a_command_that_is_understood(line: str) -> None:
    words = shlex.split(re.split(r" [<>|] ", line)[0])[1:]
    name = next(name for name in COMMANDS if words[: len(name.split())] == name.split())
    parser, _ = make_parser(name)
    parser.parse_args(words[len(name.split()) :])
