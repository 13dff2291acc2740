"""The benchmark of scaling: runs, checks its answers, and its simulation obeys simple laws."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fastsfes.bench import main
from fastsfes.bench.scale_simulation import Model, Sample


def sample(islands: int, generations: int, store: float) -> Sample:
    """Epochs of exactly 1 ms per candidate; a coordinator that takes `store` seconds to add one and nothing else."""
    epochs = islands * 3
    candidates = 32 * generations
    return Sample(
        islands, 32, generations, epochs, [1e-3 * candidates] * epochs, 0.0, 0.0, store * candidates * epochs, 0.0, 0, 0
    )


def model(store: float) -> Model:
    return Model([sample(*shape, store) for shape in ((8, 4), (8, 16), (32, 4))])


def test_a_coordinator_that_costs_nothing_wastes_nothing() -> None:
    row = model(0.0).simulate(128, 4096)
    assert row["efficiency"] == pytest.approx(1.0, abs=1e-3)  # only latency, 0.2 ms in epochs of 4 s
    assert row["coordinator_busy"] == 0.0


@pytest.mark.parametrize("workers", [16, 128, 1024])
def test_a_serial_part_costs_nothing_until_it_is_all_that_is_done(workers: int) -> None:
    store = 1e-5
    row = model(store).simulate(workers, 4096)
    # work w per candidate on N workers, s in series beside it: min(1, w/(N s)), but for the first and last round
    assert row["efficiency"] == pytest.approx(min(1.0, 1e-3 / (store * workers)), rel=0.05)
    assert row["coordinator_busy"] == pytest.approx(min(1.0, store * workers / 1e-3), rel=0.05)


def uneven(slow: float) -> Model:
    """Half of the islands take `slow` times as long as the others."""
    seconds = [0.1, 0.1 * slow] * 24
    return Model([Sample(16, 32, 4, 48, seconds, 0.0, 0.0, 0.0, 0.0, 0, 0)] * 3)


def test_uneven_epochs_need_not_cost_anything() -> None:
    # an island may be one epoch ahead, and four islands per worker can be dealt out evenly
    assert uneven(3.0).simulate(16, 1024)["efficiency"] > 0.97


def test_saturation_is_where_service_takes_as_long_as_work() -> None:
    assert model(1e-5).saturation(4096) == 64  # 1 ms against 10 us: 100, the power of two below


def test_costs_are_recovered() -> None:
    costs = model(2e-5).costs["insert"]
    np.testing.assert_allclose(costs, (0.0, 2e-5), atol=1e-12)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "scale.json"
    assert main(["scale", "--base", "lda", "--rounds", "1", "--max-workers", "2", "--json", str(target)]) == 0
    out = capsys.readouterr().out
    assert "SIMULATION, not a measurement" in out
    result = json.loads(target.read_text())["scale"]
    assert [r["workers"] for r in result["strong_scaling"]] == [1, 2]
    assert {r["workers"] for r in result["simulation"]["rows"]} == {16, 128, 1024}
    assert all(0 < r["efficiency"] <= 1 for r in result["simulation"]["rows"])
