# SPDX-License-Identifier: Apache-2.0
"""Sealgate: one gate for secrets in CI/CD. The package behind the `sealgate` command."""

__version__ = "0.1.0"
