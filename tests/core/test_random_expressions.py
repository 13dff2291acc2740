"""Interpreter against compiled kernel against 50-digit arithmetic, values and derivatives."""

from __future__ import annotations

import shutil
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from random_expressions import FEATURES, Undecided, covered_operators, exact, primitive_names, random_expression

from fastsfes import Expression, _core, build_info

PARAMETERS = {"p": 0.71, "q": -1.3}
INTERPRETER, COMPILED = 1, 2
SPECIAL = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    5e-324,
    -3e-310,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.0,
    1.0,
]


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in every bit; any NaN equals any other, whose sign and payload IEEE leaves open."""
    return bool(np.all((a.view(np.uint64) == b.view(np.uint64)) | (np.isnan(a) & np.isnan(b))))


def inputs(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = {f: rng.uniform(-1, 1, n) if f in ("w", "zeta") else rng.exponential(2.0, n) for f in FEATURES}
    for offset, array in enumerate(values.values()):
        # every special value meets every feature, at places that differ between features
        places = (np.arange(len(SPECIAL)) * 5 + 3 * offset) % n
        array[places] = SPECIAL
    return values


def evaluate(e: Expression, values: dict[str, np.ndarray], backend: int, n: int) -> np.ndarray:
    p = e.program
    arrays = [np.ascontiguousarray(values[f][:n]) for f in p.features]
    return p.evaluate(arrays, [PARAMETERS[k] for k in p.parameters], n=n, backend=backend)[0]


def check(count: int, seed: int, points: int) -> None:
    rng = np.random.default_rng(seed)
    expressions: list[Expression] = []
    while len(expressions) < count:
        e = random_expression(rng)
        expressions.append(e)
        names = [*e.features, *e.parameters]
        if names:
            expressions.append(e.derivative(names[rng.integers(len(names))]))
    n = 331  # no multiple of a group of 8, more than one block of 256
    values = inputs(n, seed)
    decided = 0
    for first in range(0, len(expressions), 64):
        batch = expressions[first : first + 64]
        assert _core.jit_compile([e.program for e in batch]) == len(batch)
        for k, e in enumerate(batch):
            interpreted = evaluate(e, values, INTERPRETER, n)
            compiled = evaluate(e, values, COMPILED, n)
            assert same_bits(interpreted, compiled), str(e)
            short = int(rng.integers(1, 40))
            assert same_bits(evaluate(e, values, COMPILED, short), interpreted[:short]), str(e)
            for i in 60 + rng.integers(0, n - 60, points if e.complexity < 60 else 0):
                at = {**{f: float(v[i]) for f, v in values.items()}, **PARAMETERS}
                try:
                    value, bound = exact(e, at)
                except Undecided:
                    continue
                decided += 1
                got = mp.mpf(float(interpreted[i]))
                # Programs are rewritten (shared reciprocals, fused operations), which moves each step by a few ulp:
                # eight times the bound of the formula as written
                assert abs(got - value) <= 8 * bound + mp.mpf(1e-300), (str(e), at, got, value, bound, first + k)
    assert decided > count * points // 4


def test_sample_of_random_expressions() -> None:
    check(count=150, seed=7, points=2)


@pytest.mark.slow
def test_ten_thousand_random_expressions() -> None:
    check(count=10_000, seed=11, points=2)


def test_random_expressions_reach_every_primitive() -> None:
    # fma, fms and fnma are made by the program, never written
    assert set(primitive_names()) - {"fma", "fms", "fnma"} <= covered_operators()


@pytest.mark.parametrize("length", [1, 7, 8, 9, 255, 256, 257, 264, 1000])
def test_every_primitive_on_awkward_lengths(length: int) -> None:
    rng = np.random.default_rng(length)
    grid = np.array([*SPECIAL, 0.3, -2.5, 40.0, 710.0, -745.2, 1e-9])
    table = {row["name"]: row["arity"] for row in _core.operators()}
    for name in primitive_names():
        args = [Expression.parse(f) for f in FEATURES[: table[name]]]
        e = Expression.apply(name, *args)
        p = e.program
        arrays = [rng.choice(grid, length) for _ in p.features]
        interpreted = p.evaluate(arrays, [], n=length, backend=INTERPRETER)
        assert same_bits(interpreted, p.evaluate(arrays, [], n=length, backend=COMPILED)), name
        assert _core.jit_is_compiled(p)


@pytest.mark.parametrize("compiler", ["default", "g++", "clang++"])
def test_sums_and_values_of_every_compiler(compiler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiler != "default":
        if shutil.which(compiler) is None:
            pytest.skip(f"{compiler} is not installed")
        monkeypatch.setenv("CXX", compiler)
        monkeypatch.setenv("FASTSFES_CACHE_DIR", str(tmp_path))
        _core.jit_reset()
    rng = np.random.default_rng(5)
    table = {row["name"]: row["arity"] for row in _core.operators()}
    primitives = [
        _core.Program([Expression.apply(n, *(Expression.parse(f) for f in FEATURES[: table[n]]))._handle])
        for n in primitive_names()
    ]
    # several outputs, two of them equal, one a constant, one a feature
    texts = ("x2**w + p", "exp(-x2)*w", "exp(-x2)*w", "0.25", "s2", "x2**2.37 - w*x2**p")
    several = _core.Program([Expression.parse(t)._handle for t in texts])
    # chains of functions, for which kernels work on two vectors side by side where there are 512-bit registers
    texts = ("log1p(exp(p*x2))*exp(w)", "log1p(exp(p*w)) + cbrt(x2)*tanh(w)")
    chains = _core.Program([Expression.parse(t)._handle for t in texts])
    if build_info()["isa"] == "avx512":
        assert all("k = i + 8" in _core.jit_source(chains, sums=sums) for sums in (False, True))
    programs = [*primitives, several, chains]
    n = 2 * 1024 + 256 + 8 + 3  # partial sums of 1024, blocks of 256, groups of 8, and a rest
    grid = np.array([*SPECIAL, 0.3, -2.5, 40.0, 1e-9])
    assert _core.jit_compile(programs, sums=True) == len(programs)
    assert _core.jit_compile(programs) == len(programs)
    for program in programs:
        arrays = [rng.choice(grid, n) for _ in program.features]
        parameters = [0.7 for _ in program.parameters]
        weights = rng.normal(size=(program.outputs, n))
        values = program.evaluate(arrays, parameters, n=n, backend=INTERPRETER)
        assert same_bits(values, program.evaluate(arrays, parameters, n=n, backend=COMPILED))
        weights[~(np.abs(values) < 1e300)] = 0.0  # points without weight do not count, whatever their value
        offsets = [0, 5, 5, 1029, n]
        sums = [program.segment_sums(arrays, parameters, weights, offsets, backend=b) for b in (INTERPRETER, COMPILED)]
        assert same_bits(*sums), program.signature
        assert np.isfinite(sums[0]).all()
        assert _core.jit_is_compiled(program, sums=True)


def test_nan_and_infinity_pass_through() -> None:
    e = Expression.parse("exp(x2) + p*w")
    for backend in (INTERPRETER, COMPILED):
        out = evaluate(e, {"x2": np.array([np.nan, np.inf, -np.inf]), "w": np.array([1.0, 1.0, -np.inf])}, backend, 3)
        assert np.isnan(out[0])
        assert out[1] == np.inf
        assert out[2] == -np.inf


@pytest.mark.parametrize(
    "text", ["-(x2*w + s2)", "s2 - (x2*w + s2)*(x2*w + s2)*w", "x2*w - (x2*w + s2)", "-(s2 - x2*w)"]
)
def test_signs_of_fused_zeros(text: str) -> None:
    # x2*w + s2 is an exact zero here; GCC 12 negates a fused operation by fusing the sign, which loses that of the zero
    program = Expression.parse(text).program
    table = {"x2": [1.0, 1.0, -0.0, 3.0], "w": [1.0, -1.0, 0.0, 2.0], "s2": [-1.0, 1.0, -0.0, -6.0]}
    arrays = [table[f] for f in program.features]
    interpreted = program.evaluate(arrays, [], n=4, backend=INTERPRETER)
    assert same_bits(interpreted, program.evaluate(arrays, [], n=4, backend=COMPILED))
    if text == "-(x2*w + s2)":
        assert np.signbit(interpreted[0, 0])
