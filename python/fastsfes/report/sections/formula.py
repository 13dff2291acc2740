"""The section of the formula: what the functional is, typeset and as graphs of its operations."""

from __future__ import annotations

from typing import Any

from ...analysis.rounding import TOLERANCE
from ...common.errors import InputError
from ...exports import latex
from ...formula.expression import Expression, features, operators
from ...functionals.functional import Functional
from ..draw.axis import number
from ..draw.graph import draw_operations
from ..html import Content, Markup, join, tag
from ..mathml import around, equation, infix, letter, math, mathml, sub, symbol, terms
from .parts import CHANNEL_NAMES, details, missing, section, table

__all__ = ["formula_section"]

_SPIN, _SUM, _INTEGRAL = letter("σ"), tag("munder", tag("mo", "∑"), letter("σ")), tag("mo", "∫")
_RHO = {s: sub("ρ", s) for s in "σαβ"}
_SYMBOLS = {kind: sub("f", kind) for kind in ("x", "css", "cos", "c")} | {"one": tag("msub", letter("f"), tag("mn", 1))}
_CORRELATION = {"pw92_mod": "PW92", "pw92": "PW92", "scan_alpha1": "SCAN at α = 1"}
_DEFINED = {
    "u": "finite-domain transform of B97",
    "w": "−1 where the kinetic energy density is much larger than the uniform gas's, 0 where equal, 1 much smaller",
}


def formula_section(data: dict[str, Any]) -> Markup:
    """Equation of the energy, then every channel with its formula, parameters and graph."""
    functional = Functional.from_dict(data["functional"])
    spread = (data["insight"] or {}).get("uncertainties", {"parameters": []})
    errors = {p["name"]: p["standard_error"] for p in spread["parameters"]}
    texts = (data.get("rounded") or {}).get("texts", {})
    blocks = [_channel(kind, functional, errors, texts) for kind in functional.channels]
    return section(
        "formula",
        "The functional",
        _energy(functional),
        tag("div", blocks, class_="channels"),
        _definitions(functional),
        tag("p", _digits(data["rounded"]), class_="note") if data.get("rounded") else None,
        details(
            "As text, LaTeX and JSON",
            tag("pre", str(functional)),
            tag("pre", latex.files(functional, "", printed=texts)[""]),
            tag("p", "The functional file, with all digits, is ", tag("code", "best.json"), " in the run directory."),
        ),
    )


def _energy(functional: Functional) -> Markup:
    exchange = sub("e", "x", above="SR" if functional.hybrid.omega else "")
    correlation, both = sub("e", "c"), around(_RHO["α"], _RHO["β"])
    integrals: dict[str, list[Content]] = {
        "x": [_SUM, _INTEGRAL, exchange, around(_RHO["σ"]), _SYMBOLS["x"], around(_SPIN)],
        "css": [_SUM, _INTEGRAL, correlation, around(_RHO["σ"], tag("mn", 0)), _SYMBOLS["css"], around(_SPIN)],
        "cos": [_INTEGRAL, sub("e", "c", above="opp"), both, _SYMBOLS["cos"]],
        "c": [_INTEGRAL, correlation, both, _SYMBOLS["c"]],
        "one": [_INTEGRAL, _SYMBOLS["one"]],
    }
    pieces = []
    for position, kind in enumerate(functional.channels):
        pieces.append(math([sub("E", "xc"), infix("=")] if position == 0 else None, integrals[kind]))
        pieces.append(tag("math", infix("+")))
    pieces.pop()
    h, nlc = functional.hybrid, functional.nlc
    frame: list[Content] = []
    if h.omega:
        frame.append(
            f"exact exchange {h.short_range:.4g} at short and {h.long_range:.4g} at long range (ω = {h.omega:g} bohr⁻¹)"
        )
    elif h.short_range:
        frame.append(f"{100 * h.short_range:.4g} % exact exchange")
    if nlc is not None:
        frame.append(f"VV10 nonlocal correlation (b = {nlc.b:g}, C = {nlc.C:g})")
    words = (
        f"In the frame of the densities: {', '.join(map(str, frame))}."
        if frame
        else "Semilocal, without exact exchange."
    )
    return tag("div", tag("p", pieces, class_="formula energy"), tag("p", words, class_="note"))


def _digits(rounded: dict[str, Any]) -> str:
    losses = ", ".join(
        f"{split} {number(rounded['before'][split], 5)} → {number(rounded['after'][split], 5)}"
        for split in rounded["before"]
    )
    return " ".join(
        [
            f"Values have as few digits as cost less than {TOLERANCE:g} kcal/mol of the WRMSD ({losses}); all digits "
            "appear where the pointer rests, and in the functional file.",
            *(f"{n[:1].upper()}{n[1:]}." for n in rounded["notes"]),
        ]
    )


def _channel(kind: str, functional: Functional, uncertainties: dict[str, float], texts: dict[str, str]) -> Markup:
    channel = functional.channels[kind]
    expression = channel.expression
    try:
        typeset: Content = [math(_SYMBOLS[kind], infix("=")), [[" ", term] for term in terms(expression)]]
    except InputError as error:
        typeset = tag("code", str(expression), title=str(error))
    rows: list[list[Content]] = []
    for name, value in channel.parameters.items():
        spread = uncertainties.get(f"{kind}.{name}")
        text = texts.get(f"{kind}.{name}", repr(value)).partition(" ")[0].replace("-", "−")
        row: list[Content] = [join(math(symbol(name)), " ", tag("code", name)), tag("td", text, title=repr(value))]
        if uncertainties:
            row.append("–" if spread is None else f"± {number(spread, 2)}")
        rows.append(row)
    head = ["parameter", "value", *(["std. error"] if uncertainties else [])]
    name = CHANNEL_NAMES[kind]
    parameters: Content = (
        table(head, rows, caption=f"Parameters of {name.lower()}") if rows else missing("This factor has no parameter.")
    )
    return tag(
        "article",
        tag("h3", name, " ", tag("span", math(_SYMBOLS[kind]), class_="factor")),
        tag("p", typeset, class_="formula"),
        tag(
            "div",
            tag(
                "figure",
                tag("div", draw_operations(expression, channel.parameters, name), class_="scroll graphbox"),
                tag(
                    "figcaption",
                    "From the inputs (below) to the factor (top), coefficients on the edges.",
                ),
            ),
            parameters,
            class_="channelbody",
        ),
    )


def _definitions(functional: Functional) -> Markup:
    used = {n for c in functional.channels.values() for n in c.expression.features}
    used |= {name for c in functional.channels.values() for name, _, _ in c.expression.nodes()}
    rows = [
        tag("li", equation(symbol(name), _definition(row)), tag("span", _DEFINED.get(name, row["summary"])))
        for name, row in ((row["name"], row) for row in features())
        if name in used and (row["spin"] or row["total"]) not in (None, name)
    ]
    if "u" in used:
        u = next(row for row in operators() if row["name"] == "u")
        formula = Expression.parse(u["definition"]).substitute({"a": Expression.parse("z"), "b": Expression.parse("g")})
        left = mathml(Expression.parse("u(z, g)"))
        rows.append(tag("li", equation(left, formula), tag("span", _DEFINED["u"])))
    if not rows:
        return Markup("")
    return tag(
        "div",
        tag("h3", "Where"),
        tag("ul", rows, class_="definitions"),
        tag(
            "p",
            "For opposite spins the features are those of the means of x² and t over both spins. The e are energies "
            "per volume: exchange of the uniform gas (Dirac), correlation of one spin alone, and what is left between "
            f"opposite spins ({_CORRELATION[functional.correlation]} in the partition of Stoll).",
            class_="note",
        ),
    )


def _definition(row: dict[str, Any]) -> Expression:
    """Of one spin, or of the whole density; by other features where the table has that."""
    by_features = row["pair"] not in (None, "mean")
    return Expression.parse(row["pair"] if by_features else row["spin"] or row["total"])
