# SPDX-License-Identifier: Apache-2.0
"""Compare Sealgate with other secret scanners: python -m bench TARGET.

TARGET is a git repository, a bundle file or a directory. Everything needed is installed below bench/.venv,
work files go below bench/scratch, and raw figures to bench/results/NAME.json. See docs/performance.md.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

from bench.results import RESULTS, write_results
from bench.run import MODES, Run
from bench.table import render
from bench.target import TargetError
from bench.tools import TOOLS
from scanner.cores import cores

_HERE: Final = Path(__file__).resolve().parent


def _tools(text: str) -> str:
    unknown = [name for name in text.split(",") if name not in TOOLS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown tool {unknown[0]!r} (known: {', '.join(TOOLS)})")
    return text


def _modes(text: str) -> str:
    unknown = [name for name in text.split(",") if name not in {*MODES, "all"}]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown mode {unknown[0]!r} (known: {', '.join(MODES)}, all)")
    return text


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number of 1 or more is needed")
    return int(text)


def _raw_path(output: Path | None, name: str) -> Path:
    return output.with_suffix(".json") if output else RESULTS / f"{name}.json"


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path, help="a repository, a bundle or a directory")
    parser.add_argument("--mode", type=_modes, default="all", help=f"of {','.join(MODES)} (default: all that fit the target)")
    parser.add_argument("--runs", type=_rounds, default=5, help="timed runs of each tool (default: 5)")
    parser.add_argument("--tools", type=_tools, default=",".join(TOOLS), help=f"of {','.join(TOOLS)} (default: all)")
    parser.add_argument("--jobs", type=_rounds, default=cores(), help="workers of Sealgate (default: the cores it may use)")
    parser.add_argument("--name", help="name of the target in the results (default: its file name)")
    parser.add_argument("--output", type=Path, help="write the tables here too, and the raw figures beside them as .json")
    parser.add_argument("--work", type=Path, default=_HERE / "scratch", help="work files (default: bench/scratch)")
    parser.add_argument("--checkout", type=Path, default=_HERE.parent, help="the Sealgate to install (default: this checkout)")
    return parser


def main() -> int:
    """Run the command line."""
    options = _parser().parse_args()
    try:
        for results in Run(options, _say).run():
            # After every table, so that a long run that ends early leaves what it has.
            write_results(results, _raw_path(options.output, results.name))
    except TargetError as error:
        _say(str(error))
        return 2
    text = render(results)
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    print(text, end="")
    return 1 if any(series.error for series in results.series()) else 0


if __name__ == "__main__":
    sys.exit(main())
