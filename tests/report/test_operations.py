"""The drawn graph means what the expression means."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsfes import Expression
from fastsfes.report.draw.graph import draw_operations
from fastsfes.report.draw.layered import layered
from fastsfes.report.draw.operations import Operation, operations, symbol

X2, W = np.array([0.3, 1.7, 20.0]), np.array([-0.6, 0.1, 0.7])


def value_of(expression: Expression, graph: list[Operation], root: int, values: dict[str, float]) -> np.ndarray:
    """The value of the drawing, from its labels' data alone (functions through the core)."""
    nodes = expression.nodes()
    done: dict[int, np.ndarray] = {}

    def times(parameters: tuple[str, ...], numbers: tuple[float, ...]) -> float:
        return math.prod([*(values[p] for p in parameters), *numbers])

    def at(index: int) -> np.ndarray:
        if index in done:
            return done[index]
        o = graph[index]
        parts = [e.sign * times(e.parameters, e.numbers) * at(e.child) for e in o.edges]
        if o.kind == "sum":
            result = sum(parts, np.zeros(3))
        elif o.kind == "product":
            result = np.prod(parts, axis=0)
        elif o.kind == "value":
            result = np.full(3, times(o.parameters, o.numbers))
        elif o.kind == "feature":
            result = {"x2": X2, "w": W}[nodes[o.source][2]]
        else:
            name, args, _ = nodes[o.source]
            given = iter(parts)
            features: dict[str, np.ndarray] = {}
            arguments: list[Expression] = []
            for place, a in enumerate(args):
                kind, _, payload = nodes[a]
                if place > 0 and kind in ("parameter", "constant") and len(o.edges) < len(args):
                    arguments.append(Expression.constant(values[payload] if kind == "parameter" else payload))
                else:
                    slot = ("x2", "w", "rho", "t")[place]
                    features[slot] = next(given)
                    arguments.append(Expression.parse(slot))
            assert next(given, None) is None
            result = Expression.apply(name, *arguments).evaluate(features, threads=1)
        done[index] = np.broadcast_to(result, 3)
        return done[index]

    return at(root)


FORMULAS = [
    "1", "c0", "w", "-w", "c0*c1", "2*c0*w", "w*w", "c0 + c1*u(x2, g) + c2*w**2", "w*(w + c1) + ((g0 + u(x2, g1)*w + "
    "g0*u(x2, g1))*c0 + w*(w + c1))", "c0 - u(x2, g0) + w", "fma(c0, w, x2)", "fms(w, x2, c1)", "fnma(w, c1, 2)",
    "(w + c0)/(x2 + c1)", "c0/x2", "x2**c0", "exp(-c0*w**2)*log1p(x2)", "cbrt(x2)*w**2*c2", "pbe_x(x2, c0, c1)",
    "select(w, c0, x2)", "min(w, c0) - max(x2, c1)", "(c0 + w)*(c0 + w)", "-(c0*w + x2)", "c0*(c1*(c2*w))",
    "w - (x2 - (w - x2))", "abs(w)**0.5", "b88_x(x2, c0)**2 - 1",
]  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_the_drawing_evaluates_to_the_expression(text: str) -> None:
    check(Expression.parse(text))


def check(expression: Expression) -> None:
    values = {p: 0.37 + 0.21 * k for k, p in enumerate(expression.parameters)}
    graph, root = operations(expression, values)
    expected = np.broadcast_to(expression.evaluate({"x2": X2, "w": W}, values, threads=1), 3)
    # the same operations in another order: rounding errors of sums whose terms may cancel
    np.testing.assert_allclose(value_of(expression, graph, root, values), expected, rtol=1e-12, atol=1e-12)
    reached, stack = set(), [root]
    while stack:
        index = stack.pop()
        if index not in reached:
            reached.add(index)
            stack += [e.child for e in graph[index].edges]
    assert reached == set(range(len(graph)))


LEAVES = st.sampled_from(["w", "x2", "c0", "c1", "c2", "2", "0.5"])


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from([" + ", " - ", "*"]), inner).map(lambda t: f"({t[0]}){t[1]}({t[2]})"),
            inner.map(lambda t: f"({t})**2"),
            inner.map(lambda t: f"-({t})"),
            inner.map(lambda t: f"u(abs({t}), 0.3)"),
        ),
        max_leaves=12,
    )
)
@settings(max_examples=150, deadline=None)
def test_drawings_of_random_formulas_evaluate_to_them(text: str) -> None:
    check(Expression.parse(text))


def test_sums_are_flat_and_coefficients_stand_on_the_edges() -> None:
    graph, root = operations(Expression.parse("c0 + c1*u(x2, g) + c2*w**2"), {"c1": 0.5})
    labels = {graph[e.child].label: e.label for e in graph[root].edges}
    assert graph[root].kind == "sum"
    assert labels == {"c₀": "", "u(·; γ)": "c₁", "·²": "c₂"}


def test_names_are_those_of_the_latex_printer() -> None:
    assert [symbol(n) for n in ("x2", "w", "c10", "g", "g0", "beta", "alone")] == [
        "x²", "w", "c₁₀", "γ", "γ₀", "β", "alone",
    ]  # fmt: skip


def test_layout_keeps_distances_and_puts_parents_above() -> None:
    rng = np.random.default_rng(5)
    children = [sorted({int(c) for c in rng.integers(0, i, 2)}) if i > 3 else [] for i in range(40)]
    widths = [30.0 + 4.0 * (k % 7) for k in range(40)]
    plan = layered(children, 39, widths, gap=18.0, step=70.0)
    assert plan == layered(children, 39, widths, gap=18.0, step=70.0)
    reached = {39} | {c for _, c in plan.routes}
    for parent, child in plan.routes:
        assert plan.places[child][1] >= plan.places[parent][1] + 70.0
        assert plan.routes[parent, child][0] == plan.places[parent]
        assert plan.routes[parent, child][-1] == plan.places[child]
    for a in reached:
        assert widths[a] / 2 <= plan.places[a][0] + 1e-9
        assert plan.places[a][0] + widths[a] / 2 <= plan.width + 1e-9
        for b in reached:
            if a < b and plan.places[a][1] == plan.places[b][1]:
                apart = abs(plan.places[a][0] - plan.places[b][0])
                assert apart >= (widths[a] + widths[b]) / 2 + 18.0 - 1e-9


def test_a_tree_has_no_crossings() -> None:
    # two levels of three, listed so that a naive order would cross
    children = [[], [], [], [], [], [], [5, 0], [3, 1], [4, 2], [8, 6, 7]]
    plan = layered(children, 9, [20.0] * 10)
    edges = [(plan.places[p][0], plan.places[c][0]) for p, c in plan.routes if p != 9]
    assert not [1 for a in edges for b in edges if a[0] < b[0] and a[1] > b[1]]


def test_what_is_too_large_is_not_drawn() -> None:
    text = " + ".join(f"c{k}*(w + {k})" for k in range(200))
    drawn = draw_operations(Expression.parse(text), {}, "exchange")
    assert "<svg" not in drawn
    assert "too many" in drawn


def test_terms_with_one_child_share_an_edge_that_says_what_they_add_up_to() -> None:
    """a + g*a with a shared: the edge is not labelled g alone."""
    drawn = draw_operations(Expression.parse("(w + c0) + g*(w + c0)"), {}, "exchange")
    assert ">1 + γ<" in drawn
    assert ">1 − γ<" in draw_operations(Expression.parse("(w + c0) - g*(w + c0)"), {}, "exchange")
    assert ">2<" in draw_operations(Expression.parse("(w + c0)**2 + x2 + (w + c0)**2"), {}, "exchange")
