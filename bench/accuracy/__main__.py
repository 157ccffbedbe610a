# SPDX-License-Identifier: Apache-2.0
"""Measure how much is found and how much of it is right: python -m bench.accuracy DATA.

DATA is a folder of labelled data in CredData's layout (data/, meta/). Sealgate is this checkout's; the other
scanners are installed below bench/.venv. Work files go below bench/scratch/accuracy. See docs/accuracy.md.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.accuracy.labels import Labels, Place, Score, load_labels, score
from bench.accuracy.leaky import check_out, listed, summary
from bench.accuracy.places import OTHERS, ScanError, scan_with, scan_with_sealgate
from bench.accuracy.tables import by_category, by_confidence, by_file_type, by_rule, missed, overview
from bench.accuracy.wordlike import write_variant

_WORK: Final = Path(__file__).resolve().parents[1] / "scratch" / "accuracy"


def reported(places: Sequence[Place]) -> list[Place]:
    """Return what fails the gate by default: medium and above."""
    return [place for place in places if place.confidence != "low"]


def labelled(data: Path, others: Sequence[str], work: Path) -> tuple[Labels, list[Place], list[str]]:
    """Return the labels, Sealgate's places, and the tables on a folder of labelled data."""
    labels = load_labels(data / "meta")
    places = scan_with_sealgate(data / "data", work / "sealgate.jsonl")
    _say("the word-like variant")
    variant = work / "wordlike"
    count = write_variant(data / "data", labels, variant)
    words = scan_with_sealgate(variant, work / "wordlike.jsonl")
    scores = {"Sealgate": score(labels, reported(places)), "Sealgate, word-like values": score(labels, reported(words))}
    failed = []
    for name in others:
        _say(name)
        try:
            scores[name] = score(labels, scan_with(name, data / "data", work))
        except ScanError as error:
            failed.append(f"{name}: {error}")
    units = len(labels.units)
    text = [f"{len(labels.repositories)} repositories, {units:,} units; {count:,} values replaced in the word-like variant.", ""]
    text += [*overview(scores), "", *(f"Not measured: {reason}" for reason in failed)]
    text += ["", "### By confidence", "", *by_confidence(labels, places)]
    text += ["", "### By category", "", *by_category(scores["Sealgate"])]
    text += ["", "### By file type", "", *by_file_type(scores["Sealgate"])]
    text += ["", "### By rule", "", *by_rule(labels, reported(places))]
    return labels, places, text


def leaky(repository: Path, work: Path) -> list[str]:
    """Return what there is to say of leaky-repo."""
    folder = work / "leaky"
    shutil.rmtree(folder, ignore_errors=True)
    files = listed(check_out(repository, folder))
    places = scan_with_sealgate(folder, work / "leaky.jsonl")
    (missing, lines), (silent, _) = summary(files, reported(places)), summary(files, places)
    risk = sum(files.values())
    text = f"{len(files) - len(silent)} of {len(files)} listed files have a finding, {len(files) - len(missing)} of them one"
    text += f" of `medium` and above; {lines} of {risk} lines have such a one."
    return [text, *(f"- {'missed' if name in silent else '`low` only'}: {name}" for name in missing)]


def write_lists(result: Score, places: Sequence[Place], folder: Path) -> None:
    """Write what was missed and what is wrong, for looking at."""
    rules = {(place.path, place.line): place.rule for place in places}
    units = [{**unit._asdict(), "category": sorted(result.labels.units[unit])} for unit in missed(result)]
    _write(folder / "missed.jsonl", units)
    wrong = sorted(result.wrong.items())
    _write(folder / "wrong.jsonl", [{"path": p, "line": n, "category": c, "rule": rules[p, n]} for (p, n), c in wrong])


def _write(file: Path, items: Sequence[object]) -> None:
    file.write_text("".join(f"{json.dumps(item)}\n" for item in items), encoding="utf-8")


def _say(text: str) -> None:
    print(f"accuracy: {text}", file=sys.stderr)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="a folder with data/ and meta/")
    parser.add_argument("--leaky", type=Path, help="the repository or bundle of leaky-repo")
    parser.add_argument("--others", default=",".join(OTHERS), help=f"of {','.join(OTHERS)} (default: all; '' for none)")
    parser.add_argument("--work", type=Path, default=_WORK, help="work files (default: bench/scratch/accuracy)")
    options = parser.parse_args()
    others = [name for name in options.others.split(",") if name]
    if unknown := set(others) - set(OTHERS):
        parser.error(f"unknown scanner {unknown.pop()!r}")
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    labels, places, text = labelled(options.data.resolve(), others, work)
    write_lists(score(labels, reported(places)), places, work)
    if options.leaky:
        text += ["", "### leaky-repo", "", *leaky(options.leaky.resolve(), work)]
    print("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
