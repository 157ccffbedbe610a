# SPDX-License-Identifier: Apache-2.0
"""What a source has to know of the detector to tell content that has something to look at from the rest."""

from array import array

from scanner.detect.decode import PROBE_BYTES, SHORT_MARKS
from scanner.detect.engine import Detector, margins
from scanner.model import Found


class Screening:
    """The detector's part of a `model.Screen`."""

    def __init__(self, detector: Detector) -> None:
        ruleset = detector.ruleset
        self.near, self.far = ruleset.near, ruleset.far
        bounds = [margins(reach) for reach in ruleset.reaches]
        self.margins = (
            array("I", (left for left, _ in bounds)),
            array("I", (right for _, right in bounds)),
            bytes(reach.alone for reach in ruleset.reaches),
        )
        # Of content in another encoding; see `decode.transcode`.
        self.heads: tuple[tuple[int, bytes], ...] = tuple((0, mark) for mark in SHORT_MARKS)
        self.probe = PROBE_BYTES
        self.sizes = ruleset.whole_sizes
        self.memo = detector.memo
        self._databases = ruleset.anchors, ruleset.forms

    def search(self, text: bytes, anchors: Found, forms: Found) -> None:
        """Tell what is found in a text: rules' anchors, and forms of encoded content."""
        for database, found in zip(self._databases, (anchors, forms), strict=True):
            if database is not None:
                database.scan(text, match_event_handler=found)
