# SPDX-License-Identifier: Apache-2.0
"""Labelled data whose true values read like words, as people's passwords do.

The data's authors replaced true values by random characters of the same classes, so a test for randomness looks
better on it than it is. In the variant each run of letters in a value becomes words, of the same length and case;
digits and punctuation stay. Values of fixed formats (keys, tokens with a prefix, encoded ones) stay as they are:
nobody chooses these.
"""

import keyword
import random
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench.accuracy.labels import Labels, Value

# Longer ones are made by machines.
LONGEST: Final = 32
# Words people choose, of this list's own making; with them Python's keywords, which are words too.
_CHOSEN: Final = (
    "admin root user guest master super secret letter open sesame dragon monkey summer winter spring autumn orange apple "
    "banana coffee tiger eagle falcon hammer garden window silver golden purple yellow london paris berlin tokyo demo dev "
    "test local pass word pwd key my the new old big hot red sun day love star moon fish bird data base web site home work "
    "shop mail team boss king queen happy lucky magic power rocket soccer football hockey jazz rock blue green black white"
)
_WORDS: Final = tuple(sorted({*_CHOSEN.split(), *(word.lower() for word in keyword.kwlist)}))
_LETTERS: Final = re.compile(r"[A-Za-z]{3,}")
_FIXED: Final = ("JSON Web Token", "PEM", "AWS", "NKEY", "OTP", "Authorization", "BASE64", "UUID", "Salt", "Nonce")


def write_variant(data: Path, labels: Labels, folder: Path) -> int:
    """Write the variant of a data folder and return how many values were replaced. The same data gives the same bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(data, folder)
    by_path: dict[str, list[Value]] = {}
    for value in labels.values:
        by_path.setdefault(value.path, []).append(value)
    return sum(_rewrite(folder / path, path, values) for path, values in sorted(by_path.items()))


def _rewrite(file: Path, path: str, values: Iterable[Value]) -> int:
    file.chmod(0o644)
    lines = file.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    count = 0
    for value in sorted(set(values), key=lambda value: (value.line, -value.start)):
        line = lines[value.line - 1]
        text = line[value.start : value.end]
        if not is_chosen(text, value.category):
            continue
        new = spell(text, f"{path}:{value.line}:{value.start}")
        lines[value.line - 1] = line[: value.start] + new + line[value.start + len(text) :]
        count += 1
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return count


def is_chosen(text: str, category: str) -> bool:
    """Whether a value may be one that a person made up."""
    fixed = any(name in category for name in _FIXED) or re.fullmatch(r"[0-9a-fA-F-]{16,}", text) is not None
    return 4 <= len(text) <= LONGEST and not fixed


def spell(text: str, seed: str) -> str:
    """Return the text with words for its runs of letters, of the same length and case."""
    rng = random.Random(seed)
    return _LETTERS.sub(lambda found: _in_case(_phrase(len(found[0]), rng), found[0]), text)


def _phrase(length: int, rng: random.Random) -> str:
    phrase = ""
    while len(phrase) < length:
        left = length - len(phrase)
        phrase += rng.choice(_fitting(left) or [word[:left] for word in _WORDS if len(word) > left])
    return phrase


def _fitting(length: int) -> Sequence[str]:
    """Return the words that leave nothing over, or enough for another word."""
    return [word for word in _WORDS if len(word) == length or len(word) <= length - 3]


def _in_case(word: str, like: str) -> str:
    if like.isupper():
        return word.upper()
    if like.islower():
        return word
    # Capitals within a word would make it random again: people write them in front.
    return word.capitalize()
