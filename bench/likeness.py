# SPDX-License-Identifier: Apache-2.0
"""Write the table of scanner/detect/likeness.py: python -m bench.likeness.

How often a letter follows another one in words is counted in the names and docstrings of Python's own standard
library, as this interpreter has it. A row stands for a letter (the last row for the beginning of a word), a column for
the letter that follows (the last one for the word's end), a character for the bits of surprise: 0 to 9, then a to f.
"""

import ast
import math
import re
import string
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[1] / "scanner" / "detect" / "likeness.py"
EDGE: Final = "^"
LETTERS: Final = string.ascii_lowercase + EDGE
_LEVELS: Final = "0123456789abcdef"
_WORD: Final = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{3,}")
_TABLE: Final = re.compile(r'(_TABLE: Final = """\n).*?(""")', re.DOTALL)


def words(folder: Path) -> Iterator[str]:
    """Yield the words of every name and docstring of the modules in a folder."""
    for file in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_bytes())):
            names = [str(value) for key, value in ast.iter_fields(node) if key in ("name", "id", "attr", "arg") and value]
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                names.append(node.value.value)
            for name in names:
                yield from (word.lower() for word in _WORD.findall(name))


def table(folder: Path) -> str:
    """Return the table of surprises."""
    # Each word counts once: how words are built is wanted, not which are used most.
    pairs = Counter(pair for word in set(words(folder)) for pair in zip(EDGE + word, word + EDGE, strict=True))
    rows = []
    for first in LETTERS:
        total = sum(pairs[first, second] for second in LETTERS) + len(LETTERS) / 2
        bits = (-math.log2((pairs[first, second] + 0.5) / total) for second in LETTERS)
        rows.append("".join(_LEVELS[min(len(_LEVELS) - 1, round(bit))] for bit in bits))
    return "\n".join(rows) + "\n"


def main() -> int:
    """Rewrite the table."""
    rows = table(Path(sysconfig.get_path("stdlib")))
    PAGE.write_text(_TABLE.sub(lambda found: found[1] + rows + found[2], PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
