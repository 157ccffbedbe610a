# SPDX-License-Identifier: Apache-2.0
"""What the tests of the importers share."""

from collections.abc import Callable

import pytest
from foreign import Planted, plant
from gitrepo import GitRepo


@pytest.fixture
def planted(git_repo: Callable[..., GitRepo]) -> Planted:
    """A repository that gitleaks was told things about."""
    return plant(git_repo())
