"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tests compare bits and counts, not speed: one thread, so that several test processes do not fight for cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the shared reference data: FASTSFES_SHARED, or ../shared beside the checkout."""
    candidates = [Path(__file__).resolve().parents[2] / "shared"]
    if "FASTSFES_SHARED" in os.environ:
        candidates.insert(0, Path(os.environ["FASTSFES_SHARED"]))
    for folder in candidates:
        if (folder / "mgcdb84").is_dir():
            return folder
    pytest.skip("the shared reference data are absent (set FASTSFES_SHARED)")


@pytest.fixture(scope="session")
def mgcdb84(shared: Path) -> Path:
    """Folder of MGCDB84 with densities and reference numbers."""
    return shared / "mgcdb84"
