# SPDX-License-Identifier: Apache-2.0
"""`python -m scanner` is the `sealgate` command."""

import sys

from scanner.cli import main

sys.exit(main())
