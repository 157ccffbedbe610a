# SPDX-License-Identifier: Apache-2.0
"""A server that answers as it is told, for faults that a real one does not show on demand."""

import json
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What to say. `body` is bytes, or a document that becomes JSON; `cut` breaks off after half of it; `drip` is
    the pause in seconds after each byte."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = {}
    cut: bool = False
    delay: float = 0.0
    drip: float = 0.0


class Seen(NamedTuple):
    """A request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class FakeServer:
    """`tell(answer, …)` queues answers; the last one is given again and again. `seen` holds what was asked."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._answers: list[Answer] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  a client that goes away is no news
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def tell(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.seen.clear()

    def next(self) -> Answer:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in two pieces, and Nagle's algorithm would wait 40 ms between them.
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fake.seen.append(Seen(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = fake.next()
            time.sleep(answer.delay)
            data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            headers = {} if isinstance(answer.body, bytes) else {"Content-Type": "application/json"}
            self.send_response(answer.status)
            for name, value in {**headers, "Content-Length": str(len(data)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self._write(data, answer)
            except OSError:
                self.close_connection = True

        def _write(self, data: bytes, answer: Answer) -> None:
            if answer.cut:
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif answer.drip:
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    time.sleep(answer.drip)
            else:
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_LIST = do_DELETE = _answer  # noqa: N815  the names that http.server looks for

    return Handler
