"""What a run reports keeps every limit that was given: winner, front, files and tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_problem import three_channels

import fastsfes as fs
from fastsfes import cli
from fastsfes.run.config import SearchConfig
from fastsfes.run.search import Run, search

FREE = SearchConfig.make(
    dataset="builtin", candidates=801, seed=1, population=20, tournament=4, generation=20, generations=2,
    features_x=("u", "w"), features_css=("u", "w"), features_cos=("u", "w"),
    instruction_pool={"add": 2.0, "mul": 2.0, "fma": 2.0},
)  # fmt: skip

Nodes = list[tuple[str, tuple[int, ...], Any]]


def parameters(functional: fs.Functional) -> int:
    return sum(len(c.expression.parameters) for c in functional.channels.values())


def complexity(functional: fs.Functional) -> int:
    return sum(c.expression.complexity for c in functional.channels.values())


def of_factors(measure: Callable[[Nodes], int]) -> Callable[[fs.Functional], int]:
    """The largest of the factors' measures."""
    return lambda f: max(measure(list(c.expression.nodes())) for c in f.channels.values())


def products(nodes: Nodes) -> int:
    return sum(name == "*" for name, _, _ in nodes)


def nested_products(nodes: Nodes) -> int:
    """How many products have a product in an argument, however deep."""
    holds: list[bool] = []
    for name, args, _ in nodes:
        holds.append(name == "*" or any(holds[a] for a in args))
    return sum(name == "*" and any(holds[a] for a in args) for name, args, _ in nodes)


def depth(nodes: Nodes) -> int:
    found: list[int] = []
    for _, args, _ in nodes:
        found.append(1 + max(found[a] for a in args) if args else 0)
    return found[-1]


LIMITS: dict[str, tuple[dict[str, Any], Callable[[fs.Functional], int], int]] = {
    "max_parameters": ({"max_parameters": 3}, parameters, 3),
    "max_complexity": ({"max_complexity": 12}, complexity, 12),
    "operator_limits": ({"operator_limits": {"*": 1}}, of_factors(products), 1),
    "forbid_nesting": ({"forbid_nesting": ("* in *",)}, of_factors(nested_products), 0),
    "max_depth": ({"max_depth": 3}, of_factors(depth), 3),
}


def reported(run: Run) -> list[fs.Functional]:
    """Every functional that a run shows or writes."""
    written = [fs.Functional.from_json(run.path / "best.json"), fs.load(run.path)]
    members = [run[k] for k in range(len(run.members))]
    rows = json.loads((run.path / "front.json").read_text())["members"]
    return [run.best, *written, *members, *(fs.Functional.from_dict(row["functional"]) for row in rows)]


@pytest.fixture(scope="module")
def free(tmp_path_factory: pytest.TempPathFactory) -> list[fs.Functional]:
    return reported(search(FREE, output=tmp_path_factory.mktemp("runs") / "free", problem=three_channels))


@pytest.mark.parametrize("limit", LIMITS)
def test_what_is_reported_keeps_the_limit(
    limit: str, free: list[fs.Functional], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, measure, largest = LIMITS[limit]
    assert max(map(measure, free)) > largest  # without the limit it is broken
    run = search(replace(FREE, **options), output=tmp_path / "run", problem=three_channels)
    found = reported(run)
    assert len(run.members) > 1
    assert max(map(measure, found)) <= largest
    # the tables say the same of them: the data of `show --json`, the rows of the front, and what is printed
    for index, row in enumerate(run.members):
        assert (row["parameters"], row["complexity"]) == (parameters(run[index]), complexity(run[index]))
    for index, row in enumerate(run.pareto):
        assert {k: str(c.expression) for k, c in run[index].channels.items()} == row["expressions"]
    capsys.readouterr()
    assert cli.main(["show", str(run.path), "--pareto"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = {tuple(words[1:3]) for words in lines if words and words[0].rstrip("*!").isdigit()}
    assert shown >= {(str(row["complexity"]), str(row["parameters"])) for row in run.members}
