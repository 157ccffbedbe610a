# SPDX-License-Identifier: Apache-2.0
from typing import Any

class Copies:
    before: Any
    notes: Any
    def __init__(self, before: object = None) -> None: ...
    def copies(self) -> list[tuple[int, int, int]]: ...
