# SPDX-License-Identifier: Apache-2.0
"""hvac's way to the network, replaced: its requests go through our transport, and no answer loses its status.

hvac's own adapters turn 412, 472, 473 and 504 into one exception without a status, return a 307 or a
page of HTML as if they were success, and quote the server's text in exceptions. This one returns the
JSON of a success and raises `Refused` for everything else.
"""

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import hvac.adapters

from scanner.broker.faults import Refusal, text_of
from scanner.model import Secret
from scanner.transport import Response, Transport


class Refused(Exception):  # noqa: N818  not an error of its own: `vault` turns it into one
    """Carries a refusal to where it is judged; never leaves `vault`."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__("refused")
        self.refusal = refusal


class TransportAdapter(hvac.adapters.Adapter):  # type: ignore[misc]
    """Sends to the address `base` with the given token and namespace."""

    def __init__(self, transport: Transport, base: str, token: Secret | None, namespace: str) -> None:
        super().__init__(base_uri="", token="")
        self._transport = transport
        self._base = base
        self._secret = token
        self._namespace = namespace

    def get_login_token(self, response: Any) -> str:
        """Not used: `vault` takes the token out of the answer itself, so that hvac never keeps one."""
        raise NotImplementedError

    def request(self, method: str, url: str, headers: Mapping[str, str] | None = None, **options: Any) -> Any:
        """Return the answer's JSON, an empty dictionary where it has none."""
        sent = {"X-Vault-Request": "true", **(headers or {})}
        if self._secret is not None:
            sent["X-Vault-Token"] = self._secret.reveal().decode("utf-8", "replace")
        if self._namespace:
            sent["X-Vault-Namespace"] = self._namespace
        response = self._transport.request(method.upper(), self._base + url, headers=sent, json=options.get("json"))
        if response.status == 204 or (response.status == 200 and not response.body):
            return {}
        if response.status != 200:
            raise Refused(_refusal(response))
        document = response.json()
        if not isinstance(document, dict):
            raise Refused(Refusal(0, "not-json"))
        return document


def _refusal(response: Response) -> Refusal:
    """Read a refusal; a body that is not JSON has nothing to say."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        document = None
    wait = response.headers.get("retry-after", "")
    seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0.0
    return Refusal(response.status, text_of(document), document, seconds, _date(response.headers.get("date", "")))


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
