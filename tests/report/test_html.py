"""Markup by construction, formulas as MathML, axes."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastsfes import Expression, InputError, get_functional, list_functionals
from fastsfes.formula.expression import features, operators
from fastsfes.report.draw.axis import Axis, number
from fastsfes.report.draw.chart import Chart
from fastsfes.report.html import Markup, join, tag
from fastsfes.report.mathml import math as typeset
from fastsfes.report.mathml import mathml, symbol, terms

HOSTILE = "<script>alert('1')</script>\"&amp;\x00\x1b</title>\ud800"


class Reader(HTMLParser):
    """What a browser's parser would find."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_text_and_attributes_come_back_as_they_were(text: str) -> None:
    clean = "".join("\ufffd" if (ord(c) < 32 and c not in "\t\n\r") or ord(c) == 127 else c for c in text)
    reader = Reader()
    reader.feed(tag("p", text, title=text))
    reader.close()
    assert reader.tags == ["p"]
    assert reader.attributes == [("title", clean)]
    assert reader.text == clean


def test_hostile_text_stays_text() -> None:
    made = tag("div", tag("b", HOSTILE), [HOSTILE, None, 3], class_="x", hidden=True, title=HOSTILE, id=None)
    made.encode("utf-8")
    reader = Reader()
    reader.feed(made)
    assert reader.tags == ["div", "b"]
    assert [k for k, _ in reader.attributes] == ["class", "hidden", "title"]
    assert "alert('1')" in reader.text
    assert "\x00" not in made


def test_markup_is_not_escaped_twice() -> None:
    assert join(Markup("<br>"), "<br>") == "<br>&lt;br&gt;"
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("line", x1=1.0, stroke_width=0.126, y1=2) == '<line x1="1" stroke-width="0.13" y1="2"/>'


def leaves(latex: str) -> list[str]:
    """Letters, digits and greek names of LaTeX in their order, the names of commands aside."""
    latex = re.sub(r"\\(begin|end)\{cases\}", " ", latex)
    bare = re.sub(r"\\(left|right|frac|sqrt|mathrm|operatorname|text|times|cdot|quad|[,;! ])", " ", latex)
    return re.findall(r"[A-Za-z0-9.]", re.sub(r"\\([a-z]+)", lambda m: GREEK.get(m[1], m[1]), bare))


GREEK = {"rho": "r", "sigma": "s", "tau": "t", "zeta": "z", "gamma": "g", "kappa": "k", "mu": "m", "beta": "b",
         "alpha": "a", "geq": ""}  # fmt: skip
LETTER = {"ρ": "r", "σ": "s", "τ": "t", "ζ": "z", "γ": "g", "κ": "k", "μ": "m", "β": "b", "α": "a"}


def check_layout(markup: str) -> list[str]:
    """Letters and digits of a `math` element in their order; its layout elements have the children that they need."""
    root = ElementTree.fromstring(markup)
    assert root.tag == "math"
    for element in root.iter():
        count = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "mroot": 2}.get(element.tag)
        assert count is None or len(element) == count
    return [LETTER.get(c, c) for e in root.iter() if e.tag in ("mi", "mn", "mtext") for c in e.text or "" if c != "_"]


@pytest.mark.parametrize("name", [row["name"] for row in operators() if row["latex"]])
def test_every_operator_is_typeset(name: str) -> None:
    """MathML and LaTeX of the table say the same."""
    arity = next(row["arity"] for row in operators() if row["name"] == name)
    expression = Expression.apply(name, *(Expression.parse(a) for a in ("x2 + c1", "w", "g", "t", "0.5")[:arity]))
    found, expected = check_layout(typeset(mathml(expression))), leaves(expression.to_latex())
    # nothing lost, nothing added, in the same order, up to the degree of a root, which MathML puts last
    assert sorted(found) == sorted(expected)
    if name not in ("cbrt", "select"):
        assert found == expected


@pytest.mark.parametrize("row", features(), ids=lambda row: row["name"])
def test_every_feature_is_typeset(row) -> None:
    expression = Expression.parse(row["name"])
    assert check_layout(typeset(mathml(expression))) == leaves(expression.to_latex())
    assert expression.to_latex() == row["latex"]


@pytest.mark.parametrize("name", list_functionals())
def test_registered_functionals_are_typeset_in_terms(name: str) -> None:
    for channel in get_functional(name).channels.values():
        whole = "".join(ElementTree.fromstring(typeset(mathml(channel.expression))).itertext())
        pieces = ["".join(ElementTree.fromstring(piece).itertext()) for piece in terms(channel.expression)]
        assert "".join(pieces) == whole
        found = check_layout(typeset(mathml(channel.expression)))
        assert sorted(found) == sorted(leaves(channel.expression.to_latex()))


def test_fractions_powers_and_sums_nest_as_they_should() -> None:
    def text(formula: str) -> str:
        return "".join(Expression.parse(formula).to_mathml())

    two = "<mrow><mn>2</mn></mrow>"
    assert (
        text("a/b**2")
        == f"<mfrac><mrow><mi>a</mi></mrow><mrow><msup><mrow><mi>b</mi></mrow>{two}</msup></mrow></mfrac>"
    )
    squared = "<mrow><mo>(</mo><msup><mi>x</mi><mn>2</mn></msup><mo>)</mo></mrow>"
    assert text("x2**2") == f"<msup><mrow>{squared}</mrow>{two}</msup>"
    # parentheses where an operation binds less than its place demands, also in fused ones
    for formula in ("(a + b)*w", "fma(a + b, w, c)", "w*(a - b)", "fms(c, w, a - b)", "exp(w)**2", "(a/b)**2"):
        assert text(formula).count("<mo>(</mo>") == Expression.parse(formula).to_latex().count("\\left(") == 1, formula
    assert [t.count("infix") for t in Expression.parse("a + b*w - (c - d)").to_mathml()] == [0, 1, 1]


def test_what_nests_too_deeply_for_a_browser_is_refused() -> None:
    deep = Expression.parse("w")
    for _ in range(300):
        deep = Expression.apply("tanh", deep)
    with pytest.raises(InputError, match="nested more than 200"):
        mathml(deep)


def test_names_of_parameters_are_escaped_in_formulas() -> None:
    assert "alert_me" in typeset(symbol("alert_me"))


RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_and_inside(low: float, width: float) -> None:
    axis = Axis("x", low, low + width)
    if not axis.low < axis.high:
        return
    ticks = axis.ticks()
    slack = 1e-9 * width + 4 * math.ulp(abs(low) + width)
    assert 2 <= len(ticks) <= 11
    for value, text in ticks:
        assert low - slack <= value <= low + width + slack
        plain = re.sub("(?:×|^)10(?=[⁻⁰¹²³⁴⁵⁶⁷⁸⁹])", "e", text.replace("−", "-")).translate(RAISED)
        shown = float("1" + plain if plain.startswith("e") else plain)
        assert shown == pytest.approx(value, rel=1e-6, abs=1e-6 * width)


def test_logarithmic_axes() -> None:
    axis = Axis("n", 1.0, 4e4, log=True)
    assert [t for _, t in axis.ticks()] == ["1", "10", "100", "1000", "10\u202f000"]
    assert axis.at(200.0) == pytest.approx(0.5)
    assert math.isnan(axis.at(0.0))
    assert [t for _, t in Axis("e", 2.0, 9.0, log=True).ticks()] == ["2", "5"]


def test_numbers_are_written_for_people() -> None:
    assert [number(v, 3) for v in (-0.5, 1e-7, 2.34567e8, math.inf, None, math.nan, 1.0)] == [
        "−0.5", "10⁻⁷", "2.35×10⁸", "∞", "–", "–", "1",
    ]  # fmt: skip


def test_a_line_breaks_where_there_is_no_number() -> None:
    chart = Chart(Axis("x", 0.0, 3.0), Axis("y", 0.0, 1.0), "a line")
    chart.line([0.0, 1.0, 2.0, 3.0], [0.0, 1.0, math.nan, 0.5], title=HOSTILE)
    root = ElementTree.fromstring(chart.svg())
    (path,) = [e for e in root.iter("path") if "line" in e.get("class", "")]
    assert path.get("d", "").count("M") == 2
    assert path.get("d", "").count("L") == 1
    assert root.get("role") == "img"
    assert root.get("aria-label") == "a line"


def test_a_heat_map_places_and_colours_its_cells() -> None:
    chart = Chart(Axis("x", 0.0, 2.0), Axis("y", 0.0, 1.0), "cells")
    chart.cells([0.0, 1.0, 2.0], [0.0, 1.0], [[1.0, -0.5]], 1.0, titles=1)
    root = ElementTree.fromstring(chart.svg())
    strokes = {e.get("class"): (float(e.get("stroke-opacity", 0)), e.get("d")) for e in root.iter("path")}
    assert strokes["pos"] == (1.0, "M0 0h1")
    assert strokes["neg"] == (0.5, "M1 0h1")
    (group,) = (e for e in root.iter("g") if e.get("class") == "cells")
    place, scale = re.findall(r"\((\S+) (\S+)\)", group.get("transform", ""))[:2]
    assert [float(x) for x in place] == [0.0, pytest.approx(chart.high, abs=0.05)]
    assert [float(x) for x in scale] == pytest.approx([chart.wide / 2, -chart.high], abs=1e-4)
    titles = [e.text or "" for e in root.iter("title")]
    assert titles == ["x ≈ 0.5, y ≈ 0.5: 1", "x ≈ 1.5, y ≈ 0.5: −0.5"]


def test_values_of_many_sizes_and_both_signs_share_an_axis() -> None:
    values = [-3e5, -150.0, -2.0, 0.5, 3.0, 20.0, 90.0]
    axis = Axis.signed("E", values)
    assert axis.linear == 20.0
    places = [axis.at(v) for v in values]
    assert places == sorted(places)
    assert 0 < places[0] < 0.1
    assert 0.9 < places[-1] < 1
    assert axis.at(20.0) - axis.at(0.0) > 0.05  # the many small ones are told apart
    ticks = axis.ticks()
    assert [v for v, _ in ticks] == sorted(v for v, _ in ticks)
    assert (0.0, "0") in ticks
    assert any(v <= -1e4 for v, _ in ticks)
    assert not Axis.signed("E", [-3.0, 2.0, 40.0]).linear
    assert not Axis.signed("E", []).linear
