"""The vector mathematics against 50-digit arithmetic, and the same bits from every instruction set and compiler."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from fastsfes import build_info

ROOT = Path(__file__).resolve().parents[2] / "csrc"
FLAGS = ["-std=c++20", "-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fPIC", "-shared"]
ISA_FLAGS = {
    "generic": [],
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
}
NAMES = ("exp", "expm1", "log", "log1p", "cbrt", "sqrt", "tanh", "erf", "asinh", "sin", "cos", "atan", "sinh", "cosh")
EXACT: dict[str, Callable[[mp.mpf], mp.mpf]] = {
    **{n: getattr(mp, n) for n in NAMES if n != "cbrt"},
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
}
TOP = 1.7976931348623157e308
EDGES = np.array(
    [
        0.0,
        -0.0,
        np.inf,
        -np.inf,
        np.nan,
        5e-324,
        -5e-324,
        2.3e-308,
        -1e-310,
        1.0,
        -1.0,
        TOP,
        -TOP,
        0.5,
        2.0,
        3.0,
        27.0,
        1 - 2 ** (-53),
        1 + 2 ** (-52),
        -1 + 2 ** (-53),
        709.782712893384,
        709.7827128933841,
        -745.1332191019411,
        -745.2,
        -708.4,
        5.95,
        6.0,
        1e154,
        1e155,
        2.0**53,
        2.0**54,
        0.55,
        1e-09,
        -1e-09,
        45.0,
        -45.0,
    ]
)

Library = dict[str, Callable[..., np.ndarray]]


def load(path: Path) -> Library:
    library = ctypes.CDLL(str(path))
    pointer = ctypes.POINTER(ctypes.c_double)

    def wrap(name: str) -> Callable[..., np.ndarray]:
        function = getattr(library, f"vm_{name}")

        def call(*arrays: np.ndarray) -> np.ndarray:
            own = [np.ascontiguousarray(a, dtype=float) for a in arrays]
            out = np.empty_like(own[0])
            function(*(a.ctypes.data_as(pointer) for a in (*own, out)), ctypes.c_long(out.size))
            return out

        return call

    return {name: wrap(name) for name in (*NAMES, "pow")}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Library]:
    """The loops of vmath.h compiled for every instruction set this processor has, by every compiler found."""
    compilers = {name: shutil.which(name) for name in ("g++", "clang++", "clang++-14")}
    compilers = {name: path for name, path in compilers.items() if path is not None}
    if not compilers:
        pytest.skip("no C++ compiler")
    isas = ["generic", "avx2", "avx512"]
    isas = isas[: isas.index(build_info()["isa"]) + 1] if platform.machine() in ("x86_64", "AMD64") else ["generic"]
    folder = tmp_path_factory.mktemp("vmath")
    result = {}
    for name, compiler in compilers.items():
        for isa in isas:
            target = folder / f"{name}-{isa}.so"
            source = ROOT / "tests" / "vmath_loops.cpp"
            subprocess.run(
                [compiler, *FLAGS, *ISA_FLAGS[isa], f"-I{ROOT}", str(source), "-o", str(target), "-lm"], check=True
            )
            result[f"{name} {isa}"] = load(target)
    return result


def powers_of_two(rng: np.random.Generator, low: float, high: float, n: int) -> np.ndarray:
    return 2.0 ** rng.uniform(low, high, n) * rng.choice([-1.0, 1.0], n)


def near_multiples(rng: np.random.Generator, n: int) -> np.ndarray:
    """Angles of all sizes, and doubles beside multiples of pi/2, among them the nearest of all (1.6e-19 away)."""
    beside = [float(mp.mpf(int(k)) * mp.pi / 2) for k in 2.0 ** rng.uniform(0, 60, n)]
    return np.r_[rng.uniform(-8, 8, n), beside, 6381956970095103.0 * 2.0**797]


def samples(name: str, n: int) -> np.ndarray:
    rng = np.random.default_rng(NAMES.index(name))
    wide = powers_of_two(rng, -1074, 1024, n)
    narrow = {
        "exp": np.r_[rng.uniform(-746, 710, n), rng.uniform(-1, 1, n)],
        "expm1": np.r_[rng.uniform(-50, 710, n), rng.uniform(-1.5, 1.5, 2 * n)],
        "log": np.r_[rng.uniform(0.5, 2, n), 1 + powers_of_two(rng, -52, -1, n)],
        "log1p": np.r_[rng.uniform(-0.999, 3, n), powers_of_two(rng, -60, 0, n), -1 + 2.0 ** rng.uniform(-53, -1, n)],
        "tanh": rng.uniform(-3, 3, 2 * n),
        "erf": np.r_[rng.uniform(-6.2, 6.2, n), rng.uniform(0.8, 1.3, n)],
        "asinh": np.r_[rng.uniform(-3, 3, n), powers_of_two(rng, -30, 60, n)],
        "sin": near_multiples(rng, n),
        "cos": near_multiples(rng, n),
        "atan": np.r_[rng.uniform(-3, 3, n), powers_of_two(rng, -30, 60, n)],
        "sinh": np.r_[rng.uniform(-711, 711, n), rng.uniform(-1.5, 1.5, n)],
        "cosh": np.r_[rng.uniform(-711, 711, n), rng.uniform(-1.5, 1.5, n)],
    }.get(name, rng.uniform(-16, 16, n))
    values = np.r_[EDGES, wide, narrow]
    return np.abs(values) if name in ("sqrt", "log") else values


def ulps(got: float, value: mp.mpf) -> float:
    """Distance in units of the last place of the exact value, denormals included."""
    if value == 0:
        return 0.0 if got == 0.0 else np.inf
    if not np.isfinite(got):
        overflows = abs(value) >= mp.mpf(2) ** 1024 * (1 - mp.mpf(2) ** -54)
        return 0.0 if overflows and np.sign(got) == mp.sign(value) else np.inf
    exponent = max(int(mp.floor(mp.log(abs(value), 2))), -1022)
    return float(abs(mp.mpf(got) - value) / mp.mpf(2) ** (exponent - 52))


@pytest.mark.parametrize("name", NAMES)
def test_accuracy(libraries: dict[str, Library], name: str) -> None:
    x = samples(name, 600)
    library = next(iter(libraries.values()))
    worst = 0.0
    with mp.workdps(50):
        for a, got in zip(x, library[name](x), strict=True):
            if not np.isfinite(a):
                continue
            if (name == "log1p" and a <= -1) or (name == "log" and a == 0):
                assert np.isnan(got) if a < -1 else got == -np.inf
                continue
            if a == 0.0 and name not in ("exp", "cos", "cosh"):
                assert got == 0.0
                assert np.signbit(got) == np.signbit(a)
                continue
            argument = mp.mpf(float(a))
            # beyond these the exact functions overflow mpmath's patience, and doubles long before
            value = (
                EXACT[name](argument)
                if abs(argument) < 1e5 or name not in ("exp", "expm1", "tanh", "erf", "sinh", "cosh")
                else None
            )
            if value is None:
                saturated = {
                    "exp": (np.inf, 0.0), "expm1": (np.inf, -1.0), "tanh": (1.0, -1.0), "erf": (1.0, -1.0),
                    "sinh": (np.inf, -np.inf), "cosh": (np.inf, np.inf),
                }  # fmt: skip
                assert got == saturated[name][0 if a > 0 else 1]
                continue
            worst = max(worst, ulps(float(got), value))
    assert worst <= 2.0


def test_power(libraries: dict[str, Library]) -> None:
    rng = np.random.default_rng(5)
    n = 600
    x = np.r_[2.0 ** rng.uniform(-1074, 1024, n), 2.0 ** rng.uniform(-20, 20, n), rng.uniform(0.5, 2, n)]
    y = np.r_[rng.uniform(-2, 2, n), powers_of_two(rng, -4, 6, n), rng.uniform(-900, 900, n)]
    got = next(iter(libraries.values()))["pow"](x, y)
    with mp.workdps(50):
        worst = max(ulps(float(g), mp.power(mp.mpf(a), mp.mpf(b))) for a, b, g in zip(x, y, got, strict=True))
    assert worst <= 2.0


def test_special_values(libraries: dict[str, Library]) -> None:
    library = next(iter(libraries.values()))
    with np.errstate(all="ignore"):
        for name in NAMES:
            if name == "erf":
                np.testing.assert_array_equal(
                    library[name](np.array([np.inf, -np.inf, np.nan, -0.0])), [1, -1, np.nan, 0]
                )
                continue
            reference = getattr(np, {"asinh": "arcsinh"}.get(name, name))(EDGES)
            got = library[name](EDGES)
            finite = np.isfinite(reference) & (reference != 0)
            np.testing.assert_array_equal(got[~finite], reference[~finite])
            np.testing.assert_array_equal(np.signbit(got[reference == 0]), np.signbit(reference[reference == 0]))
        values = np.r_[EDGES, -3.0, -2.5, 1e20, 2.0**52 + 1, -(2.0**53 - 1)]
        x, y = (a.ravel() for a in np.meshgrid(values, values))
        reference = x**y
        got = library["pow"](x, y)
        exact = ~np.isfinite(reference) | (reference == 0)
        np.testing.assert_array_equal(got[exact], reference[exact])
        np.testing.assert_array_equal(np.signbit(got[reference == 0]), np.signbit(reference[reference == 0]))
        np.testing.assert_array_equal(np.sign(got), np.sign(reference))


def test_every_build_gives_the_same_bits(libraries: dict[str, Library]) -> None:
    rng = np.random.default_rng(9)
    patterns = rng.integers(0, 2**64, 20_001, dtype=np.uint64).view(float)
    first, *others = libraries.values()
    for name in (*NAMES, "pow"):
        x = patterns if name == "pow" else np.r_[samples(name, 2000), patterns]
        arguments = (x, np.roll(x, 7)) if name == "pow" else (x,)
        expected = first[name](*arguments)
        for other in others:
            got = other[name](*arguments)
            same = (got.view(np.uint64) == expected.view(np.uint64)) | (np.isnan(got) & np.isnan(expected))
            assert same.all(), name
