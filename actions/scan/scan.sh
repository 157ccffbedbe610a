#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Scans what plan.sh found, and tells the workflow about it.
#
# Reads INPUT_* (the inputs in action.yml), PLAN_RANGE and PLAN_CACHE; writes a SARIF and a JSON Lines report, the
# outputs in action.yml, a job summary and annotations; ends with Sealgate's exit code.
#
# The log is closed for workflow commands while Sealgate writes to it: what is scanned may have been written by anybody.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
# shellcheck source=step.sh
. "$here/step.sh"

readonly sarif="${INPUT_SARIF_FILE:-$temporary/sealgate.sarif}"
readonly jsonl="$temporary/sealgate.jsonl" page="$temporary/sealgate.md" annotations="$temporary/sealgate.annotations"
readonly cache="${PLAN_CACHE:-}"
sealgate=""

main() {
  rm -f -- "$sarif" "$jsonl" "$page" "$annotations" # of an earlier run: what is told below must be of this one
  check_flag annotations "${INPUT_ANNOTATIONS:-}"
  # The compiled kernel is for whole histories: to compile it takes longer than to scan some commits without it.
  [ "$PLAN_RANGE" = repository ] || export SEALGATE_KERNEL=0
  local code=0
  sealgate="$(bash "$here/../install.sh")" || code=$?
  case "$code" in
    0) ;;
    2) fail "$usage" "Sealgate needs Python 3.11 or newer: set the input python-version." ;;
    *) fail "$unavailable" "Sealgate could not be installed; the log above says why." ;;
  esac
  local before
  before="$(digest)"
  scan || code=$?
  if [ "$code" = 0 ] && ! is_whole; then
    fail "$bug" "Sealgate ended well without a whole report: was it Sealgate that ran?"
  fi
  tell "$code"
  local after
  after="$(digest)"
  [ "$after" = "$before" ] || output cache-digest "$after"
  exit "$code"
}

scan() {
  local options=(--no-progress --report text --report "sarif=$sarif" --report "jsonl=$jsonl")
  options+=(--report "markdown=$page" --report "github=$annotations")
  [ "$PLAN_RANGE" = repository ] || options+=("--range=$PLAN_RANGE")
  [ -z "${INPUT_FAIL_ON:-}" ] || options+=("--fail-on=$INPUT_FAIL_ON")
  [ -z "${INPUT_BASELINE:-}" ] || options+=("--baseline=$INPUT_BASELINE")
  [ -z "${INPUT_CONFIG:-}" ] || options+=("--config=$INPUT_CONFIG")
  local extra=()
  read -r -d '' -a extra <<<"${INPUT_ARGS:-}" || true
  if [ -n "$cache" ]; then
    export SEALGATE_CACHE="$cache" SEALGATE_CACHE_KEY="${INPUT_CACHE_KEY:-}"
  fi
  local stop code=0
  stop="$("$python" -I -c 'import secrets; print(secrets.token_hex(16))')"
  echo "::stop-commands::$stop"
  "$sealgate" scan ${extra[@]+"${extra[@]}"} "${options[@]}" -- "$path" || code=$?
  echo
  echo "::$stop::"
  return "$code"
}

is_whole() {
  [ -f "$page" ] && [ -f "$annotations" ] && [ -f "$jsonl" ] && tail -n 1 "$jsonl" | grep -q '^{"summary"'
}

tell() {
  local code=$1
  output exit-code "$code"
  if ! is_whole; then
    echo "::error title=Sealgate::Sealgate failed with exit code $code; the log above says why."
    summary "### &#10060; Sealgate: not scanned"
    summary "Sealgate failed with exit code $code; the log says why."
    return
  fi
  summary "$(cat "$page")"
  summary "What was scanned: $(plain "$PLAN_RANGE")"
  [ "${INPUT_ANNOTATIONS:-}" = false ] || cat "$annotations"
  output findings "$(tail -n 1 "$jsonl" | "$python" -I -c 'import json; print(json.loads(input())["summary"]["counts"]["open"])')"
  output jsonl "$jsonl"
  output sarif "$sarif"
}

# What tells one content of the cache from another; empty without one.
digest() {
  [ ! -d "$cache" ] || find "$cache" -type f -exec cksum {} + | sort | cksum | tr ' ' -
}

main
