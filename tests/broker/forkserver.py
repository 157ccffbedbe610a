# SPDX-License-Identifier: Apache-2.0
"""Starts many real `sealgate` processes quickly: everything is imported once, each run is a fork in a session of its own.

Reads one JSON object a line: `{"args": [...], "env": {...}, "out": FILE, "err": FILE}` is answered with a process id,
`{"wait": PID}` with its exit code, negative for a signal.
"""

import json
import os
import sys
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import hvac
import hyperscan
import jwt

from scanner import cli
from scanner.broker import child, files, jwks, redact, renewal, session
from scanner.commands import broker_exec

LOADED = (hvac, hyperscan, jwt, child, files, jwks, redact, renewal, session, broker_exec)


def become(job: dict[str, Any]) -> int:
    os.setsid()
    os.environ.clear()
    os.environ.update(job["env"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, "out"), (2, "err")):
        opened = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(job.get("cwd", "/"))
    return cli.main(job["args"])


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            answer = os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1])
        elif not (answer := os.fork()):
            code = 99
            try:
                code = become(job)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        print(answer, file=replies, flush=True)


if __name__ == "__main__":
    main()
