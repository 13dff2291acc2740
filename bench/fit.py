"""``fastsfes-bench fit``: loss reached and time, ours beside CMA-ES, and fitted candidates per second."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets.dataset import Dataset
from ..errors import FastsfesError, InputError
from ..expression import Expression
from ..fitting import CmaSettings, FitProblem, FitSettings, minimise_cma
from ..functional import Channel, Functional
from ..griddata import cached_blocks
from ..registry import get_functional
from .quadrature import best_of

FloatArray = npt.NDArray[np.float64]

SUMMARY = "loss reached and time of fits, ours beside CMA-ES (SyFES's way); fitted candidates per second"

#: Ours may be worse than CMA-ES by at most this much, kcal/mol.
_TOLERANCE = 1e-4

_KINDS = ("x", "css", "cos")

#: Forms of the kind that evolution ends with; g is a scale, the other letters have no preferred size.
_EVOLVED = (
    ("c0 + c1*u(x2, g)", "c0 + c1*w + c2*w**2", "c0 + c1*w"),
    ("c0 + c1*u(x2, g) + c2*w + c3*u(x2, g)*w", "c0*u(x2, g) + c1*w + c2*w**2", "c0 + c1*w**2 + c2*w**6*cbrt(x2)"),
    ("c2*pbe_x(x2, kappa, mu) + c0*w + c1*w**2", "c0 + c1*w", "c0 + c1*w + c2*w**2 + c3*u(x2, g)"),
    ("b88_x(x2, beta)*(c0 + c1*w)", "c0 + c1*u(x2, g)**2 + c2*w**3", "c0 + c1*w*u(x2, g) + c2*w**4"),
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
        "--points", type=int, default=500_000, help="points on which jax.jit is timed, then scaled (0: not timed)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of starting points, CMA-ES and the batch")


def forms() -> list[Functional]:
    """The ten forms: wB97M-V, GAS22, B97, and seven evolved ones."""
    made = [get_functional(name) for name in ("wb97m_v", "gas22", "b97")]
    for k, texts in enumerate(_EVOLVED):
        made.append(_functional(f"evolved {k + 1}", texts))
    return made


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; raises FastsfesError when CMA-ES finds a better minimum than we do."""
    for name in ("starts", "candidates"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name} must be positive")
    if arguments.cma_evaluations < 0 or arguments.points < 0 or arguments.seed < 0:
        raise InputError("--cma-evaluations, --points and --seed must not be negative")
    dataset = Dataset.open(arguments.dataset)
    problem = FitProblem.from_dataset(dataset)
    full_points = _grid_points(dataset, problem) if arguments.points and arguments.cma_evaluations else None
    rows = []
    for functional in forms():
        row = _one(functional, problem, arguments, full_points)
        rows.append(row)
        if row["cma"] is not None and row["loss"] > row["cma"]["loss"] + _TOLERANCE:
            raise FastsfesError(
                f"{functional.name}: CMA-ES reached {row['cma']['loss']:.6f} kcal/mol, we only {row['loss']:.6f}"
            )
    return {
        "dataset": dataset.name,
        "reactions": {block: len(r) for block, r in problem.reactions.items()},
        "forms": rows,
        "grid_points": full_points,
        "rates": [_rate(problem, arguments, nonlinear) for nonlinear in (True, False)],
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as text."""
    lines = [
        f"fits to {result['reactions']['train']} training reactions of {result['dataset']} "
        f"(losses: WRMSD in kcal/mol on the quadrature)",
        f"{'form':10s} {'parameters':>10s} {'non-linear':>10s} {'loss':>11s} {'first fit':>10s} {'again':>9s}"
        f" {'CMA-ES':>11s} {'losses':>7s} {'on nodes':>9s} {'jax, grid':>11s} {'ratio':>9s}",
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
                text += f" {cma['jax_seconds']:9.0f} s {cma['jax_seconds'] / row['first_seconds']:9.0f}"
        lines.append(text)
    if any(row["cma"] is not None and row["cma"]["jax_seconds"] is not None for row in result["forms"]):
        lines.append(
            f"jax, grid: number of losses times the time of one by jax.jit in double precision, timed on part of the "
            f"{result['grid_points']} points and scaled; ratio: to our first fit, starts and analysis included"
        )
    for rate in result["rates"]:
        lines.append(
            f"batch of {rate['candidates']} random forms, {rate['parameters']:.0f} parameters, {rate['nonlinear']:.0f} "
            f"non-linear: {rate['first_per_second']:.0f} fitted candidates per second and core, "
            f"{rate['again_per_second']:.0f} when their columns are known ({rate['evaluations']:.1f} evaluations each)"
        )
    return "\n".join(lines)


def _functional(name: str, texts: Sequence[str]) -> Functional:
    channels = {}
    for kind, text in zip(_KINDS, texts, strict=True):
        expression = Expression.parse(text)
        scales = {"g": 0.01, "kappa": 0.804, "mu": 0.22, "beta": 0.0042, "a": 0.01, "b": 0.5}
        channels[kind] = Channel(expression, {p: scales.get(p, 1.0) for p in expression.parameters})
    return Functional(name, channels)


def _one(
    functional: Functional, problem: FitProblem, arguments: argparse.Namespace, full_points: int | None
) -> dict[str, Any]:
    settings = FitSettings(starts=arguments.starts, seed=arguments.seed, max_evaluations=200, ftol=1e-10)
    start = time.perf_counter()
    (fitted,) = problem.fit([functional], settings, threads=1)
    first = time.perf_counter() - start
    if not np.isfinite(fitted.losses["train"]):
        raise FastsfesError(f"{functional.name} could not be fitted: {fitted.message}")
    seconds = best_of(lambda: problem.fit([functional], settings, threads=1), 0.1)
    vector = problem.vector(functional)
    cma = None
    if arguments.cma_evaluations:
        start = time.perf_counter()
        _, loss, evaluations = minimise_cma(
            problem.core,
            problem.expressions(functional),
            vector,
            CmaSettings(max_evaluations=arguments.cma_evaluations),
            arguments.seed,
            positive=problem.scales(functional),
        )
        cma = {
            "loss": loss,
            "evaluations": evaluations,
            "seconds": time.perf_counter() - start,
            "jax_seconds": None,
        }
        if full_points is not None:
            per_point = _jax_seconds_per_point(functional, arguments.points)
            cma["jax_seconds"] = None if per_point is None else evaluations * per_point * full_points
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
    }


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


def _grid_points(dataset: Dataset, problem: FitProblem) -> int:
    """Integration points of all training species, from those per atom of a few of them."""
    names = sorted({dataset.representative(n) for r in problem.reactions["train"] for n in r.coefficients})
    sample = [name for name in names[:: max(1, len(names) // 6)] if len(dataset.species[name].symbols) <= 6]
    points = sum(len(block) for name in sample for block in cached_blocks(dataset, name))
    atoms = {name: len(dataset.species[name].symbols) for name in names}
    return round(points / sum(atoms[name] for name in sample) * sum(atoms.values()))


def _jax_seconds_per_point(functional: Functional, points: int) -> float | None:
    """Time of one loss by jax.jit in double precision per point, all parameters being run-time arguments.

    Every channel is evaluated once per point, as for closed shells; spin-polarised species cost more.
    None where jax is not installed.
    """
    try:
        jax: Any = importlib.import_module("jax")
    except ImportError:
        return None
    import sympy

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    rng = np.random.default_rng(0)
    functions = []
    for channel in functional.channels.values():
        names = [*channel.expression.features, *channel.parameters]
        expression = channel.expression.to_sympy()
        symbols = {str(s): s for s in expression.free_symbols}
        function = sympy.lambdify([symbols.get(n, sympy.Symbol(n)) for n in names], expression, modules="jax")
        ranges = {"x2": np.expm1(rng.uniform(0, 8, points)), "w": rng.uniform(-0.99, 0.99, points)}
        arrays = [jnp.asarray(ranges[f]) for f in channel.expression.features]
        functions.append((function, arrays, list(channel.parameters.values())))
    weights = jnp.asarray(rng.uniform(0, 1, points))

    def total_of(data: Any, parameters: Any) -> Any:
        total: Any = 0.0
        for (function, _, _), features, values in zip(functions, data, parameters, strict=True):
            total += jnp.sum(weights * function(*features, *values))
        return total

    loss = jax.jit(total_of)
    data, parameters = [f[1] for f in functions], [f[2] for f in functions]
    if not np.isfinite(loss(data, parameters)):
        raise FastsfesError(f"{functional.name}: jax.jit gives no finite value")
    return best_of(lambda: loss(data, parameters).block_until_ready(), 0.5) / points
