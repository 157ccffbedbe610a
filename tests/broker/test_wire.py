# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire comes out whole, redacted, whatever the ends are and however it comes."""

import errno
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from scanner.broker import wire
from scanner.broker.redact import Mask, Redactor
from scanner.broker.wire import PIPE_BYTES, Wire
from scanner.model import Secret

SIZES: Final = {"bulk": [1 << 20], "pages": [4096, 65536], "lines": [80, 200, 7], "mixed": [5, 300_000, 64, 70_000, 1]}


def _text(values: list[bytes], size: int, seed: int) -> bytes:
    """Random lines with secrets in them, many of them where pipes and buffers end."""
    source = random.Random(seed)
    text = bytearray(source.randbytes(size).translate(bytes(97 + byte % 26 for byte in range(256))))
    places = [source.randrange(size) for _ in range(40)] + [n * PIPE_BYTES - source.randrange(60) for n in range(1, size // PIPE_BYTES)]
    for place in places:
        value = source.choice(values)
        text[place : place + len(value)] = value[: source.choice([len(value), len(value), len(value) - 1])]
    return bytes(text)


def _run(text: bytes, sizes: list[int], mask: Mask, target: int, read: Callable[[], bytes]) -> bytes:
    """Send the text in pieces of these sizes through a wire into `target`, and return what `read` reads there."""
    taken: list[bytes] = []
    source, sink = os.pipe()

    def write() -> None:
        position = count = 0
        while position < len(text):
            position += os.write(sink, text[position : position + sizes[count % len(sizes)]])
            count += 1
        os.close(sink)

    threads = [threading.Thread(target=write), threading.Thread(target=lambda: taken.append(read()))]
    for thread in threads:
        thread.start()
    line, redactor = Wire(source, target), Redactor(mask)
    while line.carry(redactor):
        pass
    line.write(redactor.flush())
    line.close()
    os.close(target)
    os.close(source)
    for thread in threads:
        thread.join(30)
    return taken[0]


def _all_of(end: int) -> bytes:
    with open(end, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize("pace", SIZES)
@pytest.mark.parametrize("end", ["pipe", "pipe that does not block", "socket", "file"])
def test_the_output_is_the_redaction_of_the_whole(pace: str, end: str, tmp_path: Path) -> None:
    values = [secrets.token_hex(16).encode(), secrets.token_urlsafe(300).encode(), b"ab" * 20]
    mask = Mask(map(Secret, values))
    text = _text(values, 300_000 if pace == "lines" else 3_000_000, seed=len(pace) + len(end))
    whole = Redactor(mask)
    expected = bytes(whole.feed(text)) + whole.flush()
    assert expected.count(b"***") > 20
    if end == "socket":
        ours, theirs = socket.socketpair()
        target, read = ours.detach(), lambda: _all_of(theirs.detach())
    elif end == "file":
        target, read = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT), lambda: b""
    else:
        taken, target = os.pipe()
        os.set_blocking(target, end == "pipe")
        read = lambda: _all_of(taken)  # noqa: E731
    shown = _run(text, SIZES[pace], mask, target, read)
    assert ((tmp_path / "out").read_bytes() if end == "file" else shown) == expected


def test_pages_are_handed_on_where_nothing_is_to_be_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    if wire._tee() is None:
        pytest.skip("this system has no tee(2)")
    spliced: list[int] = []
    splice = os.splice
    monkeypatch.setattr(os, "splice", lambda *args: spliced.append(splice(*args)) or spliced[-1])
    mask, text = Mask([Secret(secrets.token_hex(16).encode())]), bytes(4_000_000)
    taken, target = os.pipe()
    assert _run(text, [1 << 20], mask, target, lambda: _all_of(taken)) == text
    assert any(spliced)  # how much goes this way depends on how fast the text comes


def test_where_the_system_cannot_splice_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> int:
        raise OSError(errno.EINVAL, "no")

    monkeypatch.setattr(os, "splice", refuse)
    value = secrets.token_hex(16).encode()
    mask, text = Mask([Secret(value)]), _text([value], 2_000_000, 5)
    taken, target = os.pipe()
    assert _run(text, [1 << 20], mask, target, lambda: _all_of(taken)) == bytes(Redactor(mask).feed(text + b"\n"))[:-1]


def test_a_secret_longer_than_all_buffers_is_masked() -> None:
    value = secrets.token_bytes(400_000).hex().encode()
    mask, text = Mask([Secret(value)]), b"x" * 100_000 + value + b"\n" + value[:300_000] + b"\n"
    taken, target = os.pipe()
    assert _run(text, [1 << 20], mask, target, lambda: _all_of(taken)) == b"x" * 100_000 + b"***\n" + value[:300_000] + b"\n"


def test_a_reader_that_is_gone_is_an_error() -> None:
    source, sink = os.pipe()
    taken, target = os.pipe()
    os.close(taken)
    line = Wire(source, target)
    os.write(sink, b"text\n")
    with pytest.raises(BrokenPipeError):
        line.carry(Redactor(()))
    for end in (source, sink, target):
        os.close(end)
