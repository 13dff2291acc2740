"""Libraries of terms: formulas without free parameters, of which a selection takes some.

    x = u(x2, 0.004)^0:4 * w^0:6              all products of the powers 0 ... 4 and 0 ... 6
    x = P(0:11, 2*beta - 1) * u(x2, 0.004)^0:7      Legendre polynomials; T(...) for Chebyshev's
    css = 2*beta * w^0:4                      every term times a factor
    cos = 1; w; w**2*u(x2, 0.006)             a list of formulas

A formula may use a scale by name, u(x2, g) with g a number that is given or one of a grid.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .. import _core
from ..common.errors import InputError
from ..energies.quadrature.nodes import derived_features
from ..fitting.removal import additive_terms
from ..formula.expression import Expression
from ..formula.features import SEARCHED, channel
from ..formula.terms import without_number
from ..functionals.functional import Functional

__all__ = ["Library", "Term", "distinct", "parse_terms", "terms_of"]

FloatArray = npt.NDArray[np.float64]
_RANGE = r"(\d+):(\d+)"
_POWER = re.compile(rf"(?P<base>.+)\^{_RANGE}$", re.DOTALL)
_FAMILY = re.compile(rf"(?P<family>[PT])\(\s*{_RANGE}\s*,(?P<argument>.+)\)$", re.DOTALL)
_LARGEST = 64
"""Powers and degrees; beyond it a double holds no digit of the polynomials' values."""
_MOST = 4096


@dataclass(frozen=True)
class Term:
    """A summand of a factor whose coefficient is to be found.

    Attributes:
        kind: channel.
        expression: without coefficient; its parameters are scales.
    """

    kind: str
    expression: Expression

    @property
    def name(self) -> str:
        """What tables and options call it: "x: w*u(x2, 0.004)"."""
        return f"{self.kind}: {self.expression}"


@dataclass(frozen=True)
class Library:
    """Terms, each once, in a fixed order.

    Attributes:
        terms: of all channels.
        exact_exchange: whether the fractions of short- and long-range exact exchange are terms too, the last two.
    """

    terms: tuple[Term, ...]
    exact_exchange: bool = False

    def __post_init__(self) -> None:
        if not self.terms:
            raise InputError('the library has no terms; give some, such as --terms "x = u(x2, 0.004)^0:4 * w^0:6"')
        if len(self) > _MOST:
            raise InputError(f"the library has {len(self)} terms, expected at most {_MOST}; choose smaller ranges")
        for term in self.terms:
            known = channel(term.kind).features
            for feature in term.expression.features:
                if feature not in known:
                    raise InputError(
                        f'term "{term.name}": channel {term.kind} has no feature "{feature}"; it has {", ".join(known)}'
                    )

    def __len__(self) -> int:
        return len(self.terms) + 2 * self.exact_exchange

    @property
    def kinds(self) -> tuple[str, ...]:
        """Channels, in the order of their first terms."""
        return tuple(dict.fromkeys(t.kind for t in self.terms))

    @property
    def names(self) -> list[str]:
        """Names of all terms, those of the fractions last."""
        return [t.name for t in self.terms] + (["short_range", "long_range"] if self.exact_exchange else [])

    @property
    def scales(self) -> tuple[str, ...]:
        """Scales that have no number yet, as "channel.name"."""
        return tuple(dict.fromkeys(f"{t.kind}.{p}" for t in self.terms for p in t.expression.parameters))

    def with_scales(self, values: Mapping[str, float]) -> Library:
        """The library with numbers for scales ("channel.name")."""
        made = []
        for t in self.terms:
            mine = {p: values[f"{t.kind}.{p}"] for p in t.expression.parameters if f"{t.kind}.{p}" in values}
            made.append(Term(t.kind, t.expression.substitute(mine)) if mine else t)
        return Library(tuple(made), self.exact_exchange)

    def find(self, names: Iterable[str]) -> list[int]:
        """Positions of terms, named as in `names` or by another way to write the same formula.

        Raises:
            InputError: a name of no term.
        """
        found: list[int] = []
        for name in names:
            mine = [self.names.index(name)] if name in self.names else self._equal(name)
            if not mine:
                raise InputError(f'"{name}" is no term of the library; expected a name such as "{self.names[0]}"')
            found += [k for k in mine if k not in found]
        return found

    def coefficients(self, functional: Functional) -> dict[int, float]:
        """Coefficients with which the terms add up to a functional's factors.

        Raises:
            InputError: a factor that the terms cannot give.
        """
        found: dict[int, float] = {}
        rng = np.random.default_rng(0)
        count = 20 * len(self) + 200
        for kind, made in functional.channels.items():
            mine = [k for k, t in enumerate(self.terms) if t.kind == kind]
            given = {"x2": 250.0 * (np.exp(6.0 * rng.uniform(size=count)) - 1.0), "w": rng.uniform(-1, 1, size=count)}
            values = derived_features(kind, given)

            def at(
                e: Expression, parameters: Mapping[str, float], values: Mapping[str, FloatArray] = values
            ) -> FloatArray:
                used = {n: values[n] for n in e.features}
                return np.broadcast_to(np.asarray(e.evaluate(used, dict(parameters)), dtype=float), count)

            wanted = at(made.expression, made.parameters)
            matrix = np.array([at(self.terms[k].expression, {}) for k in mine]).reshape(len(mine), count).T
            scale = np.linalg.norm(matrix, axis=0)
            c = np.linalg.lstsq(matrix / scale, wanted, rcond=1e-14)[0] / scale
            if not np.allclose(matrix @ c, wanted, rtol=1e-9, atol=1e-9):
                raise InputError(f'the factor {kind} of "{functional.name}" is no sum of the library\'s terms')
            found.update({k: float(v) for k, v in zip(mine, c, strict=True) if abs(v) > 1e-9})
        return found

    def _equal(self, text: str) -> list[int]:
        """Terms that are the same formula however it is written."""
        kind, colon, formula = text.partition(":")
        if not colon or kind.strip() not in self.kinds:
            return []
        wanted = _print(Expression.parse(formula))
        return [k for k, t in enumerate(self.terms) if t.kind == kind.strip() and _print(t.expression) == wanted]


def _print(expression: Expression) -> tuple[str, ...]:
    """What equal formulas have in common however they are written: ten digits of their values at some points."""
    if expression.parameters:
        return (str(expression),)
    values = {n: np.random.default_rng(sum(n.encode())).uniform(0.05, 0.95, size=7) for n in expression.features}
    found = np.broadcast_to(np.asarray(expression.evaluate(values, {}), dtype=float), 7)
    return tuple(f"{v:.9e}" for v in found)


def parse_terms(texts: Sequence[str]) -> tuple[Term, ...]:
    """Terms of texts as the module describes them, each once.

    Raises:
        InputError: a text that is not understood, with what was expected.
    """
    found: list[Term] = []
    for text in texts:
        kind, equals, body = text.partition("=")
        if not equals or not body.strip():
            raise InputError(f'terms "{text}": expected CHANNEL = FORMULAS, such as x = u(x2, 0.004)^0:4 * w^0:6')
        if kind.strip() not in SEARCHED:
            raise InputError(f'terms "{text}": terms are of channel {", ".join(SEARCHED)}, not of "{kind.strip()}"')
        for item in _split(body, ";"):
            if not item.strip():
                raise InputError(f'terms "{text}": nothing stands between two ";"')
            for expression in _expand(item.strip(), text):
                found.append(Term(kind.strip(), expression))
    return distinct(found)


def _expand(item: str, text: str) -> Iterator[Expression]:
    """All products of one item."""
    parts = [item] if _is_sum(item) else _split(item, "*")
    factors = [_choices(part.strip(), text) for part in parts]
    for choice in itertools.product(*factors):
        written = [c for c in choice if c != "1"]
        try:
            expression = Expression.parse("*".join(written) if written else "1")
        except InputError as error:
            raise InputError(f'terms "{text}": {error}') from None
        yield expression.fold()


def _is_sum(item: str) -> bool:
    """Whether a plus or minus stands between terms outside parentheses; those of signs and exponents do not."""
    outer, depth = "", 0
    for c in item:
        depth -= c == ")"
        outer += c if depth == 0 else ""
        depth += c == "("
    return re.search(r"[\w.)]\s*[+-]", re.sub(r"(?<=[\d.])[eE][+-]", "", outer)) is not None


def _choices(factor: str, text: str) -> list[str]:
    """The formulas that one factor of a product stands for."""
    if not factor:
        raise InputError(f'terms "{text}": a factor is missing beside a "*"')
    if found := _FAMILY.fullmatch(factor):
        low, high = _limits(found[2], found[3], text)
        argument = found["argument"].strip()
        return [_polynomial(found["family"], n, argument) for n in range(low, high + 1)]
    if found := _POWER.fullmatch(factor):
        low, high = _limits(found[2], found[3], text)
        base = found["base"].strip()
        return [_power(base, n) for n in range(low, high + 1)]
    return [f"({factor})"]


def _limits(low: str, high: str, text: str) -> tuple[int, int]:
    first, last = int(low), int(high)
    if not first <= last <= _LARGEST:
        raise InputError(f'terms "{text}": the range {low}:{high} must rise and end at {_LARGEST} at most')
    return first, last


def _power(base: str, n: int) -> str:
    return "1" if n == 0 else f"({base})" if n == 1 else f"({base})**{n}"


def _polynomial(family: str, degree: int, argument: str) -> str:
    """A Legendre (P) or Chebyshev (T) polynomial, by Horner's scheme in the square of its argument."""
    basis = np.polynomial.Legendre if family == "P" else np.polynomial.Chebyshev
    kind = np.polynomial.Polynomial
    coefficients = basis.basis(degree).convert(kind=kind).coef.tolist()
    terms = [f"{c!r}*{_power(argument, n)}" if n else repr(c) for n, c in enumerate(coefficients) if c != 0.0]
    return "1" if degree == 0 else "(" + " + ".join(terms).replace("+ -", "- ") + ")"


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators outside parentheses; "**" is no "*"."""
    parts, depth, start, k = [], 0, 0, 0
    while k < len(text):
        c = text[k]
        depth += (c == "(") - (c == ")")
        if separator == "*" and text.startswith("**", k):
            k += 2
            continue
        if c == separator and depth == 0:
            parts.append(text[start:k])
            start = k + 1
        k += 1
    return [*parts, text[start:]]


def terms_of(kind: str, expression: Expression, values: Mapping[str, float]) -> tuple[Term, ...]:
    """The terms that a factor is a sum of when it is multiplied out, and those whose coefficients it fits.

    The second are its derivatives by the parameters that enter linearly, for numerators that stay together. All other
    parameters become numbers.

    Args:
        kind: channel.
        expression: the factor.
        values: of its parameters.
    """
    summands = additive_terms(expression.substitute(dict(values)).expand())
    linear = set(_core.linear_parameters(expression._handle))
    fixed = {p: values[p] for p in expression.parameters if p not in linear}
    fitted = [expression.derivative(p).substitute(fixed) for p in expression.parameters if p in linear]
    return distinct(Term(kind, e) for e in [*map(without_number, summands), *map(without_number, fitted)])


def distinct(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Terms, each once however it is written."""
    return tuple({(t.kind, *_print(t.expression)): t for t in reversed(list(terms))}.values())[::-1]
