"""C, C++, XCFun-style C++ and libxc's files: compiled, run, and compared with fastsfes on densities of molecules."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyscf
import pytest
from compiling import SIZES, WARNINGS, check_derivatives, compile_, interleaved, pointer, run
from export_points import NAMES, functional

import fastsfes as fs
from fastsfes.exports.describe import identifier

HERE = Path(__file__).parent
DEPS = Path(pyscf.__file__).parent / "lib" / "deps"
CC = ("gcc", "clang")
CXX = ("g++", "clang++")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["c", "cpp"])
def test_c_and_cpp(language, name, points, tmp_path):
    f = functional(name)
    ident = identifier(f.name)
    source, *_ = fs.export(f, language, tmp_path / f"made.{'c' if language == 'c' else 'hpp'}")
    standard = ("-std=c99",) if language == "c" else ("-std=c++17", "-x", "c++")
    compilers = [c for c in (CC if language == "c" else CXX) if shutil.which(c)]
    assert compilers
    for compiler in compilers:
        warned = (compiler, *standard, *WARNINGS, f"-D{ident.upper()}_SELF_TEST", str(source))
        compile_(*warned, "-lm", "-o", str(tmp_path / "check"))
        assert run(tmp_path / "check") == f"{ident}: all values agree\n"
    library = tmp_path / "made.so"
    if language == "c":
        compile_(compilers[0], *standard, "-shared", "-fPIC", str(source), "-lm", "-o", str(library))
        symbols = {p: f"{ident}_{'pol' if p else 'unpol'}" for p in (False, True)}
    else:
        wrapper = tmp_path / "wrapper.cpp"
        calls = "".join(
            f'extern "C" void call_{case}(std::size_t n, int order, const double* rho, const double* sigma,'
            f" const double* tau, const {ident}::values* out) {{ {ident}::{case}(n, order, rho, sigma, tau, *out); }}\n"
            for case in ("unpol", "pol")
        )
        wrapper.write_text(f'#include "{source}"\n{calls}')
        compile_(compilers[0], "-std=c++17", "-shared", "-fPIC", str(wrapper), "-o", str(library))
        symbols = {p: f"call_{'pol' if p else 'unpol'}" for p in (False, True)}
    loaded = ctypes.CDLL(str(library))
    for p in points:
        n = len(p.weights)
        results = {k: np.full((n, s[p.polarised]), np.nan) for k, s in SIZES.items()}
        outputs = (ctypes.c_void_p * len(SIZES))(*(a.ctypes.data for a in results.values()))
        kept = interleaved(p)
        arrays = [pointer(a) for a in kept]
        getattr(loaded, symbols[p.polarised])(ctypes.c_size_t(n), 2, *arrays, outputs)
        p.check(f, results["exc"][:, 0])
        check_derivatives(f, p, results)
        # what is not asked for is not touched, and null pointers are skipped
        only = np.full((n, 1), np.nan)
        nothing = (ctypes.c_void_p * len(SIZES))(only.ctypes.data)
        getattr(loaded, symbols[p.polarised])(ctypes.c_size_t(n), 0, *arrays, nothing)
        np.testing.assert_array_equal(only, results["exc"])


def test_c_without_densities(tmp_path):
    """Zero, tiny and negative densities give exact zeros."""
    f = functional("gas22")
    source, _ = fs.export(f, "c", tmp_path / "made.c")
    compile_("gcc", "-std=c99", "-shared", "-fPIC", str(source), "-lm", "-o", str(tmp_path / "made.so"))
    loaded = ctypes.CDLL(str(tmp_path / "made.so"))
    rho, zero, tau = np.array([[0.0, 0.0], [1e-33, 1e-25], [-1e-20, 0.0]]), np.zeros((3, 3)), np.zeros((3, 2))
    results = {k: np.full((3, s[True]), np.nan) for k, s in SIZES.items()}
    outputs = (ctypes.c_void_p * len(SIZES))(*(a.ctypes.data for a in results.values()))
    loaded.gas22_pol(ctypes.c_size_t(3), 2, pointer(rho), pointer(zero), pointer(tau), outputs)
    assert all(np.all(a == 0.0) for a in results.values())


@pytest.mark.parametrize("name", NAMES)
def test_xcfun(name, points, tmp_path):
    """Energies with double, first derivatives with a number type that carries one derivative."""
    f = functional(name)
    ident = identifier(f.name)
    (header,) = fs.export(f, "xcfun", tmp_path / "made.hpp")
    wrapper = tmp_path / "wrapper.cpp"
    wrapper.write_text((HERE / "xcfun_wrapper.cpp").read_text().replace("HEADER", str(header)).replace("NAME", ident))
    library = tmp_path / "made.so"
    compile_("g++", "-std=c++17", *WARNINGS, "-shared", "-fPIC", str(wrapper), "-o", str(library))
    loaded = ctypes.CDLL(str(library))
    p = points[1]
    variables = np.ascontiguousarray(np.concatenate([p.rho, p.sigma, p.tau]).T)
    energy, first = np.empty(len(p.weights)), np.empty((len(p.weights), 7))
    loaded.evaluate(ctypes.c_size_t(len(p.weights)), pointer(variables), pointer(energy), pointer(first))
    p.check(f, energy)
    exact = f.energy_density(p.rho, p.sigma, p.tau, deriv=1)
    for rows, values in ((slice(0, 2), exact.vrho), (slice(2, 5), exact.vsigma), (slice(5, 7), exact.vtau)):
        want = np.zeros((rows.stop - rows.start, len(energy))) if values is None else values
        # where a spin is absent fastsfes says 0; the template differentiates what is left of the other channels
        present = p.rho.min(axis=0) > 1e-15
        scale = np.abs(want).max(axis=0)
        error = np.abs(first[:, rows].T - want)[:, present] / np.where(scale > 0.0, scale, 1.0)[present]
        assert error.max() < 1e-11


def test_xcfun_registration_compiles(tmp_path):
    """The record for XCFun, against declarations of the names that XCFun's headers have."""
    f = functional("gas22")
    (header,) = fs.export(f, "xcfun", tmp_path / "made.hpp")
    source = tmp_path / "record.cpp"
    text = (HERE / "xcfun_record.cpp").read_text()
    source.write_text(text.replace("HEADER", str(header)).replace("NAME", "GAS22"))
    compile_("g++", "-std=c++17", *WARNINGS, str(source), "-o", str(tmp_path / "record"))
    assert run(tmp_path / "record") == "energy and 7 derivatives agree\n"


@pytest.mark.parametrize("name", NAMES)
def test_libxc(name, points, tmp_path):
    """The registration and the generated C, called through the libxc 7 that PySCF brings.

    libxc's own sources are not at hand: `libxc7/util.h` and `work.h` stand in for its internal headers and work
    functions; the public header, the parameters' setters and the evaluation are libxc's.
    """
    f = functional(name)
    fs.export(f, "libxc", tmp_path / "libxc")
    (registration,) = (tmp_path / "libxc" / "src").glob("*.c")
    library = tmp_path / "made.so"
    include = [f"-I{DEPS / 'include'}", f"-I{HERE / 'libxc7'}", f"-I{tmp_path / 'libxc' / 'src'}"]
    compile_(
        "gcc",
        "-std=gnu99",
        *WARNINGS,
        "-Wno-unused-function",
        *include,
        "-c",
        "-fPIC",
        str(registration),
        "-o",
        str(tmp_path / "made.o"),
    )
    harness = tmp_path / "harness.c"
    harness.write_text((HERE / "libxc7" / "harness.c").read_text().replace("NAME", registration.stem))
    link = [f"-L{DEPS / 'lib'}", "-lxc", f"-Wl,-rpath,{DEPS / 'lib'}", "-lm"]
    compile_(
        "gcc",
        "-std=gnu99",
        *WARNINGS,
        *include,
        "-shared",
        "-fPIC",
        str(harness),
        str(tmp_path / "made.o"),
        "-o",
        str(library),
        *link,
    )
    loaded = ctypes.CDLL(str(library))
    for p in points:
        n = len(p.weights)
        results = {k: np.zeros((n, s[p.polarised])) for k, s in SIZES.items()}
        outputs = (ctypes.c_void_p * len(SIZES))(*(a.ctypes.data for a in results.values()))
        frame, inputs = np.full(5, np.nan), interleaved(p)
        loaded.evaluate(2 if p.polarised else 1, ctypes.c_size_t(n), *map(pointer, inputs), outputs, pointer(frame))
        exc = results["exc"][:, 0] * (p.rho.sum(axis=0) if p.polarised else p.rho)
        # libxc raises the density of a missing spin to the threshold, 1e-20: the hydrogen atom notices
        exact = f.energy_density(p.rho, p.sigma, p.tau).exc
        np.testing.assert_allclose(p.energies(exc), p.energies(exact), rtol=1e-8)
        both = p.rho.min(axis=0) > 1e-18 if p.polarised else p.rho > 0.0
        kept = p.where(both)
        kept.check(f, exc[both])
        check_derivatives(f, kept, {k: a[both] for k, a in results.items()})
        h, nlc = f.hybrid, f.nlc or fs.VV10(0.0, 0.0)
        alpha = h.long_range if h.omega else h.short_range
        np.testing.assert_allclose(frame, [alpha, h.short_range - alpha, h.omega, nlc.b, nlc.C], atol=1e-16)


def test_libxc_test_program(tmp_path):
    """The test for libxc compiles against libxc's public header and fails as long as libxc lacks the functional."""
    fs.export("gas22", "libxc", tmp_path)
    (source,) = (tmp_path / "testsuite").glob("*.c")
    link = [f"-I{DEPS / 'include'}", f"-L{DEPS / 'lib'}", "-lxc", f"-Wl,-rpath,{DEPS / 'lib'}", "-lm"]
    text = source.read_text()
    # libxc has GAS22 under the same name: its own must pass, at the tolerance of thresholds and constants
    compile_("gcc", "-std=c99", *WARNINGS, str(source), "-o", str(tmp_path / "own"), *link)
    assert "all values agree" in run(tmp_path / "own")
    source.write_text(text.replace("hyb_mgga_xc_gas22", "hyb_mgga_xc_wb97m_v"))
    compile_("gcc", "-std=c99", str(source), "-o", str(tmp_path / "other"), *link)
    assert subprocess.run([str(tmp_path / "other")], capture_output=True).returncode == 1
