"""Refits as values of libxc's external parameters: libxc's energies and derivatives with them are ours."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from libxc_calls import some_points

import fastsfes as fs
from fastsfes.exports.libxc_parameters import FORMS, external_parameters
from fastsfes.exports.polynomial import polynomial

REFITTED = ("wb97m_v", "b97m_v", "gas22", "wb97x_v", "b97")


def refitted(name: str) -> fs.Functional:
    """Other values of all parameters but the scales, which are no parameters in libxc; another exact exchange."""
    f = fs.get_functional(name)
    random = np.random.default_rng(3)
    channels = {}
    for kind, c in f.channels.items():
        values = {k: v if k == "g" else v * random.uniform(0.8, 1.2) for k, v in c.parameters.items()}
        channels[kind] = replace(c, parameters=values)
    h = f.hybrid
    if h.omega:
        h = replace(h, omega=0.25, short_range=0.21, long_range=0.93)
    elif h.long_range:
        h = replace(h, short_range=0.17, long_range=0.17)
    return replace(f, name="mine", channels=channels, hybrid=h)


def section(text: str, title: str) -> list[str]:
    return text.split(f"# -- {title}")[1].split("\n# --")[0].splitlines()[1:]


@pytest.mark.parametrize("name", REFITTED)
def test_libxc_with_these_values(name, tmp_path):
    """The section for PySCF, run: values of libxc and the exact exchange that PySCF then asks for."""
    from pyscf.dft import libxc

    f = refitted(name)
    (path,) = fs.export(f, "libxc-parameters", tmp_path / "mine.txt")
    text = path.read_text()
    exec("\n".join(section(text, "PySCF 2.11 or later")), {})
    try:
        for spins in (1, 2):
            rho, sigma, tau = some_points(spins)
            # a gradient of this square along x and y
            length = np.sqrt(sigma[:, 0])
            across = np.zeros_like(length)
            rows = [np.array([rho[:, 0], length, across, across, tau[:, 0]])]
            if spins == 2:
                along = sigma[:, 1] / length
                across = np.sqrt(sigma[:, 2] - along**2)
                rows.append(np.array([rho[:, 1], along, across, 0 * across, tau[:, 1]]))
            rows = [r[: 4 if f.family == "gga" else 5] for r in rows]
            exc, vxc, *_ = libxc.eval_xc("mine", rows[0] if spins == 1 else rows, spin=spins - 1, deriv=1)
            density = rho.sum(axis=1)
            want = f.energy_density(*((a[:, 0] if spins == 1 else a.T) for a in (rho, sigma, tau)), deriv=1)
            # libxc has other roundings of the same formula; channels cancel in part
            np.testing.assert_allclose(exc * density, want.exc, rtol=1e-12)
            for got, exact in ((vxc[0], want.vrho), (vxc[1], want.vsigma)):
                scale = np.abs(np.atleast_2d(exact)).max(axis=0)
                assert np.all(np.abs(np.atleast_2d(got.T) - np.atleast_2d(exact)) <= 1e-11 * scale)
        h = f.hybrid
        if h.omega:
            np.testing.assert_allclose(
                libxc.rsh_coeff("mine"), [h.omega, h.long_range, h.short_range - h.long_range], rtol=1e-15
            )
        else:
            assert libxc.hybrid_coeff("mine") == h.short_range
        assert [tuple(map(tuple, libxc.nlc_coeff("mine")[0][:1]))] == [((6.0, 0.01),)] if f.nlc else True
    finally:
        libxc.unregister_custom_functional_("mine")


@pytest.mark.parametrize("name", REFITTED)
def test_exact_exchange_and_vv10_of_psi4_and_vasp(name, tmp_path):
    """They do not come from libxc there: what the sections say of them is the functional's."""
    f = refitted(name)
    (path,) = fs.export(f, "libxc-parameters", tmp_path / "mine.txt")
    said: dict = {}
    exec("\n".join(section(path.read_text(), "Psi4 1.4 or later")), said)
    psi4, h = said["functional"], f.hybrid
    code, values = external_parameters(f)
    assert psi4["x_functionals"] == {code.upper(): {"tweak": values}}
    fractions = psi4.get("x_hf", {"alpha": 0.0, "beta": 0.0, "omega": 0.0})
    assert (fractions["alpha"], fractions["omega"]) == (h.short_range, h.omega)
    assert fractions["alpha"] + fractions["beta"] == pytest.approx(h.long_range, rel=1e-15)
    nlc = {"type": "nl", "params": {"b": f.nlc.b, "c": f.nlc.C}} if f.nlc else None
    assert psi4.get("dispersion") == nlc
    incar = section(path.read_text(), "VASP 6.4 or later, INCAR")
    assert ("LHFCALC = .TRUE." in incar) == (f"AEXX = {h.short_range!r}" in incar) == (name == "b97")
    assert any(f"{h.short_range!r} at short range" in line for line in incar) == bool(h.omega)
    assert any("VV10 is missing" in line for line in incar) == bool(f.nlc)


@pytest.mark.parametrize("name", REFITTED)
def test_names_and_order_are_those_of_libxc(name, tmp_path):
    """Names, order and, for the registered functional, values are those that libxc says of itself; VASP counts them."""
    import ctypes

    from pyscf.dft import libxc as loaded

    libxc = loaded._itrf
    f = fs.get_functional(name)
    (path,) = fs.export(f, "libxc-parameters", tmp_path / "mine.txt")
    code, values = external_parameters(f)
    for function, restype in (
        ("xc_func_alloc", ctypes.c_void_p), ("xc_func_get_info", ctypes.c_void_p),
        ("xc_func_info_get_ext_params_name", ctypes.c_char_p),
        ("xc_func_info_get_ext_params_default_value", ctypes.c_double),
    ):  # fmt: skip
        getattr(libxc, function).restype = restype
    assert libxc.xc_functional_get_number(code.encode()) == FORMS[code].number
    func = ctypes.c_void_p(libxc.xc_func_alloc())
    assert libxc.xc_func_init(func, FORMS[code].number, 1) == 0
    info = ctypes.c_void_p(libxc.xc_func_get_info(func))
    count = libxc.xc_func_info_get_n_ext_params(info)
    own = [
        (
            libxc.xc_func_info_get_ext_params_name(info, k).decode(),
            libxc.xc_func_info_get_ext_params_default_value(info, k),
        )
        for k in range(count)
    ]
    libxc.xc_func_end(func)
    assert [n for n, _ in own] == list(values)
    np.testing.assert_allclose([v for _, v in own], list(values.values()), rtol=1e-15)
    text = path.read_text()
    assert section(text, "names and values")[:count] == [f"{k} = {v!r}" for k, v in values.items()]
    vasp = dict(re.findall(r"^LIBXC1_P(\d+) = (\S+)$", text, re.MULTILINE))
    assert {int(k): float(v) for k, v in vasp.items()} == dict(enumerate(values.values(), 1))
    assert f"\nLIBXC1 = {code.upper()}\n" in text


def test_any_spelling_of_the_form(tmp_path):
    """Products that are not multiplied out, terms that are absent; a scale of its own is no parameter of libxc."""
    text = (
        "x = 0.85 + u(x2, g) + w/4; css = 2*(w - 1)*(w + 1); cos = c*w**2*(1 - 3*u(x2, 0.006)) + 1; x.g = 0.004;"
        "cos.c = 0.1; hybrid.omega = 0.3; hybrid.short_range = 0.15; hybrid.long_range = 1; nlc.b = 6; nlc.C = 0.01"
    )
    name, values = external_parameters(fs.load(text))
    assert name == "hyb_mgga_xc_wb97m_v"
    expected = {"_cx00": 0.85, "_cx01": 1.0, "_cx10": 0.25, "_css00": -2.0, "_css20": 2.0, "_cos00": 1.0, "_cos20": 0.1}
    expected |= {"_cos21": -3 * 0.1, "_alpha": 1.0, "_beta": -0.85, "_omega": 0.3}
    assert values == {**dict.fromkeys(values, 0.0), **expected}
    for changed, reason in (
        (text.replace("x.g = 0.004", "x.g = 0.0041"), r"hyb_mgga_xc_wb97m_v has no u\(x2, 0\.0041\) in x"),
        (text.replace("w/4", "sqrt(w)"), r"has no sqrt\(w\) in x"),
        (text.replace("nlc.b = 6", "nlc.b = 5"), r"has VV10 with b = 6\.0, C = 0\.01"),
    ):
        with pytest.raises(fs.InputError, match=f"none of the forms whose parameters libxc has: .*{reason}"):
            fs.export(fs.load(changed), "libxc-parameters", tmp_path / "mine.txt")


def test_polynomials():
    from fastsfes.formula.expression import Expression

    made = polynomial(Expression.parse("(a - w)**2*x2/2 - (w + 1)*x2 + u(2*x2, a + 1)"), {"a": 3.0})
    x2, w = ("x2", 1), ("w", 1)
    assert made == {
        frozenset({x2}): 3.5, frozenset({x2, w}): -4.0, frozenset({x2, ("w", 2)}): 0.5,
        frozenset({("u(2.0*x2, 4.0)", 1)}): 1.0,
    }  # fmt: skip
