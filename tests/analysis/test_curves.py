"""Enhancement curves and surfaces, pictures, and the command `analyse`."""

from __future__ import annotations

import builtins
import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.analysis import enhancement_curves
from fastsfes.analysis.plot import write_plots
from fastsfes.cli import main


def test_curves_are_the_known_formulas() -> None:
    found = enhancement_curves("pbe", ("b88_x", "libxc:scan", "gas22"), points=41)
    assert found.name == "pbe"
    assert found.beside == ("b88_x", "libxc:scan", "gas22")
    curve = found.curves[0]
    assert (curve.quantity, curve.axis) == ("F_x", "s")
    s = curve.x
    # PBE, 10.1103/PhysRevLett.77.3865, Eq. 14, and B88 at equal spins, x = 2 (6 pi^2)^(1/3) s
    np.testing.assert_allclose(curve.values["pbe"], 1 + 0.804 - 0.804 / (1 + 0.2195149727645171 * s**2 / 0.804))
    x = 2 * (6 * np.pi**2) ** (1 / 3) * s
    lda = 1.5 * (3 / (4 * np.pi)) ** (1 / 3)
    np.testing.assert_allclose(
        curve.values["b88_x"], 1 + 0.0042 / lda * x**2 / (1 + 6 * 0.0042 * x * np.arcsinh(x)), rtol=1e-9
    )
    # SCAN: 1.174 for a single orbital, 1 for the uniform gas
    along = next(c for c in found.curves if (c.quantity, c.axis) == ("F_x", "alpha"))
    surface = next(f for f in found.surfaces if f.name == "F_x")
    assert surface.values["libxc:scan"].max() <= 1.174 + 1e-9
    assert surface.values["libxc:scan"][0, 0] == pytest.approx(1.174)
    assert curve.values["libxc:scan"][0] == pytest.approx(1.0)
    assert np.all(along.values["pbe"] == along.values["pbe"][0])
    # exchange alone has no correlation curve, and the sum is the sum
    by_name = {(c.quantity, c.axis, c.fixed): c for c in found.curves}
    correlation = by_name["F_c", "s", "rs = 2, alpha = 1"]
    both = by_name["F_xc", "s", "rs = 2, alpha = 1"]
    assert "b88_x" not in correlation.values
    np.testing.assert_allclose(both.values["gas22"], curve.values["gas22"] + correlation.values["gas22"], rtol=1e-12)
    json.dumps(found.to_dict(), allow_nan=False)


def test_channel_surfaces_are_the_factors() -> None:
    functional = fs.get_functional("gas22")
    found = {s.name: s for s in enhancement_curves(functional, (), points=21).surfaces}
    assert {"f_x", "f_css", "f_cos"} < set(found)
    surface = found["f_cos"]
    i, j = 7, 3
    expected = functional.channels["cos"].evaluate({"x2": surface.x[i], "w": surface.y[j]})
    assert surface.values["gas22"][i, j] == pytest.approx(float(expected))
    # what depends on more than x2 and w has none; a constant has one
    assert not any(s.name.startswith("f_") for s in enhancement_curves("pbe_c", (), points=11).surfaces)
    flat = next(s for s in enhancement_curves("lda", (), points=11).surfaces if s.name == "f_x")
    assert np.all(flat.values["lda"] == 1.0)


def test_a_sum_of_libxc_shows_what_it_has() -> None:
    found = enhancement_curves("libxc:wb97m_v", ("libxc:b97m_v",), points=11)
    assert {c.quantity for c in found.curves if "libxc:wb97m_v" in c.values} == {"F_xc"}
    assert {c.quantity for c in found.curves if "libxc:b97m_v" in c.values} == {"F_x", "F_c", "F_xc"}


@pytest.mark.parametrize("form", ["svg", "png"])
def test_pictures(tmp_path, form: str) -> None:
    found = enhancement_curves("libxc:scan", ("pbe",), points=21)
    paths = write_plots(found, tmp_path / "new", form)
    assert [p.name for p in paths] == [f"libxc-scan-curves.{form}", f"libxc-scan-surfaces.{form}"]
    for path in paths:
        if form == "svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes()[:4] == b"\x89PNG"
        assert path.stat().st_size > 10_000


def test_pictures_without_matplotlib_are_explained(tmp_path, monkeypatch, capsys) -> None:
    original = builtins.__import__

    def without(name: str, *args, **options):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return original(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert main(["analyse", "pbe", "--parts", "curves", "--beside", "--plot", str(tmp_path)]) == 1
    assert "pip install 'fastsfes[plot]'" in capsys.readouterr().err


def test_the_command(tmp_path, capsys) -> None:
    arguments = ["analyse", "b97", "--samples", "4", "--threads", "1"]
    assert main([*arguments, "--plot", str(tmp_path), "--beside", "pbe"]) == 0
    captured = capsys.readouterr()
    for expected in ("refitted to builtin", "losses without each term", "standard error", "4 samples", "share of loss"):
        assert expected in captured.out
    assert "bootstrap: 4 of 4" in captured.err
    assert (tmp_path / "b97-curves.svg").is_file()
    assert main([*arguments, "--json", "--quiet", "--no-refit", "--test", "--parts", "terms", "uncertainties"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    data = json.loads(captured.out)
    assert set(data["losses"]) == {"train", "validation", "test"}
    assert data["functional"]["channels"]["x"]["parameters"]["c0"] == 0.8094
    assert {"terms", "uncertainties"} < set(data)


def test_a_file_where_the_folder_should_be(tmp_path, capsys) -> None:
    (tmp_path / "taken").write_text("")
    arguments = ["analyse", "pbe", "--parts", "curves", "--beside", "--plot", str(tmp_path / "taken")]
    assert main(arguments) == 2
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["analyse", "libxc:scan"], "functional of libxc"),
        (["analyse", "b97", "--samples", "1"], "--samples: samples = '1'; expected a whole number of at least 2"),
        (["analyse", "lda"], "has no parameters"),
        (["analyse", "b97", "--dataset", "nowhere.h5"], "nowhere.h5"),
    ],
)
def test_bad_arguments(capsys, arguments: list[str], sentence: str) -> None:
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err
