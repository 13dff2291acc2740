"""The section of the formula: what the functional is, typeset and as graphs of its operations."""

from __future__ import annotations

from typing import Any

from ...common.errors import InputError
from ...formula.expression import Expression
from ...functionals.functional import Functional
from ..draw.axis import number
from ..draw.graph import draw_operations
from ..html import Content, Markup, join, tag
from ..mathml import math, terms
from .parts import CHANNEL_NAMES, details, missing, section, table

__all__ = ["formula_section"]

_ENERGY = {
    "x": r"\sum_{\sigma} \int e_x{attenuated}\left(\rho_\sigma\right) f_x\left(\sigma\right)",
    "css": r"\sum_{\sigma} \int e_{c}\left(\rho_\sigma, 0\right) f_{\mathrm{css}}\left(\sigma\right)",
    "cos": r"\int e_{c}^{\mathrm{opp}}\left(\rho_\alpha, \rho_\beta\right) f_{\mathrm{cos}}",
    "c": r"\int e_{c}\left(\rho_\alpha, \rho_\beta\right) f_{c}",
    "one": r"\int f_{1}",
}
_SYMBOLS = {"x": "f_x", "css": r"f_{\mathrm{css}}", "cos": r"f_{\mathrm{cos}}", "c": "f_c", "one": "f_1"}
_DEFINITIONS = {
    "u": (r"u\left(z; \gamma\right) = \frac{\gamma\,z}{1 + \gamma\,z}", "finite-domain transform of B97"),
    "x2": (r"x^{2} = \frac{{|\nabla\rho_\sigma|}^{2}}{\rho_\sigma^{8/3}}", "squared reduced gradient of a spin"),
    "w": (
        r"w = \frac{t - 1}{t + 1}, \quad t = \frac{\tau_\sigma^{\mathrm{unif}}}{\tau_\sigma}",
        "kinetic energy density beside the uniform gas's: −1 where it is much larger, 0 where equal, 1 much smaller",
    ),
}


def formula_section(data: dict[str, Any]) -> Markup:
    """Equation of the energy, then every channel with its formula, parameters and graph."""
    functional = Functional.from_dict(data["functional"])
    spread = (data["insight"] or {}).get("uncertainties", {"parameters": []})
    errors = {p["name"]: p["standard_error"] for p in spread["parameters"]}
    blocks = [_channel(kind, functional, errors) for kind in functional.channels]
    return section(
        "formula",
        "The functional",
        _energy(functional),
        tag("div", blocks, class_="channels"),
        _definitions(functional),
        details(
            "As text, LaTeX and JSON",
            tag("pre", str(functional)),
            tag("pre", [f"{_SYMBOLS[k]} = {c.expression.to_latex()}\n" for k, c in functional.channels.items()]),
            tag("p", "The functional file, with all digits, is ", tag("code", "best.json"), " in the run directory."),
        ),
    )


def _energy(functional: Functional) -> Markup:
    attenuated = r"^{\mathrm{SR}}" if functional.hybrid.omega else ""
    pieces = []
    for position, kind in enumerate(functional.channels):
        latex = _ENERGY[kind].replace("{attenuated}", attenuated)
        pieces.append(math((r"E_{xc} = " if position == 0 else "") + latex))
        pieces.append(tag("math", tag("mo", "+", form="infix")))
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


def _channel(kind: str, functional: Functional, uncertainties: dict[str, float]) -> Markup:
    channel = functional.channels[kind]
    expression = channel.expression
    try:
        typeset: Content = [math(rf"{_SYMBOLS[kind]} ="), [[" ", term] for term in terms(expression.to_latex())]]
    except InputError as error:
        typeset = tag("code", str(expression), title=str(error))
    rows: list[list[Content]] = []
    for name, value in channel.parameters.items():
        spread = uncertainties.get(f"{kind}.{name}")
        row: list[Content] = [join(math(Expression.parse(name).to_latex()), " ", tag("code", name)), repr(value)]
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
    rows = [tag("li", math(latex), tag("span", words)) for name, (latex, words) in _DEFINITIONS.items() if name in used]
    if not rows:
        return Markup("")
    return tag(
        "div",
        tag("h3", "Where"),
        tag("ul", rows, class_="definitions"),
        tag(
            "p",
            "For opposite spins the features are those of the means of x² and t over both spins. The e are energies "
            "per volume of the uniform gas: exchange (Dirac), correlation of one spin alone, and what is left between "
            "opposite spins (PW92 in the partition of Stoll).",
            class_="note",
        ),
    )
