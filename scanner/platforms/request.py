# SPDX-License-Identifier: Apache-2.0
"""Requests to platforms and issuers: asked again where that can help, never redirected, nothing quoted."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from scanner.errors import DeniedError, UnavailableError
from scanner.model import Secret
from scanner.platforms.token import MAX_TOKEN_BYTES, looks_like_token
from scanner.transport import Deadline, Response, Transport, TransportError, origin

# Seconds before the second, third and fourth try; half of each is left to chance, so that jobs do not march in step.
PAUSES: Final = (0.3, 1.0, 2.5)

_MAX_PAUSE_SECONDS: Final = 10.0
_TRANSIENT: Final = frozenset((408, 425, 429, 500, 502, 503, 504))


def ask(
    transport: Transport,
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    pauses: Sequence[float] = PAUSES,
    sleep: Callable[[float], None] = time.sleep,
) -> Response:
    """Send a request that may be repeated, and return the last answer.

    Raises `UnavailableError` where none came, or one from another address than the one that was asked.
    """
    for pause in (*pauses, None):
        try:
            response = transport.request(method, url, headers=headers)
        except TransportError as error:
            if pause is None or error.reason not in ("unreachable", "timeout", "broken") or not _fits(pause, transport.deadline):
                raise
        else:
            if response.url != url:
                raise UnavailableError(f"{origin(url)} redirects", "address the server that answers")
            wait = pause and max(pause, _retry_after(response))
            if response.status not in _TRANSIENT or wait is None or not _fits(wait, transport.deadline):
                return response
            pause = wait  # noqa: PLW2901  the server knows better
        sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret depends on it
    raise AssertionError("the last try returns or raises")


def _fits(pause: float, deadline: Deadline) -> bool:
    return pause <= _MAX_PAUSE_SECONDS and pause < deadline.remaining()


def _retry_after(response: Response) -> float:
    """Return the seconds of Retry-After (RFC 9110, section 10.2.3); a date counts as none."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else 0.0


def request_token(  # noqa: PLR0917
    platform: str, method: str, url: str, bearer: Secret, field: str, transport: Transport, deadline: Deadline
) -> Secret:
    """Ask a platform's endpoint for an identity token and return it. Raises `DeniedError`, `UnavailableError`."""
    deadline.check(f"asking {platform} for an identity token")
    headers = {"Authorization": f"Bearer {bearer.reveal().decode('utf-8', 'replace')}"}
    if method == "POST":
        # Without it Azure DevOps answers what is wrong with a page to log in (302).
        headers["X-TFS-FedAuthRedirect"] = "Suppress"
    response = ask(transport, method, url, headers)
    if response.status in (400, 401, 403, 404):
        raise DeniedError(
            f"{platform} refuses the job an identity token ({response.status})",
            "the job's own token may be over, or the job may not have one: see its permissions",
        )
    if response.status != 200:
        raise UnavailableError(f"{platform} gives no identity token now ({response.status})", "try again")
    document = response.json()
    token = document.get(field) if isinstance(document, dict) else None
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES or not looks_like_token(token):
        raise UnavailableError(f"{platform} answered without an identity token", "try again")
    return Secret(token.strip().encode())
