"""Reselection: factors of the best terms of several members, written as instructions of the workspace."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from fastsfes.evolve.genome import ChannelGenome, Genome
from fastsfes.evolve.linearise import linearise
from fastsfes.evolve.mutate import Limits
from fastsfes.evolve.reselect import Reselect
from fastsfes.formula.expression import Expression
from fastsfes.formula.family import channel_fingerprint
from fastsfes.run.config import SearchConfig
from fastsfes.run.problem import make_problem
from fastsfes.run.search import search
from fastsfes.run.setup import SearchParts, prepare
from fastsfes.run.store import RunStore
from fastsfes.run.worker import set_up

CONFIG = SearchConfig.make(
    dataset="builtin", mutation_pool={"insert": 1.0, "reselect": 1.0}, candidates=300, population=20, generations=2,
    max_instructions=20, threads=1,
)  # fmt: skip
VALUES = {"g": 0.004, **{f"c{k}": 0.5 + 0.3 * k for k in range(6)}}


@pytest.fixture(scope="module")
def parts() -> SearchParts:
    return prepare(CONFIG)


@pytest.fixture(scope="module")
def reselect() -> Reselect:
    found = set_up(CONFIG, make_problem).reselect
    assert found is not None
    return found


def genome(parts: SearchParts, **factors: str) -> Genome:
    channels = {}
    for kind, text in factors.items():
        workspace = parts.mutator.workspaces[kind]
        expression = Expression.parse(text)
        channels[kind] = linearise(expression, dict.fromkeys(expression.parameters, 1.0), workspace.features).genome
        channels[kind].check(workspace)
        assert channel_fingerprint(expression) == channel_fingerprint(channels[kind].expression(workspace))
    return Genome(channels)


def test_features_of_a_workspace_are_read_by_name(parts: SearchParts) -> None:
    workspace = parts.mutator.workspaces["x"]
    made = linearise(
        Expression.parse("c0 + c1*w*u(x2, g)**2 + u(w, h)"), {"c0": 1, "c1": 2, "g": 3, "h": 4}, workspace.features
    )
    assert made.features == ("w", "u")
    assert made.genome.bound == ("h",)  # u of something else stays an instruction
    assert "g" not in {name for line in made.genome.instructions for name in line.inputs}


def test_the_best_of_the_terms_are_taken(parts: SearchParts, reselect: Reselect) -> None:
    """Against all subsets, each by least squares of the training and validation rows."""
    own = genome(parts, x="c0 + c1*w", css="c0*w", cos="c0 + c1*w**2")
    other = genome(parts, x="c0*u(x2, g) + c1*w*u(x2, g) + c2*u(x2, g)**2", css="c0", cos="c0")
    values = dict.fromkeys(("x", "css", "cos"), VALUES)
    problem = reselect.problem
    by_kind = {kind: (nodes, matrix) for kind, nodes, matrix in problem.rows.channels}

    def column(kind: str, text: str) -> np.ndarray:
        nodes, matrix = by_kind[kind]
        e = Expression.parse(text)
        return matrix @ np.broadcast_to(e.evaluate({f: nodes[f] for f in e.features}, {}), matrix.shape[1])

    texts = ["1", "w", "u(x2, 0.004)", "w*u(x2, 0.004)", "u(x2, 0.004)**2"]
    terms = [column("x", t) for t in texts]
    rest = [column("css", "w"), column("cos", "1"), column("cos", "w**2")]
    root = np.zeros(len(problem.rows.target))
    for (split, index), share in zip(problem.rows.blocks, (0.7, 0.3), strict=True):
        root[index] = np.sqrt(share * problem.weights(split) / len(index))

    def loss(subset: tuple[int, ...]) -> float:
        x = root[:, None] * np.array([terms[k] for k in subset] + rest).T
        q = np.linalg.qr(x / np.linalg.norm(x, axis=0))[0]
        y = root * problem.rows.target
        return float(np.linalg.norm(y - q @ (q.T @ y)))

    found: dict[int, ChannelGenome] = {}
    for seed in range(20):
        made = reselect("x", (own, values), [(other, values)], np.random.default_rng(seed))
        if made is not None:
            made.check(parts.mutator.workspaces["x"])
            expression = made.expression(parts.mutator.workspaces["x"])
            found[sum(p.startswith("c") for p in expression.parameters)] = expression
    assert sorted(found) == [1, 2, 3]
    for size, expression in found.items():
        best = min(itertools.combinations(range(5), size), key=loss)
        wanted = " + ".join(f"c{n}*{texts[k].replace('0.004', 'g')}" for n, k in enumerate(best))
        assert channel_fingerprint(expression) == channel_fingerprint(Expression.parse(wanted))


def test_what_cannot_be_composed_is_left_alone(parts: SearchParts, reselect: Reselect) -> None:
    values = dict.fromkeys(("x", "css", "cos"), VALUES)
    quotient = genome(parts, x="w/(c0 + w)", css="c0", cos="c0")
    assert reselect("x", (quotient, values), [], np.random.default_rng(0)) is None
    short = Reselect(reselect.problem, parts.mutator.workspaces, Limits(instructions=1))
    sums = genome(parts, x="c0 + c1*w + c2*u(x2, g)", css="c0", cos="c0")
    assert all(short("x", (sums, values), [], np.random.default_rng(s)) is None for s in range(5))


def test_a_search_reselects_and_is_deterministic(tmp_path) -> None:
    runs = [search(CONFIG, output=tmp_path / name, report=False, progress="none") for name in "ab"]
    histories = []
    for run in runs:
        with RunStore.open(run.path / "history.sqlite", read_only=True) as store:
            histories.append([json.dumps(row, default=str) for row in store.fitted()])
            assert any("reselect" in row[0] for row in store.mutations())
    assert histories[0] == histories[1]
