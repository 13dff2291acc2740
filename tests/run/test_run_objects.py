"""What objects show of themselves, and that they can be kept: reprs, HTML, LaTeX, pictures, pickles, copies, hashes."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.analysis.curves import enhancement_curves
from fastsfes.common.notebook import html_table


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> fs.Run:
    x2 = np.geomspace(0.01, 1e3, 40)
    return fs.search_points({"x2": x2}, np.sqrt(1 + x2), output=tmp_path_factory.mktemp("runs") / "run", candidates=600)


@pytest.fixture
def shown() -> dict[str, object]:
    functional = fs.get_functional("gas22")
    return {
        "functional": functional,
        "expression": functional.channels["x"].expression,
        "evaluation": fs.evaluate(functional, "builtin", "validation"),
        "fit": fs.fit("b97_x", "builtin", starts=1),
        "dataset": fs.Dataset.open("builtin"),
        "curve": enhancement_curves("pbe_x", (), points=11).curves[0],
    }


def test_reprs_are_short_and_say_what_it_is(shown: dict[str, object], run: fs.Run) -> None:
    assert re.fullmatch(r"Functional\('gas22': x, css, cos; 14 parameters, complexity \d+\)", repr(shown["functional"]))
    for value in (*shown.values(), run):
        text = repr(value)
        assert len(text) < 200
        assert "object at 0x" not in text
    assert repr(run) == f"Run({str(run.path)!r}: complete, {run.summary['candidates']} candidates)"


def test_tables_for_notebooks_are_escaped(shown: dict[str, object], run: fs.Run) -> None:
    for value in (shown["evaluation"], shown["fit"], shown["dataset"], run):
        html = value._repr_html_()  # type: ignore[attr-defined]
        assert html.count("<table>") == html.count("</table>") == 1
        assert html.count("<tr>") > 2
    assert "&lt;b&gt;" in html_table("a title", ("name",), [("<b>",)])
    assert repr(fs.Evaluation((), np.zeros(0), "grid")) == "Evaluation(0 reactions: grid)"
    assert len(run.members) == run._repr_html_().count("<tr>") - 1


def test_latex_and_sympy_of_a_functional() -> None:
    sympy = pytest.importorskip("sympy")
    b97 = fs.get_functional("b97")
    text = b97.to_latex()
    assert text.count("&=") == 3
    assert "0.8094" in b97.to_latex(values=True)
    assert "0.8094" not in text
    assert b97._repr_latex_() == f"$\\displaystyle {text}$"
    assert b97.channels["x"].expression._repr_latex_().startswith("$")
    factors = b97.to_sympy()
    assert set(factors) == {"x", "css", "cos"}
    value = float(factors["x"].subs(sympy.Symbol("x2", nonnegative=True), 3.0))
    assert value == pytest.approx(float(b97.channels["x"].evaluate({"x2": 3.0})), rel=1e-14)
    assert sympy.Symbol("c0", real=True) in b97.to_sympy(values=False)["x"].free_symbols


def test_pictures_are_drawn_on_axes(shown: dict[str, object], run: fs.Run, tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    pictures = [run.plot(), *(run.plot(what) for what in ("convergence", "parity"))]
    pictures += [shown[name].plot() for name in ("functional", "evaluation", "fit", "curve")]  # type: ignore[attr-defined]
    for made in pictures:
        assert made.lines
        assert made.get_xlabel()
        made.figure.savefig(tmp_path / "picture.png")
        pyplot.close(made.figure)
    own = pyplot.figure().add_subplot()
    assert fs.get_functional("pbe_x").plot(own) is own
    np.testing.assert_allclose(
        own.lines[0].get_ydata(), fs.get_functional("pbe_x").channels["x"].evaluate({"x2": own.lines[0].get_xdata()})
    )
    pyplot.close("all")
    with pytest.raises(fs.InputError, match="does not follow from x2 and w"):
        fs.get_functional("pbe").plot()
    with pytest.raises(fs.InputError, match="expected front, convergence or parity"):
        run.plot("roc")
    with pytest.raises(fs.InputError, match="was not evaluated; expected one of train, validation"):
        shown["fit"].plot("test")  # type: ignore[attr-defined]


def test_objects_can_be_kept_and_compared(shown: dict[str, object], run: fs.Run) -> None:
    for value in (shown["functional"], shown["expression"], run):
        for other in (pickle.loads(pickle.dumps(value)), copy.copy(value), copy.deepcopy(value)):
            assert other == value
            assert hash(other) == hash(value)
    for name in ("evaluation", "fit", "dataset"):
        other = pickle.loads(pickle.dumps(shown[name]))
        assert repr(other) == repr(shown[name])
