# SPDX-License-Identifier: Apache-2.0
"""What formats say of themselves: `PROOFS` in `scanner.detect.proof` names these checks."""
