"""The presets of searches: what each changes in the defaults of `SearchConfig`."""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS"]

_REDISCOVER: dict[str, Any] = {
    "dataset": "builtin",  # its densities are there, so that what is found is checked on the grid
    "stop_below": 1e-6,
    "channels": ("x",),
    "base": ("empty",),
    "mutation_pool": {"insert": 1.0, "remove": 1.0, "replace": 1.0, "change_argument": 1.0, "crossover_lines": 0.5},
    "keep_duplicates": True,
    "parameter_penalty": 0.0,
    "complexity_penalty": 0.0,
}

# Quotients have poles and minima that one start does not leave; populations of copies stay where they are.
_ROUGH: dict[str, Any] = {"starts": 3, "keep_duplicates": False}

_POINTS = {
    "u": 1.0, "add1": 0.5, "add": 1.0, "sub": 0.5, "mul": 1.0, "div": 1.0, "fma": 2.0, "square": 0.5, "cube": 0.25,
    "pow4": 0.25, "sqrt": 0.5, "exp": 0.5, "log1p": 0.5,
}  # fmt: skip

_BEYOND: dict[str, Any] = {
    "candidates": 150000,
    "base": ("wb97m_v",),
    "islands": 4,
    "parameters": 8,
    "max_instructions": 30,
    "max_parameters": 16,
    "train_coefficient": 0.5,
    "validation_coefficient": 0.5,
    "parameter_penalty": 0.01,
    "complexity_penalty": 0.003,
}

PRESETS: dict[str, dict[str, Any]] = {
    "quickstart": {},
    "b97x": {
        **_REDISCOVER,
        "targets": "b97x",
        "candidates": 10000,
        "features_x": ("u = u(x2, 0.004)",),
        "parameters": 3,
        "variables": 1,
        "instruction_pool": {"add": 1.0, "fma": 1.0, "square": 1.0},
        "max_instructions": 4,
        "restart": 1000,
    },
    "pbex": {
        **_REDISCOVER,
        "targets": "pbe_x",
        "candidates": 200000,
        "features_x": ("x2",),
        "parameters": 3,
        "variables": 2,
        "instruction_pool": {"add": 1.0, "mul": 1.0, "div": 1.0, "add1": 1.0, "fma": 2.0},
        "max_instructions": 6,
        "tournament": 4,
        "restart": 2000,
        "rejoin": True,
        **_ROUGH,
    },
    "b88x": {
        **_REDISCOVER,
        "targets": "b88_x",
        "candidates": 400000,
        "islands": 4,
        "migrants": 0,  # one population in five stays in a minimum of another form, and would take the others there
        "features_x": ("x2", "x", "a = x*asinh(x)"),
        "parameters": 3,
        "variables": 2,
        "instruction_pool": {"add1": 1.0, "add": 1.0, "mul": 1.0, "div": 1.0, "fma": 2.0},
        "max_instructions": 6,
        "tournament": 4,
        "restart": 3000,
        **_ROUGH,
    },
    "points": {
        "channels": (),
        "base": ("empty", "quotients"),
        "features_x": (),
        "features_css": (),
        "features_cos": (),
        "instruction_pool": _POINTS,
        "mutation_pool": {"insert": 1.0, "remove": 1.0, "replace": 1.0, "change_argument": 1.0, "crossover_lines": 0.5},
        "parameters": 4,
        "train_coefficient": 0.5,
        "validation_coefficient": 0.5,
        "parameter_penalty": 0.0,
        "complexity_penalty": 0.0,
        "stop_below": 1e-9,
        "tournament": 4,
        "restart": 3000,
        "islands": 1,
        "rejoin": True,
        "starts": 2,
    },
    "beyond": _BEYOND,
    "constrained": {
        **_BEYOND,
        "candidates": 120000,
        "constraints": ("uniform_gas", "0 <= f_x <= 1.804", "-5 <= f_css <= 5", "0 <= f_cos <= 5"),
        "grid_coefficient": 10.0,
    },
}
"""Preset name to the options in which it differs from the defaults of `SearchConfig`."""
