# SPDX-License-Identifier: Apache-2.0
"""Runs a command through the broker's child alone: `childrunner.py KILL_AFTER SECRETS COMMAND…` (secrets apart by commas)."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from scanner.broker.child import CommandError, find_program, harden, run_child
from scanner.broker.redact import Mask
from scanner.broker.signals import Signals, Stopped
from scanner.model import Secret


def main() -> int:
    kill_after, values, *command = sys.argv[1:]
    harden()
    secrets = [Secret(value.encode()) for value in values.split(",") if value]
    try:
        with Signals(float(kill_after)) as signals:
            find_program(command[0], os.environ.get("PATH"))
            return run_child(
                command,
                {os.fsencode(name): os.fsencode(value) for name, value in os.environ.items()},
                lambda: Mask(secrets),
                signals,
                say=lambda text: print(f"remark: {text}", file=sys.stderr),
            )
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Stopped as stopped:
        return 128 + stopped.number


sys.exit(main())
