# SPDX-License-Identifier: Apache-2.0
"""The trainer of weights, on values of our own making, and the table of letters."""

from pathlib import Path

from planted import fill

from bench.accuracy.candidates import Candidate, collect
from bench.accuracy.labels import Labels
from bench.likeness import PAGE, table
from bench.train import FOLDS, Example, examples, fold_of, train, weight_of, write_weights
from scanner.detect import likeness


def _candidate(repository: str, label: str, *features: str, denied: bool = False, own: bool = True) -> Candidate:
    return Candidate(f"{repository}/a.py", 1, label, own, frozenset(features), denied)


def test_what_its_syntax_rules_out_and_examples_teach_nothing() -> None:
    plain = [_candidate("a", "T", "x"), _candidate("a", "X", "x"), _candidate("a", "F", "y", denied=True), _candidate("a", "", "z")]
    plain.append(_candidate("a", "T", "x", own=False))
    taught = examples(plain, [_candidate("a", "T", "w")])
    assert [(sorted(e.candidate.features), e.secret) for e in taught] == [(["x"], True), (["z"], False), (["w"], True)]


def test_a_feature_of_secrets_weighs_more_and_one_of_few_repositories_nothing() -> None:
    taught = []
    for repository in "abcd":
        taught += [Example(_candidate(repository, "T", "good", "both"), secret=True, force=1.0)] * 5
        taught += [Example(_candidate(repository, "F", "bad", "both"), secret=False, force=1.0)] * 5
    taught.append(Example(_candidate("a", "T", "rare"), secret=True, force=1.0))
    weights = train(taught)
    assert weights["good"] > 0.5 > -0.5 > weights["bad"]
    assert "rare" not in weights
    assert weight_of(_candidate("z", "", "good"), weights) > 0 > weight_of(_candidate("z", "", "bad"), weights)
    assert train(taught) == weights


def test_a_repository_is_always_of_the_same_fifth() -> None:
    assert [fold_of(name) for name in ("a", "b")] == [fold_of(name) for name in ("a", "b")]
    assert {fold_of(str(number)) for number in range(200)} == set(range(FOLDS))


def test_the_table_of_weights_is_written_as_a_module(tmp_path: Path) -> None:
    page = tmp_path / "weights.py"
    page.write_text("# head\nHIGH: Final = 0\nrest\n")
    write_weights({"bias": -1.0, "b": 0.5, 'with "quotes"': -0.25, "tiny": 0.01}, (2.0, 1.0, 0.0), page)
    assert page.read_text().startswith("# head\nHIGH: Final = 3.00\nMEDIUM: Final = 2.00\nLOW: Final = 1.00\n")
    found: dict[str, object] = {}
    exec(page.read_text().replace(": Final", "").replace("[Mapping[str, float]]", ""), found)
    assert found["WEIGHTS"] == {"b": 0.5, 'with "quotes"': -0.25}


def test_values_to_weigh_are_collected_with_their_labels(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    value = fill("{{alnum:20}}")
    (tmp_path / "r" / "a.env").write_text(f"X=1\nDB_PASSWORD={value}\nTOKEN=$TOKEN_1\n")
    labels = Labels()
    labels.add({"FilePath": "data/r/a.env", "LineStart": "2", "LineEnd": "2", "GroundTruth": "T", "Category": "Password", "ValueStart": "12", "ValueEnd": "32"})
    candidates, places = collect(tmp_path, labels)
    assert [(c.line, c.label, c.own, c.denied) for c in candidates if c.label] == [(2, "T", True, False)]
    assert "name password" in candidates[0].features
    assert not places


def test_the_table_of_letters_tells_words_from_random_ones(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def open_file(name, reader): pass\n")
    assert len(table(tmp_path).split()) == 27
    assert Path(likeness.__file__) == PAGE
    assert likeness.surprise("password letter") < 4.7 < 5.5 < likeness.surprise("qzxwvkjq")
    assert likeness.surprise("1234") == 0
