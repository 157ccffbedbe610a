# SPDX-License-Identifier: Apache-2.0
from array import array
from typing import Any

from scanner.git.kernel.pack import Copies

class Delta(Copies):
    def gather(self, data: bytes, near: int, far: int, /) -> bytes | None: ...
    def merge(
        self, before: list[Any], fresh: list[Any], left: array[int] | None = None, right: array[int] | None = None, /
    ) -> list[Any]: ...
