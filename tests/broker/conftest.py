# SPDX-License-Identifier: Apache-2.0
"""One laboratory a process, started when the first test asks for it."""

from collections.abc import Iterator

import pytest
from brokers import Brokers
from fakeserver import FakeServer
from lab import Lab, running_lab


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """OpenBao, an issuer, and PostgreSQL on demand (`lab.postgres`, which skips where it is not installed)."""
    yield from running_lab()


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A server that answers as it is told."""
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    """Starts runs of `sealgate broker exec`, each a process of its own."""
    started = Brokers(tmp_path_factory.mktemp("brokers"))
    yield started
    started.stop()
