"""Reading functionals as text: names, files, runs, formulas, and libxc's for comparison."""

import numpy as np
import pytest
from pyscf.dft import libxc

import fastsfes as fs
from fastsfes.cli import main

RHO = np.array([[0.3, 1e-3, 2.0], [0.2, 2e-3, 0.0]])
SIGMA = np.array([[0.12, 1e-6, 0.5], [0.05, -5e-7, 0.0], [0.07, 2e-6, 0.0]])
TAU = np.array([[0.35, 1e-3, 1.0], [0.18, 2e-3, 0.0]])


def test_names_files_and_runs(tmp_path, monkeypatch):
    gas22 = fs.get_functional("gas22")
    assert fs.load(" GAS22 ") == gas22
    assert fs.load(gas22) is gas22
    gas22.to_json(tmp_path / "best.json")
    assert fs.load(tmp_path / "best.json") == gas22
    assert fs.load(tmp_path) == gas22
    (tmp_path / "best.json").rename(tmp_path / "noext")
    monkeypatch.chdir(tmp_path)
    assert fs.load("noext") == gas22
    # a file of the name of a registered functional does not shadow it
    fs.get_functional("pbe").to_json("b97")
    assert fs.load("b97").name == "b97"
    assert fs.load("./b97").name == "pbe"


def test_formulas():
    text = "x = q = u(x2, g); c0 + c1*q; css = 1; x.c0 = 0.8; x.c1=-1e-1;x.g=0.004"
    text += "; hybrid.omega = 0.3; nlc.b=6;nlc.C=0.01;"
    made = fs.load(text)
    assert made.channels["x"] == fs.Channel(
        fs.Expression.parse("c0 + c1*u(x2, g)"), {"c0": 0.8, "c1": -0.1, "g": 0.004}
    )
    assert made.channels["css"].expression == fs.Expression.parse("1")
    assert (made.hybrid, made.nlc) == (fs.Hybrid(0.3, 0.0, 0.0), fs.VV10(6.0, 0.01))
    assert fs.load("cos = c0*w", default=2.0).parameters == {"cos.c0": 2.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mn15", '"mn15" is not registered'),
        ("", "no functional is given"),
        ("a\0b", "is not registered"),
        ("n" * 5000, "is not registered"),
        ("gone.json", "gone.json: no such file"),
        ("libxc:pbe", "can be compared with"),
        ("x = c0", 'parameter "c0" of "x = c0" has no value; add x.c0 = NUMBER'),
        ("x = 1; x = 2", 'channel "x" is given twice'),
        ("x = c; x.c = 1; x.c = 2", '"x.c" is given twice'),
        ("x = 1; x.d = 2", '"x.d" is not a parameter'),
        ("x = 1; hybrid.beta = 2", '"hybrid.beta" is not a parameter'),
        ("x = c; x.c = nan", "expected a finite number"),
        ("x = c; x.c = 1e999", "expected a finite number"),
        ("z = 1", '"z = 1" is not understood'),
        ("x = 1 +", "x: at the end"),
        ("hybrid.omega = 1", "has no formula"),
        ("x = zeta", 'feature "zeta" in channel "x"'),
        ("=", "is not understood"),
        ("x = 1; hybrid.short_range = 0.25", "give both the same fraction, or an omega"),
        ("x = 1; hybrid.omega = -0.3; hybrid.long_range = 1", "hybrid.omega is -0.3"),
        ("x = 1; nlc.b = 6", "nlc.b is given alone"),
        ("x = 1; nlc.C = 0.01", "nlc.C is given alone"),
        ("x = 1; nlc.b = 6; nlc.C = 0", "nlc.C is 0.0"),
    ],
)
def test_what_cannot_be_read_is_explained(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fs.InputError) as caught:
        fs.load(text, where="--here")
    assert str(caught.value).startswith("--here: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "numbers",
    [(0.0, 0.25, 0.0), (0.0, 0.0, 0.25), (-0.3, 0.25, 0.25), (float("nan"), 1.0, 1.0), (0.3, float("inf"), 1.0)],
)
def test_frames_that_mean_nothing_are_refused(numbers):
    with pytest.raises(fs.InputError, match="hybrid"):
        fs.Hybrid(*numbers)


@pytest.mark.parametrize("numbers", [(0.0, 0.01), (6.0, 0.0), (-6.0, 0.01), (6.0, float("nan"))])
def test_half_a_vv10_is_refused(numbers):
    with pytest.raises(fs.InputError, match="nlc"):
        fs.VV10(*numbers)


def test_a_folder_without_a_functional(tmp_path):
    with pytest.raises(fs.InputError, match="not the directory of a search"):
        fs.load(tmp_path)


@pytest.mark.parametrize("name", ["lda", "pbe", "pbe0", "b97", "wb97m_v", "gas22"])
def test_libxc_functionals_evaluate_like_ours(name):
    """Both spin cases and both orders: libxc through its own names against our formulas."""
    ours = fs.get_functional(name)
    theirs = fs.load_comparison(f"libxc:{ours.libxc}")
    assert (theirs.family, theirs.hybrid, theirs.nlc) == (ours.family, ours.hybrid, ours.nlc)
    for rho, sigma, tau in ((RHO[:, :2], SIGMA[:, :2], TAU[:, :2]), (RHO[0], SIGMA[0], TAU[0])):
        mine, other = ours.energy_density(rho, sigma, tau, 2), theirs.energy_density(rho, sigma, tau, 2)
        for key, value in vars(mine).items():
            got = getattr(other, key)
            assert (value is None) == (got is None), key
            if value is not None:
                # second derivatives of libxc cancel to a few 1e-10; the polarised gradients are rebuilt from sigma
                scale = np.abs(value).max(axis=0)
                np.testing.assert_allclose(got / scale, value / scale, rtol=1e-8, atol=1e-9, err_msg=key)


def test_libxc_comparison_of_a_functional_that_is_not_ours():
    r2scan = fs.load_comparison("LIBXC:mgga_x_r2scan,mgga_c_r2scan")
    assert (r2scan.name, r2scan.family) == ("libxc:mgga_x_r2scan,mgga_c_r2scan", "mgga")
    rows = np.array([RHO[0], np.sqrt(SIGMA[0]), 0 * RHO[0], 0 * RHO[0], TAU[0]])
    exact = libxc.eval_xc("r2scan", rows)[0] * RHO[0]
    np.testing.assert_allclose(r2scan.energy_density(RHO[0], SIGMA[0], TAU[0]).exc, exact, rtol=1e-14)
    assert fs.load_comparison(r2scan) is r2scan
    assert fs.load_comparison("pbe") == fs.get_functional("pbe")
    assert fs.load_comparison("libxc:b3lyp").hybrid == fs.Hybrid(0.0, 0.2, 0.2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("libxc:nonsense", 'libxc has no functional "nonsense"'),
        ("libxc:", "no semilocal part"),
        ("libxc:hf", "no semilocal part"),
        ("libxc:mgga_x_br89", "Laplacian"),
    ],
)
def test_libxc_names_are_checked(text, message):
    with pytest.raises(fs.InputError, match=message):
        fs.load_comparison(text, where="beside")


def test_a_name_that_libxc_has_is_pointed_out():
    with pytest.raises(fs.InputError, match=r"not registered.*libxc has one of that name: libxc:hse06"):
        fs.load_comparison("HSE06")
    with pytest.raises(fs.InputError) as caught:
        fs.load_comparison("nonsense")
    assert "libxc" not in str(caught.value)


def test_libxc_shapes_are_checked():
    with pytest.raises(fs.InputError, match="needs sigma"):
        fs.load_comparison("libxc:gga_x_pbe").energy_density(RHO)


def test_commands_read_formulas(capsys):
    assert main(["fit", "x = a + b*u(x2, 0.004)", "--level", "coarse", "--max-evaluations", "2"]) == 0
    assert "f_x = a + b*u(x2, 0.004)" in capsys.readouterr().out
