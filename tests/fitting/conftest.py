"""Fixtures of the fit tests."""

from __future__ import annotations

import pytest
from fit_problems import Synthetic, make_synthetic


@pytest.fixture(scope="session")
def synthetic() -> Synthetic:
    return make_synthetic()
