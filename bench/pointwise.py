"""Pointwise rediscovery: known exchange factors from their values on points, beside pyoperon where it is installed.

A seed succeeds when its formula has the target's values on other points within `LIMIT` of their spread, after at most
`SECONDS` of processor time. pyoperon computes in single precision, which is why the limit is not smaller; PySR would
need Julia, which no package registry of Python holds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import fastsfes as fs
from fastsfes.run.config import PRESETS

from . import peers

FloatArray = npt.NDArray[np.float64]
Features = Mapping[str, FloatArray]

LIMIT = 1e-5
"""Largest error that is none, in units of the spread of the values."""

SECONDS = 10.0
"""Processor time of a search, which ends with the epoch. pyoperon knows the time on the clock alone, so that it gets as
many evaluations as this time has room for, by a first run with a few; they take longer towards the end."""

_FIRST = 20_000
"""Evaluations of that run."""


@dataclass(frozen=True)
class Target:
    """A factor, the features that it is searched in, and what the pool holds beside the preset's."""

    factor: Callable[[Features], FloatArray]
    names: tuple[str, ...] = ("x2",)
    also: tuple[str, ...] = ()


def _of(name: str) -> Callable[[Features], FloatArray]:
    channel = fs.get_functional(name).channels["x"]

    def factor(at: Features) -> FloatArray:
        derived = {"s": np.sqrt(at["s2"])} if "s2" in at else {}
        return np.broadcast_to(channel.evaluate({**at, **derived}), next(iter(at.values())).shape).astype(float)

    return factor


TARGETS = {
    "PBE": Target(_of("pbe_x")),
    "revPBE": Target(_of("revpbe_x")),
    "B88": Target(_of("b88_x"), also=("asinh",)),
    "B97": Target(_of("b97_x")),
    "wB97M-V": Target(_of("wb97m_v"), ("x2", "w")),
    "r2SCAN": Target(_of("r2scan"), ("s2", "alpha")),
}


def points(names: tuple[str, ...], *, between: bool = False) -> dict[str, FloatArray]:
    """200 points of x2, or 450 of x2 and w or s2 and alpha; others for the check."""
    if names == ("s2", "alpha"):
        s2 = np.geomspace(2e-3, 50.0, 29) if between else np.geomspace(1e-3, 1e2, 30)
        grid = np.meshgrid(s2, np.linspace(0.05, 2.9, 14) if between else np.linspace(0.0, 3.0, 15), indexing="ij")
        return {"s2": grid[0].ravel(), "alpha": grid[1].ravel()}
    low, high = (2e-2, 5e3) if between else (1e-2, 1e4)
    if names == ("x2",):
        return {"x2": np.geomspace(low, high, 200)}
    w = np.linspace(-0.9, 0.93, 14) if between else np.linspace(-0.95, 0.95, 15)
    grid = np.meshgrid(np.geomspace(low, high, 30), w, indexing="ij")
    return {"x2": grid[0].ravel(), "w": grid[1].ravel()}


def rediscover(seeds: int) -> dict[str, Any]:
    """Every target by fastsfes and, where it is installed, by pyoperon."""
    operon = peers.optional("pyoperon.sklearn")
    found: dict[str, Any] = {"seeds": seeds, "operon": operon is not None, "targets": {}}
    for name, target in TARGETS.items():
        rows = {"fastsfes": [_own(target, seed) for seed in range(seeds)]}
        if operon is not None:
            rows["pyoperon"] = [_operon(operon, target, seed) for seed in range(seeds)]
        found["targets"][name] = rows
    return found


def _own(target: Target, seed: int) -> dict[str, Any]:
    at = points(target.names)
    pool = {**PRESETS["points"]["instruction_pool"], **dict.fromkeys(target.also, 1.0)}
    started = time.process_time()  # of this one thread, whatever else the machine does
    with tempfile.TemporaryDirectory() as folder:
        run = fs.search_points(
            at, target.factor(at), output=Path(folder) / "run", progress="none", seed=seed, threads=1,
            candidates=10**6, instruction_pool=pool, on_epoch=lambda _: time.process_time() - started > SECONDS,
        )  # fmt: skip
        seconds = time.process_time() - started
        return _row(target, run.best.channels["x"].evaluate, seconds, str(run.best.channels["x"].expression))


def _operon(operon: Any, target: Target, seed: int) -> dict[str, Any]:
    at = points(target.names)

    def fitted(evaluations: int) -> tuple[Any, float]:
        model = operon.SymbolicRegressor(
            allowed_symbols="add,sub,mul,div,sqrt,square,exp,log,constant,variable", optimizer_iterations=10,
            max_length=30, max_evaluations=evaluations, max_time=10**6, generations=10**6, epsilon=1e-12, n_threads=1,
            random_state=seed,
        )  # fmt: skip
        started = time.process_time()
        model.fit(np.column_stack(list(at.values())), target.factor(at))
        return model, time.process_time() - started

    _, first = fitted(_FIRST)
    model, seconds = fitted(int(_FIRST * SECONDS / first))

    def predict(where: Features) -> FloatArray:
        return np.asarray(model.predict(np.column_stack(list(where.values()))), dtype=float)

    return _row(target, predict, seconds, "")


def _row(target: Target, predict: Callable[[Features], FloatArray], seconds: float, formula: str) -> dict[str, Any]:
    where = points(target.names, between=True)
    wanted = target.factor(where)
    error = float(np.abs(predict(where) - wanted).max() / wanted.std())
    return {"error": error, "found": error < LIMIT, "seconds": seconds, "formula": formula}


def table(result: Mapping[str, Any]) -> list[str]:
    """Lines that people read."""
    programs = ["fastsfes", *(["pyoperon"] if result["operon"] else [])]
    lines = [
        f"factors from their values on points, {result['seeds']} seeds, at most {SECONDS:g} s of one core each",
        f"{'':10s}" + "".join(f"{p + ': found':>18s}{'seconds':>10s}{'error':>10s}" for p in programs),
    ]
    for name, rows in result["targets"].items():
        cells = ""
        for program in programs:
            mine = rows[program]
            found = sum(r["found"] for r in mine)
            seconds, error = np.median([r["seconds"] for r in mine]), np.median([r["error"] for r in mine])
            cells += f"{f'{found}/{len(mine)}':>18s}{seconds:10.1f}{error:10.1e}"
        lines.append(f"{name:10s}{cells}")
    if not result["operon"]:
        lines.append("pyoperon is not installed")
    return [*lines, ""]
