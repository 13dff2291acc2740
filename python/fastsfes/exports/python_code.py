"""What the formats that are Python have in common: the language over a module of array functions."""

from __future__ import annotations

from ..functionals.formulas import free_parameters
from ..functionals.functional import Functional
from .layout import Layout, parameter_names
from .straightline import Code, Language

__all__ = ["assignments", "body", "parameter_table", "python_language", "tuple_text"]

_NAMES = {"asinh": "arcsinh"}
_DIRECT = ("sqrt", "cbrt", "exp", "expm1", "log", "log1p", "tanh", "asinh", "abs")
_HELPERS = {
    "select": "def _select(a, b, c):\n    return {m}.where(a >= 0.0, b, {m}.where(a < 0.0, c, a))\n",
    "min": "def _min(a, b):\n    return {m}.where((b < a) | (b != b), b, a)\n",
    "max": "def _max(a, b):\n    return {m}.where((b > a) | (b != b), b, a)\n",
    "pow": "def _pow(a, b):\n    return {m}.power(a, b)\n",
    "fma": "def _fma(a, b, c):\n    return a * b + c\n",
    "erf": "from {erf} import erf as _erf\n",
}


def python_language(module: str, erf: str) -> Language:
    """Python over a module with NumPy's functions, called `module`; `erf` is where the error function is."""
    return Language(
        functions={f: f"{module}.{_NAMES.get(f, f)}" for f in _DIRECT} | {f: f"_{f}" for f in _HELPERS},
        helpers={f: text.format(m=module, erf=erf) for f, text in _HELPERS.items()},
        nan=f"{module}.nan",
    )


def assignments(code: Code, order: int, indent: int) -> list[str]:
    """Lines that compute what this order adds."""
    return [f"{' ' * indent}{name} = {value}" for name, value in code.steps[order]]


def body(code: Code, returns: str, indent: int = 4) -> list[str]:
    """Lines of a function that computes everything up to the last order and returns a tuple per order."""
    lines = []
    for order, results in enumerate(code.results):
        if order:
            lines.append(f"{' ' * indent}if order < {order}:\n{' ' * (indent + 4)}return {returns}")
        lines += assignments(code, order, indent)
        lines.append(f"{' ' * indent}{returns} {'+=' if order else '='} {tuple_text(results)}")
    return [*lines, f"{' ' * indent}return {returns}"]


def tuple_text(items: tuple[str, ...]) -> str:
    """A tuple as Python writes it."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def parameter_table(made: tuple[Layout, ...], functional: Functional, wrap: str = "{}") -> list[str]:
    """Lines of a dict of parameters: all that occur in any of the layouts."""
    names, values = parameter_names(functional), free_parameters(functional)
    used = {p for m in made for p in m.parameters}
    return [f'    "{names[p]}": {wrap.format(repr(values[p]))},' for p in values if p in used]
