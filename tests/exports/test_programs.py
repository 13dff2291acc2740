"""The recipes of docs/programs.md, run in the programs: their own PBE and ours give the same energies and forces."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.exports.libxc_preload import preload_number

PAGE = Path(__file__).resolve().parents[2] / "docs" / "programs.md"


def printed(output: str, folder: Path) -> tuple[float, list[float]]:
    (energy,) = re.findall(r"^energy (\S+)$", output, re.MULTILINE)
    (forces,) = re.findall(r"^forces (.+)$", output, re.MULTILINE)
    return float(energy), [float(v) for v in forces.split()]


def of_cp2k(output: str, folder: Path) -> tuple[float, list[float]]:
    (energy,) = re.findall(r"Total FORCE_EVAL \( QS \) energy \S+ +(\S+)$", output, re.MULTILINE)
    forces = re.findall(r"^ +\d+ +1 +H +(\S+) +(\S+) +(\S+)$", output, re.MULTILINE)
    return float(energy), [float(v) for row in forces for v in row]


def of_elk(output: str, folder: Path) -> tuple[float, list[float]]:
    return float((folder / "TOTENERGY.OUT").read_text().split()[-1]), []


@dataclass(frozen=True)
class Program:
    """How a recipe is run.

    Attributes:
        package: of Debian.
        command: its parts; the first one is looked for.
        needs: a file of the package that the command does not name.
        own: text of the recipe, and what stands there for the program's own PBE.
        result: energy (hartree) and forces (the program's unit) of its output.
    """

    package: str
    command: tuple[str, ...]
    needs: str
    own: tuple[str, str]
    result: Callable[[str, Path], tuple[float, list[float]]]


PROGRAMS = {
    "Psi4": Program("psi4", ("psi4", "-n", "1", "INPUT"), "", ('"scf", dft_functional=functional', '"pbe"'), printed),
    "CP2K": Program(
        "cp2k",
        ("cp2k.popt", "-i", "INPUT"),
        "",
        ("&FS_PBE\n        &END FS_PBE", "&GGA_X_PBE\n        &END\n        &GGA_C_PBE\n        &END"),
        of_cp2k,
    ),
    "GPAW": Program(
        "gpaw",
        ("/usr/bin/python3", "INPUT"),
        "/usr/lib/python3/dist-packages/gpaw/__init__.py",
        ('XC("fs_pbe")', 'XC("GGA_X_PBE+GGA_C_PBE")'),
        printed,
    ),
    "Elk": Program("elk-lapw", ("elk-lapw",), "", ("100 937 0", "100 101 130"), of_elk),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_recipe(name, tmp_path):
    program = PROGRAMS[name]
    if shutil.which(program.command[0]) is None or not Path(program.needs or "/").exists():
        pytest.skip(f"{name} is absent; Debian: {program.package}")
    if not Path("/usr/include/xc.h").exists():
        pytest.skip("libxc's header is absent; Debian: libxc-dev")
    section = PAGE.read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]
    recipe = section.split("```")[1].partition("\n")[2]
    (file,) = re.findall(r"`(\S+\.(?:in|inp|py))`:\n", section)
    assert program.own[0] in recipe
    (expected,) = re.findall(r"the energy (-[\d.]+) hartree", section)
    library = fs.export("pbe", "libxc-preload", tmp_path / "libfs_pbe.so")[-1]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"OMP_NUM_THREADS": "1", "LD_PRELOAD": str(library)}
    found = []
    for kind, text in (("ours", recipe), ("own", recipe.replace(*program.own))):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / file).write_text(text)
        command = [file if part == "INPUT" else part for part in program.command]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        found.append(program.result(done.stdout, folder))
    (energy, forces), (own_energy, own_forces) = found
    # both are converged to this
    assert energy == pytest.approx(own_energy, abs=1e-8)
    assert energy == pytest.approx(float(expected), abs=1e-7)
    np.testing.assert_allclose(forces, own_forces, rtol=0, atol=1e-6)
    assert forces or name == "Elk"


def test_number_of_the_page():
    assert f"`fs_pbe`, number {preload_number(fs.get_functional('pbe'))}," in PAGE.read_text()
