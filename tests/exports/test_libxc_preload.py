"""A library that adds a functional to a program's libxc: programs in C and Fortran, compared with libxc's own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyscf
import pytest
from compiling import SIZES, WARNINGS, compile_
from export_points import functional
from libxc_calls import Libxc, check, exact, prefix_flags, run, some_points, text, values

import fastsfes as fs
from fastsfes.cli import main

SYSTEM = Path("/usr/include/xc.h")
PYSCF = Path(pyscf.__file__).parent / "lib" / "deps"


def build(installed: Libxc, f: fs.Functional, folder: Path) -> Path:
    """The library that adds a functional."""
    (source,) = fs.export(f, "libxc-preload", folder / f"lib{f.name}.c")
    library = source.with_suffix(".so")
    options = ("-std=gnu99", *WARNINGS, "-Wno-pedantic", "-O0", "-shared", "-fPIC")
    compile_("gcc", *options, str(source), "-o", str(library), *installed.flags, "-lm", "-ldl")
    return library


def installations() -> list:
    """The system's libxc, PySCF's, and those in FASTSFES_TEST_LIBXC (prefixes, separated by colons)."""
    absent = pytest.mark.skipif(not SYSTEM.exists(), reason="libxc's header is absent; Debian: libxc-dev")
    prefixes = [("pyscf", PYSCF), *((p, Path(p)) for p in os.environ.get("FASTSFES_TEST_LIBXC", "").split(":") if p)]
    return [
        pytest.param(Libxc(("-Wl,--no-as-needed", "-lxc")), marks=absent, id="system"),
        *(pytest.param(Libxc(prefix_flags(p)), id=name) for name, p in prefixes),
    ]


@pytest.fixture(scope="module", params=installations())
def libxc(request, tmp_path_factory) -> tuple[Libxc, Path]:
    return request.param, tmp_path_factory.mktemp("libxc")


# libxc's functionals of the same formulas
OWN = {
    "lda": ("lda_x", "lda_c_pw_mod"),
    "pbe": ("gga_x_pbe", "gga_c_pbe"),
    "pbe0": ("hyb_gga_xc_pbeh",),
    "wb97m_v": ("hyb_mgga_xc_wb97m_v",),
}


@pytest.mark.parametrize("name", OWN)
def test_equals_libxcs_own(name, libxc):
    installed, folder = libxc
    f = functional(name)
    program, library = installed.program(folder), build(installed, f, folder)
    for spins in (1, 2):
        points = some_points(spins)
        n = len(points[0])
        arguments, inputs = (str(spins), str(n)), text(*points)
        own = [run(program, other, *arguments, inputs=inputs) for other in OWN[name]]
        found = run(program, f"fs_{name}", *arguments, inputs=inputs, preload=str(library))
        assert found["orders"] == ["differ", "0"]
        want = {k: sum(values(o, n)[k] for o in own) for k in SIZES}
        got = values(found, n)
        check(got, want)
        # the frame and the record are libxc's, but for the kind and the order of the highest derivative
        sums = np.sum([np.array(o["frame"], float) for o in own], axis=0)
        np.testing.assert_allclose(np.array(found["frame"], float), sums, rtol=1e-15, atol=1e-15)
        record, expected = ([int(v) for v in o["record"]] for o in (found, own[0]))
        assert record[0] == record[3] == expected[0]
        assert record[1] == 2
        assert record[2] & 7 == 7  # energy, first and second derivatives
        assert record[2] & 8 == 0
        for flag in (128, 256, 1024):  # three dimensions, range separation, VV10
            assert record[2] & flag == expected[2] & flag
        # lists of functionals have it once, in order; others are found as before
        before = run(program, OWN[name][0], *arguments, inputs=inputs)
        count, *places = (int(v) for v in found["lists"])
        assert count == int(before["lists"][0]) + 1
        assert places == [1, 1, 1, 1]
        beside = run(program, OWN[name][0], *arguments, inputs=inputs, preload=str(library))
        assert beside["zk"] == before["zk"]
        # by its number, and by its names in any spelling
        number = found["number"][0]
        assert 900 <= int(number) < 1000
        assert run(program, number, *arguments, inputs=inputs, preload=str(library))["v2rho2"] == found["v2rho2"]
        for other in (f"XC_FS_{name.upper()}", f"xc_Fs_{name}"):
            assert run(program, other, *arguments, inputs=inputs, preload=str(library))["zk"] == found["zk"]
        run(program, f"fs_{name}", *arguments, inputs=inputs, status=3)


def test_the_curvature_of_the_fermi_hole_is_limited_where_libxc_limits_it(libxc):
    """Kinetic energy densities below von Weizsaecker's, as expansions inside spheres have them."""
    installed, folder = libxc
    program, library = installed.program(folder), build(installed, functional("r2scan"), folder)
    for spins in (1, 2):
        rho, sigma, tau = some_points(spins)
        tau = tau * np.linspace(0.1, 1.2, len(tau))[:, None]
        arguments, inputs = (str(spins), str(len(rho))), text(rho, sigma, tau)
        own = [run(program, o, *arguments, inputs=inputs) for o in ("mgga_x_r2scan", "mgga_c_r2scan")]
        found = run(program, "fs_r2scan", *arguments, inputs=inputs, preload=str(library))
        for key in ("exc", "vrho"):  # second derivatives are those of the limited variables in both
            want = np.sum([values(o, len(rho))[key] for o in own], axis=0)
            np.testing.assert_allclose(values(found, len(rho))[key], want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["gas22", "odd", "b97"])
def test_equals_ours_with_parameters_and_thresholds(name, libxc):
    installed, folder = libxc
    f = replace(functional(name), name=name, citation="A. Author, J. Chem. Phys. 1, 2 (2026), 10.1063/1.4952647")
    program, library = installed.program(folder), str(build(installed, f, folder))
    for spins in (1, 2):
        points = some_points(spins)
        n = len(points[0])
        density = points[0].sum(axis=1)

        found = run(program, f"fs_{name}", str(spins), str(n), inputs=text(*points), preload=library)
        check(values(found, n), exact(f, points, spins))
        assert found["doi"] == ["10.1063/1.4952647"]
        parameters = dict(p.split("=") for p in found["parameters"])
        assert len(parameters) == sum(len(c.parameters) for c in f.channels.values())
        kind, channel = next((k, c) for k, c in f.channels.items() if c.parameters)
        first = next(iter(channel.parameters))
        key = f"_{kind}_{first}"
        assert float(parameters[key]) == channel.parameters[first]
        changed = replace(
            f, channels={**f.channels, kind: replace(channel, parameters={**channel.parameters, first: 0.77})}
        )
        set_ = run(program, f"fs_{name}", str(spins), str(n), "0", key, "0.77", inputs=text(*points), preload=library)
        check(values(set_, n), exact(changed, points, spins))
        # points below the threshold of the caller are zero, the others stay
        threshold = float(np.median(density))
        cut = run(program, f"fs_{name}", str(spins), str(n), repr(threshold), inputs=text(*points), preload=library)
        kept = points[0].min(axis=1) > threshold * (2 if spins == 1 else 1)  # of a spin, as in libxc
        assert 0 < kept.sum() < n
        for k, v in values(cut, n).items():
            assert not v[density < threshold].any()
            np.testing.assert_array_equal(v[kept], values(found, n)[k][kept])


def test_two_libraries_at_once(libxc):
    """Each finds the other behind it; equal numbers give way."""
    installed, folder = libxc
    names = ("lda_x", "b88_x")
    program = installed.program(folder)
    libraries = [str(build(installed, functional(n), folder)) for n in names]
    inputs = text(*some_points(2, 5))
    alone = [run(program, f"fs_{n}", "2", "5", inputs=inputs, preload=p) for n, p in zip(names, libraries, strict=True)]
    for order in (1, -1):
        together = " ".join(libraries[::order])
        for n, a in zip(names, alone, strict=True):
            found = run(program, f"fs_{n}", "2", "5", inputs=inputs, preload=together)
            assert found["zk"] == a["zk"]
            assert [int(v) for v in found["lists"]] == [int(a["lists"][0]) + 1, 1, 1, 1, 1]
    same = replace(functional("b88_x"), name="lda_x")  # the same name and number twice: the first one is found
    other = folder / "twice"
    other.mkdir()
    twice = f"{libraries[0]} {build(installed, same, other)}"
    found = run(program, "fs_lda_x", "2", "5", inputs=inputs, preload=twice)
    assert found["zk"] == alone[0]["zk"]
    assert [int(v) for v in found["lists"]][1:] == [1, 1, 1, 2]


@pytest.mark.skipif(not SYSTEM.exists(), reason="libxc's header is absent; Debian: libxc-dev")
def test_another_version_is_left_alone(tmp_path):
    """A library that was compiled for another libxc says so and adds nothing."""
    installed = Libxc((f"-I{PYSCF / 'include'}", "-Wl,--no-as-needed", "-lxc"))  # header of 7, library of the system
    library = build(installed, functional("lda_x"), tmp_path)
    program = Libxc(("-lxc",)).program(tmp_path)
    inputs = text(*some_points(1, 5))
    found = run(program, "fs_lda_x", "1", "5", inputs=inputs, preload=str(library), status=3)
    assert "compiled for libxc 7.0, but libxc" in found["errors"][0]
    beside = run(program, "lda_x", "1", "5", inputs=inputs, preload=str(library))
    assert beside["zk"] == run(program, "lda_x", "1", "5", inputs=inputs)["zk"]
    assert beside["lists"] == run(program, "lda_x", "1", "5", inputs=inputs)["lists"]


def test_library_is_built(tmp_path, monkeypatch, capsys):
    """A path that ends in .so is compiled for the libxc below a prefix; what is wrong is said."""
    library = tmp_path / "libmine.so"
    arguments = ["export", "lda_x", "--format", "libxc-preload", "--name", "mine", "--libxc", str(PYSCF)]
    assert main([*arguments, "--output", str(library)]) == 0
    assert capsys.readouterr().out == f"written: {library.with_suffix('.c')}\nwritten: {library}\n"
    flags = (f"-I{PYSCF / 'include'}", f"-L{PYSCF / 'lib'}", "-lxc", "-lm", f"-Wl,-rpath,{PYSCF / 'lib'}")
    program = Libxc(flags).program(tmp_path)
    found = run(program, "fs_mine", "1", "5", inputs=text(*some_points(1, 5)), preload=str(library))
    assert found["name"] == ["fs_mine"]
    with pytest.raises(fs.InputError, match=r"no include/xc\.h"):
        fs.export("lda_x", "libxc-preload", library, libxc_path=tmp_path)
    with pytest.raises(fs.InputError, match=r"ends in \.so"):
        fs.export("lda_x", "libxc-preload", tmp_path / "mine.c", libxc_path=PYSCF)
    monkeypatch.setenv("CC", str(tmp_path / "no compiler"))
    with pytest.raises(fs.FastsfesError, match="was written but not compiled"):
        fs.export("lda_x", "libxc-preload", library, libxc_path=PYSCF)
    (tmp_path / "later" / "include").mkdir(parents=True)
    (tmp_path / "later" / "lib").mkdir()
    header = (PYSCF / "include" / "xc.h").read_text().replace('#include "xc_version.h"', "#define XC_MAJOR_VERSION 8")
    (tmp_path / "later" / "include" / "xc.h").write_text(header)
    monkeypatch.delenv("CC")
    with pytest.raises(fs.FastsfesError, match=r"this file is for libxc 5\.2, 6 and 7"):
        fs.export("lda_x", "libxc-preload", library, libxc_path=tmp_path / "later")


@pytest.mark.skipif(not SYSTEM.exists(), reason="libxc's header is absent; Debian: libxc-dev")
@pytest.mark.skipif(shutil.which("gfortran") is None, reason="gfortran is absent")
def test_fortran(tmp_path):
    """libxc's Fortran interface finds it, too."""
    modules = next(iter(Path("/usr/include").rglob("xc_f03_lib_m.mod")), None)
    if modules is None:
        pytest.skip("libxc's Fortran modules are absent; Debian: libxc-dev")
    source = tmp_path / "program.f90"
    source.write_text(
        "program test\n use xc_f03_lib_m\n implicit none\n type(xc_f03_func_t) :: f\n integer(8) :: n = 1\n"
        " real(8) :: rho(1) = [0.3d0], zk(1)\n"
        " call xc_f03_func_init(f, xc_f03_functional_get_number('fs_lda_x'), XC_UNPOLARIZED)\n"
        " call xc_f03_lda_exc(f, n, rho, zk)\n print '(es24.16)', zk(1)\n call xc_f03_func_end(f)\nend program\n"
    )
    program = tmp_path / "fortran"
    compile_("gfortran", f"-I{modules.parent}", str(source), "-o", str(program), "-lxcf03", "-lxc")
    library = build(Libxc(("-Wl,--no-as-needed", "-lxc")), functional("lda_x"), tmp_path)
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run([str(program)], capture_output=True, text=True, env=environment, check=True)
    exact = functional("lda_x").energy_density([0.3]).exc[0] / 0.3
    assert float(done.stdout) == pytest.approx(exact, rel=1e-15)
