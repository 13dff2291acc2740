from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "evolve"))  # the made-up problem

from clusters import Slurm, slurm_cluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A running Slurm."""
    with slurm_cluster() as cluster:
        yield cluster
