# SPDX-License-Identifier: Apache-2.0
"""One maker of encrypted files for all tests of SOPS: its keys are made once a session."""

from collections.abc import Iterator

import pytest
from sopsmaker import SopsMaker, missing


@pytest.fixture(scope="session")
def sops_maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SopsMaker]:
    """Yield the maker, or skip where sops is not installed."""
    if reason := missing("sops"):
        pytest.skip(reason)
    with SopsMaker(tmp_path_factory.mktemp("sops")) as maker:
        yield maker
