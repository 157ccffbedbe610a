# SPDX-License-Identifier: Apache-2.0
"""The only HTTP client: what it sends, to whom, and for how long.

`requests` by itself reads `~/.netrc` and proxy variables, follows a redirect to any host with all
headers (a Vault token among them), waits for ever, and quotes headers in its exceptions. Here nothing
is read from the environment, a redirect is followed to configured origins only, one deadline covers
all requests, and an error names a host and a fault, never a header, a query or a body.
"""

import copy
import ipaddress
import os
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urljoin, urlsplit

from scanner.display import one_line
from scanner.errors import ConfigError, UnavailableError

MAX_BYTES: Final = 16 << 20
_MAX_HOPS: Final = 3
_CONNECT_SECONDS: Final = 10.0
_READ_SECONDS: Final = 60.0
# RFC 9110, section 5.5: no control character; and what http.client can encode.
_HEADER: Final = re.compile(r"[\x20-\x7e\x80-\xff]*")

Reason = Literal["unreachable", "timeout", "broken", "redirect", "oversize", "not-json"]


class Deadline:
    """The end of all waiting, `seconds` from now."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self.seconds = seconds

    def remaining(self) -> float:
        """Return the seconds that are left, never negative."""
        return max(0.0, self._end - self._clock())

    def check(self, doing: str) -> None:
        """Raise `UnavailableError` where no time is left; `doing` says what it ran out over."""
        if not self.remaining():
            raise UnavailableError(f"{doing}: no answer within {self.seconds:g} s", "a longer --timeout gives it more time")


class TransportError(UnavailableError):
    """No usable answer. `acted` says whether the server may have done what was asked nevertheless."""

    def __init__(self, message: str, hint: str, reason: Reason, *, acted: bool) -> None:
        super().__init__(message, hint)
        self.reason = reason
        self.acted = acted


class Response(NamedTuple):
    """An answer, whatever its status; the names in `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def __repr__(self) -> str:
        return f"<response, status {self.status}, {len(self.body)} bytes>"

    def json(self) -> Any:
        """Return the body's JSON; raise `TransportError` where it is something else, as a captive portal's page is."""
        import json

        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            if kind == "application/json" or kind.endswith("+json"):
                return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        what = one_line(kind[:60]) or "no content type"
        raise TransportError(
            f"{origin(self.url)} answered {self.status} with {what} instead of JSON",
            "a proxy or a captive portal answers in its place, or the address is not an API's",
            "not-json",
            acted=True,
        )


class Transport:
    """Requests with one deadline, one idea of TLS, and no surprises.

    `origins` (such as `https://vault.example:8200`) are where a 307 or 308 may lead besides the origin that was
    asked. `ca_file` is a file or directory of certificates that replaces the public ones; `client_certificate` is a
    pair of files, certificate and key. `proxy` is a URL, empty for none: variables such as `HTTPS_PROXY` do not count.
    """

    def __init__(
        self,
        deadline: Deadline,
        *,
        ca_file: str = "",
        client_certificate: tuple[str, str] | None = None,
        origins: Collection[str] = (),
        max_bytes: int = MAX_BYTES,
        proxy: str = "",
    ) -> None:
        for file in (ca_file, *(client_certificate or ())):
            if file and not os.access(file, os.R_OK):
                raise ConfigError(f"the certificate file {one_line(file)} cannot be read", "check the path and its permissions")
        self.deadline = deadline
        self._origins = frozenset(origin(address) for address in origins)
        self._max_bytes = max_bytes
        self._session = _session(ca_file, client_certificate, proxy)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        body: bytes | None = None,
    ) -> Response:
        """Send one request and return the answer, whatever its status.

        Raises `TransportError` where there is no answer and `ConfigError` for what no repetition can mend: a URL
        or header that may not be sent, a certificate that is not trusted.
        """
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        if json is not None:
            from json import dumps

            body = dumps(json).encode()
            sent["Content-Type"] = "application/json"
        _check_headers(sent)
        asked = origin(url)
        for _ in range(_MAX_HOPS):
            response = self._send(method, url, sent, body)
            if response.status not in (301, 302, 303, 307, 308):
                return response
            url = urljoin(url, response.headers.get("location", ""))
            if response.status not in (307, 308) or origin(url) not in {asked, *self._origins}:
                break
        raise TransportError(
            f"{asked} redirects to {origin(url)}, where nothing is sent",
            "address the node that answers, or list it as one of the server's addresses",
            "redirect",
            acted=False,
        )

    def within(self, deadline: Deadline) -> "Transport":
        """Return a view with another deadline that shares the connections."""
        view = copy.copy(self)
        view.deadline = deadline
        return view

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._session.close()

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        import requests
        import urllib3.exceptions

        host = checked_origin(url)
        self.deadline.check(f"asking {host}")
        left = self.deadline.remaining()
        try:
            answer = self._session.request(
                method,
                url,
                headers=dict(headers),
                data=body,
                timeout=(min(left, _CONNECT_SECONDS), min(left, _READ_SECONDS)),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                names = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status_code, names, self._read(answer, host), url)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _explained(error, host) from None

    def _read(self, answer: Any, host: str) -> bytes:
        """Read the body as it comes, so that neither its size nor a slow drip of it goes on for ever."""
        body = bytearray()
        while chunk := answer.raw.read1(1 << 16, decode_content=False):
            body += chunk
            if len(body) > self._max_bytes:
                limit = f"the answer of {host} is larger than {self._max_bytes} bytes"
                raise TransportError(limit, "ask for less at a time", "oversize", acted=True)
            self.deadline.check(f"reading the answer of {host}")
        return bytes(body)


def origin(url: str) -> str:
    """Return a URL's scheme, host and port, all that a message may say of it; the default port is left out."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "an address that is no URL"
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return one_line(f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else ""))


def checked_origin(url: str) -> str:
    """Return the origin of a URL that may be asked: https, or plain http on loopback; without user and password."""
    host, parts = origin(url), urlsplit(url if "://" in origin(url) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{host} is no http or https address", "write it as https://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"the address of {host} holds a user or a password", "leave them out")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigError(f"{host} is plain http, which everybody on the way can read", "use https; http serves loopback only")
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_headers(headers: Mapping[str, str]) -> None:
    """Refuse what `requests` would refuse, in words that do not quote the value."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(value):
            raise ConfigError(
                f"the value for the header {name} holds a line end or another character that no header may have",
                "a token read from a file may have kept the file's last line end",
            )


def _session(ca_file: str, client_certificate: tuple[str, str] | None, proxy: str) -> Any:
    from http.cookiejar import DefaultCookiePolicy

    try:
        import requests
    except ImportError:
        raise ConfigError("the broker needs hvac and PyJWT", "pip install 'sealgate[broker]'") from None

    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file or True
    session.cert = client_certificate
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    if proxy:
        session.proxies = {"http": proxy, "https": proxy}
    return session


def _explained(error: Exception, host: str) -> UnavailableError | ConfigError:
    """Say what went wrong without the library's text, which quotes URLs and headers."""
    from requests import exceptions as of_requests
    from urllib3 import exceptions as of_urllib3

    if isinstance(error, of_requests.SSLError | of_urllib3.SSLError):
        return _explained_tls(str(error), host)
    if isinstance(error, of_requests.ProxyError):
        return _unreachable(f"the proxy on the way to {host} does not answer", "check the proxy's address")
    if isinstance(error, of_requests.ConnectTimeout):
        return _unreachable(f"{host} takes no connection in time", "check the address and the network")
    if isinstance(error, of_requests.InvalidURL | of_requests.InvalidSchema | of_requests.InvalidHeader):
        return ConfigError(f"{host}: the address cannot be asked", "check how it is written")
    if _never_connected(error):
        return _unreachable(f"{host} takes no connection", "check the address, that the server runs, and the network")
    if isinstance(error, of_requests.Timeout | of_urllib3.TimeoutError) or "timed out" in str(error):
        slow = "the server or its network is slow or stuck"
        return TransportError(f"{host} does not answer in time", slow, "timeout", acted=True)
    broken = "the server or something on the way to it ended it"
    return TransportError(f"{host} broke the connection off", broken, "broken", acted=True)


def _explained_tls(text: str, host: str) -> UnavailableError | ConfigError:
    for mark, message, hint in _TLS_FAULTS:
        if mark in text.upper():
            return ConfigError(message.format(host), hint)
    return _unreachable(f"the TLS handshake with {host} failed", "check its certificate and what stands on the way")


# What OpenSSL calls it, what that means, what helps.
_TLS_FAULTS: Final = (
    ("CERTIFICATE_VERIFY_FAILED", "the TLS certificate of {} is not trusted", "name its authority: VAULT_CACERT or BAO_CACERT"),
    ("WRONG_VERSION_NUMBER", "{} speaks no TLS", "it may be plain http, which serves loopback only"),
    ("CERTIFICATE_REQUIRED", "{} wants a client certificate", "name it and its key: VAULT_CLIENT_CERT, VAULT_CLIENT_KEY"),
    ("BAD_CERTIFICATE", "{} refuses the client certificate", "name another: VAULT_CLIENT_CERT, VAULT_CLIENT_KEY"),
)


def _unreachable(message: str, hint: str) -> TransportError:
    return TransportError(message, hint, "unreachable", acted=False)


def _never_connected(error: BaseException) -> bool:
    """Whether the fault arose before anything could be sent; urllib3's own exception is in the arguments of requests's."""
    from urllib3.exceptions import NameResolutionError, NewConnectionError

    seen: list[BaseException] = [error]
    while seen:
        one = seen.pop()
        if isinstance(one, NewConnectionError | NameResolutionError):
            return True
        seen += [inner for inner in (*one.args, getattr(one, "reason", None)) if isinstance(inner, BaseException)]
    return False
