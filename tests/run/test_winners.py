"""Winners of short searches on real data: their forms are normal forms, and their parameters the optimum of these."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from normal_forms import check, features

import fastsfes as fs
from fastsfes.formula.normal_form import normal
from fastsfes.run.store import RunStore


@pytest.mark.parametrize("seeds", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_winners(seeds: int, tmp_path: Path) -> None:
    for seed in range(seeds):
        config = fs.SearchConfig.make("quickstart", dataset="gscdb", seed=seed, candidates=300)
        run = fs.search(config, output=tmp_path / str(seed))
        winner = run.summary["best"]
        with RunStore.open(run.path / "history.sqlite", read_only=True) as store:
            row = store.candidate(winner["candidate"], winner["island"])
        for name, channel in run.best.channels.items():
            assert normal(channel.expression.text) == channel.expression, f"seed {seed}"
            left = fs.Expression.parse(row["expressions"][name])  # as evolution left it
            check(left, row["parameters"][name], features(np.random.default_rng(seed)))
        if run.best.parameters:
            again = fs.fit(run.best, "gscdb")
            assert again.train > again.start - 1e-6, f"seed {seed}"
