# SPDX-License-Identifier: Apache-2.0
"""Put the tables of bench/results into docs/performance.md: `python -m bench.document`.

What stands between the two marks is generated, so that the page can never disagree with the raw figures.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.results import RESULTS, Results, load_results
from bench.summary import summarize
from bench.table import render

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN: Final = "<!-- begin of the tables, written by python -m bench.document -->"
END: Final = "<!-- end of the tables -->"

_OVERVIEW: Final = (
    "CPU, wall and memory: the lowest figure of the other tools divided by Sealgate's, and whose it is.\n"
    "CPU ÷ floor: Sealgate's divided by the time that inflating every blob entry once takes (zlib)."
)


def insert(page: str, results: Sequence[Results]) -> str:
    """Return the page with these results between its marks. Raises `ValueError` where the marks are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks for the tables")
    overview = "\n".join(["### Whole histories", "", _OVERVIEW, "", *summarize(results), ""])
    tables = "\n".join([overview, *(render(result, "###") for result in results)])
    return f"{before}{BEGIN}\n\n{tables}\n{END}{after}"


def main() -> int:
    """Rewrite the page."""
    results = [load_results(path) for path in sorted(RESULTS.glob("*.json"))]
    PAGE.write_text(insert(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
