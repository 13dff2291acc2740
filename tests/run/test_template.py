"""Searches inside a given form of the factor."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_problem import three_channels
from test_search import SMALL, history

from fastsfes import Expression, InputError
from fastsfes.evolve.genome import Workspace
from fastsfes.run.config import SearchConfig
from fastsfes.run.search import search
from fastsfes.run.setup import prepare

FORM = "f_x = 1 + u(x2, h)*F"
CONFIG = replace(SMALL, candidates=241, template=(FORM, "css = a*exp(F)"), max_sharpness=0)


def test_every_candidate_has_the_form(tmp_path: Path) -> None:
    run = search(CONFIG, output=tmp_path / "run", problem=three_channels)
    zero = {"x2": np.zeros(5), "w": np.linspace(-1, 1, 5)}
    members = [run.functional(k) for k in range(len(run.members))]
    assert len(members) > 2
    for functional in (run.best, *members):
        # u is 0 there, whatever F is; printed and refitted as one formula
        np.testing.assert_allclose(np.broadcast_to(functional.channels["x"].evaluate(zero), (5,)), 1.0, rtol=1e-12)
        css = np.broadcast_to(functional.channels["css"].evaluate(zero), (5,))
        assert np.all(css > 0) or np.all(css < 0)  # a times an exponential
    assert len({str(f.channels["x"].expression) for f in members}) > 1  # F evolves
    again = search(CONFIG, output=tmp_path / "again", problem=three_channels, report=False)
    assert history(again.path) == history(run.path)


def test_what_stands_in_the_form() -> None:
    parts = prepare(CONFIG)
    workspace = parts.mutator.workspaces["x"]
    assert workspace.scales == {"h"}
    ((_, genome, values),) = parts.bases
    # the base is F: 1 of lda; the scale of a u starts at the channel's, other names at 1
    assert genome.channels["x"].expression(workspace) == Expression.parse("1 + u(x2, h)")
    assert values["x"]["h"] == 0.004
    assert values["css"]["a"] == 1.0
    assert isinstance(back := pickle.loads(pickle.dumps(workspace)), Workspace)
    assert back.template == workspace.template
    assert SearchConfig.from_text(CONFIG.to_toml(), "text").template == CONFIG.template


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 + F", 'expected "CHANNEL = FORMULA"'),
        ("c = F", 'expected "CHANNEL = FORMULA"'),
        ("x = 1 + u(x2, g)", "has no F, which stands for what evolves"),
        ("x = zeta*F", 'channel x has no feature "zeta"'),
        ("x = 1 + *F", "template: at "),
    ],
)
def test_what_is_no_form_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare(replace(SMALL, template=(text,)))
    with pytest.raises(InputError, match="two forms"):
        prepare(replace(SMALL, template=(FORM, FORM)))
