"""What the normal form of any formula must hold to."""

from __future__ import annotations

import numpy as np

from fastsfes import Expression
from fastsfes.formula.normal_form import normal, normal_form

POINTS = 9
EPSILON = np.finfo(float).eps


def features(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Values at which random forms seldom overflow."""
    return {"x2": np.exp(rng.uniform(-3, 2, POINTS)), "w": rng.uniform(-0.95, 0.95, POINTS)}


NUMPY = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "**": np.power, "neg": np.negative, "exp": np.exp,
    "sqrt": np.sqrt, "cbrt": np.cbrt, "log1p": np.log1p, "tanh": np.tanh, "expm1": np.expm1,
}  # fmt: skip


def evaluated(expression: Expression, values: dict[str, float], at: dict[str, np.ndarray], rng=None) -> np.ndarray:
    """Values in NumPy; with a random generator every operation's result is moved by 4 roundings up or down."""
    done: list[np.ndarray] = []
    with np.errstate(all="ignore"):
        for name, args, payload in expression.define().nodes():
            if name == "constant":
                done.append(np.full(POINTS, float(payload)))
            elif name == "parameter":
                done.append(np.full(POINTS, values[str(payload)]))
            elif name == "feature":
                done.append(at[str(payload)])
            else:
                value = NUMPY[name](*(done[a] for a in args))
                moved = 1.0 if rng is None else 1.0 + 4 * EPSILON * rng.choice((-1.0, 1.0), POINTS)
                done.append(value * moved)
    return done[-1]


def noise(expression: Expression, values: dict[str, float], at: dict[str, np.ndarray]) -> np.ndarray:
    """Size of the rounding errors of an evaluation, per point."""
    rng = np.random.default_rng(0)
    exact = evaluated(expression, values, at)
    with np.errstate(all="ignore"):
        runs = [np.abs(evaluated(expression, values, at, rng) - exact) for _ in range(5)]
    return np.max(runs, axis=0)


def rank(expression: Expression, values: dict[str, float], at: dict[str, np.ndarray], tolerance: float) -> int:
    """Independent directions of the values' change with the parameters, by central differences."""
    names = list(expression.parameters)
    columns = []
    for name in names:
        step = 1e-5 * max(abs(values[name]), 1e-3)
        above, below = (evaluated(expression, {**values, name: values[name] + s}, at) for s in (step, -step))
        columns.append((above - below) / (2 * step))
    if not columns:
        return 0
    matrix = np.array(columns).T
    matrix = matrix / np.maximum(np.abs(matrix).max(axis=0), 1e-300)  # 1e199 has no square
    norms = np.linalg.norm(matrix, axis=0)
    return int(np.linalg.matrix_rank(matrix[:, norms > 0] / norms[norms > 0], tol=tolerance)) if norms.any() else 0


def check(expression: Expression, values: dict[str, float], at: dict[str, np.ndarray]) -> None:
    """The properties that hold for every form."""
    form, mapped = normal_form(expression, values)
    where = f"{expression} {values} -> {form} {mapped}"
    if not np.isfinite(evaluated(expression, values, at)).all():  # what has no values cannot be met
        form, mapped = normal(expression.text), {}
    assert form.complexity <= expression.complexity, where
    assert len(form.parameters) <= len(expression.parameters), where
    assert form == normal(expression.text), f"the form depends on the values: {where}"
    assert normal(form.text) == form, f"not idempotent: {where} -> {normal(form.text)}"
    if not mapped and form.parameters:
        return
    assert tuple(mapped) == form.parameters, where
    before, after = evaluated(expression, values, at), evaluated(form, mapped, at)
    tolerance = 8 * (noise(expression, values, at) + noise(form, mapped, at)) + 64 * EPSILON * np.abs(before)
    good = np.isfinite(before) & np.isfinite(tolerance) & (tolerance < 1e-3 * (1 + np.abs(before)))
    assert (np.abs(after[good] - before[good]) <= tolerance[good]).all(), where
    # values are met whatever the parameters: the family is part of that of the normal form, which is no larger
    if good.all():
        assert rank(form, mapped, at, 1e-4) <= rank(expression, values, at, 1e-8), where
