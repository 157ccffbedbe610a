# SPDX-License-Identifier: Apache-2.0
"""The lines of an audit device of Vault or OpenBao, one at a time, whatever the file's size and state.

Each entry is one JSON object a line: a request, and its response with the request in it. The server writes
HMACs where secrets stood, and the paths, roles and addresses in clear text
(https://openbao.org/docs/audit/, "Format"). A line that cannot be read is counted, never passed over.
"""

import contextlib
import gzip
import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, NamedTuple, cast

from scanner.display import one_line
from scanner.errors import SourceError

# An entry holds a request's whole data; the server takes 32 MiB, as HMACs mostly less.
_MAX_LINE: Final = 32 << 20
_MAX_DAMAGED: Final = 20
# A device may be told to begin each line with a word of its own (`prefix`, such as `@cee: `).
_MAX_PREFIX: Final = 200
_GZIP: Final = b"\x1f\x8b"
HASH: Final = "hmac-sha256:"


class Entry(NamedTuple):
    """One answered request. `path` has the namespace in front of it; `own` says that it only concerns the token itself.

    `home` is the namespace of the token, as far as the log tells, empty for the root. `role`, `entity`, `display` and
    `policies` are of the token that asked, or, for a login, of the one it got; `token` and `accessor` are the server's
    HMACs. `issued` is the `auth` of a response that made or renewed a token. `sent` and `got` are the data of request and
    response; `raw` says that the device writes them as they are.
    """

    time: float
    path: str
    operation: str
    home: str
    role: str
    entity: str
    display: str
    policies: tuple[str, ...]
    token: str
    accessor: str
    address: str
    denied: bool
    failed: bool
    own: bool
    login: bool
    issued: Mapping[str, Any] | None
    sent: Any
    got: Any
    raw: bool


class Damage:
    """Lines that could not be read: how many, and the first of them by file and number."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, where: str, reason: str) -> None:
        """Count one; `where` is `FILE:LINE`."""
        self.count += 1
        if len(self.first) < _MAX_DAMAGED:
            self.first.append(f"{where}: {reason}")


class LogReader:
    """Reads files one after the other, in bounded memory; `-` is standard input, gzip is recognised.

    Once `entries` is exhausted, `requests` and `responses` say how many there were of each, `damage` what was not read.
    """

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files
        self.damage = Damage()
        self.requests = 0
        self.responses = 0

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each response, in the order of the files. Raises `SourceError` for a file that cannot be opened."""
        for file in self._files:
            with contextlib.ExitStack() as stack:
                stream = sys.stdin.buffer if file == "-" else stack.enter_context(_open(file))
                name = "standard input" if file == "-" else one_line(file)
                for number, line in self._lines(_unzipped(stream, stack), name):
                    entry = self._parse(line, f"{name}:{number}")
                    if entry is not None:
                        yield entry

    def _lines(self, stream: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
        number = 0
        try:
            while line := stream.readline(_MAX_LINE):
                number += 1
                if len(line) == _MAX_LINE and not line.endswith(b"\n"):
                    while (rest := stream.readline(_MAX_LINE)) and not rest.endswith(b"\n"):
                        pass
                    self.damage.add(f"{name}:{number}", f"longer than {_MAX_LINE >> 20} MiB")
                elif line.strip():
                    yield number, line
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.damage.add(f"{name}:{number + 1}", "the compressed file ends or breaks here")
        except OSError as error:
            self.damage.add(f"{name}:{number + 1}", f"reading fails here: {error.strerror}")

    def _parse(self, line: bytes, where: str) -> Entry | None:
        start = line.find(b"{", 0, _MAX_PREFIX)
        try:
            document = json.loads(line[max(start, 0) :])
            kind, time = document["type"], _seconds(document["time"])
            request = _mapping(document["request"])
            if kind == "request":
                self.requests += 1
                return None
            if kind != "response":
                raise ValueError
            entry = _entry(time, request, document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.damage.add(where, "cut off" if not line.endswith(b"\n") else "no entry of an audit device")
            return None
        self.responses += 1
        return entry


def _open(file: str) -> BinaryIO:
    try:
        return open(file, "rb")
    except OSError as error:
        raise SourceError(f"cannot read {one_line(file)}: {error.strerror}", "name an audit device's file, or -") from None


def _unzipped(stream: BinaryIO, stack: contextlib.ExitStack) -> BinaryIO:
    if cast("Any", stream).peek(2)[:2] == _GZIP:
        return cast("BinaryIO", stack.enter_context(gzip.open(stream, "rb")))
    return stream


def _entry(time: float, request: Mapping[str, Any], document: Mapping[str, Any]) -> Entry:
    auth = _mapping(document.get("auth") or {})
    response = _mapping(document.get("response") or {})
    issued = response.get("auth")
    path = request["path"]
    namespace = str(_mapping(request.get("namespace") or {}).get("path") or "")
    data = response.get("data")
    error = str(document.get("error") or "")
    metadata = auth.get("metadata") or {}
    login = path.startswith("auth/") and "/login" in path
    token = str(auth.get("client_token") or request.get("client_token") or "")
    return Entry(
        time=time,
        path=namespace + path,
        operation=str(request["operation"]),
        home=_home(auth, namespace),
        role=str(metadata.get("role") or metadata.get("role_name") or ""),
        entity=str(auth.get("entity_id") or ""),
        display=str(auth.get("display_name") or ""),
        policies=tuple(map(str, auth.get("policies") or ())),
        token=token,
        accessor=str(auth.get("accessor") or ""),
        address=str(request.get("remote_address") or ""),
        denied="permission denied" in error or _mapping(auth.get("policy_results") or {}).get("allowed") is False,
        failed=bool(error) or (isinstance(data, dict) and data.keys() == {"error"}),
        own=login or path.startswith(_OWN),
        login=login,
        issued=issued if isinstance(issued, dict) else None,
        sent=request.get("data"),
        got=data,
        raw=bool(token) and not token.startswith(HASH),
    )


def _home(auth: Mapping[str, Any], asked: str) -> str:
    """A policy that granted the request stands in the token's own namespace; of others, that of the request is known."""
    granting = _mapping(auth.get("policy_results") or {}).get("granting_policies")
    return str(_mapping(granting[0]).get("namespace_path") or "") if granting else asked


# What a session does with its own token and leases: no access to anything.
_OWN: Final = (
    "auth/token/lookup-self", "auth/token/renew-self", "auth/token/revoke-self", "sys/capabilities-self", "sys/internal/ui/",
    "sys/leases/lookup", "sys/leases/renew", "sys/wrapping/lookup", "sys/wrapping/wrap", "sys/audit-hash/",
)  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
