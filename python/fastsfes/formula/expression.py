"""Symbolic expressions: immutable, parsed from infix text, evaluated by the C++ core.

The syntax is that of Python's arithmetic (``+ - * / **``, parentheses) with the operators of
`operators` as functions. Names in `feature_names` are features, every other name is a parameter:

>>> e = Expression.parse("c0 + c1*u(x2, g) + c2*w**2")
>>> e.features, e.parameters
(('x2', 'w'), ('c0', 'c1', 'g', 'c2'))

Nothing in the text is ever executed as code: the grammar is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _core
from ..common.errors import InputError
from .from_sympy import from_sympy
from .own_operators import expanded
from .symbolic import to_sympy

__all__ = ["COLUMNS", "Expression", "Node", "feature_names", "features", "operators"]

Node = tuple[str, tuple[int, ...], Any]
"""(operator name, indices of the arguments, number of a constant or name of a feature or parameter, else None)."""


COLUMNS: tuple[str, ...] = tuple(_core.COLUMNS)
"""Names of features without a definition, X0 to X99: the columns of a table of points, pure numbers of any sign."""


def operators() -> list[dict[str, Any]]:
    """The operator table: name, kind, arity, definition, derivative, cost, spellings, domain and source of each."""
    return _core.operators()


def features() -> list[dict[str, Any]]:
    """The feature table: name, sign, dimension, spellings and definitions of each; a definition it lacks is None."""
    return _core.features()


def feature_names() -> list[str]:
    """The names that are features of a density in every expression; beside them there are `COLUMNS`."""
    return [row["name"] for row in features()]


class Expression:
    """An immutable symbolic expression of features and parameters.

    Made by `parse`, by arithmetic on other expressions, or by `apply`. Two expressions are equal when
    their canonical texts are.
    """

    __slots__ = ("__dict__", "_handle")

    def __init__(self, handle: _core.Expression) -> None:
        self._handle = handle

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read infix text; raises `InputError` with the token, the column and what was expected.

        Own operators may be defined before the formula: ``sech(a) = 1/cosh(a); 1 + c*sech(w)``.
        """
        if not isinstance(text, str):
            raise InputError(f"an expression is read from text, got {type(text).__name__}")
        return cls(_core.Expression.parse(expanded(text)))

    @classmethod
    def constant(cls, value: float) -> Expression:
        """The expression that has this value everywhere."""
        return cls(_core.Expression.constant(float(value)))

    @classmethod
    def apply(cls, operator: str, *args: Expression | float) -> Expression:
        """An operator of the table applied to expressions, nothing simplified."""
        return cls(_core.Expression.apply(operator, [cls._coerce(a)._handle for a in args]))

    @classmethod
    def _coerce(cls, value: Expression | float) -> Expression:
        return value if isinstance(value, Expression) else cls.constant(value)

    def __str__(self) -> str:
        """Canonical infix text; `parse` reads it back as the same expression, digits included."""
        return self.text

    def __repr__(self) -> str:
        return f"Expression.parse({self.text!r})"

    @cached_property
    def text(self) -> str:
        """Canonical infix text."""
        return str(self._handle)

    @cached_property
    def features(self) -> tuple[str, ...]:
        """Names of the features that occur, in order of evaluation."""
        return tuple(self._handle.features)

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that occur, in order of evaluation."""
        return tuple(self._handle.parameters)

    @property
    def complexity(self) -> int:
        """Number of distinct nodes: operators, features, parameters and numbers, shared parts once.

        Whole numbers that are only added or multiplied and numbers that are only exponents belong to their operation:
        w + w and 2*w, w*w and w**2, c0 + c0*w and c0*(1 + w) are equally complex. Fused products and sums are two
        operations.
        """
        return self._handle.complexity

    def counts(self) -> list[int]:
        """How often each of `nodes` counts in the complexity."""
        return self._handle.counts()

    def nodes(self) -> list[Node]:
        """The graph in order of evaluation; the last node is the value."""
        return self._handle.nodes()

    @cached_property
    def program(self) -> _core.Program:
        """The executable form, made once."""
        return _core.Program([self._handle])

    def evaluate(
        self,
        features: Mapping[str, ArrayLike],
        parameters: Mapping[str, float] | None = None,
        *,
        threads: int = 0,
    ) -> NDArray[np.float64]:
        """Values of the expression.

        Args:
            features: one array per feature that occurs, broadcast against each other.
            parameters: a number per parameter that occurs.
            threads: OpenMP threads; 0 means OpenMP's own choice (OMP_NUM_THREADS).

        Returns:
            float64 array of the broadcast shape of the features.

        Raises:
            InputError: when a feature or a parameter is missing.
        """
        program = self.program
        arrays = [_named(features, name, "feature", self) for name in program.features]
        values = np.array([_named(parameters or {}, p, "parameter", self) for p in program.parameters], float)
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays)) if arrays else ()
        if not arrays and features:
            shape = np.broadcast_shapes(*(np.shape(a) for a in features.values()))
        flat = [np.ascontiguousarray(np.broadcast_to(np.asarray(a, float), shape)).ravel() for a in arrays]
        size = int(np.prod(shape, dtype=np.int64))
        result: NDArray[np.float64] = program.evaluate(flat, values, n=size, threads=threads)[0].reshape(shape)
        return result

    def derivative(self, name: str) -> Expression:
        """The derivative with respect to a feature or parameter, as an expression."""
        return Expression(self._handle.derivative(name))

    def substitute(self, replacements: Mapping[str, Expression | float]) -> Expression:
        """The expression with features and parameters replaced, all at once."""
        return Expression(self._handle.substitute({k: self._coerce(v)._handle for k, v in replacements.items()}))

    def simplify(self) -> Expression:
        """The most readable of a few ways to write the same: sums collected and factorised, powers, numbers folded.

        Parameters keep their names and meaning, and values stay up to rounding wherever the expression is defined.
        `complexity` does not grow. `fastsfes.formula.normal_form` also removes parameters that others can stand in for.
        """
        return Expression(self._handle.simplify())

    def expand(self) -> Expression:
        """Products and whole powers of sums multiplied out, like terms collected, as long as the terms are few."""
        return Expression(self._handle.expand())

    def fold(self, *, regular: bool = False) -> Expression:
        """Constants folded and neutral elements dropped, operation by operation; values keep nearly all their bits.

        With `regular` every intermediate value counts as finite and different from zero: x - x is 0, x/x is 1.
        """
        return Expression(self._handle.fold(regular))

    def define(self) -> Expression:
        """Defined operators (u, pbe_x, pw92, ...) replaced by their formulas."""
        return Expression(self._handle.define())

    @cached_property
    def named(self) -> str:
        """As people read it: what occurs several times is named where that is shorter, ``y1 = u(x2, g); y1 + y1**2``.

        `parse` reads it back as the same expression.
        """
        return self._handle.named()

    def to_latex(self) -> str:
        """LaTeX of the expression."""
        return self._handle.to_latex()

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def to_mathml(self) -> list[str]:
        """MathML of the terms of the sum that the expression is, each with its sign: one after the other the formula.

        Raises:
            InputError: when operations nest more than 200 deep.
        """
        return self._handle.to_mathml()

    def to_sympy(self) -> Any:
        """The expression as a SymPy expression; features are nonnegative or real, parameters real symbols."""
        return to_sympy(self.define().nodes())

    @classmethod
    def from_sympy(cls, expression: Any) -> Expression:
        """An expression of SymPy; symbols become features (x2, w, ...) or parameters by their names.

        Sums, products, powers, exp, log, tanh, erf, asinh, sin, cos, atan, sinh, cosh, Abs, Min, Max, sign and
        Piecewise((a, c >= 0), (b, True)).

        Raises:
            InputError: what has no operator here, is not real, or has a symbol whose name is none here.
        """
        made: Expression = from_sympy(expression, cls)
        return made

    def spell(self, language: str, names: Mapping[str, str]) -> str:
        """One formula in "cpp" or "maple" (libxc), with `names` for the features and parameters."""
        return self._handle.spell(language, dict(names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        return Expression.parse, (self.text,)

    def __add__(self, other: Expression | float) -> Expression:
        return Expression.apply("+", self, other)

    def __radd__(self, other: float) -> Expression:
        return Expression.apply("+", other, self)

    def __sub__(self, other: Expression | float) -> Expression:
        return Expression.apply("-", self, other)

    def __rsub__(self, other: float) -> Expression:
        return Expression.apply("-", other, self)

    def __mul__(self, other: Expression | float) -> Expression:
        return Expression.apply("*", self, other)

    def __rmul__(self, other: float) -> Expression:
        return Expression.apply("*", other, self)

    def __truediv__(self, other: Expression | float) -> Expression:
        return Expression.apply("/", self, other)

    def __rtruediv__(self, other: float) -> Expression:
        return Expression.apply("/", other, self)

    def __pow__(self, other: Expression | float) -> Expression:
        return Expression.apply("**", self, other)

    def __neg__(self) -> Expression:
        return Expression.apply("neg", self)


def _named(values: Mapping[str, Any], name: str, kind: str, expression: Expression) -> Any:
    try:
        return values[name]
    except KeyError:
        given = ", ".join(sorted(values)) or "none"
        raise InputError(f'{kind} "{name}" of expression "{expression}" has no value; given: {given}') from None
