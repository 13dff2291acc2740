"""C, C++, XCFun-style C++ and libxc's files: compiled, run, and compared with fastsfes on densities of molecules."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyscf
import pytest
from compiling import SIZES, WARNINGS, check_derivatives, check_slopes, compile_, interleaved, pointer, run
from export_points import ALL, edges, functional, renamed

import fastsfes as fs
from fastsfes.exports.describe import identifier

HERE = Path(__file__).parent
DEPS = Path(pyscf.__file__).parent / "lib" / "deps"
CC = ("gcc", "clang")
CXX = ("g++", "clang++")


@pytest.mark.parametrize("name", ALL)
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


@pytest.mark.parametrize("name", ALL)
def test_xcfun(name, points, tmp_path):
    """Energies with double, first derivatives with a number type that carries one derivative; at edges, too."""
    f = renamed(name)
    ident = identifier(f.name)
    (header,) = fs.export(f, "xcfun", tmp_path / "made.hpp")
    wrapper = tmp_path / "wrapper.cpp"
    wrapper.write_text((HERE / "xcfun_wrapper.cpp").read_text().replace("HEADER", str(header)).replace("NAME", ident))
    library = tmp_path / "made.so"
    compile_("g++", "-std=c++17", *WARNINGS, "-shared", "-fPIC", str(wrapper), "-o", str(library))
    loaded = ctypes.CDLL(str(library))
    p = points[1]
    for at_edges, (rho, sigma, tau) in enumerate(((p.rho, p.sigma, p.tau), edges())):
        variables = np.ascontiguousarray(np.concatenate([rho, sigma, tau]).T)
        n = rho.shape[1]
        energy, first = np.empty(n), np.empty((n, 7))
        loaded.evaluate(ctypes.c_size_t(n), pointer(variables), pointer(energy), pointer(first))
        exact = f.energy_density(rho, sigma, tau, deriv=1)
        if not at_edges:
            p.check(f, energy)
        else:
            np.testing.assert_allclose(energy, exact.exc, rtol=1e-12, atol=1e-19)
        for rows, values in ((slice(0, 2), exact.vrho), (slice(2, 5), exact.vsigma), (slice(5, 7), exact.vtau)):
            want = np.zeros((rows.stop - rows.start, n)) if values is None else values
            check_slopes(f, rho, first[:, rows].T, want, 1e-11)


def test_xcfun_registration_compiles(tmp_path):
    """The record for XCFun, against declarations of the names that XCFun's headers have."""
    f = renamed("gas22")
    (header,) = fs.export(f, "xcfun", tmp_path / "made.hpp")
    source = tmp_path / "record.cpp"
    text = (HERE / "xcfun_record.cpp").read_text()
    source.write_text(text.replace("HEADER", str(header)).replace("NAME", "MY_GAS22"))
    compile_("g++", "-std=c++17", *WARNINGS, str(source), "-o", str(tmp_path / "record"))
    assert run(tmp_path / "record") == "energy and 7 derivatives agree\n"


def libxc_library(f: fs.Functional, tmp_path: Path) -> ctypes.CDLL:
    """The exported files compiled against stand-ins of libxc's internal headers and linked to its library."""
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
    return ctypes.CDLL(str(library))


@pytest.mark.parametrize("name", ALL)
def test_libxc(name, points, tmp_path):
    """The registration and the generated C, called through the libxc 7 that PySCF brings.

    libxc's own sources are not at hand: `libxc7/util.h` and `work.h` stand in for its internal headers and work
    functions; the public header, the parameters' setters and the evaluation are libxc's.
    """
    f = renamed(name)
    loaded = libxc_library(f, tmp_path)
    for p in points:
        n = len(p.weights)
        results = {k: np.zeros((n, s[p.polarised])) for k, s in SIZES.items()}
        outputs = (ctypes.c_void_p * len(SIZES))(*(a.ctypes.data for a in results.values()))
        frame, inputs = np.full(5, np.nan), interleaved(p)
        spins, own = 2 if p.polarised else 1, ctypes.c_double(0.0)
        loaded.evaluate(spins, own, ctypes.c_size_t(n), *map(pointer, inputs), outputs, pointer(frame))
        exc = results["exc"][:, 0] * (p.rho.sum(axis=0) if p.polarised else p.rho)
        # libxc raises the density of a missing spin to the threshold, 1e-20: the hydrogen atom notices
        exact = f.energy_density(p.rho, p.sigma, p.tau).exc
        np.testing.assert_allclose(p.energies(exc), p.energies(exact), rtol=1e-8)
        both = p.rho.min(axis=0) > 1e-18 if p.polarised else p.rho > 0.0
        kept = p.where(both)
        kept.check(f, exc[both])
        check_derivatives(f, kept, {k: a[both] for k, a in results.items()})
        h, nlc = f.hybrid, (0.0, 0.0) if f.nlc is None else (f.nlc.b, f.nlc.C)
        alpha = h.long_range if h.omega else h.short_range
        np.testing.assert_allclose(frame, [alpha, h.short_range - alpha, h.omega, *nlc], atol=1e-16)


@pytest.mark.parametrize("name", ["gas22", "b97", "lda"])
def test_libxc_threshold_of_the_caller(name, tmp_path):
    """Densities at or below p->dens_threshold are absent, and so is what they would bring to the other spin."""
    f = renamed(name)
    loaded = libxc_library(f, tmp_path)
    rho = np.array([[0.3, 0.0], [0.3, 1e-13], [0.3, 1e-3], [1e-14, 1e-14], [0.0, 0.3]])
    sigma = np.array([[0.05, 0.0, 0.0], [0.05, 0.0, 1e-26], [0.05, 1e-4, 1e-6], [1e-28, 0.0, 0.0], [0.0, 0.0, 0.05]])
    tau = np.array([[0.2, 0.0], [0.2, 1e-13], [0.2, 1e-3], [1e-14, 1e-14], [0.0, 0.2]])
    found = {}
    for threshold in (1e-12, 1e-20):
        results = {k: np.zeros((len(rho), s[True])) for k, s in SIZES.items()}
        outputs = (ctypes.c_void_p * len(SIZES))(*(a.ctypes.data for a in results.values()))
        arrays = [pointer(a) for a in (rho, sigma, tau)]
        loaded.evaluate(
            2, ctypes.c_double(threshold), ctypes.c_size_t(len(rho)), *arrays, outputs, pointer(np.empty(5))
        )
        found[threshold] = results
    coarse, fine = found[1e-12], found[1e-20]
    exact = f.energy_density(rho.T, sigma.T, tau.T, deriv=1)
    # where both spins are there the threshold does not matter; where one is at it or below, that one is absent
    np.testing.assert_allclose(coarse["exc"][2], fine["exc"][2], rtol=1e-13)
    np.testing.assert_allclose(coarse["vrho"][2], exact.vrho[:, 2], rtol=1e-11)
    np.testing.assert_allclose(coarse["vrho"][:2, 0], exact.vrho[0, :2], rtol=1e-10)
    # the limit, taken at the threshold, or 0
    for point, spin in ((0, 1), (1, 1), (4, 0)):
        assert coarse["vrho"][point, spin] == pytest.approx(exact.vrho[1, 0], abs=2e-3)
    assert coarse["exc"][3] == 0.0
    assert fine["exc"][3] != 0.0
    if name == "gas22":
        assert coarse["vrho"][0, 1] == fine["vrho"][0, 1] == 0.0


def test_libxc_test_program(tmp_path):
    """The test for libxc compiles against libxc's public header and fails as long as libxc lacks the functional."""
    fs.export("gas22", "libxc", tmp_path, name="mine")
    (source,) = (tmp_path / "testsuite").glob("*.c")
    link = [f"-I{DEPS / 'include'}", f"-L{DEPS / 'lib'}", "-lxc", f"-Wl,-rpath,{DEPS / 'lib'}", "-lm"]
    text = source.read_text()
    # libxc has a GAS22: it must pass, at the tolerance of thresholds and constants
    for name, status in (("hyb_mgga_xc_mine", 2), ("hyb_mgga_xc_gas22", 0), ("hyb_mgga_xc_wb97m_v", 1)):
        source.write_text(text.replace("hyb_mgga_xc_mine", name))
        compile_("gcc", "-std=c99", *WARNINGS, str(source), "-o", str(tmp_path / name), *link)
        done = subprocess.run([str(tmp_path / name)], capture_output=True, text=True)
        assert done.returncode == status
        assert ("all values agree" in done.stdout) == (status == 0)


def test_names_that_the_programs_have_are_refused(tmp_path):
    """An exported functional must not overwrite or shadow one of libxc or XCFun."""
    for format, names in (("libxc", ("gas22", "b97", "wb97m_v", "pbe")), ("xcfun", ("pbe", "b97", "lda"))):
        for name in names:
            with pytest.raises(fs.InputError, match=f'has a functional of its own called "{name}".*--name my_{name}'):
                fs.export(name, format, tmp_path / "made")
            fs.export(name, format, tmp_path / f"{format}_{name}", name=f"my {name}")
    with pytest.raises(fs.InputError, match='called "wb97m_v"'):  # its file in libxc's sources is wb97mv
        fs.export("wb97m_v", "libxc", tmp_path / "made", name="wB97MV")
    assert not (tmp_path / "made").exists()


def test_libxc_scripts_find_the_record(tmp_path):
    """get_functional_info.py of libxc 7.0.0 wants a number and a comment in the line that defines the name."""
    fs.export(replace(functional("pbe"), name='odd {name}, of "mine" */'), "libxc", tmp_path)
    (source,) = (tmp_path / "src").glob("*.c")
    text = source.read_text()
    pattern = r"^#define\s+XC_(GGA_XC_ODD_NAME_OF_MINE)\s+(\d+)\s+/\*\s*(.*?)\s*\*/$"
    assert re.findall(pattern, text, re.MULTILINE) == [("GGA_XC_ODD_NAME_OF_MINE", "90001", "odd name of mine")]
    record = text[text.index("const xc_func_info_type xc_func_info_gga_xc_odd_name_of_mine = {") :].split("\n")
    assert record[3:5] == ['  "odd name of mine",', "  XC_FAMILY_GGA,"]
    assert "get_funcs.pl" not in (tmp_path / "README.md").read_text()
