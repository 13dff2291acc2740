"""One small run on the packaged dataset, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastsfes.energies.check import NodeCheck
from fastsfes.report import collect, render
from fastsfes.run.config import SearchConfig
from fastsfes.run.search import Run, search

TINY = SearchConfig.make(dataset="builtin", candidates=400, population=20, generation=16, generations=2, islands=2)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    def quick(self: NodeCheck, candidates: Any, species: Any, progress: Any = None, *, again: bool = False) -> Any:
        """The check on the full grid takes a minute; what it finds is tested elsewhere."""
        return np.zeros((len(candidates), len(species)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NodeCheck, "species_errors", quick)
        return search(TINY, output=tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="session")
def gathered(run: Run) -> dict[str, Any]:
    """All data of the report of the run; to be copied before it is changed."""
    return collect(run, samples=20)


@pytest.fixture(scope="session")
def page(gathered: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(gathered), encoding="utf-8")
    return path
