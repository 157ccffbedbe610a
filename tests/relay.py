# SPDX-License-Identifier: Apache-2.0
"""A wire to a server that remembers what went over it, and that can be cut."""

import contextlib
import re
import socket
import threading
from typing import Final
from urllib.parse import urlsplit

_SECRETS: Final = re.compile(rb'"(?:client_token|lease_id|token|jwt|secret_id)":"([^"]{12,})"')
_HEADERS: Final = re.compile(rb"(?i)^(?:x-vault-token|authorization): (?:bearer )?(\S+)\r$", re.MULTILINE)


class Relay:
    """Forwards a free loopback port to a server; `url` is where clients go. `traffic` is all that passed, both ways."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self._open: list[socket.socket] = []
        self.traffic = bytearray()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut the wire: what is open breaks off, nothing new gets through."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def secrets(self) -> set[str]:
        """Return the tokens, identity tokens and lease ids that were sent."""
        found = {*_SECRETS.findall(bytes(self.traffic)), *_HEADERS.findall(bytes(self.traffic))}
        return {value.decode() for value in found}

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.traffic += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
