# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: Apache-2.0
#
# What plan.sh and scan.sh share: how a step tells the workflow what it found out, and how it ends.
#
# What is scanned may have been written by anybody, and this runs in the middle of it: Python is started
# isolated (-I), so that a json.py in the checkout is not imported. Bash 3.2 (macOS) has to be able to run this.

readonly usage=2 incomplete=3 unavailable=5 bug=70
readonly path="${INPUT_PATH:-.}"
python="$(command -v python3 || command -v python || true)"
temporary="${RUNNER_TEMP:-$(mktemp -d)}"
readonly python temporary

output() {
  local delimiter="sealgate-$RANDOM$RANDOM$RANDOM"
  printf '%s<<%s\n%s\n%s\n' "$1" "$delimiter" "$2" "$delimiter" >>"${GITHUB_OUTPUT:-/dev/null}"
}

summary() {
  printf '%s\n\n' "$1" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
}

# Refuses what is neither true nor false; the empty value is the default.
check_flag() {
  case "$2" in true | false | "") ;; *) fail "$usage" "The input $1 is neither true nor false." ;; esac
}

# A branch's name is whoever's pushed it: nothing of it is markup.
plain() {
  printf '%s' "${1//[^A-Za-z0-9_ .\/-]/?}"
}

# Ends a run that did not get to scanning.
fail() {
  local code=$1 message=$2
  echo "::error title=Sealgate::$message"
  summary "### &#10060; Sealgate: not scanned"
  summary "$message"
  output exit-code "$code"
  exit "$code"
}
