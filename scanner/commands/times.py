# SPDX-License-Identifier: Apache-2.0
"""Lengths of time as options take them: 90, 90s, 5m, 1h."""

import argparse
import re
from typing import Final

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> int:
    """Return the whole seconds that an option states, one at least."""
    found = re.fullmatch(r"([0-9]{1,7})([smh]?)", text)
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: write 90s, 5m or 1h")
    return int(found[1]) * _UNITS[found[2]]
