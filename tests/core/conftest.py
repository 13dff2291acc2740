"""Kernels of these tests are made anew, in a cache of their own."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def kernels(own_cache: None) -> None:
    pass
