# SPDX-License-Identifier: Apache-2.0
"""The HTTP client: one deadline, a limited size, no stray redirect, nothing read from the environment, no secret in an error."""

import secrets
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from certificates import Authority
from fakeserver import Answer, FakeServer

from scanner.errors import ConfigError, SealgateError, UnavailableError
from scanner.transport import Deadline, Transport, TransportError, origin

TOKEN = secrets.token_hex(16)


def _transport(seconds: float = 5, **options) -> Transport:
    return Transport(Deadline(seconds), **options)


def test_sends_json_and_returns_status_headers_and_body(fake: FakeServer) -> None:
    fake.tell(Answer(403, {"errors": ["no"]}, {"X-Thing": "1"}))
    answer = _transport().request("POST", f"{fake.url}/v1/a?b=c", headers={"X-Vault-Token": TOKEN}, json={"x": "ü"})
    assert (answer.status, answer.headers["x-thing"], answer.json()) == (403, "1", {"errors": ["no"]})
    seen = fake.seen[0]
    assert (seen.method, seen.path, seen.headers["x-vault-token"], seen.headers["content-type"]) == (
        "POST", "/v1/a?b=c", TOKEN, "application/json",
    )  # fmt: skip
    assert seen.body == b'{"x": "\\u00fc"}'


def test_a_response_does_not_show_its_body(fake: FakeServer) -> None:
    fake.tell(Answer(200, {"secret": TOKEN}, {"X-Also": TOKEN}))
    answer = _transport().request("GET", fake.url)
    assert TOKEN not in f"{answer!r} {answer}"


def test_reads_neither_netrc_nor_proxies_nor_authorities_from_the_environment(
    fake: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password something\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    fake.tell(Answer(200, {}))
    assert _transport().request("GET", fake.url).status == 200
    assert "authorization" not in fake.seen[0].headers


def test_a_proxy_is_used_where_it_is_named(fake: FakeServer) -> None:
    fake.tell(Answer(200, {}))
    assert _transport(proxy=fake.url).request("GET", "http://localhost:9/x").status == 200
    assert fake.seen[0].path == "http://localhost:9/x"


def test_keeps_no_cookies(fake: FakeServer) -> None:
    fake.tell(Answer(200, {}, {"Set-Cookie": "a=b"}), Answer(200, {}))
    transport = _transport()
    transport.request("GET", fake.url)
    transport.request("GET", fake.url)
    assert "cookie" not in fake.seen[1].headers


@pytest.fixture
def other() -> Iterator[FakeServer]:
    server = FakeServer()
    server.tell(Answer(200, {"stolen": True}))
    yield server
    server.stop()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_host_that_is_not_configured_is_not_followed(fake: FakeServer, other: FakeServer, status: int) -> None:
    fake.tell(Answer(status, b"", {"Location": f"{other.url}/{TOKEN}"}))
    with pytest.raises(UnavailableError) as caught:
        _transport().request("POST", fake.url, headers={"X-Vault-Token": TOKEN}, json={"jwt": TOKEN})
    assert (other.seen, other.url in str(caught.value), TOKEN in str(caught.value)) == ([], True, False)
    assert isinstance(caught.value, TransportError)
    assert (caught.value.reason, caught.value.acted) == ("redirect", False)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_to_a_configured_host_is_followed_with_method_and_body(
    fake: FakeServer, other: FakeServer, status: int
) -> None:
    fake.tell(Answer(status, b"", {"Location": f"{other.url}/v1/x"}))
    answer = _transport(origins=[f"{other.url}/"]).request("POST", fake.url, headers={"X-Vault-Token": TOKEN}, json={"a": 1})
    assert answer.json() == {"stolen": True}
    assert (other.seen[0].method, other.seen[0].body, other.seen[0].headers["x-vault-token"]) == ("POST", b'{"a": 1}', TOKEN)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_change_the_method_is_never_followed(fake: FakeServer, other: FakeServer, status: int) -> None:
    fake.tell(Answer(status, b"", {"Location": other.url}))
    with pytest.raises(TransportError):
        _transport(origins=[other.url]).request("POST", fake.url, json={})
    assert other.seen == []


def test_redirects_in_a_circle_end(fake: FakeServer) -> None:
    fake.tell(Answer(307, b"", {"Location": "/again"}))
    with pytest.raises(TransportError):
        _transport().request("GET", fake.url)
    assert len(fake.seen) == 3


def test_an_answer_that_is_too_large_is_not_read_to_its_end(fake: FakeServer) -> None:
    fake.tell(Answer(200, b"x" * 200_000))
    with pytest.raises(TransportError) as caught:
        _transport(max_bytes=100_000).request("GET", fake.url)
    assert caught.value.reason == "oversize"


@pytest.mark.parametrize(
    "answer", [Answer(200, b"x", delay=3), Answer(200, b"x" * 400, drip=0.05)], ids=["silence", "a slow drip"]
)
def test_the_deadline_holds(fake: FakeServer, answer: Answer) -> None:
    fake.tell(answer)
    start = time.monotonic()
    with pytest.raises(UnavailableError):
        _transport(0.6).request("GET", fake.url)
    assert time.monotonic() - start < 2


def test_no_request_is_sent_after_the_deadline(fake: FakeServer) -> None:
    fake.tell(Answer(200, {}))
    with pytest.raises(UnavailableError, match="within 0 s"):
        _transport(0).request("GET", fake.url)
    assert fake.seen == []


def test_a_view_has_a_deadline_of_its_own(fake: FakeServer) -> None:
    fake.tell(Answer(200, {}))
    assert _transport(0).within(Deadline(5)).request("GET", fake.url).status == 200


def test_whether_the_server_may_have_acted_is_told(fake: FakeServer) -> None:
    with pytest.raises(TransportError) as refused:
        _transport().request("GET", "http://127.0.0.1:1/")
    fake.tell(Answer(200, b"x" * 100, cut=True))
    with pytest.raises(TransportError) as cut:
        _transport().request("GET", fake.url)
    fake.tell(Answer(200, b"x", delay=3))
    with pytest.raises(TransportError) as late:
        _transport(0.4).request("GET", fake.url)
    found = [(one.value.reason, one.value.acted) for one in (refused, cut, late)]
    assert found == [("unreachable", False), ("broken", True), ("timeout", True)]


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    with pytest.raises(TransportError) as caught:
        _transport().request("GET", "https://nothing.invalid/")
    assert caught.value.reason == "unreachable"


@pytest.mark.parametrize("end", ["\n", "\r\nX-Other: 1", "\0", "☃"], ids=ascii)
def test_a_token_with_a_line_end_gets_into_no_header_and_no_message(fake: FakeServer, end: str) -> None:
    value = TOKEN + end
    with pytest.raises(ConfigError) as caught:
        _transport().request("GET", fake.url, headers={"X-Vault-Token": value})
    assert (TOKEN in str(caught.value), "X-Vault-Token" in str(caught.value), fake.seen) == (False, True, [])


@pytest.mark.parametrize(
    "url",
    ["http://vault.example/", "http://10.0.0.1/", "ftp://127.0.0.1/", "//127.0.0.1/", "https://", "https://[::1", "http://127.0.0.1:x/",
     "https://user:TOKEN@vault.example/", "http://localhost.example/", "file:///etc/passwd", ""],
)  # fmt: skip
def test_an_address_that_may_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _transport().request("GET", url.replace("TOKEN", TOKEN))
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://Vault.Example:443/a?b#c", "https://vault.example"), ("http://[::1]:8200/", "http://[::1]:8200"),
     ("https://u:p@host:8200/", "https://host:8200"), ("https://host:99999999/", "an address that is no URL")],
)  # fmt: skip
def test_an_origin_says_where_and_nothing_else(url: str, expected: str) -> None:
    assert origin(url) == expected


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b"<html>Log in to the guest network</html>", {"Content-Type": "text/html"}), Answer(200, b"{}", {}),
     Answer(200, b'{"a":', {"Content-Type": "application/json"}), Answer(200, b"[" * 200_000, {"Content-Type": "application/json"})],
    ids=["a captive portal", "no content type", "half of it", "too deep"],
)  # fmt: skip
def test_what_is_not_json_is_said_and_not_quoted(fake: FakeServer, answer: Answer) -> None:
    fake.tell(answer)
    with pytest.raises(UnavailableError, match="instead of JSON") as caught:
        _transport().request("GET", fake.url).json()
    assert "guest" not in str(caught.value)


def test_json_with_a_charset_is_json(fake: FakeServer) -> None:
    fake.tell(Answer(200, b'{"a": 1}', {"Content-Type": "application/json; charset=utf-8"}))
    assert _transport().request("GET", fake.url).json() == {"a": 1}


class _Plain(BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Authority]]:
    """An https server whose certificate an authority of the tests' own has signed; it wants one in return."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = HTTPServer(("127.0.0.1", 0), _Plain)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", authority
    server.shutdown()
    server.server_close()


def test_an_authority_and_a_client_certificate_of_ones_own(tls: tuple[str, Authority]) -> None:
    url, authority = tls
    transport = _transport(ca_file=str(authority.file), client_certificate=authority.issue("client"))
    assert transport.request("GET", url).status == 200


def test_an_unknown_authority_is_a_configuration_error(tls: tuple[str, Authority], tmp_path: Path) -> None:
    url, authority = tls
    stranger = Authority(tmp_path, "stranger")
    for transport in (_transport(), _transport(ca_file=str(stranger.file), client_certificate=authority.issue("client"))):
        with pytest.raises(ConfigError, match="is not trusted"):
            transport.request("GET", url)


def test_a_missing_client_certificate_is_said(tls: tuple[str, Authority]) -> None:
    url, authority = tls
    with pytest.raises(SealgateError) as caught:
        _transport(ca_file=str(authority.file)).request("GET", url)
    assert caught.value.exit_code in (2, 5)
    assert "certificate" in str(caught.value)


def test_https_to_a_plain_server_is_said(fake: FakeServer) -> None:
    fake.tell(Answer(200, {}))
    with pytest.raises(ConfigError, match="speaks no TLS"):
        _transport().request("GET", fake.url.replace("http:", "https:"))


@pytest.mark.parametrize("where", ["ca_file", "certificate", "key"])
def test_a_certificate_file_that_is_not_there_is_said_at_once(tmp_path: Path, where: str) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("client")
    nothing = str(tmp_path / "nothing.pem")
    pair = (nothing if where == "certificate" else certificate, nothing if where == "key" else key)
    with pytest.raises(ConfigError, match="nothing.pem"):
        _transport(ca_file=nothing if where == "ca_file" else str(authority.file), client_certificate=pair)
