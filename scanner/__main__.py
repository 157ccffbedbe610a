# SPDX-License-Identifier: Apache-2.0
"""`python -m scanner` is the `sealgate` command."""

from scanner.cli import run

run()
