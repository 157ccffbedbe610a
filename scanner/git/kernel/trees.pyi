# SPDX-License-Identifier: Apache-2.0
from scanner.git.facts import Facts
from scanner.git.kernel.pack import Pack

def read_trees(pack: Pack, facts: Facts, failed: list[bytes]) -> None: ...
