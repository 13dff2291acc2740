"""A Python file that builds the functional as SymPy expressions."""

from __future__ import annotations

from ..functionals.formulas import free_parameters
from ..functionals.functional import Functional
from .describe import description, identifier, line_comments
from .layout import parameter_names
from .python_code import body
from .straightline import Language, straight_line

__all__ = ["files"]

_DIRECT = {"abs": "Abs"}
_PLAIN = ("sqrt", "exp", "log", "tanh", "erf", "asinh", "abs")
_HELPERS = {
    "pow": (
        "def _pow(a, b):\n"
        "    exact = sp.nsimplify(b, rational=True, tolerance=1e-15) if sp.sympify(b).is_Float else b\n"
        "    return a ** (exact if getattr(exact, 'q', 1) <= 12 else b)\n"
    ),
    "cbrt": "def _cbrt(a):\n    return sp.cbrt(a) if a.is_nonnegative else sp.sign(a) * sp.cbrt(sp.Abs(a))\n",
    "select": "def _select(a, b, c):\n    return sp.Piecewise((b, a >= 0), (c, True))\n",
    "min": "def _min(a, b):\n    return sp.Min(a, b)\n",
    "max": "def _max(a, b):\n    return sp.Max(a, b)\n",
    "expm1": "def _expm1(a):\n    return sp.exp(a) - 1\n",
    "log1p": "def _log1p(a):\n    return sp.log(1 + a)\n",
    "fma": "def _fma(a, b, c):\n    return a * b + c\n",
}


def _number(value: float) -> str:
    if value == int(value) and abs(value) < 2**53:
        return f"sp.Integer({int(value)})"
    return f'sp.Float("{value!r}", 17)'


SYMPY = Language(
    functions={f: f"sp.{_DIRECT.get(f, f)}" for f in _PLAIN} | {f: f"_{f}" for f in _HELPERS},
    helpers=_HELPERS,
    number=_number,
    nan="sp.nan",
    powers=True,
)
_SIGNED = ("sigma_ab",)
_HEAD = """
import sympy as sp

NAME = {name!r}
# exact exchange at short and long range, and omega; VV10's b and C
HYBRID = {hybrid!r}
VV10 = {nlc!r}
"""


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One Python file with `energy`, `energy_closed_shell`, `factors` and `PARAMETERS`."""
    names, values = parameter_names(functional), free_parameters(functional)
    expressions = [functional.energy_expression(polarised, free=True) for polarised in (True, False)]
    factors = {kind: c.expression.expand() for kind, c in functional.channels.items()}
    inputs = sorted({f for e in expressions for f in e.features})
    parts, helpers = [], dict[str, None]()
    symbols = [f'{f} = sp.Symbol("{f}", {"real" if f in _SIGNED else "nonnegative"}=True)' for f in inputs]
    symbols += [f'{names[p]} = sp.Symbol("{names[p]}", real=True)' for p in values]
    symbols += ["# values of the parameters, to be substituted", "PARAMETERS = {"]
    symbols += [f"    {names[p]}: {_number(v)}," for p, v in values.items()]
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
        features = [
            f'    {f}_ = sp.Symbol("{f}", {"real" if f in ("w", "zeta", *_SIGNED) else "nonnegative"}=True)'
            for f in factor.features
        ]
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
