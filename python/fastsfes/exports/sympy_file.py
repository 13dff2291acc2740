"""A Python file that builds the functional as SymPy expressions."""

from __future__ import annotations

from ..formula.symbolic import HELPERS, number_text, symbol_text
from ..functionals.formulas import free_parameters
from ..functionals.functional import Functional
from .describe import description, identifier, line_comments
from .layout import parameter_names
from .python_code import body
from .straightline import Language, straight_line

__all__ = ["files"]

SYMPY = Language(column="sympy", helpers=HELPERS, number=number_text, nan="sympy.nan", powers=True)
_HEAD = """
import sympy

NAME = {name!r}
# exact exchange at short and long range, and omega; VV10's b and C
HYBRID = {hybrid!r}
VV10 = {nlc!r}
"""


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One Python file with `energy`, `energy_closed_shell`, `factors` and `PARAMETERS`."""
    names, values = parameter_names(functional), free_parameters(functional)
    expressions = [functional.energy_expression(polarised, free=True) for polarised in (True, False)]
    factors = {kind: c.expression.define() for kind, c in functional.channels.items()}
    inputs = sorted({f for e in expressions for f in e.features})
    parts, helpers = [], dict[str, None]()
    symbols = [f"{f} = {symbol_text(f)}" for f in inputs]
    symbols += [f"{names[p]} = {symbol_text(names[p])}" for p in values]
    symbols += ["# values of the parameters, to be substituted", "PARAMETERS = {"]
    symbols += [f"    {names[p]}: {number_text(v)}," for p, v in values.items()]
    symbols.append("}")
    for label, expression in zip(("energy", "energy_closed_shell"), expressions, strict=True):
        leaves = {f: f for f in expression.features} | names
        code = straight_line([[expression]], SYMPY, leaves)
        helpers |= dict.fromkeys(code.helpers)
        parts += [f"def _{label}():", *body(code, "values")[:-1], "    return values[0]\n\n"]
    for kind, factor in factors.items():
        own = {n: names[f"{kind}_{n}"] for n in functional.channels[kind].parameters}
        leaves = {f: f"{f}_" for f in factor.features} | own
        code = straight_line([[factor]], SYMPY, leaves)
        helpers |= dict.fromkeys(code.helpers)
        features = [f"    {f}_ = {symbol_text(f)}" for f in factor.features]
        parts += [f"def _factor_{kind}():", *features, *body(code, "values")[:-1], "    return values[0]\n\n"]
    h = functional.hybrid
    head = _HEAD.format(
        name=identifier(functional.name),
        hybrid=(h.short_range, h.long_range, h.omega),
        nlc=None if functional.nlc is None else (functional.nlc.b, functional.nlc.C),
    )
    usage = [
        "",
        "energy: per volume (hartree/bohr^3) of rho_a, rho_b, sigma_aa, sigma_ab, sigma_bb, tau_a, tau_b;",
        "energy_closed_shell: of rho, sigma, tau. Valid where the densities are positive.",
        "factors: the enhancement factor of every channel.",
        f"    from {identifier(stem)} import energy, PARAMETERS",
        "    energy.subs(PARAMETERS)",
    ]
    tail = [
        "# energy per volume of both spins' densities, and of a closed shell",
        "energy = _energy()",
        "energy_closed_shell = _energy_closed_shell()",
        "# enhancement factors",
        "factors = {",
        *(f'    "{kind}": _factor_{kind}(),' for kind in factors),
        "}",
    ]
    text = line_comments([*description(functional), *usage]) + head + "\n".join(symbols) + "\n\n\n"
    return {"": text + "\n\n".join(helpers) + "\n\n" + "\n".join(parts + tail) + "\n"}
