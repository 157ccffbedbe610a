#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Finds out which commits a GitHub event brings, and fetches what the checkout has not got of them.
#
# Reads INPUT_* (the inputs in action.yml) and the runner's GITHUB_*; its outputs tell the other steps what to do:
# `range` (commits, `repository` or `nothing`), `cache` (a folder to keep between runs), `upload` (true, or empty),
# `checkout` (the repository's folder).
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
# shellcheck source=step.sh
. "$here/step.sh"

readonly event="${GITHUB_EVENT_NAME:-}"
before="" after="" base="" head="" default_branch="" fork=""
scope="" # the range to scan, or "repository", or "nothing"
from="" to=""
upload=""

main() {
  [ -n "$python" ] || fail "$usage" "Sealgate needs Python 3.11 or newer: set the input python-version."
  check_flag deepen "${INPUT_DEEPEN:-}"
  check_flag upload-sarif "${INPUT_UPLOAD_SARIF:-}"
  read_event
  find_scope
  if [ -n "$from" ]; then
    complete_range
  elif [ "$scope" != nothing ]; then
    is_whole || warn_of_shallow
  fi
  may_upload
  output range "$scope"
  output cache "$(cache_folder)"
  output upload "$upload"
  output checkout "$(cd -- "$path" && pwd)"
  if [ "$scope" = nothing ]; then
    echo "The branch was deleted: there is nothing to scan."
    summary "Sealgate: the branch was deleted, so there is nothing to scan."
    output exit-code 0
  fi
}

read_event() {
  {
    read -r before
    read -r after
    read -r base
    read -r head
    read -r default_branch
    read -r fork
  } < <("$python" -I "$here/event.py")
}

# Sets `scope`; where that cannot be done without leaving something out, it ends the run.
find_scope() {
  case "${INPUT_SCAN:-auto}" in
    repository) scope=repository ;;
    range)
      scope="${INPUT_RANGE:-}"
      [ -n "$scope" ] || fail "$usage" "The input scan is 'range', but the input range is empty."
      ;;
    auto) scope_of_event ;;
    *) fail "$usage" "The input scan is none of auto, range, repository." ;;
  esac
}

scope_of_event() {
  case "$event" in
    pull_request*) scope_between "pull request" ;;
    merge_group) scope_between "merge group" ;;
    push) scope_of_push ;;
    *) scope=repository ;;
  esac
}

scope_between() {
  take_merged_base
  need "$base" "base of the $1"
  need "$head" "head of the $1"
  # From the merge base: what the target branch got meanwhile is not of this pull request.
  from="$base" to="$head" scope="$base...$head"
}

# The event may name a base of long ago: what the branch has merged from its target since would count as its own. The
# merge that GitHub made to be checked out, HEAD, says with what (its parents, also where they are not in the clone).
take_merged_base() {
  case "${GITHUB_REF:-}" in refs/pull/*/merge) ;; *) return 0 ;; esac
  [ -n "${GITHUB_SHA:-}" ] && [ "$(commit HEAD)" = "$GITHUB_SHA" ] || return 0
  local parents
  parents="$(in_repository cat-file commit HEAD | sed -n -e '/^$/q' -e 's/^parent //p')"
  case "$parents" in *[!0-9a-f]"$head") base="${parents%%[!0-9a-f]*}" ;; esac
}

scope_of_push() {
  if is_null "$after"; then
    scope=nothing
  elif [ "${GITHUB_REF_TYPE:-branch}" = tag ]; then
    scope=repository # what is released is looked at as a whole
  elif [ "${GITHUB_REF:-}" = "refs/heads/$default_branch" ] && [ "${INPUT_UPLOAD_SARIF:-}" = true ]; then
    # The alerts of a branch are those of its last upload: a report of one push would close all others.
    scope=repository
  else
    need "$after" "pushed commit"
    if ! is_null "$before" && obtain "$before"; then
      from="$before" to="$after" scope="$before..$after"
    elif ! is_null "$before" && ! is_whole; then
      need "" "commit before the push"
    else
      # A new branch, or a forced push away from a commit that nothing has any more. Not "what no remote has":
      # in this checkout the remote has it all, the pushed commits too.
      scope_of_new_branch
    fi
  fi
}

scope_of_new_branch() {
  local default="refs/remotes/origin/$default_branch"
  if [ -z "$default_branch" ] || [ "${GITHUB_REF:-}" = "refs/heads/$default_branch" ]; then
    scope=repository
  elif obtain "$default" "+refs/heads/$default_branch:$default"; then
    from="$default" to="$after" scope="$default...$after"
  elif is_shallow; then
    need "" "default branch"
  else
    scope=repository
  fi
}

is_null() {
  [ -n "$1" ] && [ -z "${1//0/}" ]
}

need() {
  if [ -z "$1" ] || ! obtain "$1"; then
    fail "$incomplete" "The $2 is not in this checkout and could not be fetched, so what it brings cannot be scanned. \
Give actions/checkout 'fetch-depth: 0' (and for pull_request_target the head's ref)."
  fi
}

# Has a commit, or fetches it (by the refspec $2). A depth would make a whole clone shallow, and none fetches all.
obtain() {
  has "$1" && return
  local wanted="${2:-$1}"
  if is_shallow; then fetch --depth=1 origin "$wanted"; else fetch origin "$wanted"; fi && has "$1"
}

has() {
  [ -n "$1" ] && in_repository cat-file -e "$1^{commit}" 2>/dev/null
}

is_shallow() {
  [ "$(in_repository rev-parse --is-shallow-repository 2>/dev/null)" = true ]
}

# The commits are known; is all between them here? A few hundred do for nearly every pull request.
complete_range() {
  local depth
  for depth in --depth=256 --unshallow; do
    is_cut || return 0
    fetch "$depth" origin "$(commit "$from")" "$(commit "$to")" || break
  done
  ! is_cut || warn_of_shallow
}

# Whether the clone ends before the range does: then the scan says so too, and is incomplete.
is_cut() {
  is_shallow || return 1
  in_repository merge-base "$from" "$to" >/dev/null 2>&1 || return 0
  local edges
  edges="$(in_repository rev-parse --git-path shallow)"
  case "$edges" in /*) ;; *) edges="$path/$edges" ;; esac
  # Not -q: it would end before rev-list does, which pipefail takes for a failure.
  in_repository rev-list "$to" --not "$from" | grep -cxFf "$edges" >/dev/null
}

commit() {
  in_repository rev-parse --verify --quiet "$1^{commit}"
}

# Whether all of the history is here, by now.
is_whole() {
  is_shallow || return 0
  fetch --unshallow --tags origin '+refs/heads/*:refs/remotes/origin/*' "$(commit HEAD)" && ! is_shallow
}

warn_of_shallow() {
  echo "::warning title=Sealgate::This checkout is shallow and was not deepened: give actions/checkout 'fetch-depth: 0'."
}

# Fetches with what the checkout has (a public repository, credentials that actions/checkout left), else with the job's
# token, which goes to GitHub's server alone and stands in no process's arguments.
fetch() {
  [ "${INPUT_DEEPEN:-}" != false ] || return 1
  echo "Fetching what this checkout has not got."
  local credentials=()
  if [ -z "${INPUT_TOKEN:-}" ]; then
    fetch_with_credentials "$@"
    return
  fi
  fetch_with_credentials "$@" 2>/dev/null && return
  local header="http.${GITHUB_SERVER_URL:-https://github.com}/.extraheader" encoded
  encoded="$(printf 'x-access-token:%s' "$INPUT_TOKEN" | base64 | tr -d '\n')"
  # The empty one takes back what the checkout's configuration sends: GitHub refuses two.
  credentials=(-c "$header=" "--config-env=$header=SEALGATE_AUTHORIZATION")
  SEALGATE_AUTHORIZATION="Authorization: Basic $encoded" fetch_with_credentials "$@"
}

fetch_with_credentials() {
  GIT_TERMINAL_PROMPT=0 in_repository -c core.hooksPath=/dev/null -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 \
    ${credentials[@]+"${credentials[@]}"} \
    fetch --quiet --no-tags --no-recurse-submodules --no-auto-maintenance --no-write-fetch-head "$@"
}

# In a container the checkout belongs to another user.
in_repository() {
  GIT_NO_LAZY_FETCH=1 git -c safe.directory='*' -c core.fsmonitor=false -C "$path" "$@"
}

cache_folder() {
  if [ "$scope" = repository ] && [ "${HAS_CACHE_KEY:-}" = true ]; then
    printf '%s' "${INPUT_CACHE:-$temporary/sealgate-cache}"
  fi
}

# Sets `upload` where the report is to be uploaded, and may be.
may_upload() {
  [ "${INPUT_UPLOAD_SARIF:-}" = true ] && [ "$scope" != nothing ] || return 0
  local why=""
  if [ "$event" = pull_request ]; then
    [ "$fork" != true ] || why="a pull request from a fork may not write security events"
  elif [ "$scope" != repository ] || [ "${event#pull_request}" != "$event" ]; then
    why="the alerts of a branch are those of its last report, and this one has only what is new"
  elif [ "$event" = push ] && [ "${GITHUB_ACTOR:-}" = 'dependabot[bot]' ]; then
    why="a push of Dependabot's may not write security events"
  fi
  if [ -z "$why" ]; then
    upload=true
  else
    echo "::notice title=Sealgate::The report is not uploaded to code scanning: $why."
  fi
}

main
