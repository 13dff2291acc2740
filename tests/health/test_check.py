"""The table of checks: limits, derivatives, and the interface."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.analysis import enhancement_curves
from fastsfes.functionals.libxc import LibxcFunctional
from fastsfes.health import check
from fastsfes.health.conditions import as_subject
from fastsfes.health.continuity import continuity_row
from fastsfes.health.derivatives import derivative_rows
from fastsfes.health.limits import limit_rows


@pytest.mark.parametrize("name", ["lda", "pbe", "wb97m_v", "gas22", "libxc:scan", "libxc:r2scan", "libxc:m06l"])
def test_derivatives_agree_with_differences(name: str) -> None:
    for row in derivative_rows(as_subject(name)):
        assert row.passed, row


class Wrong(LibxcFunctional):
    """PBE with a derivative that is wrong by one part in a hundred thousand."""

    def __init__(self, key: str) -> None:
        super().__init__("pbe")
        self.key = key

    def energy_density(self, *args, **options):
        values = super().energy_density(*args, **options)
        array = getattr(values, self.key)
        return values if array is None else type(values)(**{**vars(values), self.key: array * (1 + 1e-5)})


def test_wrong_derivatives_are_found() -> None:
    subject = as_subject("libxc:pbe")
    for key, wrong in (("vsigma", 0), ("v2rhosigma", 1)):
        rows = derivative_rows(type(subject)(**{**vars(subject), "whole": Wrong(key)}))
        assert rows[wrong].passed is False
        # relative to the largest derivative of a point, so at most the error that was made
        assert 1e-7 < rows[wrong].value < 1.1e-5
        assert wrong == 0 or rows[0].passed


def test_limits() -> None:
    def rows(functional: object) -> dict[str, object]:
        return {row.name: row for row in limit_rows(as_subject(functional))}

    assert all(row.passed for row in rows("pbe").values())
    gas22 = rows("gas22")["potential bounded at vanishing gradient"]
    assert gas22.passed is False
    assert gas22.value == pytest.approx(1 / 3 - 1, abs=1e-3)  # x2^(1/3), differentiated
    assert rows("lda")["potential bounded at vanishing gradient"].passed is None
    # libxc's second derivatives of SCAN correlation without beta spin are not numbers; ours of others are
    assert rows("libxc:scan")["second derivatives, one spin absent"].passed is False
    assert rows("libxc:scan")["finite with one spin absent"].passed

    def own(kind: str, formula: str) -> fs.Functional:
        return fs.Functional("own", {kind: fs.Channel(fs.Expression.parse(formula))})

    assert rows(own("x", "1 + log(s2)"))["finite at vanishing gradient"].passed  # the floor of sigma keeps it finite
    assert rows(own("x", "sqrt(s2 - 1)"))["finite at vanishing gradient"].passed is False
    jump = own("one", "-(rho_a + rho_b)**(4/3)*(1 + exp(-1e14*rho_b**2))")
    assert rows(jump)["continuous as one spin vanishes"].passed is False
    tail = own("x", "exp(x2)")
    row = rows(tail)["finite at vanishing density"]
    assert row.passed is False
    assert "tail" in row.where


@pytest.mark.parametrize(
    ("functional", "passed", "where"),
    [
        ("pbe", True, ""),
        ("gas22", True, ""),
        ("libxc:scan", True, ""),
        ("libxc:tpss", True, ""),
        ("x = 1; cos = 1/(x2 - 3)", False, "s=0.222"),  # x2 = 3 is s = sqrt(3/(4 (6 pi^2)^(2/3))) = 0.2222
        ("x = 1/(w + 0.3)", False, ""),
        ("x = 1 + 0.01*tanh(1e16*(x2 - 7.3))", False, "s=0.346"),
        ("x = 1 + 0.01*tanh(1e3*(x2 - 7.3))", True, ""),  # steep, but no jump
        ("x = sqrt(x2 - 1)", False, "s=0.001"),
    ],
)
def test_poles_and_jumps(functional: str, passed: bool, where: str) -> None:
    row = continuity_row(as_subject(functional))
    assert row.passed is passed
    assert where in row.where


def test_the_table() -> None:
    result = check("pbe", beside=("gas22", "libxc:scan"))
    assert result.name == "pbe"
    assert list(result.beside) == ["gas22", "libxc:scan"]
    names = [row.name for row in result.rows]
    assert len(names) == len(set(names))
    for rows in result.beside.values():
        assert [row.name for row in rows] == names
        assert [row.group for row in rows] == [row.group for row in result.rows]
    for row in result.rows:
        assert row.passed is None or (row.margin is not None and row.detail)
    text = str(result)
    for expected in (*names, "exact conditions", "passed", "GAS22", "SCAN (libxc)"):
        assert expected in text
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["beside"]["gas22"][0]["passed"] is False
    assert not result.failed


def test_two_of_one_name_are_told_apart() -> None:
    """Formulas are all called "formula"; equal functionals are shown once."""
    first, second = "x = 1 + 0.1*w", "x = 1 + 0.2*w"
    result = check(first, beside=(second, first, "lda"))
    assert (result.name, list(result.beside)) == ("formula", ["formula (2)", "lda"])
    alone = check(second, beside=()).rows
    assert [row.margin for row in result.beside["formula (2)"]] == [row.margin for row in alone]
    curves = enhancement_curves(first, beside=(second,), points=5)
    assert curves.beside == ("formula (2)",)
    found = curves.curves[0].values
    assert not np.array_equal(found["formula"], found["formula (2)"])


def test_bad_arguments() -> None:
    with pytest.raises(fs.InputError, match='level "medium"'):
        check("pbe", level="medium")
    with pytest.raises(fs.InputError, match="not registered"):
        check("pbe", beside=("nothing",))
