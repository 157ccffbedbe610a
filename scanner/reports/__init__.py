# SPDX-License-Identifier: Apache-2.0
"""The formats of `--report`: a table of loaders, so that a run imports only the writer it uses."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TextIO

from scanner.model import ScanResult
from scanner.reports.options import ReportOptions


class Report(Protocol):
    """One output format; a module with a function `write` is one."""

    def write(self, result: ScanResult, out: TextIO, options: ReportOptions) -> None:
        """Write the whole report; an error of `out` is left to the caller."""
        ...


# Functions rather than module names for importlib: mypy checks each module against the protocol.
def _text() -> Report:
    from scanner.reports import text

    return text


def _json() -> Report:
    from scanner.reports import document

    return document


def _jsonl() -> Report:
    from scanner.reports import jsonl

    return jsonl


def _sarif() -> Report:
    from scanner.reports import sarif

    return sarif


def _gitlab() -> Report:
    from scanner.reports import gitlab

    return gitlab


def _codequality() -> Report:
    from scanner.reports import codequality

    return codequality


def _github() -> Report:
    from scanner.reports import github

    return github


def _junit() -> Report:
    from scanner.reports import junit

    return junit


def _csv() -> Report:
    from scanner.reports import table

    return table


def _markdown() -> Report:
    from scanner.reports import markdown

    return markdown


def _html() -> Report:
    from scanner.reports import page

    return page


REPORTS: Final[Mapping[str, Callable[[], Report]]] = {
    "text": _text,
    "json": _json,
    "jsonl": _jsonl,
    "sarif": _sarif,
    "gitlab": _gitlab,
    "codequality": _codequality,
    "github": _github,
    "junit": _junit,
    "csv": _csv,
    "markdown": _markdown,
    "html": _html,
}

# Formats that say how GitHub recognises a line, which takes reading it once more.
LINE_HASHES: Final = frozenset({"sarif"})
