"""JSON of SyFES: what is written is read again with the same values, and is what SyFES knows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import fastsfes as fs
from fastsfes.formula.instructions import INSTRUCTIONS

FORMULAS = (
    "x = 1 + c*u(x2, g) - d*u(x2, h)**7; x.c = 0.3; x.g = 0.004; x.d = 0.2; x.h = 0.02; css = -w; cos = 2",
    "x = (a + w)**5/(1 + exp(-x2))*log1p(cbrt(x2)); x.a = 1.5",
    "x = b88_x(x2, b) + rpbe_x(x2, k, m); x.b = 0.004; x.k = 0.8; x.m = 0.2; cos = 1 + sqrt(rho)*logistic(w)",
)


@pytest.mark.parametrize("name", ["gas22", "gas22_syfes", "wb97m_v", "b97", "pbe_x", "rpbe_x", "b88_x", *FORMULAS])
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    functional = fs.load(name)
    (path,) = fs.export(functional, "syfes", tmp_path / "mine")
    data = json.loads(path.read_text(encoding="utf-8"))
    classes = {kind.syfes for kind in INSTRUCTIONS.values()} - {""}
    again = fs.load(str(path))
    rng = np.random.default_rng(5)
    at = {"x2": rng.uniform(0.01, 50.0, 40), "w": rng.uniform(-0.9, 0.9, 40), "rho": rng.uniform(0.01, 2.0, 40)}
    for kind in ("x", "css", "cos"):
        factor = data[f"f_{kind}"]
        assert {line[0] for line in factor["instructions"]} <= classes
        assert {line[1] for line in factor["instructions"]} <= set(factor["variable_names"])
        channel = functional.channels.get(kind)
        expected = np.zeros(40) if channel is None else np.broadcast_to(channel.evaluate(at), 40)
        # powers by other products, and 1/2^(2/3) twice: a few roundings
        np.testing.assert_allclose(np.broadcast_to(again.channels[kind].evaluate(at), 40), expected, rtol=1e-14)
    assert again.frame == fs.get_functional("gas22_syfes").frame


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = tanh(w)", 'no instruction for "tanh"'),
        ("x = alpha", 'has "alpha"'),
        ("one = rho", "a channel one"),
        ("css = 1; correlation = scan_alpha1", "scan_alpha1"),
    ],
)
def test_what_syfes_has_not_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(fs.InputError, match=message):
        fs.export(text, "syfes", tmp_path / "mine.json")
    assert not list(tmp_path.iterdir())
