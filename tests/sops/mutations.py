# SPDX-License-Identifier: Apache-2.0
"""The whole table of mutations, in order."""

import mutations_of_values  # noqa: F401, I001 # each registers its own, in the order of the table
import mutations_of_metadata  # noqa: F401
import mutations_of_structure  # noqa: F401
from mutation import MUTATIONS, Expectation, Mutation

__all__ = ["MUTATIONS", "Expectation", "Mutation"]
