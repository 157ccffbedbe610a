# SPDX-License-Identifier: Apache-2.0
from array import array

from scanner.git.kernel.pack import Pack

def flag(pack: Pack, kind: int, ids: bytes, sizes: array[int], flags: bytearray) -> tuple[int, int]: ...
def collect(pack: Pack, marks: memoryview[int] | array[int]) -> tuple[bytes, array[int]]: ...
def merge(
    width: int, ids: bytes, sizes: array[int], more: bytes, more_sizes: array[int]
) -> tuple[bytes, array[int]]: ...
