"""Expressions of SymPy as ours: every node by one operator of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol

from ..common.errors import InputError

__all__ = ["Maker", "from_sympy"]

Nodes = Mapping[Any, Any]
"""SymPy's node -> ours."""


class Maker(Protocol):
    """What makes the nodes of an expression."""

    def apply(self, name: str, *args: Any) -> Any:
        """An operator of the table."""

    def constant(self, value: float) -> Any:
        """A number."""

    def parse(self, text: str) -> Any:
        """A feature or a parameter."""


_SAME = ("exp", "log", "tanh", "erf", "asinh", "sin", "cos", "atan", "sinh", "cosh")
_FUNCTIONS = {**{name: name for name in _SAME}, "Abs": "abs"}
"""SymPy's functions of one argument and the operators that they are."""

_FOLDED = {"Add": "+", "Min": "min", "Max": "max"}
"""SymPy's functions of any number of arguments and operators of two."""


def from_sympy(expression: Any, make: Maker) -> Any:
    """An expression of SymPy from the operators of the table; symbols become features or parameters by their names.

    Raises:
        InputError: what has no operator, is not real, or has a symbol whose name is none here.
    """
    import sympy

    whole = sympy.sympify(expression) if isinstance(expression, (int, float)) else expression
    if not isinstance(whole, sympy.Expr):
        raise InputError(f"{type(expression).__name__}: expected an expression of SymPy or a number")
    done: dict[Any, Any] = {}
    waiting = [whole]  # no recursion: expressions may be deep
    while waiting:
        node = waiting[-1]
        missing = [part for part in _parts(node) if part not in done]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        done[node] = _made(node, done, make)
    return done[whole]


def _parts(node: Any) -> Sequence[Any]:
    """What has to be made before a node."""
    if node.is_number or node.is_Symbol:
        return ()
    if node.func.__name__ == "Piecewise":
        return _choice(node)
    if node.is_Mul:
        above, below = _quotient(node)
        return (*above, *below)
    return tuple(node.args)


def _made(node: Any, done: Nodes, make: Maker) -> Any:
    name = node.func.__name__
    if node.is_Symbol:
        return _symbol(node.name, make)
    if node.is_number:
        if not node.is_real:
            raise InputError(f"{node}: expected a real number")
        return make.constant(float(node))
    made = [done[part] for part in _parts(node)]
    if name in _FOLDED:
        return reduce(lambda a, b: make.apply(_FOLDED[name], a, b), made)
    if name in _FUNCTIONS:
        return make.apply(_FUNCTIONS[name], *made)
    special = _SPECIAL.get(name)
    if special is None:
        known = ", ".join(("+", "*", "/", "**", *_FUNCTIONS, "Min", "Max", "sign", "Piecewise"))
        raise InputError(f"{name} of SymPy has no operator here; there are {known}")
    return special(node, made, make)


def _symbol(name: str, make: Maker) -> Any:
    try:
        made = make.parse(name) if name.isidentifier() else None
    except InputError:
        made = None
    if made is None or str(made) != name:
        raise InputError(f'symbol "{name}": expected the name of a feature or a parameter, such as x2 or c0')
    return made


def _quotient(node: Any) -> tuple[list[Any], list[Any]]:
    """Factors of a product above and below the line."""
    below = [factor.base for factor in node.args if factor.is_Pow and factor.exp == -1 and not factor.is_number]
    above = [f for f in node.args if not (f.is_Pow and f.exp == -1 and not f.is_number)]
    return above, below


def _product(node: Any, made: Sequence[Any], make: Maker) -> Any:
    count = len(_quotient(node)[0])
    value = reduce(lambda a, b: make.apply("*", a, b), made[:count]) if count else make.constant(1.0)
    return reduce(lambda a, b: make.apply("/", a, b), made[count:], value)


def _power(node: Any, made: Sequence[Any], make: Maker) -> Any:
    base, exponent = made
    if node.exp == -1:
        return make.apply("/", make.constant(1.0), base)
    if node.exp.is_Rational and node.exp.p == 1 and node.exp.q in (2, 3):
        return make.apply("sqrt" if node.exp.q == 2 else "cbrt", base)
    return make.apply("**", base, exponent)


def _sign(node: Any, made: Sequence[Any], make: Maker) -> Any:
    return make.apply("select", made[0], make.constant(1.0), make.constant(-1.0))


def _choice(node: Any) -> tuple[Any, Any, Any]:
    """(c, a, b) of Piecewise((a, c >= 0), (b, True))."""
    import sympy

    (first, condition), *rest = node.args
    if len(rest) != 1 or rest[0][1] != sympy.true or not isinstance(condition, sympy.Ge):
        raise InputError(f"{node}: expected Piecewise((a, c >= 0), (b, True))")
    return condition.lhs - condition.rhs, first, rest[0][0]


_SPECIAL: Mapping[str, Callable[[Any, Sequence[Any], Maker], Any]] = {
    "Mul": _product,
    "Pow": _power,
    "sign": _sign,
    "Piecewise": lambda node, made, make: make.apply("select", *made),
}
