"""A small problem for tests of the search: energies linear in the factors at made-up nodes, solved by NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastsfes import Expression, Functional
from fastsfes.evolve.evaluation import FitOutcome, FitRequest, Known
from fastsfes.evolve.island import Individual
from fastsfes.formula.family import linear_parameters
from fastsfes.formula.normal_form import normal_form
from fastsfes.functionals.functional import Channel
from fastsfes.run.assess import Assessed, Checked, OnGrid
from fastsfes.run.config import SearchConfig
from fastsfes.run.progress import Progress, Reference
from fastsfes.run.setup import SearchParts

NODES, TRAIN, VALIDATION = 200, 30, 15


class FakeProblem:
    """Targets are the energies of given factors; only linear parameters are fitted."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        rng = np.random.default_rng(7)
        self.features = {"x2": np.exp(rng.uniform(-3, 8, NODES)), "w": rng.uniform(-1, 1, NODES)}
        self.matrices = {k: rng.uniform(0, 1, (TRAIN + VALIDATION, NODES)) for k in sorted(targets)}
        self.target = sum(self.matrices[k] @ self._values(Expression.parse(t), {}) for k, t in sorted(targets.items()))
        self.calls = 0

    def _values(self, e: Expression, parameters: Mapping[str, float]) -> np.ndarray:
        return np.broadcast_to(e.evaluate(self.features, parameters, threads=1), (NODES,))

    def evaluate(self, requests: Sequence[FitRequest]) -> list[FitOutcome]:
        self.calls += 1
        with np.errstate(all="ignore"):
            return [self._fit(r) for r in requests]

    def _fit(self, request: FitRequest) -> FitOutcome:
        values = {k: dict(request.start[k]) for k in request.expressions}
        rest, columns, names = self.target.copy(), [], []
        for kind, e in request.expressions.items():
            linear = linear_parameters(e)
            base = {p: (0.0 if p in linear else v) for p, v in values[kind].items()}
            origin = self._values(e, base)
            rest = rest - self.matrices[kind] @ origin
            for p in linear:
                columns.append(self.matrices[kind] @ (self._values(e, {**base, p: 1.0}) - origin))
                names.append((kind, p))
        matrix = np.array(columns).T.reshape(len(rest), len(names))
        if not (np.isfinite(matrix).all() and np.isfinite(rest).all()):
            return FitOutcome.failed(request.start)
        solution = np.linalg.lstsq(matrix[:TRAIN], rest[:TRAIN], rcond=1e-12)[0] if names else np.zeros(0)
        for (kind, p), v in zip(names, solution, strict=True):
            values[kind][p] = float(v)
        error = rest - matrix @ solution
        parts = (error[:TRAIN], error[TRAIN:])
        train, validation = (float(np.sqrt(np.mean(e**2))) for e in parts)
        return FitOutcome(Known(train, validation), values, 1)

    def describe(self) -> str:
        return "a problem made up for tests"

    def references(self) -> list[Reference]:
        return [("a known one", 3.25, 4.5)]

    def digests(self) -> dict[str, str]:
        return {}

    def functional(self, name: str, best: Individual, parts: SearchParts) -> Functional:
        expressions = best.genome.expressions(parts.mutator.workspaces)
        assert expressions is not None
        return Functional(
            name,
            {k: Channel(*normal_form(e, best.parameters[k])) for k, e in expressions.items()},
        )

    def refitted(self, winner: Functional) -> tuple[Functional, dict[str, float]]:
        energies = sum(
            self.matrices[k] @ self._values(c.expression, c.parameters) for k, c in sorted(winner.channels.items())
        )
        train, validation = (float(np.sqrt(np.mean(e**2))) for e in np.split(energies - self.target, [TRAIN]))
        return winner, {"before": train, "after": train, "validation": validation}

    def without_terms(self, winner: Functional) -> tuple[Functional, list[dict[str, Any]]]:
        return winner, []

    on_grids = False
    counts = {"train": TRAIN, "validation": VALIDATION}  # noqa: RUF012

    def node_error(self, member: Individual, parts: SearchParts, done: int, count: int) -> float:
        raise AssertionError("there are no grids to ask")

    def assess(self, members: Sequence[Functional], progress: Progress, *, on_grid: OnGrid = "sample") -> Assessed:
        return Assessed(tuple(Checked() for _ in members))

    def report(self, winner: Functional, progress: Progress, assessed: Assessed | None = None) -> dict[str, Any]:
        row = {"name": winner.name, "parameters": len(winner.parameters), "train": 1.0, "validation": 2.0, "test": None}
        return {
            "kind": "reactions",
            "dataset": "made up",
            "unit": "WRMSD in kcal/mol",
            "rows": [row],
            "grid": row,
            "largest_difference": 0.0,
        }


B97X = "0.8094 + 0.5073*u(x2, 0.004) + 0.7481*u(x2, 0.004)**2"


def b97x_problem(config: SearchConfig) -> FakeProblem:
    """B97 exchange energies on the made-up nodes."""
    return FakeProblem({"x": B97X})


def three_channels(config: SearchConfig) -> FakeProblem:
    """wB97M-V-like factors in three channels."""
    return FakeProblem(
        {
            "x": "0.85 + 1.007*u(x2, 0.004) + 0.259*w",
            "css": "0.443 - 4.535*w - 3.39*w**2",
            "cos": "1 + 1.358*w + 2.924*w**2 - 8.812*w**2*u(x2, 0.006)",
        }
    )
