from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastsfes import Functional, InputError, SearchConfig
from fastsfes.functionals.registry import get_functional
from fastsfes.run.setup import prepare

# The form of GAS22's exchange and the PBE block as SyFES writes them.
DATA: dict[str, Any] = {
    "f_x": {
        "feature_names": ["u", "w", "x2"],
        "shared_parameter_names": ["c0", "c1", "c2"],
        "variable_names": ["v0", "enhancement_factor"],
        "instructions": [
            ["AdditionInstruction", "enhancement_factor", "enhancement_factor", "c0"],
            ["UTransformInstruction", "v0", "x2"],
            ["MultiplicationAdditionInstruction", "enhancement_factor", "c1", "v0"],
            ["MultiplicationAdditionInstruction", "enhancement_factor", "c2", "w"],
        ],
    },
    "f_css": {
        "feature_names": ["x2"],
        "shared_parameter_names": [],
        "variable_names": ["enhancement_factor"],
        "instructions": [
            ["SquareRootInstruction", "enhancement_factor", "x2"],
            ["PBEXInstruction", "enhancement_factor", "enhancement_factor"],
        ],
    },
    "f_cos": {
        "feature_names": ["u"],
        "shared_parameter_names": [],
        "variable_names": ["enhancement_factor"],
        "instructions": [["Power2Instruction", "enhancement_factor", "u"]],
    },
    "parameters": {
        "parameters_x": {
            "c0": 0.862139736374172,
            "c1": 0.936993691972698,
            "c2": 0.317533683085033,
            "gamma_utransform": 0.003840616724010807,
        },
        "parameters_css": {"kappa_pbex": 0.804, "mu_pbex": 0.2195149727645171},
        "parameters_cos": {},
    },
}


def write(tmp_path: Path, data: object) -> Path:
    path = tmp_path / "functional.json"
    path.write_text(json.dumps(data))
    return path


def test_values_are_those_of_known_functionals(tmp_path: Path) -> None:
    read = Functional.from_json(write(tmp_path, DATA))
    rng = np.random.default_rng(0)
    features = {"x2": rng.uniform(0, 100, 40), "w": rng.uniform(-1, 1, 40)}
    gas22, pbe = get_functional("gas22"), get_functional("pbe_x")
    np.testing.assert_allclose(
        read.channels["x"].evaluate(features), gas22.channels["x"].evaluate(features), rtol=1e-14
    )
    x2 = {"x2": features["x2"]}
    total = {"x2": 2 ** (2 / 3) * x2["x2"]}  # SyFES's blocks have the constants of the total density
    np.testing.assert_allclose(read.channels["css"].evaluate(x2), pbe.channels["x"].evaluate(total), rtol=1e-14)
    u = 0.004 * x2["x2"] / (1 + 0.004 * x2["x2"])
    np.testing.assert_allclose(read.channels["cos"].evaluate(x2), u**2, rtol=1e-14)
    assert (read.hybrid, read.nlc, read.correlation) == (gas22.hybrid, gas22.nlc, "pw92")


@pytest.mark.parametrize(
    ("block", "parameters", "values"),
    [
        ("PBEX", {"kappa_pbex": 0.804, "mu_pbex": 0.2195149727645171}, (1.1584956983216446, 1.0042125958955301)),
        ("RPBEX", {"kappa_rpbex": 0.804, "mu_rpbex": 0.2195149727645171}, (1.175043887216377, 1.0042236511917815)),
        ("B88X", {"beta_b88x": 0.0042}, (1.1641589569948287, 1.0051593929630134)),
    ],
)
def test_exchange_blocks_have_the_values_of_syfes(block: str, parameters: Any, values: Any) -> None:
    """Its own code's values of the blocks of sqrt(x2), and its values of a form that has none."""
    factor = {
        "feature_names": ["x2"],
        "shared_parameter_names": [],
        "variable_names": ["v0", "enhancement_factor"],
        "instructions": [["SquareRootInstruction", "v0", "x2"], [f"{block}Instruction", "enhancement_factor", "v0"]],
    }
    for data in ({"f_x": factor, "parameters": {"parameters_x": parameters}}, {"f_x": factor}):
        channel = Functional.from_dict(data).channels["x"]
        found = channel.evaluate({"x2": [34.42845740790732, 0.7385407540924154]})
        np.testing.assert_allclose(found, values, rtol=1e-14)
        assert channel.parameters == parameters


@pytest.mark.parametrize("factor", ["f_x", "f_css", "f_cos"])
def test_its_feature_u_has_one_scale_in_every_channel(factor: str) -> None:
    """At x2 = 30 it is 0.12/1.12, and a form without values starts from 1."""
    form = {
        "feature_names": ["u"],
        "shared_parameter_names": ["c0"],
        "variable_names": ["enhancement_factor"],
        "instructions": [["MultiplicationAdditionInstruction", "enhancement_factor", "c0", "u"]],
    }
    (channel,) = Functional.from_dict({factor: form}).channels.values()
    assert channel.evaluate({"x2": [30.0]})[0] == pytest.approx(0.12 / 1.12, rel=1e-15)
    assert channel.parameters == {"c0": 1.0}


def test_published_gas22_is_registered_beside_that_of_libxc() -> None:
    """SyFES has PW92's constants as printed: the parameters are the same, energies differ in the sixth digit."""
    published, libxc = get_functional("gas22_syfes"), get_functional("gas22")
    assert (published.parameters, published.hybrid, published.nlc) == (libxc.parameters, libxc.hybrid, libxc.nlc)
    assert (published.correlation, libxc.correlation) == ("pw92", "pw92_mod")


@pytest.mark.slow
def test_published_energies_of_gas22() -> None:
    """H2O and P (quartet), def2-QZVPPD on PySCF's default grids, VV10's pruned by sg1 (10.1126/sciadv.abq0279)."""
    from pyscf import dft, gto

    import fastsfes as fs

    geometry = "O -0.084889 0.056804 0.055205; H 0.710375 0.517729 0.413971; H -0.890958 0.498588 0.414274"
    for atom, spin, expected in ((geometry, 0, -76.430060), ("P", 3, -341.253901)):
        mol = gto.M(atom=atom, spin=spin, basis="def2-qzvppd", verbose=0)
        mf = dft.UKS(mol) if spin else dft.RKS(mol)
        mf.nlcgrids.prune = dft.gen_grid.sg1_prune
        assert fs.pyscf.attach(mf, "gas22_syfes").kernel() == pytest.approx(expected, abs=1e-6)


def test_the_square_of_a_root_has_a_finite_derivative_at_zero(tmp_path: Path) -> None:
    channel = Functional.from_json(write(tmp_path, DATA)).channels["css"]
    slope = channel.expression.derivative("x2").evaluate({"x2": 0.0}, channel.parameters)
    assert np.isfinite(slope)


def damaged(change: Any) -> dict[str, Any]:
    data = copy.deepcopy(DATA)
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["f_x"]["instructions"].append(["ShellInstruction", "v0", "u"]), "instruction 4: the class"),
        (lambda d: d["f_x"]["instructions"].append(["AdditionInstruction", "v0", "u"]), "takes an output and 2 inputs"),
        (lambda d: d["f_x"]["instructions"].append(["Power2Instruction", "c0", "u"]), 'writes "c0"'),
        (lambda d: d["f_x"]["instructions"].append(["Power2Instruction", "v0", "z"]), 'reads "z"'),
        (lambda d: d["f_x"]["instructions"].append("nope"), "is not a list"),
        (lambda d: d["f_x"].pop("variable_names"), 'lacks "enhancement_factor"'),
        (lambda d: d["f_x"].update(feature_names=["u", "q"]), 'feature "q" is unknown'),
        (lambda d: d["parameters"]["parameters_x"].pop("c1"), 'parameter "c1" is None'),
        (lambda d: d["parameters"]["parameters_x"].update(c1="1"), "expected a finite number"),
        (lambda d: d.update(f_x=3), "f_x: expected an object"),
    ],
)
def test_damaged_files_get_one_clear_sentence(change: Any, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, damaged(change))
    with pytest.raises(InputError, match=message) as caught:
        Functional.from_json(path)
    assert str(path) in str(caught.value)


def test_searches_start_from_such_files_beside_others(tmp_path: Path) -> None:
    theirs, own = write(tmp_path, DATA), tmp_path / "own.json"
    get_functional("wb97m_v").to_json(own)
    config = SearchConfig.make(base=(str(theirs), str(own), "gas22"), islands=2, max_instructions=-1)
    parts = prepare(config)
    assert parts.names_of(0) == [str(theirs), "gas22"]
    read = Functional.from_json(theirs)
    features = {"x2": 2.5, "w": -0.3}
    _, genome, start = parts.bases[0]
    expressions = genome.expressions(parts.mutator.workspaces)
    assert expressions is not None
    for kind, expression in expressions.items():
        channel = read.channels[kind]
        assert expression.evaluate(features, start[kind]) == pytest.approx(channel.evaluate(features), rel=1e-14)
