#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Scans what a GitHub event brings, and tells the workflow about it.
#
# Reads INPUT_* (the inputs in action.yml) and the runner's GITHUB_*; writes a SARIF and a JSON Lines report,
# the outputs in action.yml and a job summary; ends with Sealgate's exit code.
#
# What is scanned may have been written by anybody, and this runs in the middle of it: Python is started
# isolated (-I), so that a venv.py or json.py in the checkout is not imported, and the log is closed for
# workflow commands while Sealgate writes to it. Bash 3.2 (macOS) has to be able to run this.
set -euo pipefail

readonly usage=2 incomplete=3 unavailable=5 bug=70
readonly here="${GITHUB_ACTION_PATH:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}"
readonly temporary="${RUNNER_TEMP:-$(mktemp -d)}"
readonly path="${INPUT_PATH:-.}"
readonly sarif="${INPUT_SARIF_FILE:-$temporary/sealgate.sarif}"
readonly jsonl="$temporary/sealgate.jsonl"

python="$(command -v python3 || command -v python || true)"
sealgate="${INPUT_SEALGATE:-}"
scope=""  # the range to scan, or "repository", or "nothing"

main() {
  check_python
  rm -f -- "$sarif" "$jsonl"  # of an earlier run: what is uploaded below must be of this one
  find_scope
  if [ "$scope" = nothing ]; then
    finish 0 "The branch was deleted: there is nothing to scan."
  fi
  install_sealgate
  local code=0
  scan || code=$?
  if [ "$code" = 0 ] && ! has_summary; then
    finish "$bug" "Sealgate ended well without a whole report: was it Sealgate that ran?"
  fi
  finish "$code" ""
}

check_python() {
  if [ -z "$python" ] || ! "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    finish "$usage" "Sealgate needs Python 3.11 or newer: set the input python-version."
  fi
}

install_sealgate() {
  if [ -n "$sealgate" ]; then
    return
  fi
  local environment="$temporary/sealgate-environment"
  sealgate="$environment/bin/sealgate"
  if [ ! -x "$sealgate" ]; then
    {
      "$python" -I -m venv "$environment" &&
        "$environment/bin/python" -I -m pip install --quiet --disable-pip-version-check "$here/../.."
    } || finish "$unavailable" "Sealgate could not be installed; the log above says why."
  fi
}

# Sets `scope`; where that cannot be done without leaving something out, it ends the run.
find_scope() {
  case "${INPUT_SCAN:-auto}" in
    repository) scope=repository ;;
    range)
      scope="${INPUT_RANGE:-}"
      [ -n "$scope" ] || finish "$usage" "The input scan is 'range', but the input range is empty."
      ;;
    auto) scope_of_event ;;
    *) finish "$usage" "The input scan is none of auto, range, repository." ;;
  esac
}

scope_of_event() {
  local before after base head default_branch
  {
    read -r before
    read -r after
    read -r base
    read -r head
    read -r default_branch
  } < <("$python" -I "$here/event.py")
  case "${GITHUB_EVENT_NAME:-}" in
    pull_request*) scope_between "$base" "$head" ;;
    merge_group) scope_between "$base" "$head" ;;
    push) scope_of_push "$before" "$after" "$default_branch" ;;
    *) scope=repository ;;
  esac
}

scope_between() {
  need "$1" "base of the pull request"
  need "$2" "head of the pull request"
  # From the merge base: what the target branch got meanwhile is not of this pull request.
  scope="$1...$2"
}

scope_of_push() {
  local before=$1 after=$2 default_branch=$3
  if is_null "$after"; then
    scope=nothing
    return
  fi
  if [ "${GITHUB_REF_TYPE:-branch}" = tag ]; then
    scope=repository  # what is released is looked at as a whole
    return
  fi
  need "$after" "pushed commit"
  if ! is_null "$before" && has "$before"; then
    scope="$before..$after"
  elif ! is_null "$before" && is_shallow; then
    need "$before" "commit before the push"
  else
    # A new branch, or a forced push away from a commit that no ref has any more. Not "what no remote has":
    # in this checkout the remote has it all, the pushed commits too.
    scope_of_new_branch "$after" "$default_branch"
  fi
}

scope_of_new_branch() {
  local after=$1 default_branch=$2
  local default="refs/remotes/origin/$default_branch"
  if [ -z "$default_branch" ] || [ "${GITHUB_REF:-}" = "refs/heads/$default_branch" ] || ! has "$default"; then
    scope=repository
  else
    scope="$default...$after"
  fi
}

is_null() {
  [ -z "${1//0/}" ]
}

has() {
  in_repository cat-file -e "$1^{commit}" 2>/dev/null
}

is_shallow() {
  [ "$(in_repository rev-parse --is-shallow-repository 2>/dev/null)" = true ]
}

# In a container the checkout belongs to another user. Nothing is run, fetched or written here.
in_repository() {
  GIT_NO_LAZY_FETCH=1 git -c safe.directory='*' -c core.fsmonitor=false -C "$path" "$@"
}

need() {
  if [ -z "$1" ] || ! has "$1"; then
    finish "$incomplete" "The $2 is not in this checkout, so what it brings cannot be scanned. \
Give actions/checkout 'fetch-depth: 0' (and for pull_request_target the head's ref)."
  fi
}

scan() {
  local options=(--no-progress --report text --report "sarif=$sarif" --report "jsonl=$jsonl")
  [ "$scope" = repository ] || options+=("--range=$scope")
  [ -z "${INPUT_FAIL_ON:-}" ] || options+=("--fail-on=$INPUT_FAIL_ON")
  [ -z "${INPUT_BASELINE:-}" ] || options+=("--baseline=$INPUT_BASELINE")
  [ -z "${INPUT_CONFIG:-}" ] || options+=("--config=$INPUT_CONFIG")
  local extra=()
  read -r -d '' -a extra <<<"${INPUT_ARGS:-}" || true
  if [ -n "${INPUT_CACHE:-}" ]; then
    # An empty key is set too: then the cache is not believed.
    export SEALGATE_CACHE="$INPUT_CACHE" SEALGATE_CACHE_KEY="${INPUT_CACHE_KEY:-}"
  fi
  local stop code=0
  stop="$(random)"
  echo "::stop-commands::$stop"
  "$sealgate" scan ${extra[@]+"${extra[@]}"} "${options[@]}" -- "$path" || code=$?
  echo
  echo "::$stop::"
  return "$code"
}

has_summary() {
  [ -f "$jsonl" ] && tail -n 1 "$jsonl" | grep -q '^{"summary"'
}

random() {
  "$python" -I -c 'import secrets; print(secrets.token_hex(16))'
}

# Tells the workflow how it ended, and ends. The message is for a run that did not get to scanning.
finish() {
  local code=$1 message=$2
  if [ -n "$message" ]; then
    if [ "$code" = 0 ]; then echo "$message"; else echo "::error title=Sealgate::$message"; fi
  fi
  local findings=""
  if [ -n "$python" ]; then
    findings="$("$python" -I "$here/summary.py" "$jsonl" "$code" "$scope" "$message" "${GITHUB_STEP_SUMMARY:-/dev/null}")"
  fi
  output exit-code "$code"
  output findings "$findings"
  output range "$scope"
  output sarif "$([ ! -f "$sarif" ] || echo "$sarif")"
  output jsonl "$([ ! -f "$jsonl" ] || echo "$jsonl")"
  exit "$code"
}

output() {
  local delimiter="sealgate-$RANDOM$RANDOM$RANDOM"
  printf '%s<<%s\n%s\n%s\n' "$1" "$delimiter" "$2" "$delimiter" >>"${GITHUB_OUTPUT:-/dev/null}"
}

main
