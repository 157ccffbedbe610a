# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the report tests."""

import pytest
from sample_result import make_result

from scanner.model import ScanResult


@pytest.fixture
def nasty() -> ScanResult:
    """The made-up scan."""
    return make_result()


@pytest.fixture
def clean() -> ScanResult:
    """A scan of the same size that found nothing and missed nothing."""
    return make_result(findings=(), gaps=(), notices=())
