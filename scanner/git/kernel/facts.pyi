# SPDX-License-Identifier: Apache-2.0
from scanner.git import facts

class Facts(facts.Facts): ...
