from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import QUICK, numbers
from clusters import Slurm, slurm_cluster

from fastsfes.cli import main


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A running Slurm."""
    with slurm_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def hydrogens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dissociations of stretched hydrogen molecules: 13 different species."""
    made = tmp_path_factory.mktemp("plain") / "own"
    (made / "geometries").mkdir(parents=True)
    lines = ["name,reaction,reference_kcal,split"]
    (made / "geometries" / "H.xyz").write_text("1\n0 2\nH 0 0 0\n")
    for i in range(12):
        (made / "geometries" / f"H2_{i}.xyz").write_text(f"2\n0 1\nH 0 0 0\nH 0 0 {0.7 + 0.02 * i:.2f}\n")
        split = ("train", "validation", "test")[i % 3]
        lines.append(f"r{i},-1 H2_{i}; 2 H,{100 + i},{split}")
    (made / "reactions.csv").write_text("\n".join(lines) + "\n")
    return made


@pytest.fixture(scope="session")
def built(hydrogens: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[float, bytes]]:
    output = tmp_path_factory.mktemp("whole") / "own.h5"
    assert main(["dataset", "build", str(hydrogens), "--output", str(output), *QUICK]) == 0
    found = numbers(output)
    assert len(found) == 13
    return found
