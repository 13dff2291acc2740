"""Libraries of terms: what the text stands for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastsfes.common.errors import InputError
from fastsfes.formula.expression import Expression
from fastsfes.functionals.registry import get_functional
from fastsfes.selection import Library, parse_terms, terms_of


def values(expression: Expression, **features: np.ndarray) -> np.ndarray:
    count = len(next(iter(features.values())))
    found = expression.evaluate({n: features[n] for n in expression.features}, {})
    return np.broadcast_to(np.asarray(found, dtype=float), count)


def test_products_of_powers() -> None:
    terms = parse_terms(["x = u(x2, 0.004)^0:2 * w^0:3"])
    assert len(terms) == 12
    x2, w = np.array([0.5, 3.0, 200.0]), np.array([-0.9, 0.1, 0.7])
    u = 0.004 * x2 / (1 + 0.004 * x2)
    for k, term in enumerate(terms):
        np.testing.assert_allclose(values(term.expression, x2=x2, w=w), u ** (k // 4) * w ** (k % 4), rtol=1e-14)


@pytest.mark.parametrize(
    ("family", "of"), [("P", np.polynomial.legendre.legval), ("T", np.polynomial.chebyshev.chebval)]
)
def test_families_of_polynomials(family: str, of: object) -> None:
    terms = parse_terms([f"css = {family}(0:11, 2*w - 1) * w^1:1"])
    assert len(terms) == 12
    w = np.linspace(0, 1, 23)
    for n, term in enumerate(terms):
        wanted = of(2 * w - 1, [0] * n + [1]) * w  # type: ignore[operator]
        # coefficients of degree 11 reach 1e4, and cancel to 1
        np.testing.assert_allclose(values(term.expression, w=w), wanted, rtol=0, atol=1e-11)


def test_factors_lists_and_copies() -> None:
    terms = parse_terms(["cos = 2*w * w^0:1; w + x2; w**2*2", "x = 1; w", "x = w"])
    assert [t.name for t in terms][-2:] == ["x: 1", "x: w"]
    assert len([t for t in terms if t.kind == "cos"]) == 3  # 2*w*w and w**2*2 are one


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 - 2*w", lambda u, w: 1 - 2 * w),
        ("w*u(x2, 0.004) + u(x2, 0.004)*w**2", lambda u, w: w * u + u * w**2),
        ("(1 - 2*w)*u(x2, 4e-3)", lambda u, w: (1 - 2 * w) * u),
        ("-w*u(x2, 4e-3)", lambda u, w: -w * u),
        ("2.5e-1*w*u(x2, 4e-3)**-1", lambda u, w: 0.25 * w / u),
    ],
)
def test_sums_stay_whole(text: str, value: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    (term,) = parse_terms([f"x = {text}"])
    x2, w = np.array([0.5, 3.0, 200.0]), np.array([-0.9, 0.1, 0.7])
    wanted = value(0.004 * x2 / (1 + 0.004 * x2), w)
    np.testing.assert_allclose(values(term.expression, x2=x2, w=w), wanted, rtol=1e-14)


def test_scales() -> None:
    library = Library(parse_terms(["x = u(x2, g)^0:2", "cos = w"]))
    assert library.scales == ("x.g",)
    assert library.with_scales({"x.g": 0.004}).names[1] == "x: u(x2, 0.004)"


def test_terms_are_found_however_they_are_written() -> None:
    library = Library(parse_terms(["x = u(x2, 0.004)^0:2 * w^0:2"]), exact_exchange=True)
    assert library.find(["x: w*u(x2, 0.004)", "short_range"]) == [4, 9]
    with pytest.raises(InputError, match="no term of the library"):
        library.find(["x: w**7"])


def test_terms_of_a_functional_and_its_coefficients() -> None:
    functional = get_functional("wb97m_v")
    terms = [t for k, c in functional.channels.items() for t in terms_of(k, c.expression, c.parameters)]
    assert len(terms) == 14
    library = Library(
        parse_terms(["x = u(x2, 0.004)^0:2 * w^0:2", "css = u(x2, 0.2)^0:4 * w^0:4", "cos = u(x2, 0.006)^0:1 * w^0:6"])
    )
    found = library.coefficients(functional)
    assert len(found) == 14
    assert sorted(found.values()) == pytest.approx(
        sorted([0.85, 1.007, 0.259, 0.443, -4.535, -3.39, 4.278, -1.437, 1, 1.358, 2.924, -8.812, -1.39, 9.142]),
        abs=1e-8,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("u(x2, 0.004)^0:4", "expected CHANNEL = FORMULAS"),
        ("x = w^4:2", "must rise"),
        ("x = w * * w", "a factor is missing"),
        ("x = w +", "terms"),
        ("x = w^0:2 + 1", "terms"),
        ("nothing = w", "nothing"),
    ],
)
def test_wrong_texts_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        parse_terms([text])
    assert "\n" not in str(error.value)
