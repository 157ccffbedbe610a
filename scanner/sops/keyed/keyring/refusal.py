# SPDX-License-Identifier: Apache-2.0
"""How a wrapped data key stays closed: nothing at hand opens it, or what should open it does not.

Neither says anything of what was decrypted, and neither is raised `from` an exception that may.
"""


class NoKey(Exception):  # noqa: N818  # a state of affairs, not a fault
    """None of the keys at hand opens it; `reason` names the recipient and what was missing."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreachable(NoKey):
    """A server does not answer, so that asking it again for the next file is of no use."""


class WrongKey(Exception):  # noqa: N818  # the file's fault
    """A key at hand that must open it does not, or what comes out is no data key: the file is wrong."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
