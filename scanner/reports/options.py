# SPDX-License-Identifier: Apache-2.0
"""What a report is told besides the result: its own module, as both the table and its members need it."""

from typing import NamedTuple


class ReportOptions(NamedTuple):
    """How to show a result; every report takes what concerns it and ignores the rest.

    `color`, `quiet` and `verbose` are for people's formats; the caller decides on colour (NO_COLOR).
    `include_suppressed` and `category` are SARIF's: see `scanner.reports.sarif`. `finished` is when the scan ended,
    in seconds since the epoch.
    """

    color: bool = False
    show_secrets: bool = False
    quiet: bool = False
    verbose: bool = False
    include_suppressed: bool = False
    category: str = "sealgate"
    finished: float = 0.0
