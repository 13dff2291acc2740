"""The feature table: complete rows, and definitions that agree with each other, the density's dimensions and sympy."""

from __future__ import annotations

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.energies.quadrature.nodes import derived_features
from fastsfes.formula.expression import Expression, feature_names, features
from fastsfes.formula.features import CHANNELS, channel_features, channel_terms

ROWS = {row["name"]: row for row in features()}
SPIN = [name for name, row in ROWS.items() if row["spin"]]
OF_NODES = [name for name, row in ROWS.items() if row["nodes"]]
RNG = np.random.default_rng(4)
N = 400
RHO = np.exp(RNG.uniform(-8, 3, (2, N)))
GRADIENT = RHO ** (4 / 3) * np.exp(RNG.uniform(-3, 2, (2, N)))
SIGMA = np.array([GRADIENT[0] ** 2, GRADIENT[0] * GRADIENT[1] * RNG.uniform(-1, 1, N), GRADIENT[1] ** 2])
# never below von Weizsaecker's, as for orbitals
TAU = SIGMA[::2] / (8 * RHO) + RHO ** (5 / 3) * np.exp(RNG.uniform(-3, 3, (2, N)))


def missing_properties(row: dict) -> list[str]:
    """What a row of the feature table lacks."""
    lacks = [key for key in ("name", "summary", "latex", "mathml", "label") if not row[key]]
    lacks += [key for key in ("nonnegative", "length") if row[key] is None]
    if not row["spin"] and not row["total"]:
        lacks.append("definition")
    if row["spin"] and row["length"] == 0 and not (row["pair"] and row["nodes"] and row["maple"]):
        lacks.append("definition of a reduced feature for the pair, by nodes and for libxc")
    return lacks


def test_every_feature_has_every_property() -> None:
    assert {name: missing_properties(row) for name, row in ROWS.items()} == {name: [] for name in ROWS}
    assert feature_names() == list(ROWS)
    for row in ROWS.values():
        for key in ("summary", "latex", "mathml", "label", "spin", "pair", "nodes", "maple"):
            if row[key] and (row["length"] == 0 or key in ("summary", "latex", "mathml", "label")) and row["spin"]:
                assert missing_properties({**row, key: None}), (row["name"], key)


def one_spin(name: str, k: int = 0) -> np.ndarray:
    expression = Expression.parse(ROWS[name]["spin"])
    values = {"rho": RHO[k], "sigma": SIGMA[2 * k], "tau": TAU[k]}
    return expression.evaluate({f: values[f] for f in expression.features})


# Differences of numbers of the size of the terms: alpha and beta are what is left of tau - tau_W.
TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("name", OF_NODES)
def test_the_nodes_know_the_feature_of_a_spin(name: str) -> None:
    known = derived_features("x", {"x2": one_spin("x2"), "w": one_spin("w")})
    # 1 - w loses digits where w is near 1: what comes from w is that much less accurate
    scale = 1 + np.abs(1 / (1 - np.abs(one_spin("w")))) + one_spin("x2")
    np.testing.assert_array_less(np.abs(known[name] - one_spin(name)), 1e-14 * scale**2)


@pytest.mark.parametrize("name", [n for n in SPIN if ROWS[n]["maple"]])
def test_libxc_s_variables_give_the_feature_of_a_spin(name: str) -> None:
    reduced = Expression.parse(ROWS[name]["maple"])
    given = {"xs": GRADIENT[0] / RHO[0] ** (4 / 3), "ts": TAU[0] / RHO[0] ** (5 / 3)}
    values = [float(reduced.evaluate({}, {p: float(given[p][i]) for p in reduced.parameters})) for i in range(0, N, 7)]
    np.testing.assert_allclose(values, one_spin(name)[::7], **TOLERANCE)


@pytest.mark.parametrize("name", CHANNELS["cos"].features)
def test_the_pair_of_equal_spins_has_the_feature_of_one(name: str) -> None:
    rho, sigma, tau = RHO[[0, 0]], SIGMA[[0, 0, 0]], TAU[[0, 0]]
    ((_, (pair,)),) = channel_features("cos", (name,), rho, sigma, tau)
    np.testing.assert_allclose(pair, one_spin(name), **TOLERANCE)


@pytest.mark.parametrize("name", OF_NODES)
def test_the_nodes_know_the_feature_of_the_pair(name: str) -> None:
    ((_, (x2, w, direct)),) = channel_features("cos", ("x2", "w", name), RHO, SIGMA, TAU)
    scale = 1 + np.abs(1 / (1 - np.abs(w))) + x2
    np.testing.assert_array_less(np.abs(derived_features("cos", {"x2": x2, "w": w})[name] - direct), 1e-14 * scale**2)


@pytest.mark.parametrize("name", SPIN)
def test_signs_and_dimensions(name: str) -> None:
    values = one_spin(name)
    assert ROWS[name]["nonnegative"] <= bool(np.all(values >= 0))
    stretch = 1.7  # the density with all lengths longer by this
    expression = Expression.parse(ROWS[name]["spin"])
    longer = {"rho": RHO[0] / stretch**3, "sigma": SIGMA[0] / stretch**8, "tau": TAU[0] / stretch**5}
    scaled = expression.evaluate({f: longer[f] for f in expression.features})
    np.testing.assert_allclose(scaled, values * stretch ** ROWS[name]["length"], **TOLERANCE)


@pytest.mark.parametrize("name", [n for n, row in ROWS.items() if not row["nonnegative"]])
def test_what_is_signed_has_both_signs_somewhere(name: str) -> None:
    expression = Expression.parse(ROWS[name]["nodes"] or ROWS[name]["total"])
    rng = np.random.default_rng(1)
    ranges = {"w": (-0.9, 0.9), "sigma_ab": (-1.0, 1.0)}
    values = expression.evaluate({f: rng.uniform(*ranges.get(f, (0, 60)), 300) for f in expression.features})
    assert values.min() < 0 < values.max()


def test_indicators_of_one_orbital_and_of_the_uniform_gas() -> None:
    zero = np.zeros_like(RHO)
    weizsaecker = SIGMA[::2] / (8 * RHO)
    uniform = 0.3 * (6 * np.pi**2) ** (2 / 3) * RHO ** (5 / 3)
    for kind in ("x", "cos"):
        for tau, sigma, alpha, beta in ((weizsaecker, SIGMA, 0.0, 0.0), (uniform, 0 * SIGMA, 1.0, 0.5)):
            if kind == "cos" and alpha == 0.0:
                continue  # means of both spins: of one orbital each only where these are equal
            for _, found in channel_features(kind, ("alpha", "beta", "s"), RHO, sigma, tau):
                # tau - tau_W of one orbital: a rounding of tau over that of the uniform gas
                np.testing.assert_allclose(found[0], alpha, rtol=1e-13, atol=1e-15 * (weizsaecker / uniform).max())
                np.testing.assert_allclose(found[1], beta, rtol=1e-13, atol=1e-15)
    assert zero.shape == RHO.shape


def test_a_functional_of_alpha_beta_and_s_is_the_one_of_x2_and_w() -> None:
    """Energy and first derivatives; the other spelling is written out here."""
    c = 0.3 * (6 * np.pi**2) ** (2 / 3)
    t, weizsaecker = "(1 + w)/(1 - w)", f"x2/{8 * c!r}"
    spelled = {
        "beta": f"(1 - {weizsaecker}*({t}))/(1 + {t})",
        "alpha": f"(1/({t}) - {weizsaecker})",
        "s": f"(sqrt(x2)/{2 * (6 * np.pi**2) ** (1 / 3)!r})",
    }
    form = "1 + 0.3*beta*s/(1 + s**2) - 0.1*alpha/(1 + alpha**2)"
    other = form
    for name, text in spelled.items():
        other = Expression.parse(other).substitute({name: Expression.parse(text)}).text
    both = [fs.load("; ".join(f"{kind} = {text}" for kind in ("x", "css", "cos"))) for text in (form, other)]
    assert both[0].family == "mgga"
    for arguments in ((RHO, SIGMA, TAU), (RHO[0], SIGMA[0], TAU[0])):
        one, two = (f.energy_density(*arguments, deriv=1) for f in both)
        for key in ("exc", "vrho", "vsigma", "vtau"):
            a, b = np.asarray(getattr(one, key)), np.asarray(getattr(two, key))
            # 1 - w of the other spelling loses up to the digits of max(t, 1/t), 1e3 here
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11 * np.abs(b).max())


def test_prefactors_in_both_versions_of_the_constants() -> None:
    for version, name in (("pw92_mod", "pw92"), ("pw92", "pw92_paper")):
        (term,) = channel_terms("cos", 0.0, version)
        expected = f"{name}(rho_a, rho_b) - {name}_ferro(rho_a) - {name}_ferro(rho_b)"
        assert str(term.prefactor) == expected
        assert str(channel_terms("css", 0.0, version)[1].prefactor) == f"{name}_ferro(rho_b)"
        assert str(channel_terms("c", 0.0, version)[0].prefactor) == f"{name}(rho_a, rho_b)"


def test_files_with_parameters_that_are_features_now_are_read() -> None:
    """b88_x as it was written before beta was a feature."""
    data = fs.get_functional("b88_x").to_dict()
    data["channels"] = {"x": {"expression": "b88_x(x2, beta)", "parameters": {"beta": 0.0042}}}
    old, new = fs.Functional.from_dict(data), fs.get_functional("b88_x")
    assert old.parameters == {"x.beta_": 0.0042}
    np.testing.assert_array_equal(old.energy_density([0.3], [0.1]).exc, new.energy_density([0.3], [0.1]).exc)
