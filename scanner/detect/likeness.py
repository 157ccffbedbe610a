# SPDX-License-Identifier: Apache-2.0
"""How much a text's letters look like words: the mean surprise of one letter after another, in bits.

`python -m bench.likeness` counts the pairs and writes the table; it says how.
"""

import re
from collections.abc import Iterator
from typing import Final

_TABLE: Final = """
a54497595b634495a34366776a6
3556487945827746b54649b8484
3a6738945d4467279463589b7d4
4775278a39967747955658988c2
584366797b855376733486757b2
496644782ba477379455498a6b3
597828654c957457c446589c982
397628973b866638b56469b9693
5645555cac944245a543b5a7d57
486636885856883685662888682
586626684aa485779646695a8a2
386527a93b848737b955589a493
358528993c865743c856599c7c4
484435385a668647a843669c8c3
764486686a644254d3444658995
387637964c839735a354598c5c3
768677887787768786580888884
3855276a3b765647d544677a6c3
685737754a767755974358896c2
486727943c966746a4456879583
5456456a5c934264c3438ccaac7
279a17893a986857a7779999aa4
3765368439a57447834688769a3
464536764aa57853a65277a7773
766756885bb65463b7449769681
497717993997574997669999774
45444456487545547434566788e
"""
_EDGE: Final = 26
_ROWS: Final = tuple(tuple(int(level, 16) for level in row) for row in _TABLE.split())
_RUN: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def surprise(text: str) -> float:
    """Return the bits per letter: about 4 for words of any language in Latin letters, 6 for random ones; 0 without letters."""
    bits = pairs = 0
    for run in _RUN.findall(text):
        last = _EDGE
        for letter in run.lower():
            code = ord(letter) - 97
            bits += _ROWS[last][code]
            last = code
        pairs += len(run)
    return bits / pairs if pairs else 0.0


def words_of(text: str) -> Iterator[str]:
    """Yield the words that a text is made of, in lower case: `dbPassWord_2` is `db`, `pass`, `word`."""
    return (word.lower() for word in _RUN.findall(text))
