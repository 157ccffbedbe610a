# SPDX-License-Identifier: Apache-2.0
"""Print what plan.sh has to know of the event, a line each: before, after, base, head, default branch, fork.

The file is the webhook's payload: https://docs.github.com/webhooks/webhook-events-and-payloads. What is not
there, or not what it should be, is an empty line.
"""

import json
import os
import re

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_PATHS = (
    (("before",),),
    (("after",),),
    (("pull_request", "base", "sha"), ("merge_group", "base_sha")),
    (("pull_request", "head", "sha"), ("merge_group", "head_sha")),
)


def main() -> None:
    """Read the event that GITHUB_EVENT_PATH names."""
    event = _load(os.environ.get("GITHUB_EVENT_PATH", ""))
    for paths in _PATHS:
        values = (_get(event, path) for path in paths)
        print(next((value for value in values if _ID.fullmatch(value)), ""))
    print(_get(event, ("repository", "default_branch")).partition("\n")[0])
    print(str(_is_from_fork(event)).lower())


def _load(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def _is_from_fork(event: object) -> bool:
    """Whether a pull request's branch is in another repository, or in one that is gone."""
    base, head = (_get(event, ("pull_request", side, "repo", "full_name")) for side in ("base", "head"))
    return base != head


def _get(event: object, path: tuple[str, ...]) -> str:
    for key in path:
        event = event.get(key) if isinstance(event, dict) else None
    return event if isinstance(event, str) else ""


main()
