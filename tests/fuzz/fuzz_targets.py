"""Readers of untrusted input, each as a function of bytes that may raise nothing but fastsfes' own errors.

A target prepares what it needs in a scratch folder and returns the function and honest inputs to start mutating from.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

import fastsfes as fs
from fastsfes import _core
from fastsfes.common.reading import damage
from fastsfes.datasets import storage
from fastsfes.datasets.csvtable import read_eval_csv
from fastsfes.datasets.gmtkn55 import read_gmtkn55
from fastsfes.datasets.model import DatasetContents, Reaction, Species
from fastsfes.datasets.plain import read_plain
from fastsfes.datasets.readers import read_folder
from fastsfes.datasets.storage import read_contents, read_density, read_summaries, write_dataset
from fastsfes.datasets.xyz import read_xyz
from fastsfes.densities.chkfile import read_chkfile
from fastsfes.densities.mole import dump_mole, load_mole
from fastsfes.densities.record import DensityRecord, Energies
from fastsfes.energies.quadrature import storage as quadrature
from fastsfes.energies.quadrature.storage import list_quadratures
from fastsfes.evolve.genome import Genome
from fastsfes.evolve.island import Individual, IslandState, Record
from fastsfes.formula.expression import Expression
from fastsfes.formula.instructions import instruction_kind
from fastsfes.formula.own_operators import is_definition, own_operators
from fastsfes.functionals.functional import Functional
from fastsfes.run.config import SearchConfig
from fastsfes.run.setup import prepare
from fastsfes.run.store import RunStore, pack_candidates

Run = Callable[[bytes], object]
Target = Callable[[Path], tuple[Run, list[bytes]]]

SYFES = {
    "f_x": {
        "feature_names": ["x2", "w", "u"],
        "shared_parameter_names": ["c0", "c1"],
        "variable_names": ["enhancement_factor", "v0"],
        "instructions": [
            ["UTransformInstruction", "v0", "x2"],
            ["MultiplicationAdditionInstruction", "enhancement_factor", "c0", "v0"],
            ["PBEXInstruction", "v0", "w"],
            ["MultiplicationInstruction", "v0", "v0", "v0"],
            ["AdditionInstruction", "enhancement_factor", "enhancement_factor", "v0"],
        ],
    },
    "parameters": {
        "parameters_x": {"c0": 0.8, "c1": 1.5, "gamma_utransform": 0.004, "kappa_pbex": 0.8, "mu_pbex": 0.2}
    },
}

FORMULAS = (
    "c0 + c1*u(x2, g) + c2*w**2",
    "q = u(x2, g); r = q*q; r**3/(1 + r) - select(w, q, -q)",
    "pbe_c_spin(rho_a, rho_b, sigma, b, gamma)*erf_attenuation(0.3/cbrt(rho_a))",
    "-(1.5e-3*x2)**(-4/3) + min(w, max(0.1, tanh(w))) + fma(w, w, -2)",
)

OWN = (
    "sech(a) = 1/cosh(a); 1 + c*sech(w)",
    "squash(a, b) = a/sqrt(1 + b*a**2); twice(a) = squash(a, k) + squash(a, 2); 1 + c0*twice(u(x2, g))**2",
    "mix(a, b, c) = a*b + (1 - a)*c; q = mix(w, x2, 0.5); select(q, mix(q, q, -q), mix(1, w, w))",
    "bell(a) = exp(-k*a**2); bell(bell(bell(x2))) + bell(w)",
)

RULES = (
    """[form]
channels = ["x", "css"]
features_x = ["q = sech(x2/(1 + a))", "w"]
features_css = ["u = u(x2, g)", "w"]
template = ["x = 1 + u(x2, g)*F"]
operator = ["sech(a) = 1/cosh(a)", "bell(a) = exp(-k*a**2)"]
[mutation]
instruction_pool = {add = 2, mul = 2, sech = 1, bell = 0.5}
""",
    """[search]
preset = "b97x"
[form]
features_x = ["x2", "s2 = x2*select(w, w, 0.5)"]
template = ["f_x = c + F/(1 + F**2)"]
base = ["empty"]
""",
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def expression(_: Path) -> tuple[Run, list[bytes]]:
    def run(data: bytes) -> None:
        e = Expression.parse(_text(data))
        text = str(e)
        assert Expression.parse(text) == e
        e.to_latex()
        values = {name: np.array([0.3, 1.5]) for name in e.features}
        parameters = dict.fromkeys(e.parameters, 0.7)
        small = e.define().complexity < 500
        e.evaluate(values, parameters)
        if small:
            for name in (*e.features[:2], *e.parameters[:2]):
                e.derivative(name).evaluate({**values, name: np.array([0.3, 1.5])}, {**parameters, name: 0.7})

    return run, [t.encode() for t in FORMULAS]


def operators(folder: Path) -> tuple[Run, list[bytes]]:
    """Own operators before a formula, and as instructions."""
    parse = expression(folder)[0]

    def run(data: bytes) -> None:
        parts = [part.strip() for part in _text(data).split(";")]
        own = tuple(part for part in parts if is_definition(part))
        for operator in own_operators(own):
            assert own_operators((str(operator),)) == (operator,), "a definition is read back as the same operator"
            instruction_kind(operator.name, own)
        parse(data)

    return run, [text.encode() for text in OWN]


def rules(_: Path) -> tuple[Run, list[bytes]]:
    """Own features, forms of factors and own operators of a search, up to the genomes that it starts from."""

    def run(data: bytes) -> None:
        config = SearchConfig.from_text(_text(data), "data")
        if set(config.base) <= {"empty", "lda"}:  # anything else may be the name of a file or a run
            prepare(config)

    return run, [text.encode() for text in RULES]


def functional(_: Path) -> tuple[Run, list[bytes]]:
    rho, sigma, tau = np.array([[0.3], [0.2]]), np.array([[0.1], [0.05], [0.07]]), np.array([[0.3], [0.2]])

    def run(data: bytes) -> None:
        f = Functional.from_text(_text(data), "data")
        assert Functional.from_text(f.to_text()) == f
        if f.complexity < 300:
            f.energy_density(rho, sigma, tau)

    return run, [fs.get_functional(n).to_text().encode() for n in ("gas22", "pbe0", "lda")]


def syfes(folder: Path) -> tuple[Run, list[bytes]]:
    return functional(folder)[0], [json.dumps(SYFES).encode()]


def formulas(_: Path) -> tuple[Run, list[bytes]]:
    def run(data: bytes) -> None:
        text = _text(data)
        if "=" in text:  # anything else may be the name of a file
            fs.load(text)

    return run, [b"x = 1 + c*w; x.c = 0.3; css = u(x2, 0.2); hybrid.omega = 0.3; nlc.b = 6; nlc.C = 0.01"]


def toml(_: Path) -> tuple[Run, list[bytes]]:
    def run(data: bytes) -> None:
        SearchConfig.from_text(_text(data), "data")

    return run, [SearchConfig.make(p).to_toml().encode() for p in ("quickstart", "b97x")]


def xyz(folder: Path) -> tuple[Run, list[bytes]]:
    path = folder / "a.xyz"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        read_xyz(path)

    return run, [b"3\n0 1\nO 0 0 0\nH 0 0.757 0.587\nH 0 -0.757 0.587\n", b"1\r\n-1 2 words\r\nhe 1D0 -2.5e-1 +3\r\n"]


def plain(folder: Path) -> tuple[Run, list[bytes]]:
    _geometries(folder / "geometries")

    def run(data: bytes) -> None:
        (folder / "reactions.csv").write_bytes(data)
        read_plain(folder)

    head = b"name,reaction,reference_kcal,split,weight\n"
    return run, [
        head + b"a,-1 H2; 2 H,109.5,train,2\n# c\nb,1 H,0,test,\n",
        head + b'"q ""x""",1 H; 1 H2,-1e3,validation,0.5\n',
    ]


def _geometries(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "H.xyz").write_text("1\n0 2\nH 0 0 0\n")
    (folder / "H2.xyz").write_text("2\n0 1\nH 0 0 0\nH 0 0 0.74\n")


def evalcsv(folder: Path) -> tuple[Run, list[bytes]]:
    _geometries(folder / "Geometries")

    def run(data: bytes) -> None:
        (folder / "DatasetEval.csv").write_bytes(data)
        read_eval_csv(folder / "DatasetEval.csv")
        read_folder(folder)

    return run, [b"TAE140_1,-1,H2,2,H,0.17\r\nBH76_3,1,H,-0.5,H2,-0.02,,\n", b"my_1,1,H,-0.5\nmy_2,1,H2,1,H,1e-3\n"]


def gmtkn55(folder: Path) -> tuple[Run, list[bytes]]:
    for name in ("h", "h2"):
        (folder / "SUB" / name).mkdir(parents=True, exist_ok=True)
        (folder / "SUB" / name / "struc.xyz").write_text("1\n\nH 0 0 0\n")
        (folder / "SUB" / name / ".UHF").write_text("1\n")

    def run(data: bytes) -> None:
        (folder / "SUB" / ".res").write_bytes(data)
        read_gmtkn55(folder)

    return run, [b"#!/bin/bash\n$tmer h2/$f h/$f x -1 2 $w 109.5\ntmer2 {h,h2}/$f x 1 1 $w -3\n"]


def _hydrogen() -> str:
    from pyscf import gto

    return dump_mole(gto.M(atom="H 0 0 0", basis="sto-3g", spin=1, verbose=0))


def mole(_: Path) -> tuple[Run, list[bytes]]:
    points = np.array([[0.0, 0.0, 0.5]])

    def run(data: bytes) -> None:
        mol = load_mole(_text(data))
        if mol.nao < 200:
            mol.eval_gto("GTOval_sph", points)

    return run, [_hydrogen().encode()]


def _dataset(path: Path) -> None:
    energies = Energies(**dict.fromkeys(Energies.__annotations__, -0.5))
    attributes = {"converged": True, "charge": 0, "spin": 1, "xc": "wb97m_v", "grid": "level 1"}
    record = DensityRecord(
        _hydrogen(), np.ones((2, 1, 1)), np.array([[1.0], [0.0]]), -np.ones((2, 1)), energies, attributes
    )
    species = {"H": Species("H", ("H",), np.zeros((1, 3)), 0, 1)}
    reactions = (Reaction("r", "s", "t", "train", 1.0, {"H": 1.0}, 0.0),)
    write_dataset(path, DatasetContents("small", species, reactions), [(["H"], record)])


_numbers = itertools.count()


def _written(folder: Path, data: bytes) -> Path:
    """A file of a new name: HDF5 shares what it knows of a file between all openings of it in a process."""
    for old in folder.glob("input-*"):
        old.unlink()
    path = folder / f"input-{next(_numbers)}"
    path.write_bytes(data)
    return path


def dataset(folder: Path) -> tuple[Run, list[bytes]]:
    path = folder / "d.h5"
    _dataset(path)
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        path = _written(folder, data)
        problem = None
        with storage.open_dataset_file(path) as file, pytest.MonkeyPatch.context() as patch:
            for module in (storage, quadrature):  # opened once for the four readers: half the time
                patch.setattr(module, "open_dataset_file", lambda _: _open(file))
            for read in (read_contents, read_summaries, list_quadratures, lambda p: read_density(p, "H")):
                try:
                    read(path)
                except fs.FastsfesError as error:
                    problem = error
        if problem is not None:
            raise problem

    return run, [seed]


@contextlib.contextmanager
def _open(file: h5py.File) -> Iterator[h5py.File]:
    with damage("the file", "make it again"):
        yield file


def chkfile(folder: Path) -> tuple[Run, list[bytes]]:
    path = folder / "c.chk"
    with h5py.File(path, "w") as file:
        file["mol"] = _hydrogen()
        file["scf/mo_coeff"], file["scf/mo_occ"] = np.ones((2, 1, 1)), np.array([[1.0], [0.0]])
        file["scf/mo_energy"], file["scf/e_tot"] = -np.ones((2, 1)), -0.5
        for key in Energies.__annotations__:
            file[f"energies/{key}"] = -0.5
        file.attrs.update({"converged": True, "xc": "wb97m_v", "grid": "level 1", "density_fit": "none"})
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        read_chkfile(_written(folder, data))

    return run, [seed]


def history(folder: Path) -> tuple[Run, list[bytes]]:
    path = folder / "history.sqlite"
    RunStore.create(path).close()
    genome = Genome.from_dict({"x": [["u", "v0", "x2", [0.004]]]})
    best = Individual(0, 0, genome, "ff", {"x": {"g": 0.004}}, 1.0, 1.0, {"a": 1.0}, 3.0, 1.0, 1.0)
    state = IslandState(0, 1, 1, (best,), best, (best,), 1.0, 0, 0)
    record = Record(0, 0, -1, "base", "ff", False, {"x": "1"}, {"x": {}}, 3.0, 1.0, 1.0, {"a": 1.0}, 1.0, 1.0, 5)
    with RunStore.open(path) as store:
        store.add_epoch(0, 0, pack_candidates(0, 0, [record]))
        store.commit_round([state], [best], 1.5)
    seed = path.read_bytes()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        with RunStore.open(path, read_only=True) as store:
            problem = None
            for read in (
                store.states,
                store.archive,
                store.news,
                store.pareto,
                store.counts,
                lambda: list(store.fitted()),
            ):
                try:
                    read()
                except fs.FastsfesError as error:
                    problem = error
                except sqlite3.Error:
                    pass  # a page is damaged: the commands report it as such
            if problem is not None:
                raise problem

    return run, [seed]


def kernel(folder: Path) -> tuple[Run, list[bytes]]:
    """Entries of the kernel cache: the honest one is loaded, one with a broken seal never. No compiler is at hand."""
    os.environ["FASTSFES_CACHE_DIR"] = str(folder)
    formula = "exp(x2)*w + 0.25"
    assert _core.jit_precompile([Expression.parse(formula).program], "") == 1
    (entry,) = (folder / "kernels").glob("*.so")
    seed = entry.read_bytes()
    os.environ.pop("CXX", None)
    os.environ["PATH"] = str(folder / "empty")
    warnings.simplefilter("ignore", RuntimeWarning)  # that there is no compiler
    arrays = [np.array([0.5]), np.array([2.0])]
    expected = np.exp(0.5) * 2.0 + 0.25

    def run(data: bytes) -> None:
        entry.unlink(missing_ok=True)  # the file that was loaded stays as it was
        entry.write_bytes(data)
        entry.chmod(0o700)
        _core.jit_reset()
        program = Expression.parse(formula).program  # one keeps the kernel that it has
        value = program.evaluate(arrays, [], n=1, threads=1, backend=_COMPILED)[0, 0]
        assert abs(value - expected) < 1e-12
        assert _core.jit_is_compiled(program) == (data == seed), "a damaged kernel was loaded, or the honest one not"

    return run, [seed]


_COMPILED = 2
"""The backend that takes a kernel wherever there is one; a program's default would interpret a single point."""


TARGETS: dict[str, Target] = {
    t.__name__: t
    for t in (
        expression,
        operators,
        rules,
        functional,
        syfes,
        formulas,
        toml,
        xyz,
        plain,
        evalcsv,
        gmtkn55,
        mole,
        dataset,
        chkfile,
        history,
        kernel,
    )
}
