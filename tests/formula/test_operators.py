"""The operator table: complete rows, values and derivatives against 50-digit arithmetic."""

from __future__ import annotations

import itertools
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import sympy

import fastsfes as fs
from fastsfes.evolve.rules import _combined
from fastsfes.formula.expression import operators

ROWS = {row["name"]: row for row in operators()}
PRIMITIVES = [n for n, r in ROWS.items() if r["kind"] == "primitive"]
DEFINED = [n for n, r in ROWS.items() if r["kind"] == "defined"]


def missing_properties(row: dict) -> list[str]:
    """What a row of the operator table lacks."""
    typeset = ("latex", "mathml", "levels", "label")
    spelled = ("cpp", "maple", "sympy")
    needed = {
        "leaf": (),
        "primitive": ("differential", "dimension", "cost", *spelled, *typeset),
        "defined": ("definition", *typeset),
    }[row["kind"]]
    lacks = [p for p in ("name", "summary", "domain", *needed) if not row[p]]
    if row["kind"] == "primitive":
        lacks += [p for p in ("interactions", "sign") if row[p] is None]
    letters = "abcde"[: row["arity"]]
    # every argument occurs in every spelling
    for spelling in (*spelled, "latex", "mathml"):
        if spelling in needed and any(f"${k}" not in (row[spelling] or "") for k in letters):
            lacks.append(f"arguments in {spelling}")
    # a letter for the operator and one for each argument
    for levels in ("levels", "infix_levels"):
        if row[levels] is not None and (len(row[levels]) != 1 + row["arity"] or set(row[levels]) - set("SPUWA")):
            lacks.append(f"one of S P U W A for each argument in {levels}")
    if (row["infix"] is None) != (row["infix_levels"] is None):
        lacks.append("infix with its levels")
    smooth = letters[1:] if row["name"] == "select" else letters  # a condition only chooses
    if row["kind"] == "primitive" and any(f"d{k}" not in (row["differential"] or "") for k in smooth):
        lacks.append("arguments in differential")
    if row["kind"] == "defined" and row["definition"]:
        body = fs.Expression.parse(row["definition"])
        if body.features or not set(body.parameters) <= set(letters):
            lacks.append("a definition in its arguments alone")
    return lacks


def test_every_operator_has_every_property() -> None:
    assert {name: missing_properties(row) for name, row in ROWS.items()} == {name: [] for name in ROWS}
    assert all(ROWS[name]["definition"] is None for name in PRIMITIVES)


@pytest.mark.parametrize("name", [*PRIMITIVES, *DEFINED])
def test_a_missing_property_is_noticed(name: str) -> None:
    for key, value in ROWS[name].items():
        if value and key not in ("kind", "arity", "infix", "infix_levels"):
            assert missing_properties({**ROWS[name], key: None}), key


@pytest.mark.parametrize("name", PRIMITIVES)
def test_signs_of_the_table(name: str) -> None:
    """Where a rule says that a value is not negative, it is not."""
    letters = ["x2", "w", "t"][: ROWS[name]["arity"]]
    e = apply(name, *(fs.Expression.parse(x) for x in letters))
    rng = np.random.default_rng(8)
    for rule in filter(None, ROWS[name]["sign"].split("|")):
        columns = [rng.uniform(-3, 3, 400) for _ in letters]
        for k in range(len(letters)):
            if "abc"[k] in rule:
                columns[k] = np.abs(columns[k])
        if "=" in rule:
            columns = [columns[0]] * len(letters)
        got = e.evaluate(dict(zip(letters, columns, strict=True)))
        assert not np.any(got < 0), rule


@pytest.mark.parametrize("name", PRIMITIVES)
def test_dimensions_of_the_table(name: str) -> None:
    """Arguments that scale with these powers of a length give a value that scales as the rule says."""
    arity, rule = ROWS[name]["arity"], ROWS[name]["dimension"]
    e = apply(name, *(fs.Expression.parse(x) for x in ("x2", "t", "s2")[:arity]))
    rng = np.random.default_rng(9)
    columns = rng.uniform(0.5, 2, (arity, 20))
    if name == "**":
        columns[1] = 3.0
    stretch, met = 1.3, 0
    for powers in itertools.product(range(-2, 3), repeat=arity):
        if name == "**" and powers[1]:
            continue
        found = _combined(rule, [Fraction(p) for p in powers], 3.0 if name == "**" else None)
        if found is None:
            continue
        met += 1
        scaled = columns * stretch ** np.array(powers, float)[:, None]
        values = [e.evaluate(dict(zip(("x2", "t", "s2"), v, strict=False))) for v in (columns, scaled)]
        np.testing.assert_allclose(values[1], values[0] * stretch ** float(found), rtol=1e-13, atol=1e-13)
    assert met


@pytest.mark.parametrize("name", PRIMITIVES)
def test_sympy_s_spelling_has_the_value(name: str) -> None:
    arity = ROWS[name]["arity"]
    letters = ["x2", "c1", "c2"][:arity]
    e = apply(name, *(fs.Expression.parse(x) for x in letters))
    made = e.to_sympy()
    for row in np.random.default_rng(10).uniform(0.2, 1.8, (5, arity)).tolist():
        given = dict(zip(letters, row, strict=True))
        exact = made.subs({s: sympy.Float(given[s.name], 30) for s in made.free_symbols}).evalf(25)
        mine = e.evaluate({"x2": given["x2"]}, given)
        assert float(mine) == pytest.approx(float(exact), rel=1e-15, abs=1e-15)  # 4 ulp


def mp_log1p(a: mp.mpf) -> mp.mpf:
    return mp.log(1 + a)


ORACLE = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "**": lambda a, b: a**b,
    "fma": lambda a, b, c: a * b + c,
    "fms": lambda a, b, c: a * b - c,
    "fnma": lambda a, b, c: c - a * b,
    "select": lambda a, b, c: b if a >= 0 else c,
    "min": lambda a, b: min(a, b),
    "max": lambda a, b: max(a, b),
    "abs": abs,
    "sqrt": mp.sqrt,
    "cbrt": lambda a: mp.sign(a) * mp.cbrt(abs(a)),
    "exp": mp.exp,
    "expm1": mp.expm1,
    "log": mp.log,
    "log1p": mp_log1p,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "asinh": mp.asinh,
    "sin": mp.sin,
    "cos": mp.cos,
    "atan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
}
LIMITS = {  # where the first argument is sampled: (low, high) of its magnitude, signs allowed
    "**": (1e-3, 1e3, False),
    "sqrt": (1e-300, 1e300, False),
    "log": (1e-300, 1e300, False),
    "log1p": (1e-20, 0.999, True),
    "exp": (1e-20, 700.0, True),
    "expm1": (1e-20, 700.0, True),
    "erf": (1e-20, 6.0, True),
    "tanh": (1e-20, 20.0, True),
    "sinh": (1e-20, 700.0, True),
    "cosh": (1e-20, 700.0, True),
}


def test_the_oracle_covers_every_primitive() -> None:
    assert set(ORACLE) == set(PRIMITIVES)


def apply(name: str, *args: fs.Expression) -> fs.Expression:
    return fs.Expression.apply(name, *args)


@pytest.mark.parametrize("name", PRIMITIVES)
def test_values_and_derivatives_of_primitives(name: str) -> None:
    arity = ROWS[name]["arity"]
    rng = np.random.default_rng([ord(c) for c in name])
    low, high, signed = LIMITS.get(name, (1e-3, 1e3, True))
    n = 300
    first = np.exp(rng.uniform(np.log(low), np.log(high), n)) * (rng.choice([-1, 1], n) if signed else 1)
    columns = [first, *(rng.uniform(-3, 3, n) for _ in range(arity - 1))]
    letters = ["x2", "w", "t"][:arity]
    e = apply(name, *(fs.Expression.parse(x) for x in letters))
    got = e.evaluate(dict(zip(letters, columns, strict=True)))
    with mp.workdps(50):
        for i in range(n):
            args = [mp.mpf(float(c[i])) for c in columns]
            exact = ORACLE[name](*args)
            # a product and a sum rounded once each; elementary functions are good to 4 ulp
            scale = max(abs(exact), mp.mpf(5e-324))
            assert abs(mp.mpf(float(got[i])) - exact) <= 4 * mp.mpf(2) ** -52 * scale, (name, args)
    for k, letter in enumerate(letters):
        d = e.derivative(letter)
        features = dict(zip(letters, columns, strict=True))
        slope = d.evaluate({f: features[f] for f in d.features}) if d.features else np.full(n, float(d.evaluate({})))
        slope = np.broadcast_to(slope, (n,))
        with mp.workdps(400):  # exp(-700) and 1 are both held by one number
            for i in range(0, n, 10):
                args = [mp.mpf(float(c[i])) for c in columns]

                def partial(x: mp.mpf, args: list[mp.mpf] = args, k: int = k) -> mp.mpf:
                    return ORACLE[name](*args[:k], x, *args[k + 1 :])

                step = mp.mpf(10) ** -30 * abs(args[k])
                exact = (partial(args[k] + step) - partial(args[k] - step)) / (2 * step)
                error = abs(mp.mpf(float(slope[i])) - exact)
                # 1 - tanh^2 and the like lose digits where the result is small: absolute there
                assert error <= 64 * mp.mpf(2) ** -52 * max(abs(exact), mp.mpf(1) if name == "tanh" else 0), (
                    name,
                    args,
                )


@pytest.mark.parametrize("name", DEFINED)
def test_defined_operators_equal_their_expansion(name: str) -> None:
    row = ROWS[name]
    letters = ["rho_a", "rho_b", "sigma", "c1", "c2"][: row["arity"]]
    e = apply(name, *(fs.Expression.parse(x) for x in letters))
    flat = e.define()
    assert name not in str(flat)
    values = {"rho_a": 0.3, "rho_b": 0.2, "sigma": 0.4, "c1": 0.07, "c2": 0.03}
    pick = {k: values[k] for k in flat.features}
    parameters = {k: values[k] for k in flat.parameters}
    assert e.evaluate(pick, parameters) == flat.evaluate(pick, parameters)


def test_range_separation_factor_on_both_branches() -> None:
    """F(a) of 10.1063/1.1383587 in 60 digits: closed form and series, relative 1e-13 everywhere."""
    e = fs.Expression.parse("erf_attenuation(rho)")
    for a in [1e-8, 1e-3, 0.1, 0.5, 1.0, 1.5, 1.9999, 2.0, 2.0001, 3.0, 5.0, 20.0, 1e3, 1e6]:
        with mp.workdps(80):
            x = mp.mpf(a)
            bracket = 2 * mp.sqrt(mp.pi) * mp.erf(1 / x) - 3 * x + x**3 + (2 * x - x**3) * mp.exp(-1 / x**2)
            exact = 1 - mp.mpf(2) / 3 * x * bracket
            # the closed form below a = 2 subtracts terms of up to 10 from a result of 0.03
            assert abs(mp.mpf(float(e.evaluate({"rho": a}))) / exact - 1) < 2e-13, a
