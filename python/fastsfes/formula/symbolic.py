"""Expressions in SymPy: spelled by the operator table, over `sympy` and two helpers that are text here.

Exporters write the same text into files; here it is executed. It comes from the table and from this module alone:
names and numbers of an expression never become part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from string import Template
from typing import Any

from .. import _core

__all__ = ["HELPERS", "number_text", "symbol_text", "to_sympy"]

HELPERS = {
    "_power": (
        "def _power(a, b):\n"
        "    # 1/3 arrives as a double; exponents are meant exactly\n"
        "    exact = sympy.nsimplify(b, rational=True, tolerance=1e-15) if sympy.sympify(b).is_Float else b\n"
        "    if a.is_Integer and b.is_Integer and abs(b) * a.p.bit_length() > 4000:\n"
        "        return sympy.Pow(a, b, evaluate=False)  # 9**9**9 has 369 million digits\n"
        "    exponent = exact if getattr(exact, 'q', 1) <= 12 else b\n"
        "    if a.is_Pow and a.base.is_Pow and a.base.base.is_Pow:\n"
        "        return sympy.Pow(a, exponent, evaluate=False)  # SymPy's time doubles with every further power\n"
        "    return a ** exponent\n"
    ),
    "_cube_root": (
        "def _cube_root(a):\n"
        "    return sympy.cbrt(a) if a.is_nonnegative else sympy.sign(a) * sympy.cbrt(sympy.Abs(a))\n"
    ),
}
"""What the spellings of the table call besides SymPy, by name."""

_NONNEGATIVE = {row["name"] for row in _core.features() if row["nonnegative"]}


def number_text(value: float) -> str:
    """A number in SymPy: an integer where it is one, else all 17 digits."""
    if value == int(value) and abs(value) < 2**53:
        return f"sympy.Integer({int(value)})"
    return f'sympy.Float("{value!r}", 17)'


def symbol_text(name: str) -> str:
    """A feature or parameter in SymPy, with its sign; the name must be an identifier."""
    return f'sympy.Symbol("{name}", {"nonnegative" if name in _NONNEGATIVE else "real"}=True)'


def to_sympy(nodes: Sequence[tuple[str, tuple[int, ...], Any]]) -> Any:
    """The value of the last node; defined operators must have been expanded."""
    import sympy

    scope: dict[str, Any] = {"sympy": sympy}
    for text in HELPERS.values():
        exec(text, scope)
    functions: dict[str, Callable[..., Any]] = {}
    for row in _core.operators():
        if row["sympy"] is not None:
            letters = "abcde"[: row["arity"]]
            body = Template(row["sympy"]).substitute({c: c for c in letters})
            functions[row["name"]] = eval(f"lambda {', '.join(letters)}: {body}", scope)
    values: list[Any] = []
    for name, args, payload in nodes:
        if name == "constant":
            values.append(eval(number_text(float(payload)), scope))
        elif name in ("feature", "parameter"):
            values.append(sympy.Symbol(payload, **{"nonnegative" if payload in _NONNEGATIVE else "real": True}))
        else:
            values.append(functions[name](*(values[i] for i in args)))
    return values[-1]
