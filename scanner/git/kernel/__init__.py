# SPDX-License-Identifier: Apache-2.0
"""The compiled part of reading packs. Optional: where no compiler was at hand its modules are not there."""
