"""Drawings of the factors: the graph that is written is the formula."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs


@pytest.mark.parametrize("name", ["gas22", "b88_x", "r2scan"])
def test_the_drawn_graph_is_the_formula(name: str, tmp_path: Path) -> None:
    functional = fs.get_functional(name)
    (path,) = fs.export(functional, "dot", tmp_path / "drawn")
    assert path.name == "drawn.dot"
    text = path.read_text(encoding="utf-8")
    rng = np.random.default_rng(3)
    for number, (kind, channel) in enumerate(functional.channels.items()):
        assert f'label="f_{kind}"' in text
        meaning = dict(re.findall(rf'(n{number}_\d+) \[label=".*", tooltip="(.*)", shape', text))
        arguments: dict[str, list[str]] = {node: [] for node in meaning}
        for before, after in re.findall(rf"(n{number}_\d+) -> (n{number}_\d+);", text):
            arguments[after].append(before)
        built: dict[str, fs.Expression] = {}
        for node, itself in meaning.items():
            given = [built[a] for a in arguments[node]]
            built[node] = fs.Expression.apply(itself, *given) if given else fs.Expression.parse(itself)
        last = built[list(meaning)[-1]]
        values = {f: rng.uniform(0.1, 0.9, 9) for f in channel.expression.features}
        np.testing.assert_allclose(last.evaluate(values, channel.parameters), channel.evaluate(values), rtol=1e-14)


def test_graphviz_draws_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(fs.FastsfesError, match="Graphviz is needed"):
            fs.export("gas22", "dot", tmp_path / "gas22.svg")
    if shutil.which("dot") is None:
        pytest.skip("Graphviz (dot) is not installed")
    for ending, mark in ((".svg", b"<svg"), (".pdf", b"%PDF")):
        written = fs.export("gas22", "dot", tmp_path / f"gas22{ending}")
        assert [path.name for path in written] == ["gas22.dot", f"gas22{ending}"]
        assert mark in written[1].read_bytes()
