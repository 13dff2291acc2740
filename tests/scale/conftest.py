from __future__ import annotations

from collections.abc import Iterator

import pytest
from clusters import Slurm, slurm_cluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A running Slurm."""
    with slurm_cluster() as cluster:
        yield cluster
