"""``fastsfes-bench kernels``: compiled kernels and interpreter against other libraries, and against the machine."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsfes import _core
from fastsfes.common.errors import InputError
from fastsfes.formula import features
from fastsfes.formula.expression import Expression
from fastsfes.functionals.functional import EnergyDensity, Functional
from fastsfes.functionals.registry import get_functional

from . import peers
from .points import FloatArray, Points, load
from .report import Report, row_text
from .scf import SIDES, cold_scf, python_without_kernels
from .timing import CLOCKS, interleave, once

INTERPRETER, COMPILED = 1, 2
_FEW = 100_000  # points that caches hold, and that slow peers can do
PARTS = ("factors", "functionals", "first", "interpreter", "latency", "peers", "roofline")

# Candidates as a search makes them, full of exponentials, logarithms and roots.
CANDIDATES = (
    "c0 + c1*exp(-x2)*log1p(w**2)",
    "c0*sqrt(x2)/(1 + c1*cbrt(x2)) + exp(-c2*w**2)",
    "log1p(c0*x2)*exp(c1*w) + sqrt(1 + x2)",
    "c0 + c1*log(1 + sqrt(x2)) - c2*exp(-w)",
    "exp(c0*w)/(1 + exp(-c1*x2)) + cbrt(1 + x2)",
    "c0*x2**(2/3) + c1*log1p(x2)*sqrt(1 + w**2)",
    "log1p(exp(c0*w)) + c1*cbrt(x2)*exp(-x2)",
    "sqrt(c0 + exp(-x2) + log1p(w**2)) + c1*cbrt(x2)",
)
PARAMETERS = {"c0": 0.7, "c1": 0.3, "c2": 1.1}


SUMMARY = "speed of compiled kernels and interpreter, against other libraries"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this benchmark."""
    parser.add_argument("--points", type=int, default=1_000_000, help="least number of grid points (default 1,000,000)")
    parser.add_argument("--threads", type=int, default=2, help="threads of every library (default 2)")
    parser.add_argument("--repeats", type=int, default=21, help="runs of each case; the median counts (default 21)")
    parser.add_argument(
        "--clock",
        choices=tuple(CLOCKS),
        default="wall",
        help="wall time, or processor time summed over threads, for machines that others use too (default wall)",
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the figures as tables to FILE")
    parser.add_argument("--only", choices=PARTS, action="append", help="parts to run, may be repeated (default all)")


def table(result: dict[str, Any]) -> str:
    """The figures as text."""
    machine = result["machine"]
    lines = [f"kernels on {machine['processor']}, {machine['cores']} cores"]
    lines += [text for row in result["rows"] if (text := row_text(row)) is not None]
    return "\n".join(lines)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run the parts that were asked for."""
    report = Report()
    _run(report, options)
    return report.data()


def _run(report: Report, options: argparse.Namespace) -> None:
    if min(options.points, options.threads, options.repeats) < 1:
        raise InputError("--points, --threads and --repeats must be at least 1")
    parts = options.only or PARTS
    with _own_cache():
        closed = load(options.points, polarised=False) if {"factors", "functionals"} & set(parts) else None
        if closed is not None:
            report.note(f"closed shells: {len(closed):,} points, {closed.source}, {options.threads} threads")
        for part in PARTS:
            if part not in parts:
                continue
            if part == "factors" and closed is not None:
                enhancement_factors(report, closed, options)
            elif part == "functionals" and closed is not None:
                full_functionals(report, closed, options)
                opened = load(options.points, polarised=True)
                report.note(f"open shells: {len(opened):,} points, {opened.source}")
                full_functionals(report, opened, options)
            elif part == "first":
                first_use(report, options)
            elif part == "interpreter":
                interpreter(report, options)
            elif part == "latency":
                latency(report, options)
            elif part == "peers":
                other_evaluators(report, options)
            elif part == "roofline":
                roofline(report, options)


@contextmanager
def _own_cache() -> Iterator[None]:
    """A kernel cache that is empty at first and gone afterwards."""
    before = os.environ.get("FASTSFES_CACHE_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FASTSFES_CACHE_DIR"] = folder
        _core.jit_reset()
        try:
            yield
        finally:
            if before is None:
                del os.environ["FASTSFES_CACHE_DIR"]
            else:
                os.environ["FASTSFES_CACHE_DIR"] = before
            _core.jit_reset()


# ---- enhancement factors --------------------------------------------------------------------------------------------


def _channel_data(points: Points, omega: float, threads: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Features x2, w of closed shells, and weight times prefactor of the channels x, css, cos, (3, n)."""
    rho = np.stack([points.rho, points.rho]) / 2
    sigma = np.stack([points.sigma] * 3) / 4
    tau = np.stack([points.tau, points.tau]) / 2
    rows = []
    values: FloatArray = np.empty(0)
    for kind in ("x", "css", "cos"):
        terms = features.channel_features(kind, ("x2", "w"), rho, sigma, tau, omega=omega, threads=threads)
        rows.append(points.weights * len(terms) * terms[0][0])
        values = terms[0][1]
    arrays = {"x2": np.ascontiguousarray(values[0]), "w": np.ascontiguousarray(values[1])}
    return arrays, np.ascontiguousarray(np.stack(rows))


def enhancement_factors(report: Report, points: Points, options: argparse.Namespace) -> None:
    """Energies per molecule from given features and prefactors: the inner loop of a search on full grids."""
    f = get_functional("wb97m_v")
    arrays, weights = _channel_data(points, f.hybrid.omega, options.threads)
    expressions = [f.channels[kind].bound() for kind in ("x", "css", "cos")]
    report.section("wB97M-V: three enhancement factors, weighted and summed per molecule")
    _factor_sums(report, expressions, arrays, weights, points.offsets, options)
    # The same on as many of the points as caches hold, where arithmetic counts and not memory.
    few = points.head(_FEW)
    report.section(f"the same on {len(few):,} points, which stay in cache")
    arrays, weights = _channel_data(few, f.hybrid.omega, options.threads)
    _factor_sums(report, expressions, arrays, weights, few.offsets, options, target=None)


def _factor_sums(
    report: Report,
    expressions: list[Expression],
    arrays: dict[str, FloatArray],
    weights: FloatArray,
    offsets: npt.NDArray[np.int64],
    options: argparse.Namespace,
    target: float | None = 10,
) -> None:
    program = _core.Program([e._handle for e in expressions])
    own = [arrays[name] for name in program.features]
    _core.jit_compile([program], sums=True)
    n = weights.shape[1]

    def ours(backend: int, threads: int) -> Callable[[], FloatArray]:
        return lambda: program.segment_sums(own, [], weights, offsets, threads=threads, backend=backend)

    cases: dict[str, Callable[[], Any]] = {
        "fastsfes compiled": ours(COMPILED, options.threads),
        "fastsfes compiled, one thread": ours(COMPILED, 1),
        "fastsfes interpreter": ours(INTERPRETER, options.threads),
    }
    reference = _plain_sums(expressions, arrays, weights, offsets)
    scale = float(np.abs(reference).max())
    report.check("compiled sums", float(np.abs(ours(COMPILED, 2)().sum(axis=0) - reference).max()) / scale, 1e-12)
    jax = peers.optional("jax")
    if jax is None:
        report.note("jax is not installed: no comparison (pip install fastsfes[bench])")
    else:
        for name, call in _jax_sums(jax, expressions, arrays, weights, offsets).items():
            report.check(f"sums of {name}", float(np.abs(np.asarray(call()) - reference).max()) / scale, 1e-12)
            cases[name] = call
    ne = peers.optional("numexpr")
    if ne is not None:
        ne.set_num_threads(options.threads)
        out = np.empty((3, n))
        parts = [peers.numexpr_case(ne, e, arrays, {}, out[k]) for k, e in enumerate(expressions)]

        def numexpr_sums() -> FloatArray:
            for part in parts:
                part()
            return np.add.reduceat(np.einsum("kn,kn->n", out, weights), offsets[:-1])

        report.check("sums of numexpr", float(np.abs(numexpr_sums() - reference).max()) / scale, 1e-12)
        cases["numexpr"] = numexpr_sums
    # Sums of the same five arrays with next to no arithmetic: what memory lets any program do.
    plain = _core.Program([_core.Expression.parse(text) for text in ("x2", "w", "x2")])
    _core.jit_compile([plain], sums=True)
    bare = [arrays[name] for name in plain.features]
    cases[_ROOF] = lambda: plain.segment_sums(bare, [], weights, offsets, threads=options.threads, backend=COMPILED)
    seconds = interleave(cases, options.repeats, options.clock)
    for name, t in seconds.items():
        report.add(name, n / t / 1e6, "million points/s")
    best = seconds["fastsfes compiled"]
    rivals = {name: t for name, t in seconds.items() if name.startswith("jax")}
    if rivals:
        report.add("speed over the faster jax form", min(rivals.values()) / best, "x", target=target)
        report.add("speed over the other jax form", max(rivals.values()) / best, "x")
    report.add("memory traffic of the compiled form", 5 * 8 * n / best / 1e9, "GB/s")
    report.add("share of the sums without arithmetic", seconds[_ROOF] / best, "")


_ROOF = "sums of the same arrays without arithmetic"


def _plain_sums(
    expressions: list[Expression],
    arrays: dict[str, FloatArray],
    weights: FloatArray,
    offsets: npt.NDArray[np.int64],
) -> FloatArray:
    n = weights.shape[1]
    total = np.zeros(n)
    for row, e in zip(weights, expressions, strict=True):
        value = e.program.evaluate([arrays[k] for k in e.program.features], [], n=n, backend=INTERPRETER)[0]
        total += np.where(row == 0.0, 0.0, row * value)
    return np.array([np.sum(total[a:b]) for a, b in pairwise(offsets)])


def _jax_sums(
    jax: Any,
    expressions: list[Expression],
    arrays: dict[str, FloatArray],
    weights: FloatArray,
    offsets: npt.NDArray[np.int64],
) -> dict[str, Callable[[], Any]]:
    """jax.jit of the same arithmetic, the sums written in two ways."""
    table = peers.jax_table()
    jnp = jax.numpy
    bounds = [int(b) for b in offsets]
    ids = np.repeat(np.arange(len(bounds) - 1), np.diff(offsets))

    def energy(x2: Any, w: Any, weights: Any) -> Any:
        leaves = {"x2": x2, "w": w}
        return sum(weights[k] * peers.translate(e, leaves, table) for k, e in enumerate(expressions))

    def slices(x2: Any, w: Any, weights: Any) -> Any:
        total = energy(x2, w, weights)
        return jnp.stack([jnp.sum(total[a:b]) for a, b in pairwise(bounds)])

    def segments(x2: Any, w: Any, weights: Any) -> Any:
        total = energy(x2, w, weights)
        return jax.ops.segment_sum(total, ids, num_segments=len(bounds) - 1, indices_are_sorted=True)

    data = [jnp.asarray(a) for a in (arrays["x2"], arrays["w"], weights)]

    def case(function: Callable[..., Any]) -> Callable[[], Any]:
        compiled = jax.jit(function)
        return lambda: compiled(*data).block_until_ready()

    return {"jax.jit, sums of slices": case(slices), "jax.jit, segment_sum": case(segments)}


# ---- full functionals -----------------------------------------------------------------------------------------------


def full_functionals(report: Report, points: Points, options: argparse.Namespace) -> None:
    """Energy density and derivatives from rho, sigma, tau against libxc and xcfun as PySCF calls them."""
    from pyscf.lib import num_threads

    from fastsfes.functionals import pyscf  # noqa: F401  # from here on in PySCF's threads, as functionals that are attached

    num_threads(options.threads)
    for name in ("wb97m_v", "gas22"):
        _one_functional(report, get_functional(name), points, options, (15, 15, 10))
    # xcfun has no wB97M-V; of the functionals that it has, RPBE has the same constants in all three
    few = points.head(_FEW)
    report.note(f"{len(few):,} points for a functional that xcfun has")
    _one_functional(report, get_functional("rpbe"), few, options, (None, None, None), xcfun="rpbex,pbec")


def _one_functional(
    report: Report,
    f: Functional,
    points: Points,
    options: argparse.Namespace,
    targets: tuple[int | None, int | None, int | None],
    xcfun: str = "",
) -> None:
    polarised = points.rho.ndim == 2
    n = len(points)
    rows = {"lda": 1, "gga": 4, "mgga": 5}[f.family]
    rho = np.ascontiguousarray(_libxc_input(points)[..., :rows, :])
    report.section(f"{f.name}, {'polarised' if polarised else 'unpolarised'}: from rho, sigma, tau")
    for deriv, target in enumerate(targets):

        def ours(backend: str = "compiled", deriv: int = deriv) -> EnergyDensity:
            _core.jit_set_backend(("auto", "interpreter", "compiled").index(backend))
            return f.energy_density(points.rho, points.sigma, points.tau, deriv, threads=options.threads)

        cases: dict[str, Callable[[], Any]] = {
            "fastsfes compiled": ours,
            "fastsfes interpreter": partial(ours, "interpreter"),
            **peers.density_functionals(f.libxc, xcfun, rho, int(polarised), deriv),
        }
        for name in list(cases)[2:]:
            _check_against(report, f"{f.name} deriv {deriv}, {name}", ours(), cases[name](), points)
        seconds = interleave(cases, options.repeats, options.clock)
        _core.jit_set_backend(0)
        what = ("energy", "and first derivatives", "and second derivatives")[deriv]
        for name, t in seconds.items():
            report.add(f"{what}: {name}", n / t / 1e6, "million points/s")
        for name in list(cases)[2:]:
            wanted = target if name.startswith("libxc") else None
            report.add(f"{what}: speed over {name}", seconds[name] / seconds["fastsfes compiled"], "x", target=wanted)


def _libxc_input(points: Points) -> FloatArray:
    """PySCF's layout, per spin: rho, the gradient's three components, tau; gradients that give the same sigma."""
    if points.rho.ndim == 1:
        grad = np.zeros((3, len(points)))
        grad[0] = np.sqrt(points.sigma)
        return np.concatenate([points.rho[None], grad, points.tau[None]])
    aa, ab, bb = points.sigma
    a = np.sqrt(aa)
    # beta's gradient in a plane with alpha's, at the angle that gives the product ab
    along = np.where(a > 0, ab / np.where(a > 0, a, 1), 0.0)
    across = np.sqrt(np.maximum(bb - along**2, 0.0))
    zero = np.zeros_like(a)
    return np.stack(
        [
            np.stack([points.rho[0], a, zero, zero, points.tau[0]]),
            np.stack([points.rho[1], along, across, zero, points.tau[1]]),
        ]
    )


def _check_against(report: Report, name: str, ours: EnergyDensity, theirs: Any, points: Points) -> None:
    total = points.rho if points.rho.ndim == 1 else points.rho.sum(axis=0)
    energy = float(np.dot(points.weights, ours.exc))
    reference = float(np.dot(points.weights, theirs[0] * total))
    # the two drop points below different thresholds
    report.check(f"{name}: energy", abs(energy - reference) / abs(reference), 1e-8)
    if ours.vrho is None:
        return
    v = ours.vrho if ours.vrho.ndim == 1 else ours.vrho[0]
    dense = (points.rho if points.rho.ndim == 1 else points.rho.min(axis=0)) > 1e-6
    report.check(f"{name}: vrho", float(np.abs(v - theirs[1])[dense].max()), 1e-8)


# ---- the first use, by default settings ------------------------------------------------------------------------------

_FIRST_CALLS = """
import json, sys, time
import numpy as np
import fastsfes as fs
f = fs.get_functional(sys.argv[1])
n, deriv, threads = map(int, sys.argv[2:5])
rng = np.random.default_rng(0)
rho, sigma, tau = rng.uniform(1e-4, 2, n), rng.uniform(0, 1, n), rng.uniform(1e-3, 2, n)
f.energy_density(rho[:1], sigma[:1], tau[:1], deriv, threads=threads)  # formulas are derived here
calls, start = [], time.perf_counter()
while len(calls) < 2 or time.perf_counter() - start < 2:
    before = time.perf_counter()
    f.energy_density(rho, sigma, tau, deriv, threads=threads)
    calls.append(time.perf_counter() - before)
print(json.dumps(calls))
"""


def first_use(report: Report, options: argparse.Namespace) -> None:
    """The first calls of a functional, and the first SCF of water, in processes without any kernel."""
    n = 200_000
    report.section(f"first use of a functional by default settings, no kernel yet, {n:,} points a call")
    for name in ("gas22", "wb97m_v"):
        for deriv in (1, 2):
            calls = json.loads(python_without_kernels(_FIRST_CALLS, name, str(n), str(deriv), str(options.threads)))
            for what, seconds in (("first", calls[0]), ("second", calls[1]), ("last of 2 s", calls[-1])):
                report.add(f"{name}, derivative {deriv}: {what} call", seconds / n * 1e9, "ns/point")
    report.section("first SCF of water in a process without any kernel (wall time)")
    for name in ("pbe", "wb97m_v"):
        for side in SIDES:
            report.add(f"{name}: {side}", cold_scf("water", name, side), "s")


# ---- interpreter, latency, other evaluators, machine ----------------------------------------------------------------


def _candidate_arrays(n: int) -> dict[str, FloatArray]:
    rng = np.random.default_rng(0)
    return {"x2": rng.exponential(2.0, n), "w": rng.uniform(-1, 1, n)}


def _candidate_cases(
    expression: Expression, arrays: dict[str, FloatArray], threads: int, backend: int
) -> Callable[[], FloatArray]:
    program = expression.program
    own = [arrays[name] for name in program.features]
    values = [PARAMETERS[name] for name in program.parameters]
    n = len(own[0])
    weights = np.ones(n)
    return lambda: program.segment_sums(own, values, weights, [0, n], threads=threads, backend=backend)


def interpreter(report: Report, options: argparse.Namespace) -> None:
    """Speed of the interpreter relative to the kernel, and the number of points at which compiling pays."""
    report.section("interpreter against compiled kernel, one thread, expressions full of exp, log and roots")
    arrays = _candidate_arrays(200_000)
    ratios, break_even = [], []
    for text in CANDIDATES:
        e = Expression.parse(text)
        alone = once(partial(_core.jit_compile, [e.program], sums=True), options.clock)
        slow, fast = (_candidate_cases(e, arrays, 1, b) for b in (INTERPRETER, COMPILED))
        report.check(text, 0.0 if np.array_equal(slow(), fast()) else 1.0, 0.0)
        seconds = interleave({"interpreter": slow, "compiled": fast}, options.repeats, options.clock)
        ratios.append(seconds["compiled"] / seconds["interpreter"])
        saved = (seconds["interpreter"] - seconds["compiled"]) / 200_000
        break_even.append(alone / saved if saved > 0 else np.inf)
        report.add(text, ratios[-1], "of the kernel's speed")
        estimate = _core.jit_costs(e.program)
        report.note(
            f"    {seconds['interpreter'] / 2e-4:.1f} ns interpreted (estimate {estimate[0]:.1f}), "
            f"{seconds['compiled'] / 2e-4:.1f} ns compiled, compiled in {alone * 1e3:.0f} ms "
            f"(estimate {estimate[1] / 1e6:.0f})"
        )
    report.add("median", float(np.median(ratios)), "of the kernel's speed", target=0.4)
    report.add("break-even, median over the expressions", float(np.median(break_even)) / 1e6, "million points")


def latency(report: Report, options: argparse.Namespace) -> None:
    """Time from expression to kernel: alone, among 64, and from the disk cache."""
    report.section("compile latency")

    def fresh(k: int) -> Expression:
        # a different power keeps the code of every one distinct
        return Expression.parse(f"{CANDIDATES[k % len(CANDIDATES)]} + c0*w**{2 + k // len(CANDIDATES)}")

    alone = []
    for k in range(min(options.repeats, 21)):
        program = Expression.parse(f"{CANDIDATES[k % len(CANDIDATES)]} - c1*w**{20 + k}").program
        alone.append(once(partial(_core.jit_compile, [program]), options.clock))
    report.add("one alone, median", float(np.median(alone)) * 1e3, "ms", target=150, larger=False)
    programs = [fresh(k).program for k in range(64)]
    together = once(lambda: _core.jit_compile(programs), options.clock)
    report.add("64 together, each", together / 64 * 1e3, "ms", target=15, larger=False)
    _core.jit_reset()
    loaded = []
    for k in range(64):
        program = fresh(k).program
        loaded.append(once(partial(_core.jit_compile, [program])))
    if _core.jit_statistics()["from_disk"] != 64:
        report.check("kernels from the disk cache", float("nan"), 0.0)
    report.add("from the disk cache, median", float(np.median(loaded)) * 1e3, "ms", target=1, larger=False)


def other_evaluators(report: Report, options: argparse.Namespace) -> None:
    """heyoka, numexpr and operon on the same expressions and points."""
    report.section("other evaluators on the same expressions, a million points, double precision (operon: single)")
    n = 1_000_000
    arrays = _candidate_arrays(n)
    hy, ne, op = (peers.optional(name) for name in ("heyoka", "numexpr", "pyoperon"))
    for name, module in (("heyoka", hy), ("numexpr", ne), ("pyoperon", op)):
        if module is None:
            report.note(f"{name} is not installed: no comparison (pip install fastsfes[bench])")
    speed: dict[int, list[float]] = {1: [], options.threads: []}
    for text in CANDIDATES:
        e = Expression.parse(text)
        _core.jit_compile([e.program])
        own = {name: arrays[name] for name in e.program.features}
        values = {name: PARAMETERS[name] for name in e.program.parameters}
        inputs = list(own.values())
        reference = e.program.evaluate(inputs, list(values.values()), n=n)[0]
        for threads in sorted(speed):
            cases: dict[str, Callable[[], Any]] = {"fastsfes": _evaluation(e, inputs, list(values.values()), threads)}
            if hy is not None:
                hy.set_nthreads(threads)
                call, out = peers.heyoka_case(hy, [e], own, values)
                call()
                report.check(f"heyoka: {text}", _distance(out[0], reference), 1e-12)
                cases["heyoka"] = call
            if ne is not None:
                ne.set_num_threads(threads)
                target = np.empty(n)
                case = peers.numexpr_case(ne, e, own, values, target)
                case()
                report.check(f"numexpr: {text}", _distance(target, reference), 1e-12)
                cases["numexpr"] = case
            if op is not None and threads == 1:
                cases["operon"] = peers.operon_case(op, e, own, values)
                report.check(f"operon: {text}", _distance(np.asarray(cases["operon"](), float), reference), 1e-3)
            seconds = interleave(cases, options.repeats, options.clock)
            if "heyoka" in seconds:
                speed[threads].append(seconds["heyoka"] / seconds["fastsfes"])
            rates = ", ".join(f"{name} {n / t / 1e6:.0f}" for name, t in seconds.items())
            report.note(f"{text}: {threads} thread{'s' if threads > 1 else ''}, million points/s: {rates}")
    for threads, ratios in speed.items():
        if ratios:
            report.add(f"speed over heyoka, {threads} threads, least", min(ratios), "x", target=1)
            report.add(f"speed over heyoka, {threads} threads, median", float(np.median(ratios)), "x")


def _evaluation(
    expression: Expression, inputs: list[FloatArray], values: list[float], threads: int
) -> Callable[[], FloatArray]:
    out = np.empty((1, len(inputs[0])))
    program = expression.program
    return lambda: program.evaluate(inputs, values, threads=threads, backend=COMPILED, out=out)


def _distance(a: FloatArray, b: FloatArray) -> float:
    return float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b))))


def roofline(report: Report, options: argparse.Namespace) -> None:
    """What the machine can do at most: fused multiply-adds in cache, and bytes from memory."""
    report.section("roofline of this machine, measured with kernels of our own")
    small = _candidate_arrays(2048)
    text = "w"
    terms = 64
    for k in range(terms):
        text = f"({text})*x2 + c{k % 3}"
    # as many independent chains as it takes to hide the latency of an operation, and as the registers hold
    count = 10
    chains = [Expression.parse(text.replace("w", f"w*{1 + k}", 1)) for k in range(count)]
    program = _core.Program([e._handle for e in chains])
    _core.jit_compile([program], sums=True)
    repeat = 128
    arrays = [np.tile(small[name], 1) for name in program.features]
    values = [0.01 for _ in program.parameters]
    weights = np.ones(2048)

    def compute() -> None:
        for _ in range(repeat):
            program.segment_sums(arrays, values, weights, [0, 2048], threads=1, backend=COMPILED)

    n = 8_000_000
    big = [np.ones(n) for _ in range(5)]
    stream = _core.Program([_core.Expression.parse("x2 + w + s2 + rho")])
    _core.jit_compile([stream], sums=True)

    def memory() -> None:
        stream.segment_sums(big[:4], [], big[4], [0, n], threads=options.threads, backend=COMPILED)

    seconds = interleave({"compute": compute, "memory": memory}, options.repeats, options.clock)
    flops = 2 * terms * count * 2048 * repeat
    report.add("fused multiply-adds, one thread", flops / seconds["compute"] / 1e9, "GFLOP/s")
    report.add(f"read from memory, {options.threads} threads", 5 * 8 * n / seconds["memory"] / 1e9, "GB/s")
