"""What the formats that are Python have in common: the language over a module of array functions."""

from __future__ import annotations

from ..functionals.formulas import VARIABLES, free_parameters
from ..functionals.functional import Functional
from .layout import Layout, differentiable_layout, parameter_names, raised
from .straightline import Code, Language, straight_line

__all__ = ["assignments", "body", "energy_functions", "parameter_table", "python_language", "tuple_text"]

_NAMES = {"asinh": "arcsinh", "atan": "arctan"}
_DIRECT = ("sqrt", "cbrt", "exp", "expm1", "log", "log1p", "tanh", "asinh", "abs", "sin", "cos", "atan", "sinh", "cosh")
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


def energy_functions(
    functional: Functional, language: Language, number: str, result: str
) -> tuple[str, tuple[Layout, ...]]:
    """Helpers and exc_unpol, exc_pol over arrays that are differentiated: their text, and what they are made of.

    Args:
        functional: what is evaluated.
        language: with the function "floor", see `raised`.
        number: text of a parameter's value in the program's numbers, {} for the value.
        result: text of values[0] broadcast to a shape, {} for the shape.
    """
    cases, helpers = [], dict[str, None]()
    layouts = tuple(differentiable_layout(functional, polarised) for polarised in (False, True))
    names = parameter_names(functional)
    for polarised, made in zip((False, True), layouts, strict=True):
        leaves = {v: v for v in made.inputs} | {p: names[p] for p in made.parameters}
        floors, code = raised(made, language, leaves, leaves), straight_line(made.groups, language, leaves)
        helpers |= dict.fromkeys((*floors.helpers, *code.helpers))
        shapes = "rho (2, n), sigma (3, n), tau (2, n)" if polarised else "rho, sigma, tau of shape (n,)"
        groups = {g: v for g, v in VARIABLES[polarised].items() if set(v) & set(made.inputs)}
        lines = [
            "",
            "",
            f"def exc_{'pol' if polarised else 'unpol'}(rho, sigma=None, tau=None, parameters=PARAMETERS):",
            f'    """Energy per volume, hartree/bohr^3; {shapes}. What the family does not need may be None."""',
            f"    shape = _float64(rho).shape{'[1:]' if polarised else ''}",
        ]
        for group, variables in groups.items():
            one = [v if v in made.inputs else "_" for v in variables]
            lines += [f"    {group} = _float64({group})", *([f"    {', '.join(one)} = {group}"] if polarised else [])]
        lines += [f"    {names[p]} = {number.format(f'parameters[{names[p]!r}]')}" for p in made.parameters]
        cases += [
            *lines,
            *assignments(floors, 0, 4),
            *body(code, "values")[:-1],
            f"    return {result.format('shape')}",
        ]
    return "".join(f"\n\n{helper}" for helper in helpers) + "\n".join(cases) + "\n", layouts
