"""``fastsfes-bench fit``: loss reached and time, ours beside CMA-ES, and fitted candidates per second."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.datasets.dataset import Dataset
from fastsfes.datasets.model import HARTREE_TO_KCAL, Reaction
from fastsfes.energies.quadrature import Quadrature, channel_key
from fastsfes.fitting import CmaSettings, FitProblem, FitSettings, Fitted, fit_through_levels, minimise_cma
from fastsfes.fitting.cmaes import Losses
from fastsfes.formula.expression import Expression
from fastsfes.functionals.functional import Channel, Functional
from fastsfes.functionals.registry import get_functional

from .grid import GridLoss, GridPoints, estimated_points, species_within
from .quadrature import best_of
from .report import figure, row_text

SUMMARY = "loss reached and time of fits, ours beside CMA-ES (SyFES's way); fitted candidates per second"

#: Ours may be worse than CMA-ES by at most this much, kcal/mol.
_TOLERANCE = 1e-4

#: Energies of a species, and losses, may differ by this much between the grid and the nodes, kcal/mol.
_AGREEMENT = 2e-3

_KINDS = ("x", "css", "cos")

#: Forms of the kind that evolution ends with; g is a scale, the other letters have no preferred size.
_EVOLVED = (
    ("c0 + c1*u(x2, g)", "c0 + c1*w + c2*w**2", "c0 + c1*w"),
    ("c0 + c1*u(x2, g) + c2*w + c3*u(x2, g)*w", "c0*u(x2, g) + c1*w + c2*w**2", "c0 + c1*w**2 + c2*w**6*cbrt(x2)"),
    ("c2*pbe_x(x2, kappa, mu) + c0*w + c1*w**2", "c0 + c1*w", "c0 + c1*w + c2*w**2 + c3*u(x2, g)"),
    ("b88_x(x2, beta_x)*(c0 + c1*w)", "c0 + c1*u(x2, g)**2 + c2*w**3", "c0 + c1*w*u(x2, g) + c2*w**4"),
    ("c0 + c1*log1p(a*x2) + c2*w", "c0 + c1*w + c2*u(x2, g)", "c0 + c1*w**2 + c2*exp(-b*w)"),
    (
        "c0 + c1*u(x2, g) + c2*u(x2, g)**2 + c3*w + c4*w**2",
        "c0 + c1*w + c2*w**2 + c3*w**4 + c4*u(x2, g)**6*w",
        "c0 + c1*w + c2*w**2 + c3*w**3 + c4*u(x2, g)*w**2 + c5*u(x2, g)**2",
    ),
    (
        "c0 + c1*u(x2, g) + c2*w + c3*w**2*u(x2, g)**3",
        "c0 + c1*sqrt(u(x2, g)) + c2*w + c3*w**4*u(x2, g)",
        "c0 + c1*w + c2*w**6 + c3*cbrt(x2)*w**2 + c4*u(x2, g)**4",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--dataset", default="builtin", help="builtin or a dataset file with a quadrature")
    parser.add_argument("--starts", type=int, default=8, help="starting points of our fits (default 8)")
    parser.add_argument(
        "--cma-evaluations", type=int, default=50_000, help="limit of CMA-ES (default 50000, SyFES's); 0 leaves it out"
    )
    parser.add_argument("--candidates", type=int, default=400, help="size of the batch whose rate is measured")
    parser.add_argument(
        "--points",
        type=int,
        default=500_000,
        metavar="N",
        help="time one loss by jax.jit on species with at most N grid points in all, and scale it (default 500000; "
        "0: not timed)",
    )
    parser.add_argument(
        "--on-grid",
        type=int,
        default=0,
        metavar="N",
        help="also run CMA-ES itself on the whole grid by jax.jit, N losses per form: gigabytes, and a second or more "
        "per loss of a large dataset (default 0: its time is computed from the number of losses)",
    )
    parser.add_argument("--form", action="append", metavar="NAME", help="only this form, can be repeated (default all)")
    parser.add_argument("--seed", type=int, default=0, help="of starting points, CMA-ES and the batch")


def forms() -> list[Functional]:
    """The ten forms: wB97M-V, GAS22, B97, and seven evolved ones."""
    made = [get_functional(name) for name in ("wb97m_v", "gas22", "b97")]
    for k, texts in enumerate(_EVOLVED):
        made.append(_functional(f"evolved {k + 1}", texts))
    return made


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; raises FastsfesError when CMA-ES finds a better minimum than we do, or an answer is wrong."""
    for name in ("starts", "candidates"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name} must be positive")
    for name in ("cma_evaluations", "points", "seed", "on_grid"):
        if getattr(arguments, name) < 0:
            raise InputError(f"--{name.replace('_', '-')} must not be negative")
    chosen = [f for f in forms() if arguments.form is None or f.name in arguments.form]
    unknown = sorted(set(arguments.form or ()) - {f.name for f in chosen})
    if unknown:
        raise InputError(f'--form "{unknown[0]}" is unknown; there are {", ".join(f.name for f in forms())}')
    dataset = Dataset.open(arguments.dataset)
    problem, reduced = (FitProblem.from_dataset(dataset, level=level) for level in ("full", "reduced"))
    sample = _Grid.make(dataset, problem, arguments.points) if arguments.points and arguments.cma_evaluations else None
    whole = _Grid.make(dataset, problem, None) if arguments.on_grid else None
    rows = []
    for functional in chosen:
        row = _one(functional, problem, reduced, arguments, sample, whole)
        rows.append(row)
        if row["cma"] is not None and row["loss"] > row["cma"]["loss"] + _TOLERANCE:
            raise FastsfesError(
                f"{functional.name}: CMA-ES reached {row['cma']['loss']:.6f} kcal/mol, we only {row['loss']:.6f}"
            )
    rates = [_rate(reduced, arguments, nonlinear) for nonlinear in (True, False)]
    return {
        "dataset": dataset.name,
        "reactions": {block: len(r) for block, r in problem.reactions.items()},
        "forms": rows,
        "grid_points": None if sample is None else sample.all_points,
        "rates": rates,
        "targets": _targets(rows, rates[0]),
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as text."""
    lines = [
        f"fits to {result['reactions']['train']} training reactions of {result['dataset']} "
        f"(losses: WRMSD in kcal/mol on all nodes; times measured, on the grid computed; first fit: processor time)",
        f"{'form':10s} {'parameters':>10s} {'non-linear':>10s} {'loss':>11s} {'first fit':>10s} {'again':>9s}"
        f" {'CMA-ES':>11s} {'losses':>7s} {'on nodes':>9s} {'jax loss':>9s} {'on the grid':>11s} {'ratio':>9s}",
    ]
    for row in result["forms"]:
        text = (
            f"{row['name']:10s} {row['parameters']:10d} {row['nonlinear']:10d} {row['loss']:11.6f} "
            f"{1e3 * row['first_seconds']:7.2f} ms {1e3 * row['seconds']:6.2f} ms"
        )
        cma = row["cma"]
        if cma is not None:
            text += f" {cma['loss']:11.6f} {cma['evaluations']:7d} {cma['seconds']:7.2f} s"
            if cma["jax_seconds"] is not None:
                text += (
                    f" {cma['jax_loss_seconds']:7.2f} s {cma['jax_seconds']:9.0f} s"
                    f" {cma['jax_seconds'] / row['first_seconds']:9.0f}"
                )
        lines.append(text)
        if row["on_grid"] is not None:
            grid = row["on_grid"]
            lines.append(
                f"{'':10s} on the grid itself, measured: ours {grid['ours']:.6f}, CMA-ES {grid['loss']:.6f} after "
                f"{grid['evaluations']} losses in {grid['seconds']:.1f} s"
            )
    if any(row["cma"] is not None and row["cma"]["jax_seconds"] is not None for row in result["forms"]):
        lines.append(
            f"jax loss: one loss by jax.jit in double precision on the grid, measured on part of its "
            f"{result['grid_points']} points and scaled; on the grid: computed, the number of losses that CMA-ES took "
            f"on the nodes times that; ratio: to our first fit, starts on the reduced nodes and analysis included"
        )
    for rate in result["rates"]:
        lines.append(
            f"batch of {rate['candidates']} random forms, {rate['parameters']:.0f} parameters, {rate['nonlinear']:.0f} "
            f"non-linear: {rate['first_per_second']:.0f} fitted candidates per second and core, "
            f"{rate['again_per_second']:.0f} when their columns are known ({rate['evaluations']:.1f} evaluations each)"
        )
    lines += [line for row in result["targets"] if (line := row_text(row))]
    return "\n".join(lines)


def _targets(rows: Sequence[dict[str, Any]], rate: dict[str, Any]) -> list[dict[str, Any]]:
    """The worst figures beside what is aimed at."""
    out = []
    compared = [row for row in rows if row["cma"] is not None]
    if compared:
        worst = max(row["loss"] - row["cma"]["loss"] for row in compared)
        out.append(figure("loss above that of CMA-ES, at most", worst, "kcal/mol", target=_TOLERANCE, larger=False))
    ratios = [row["cma"]["jax_seconds"] / row["first_seconds"] for row in compared if row["cma"]["jax_seconds"]]
    if ratios:
        out.append(figure("times faster than CMA-ES on the grid, at least", min(ratios), "x", target=5000))
    name = "fitted candidates per second and core"
    return [*out, figure(name, rate["first_per_second"], "1/s", target=300)]


@dataclass(frozen=True)
class _Grid:
    """Grid points of training species: all, or part of them with the number that all have."""

    points: GridPoints
    all_points: int
    dataset: Dataset
    reactions: Sequence[Reaction]

    @classmethod
    def make(cls, dataset: Dataset, problem: FitProblem, limit: int | None) -> _Grid:
        reactions = problem.reactions["train"]
        names = sorted({dataset.representative(n) for r in reactions for n in r.coefficients})
        frame = problem.frame
        keys = {kind: channel_key(kind, frame.hybrid.omega, frame.correlation) for kind in problem.kinds}
        chosen = names if limit is None else species_within(dataset, names, limit)
        points = GridPoints.collect(dataset, keys, chosen)
        return cls(points, estimated_points(dataset, names, points), dataset, reactions)

    def seconds_per_loss(self, fitted: Functional) -> float | None:
        """Time of one loss by jax.jit, scaled to all points; its energies are compared with the nodes' first."""
        energies = self.points.jax(fitted)
        if energies is None:
            return None
        vector = np.array([v for kind in self.points.channels for v in fitted.channels[kind].parameters.values()])
        quadrature = Quadrature.load(self.dataset)
        rows = [quadrature.row[name] for name in self.points.names]
        on_nodes = quadrature.energies(fitted)[rows]
        difference = HARTREE_TO_KCAL * float(np.abs(np.asarray(energies(vector)) - on_nodes).max())
        if not difference < _AGREEMENT:
            raise FastsfesError(f"{fitted.name}: grid and nodes differ by {difference:.1e} kcal/mol per species")
        return best_of(lambda: energies(vector), 0.5) * self.all_points / self.points.points


def _functional(name: str, texts: Sequence[str]) -> Functional:
    channels = {}
    for kind, text in zip(_KINDS, texts, strict=True):
        expression = Expression.parse(text)
        scales = {"g": 0.01, "kappa": 0.804, "mu": 0.22, "beta_x": 0.0042, "a": 0.01, "b": 0.5}
        channels[kind] = Channel(expression, {p: scales.get(p, 1.0) for p in expression.parameters})
    return Functional(name, channels)


def _one(
    functional: Functional,
    problem: FitProblem,
    reduced: FitProblem,
    arguments: argparse.Namespace,
    sample: _Grid | None,
    whole: _Grid | None,
) -> dict[str, Any]:
    settings = FitSettings(starts=arguments.starts, seed=arguments.seed, max_evaluations=200, ftol=1e-10)

    def ours() -> Fitted:
        return fit_through_levels(problem, reduced, functional, settings, threads=1)

    start = time.process_time()  # one thread; it happens once, so nothing else on the machine may count
    fitted = ours()
    first = time.process_time() - start
    if not np.isfinite(fitted.losses["train"]):
        raise FastsfesError(f"{functional.name} could not be fitted: {fitted.message}")
    seconds = best_of(ours, 0.1)
    vector = problem.vector(functional)
    cma = on_grid = None
    if arguments.cma_evaluations:
        cma = _cma(problem.core, functional, problem, arguments.cma_evaluations, arguments.seed)
        cma["jax_loss_seconds"] = None if sample is None else sample.seconds_per_loss(fitted.functional)
        per_loss = cma["jax_loss_seconds"]
        cma["jax_seconds"] = None if per_loss is None else cma["evaluations"] * per_loss
    if whole is not None:
        energies = whole.points.jax(functional)
        if energies is None:
            raise FastsfesError("--on-grid needs jax: pip install 'fastsfes[bench]'")
        losses = GridLoss.make(energies, whole.points, whole.dataset, whole.reactions)
        (there,) = losses.losses([], [problem.vector(fitted.functional)])
        if not abs(there - fitted.losses["train"]) < _AGREEMENT:
            raise FastsfesError(
                f"{functional.name}: {there:.6f} on the grid, {fitted.losses['train']:.6f} on the nodes"
            )
        on_grid = {**_cma(losses, functional, problem, arguments.on_grid, arguments.seed), "ours": float(there)}
    return {
        "name": functional.name,
        "parameters": len(vector),
        "nonlinear": len(vector) - len(fitted.linear),
        "loss": fitted.losses["train"],
        "validation": fitted.losses.get("validation"),
        "status": fitted.status,
        "evaluations": fitted.evaluations,
        "first_seconds": first,
        "seconds": seconds,
        "cma": cma,
        "on_grid": on_grid,
    }


def _cma(losses: Losses, functional: Functional, problem: FitProblem, evaluations: int, seed: int) -> dict[str, Any]:
    """CMA-ES from the same start, with SyFES's settings."""
    start = time.perf_counter()
    _, loss, spent = minimise_cma(
        losses,
        problem.expressions(functional),
        problem.vector(functional),
        CmaSettings(max_evaluations=evaluations),
        seed,
        positive=problem.scales(functional),
    )
    return {"loss": loss, "evaluations": spent, "seconds": time.perf_counter() - start}


def _random_form(rng: np.random.Generator, nonlinear: bool) -> tuple[str, ...]:
    """A sum of random products per channel: 20 parameters with three scales, or 17 linear ones."""

    def term() -> str:
        a, b = rng.choice([0, 1, 2, 3, 4, 6], size=2)
        factors = []
        if a:
            factors.append(f"u(x2, g)**{a}" if nonlinear else f"(x2/({a} + x2))**{a}")
        if b:
            factors.append(f"w**{b}")
        if rng.random() < 0.25:
            factors.append("log1p(s2)")
        return "*".join(factors) or "1"

    first = "c0*u(x2, g)" if nonlinear else "c0"
    return tuple(" + ".join([first, *(f"c{i}*{term()}" for i in range(1, n))]) for n in (5, 6, 6))


def _rate(problem: FitProblem, arguments: argparse.Namespace, nonlinear: bool) -> dict[str, Any]:
    """Fitted candidates per second of processor time, from nothing known to all columns known."""
    rng = np.random.default_rng(arguments.seed + 1)
    batch = [_functional(f"random {i}", _random_form(rng, nonlinear)) for i in range(arguments.candidates)]
    rates = []
    for _ in range(2):
        start = time.process_time()
        fitted = problem.fit(batch, FitSettings(), threads=1)
        rates.append(len(batch) / (time.process_time() - start))
    sizes = [len(problem.vector(f)) for f in batch]
    return {
        "candidates": len(batch),
        "parameters": float(np.mean(sizes)),
        "nonlinear": float(np.mean([n - len(f.linear) for n, f in zip(sizes, fitted, strict=True)])),
        "evaluations": float(np.mean([f.evaluations for f in fitted])),
        "first_per_second": rates[0],
        "again_per_second": rates[1],
    }
