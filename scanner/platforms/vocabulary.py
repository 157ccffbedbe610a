# SPDX-License-Identifier: Apache-2.0
"""What a job is, in one vocabulary for all platforms.

Each platform names its claims after its own things; its module translates them here, and a policy is written
once. Nothing is guessed: what a token does not say is None, and a condition on it does not hold.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Claims(NamedTuple):
    """The verified claims of one job; None where the token does not say.

    `repository` is the one whose code runs, `repository_id` and `owner_id` outlive renames and are never given to
    somebody else. `ref` is a full name (`refs/heads/main`), `ref_type` is `branch`, `tag` or `merge_request`.
    `from_fork` is None wherever the token leaves it open. `workflow` is the definition that was started,
    `job_workflow` the one that holds the job (a reusable one, say). `runner` is `hosted` or `self-hosted`;
    `interactive` says that a person has a shell in the job. `raw` has all claims as they were.
    """

    platform: str
    issuer: str
    subject: str | None = None
    repository: str | None = None
    repository_id: str | None = None
    owner: str | None = None
    owner_id: str | None = None
    ref: str | None = None
    ref_type: str | None = None
    protected: bool | None = None
    environment: str | None = None
    event: str | None = None
    from_fork: bool | None = None
    workflow: str | None = None
    job_workflow: str | None = None
    actor: str | None = None
    actor_id: str | None = None
    runner: str | None = None
    interactive: bool | None = None
    raw: Mapping[str, Any] = {}


# The names that people may write in a policy: all but `raw`.
NAMES: Final = Claims._fields[:-1]
TRUTHS: Final = ("protected", "from_fork", "interactive")


def text(claims: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of these claims that says something; a number as its digits, an empty text as None."""
    for name in names:
        value = claims.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, str) and value:
            return value
    return None


def truth(claims: Mapping[str, Any], name: str) -> bool | None:
    """Return a truth value, which some platforms write as text; None for anything else."""
    value = claims.get(name)
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value) if isinstance(value, str) else None


def ref_type(ref: str | None) -> str | None:
    """Return what a full ref name is."""
    if ref is None:
        return None
    if ref.startswith(("refs/pull/", "refs/merge-requests/")):
        return "merge_request"
    return "branch" if ref.startswith("refs/heads/") else "tag" if ref.startswith("refs/tags/") else None


def runner_kind(claims: Mapping[str, Any]) -> str | None:
    """Return `hosted` or `self-hosted` from `runner_environment`, which GitHub, GitLab and Buildkite have."""
    value = text(claims, "runner_environment")
    if value == "self-hosted":
        return value
    return "hosted" if value is not None and value.endswith("-hosted") else None


def of_subject(claims: Mapping[str, Any], platform: str) -> Claims:
    """Return what can be said of a token of which nothing else is known."""
    return Claims(platform, text(claims, "iss") or "", text(claims, "sub"), raw=claims)
