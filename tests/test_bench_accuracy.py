# SPDX-License-Identifier: Apache-2.0
"""The counting of the accuracy bench, on a few labelled lines of our own making."""

import csv
from pathlib import Path

from bench.accuracy.labels import Place, Unit, load_labels, score
from bench.accuracy.leaky import listed, summary
from bench.accuracy.tables import by_category, by_confidence, by_file_type, missed, overview
from bench.accuracy.wordlike import is_chosen, spell, write_variant

COLUMNS = ("FilePath", "LineStart", "LineEnd", "GroundTruth", "ValueStart", "ValueEnd", "Category")
ROWS = (
    ("data/r1/a.py", 1, 1, "T", "5", "13", "Password"),
    ("data/r1/a.py", 1, 1, "T", "20", "", "Token"),
    ("data/r1/a.py", 3, 5, "T", "", "", "PEM Private Key"),
    ("data/r1/a.py", 7, 7, "F", "", "", "Key"),
    ("data/r1/a.py", 8, 8, "X", "", "", "Password"),
    ("data/r1/a.py", 9, 9, "T", "0", "4", "UUID"),
    ("data/r2/b.yml", 2, 2, "T", "6", "12", "Password"),
)


def _labels(folder: Path):
    (folder / "meta").mkdir()
    for name in ("r1", "r2"):
        with (folder / "meta" / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows(row for row in ROWS if f"/{name}/" in row[0])
    return load_labels(folder / "meta")


def test_a_unit_is_found_by_any_of_its_lines_and_counts_once(tmp_path):
    labels = _labels(tmp_path)
    result = score(labels, [Place("r1/a.py", 1), Place("r1/a.py", 4), Place("r1/a.py", 5), Place("r1/a.py", 7), Place("r1/a.py", 99)])
    assert set(labels.units) == {Unit("r1/a.py", 1, 1), Unit("r1/a.py", 3, 5), Unit("r2/b.yml", 2, 2)}
    assert (len(result.found), len(result.wrong), len(result.unlabelled)) == (2, 1, 1)
    assert missed(result) == [Unit("r2/b.yml", 2, 2)]
    assert (round(result.precision, 3), round(result.recall, 3), result.macro_recall) == (0.667, 0.667, 0.5)


def test_examples_and_identifiers_count_neither_way(tmp_path):
    labels = _labels(tmp_path)
    result = score(labels, [Place("r1/a.py", 8), Place("r1/a.py", 9)])
    assert not result.found
    assert not result.wrong
    assert not result.unlabelled
    assert [labels.verdict("r1/a.py", line) for line in (1, 7, 8, 9, 10)] == ["T", "F", "X", "X", ""]


def test_labels_can_be_cut_to_some_repositories(tmp_path):
    labels = _labels(tmp_path).only(["r2"])
    assert list(labels.units) == [Unit("r2/b.yml", 2, 2)]
    assert score(labels, [Place("r2/b.yml", 2)]).f1 == 1


def test_the_tables_hold_every_unit(tmp_path):
    labels = _labels(tmp_path)
    places = [Place("r1/a.py", 1, "high"), Place("r1/a.py", 7, "low")]
    result = score(labels, places)
    assert overview({"Sealgate": result})[2] == "| Sealgate | 0.500 | 0.333 | 0.400 | 0.250 | 1 | 2 | 1 | 0 |"
    assert by_confidence(labels, places)[3] == "| high | 1 | 0 | 0 | 1.000 | 1.000 | 0.333 | 0.500 |"
    assert "| Password | 2 | 1 | 0.500 | 0 |" in by_category(result)
    assert "| py | 2 | 1 | 0.500 | 1 |" in by_file_type(result)


def test_the_variant_spells_words_and_keeps_everything_else(tmp_path):
    labels = _labels(tmp_path)
    (tmp_path / "data" / "r1").mkdir(parents=True)
    (tmp_path / "data" / "r2").mkdir()
    (tmp_path / "data" / "r1" / "a.py").write_text("key='qzvkwpty'; t = 'Ab\n" + "x\n" * 9)
    (tmp_path / "data" / "r2" / "b.yml").write_text("a: 1\npass: hjkl77\n")
    assert write_variant(tmp_path / "data", labels, tmp_path / "words") == 2
    new = (tmp_path / "words" / "r1" / "a.py").read_text().split("\n")[0]
    assert new != "key='qzvkwpty'; t = 'Ab"
    assert len(new) == 23
    assert new[:5] + new[13:] == "key=''; t = 'Ab"
    assert (tmp_path / "words" / "r2" / "b.yml").read_text()[-3:] == "77\n"
    write_variant(tmp_path / "data", labels, tmp_path / "again")
    assert (tmp_path / "again" / "r1" / "a.py").read_text().split("\n")[0] == new


def test_fixed_formats_are_not_spelt_and_case_is_kept():
    assert is_chosen("qzvkwpty", "Password")
    assert not is_chosen("qzv", "Password")
    assert not is_chosen("0123456789abcdef", "Token")
    assert not is_chosen("qzvkwpty", "Auth:Bearer Authorization")
    assert spell("QZVKWPTY", "seed").isupper()
    assert spell("Qzvkwpty9!", "seed")[8:] == "9!"


def test_leaky_repo_counts_files_and_lines_of_risk(tmp_path):
    (tmp_path / ".leaky-meta").mkdir()
    (tmp_path / ".leaky-meta" / "secrets.csv").write_text("# name,risk,other\na,2,1\nb,0,3\n\nc,1,0\n")
    files = listed(tmp_path)
    assert files == {"a": 2, "c": 1}
    assert summary(files, [Place("a", 1), Place("a", 4), Place("a", 6)]) == (["c"], 2)
