"""The dense kernels of the fit: right, and the same bits from every instruction set."""

from __future__ import annotations

import ctypes
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from fastsfes import build_info

ROOT = Path(__file__).resolve().parents[2] / "csrc"
FLAGS = ["-std=c++20", "-O3", "-ffp-contract=off", "-fPIC", "-shared"]
SETS = {
    "generic": ["-DFASTSFES_LANES=1", "-DFASTSFES_COLUMNS=4"],
    "avx2": ["-DFASTSFES_LANES=4", "-DFASTSFES_COLUMNS=4", "-mavx2", "-mfma"],
    "avx512": [
        *("-DFASTSFES_LANES=8", "-DFASTSFES_COLUMNS=8", "-mavx512f", "-mavx512dq", "-mavx512vl", "-mfma"),
        "-mprefer-vector-width=512",
    ],
}
PANEL = 16
Array = np.ndarray


def pointer(array: Array) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


class Kernels:
    def __init__(self, path: Path) -> None:
        self.compiled = ctypes.CDLL(str(path))
        self.compiled.fit_dot.restype = ctypes.c_double

    def dot(self, x: Array, y: Array) -> float:
        return float(self.compiled.fit_dot(pointer(x), pointer(y), ctypes.c_size_t(x.size)))

    def axpy(self, a: float, x: Array, y: Array) -> Array:
        out = y.copy()
        self.compiled.fit_axpy(ctypes.c_double(a), pointer(x), pointer(out), ctypes.c_size_t(x.size))
        return out

    def reflect(self, v: Array, tau: float, columns: Array) -> Array:
        out = columns.copy()
        first = ctypes.c_size_t(columns.shape[1] - v.size)
        self.compiled.fit_reflect(
            pointer(v), ctypes.c_double(tau), pointer(out), ctypes.c_size_t(len(out)), first, ctypes.c_size_t(v.size)
        )
        return out

    def project(self, panel: Array, columns: Array) -> Array:
        out = np.empty((len(columns), PANEL))
        depth, count = ctypes.c_size_t(len(panel)), ctypes.c_size_t(len(columns))
        self.compiled.fit_project(pointer(panel), depth, pointer(columns), count, pointer(out))
        return out


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kernels]:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    names = list(SETS)
    names = names[: names.index(build_info()["isa"]) + 1] if platform.machine() in ("x86_64", "AMD64") else names[:1]
    folder = tmp_path_factory.mktemp("linalg")
    made = {}
    for name in names:
        source, target = ROOT / "tests" / "fit_linalg.cpp", folder / f"{name}.so"
        subprocess.run([compiler, *FLAGS, *SETS[name], f"-I{ROOT}", str(source), "-o", str(target), "-lm"], check=True)
        made[name] = Kernels(target)
    return made


def test_same_bits_on_every_instruction_set(kernels: dict[str, Kernels]) -> None:
    rng = np.random.default_rng(3)
    panel = rng.normal(size=(301, PANEL))
    for count in range(1, 20):
        columns = rng.normal(size=(count, 301))
        results = [k.project(panel, columns).tobytes() for k in kernels.values()]
        assert len(set(results)) == 1
        # neither does it matter which columns are worked on together
        alone = np.concatenate([kernels["generic"].project(panel, c[None]) for c in columns])
        assert alone.tobytes() == results[0]
    for n in range(PANEL, 400, PANEL):
        x, y = rng.normal(size=(2, n))
        assert len({k.dot(x, y) for k in kernels.values()}) == 1
        assert len({k.axpy(1.7, x, y).tobytes() for k in kernels.values()}) == 1
        for count in (1, 2, 3, 4, 5, 9):
            columns = rng.normal(size=(count, n + PANEL))
            results = [k.reflect(x, 0.3, columns).tobytes() for k in kernels.values()]
            assert len(set(results)) == 1
            alone = np.concatenate([kernels["generic"].reflect(x, 0.3, c[None]) for c in columns])
            assert alone.tobytes() == results[0]


def test_against_numpy(kernels: dict[str, Kernels]) -> None:
    rng = np.random.default_rng(5)
    panel, columns = rng.normal(size=(301, PANEL)), rng.normal(size=(11, 301))
    x, y = rng.normal(size=(2, 320))
    for k in kernels.values():
        # 301 products of size 1: the rounding errors of another order
        np.testing.assert_allclose(k.project(panel, columns), columns @ panel, rtol=0, atol=1e-13)
        assert k.dot(x, y) == pytest.approx(x @ y, abs=1e-13)
        np.testing.assert_allclose(k.axpy(0.3, x, y), y + 0.3 * x, rtol=0, atol=1e-15)
        matrix = rng.normal(size=(7, 352))
        reflected = k.reflect(x, 2 / (x @ x), matrix)
        np.testing.assert_array_equal(reflected[:, :32], matrix[:, :32])  # rows before the reflector's
        expected = matrix[:, 32:] - 2 * np.outer(matrix[:, 32:] @ x, x) / (x @ x)
        np.testing.assert_allclose(reflected[:, 32:], expected, rtol=0, atol=1e-14)


def test_not_a_number_survives(kernels: dict[str, Kernels]) -> None:
    panel, columns = np.zeros((7, PANEL)), np.zeros((2, 7))
    columns[1, 3] = np.inf
    for k in kernels.values():
        out = k.project(panel, columns)
        assert np.all(out[0] == 0.0)
        assert np.isnan(out[1]).all()
