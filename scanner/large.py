# SPDX-License-Identifier: Apache-2.0
"""Large content through the detector: what `gate` asks of content that is held, asked of pieces as they pass by."""

from collections.abc import Iterable
from typing import NamedTuple

from scanner.detect.engine import Detector, Match
from scanner.detect.pieces import Around, find_in_pieces
from scanner.sops.ciphertext import CiphertextWatch
from scanner.triage import MARK_BYTES, Mark, find_mark

# A mark's line and the one above it, each as far as it counts.
_CONTEXT_BYTES = 2 * (MARK_BYTES + 1)

Marked = tuple[Match, Mark | None]


class Looked(NamedTuple):
    """The matches outside of SOPS's ciphertext, in order, each with its mark; and whether this is a file of SOPS's."""

    matches: list[Marked]
    is_encrypted: bool


def look_at_pieces(detector: Detector, pieces: Iterable[bytes], path: bytes | None) -> Looked:
    """Return what is found in the content that comes in these pieces."""
    watch = CiphertextWatch()

    def take(match: Match, around: Around) -> Marked | None:
        if not match.reading and watch.covers(match.span):
            return None
        return match, find_mark(around.data, *around.span(match))

    taken = find_in_pieces(detector, watch.watch(pieces), path, take, context=_CONTEXT_BYTES)
    kept = [found for found in taken if found and (found[0].reading or not watch.covers_at_last(found[0].span))]
    return Looked(kept, watch.is_encrypted)


def is_encrypted(pieces: Iterable[bytes]) -> bool:
    """Whether this looks like a file that SOPS encrypted."""
    watch = CiphertextWatch()
    for _ in watch.watch(pieces):
        pass
    return watch.is_encrypted
