#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the path of a `sealgate` program, for the actions beside this file.
#
# Usage: install.sh [EXTRA]. INPUT_SEALGATE names one that is there already. Without it the version that this file
# belongs to is installed into an environment of its own, with the dependencies of EXTRA. Ends with 2 where Python is
# too old, 5 where it cannot be installed. Python is started isolated (-I): a venv.py in the checkout is not imported.
set -euo pipefail

readonly extra="${1:-}"
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly root

if [ -n "${INPUT_SEALGATE:-}" ]; then
  # Resolved now: a later step may change PATH.
  command -v -- "$INPUT_SEALGATE" || {
    echo "sealgate: the input sealgate names no program" >&2
    exit 5
  }
  exit
fi
python="$(command -v python3 || command -v python || true)"
if [ -z "$python" ] || ! "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "sealgate: Python 3.11 or newer is needed" >&2
  exit 2
fi
environment="${RUNNER_TEMP:-$(mktemp -d)}/sealgate-environment${extra:+-$extra}"
if [ ! -x "$environment/bin/sealgate" ]; then
  {
    "$python" -I -m venv "$environment" &&
      "$environment/bin/python" -I -m pip install --quiet --disable-pip-version-check "$root${extra:+[$extra]}"
  } >&2 || {
    echo "sealgate: it could not be installed; what pip says stands above" >&2
    exit 5
  }
fi
printf '%s\n' "$environment/bin/sealgate"
