"""A functional in libxc's sources: what is edited, what is refused, and a library built of them."""

from __future__ import annotations

import bz2
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from compiling import compile_
from export_points import functional
from libxc_calls import Libxc, check, exact, prefix_flags, run, some_points, text, values

import fastsfes as fs
from fastsfes.cli import main
from fastsfes.exports import libxc_tree

SHAPES = {
    "5.2.3": ('{{"{0}", {1}}},', "#define  XC_{2:<28} {1:3}  /*{0}*/", "\n! {0}\n  integer :: XC_{2} = {1}\n"),
    "6.2.2": ('  {{"{0}", {1}}},', "#define  XC_{2:<32} {1:5} /* {0} */", " ! {0}\n integer :: XC_{2}  =  {1}\n"),
    "7.0.0": ('  {{"{0}", {1}}},', "#define  XC_{2:<32} {1:5} /* {0} */", " ! {0}\n integer :: XC_{2}  =  {1}\n"),
}
"""Per version how its lists write a functional: keys, C macros, Fortran."""


def small_tree(folder: Path, version: str) -> Path:
    """The files of libxc that are edited, in their shape, with one functional of each family."""
    key, macro, fortran = SHAPES[version]
    known = {"lda_x": 1, "gga_x_pbe": 101, "hyb_gga_xc_pbeh": 406, "mgga_x_scan": 263, "hyb_mgga_xc_wb97m_v": 531}
    rows = [(name, number, name.upper()) for name, number in known.items()]
    source = folder / "src"
    source.mkdir(parents=True)
    (folder / "configure.ac").write_text(f"AC_PREREQ([2.69])\n\nAC_INIT([libxc],[{version}],[libxc@tddft.org])\n")
    (folder / "CMakeLists.txt").write_text(
        "set(raw_sources_list\n  bessel.c\n  gga_x_pbe.c\n  version.c\n  )\n\nset(raw_sources_list_f03\n  f.F90\n  )\n"
    )
    (source / "Makefile.am").write_text(
        "libxc_la_FUNC_SOURCES = \\\n\tbessel.c \\\n\tgga_x_pbe.c\n\nlibxc_la_SOURCES = $(libxc_la_FUNC_SOURCES)\n"
    )
    for family in ("lda", "hyb_lda", "gga", "hyb_gga", "mgga", "hyb_mgga"):
        own = [name for name in known if name.rpartition("_x")[0] == family]
        (source / f"funcs_{family}.c").write_text(
            '#include "util.h"\n\n'
            + "".join(f"extern xc_func_info_type xc_func_info_{n};\n" for n in own)
            + f"\n\nconst xc_func_info_type *xc_{family}_known_funct[] = {{\n"
            + "".join(f"  &xc_func_info_{n},\n" for n in own)
            + "  NULL\n};\n"
        )
    keys = "\n".join(key.format(*row) for row in rows)
    (source / "funcs_key.c").write_text(
        f'#include "util.h"\n\nxc_functional_key_t xc_functional_keys[] = {{\n{keys}\n{{"", -1}}\n}};\n'
    )
    (source / "xc_funcs.h").write_text("".join(macro.format(*row) + "\n" for row in rows))
    (source / "libxc_inc.f90").write_text("".join(fortran.format(*row) for row in rows))
    return folder


def contents(tree: Path) -> dict[str, str]:
    return {str(p.relative_to(tree)): p.read_text() for p in sorted(tree.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("version", SHAPES)
def test_lists(version, tmp_path):
    tree = small_tree(tmp_path / "libxc", version)
    before = contents(tree)
    made = libxc_tree.add(fs.get_functional("pbe"), tree)
    after = contents(tree)
    name = "gga_xc_fs_pbe"
    new = {
        f"maple/gga_exc/{name}.mpl", f"src/maple2c/gga_exc/{name}.c", f"src/{name}.c", f"testsuite/{name}_test.c"
    }  # fmt: skip
    assert set(after) - set(before) == new
    changed = {k for k in before if after[k] != before[k]}
    assert {str(p.relative_to(tree)) for p in made} == new | changed
    added = {k: [line for line in after[k].splitlines() if line not in before[k].splitlines()] for k in changed}
    assert added == {
        "src/funcs_gga.c": [f"extern xc_func_info_type xc_func_info_{name};", f"  &xc_func_info_{name},"],
        "src/funcs_key.c": [f'{{"{name}", 937}},'],
        "src/xc_funcs.h": ["#define  XC_GGA_XC_FS_PBE  937  /*pbe*/"],
        "src/libxc_inc.f90": ["  integer(c_int), parameter, public :: XC_GGA_XC_FS_PBE = 937"],
        "CMakeLists.txt": [f"  {name}.c"],
        "src/Makefile.am": [f"\t{name}.c \\"],
    }
    assert f"  &xc_func_info_{name},\n  NULL\n" in after["src/funcs_gga.c"]
    assert f'{{"{name}", 937}},\n{{"", -1}}\n' in after["src/funcs_key.c"]
    assert after["CMakeLists.txt"].startswith(f"set(raw_sources_list\n  {name}.c\n  bessel.c\n")
    assert "#define XC_GGA_XC_FS_PBE 937 /* pbe */" in after[f"src/{name}.c"]
    # the same again is the same; one of that name gets the number again, one of another name another number
    libxc_tree.add(fs.get_functional("pbe"), tree)
    assert contents(tree) == after
    libxc_tree.add(fs.get_functional("wb97m_v"), tree)
    hybrid = contents(tree)
    assert '{"hyb_mgga_xc_fs_wb97m_v", 933},' in hybrid["src/funcs_key.c"]
    assert "&xc_func_info_hyb_mgga_xc_fs_wb97m_v,\n  NULL" in hybrid["src/funcs_hyb_mgga.c"]
    assert hybrid["src/funcs_mgga.c"] == before["src/funcs_mgga.c"]


def test_number_that_is_taken(tmp_path):
    tree = small_tree(tmp_path / "libxc", "7.0.0")
    keys = tree / "src" / "funcs_key.c"
    others = "".join(f'  {{"lda_x_other{n}", {n}}},\n' for n in range(937, 1000))
    keys.write_text(keys.read_text().replace('{"", -1}', others + '{"", -1}'))
    libxc_tree.add(fs.get_functional("pbe"), tree)
    assert '{"gga_xc_fs_pbe", 900},' in keys.read_text()
    others = "".join(f'  {{"lda_x_other{n}", {n}}},\n' for n in range(900, 937))
    keys.write_text(keys.read_text().replace('{"", -1}', others + '{"", -1}'))
    with pytest.raises(fs.InputError, match="all numbers from 900 to 999 are taken"):
        libxc_tree.add(fs.get_functional("lda"), tree)


def test_what_is_refused_is_left_as_it_is(tmp_path, capsys):
    f = fs.get_functional("pbe")
    with pytest.raises(fs.InputError, match=r"no configure\.ac there; expected the folder of libxc's sources"):
        libxc_tree.add(f, tmp_path)
    tree = small_tree(tmp_path / "libxc", "7.0.0")
    configure = tree / "configure.ac"
    own = configure.read_text()
    for version, reason in (("4.3.4", "other arguments"), ("5.1.7", "other arguments"), ("8.0.0", "not known yet")):
        configure.write_text(own.replace("7.0.0", version))
        before = contents(tree)
        with pytest.raises(fs.InputError, match=f"is libxc {version[:3]}, .*{reason}.*"):
            libxc_tree.add(f, tree)
        assert contents(tree) == before
    configure.write_text("AC_INIT([other],[1.0])\n")
    with pytest.raises(fs.InputError, match="does not say libxc's version"):
        libxc_tree.add(f, tree)
    configure.write_text(own)
    for file, text_, reason in (
        ("src/funcs_key.c", None, "expected a released libxc"),
        ("src/funcs_gga.c", "nothing\n", "no line like"),
        ("src/gga_xc_fs_pbe.c", "/* by hand */\n", "was not written by fastsfes"),
    ):
        former = (tree / file).read_text() if (tree / file).exists() else None
        if text_ is None:
            (tree / file).unlink()
        else:
            (tree / file).write_text(text_)
        before = contents(tree)
        with pytest.raises(fs.InputError, match=reason):
            libxc_tree.add(f, tree)
        assert contents(tree) == before
        if former is not None:
            (tree / file).write_text(former)
    command = ["export", "pbe", "--format", "libxc-tree", "--output", str(tmp_path / "prefix")]
    assert main(command) == 2
    assert "needs libxc's sources: --libxc SOURCE" in capsys.readouterr().err


def test_a_library_that_cannot_be_built_is_said(tmp_path, monkeypatch, capsys):
    """The functional is in the sources then, and the command is named."""
    tree = small_tree(tmp_path / "libxc", "7.0.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    command = ["export", "pbe", "--format", "libxc-tree", "--libxc", str(tree), "--output", str(tmp_path / "prefix")]
    assert main(command) == 1
    assert "but libxc was not compiled: cmake: No such file" in capsys.readouterr().err
    assert (tree / "src" / "gga_xc_fs_pbe.c").exists()


SOURCES = [Path(p) for p in os.environ.get("FASTSFES_TEST_LIBXC_SOURCES", "").split(":") if p]
ADDED = ("pbe", "b97", "wb97m_v", "odd")


ABSENT = pytest.mark.skip("FASTSFES_TEST_LIBXC_SOURCES names no folder of libxc's sources (apt-get source libxc)")


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES or [pytest.param(None, marks=ABSENT)], ids=str)
def test_library_of_the_sources(source, tmp_path, monkeypatch):
    """Energies and derivatives equal ours and libxc's own; libxc's own tests pass, with it in their lists."""
    tree, prefix = tmp_path / "libxc", tmp_path / "prefix"
    shutil.copytree(source, tree)
    monkeypatch.setenv("CFLAGS", "-O0")
    monkeypatch.setenv("CMAKE_BUILD_TYPE", "Debug")
    functions = {name: replace(functional(name), name=name) for name in ADDED}
    for f in list(functions.values())[1:]:
        libxc_tree.add(f, tree)
    made = fs.export(functions["pbe"], "libxc-tree", prefix, libxc_path=tree)
    assert made[-1] == prefix / "lib" / "libxc.so"
    installed = Libxc(prefix_flags(prefix))
    program = installed.program(tmp_path)
    names = {"pbe": "gga_xc_fs_pbe", "b97": "hyb_gga_xc_fs_b97", "wb97m_v": "hyb_mgga_xc_fs_wb97m_v"}
    names["odd"] = next(p.stem for p in (tree / "src").glob("*_fs_odd.c"))
    for key, f in functions.items():
        for spins in (1, 2):
            points = some_points(spins)
            found = run(program, names[key], str(spins), str(len(points[0])), inputs=text(*points))
            # exchange and correlation of PBE cancel in the slopes
            check(values(found, len(points[0])), exact(f, points, spins), first=5e-11)
        test = tree / "testsuite" / f"{names[key]}_test.c"
        compile_("gcc", str(test), "-o", str(tmp_path / key), *prefix_flags(prefix))
        said = subprocess.run([str(tmp_path / key)], capture_output=True, text=True, check=True).stdout
        assert said == f"{names[key]}: all values agree\n"
    # libxc's own: names, families, kinds and parts of all functionals fit each other
    sanity = tree / "src" / "xc-sanity.c"
    compile_("gcc", str(sanity), "-o", str(tmp_path / "sanity"), *prefix_flags(prefix))
    said = subprocess.run([str(tmp_path / "sanity")], capture_output=True, text=True, check=True).stdout
    assert not [line for line in said.splitlines() if "_fs_" in line]
    # and its regression test: ours has the reference values of libxc's functional of the same formula
    regression = tree / "testsuite" / "regression" / "hyb_gga_xc"
    references = sorted(regression.glob("hyb_gga_xc_b97.*.bz2")) if regression.is_dir() else []
    inside = [f"-I{tree / 'src'}", f"-I{prefix / 'build'}"]
    for tool in ("xc-regression", "xc-error") if references else ():
        source_ = tree / "testsuite" / f"{tool}.c"
        compile_("gcc", *inside, str(source_), "-o", str(tmp_path / tool), *prefix_flags(prefix))
    for reference in references:
        _, system, spin, order, _ = reference.name.split(".")
        (tmp_path / "reference").write_bytes(bz2.decompress(reference.read_bytes()))
        spins = "1" if spin == "unpol" else "2"
        for name in ("hyb_gga_xc_b97", "hyb_gga_xc_fs_b97"):
            command = [name, spins, order, str(tree / "testsuite" / "input" / system), str(tmp_path / "values")]
            subprocess.run([str(tmp_path / "xc-regression"), *command], check=True, capture_output=True)
            # it compares functionals of one number only
            number, _, rest = (tmp_path / "values").read_text().partition(" ")
            (tmp_path / "values").write_text(f"407 {rest}")
            assert (number == "407") == (name == "hyb_gga_xc_b97")
            # the tolerances that libxc's own test has
            tolerance = {"0": "5e-8", "1": "5e-5", "2": "5e-4"}[order]
            compared = [str(tmp_path / "xc-error"), str(tmp_path / "values"), str(tmp_path / "reference"), tolerance]
            said = subprocess.run(compared, capture_output=True, text=True).stdout
            assert said.split() == ["1"], (name, reference.name, said)
