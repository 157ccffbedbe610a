# SPDX-License-Identifier: Apache-2.0
from array import array
from typing import Any

from scanner.git.kernel.pack import Pack

class Hits:
    def __call__(self, rule: int, start: int, end: int, flags: object = None, context: object = None) -> None: ...

class Version:
    data: bytes
    candidates: list[Any]
    forms: list[tuple[int, int]]

class Reader:
    anchors: Hits
    forms: Hits
    count: int
    size: int
    failed: list[bytes]
    def __init__(
        self,
        pack: Pack,
        order: array[int],
        near: int,
        far: int,
        margins: tuple[array[int], array[int], bytes],
        heads: tuple[tuple[int, bytes], ...] = (),
        probe: int = 0,
        memo: dict[Any, Any] | None = None,
        skip: bytes | bytearray | None = None,
        marks: memoryview[int] | array[int] | None = None,
        sizes: tuple[int, int] = (1, 0),
    ) -> None: ...
    def fill(self) -> bytes | None: ...
    def contents(self) -> list[tuple[bytes, bytes]]: ...
    def settle(self) -> tuple[bytes, Version] | None: ...
